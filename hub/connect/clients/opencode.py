"""opencode.

Servers stand under `mcp` in `opencode.json` or `opencode.jsonc` below `~/.config/opencode`, on every system, or below
XDG_CONFIG_HOME (https://opencode.ai/docs/config). Version 2 keeps them under `mcp.servers` and reads the older form
too (https://opencode.ai/docs/migrate-v1): so the older one is written, unless the file has the newer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hub.connect import jsonc
from hub.connect.clients.client import Client, File, Place
from hub.connect.edit import Edit, find
from hub.connect.entry import NAME, Wish, table

OLDER: Final = ("mcp", NAME)
NEWER: Final = ("mcp", "servers", NAME)


def files(place: Place) -> list[File]:
    commented = folder(place) / "opencode.jsonc"
    path = commented if commented.exists() else folder(place) / "opencode.json"
    return [File(path, jsonc, _edits, servers=(OLDER, NEWER))]


def folder(place: Place) -> Path:
    return place.folder("XDG_CONFIG_HOME", ".config") / "opencode"


def _edits(document: dict[str, Any], wish: Wish) -> list[Edit]:
    servers = find(document, NEWER[:-1])
    newer = isinstance(servers, dict) and "command" not in servers and "url" not in servers
    path = NEWER if newer else OLDER
    command = [wish.command, *wish.arguments]
    present = find(document, (*path, "command"))
    if isinstance(present, list) and present[: len(command)] == command:
        command = present
    ours: dict[str, Any] = {"type": "local", "command": command}
    if not newer:
        ours["enabled"] = True
    return table(document, path, ours, wish.environ, "environment")


OPENCODE: Final = Client(
    "opencode", "opencode", ("opencode",), folder, files, "Start opencode again; opencode mcp list shows the server."
)
