"""Claude Code's channels (research preview): a notification of ours becomes a turn of the session.

A session takes it only if it was started with this server as a channel; otherwise it drops it in silence, as all other
clients do. So it is tried for Claude Code alone, and what was written is only offered.
https://code.claude.com/docs/en/channels-reference
"""

from __future__ import annotations

from typing import Any, Final

CAPABILITY: Final[dict[str, dict[str, Any]]] = {"claude/channel": {}}
METHOD = "notifications/claude/channel"
CLIENT = "claude-code"  # as the client names itself in `initialize`


def params(text: str, mark: str) -> dict[str, Any]:
    """The notification's parameters; in `meta` keys are letters, digits and underscores, values are text."""
    return {"content": text, "meta": {"notice": mark}}
