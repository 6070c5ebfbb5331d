"""The pump: writes to every connection that has something to be written, in turns of the event loop.

A commit wakes a thousand sessions at once. Instead of a task for each, which costs more than the write itself, one
callback goes through those that were woken. What is new to many of them is the same `Run` of messages, framed once, so
that a turn is little more than one write to each socket. A socket that is full is not in the way: its connection
leaves its place, and comes back when the socket has drained.

Answers go first. A publisher that is told "published" says the next thing while the others are still being written to,
and the disk is busy with that meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

SLICE = 128  # connections woken that are served in one turn: what arrives meanwhile waits no longer


class Served(Protocol):
    """A connection; neither method raises."""

    def answer(self) -> None:
        """Write the answers that are there."""

    def push(self, now: float) -> None:
        """Write what the session is given next; `now` is seconds since 1970."""


class Fanout:
    """Who waits for the pump. Whoever is in a queue does not enter it again: that is for the connection to see to.

    `clock` gives seconds since 1970; it is read once a turn.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answering: deque[Served] = deque()
        self._woken: deque[Served] = deque()
        self._turning = False

    def answer(self, connection: Served) -> None:
        """Have `connection.answer()` called soon."""
        self._answering.append(connection)
        if not self._turning:
            self._begin()

    def wake(self, connection: Served) -> None:
        """Have `connection.push()` called when it is its turn."""
        self._woken.append(connection)
        if not self._turning:
            self._begin()

    def _begin(self) -> None:
        self._turning = True
        asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        answering, woken = self._answering, self._woken
        try:
            for _ in range(len(answering)):
                answering.popleft().answer()
            now = self._clock()
            for _ in range(min(SLICE, len(woken))):
                woken.popleft().push(now)
        finally:  # whoever raises all the same must not stop the pump for everybody else
            self._turning = False
            if woken or answering:
                self._begin()
