"""The model waits in a tool call, and has a message the moment it comes.

Clients end a tool call that takes too long: Claude Code moves it to the background after two minutes, Codex ends it
after 300 s, Gemini CLI after 600 s, unless told otherwise; progress keeps a call alive where the client asked for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager, suppress
from typing import Protocol, TypeAlias

from hub.frames import Message
from mcp_client.bell import Bell
from mcp_client.delivery import check
from mcp_client.inbox import Inbox, Item

TIMEOUT = 110.0  # seconds, unless told otherwise: below the two minutes of Claude Code
LONGEST = 600.0
PROGRESS_EVERY = 10.0  # seconds between two notifications of progress

Progress: TypeAlias = Callable[[float, float, str], Awaitable[None]]


class Mailbox(Protocol):
    """An inbox that may be replaced by another (a new name has its own), and what rings when anything changed."""

    inbox: Inbox
    bell: Bell


async def for_news(mailbox: Mailbox, claim: Hashable, limit: float, progress: Progress) -> list[Item]:
    """What waits, or the first that comes within `limit` seconds; nothing at the time limit."""

    def news() -> bool:
        return mailbox.inbox.has_news()  # of the inbox as it is then

    async with _telling(progress, limit, "waiting for a message"):
        await mailbox.bell.until(news, limit)
        return check.take(mailbox.inbox, claim, None)


async def for_reply(
    mailbox: Mailbox, claim: Hashable, message_id: str, limit: float, progress: Progress
) -> Message | None:
    """The first reply to this message, or None if it did not come within `limit` seconds."""
    found: list[Message] = []

    def there() -> bool:
        reply = mailbox.inbox.take_reply(claim, message_id)
        if reply is not None:
            found.append(reply)
        return reply is not None

    async with _telling(progress, limit, "waiting for the reply"):
        await mailbox.bell.until(there, limit)
    return found[0] if found else None


@asynccontextmanager
async def _telling(progress: Progress, limit: float, about: str) -> AsyncIterator[None]:
    async def tell() -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        while True:
            await asyncio.sleep(PROGRESS_EVERY)
            await progress(round(loop.time() - start, 1), limit, about)

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
