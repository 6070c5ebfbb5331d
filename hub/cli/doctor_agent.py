"""hubbub doctor --agent NAME: whether a message gets from the hub to the model, hop by hop.

The agent's MCP process is found by its note (mcp_client.note), and tries each hop with a test.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

from hub.config import Settings
from mcp_client import note

LIMIT = 2.0  # seconds to ask a process who it is
EXAMINATION = 120.0  # seconds that all tests together may take


class Verdict(NamedTuple):
    """How one hop is: works, not available, unknown or broken; why, and what to type about it."""

    hop: str
    state: str
    why: str
    command: str | None = None


def examine(settings: Settings, name: str) -> Iterator[Verdict]:
    """Every hop of the agent `name`, if its MCP process runs in this home."""
    others: list[str] = []
    for each in note.read_all(str(settings.home)):
        about = _ask(each, {"only": "name"}, LIMIT)
        if about is None:
            continue
        if about["name"].lower() != name.lower():
            others.append(about["name"])
            continue
        told = _ask(each, {}, EXAMINATION)
        if told is None:
            yield Verdict("mcp", "broken", f"the MCP process of {name}, pid {each.pid}, does not answer")
            return
        yield Verdict("mcp", "works", f"pid {each.pid}, {told['client']}; the agent is {_doing(told['activity'])}")
        for hop in told["hops"]:
            yield Verdict(**hop)
        return
    known = f"; there are those of {', '.join(sorted(others))}" if others else ""
    yield Verdict(
        "mcp",
        "broken",
        f"no MCP process of {name} runs in {settings.home}{known}: {name} has only what it asks for itself",
        "hubbub connect --help",
    )


def _doing(activity: str) -> str:
    return "at work or idle: no hook has told" if activity == "unknown" else activity


def _ask(each: note.Note, said: dict[str, Any], limit: float) -> dict[str, Any] | None:
    body = json.dumps(said).encode()
    try:
        with socket.create_connection(("127.0.0.1", each.port), limit) as connection:
            connection.sendall(f"{each.secret} Examine {len(body)}\n".encode() + body)
            with connection.makefile("rb") as stream:
                code, out, _ = map(int, stream.readline().split())
                told = json.loads(stream.read(out))
    except (OSError, ValueError):
        return None
    return told if code == 0 and isinstance(told, dict) else None
