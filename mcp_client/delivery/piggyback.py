"""Any result of our tools says that mail waits, so that no agent has to poll."""

from __future__ import annotations

from typing import Any

from mcp_client.inbox import Unread

NAMED = 5  # senders; the rest are counted


def line(unread: Unread) -> str | None:
    """`2 unread: bob, carol (check reads them)`; None when nothing waits."""
    if not unread.messages:
        return None
    names = ", ".join(unread.senders[:NAMED])
    if (others := len(unread.senders) - NAMED) > 0:
        names += f" and {others} more"
    return f"{unread.messages} unread: {names} (check reads {'it' if unread.messages == 1 else 'them'})"


def fields(unread: Unread) -> dict[str, Any]:
    """The same for structured content; empty when nothing waits."""
    return {"unread": {"count": unread.messages, "from": unread.senders[:NAMED]}} if unread.messages else {}
