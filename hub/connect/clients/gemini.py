"""Gemini CLI.

Everything stands in `.gemini/settings.json` below the home folder, or below GEMINI_CLI_HOME
(https://geminicli.com/docs/reference/configuration). It knows `trust` for all tools of a server or for none, so
the reading tools alone cannot be allowed. Times are in milliseconds (https://geminicli.com/docs/hooks/reference).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hub.connect import jsonc
from hub.connect.clients.client import Client, File, Place
from hub.connect.edit import Edit
from hub.connect.entry import HOOK_LIMIT, LONGEST_CALL, NAME, Wish, hooks, server

EVENTS: Final = ("SessionStart", "BeforeAgent", "AfterTool", "AfterAgent")
PATH: Final = ("mcpServers", NAME)


def files(place: Place) -> list[File]:
    return [File(folder(place) / "settings.json", jsonc, _edits, servers=(PATH,), hooks=("hooks",))]


def folder(place: Place) -> Path:
    return place.folder("GEMINI_CLI_HOME") / ".gemini"


def _edits(document: dict[str, Any], wish: Wish) -> list[Edit]:
    more: dict[str, Any] = {"timeout": LONGEST_CALL * 1000}
    if wish.allow == "all":
        more["trust"] = True
    return server(document, PATH, wish, **more) + hooks(
        document,
        ("hooks",),
        [
            (
                event,
                {
                    "hooks": [
                        {"name": NAME, "type": "command", "command": wish.hook(event), "timeout": HOOK_LIMIT * 1000}
                    ]
                },
            )
            for event in EVENTS
        ],
    )


GEMINI: Final = Client(
    "gemini",
    "Gemini CLI",
    ("gemini",),
    folder,
    files,
    "Start Gemini CLI again. In a folder that it does not trust it starts no server: /permissions.",
    can_allow=True,
)
