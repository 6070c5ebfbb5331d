"""Claude Code.

Servers stand in `~/.claude.json`, hooks and permissions in `~/.claude/settings.json`; CLAUDE_CONFIG_DIR moves both
into one folder (https://code.claude.com/docs/en/settings, https://code.claude.com/docs/en/mcp,
https://code.claude.com/docs/en/hooks).

`alwaysLoad` puts the tools into every request; without it a model has to search for them first. A hook with
`asyncRewake` runs beside the session, and wakes it when it ends with code 2.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hub.connect import jsonc
from hub.connect.clients.client import Client, File, Place
from hub.connect.edit import Edit, Include, find
from hub.connect.entry import HOOK_LIMIT, NAME, READING, Wish, hooks, server

ALL_TOOLS: Final = f"mcp__{NAME}"
EVENTS: Final = ("SessionStart", "UserPromptSubmit", "PostToolUse", "Stop")
WAITS_AFTER: Final = ("SessionStart", "Stop")
WAITING: Final = 86_400  # seconds that one waiting hook may live
ALLOWED: Final = ("permissions", "allow")


def files(place: Place) -> list[File]:
    settings = folder(place) / "settings.json"
    servers = folder(place) / ".claude.json" if place.environ.get("CLAUDE_CONFIG_DIR") else place.home / ".claude.json"
    return [
        File(servers, jsonc, _servers, servers=(("mcpServers", NAME),)),
        File(settings, jsonc, _settings, hooks=("hooks",), allowed=ALLOWED),
    ]


def folder(place: Place) -> Path:
    return place.folder("CLAUDE_CONFIG_DIR", ".claude")


def hook_items(wish: Wish) -> list[tuple[str, dict[str, Any]]]:
    """The hooks, as (event, item): those that answer at once, and the one that waits beside a session.

    Waiting begins with the session, and again with the end of each turn, since what wakes a session is over then.
    """
    waiting = {"type": "command", "command": wish.hook("Wake"), "asyncRewake": True, "timeout": WAITING}
    answering = [(event, {"type": "command", "command": wish.hook(event), "timeout": HOOK_LIMIT}) for event in EVENTS]
    return [(event, {"hooks": [each]}) for event, each in [*answering, *((event, waiting) for event in WAITS_AFTER)]]


def _servers(document: dict[str, Any], wish: Wish) -> list[Edit]:
    return server(document, ("mcpServers", NAME), wish, type="stdio", alwaysLoad=True)


def _settings(document: dict[str, Any], wish: Wish) -> list[Edit]:
    edits = hooks(document, ("hooks",), hook_items(wish))
    allowed = find(document, ALLOWED)
    if wish.allow == "all":
        edits.append(Include(ALLOWED, ALL_TOOLS))
    elif wish.allow == "read" and not (isinstance(allowed, list) and ALL_TOOLS in allowed):
        edits += [Include(ALLOWED, f"{ALL_TOOLS}__{tool}") for tool in READING]
    return edits


CLAUDE: Final = Client(
    "claude",
    "Claude Code",
    ("claude",),
    folder,
    files,
    "Start a new session of Claude Code, and ask it: who's online? /mcp shows the server.",
    can_allow=True,
)
