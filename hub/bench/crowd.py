"""Who listens, and how it is known that each was sent each message once and in order.

All who hear the same topic must be sent the same bytes. So only the first to be sent a stretch has it taken apart, and
the numbers in it looked at; the others' bytes are compared with it. That makes a check of every byte cheap enough for a
million deliveries a second.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable

from hub.bench.dialect import NUMBER, Dialect
from hub.bench.wire import Wire


class Wrong(Exception):
    """A subscriber was sent something else than it should have been."""


class Group:
    """The subscribers of one topic, and what they are sent, from the beginning of a run.

    Every `step`th message is for them, the first has the number `first`. `complete(count)` is called when so many more
    messages have been sent to all of them.
    """

    def __init__(self, dialect: Dialect, complete: Callable[[int], None]) -> None:
        self.dialect = dialect
        self.members: list[Subscriber] = []
        self._complete = complete
        self._received: tuple[int, bytes]
        self.begin(0, 1)

    def begin(self, first: int, step: int) -> None:
        """A new run: everybody stands at its beginning."""
        self.stream = bytearray()
        self.ends: list[int] = []  # where each message ends in the stream
        self._received = (0, b"")
        self._next, self._step = first, step
        self._have = [len(self.members)]  # how many members have exactly so many messages
        self._slowest = 0
        for member in self.members:
            member.begin()

    def append(self, unit: bytes, numbers: list[bytes]) -> None:
        """What the first of all was sent: it has to be what comes next."""
        self.stream += unit
        for number in numbers:
            if int(number) != self._next:
                raise Wrong(f"message {self._next} should have come, and {int(number)} did")
            self._next += self._step
            self.ends.append(len(self.stream))
            self._have.append(0)

    def moved(self, before: int, now: int) -> None:
        """A member that had `before` messages has `now`."""
        have = self._have
        have[before] -= 1
        have[now] += 1
        if before == self._slowest and not have[before]:
            slowest = before + 1
            while not have[slowest]:
                slowest += 1
            self._slowest = slowest
            self._complete(slowest - before)

    def beginning(self, position: int) -> int:
        """Where the message begins that this place is in."""
        at = bisect_right(self.ends, position)
        return self.ends[at - 1] if at else 0

    def received(self, count: int) -> bytes:
        """What a member says that has `count` messages."""
        if self._received[0] != count:
            end = self.ends[count - 1]
            before = bisect_left(self.ends, end)  # a unit may carry several messages
            begin = self.ends[before - 1] if before else 0
            self._received = count, self.dialect.received(bytes(self.stream[begin:end]))
        return self._received[1]


class Subscriber:
    """One connection that hears a topic."""

    def __init__(self, wire: Wire, group: Group) -> None:
        self.wire = wire
        self.have = 0
        self._group = group
        self._position = 0  # in the group's stream: so far this one was sent the same
        self._rest = b""  # what came after that and is not yet a whole unit
        self._said = 0  # how many messages it has told the server that it has
        group.members.append(self)

    def begin(self) -> None:
        """Stand at the beginning of a run."""
        self.have = self._position = self._said = 0

    def settle(self) -> None:
        """Tell the server that everything has come."""
        if self._group.dialect.received_every and self.have > self._said:
            self.wire.send(self._group.received(self.have))
            self._said = self.have

    def take(self, data: bytes) -> None:
        """What the server sent."""
        group = self._group
        position = self._position + len(data)
        if not self._rest and position <= len(group.stream) and group.stream.startswith(data, self._position):
            self._position = position
        else:
            self._look(data)
            position = self._position
        have = bisect_right(group.ends, position, lo=self.have)
        if have != self.have:
            before, self.have = self.have, have
            every = group.dialect.received_every
            if every and have - self._said >= every:
                self.settle()
            group.moved(before, have)

    def _look(self, data: bytes) -> None:
        """Take it apart: it is the first of its kind, or has something in it that is this one's alone."""
        group, dialect = self._group, self._group.dialect
        begin = group.beginning(self._position)
        data = bytes(group.stream[begin : self._position]) + self._rest + data
        self._position = begin
        start = 0
        while end := dialect.end(data, start):
            unit = data[start:end]
            start = end
            if numbers := NUMBER.findall(unit):
                if self._position == len(group.stream):
                    group.append(unit, numbers)
                elif not group.stream.startswith(unit, self._position):
                    raise Wrong(f"two subscribers of one topic were sent different things: {unit[:200]!r}")
                self._position += len(unit)
            elif answer := dialect.reply(unit):
                self.wire.send(answer)
        self._rest = data[start:]
        if self._rest and group.stream.startswith(self._rest, self._position):
            self._position += len(self._rest)
            self._rest = b""
