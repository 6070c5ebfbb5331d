"""Visual Studio Code.

Servers stand under `servers` in `mcp.json` of the user's profile
(https://code.visualstudio.com/docs/agents/reference/mcp-configuration). The profile without a name is the folder
`Code/User` where the system keeps settings, or below VSCODE_PORTABLE
(https://code.visualstudio.com/docs/configure/settings#_settings-file-locations).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hub.connect import jsonc
from hub.connect.clients.client import Client, File, Place
from hub.connect.edit import Edit
from hub.connect.entry import NAME, Wish, server

PATH: Final = ("servers", NAME)


def files(place: Place) -> list[File]:
    return [File(folder(place) / "mcp.json", jsonc, _edits, servers=(PATH,))]


def folder(place: Place) -> Path:
    if place.environ.get("VSCODE_PORTABLE"):
        return place.folder("VSCODE_PORTABLE") / "user-data" / "User"
    if place.platform == "win32":
        return place.folder("APPDATA", "AppData", "Roaming") / "Code" / "User"
    if place.platform == "darwin":
        return place.home / "Library" / "Application Support" / "Code" / "User"
    return place.folder("XDG_CONFIG_HOME", ".config") / "Code" / "User"


def _edits(document: dict[str, Any], wish: Wish) -> list[Edit]:
    return server(document, PATH, wish, type="stdio")


VSCODE: Final = Client(
    "vscode",
    "Visual Studio Code",
    ("code",),
    folder,
    files,
    "Run `MCP: List Servers` in Visual Studio Code, start hubbub, and trust it.",
)
