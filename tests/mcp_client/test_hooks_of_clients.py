"""The hooks of Codex, Gemini CLI and Cursor, played as their vendors document them.

The player reads the file that `hubbub connect` has written, runs a hook's line in a shell with the event on standard
input, and takes what it prints as the client does: strictly, since a part that a client does not know may void all.
`make clients` holds the first two of them to the real programs; Cursor has none that runs without an account.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mcp_client.delivery.plan import Activity
from tests.hub.scripted_hub import BOUND, ScriptedHub, scripted_hub
from tests.journeys.processes import HUBBUB, environment
from tests.mcp_client.desk import Desk
from tests.mcp_client.test_hook import beside

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the lines are for a POSIX shell")


class Vendor(NamedTuple):
    """What a vendor documents: where a hook's line stands, what an event says, and what its answer may be."""

    file: str
    lines: Callable[[str], dict[str, Any]]
    common: dict[str, Any]
    starts: str
    prompted: tuple[str, dict[str, Any]]
    amid: tuple[str, dict[str, Any]]
    ends: tuple[str, dict[str, Any]]
    context: Callable[[str, Any], str]  # (event, what was printed): what the model is given
    follow_up: Callable[[Any], str] | None  # what keeps a turn going; None where nothing does


def _nested(hooks: dict[str, Any]) -> dict[str, str]:
    return {event: items[0]["hooks"][0]["command"] for event, items in hooks.items()}


def _specific(event: str, printed: Any) -> str:
    assert printed == {
        "hookSpecificOutput": {
            "hookEventName": event,
            "additionalContext": printed["hookSpecificOutput"]["additionalContext"],
        }
    }
    return str(printed["hookSpecificOutput"]["additionalContext"])


def _only(key: str) -> Callable[..., str]:
    def read(*given: Any) -> str:
        assert list(given[-1]) == [key]
        return str(given[-1][key])

    return read


def _block(printed: Any) -> str:
    assert printed == {"decision": "block", "reason": printed["reason"]}
    return str(printed["reason"])


VENDORS = {
    # https://developers.openai.com/codex/hooks
    "codex": Vendor(
        ".codex/config.toml",
        lambda text: _nested(tomllib.loads(text)["hooks"]),
        {"session_id": "0199", "transcript_path": None, "cwd": "/", "model": "gpt-5", "permission_mode": "default"},
        "SessionStart",
        ("UserPromptSubmit", {"turn_id": "1", "prompt": "go on"}),
        ("PostToolUse", {"turn_id": "1", "tool_name": "Bash", "tool_use_id": "c1", "tool_response": "ok"}),
        ("Stop", {"turn_id": "1", "stop_hook_active": False, "last_assistant_message": "done"}),
        _specific,
        _block,
    ),
    # https://geminicli.com/docs/hooks/reference
    "gemini": Vendor(
        ".gemini/settings.json",
        lambda text: _nested(json.loads(text)["hooks"]),
        {"session_id": "0199", "transcript_path": "", "cwd": "/", "timestamp": "2026-01-31T12:00:00Z"},
        "SessionStart",
        ("BeforeAgent", {"prompt": "go on"}),
        ("AfterTool", {"tool_name": "run_shell_command", "tool_input": {}, "tool_response": {"llmContent": "ok"}}),
        ("AfterAgent", {"prompt": "go on", "prompt_response": "done", "stop_hook_active": False}),
        _specific,
        None,
    ),
    # https://cursor.com/docs/agent/hooks
    "cursor": Vendor(
        ".cursor/hooks.json",
        lambda text: {event: items[0]["command"] for event, items in json.loads(text)["hooks"].items()},
        {"conversation_id": "0199", "generation_id": "1", "cursor_version": "2.0", "workspace_roots": ["/"]},
        "sessionStart",
        ("beforeSubmitPrompt", {"prompt": "go on", "attachments": []}),
        ("postToolUse", {"tool_name": "Shell", "tool_input": {}, "tool_output": "ok", "duration": 5}),
        ("stop", {"status": "completed", "loop_count": 0}),
        _only("additional_context"),
        _only("followup_message"),
    ),
}


class Player:
    """A client that is connected; the agent's MCP process is beside it."""

    def __init__(self, vendor: Vendor, at: Desk, user: Path, home: Path) -> None:
        self.vendor = vendor
        self.at = at
        self._environ = environment(home, HOME=str(user))
        subprocess.run(
            [*HUBBUB, "connect", user.name, "--yes"],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=BOUND,
        )
        self.lines = vendor.lines((user / vendor.file).read_text())

    async def fire(self, event: str, **told: Any) -> Any:
        """One event; what the hook printed, None where that is nothing."""
        said = {**self.vendor.common, "hook_event_name": event, **told}
        async with asyncio.timeout(6 * BOUND):
            process = await asyncio.create_subprocess_shell(
                self.lines[event],
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            out, err = await process.communicate(json.dumps(said).encode())
        assert (process.returncode, err) == (0, b"")
        return json.loads(out) if out else None

    async def comes(self, hub: ScriptedHub, body: str) -> None:
        await hub.tell("alice", body)
        await self.at.has(1)


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    async with scripted_hub() as hub:
        yield hub


@pytest.fixture(params=VENDORS)
async def player(request: pytest.FixtureRequest, hub: ScriptedHub, tmp_path: Path) -> AsyncIterator[Player]:
    user, home = tmp_path / request.param, tmp_path / "home"
    for folder in (user, home):
        folder.mkdir()
    async with beside(hub, home) as at:
        yield Player(VENDORS[request.param], at, user, home)


async def test_a_session_from_its_start_to_its_end(player: Player, hub: ScriptedHub) -> None:
    vendor, at = player.vendor, player.at
    assert set(player.lines) == {vendor.starts, vendor.prompted[0], vendor.amid[0], vendor.ends[0]}
    assert await player.fire(vendor.starts) is None, "nothing new: nothing is said"
    assert at.courier.activity is Activity.IDLE

    await player.comes(hub, "one")
    event, told = vendor.prompted
    printed = await player.fire(event, **told)
    assert at.courier.activity is Activity.WORKING
    event, told = vendor.amid
    if printed is None:  # Cursor takes none here
        printed = await player.fire(event, **told)
        assert "one" in vendor.context(event, printed)
    else:
        assert "one" in vendor.context(vendor.prompted[0], printed)
    assert await player.fire(event, **told) is None, "it was said"

    await player.comes(hub, "two")
    assert "two" in vendor.context(event, await player.fire(event, **told))

    await player.comes(hub, "three")
    event, told = vendor.ends
    printed = await player.fire(event, **told)
    if vendor.follow_up is None:
        assert printed is None
        assert at.link.inbox.unread().messages == 1, "it waits for the next prompt"
        assert at.courier.activity is Activity.IDLE
    else:
        assert "three" in vendor.follow_up(printed)
        assert at.courier.activity is Activity.WORKING, "the turn goes on"
        await at.read(3)
        again = {"stop_hook_active": True, "loop_count": 1}
        assert await player.fire(event, **{key: again.get(key, value) for key, value in told.items()}) is None
        assert at.courier.activity is Activity.IDLE
