"""Antigravity, its editor and its command line `agy`.

Servers stand in `~/.gemini/config/mcp_config.json`, which both read (https://antigravity.google/docs/mcp). Its hooks
come with plugins, and no file that takes them from elsewhere is documented for all its versions: none is written.
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
    return place.home / ".gemini" / "config"


def _edits(document: dict[str, Any], wish: Wish) -> list[Edit]:
    return server(document, PATH, wish)


ANTIGRAVITY: Final = Client(
    "agy", "Antigravity", ("agy", "antigravity"), folder, files, "Start agy again, or refresh its MCP servers: /mcp."
)
