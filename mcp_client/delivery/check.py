"""The model asks for its mail and has what is buffered, at once: no question to the hub."""

from __future__ import annotations

from collections.abc import Hashable

from mcp_client.inbox import Inbox, Item

LIMIT = 20  # messages in one result, unless told otherwise
MOST = 100


def take(inbox: Inbox, claim: Hashable, limit: int | None) -> list[Item]:
    """The oldest unread, up to `limit` messages, claimed for the request that shows them."""
    return inbox.take(claim, LIMIT if limit is None else limit)
