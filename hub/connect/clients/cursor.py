"""Cursor.

Servers stand in `~/.cursor/mcp.json` (https://cursor.com/docs/context/mcp), hooks in `~/.cursor/hooks.json`, whose
`version` has to be 1 (https://cursor.com/docs/agent/hooks).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hub.connect import jsonc
from hub.connect.clients.client import Client, File, Place
from hub.connect.edit import Edit, Put
from hub.connect.entry import HOOK_LIMIT, NAME, Wish, hooks, server

EVENTS: Final = ("sessionStart", "beforeSubmitPrompt", "postToolUse", "stop")
PATH: Final = ("mcpServers", NAME)


def files(place: Place) -> list[File]:
    return [
        File(folder(place) / "mcp.json", jsonc, _server, servers=(PATH,)),
        File(folder(place) / "hooks.json", jsonc, _hooks, hooks=("hooks",)),
    ]


def folder(place: Place) -> Path:
    return place.home / ".cursor"


def _server(document: dict[str, Any], wish: Wish) -> list[Edit]:
    return server(document, PATH, wish)


def _hooks(document: dict[str, Any], wish: Wish) -> list[Edit]:
    items = [(event, {"command": wish.hook(event), "timeout": HOOK_LIMIT}) for event in EVENTS]
    return [Put(("version",), document.get("version", 1)), *hooks(document, ("hooks",), items)]


CURSOR: Final = Client(
    "cursor",
    "Cursor",
    ("cursor", "cursor-agent"),
    folder,
    files,
    "Switch hubbub on in Cursor's settings, under MCP; cursor-agent asks by itself.",
)
