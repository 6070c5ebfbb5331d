"""Codex.

Everything stands in `config.toml` below CODEX_HOME, by default `~/.codex`
(https://developers.openai.com/codex/config-reference). Hooks may also be in `hooks.json` beside it; Codex warns where
both have some, so they go where hooks are already (https://developers.openai.com/codex/hooks). It runs a hook only
after its user has looked at it: `/hooks`.

Codex hands a server next to nothing of its own environment: `env_vars` names what we need of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hub.connect import jsonc, toml
from hub.connect.clients.client import Client, File, Place
from hub.connect.edit import ABSENT, Edit, Put, find
from hub.connect.entry import ALL_OURS, HOOK_LIMIT, LONGEST_CALL, NAME, READING, STARTING, Wish, hooks, server

EVENTS: Final = ("SessionStart", "UserPromptSubmit", "PostToolUse", "Stop")
PATH: Final = ("mcp_servers", NAME)
WITHOUT_ASKING: Final = "approve"


def files(place: Place) -> list[File]:
    config, other = folder(place) / "config.toml", folder(place) / "hooks.json"
    if other.exists():
        return [File(config, toml, _server, servers=(PATH,)), File(other, jsonc, _hooks, hooks=("hooks",))]
    return [File(config, toml, lambda *given: _server(*given) + _hooks(*given), servers=(PATH,), hooks=("hooks",))]


def folder(place: Place) -> Path:
    return place.folder("CODEX_HOME", ".codex")


def _server(document: dict[str, Any], wish: Wish) -> list[Edit]:
    more: dict[str, Any] = {
        "env_vars": [key for key in ALL_OURS if key not in wish.environ],
        "startup_timeout_sec": STARTING,
        "tool_timeout_sec": LONGEST_CALL,
    }
    present = find(document, PATH)
    if wish.allow == "all":
        more["default_tools_approval_mode"] = WITHOUT_ASKING
    elif wish.allow == "read" and (present is ABSENT or "default_tools_approval_mode" not in present):
        mode = {"approval_mode": WITHOUT_ASKING}
        if present is ABSENT:
            more["tools"] = dict.fromkeys(READING, mode)
        else:
            allowed: list[Edit] = [Put((*PATH, "tools", tool), mode) for tool in READING]
            return server(document, PATH, wish, **more) + allowed
    return server(document, PATH, wish, **more)


def _hooks(document: dict[str, Any], wish: Wish) -> list[Edit]:
    return hooks(
        document,
        ("hooks",),
        [
            (event, {"hooks": [{"type": "command", "command": wish.hook(event), "timeout": HOOK_LIMIT}]})
            for event in EVENTS
        ],
    )


CODEX: Final = Client(
    "codex",
    "Codex",
    ("codex",),
    folder,
    files,
    "Start Codex again, and trust the hooks when it asks (/hooks); until then it works without them.",
    can_allow=True,
)
