"""Pages of the log are read once for all who ask the same, and again after whatever may have changed them."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from hub.errors import StorageFailed
from hub.log import Span
from hub.message import Message
from hub.pages import MAX_KEPT, Pages
from hub.session import Behind
from tests.hub.core import message


class Log:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.fails = False

    async def read(self, spans: tuple[Span, ...], limit: int, size: int) -> list[Message]:
        return await self._answer(spans)

    async def since(self, after: int, limit: int, size: int) -> list[Message]:
        return await self._answer(after)

    async def _answer(self, what: Any) -> list[Message]:
        self.asked.append(what)
        await asyncio.sleep(0)
        if self.fails:
            raise StorageFailed("a planted failure")
        return [message(1), message(2), message(3)]


def behind(after: int = 0, *, upto: int = 10) -> Behind:
    return Behind((Span("build", after, upto),), after, upto, 16)


async def test_many_who_ask_the_same_are_given_the_same_page_read_once() -> None:
    log = Log()
    pages = Pages(cast(Any, log))
    runs = await asyncio.gather(*(pages.read(behind()) for _ in range(100)), pages.read(behind(1)))
    assert len(log.asked) == 2
    assert all(run is runs[0] for run in runs[:100])
    assert await pages.read(behind()) is runs[0]


async def test_an_observers_page_ends_where_the_window_begins() -> None:
    pages = Pages(cast(Any, Log()))
    run = await pages.read(Behind((), 0, 2, 16))
    assert (run.offsets, run.complete) == ([1, 2], False)


async def test_a_page_is_read_again_once_it_was_forgotten_or_has_failed() -> None:
    log = Log()
    pages = Pages(cast(Any, log))
    await pages.read(behind())
    pages.forget()
    log.fails = True
    for outcome in await asyncio.gather(*(pages.read(behind()) for _ in range(3)), return_exceptions=True):
        assert isinstance(outcome, StorageFailed)
    log.fails = False
    await pages.read(behind())
    assert len(log.asked) == 3


async def test_one_who_no_longer_waits_takes_the_page_from_nobody() -> None:
    pages = Pages(cast(Any, Log()))
    first = asyncio.create_task(pages.read(behind()))
    second = asyncio.create_task(pages.read(behind()))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).offsets == [1, 2, 3]
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_pages_kept_are_bounded() -> None:
    log = Log()
    pages = Pages(cast(Any, log))
    for after in range(MAX_KEPT + 1):
        await pages.read(behind(after))
    await pages.read(behind(MAX_KEPT))
    assert len(log.asked) == MAX_KEPT + 1
    await pages.read(behind(0))
    assert len(log.asked) == MAX_KEPT + 2
