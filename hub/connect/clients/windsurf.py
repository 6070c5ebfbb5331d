"""Windsurf.

Servers stand in `~/.codeium/windsurf/mcp_config.json`, on every system (https://docs.windsurf.com/windsurf/cascade/mcp).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hub.connect import jsonc
from hub.connect.clients.client import Client, File, Place
from hub.connect.edit import Edit
from hub.connect.entry import NAME, Wish, server

PATH: Final = ("mcpServers", NAME)


def files(place: Place) -> list[File]:
    return [File(folder(place) / "mcp_config.json", jsonc, _edits, servers=(PATH,))]


def folder(place: Place) -> Path:
    return place.home / ".codeium" / "windsurf"


def _edits(document: dict[str, Any], wish: Wish) -> list[Edit]:
    return server(document, PATH, wish)


WINDSURF: Final = Client(
    "windsurf", "Windsurf", ("windsurf",), folder, files, "Refresh the MCP servers in Windsurf's Cascade panel."
)
