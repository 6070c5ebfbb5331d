"""The clients that can be connected, by the word that is typed for each."""

from __future__ import annotations

from typing import Final

from hub.connect.clients.antigravity import ANTIGRAVITY
from hub.connect.clients.claude import CLAUDE
from hub.connect.clients.client import Client
from hub.connect.clients.codex import CODEX
from hub.connect.clients.cursor import CURSOR
from hub.connect.clients.gemini import GEMINI
from hub.connect.clients.opencode import OPENCODE
from hub.connect.clients.vscode import VSCODE
from hub.connect.clients.windsurf import WINDSURF

CLIENTS: Final[dict[str, Client]] = {
    each.name: each for each in (CLAUDE, CODEX, GEMINI, ANTIGRAVITY, CURSOR, VSCODE, OPENCODE, WINDSURF)
}
