"""`hubbub` with a fault planted in it, hub or agent, as a process: for tests of the tests.

python -m tests.soak.faulty_hub FAULT serve
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from hub import bridge
from hub.cli import main
from hub.client import Client
from hub.connection import Connections
from hub.history import History
from hub.hub import Hub
from hub.journal import Journal
from hub.link import Link
from hub.message import Draft, Message
from hub.protocol import WebSocketProtocol
from hub.session import Session

FAULTS: dict[str, Callable[[], None]] = {}
LATE = 1.0  # seconds between a confirmation and the commit that should have come before it

under_way: set[asyncio.Future[None]] = set()  # what nobody waits for; the loop keeps no hold of it


def fault(plant: Callable[[], None]) -> Callable[[], None]:
    FAULTS[plant.__name__] = plant
    return plant


def command(name: str) -> list[str]:
    """What to start instead of `hubbub`."""
    return [sys.executable, "-m", "tests.soak.faulty_hub", name]


@fault
def whoever_comes_back_begins_at_the_head() -> None:
    opened = Hub.open

    def skipping(self: Hub, joining: Any, now: float, wake: Any) -> Any:
        session, *rest = opened(self, joining, now, wake)
        session.position = self.head
        return session, *rest

    Hub.open = skipping  # type: ignore[assignment]


@fault
def whoever_comes_back_begins_again() -> None:
    opened = Hub.open

    def forgetful(self: Hub, joining: Any, now: float, wake: Any) -> Any:
        joining.hello.resume = None
        return opened(self, joining, now, wake)

    Hub.open = forgetful  # type: ignore[assignment]


@fault
def the_last_word_waits_for_room() -> None:
    WebSocketProtocol.send = WebSocketsSansIOProtocol.send  # type: ignore[method-assign]
    close = Link.close

    def patient(self: Link, code: int, reason: str) -> None:
        if self.room:
            close(self, code, reason)
        else:
            self._end = None
            self._hang_up()

    Link.close = patient  # type: ignore[method-assign]


@fault
def nobody_is_ever_too_slow() -> None:
    begun = Connections.__init__

    def patient(self: Connections, node: Any, terms: Any, *parts: Any) -> None:
        begun(self, node, terms._replace(slow_reader_timeout=1e6), *parts)

    Connections.__init__ = patient  # type: ignore[method-assign]


@fault
def nobody_is_pinged() -> None:
    WebSocketProtocol.start_keepalive = lambda self: self._handshake.stop()  # type: ignore[method-assign]
    Link.ping = lambda self: None  # type: ignore[method-assign]


@fault
def it_confirms_before_it_commits() -> None:
    stored = History._store

    async def commit(self: History, messages: Sequence[Message], before: list[asyncio.Future[None]]) -> None:
        await asyncio.sleep(LATE)
        await asyncio.gather(*before)
        await stored(self, messages)

    async def store(self: History, messages: Sequence[Message] = ()) -> None:
        committing = asyncio.ensure_future(commit(self, messages, list(under_way)))
        under_way.add(committing)
        committing.add_done_callback(under_way.discard)

    History._store = store  # type: ignore[method-assign]


@fault
def a_retry_is_stored_again() -> None:
    put = Journal.put

    def forgetful(self: Journal, draft: Draft, *more: Any) -> None:
        put(self, msgspec.structs.replace(draft, id=str(uuid4()), retry=False) if draft.retry else draft, *more)

    Journal.put = forgetful  # type: ignore[method-assign]


@fault
def one_wake_of_five_is_dropped() -> None:
    heated = Session.heat
    wakes = 0

    def deaf(self: Session, *heat: Any) -> None:
        nonlocal wakes
        if not self.awake:
            wakes += 1
            self.awake = wakes % 5 == 0  # as if whoever writes for it had been told
        heated(self, *heat)

    Session.heat = deaf  # type: ignore[assignment, method-assign]


@fault
def a_reply_that_was_sent_counts_as_read() -> None:
    """The bridge's: as the old broker did, which lost what a script was given that died."""

    async def believed(*_: Any) -> bool:
        return True

    bridge._arrived = believed


@fault
def what_was_pushed_counts_as_read() -> None:
    """An agent's: it confirms as read what no model has seen."""
    received = Client.received

    def hasty(self: Client, offset: int, credit: int | None = None) -> None:
        received(self, offset, credit)
        reading = asyncio.ensure_future(self.read(offset, wait=False))
        under_way.add(reading)
        reading.add_done_callback(under_way.discard)

    Client.received = hasty  # type: ignore[method-assign]


if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    main()
