"""The hub at an earlier moment, to be asked what it is asked now: `hub.inquiry` gives the same answers of both.

It is made as a hub is at its start, of the state and the log's tail, both as they were; who was there is added, which
no start knows. Nothing of what it says is guessed: what is known no longer is None, and `docs/time.md` says when.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol

import msgspec
from msgspec import structs

from hub.archive import Around, Place, Then
from hub.errors import BadValue, StorageFailed, UnknownMoment
from hub.frames import moment
from hub.history import History
from hub.hub import Hub, Limits
from hub.log import END, Exchange, Fate, Readable, Search, Span
from hub.message import Message

TAIL = 1000  # messages of the log that a past hub has in memory: as many as a snapshot looks through for its newest
TAIL_BYTES = 8 * 2**20
KEPT = 8  # moments that are not made anew when they are asked for again
BARS = 120  # stretches of a timeline, at most
WIDTHS = (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 86_400, 7 * 86_400)  # seconds
DIGITS = 18  # of an offset


class Exported(Protocol):
    """A line of an export; see `hub.export.Line`."""

    origin: Any


class Past:
    """One moment: right after the message at `hub.head`, at `at` (seconds since 1970)."""

    def __init__(
        self, log: UpTo, then: Then, around: Around, tail: list[Message], limits: Limits, *, at: float
    ) -> None:
        self.log = log
        self.version = then.attendance.version
        self.started_at = then.attendance.started_at
        self.unsure = then.unsure
        self.undated = frozenset(each.origin for each in then.attendance.sessions if each.joined_at is None)
        self.past = True
        self.live = False
        # Of a hub that was killed the log says only that it started again: from when on it was gone is not known.
        killed = around.restarted and at > (around.at or at)
        self.attended = then.attendance.known
        unknown = not self.attended or (killed and then.attendance.running)
        self.running = None if unknown else then.attendance.running
        self._at = at
        self.hub = Hub(
            then.state,
            tail,
            limits=structs.replace(limits, window_messages=TAIL, window_bytes=TAIL_BYTES, loop_bound=0),
            new_id=_never,
            new_secret=_never,
            close=_never,
        )
        self.hub.attend(then.attendance, at)

    def unsure_names(self) -> list[str]:
        """Of whom nobody knows how far they had read."""
        instances = self.hub.registry.instances
        return sorted(instances[each].name for each in self.unsure if each in instances)

    def now(self) -> float:
        """The moment, in seconds since 1970."""
        return self._at

    def told(self) -> dict[str, Any]:
        """What is to be known of this moment beside its answers: `past` of GET /snapshot."""
        return {"offset": self.hub.head, "running": self.running, "unsure": self.unsure_names()}

    def problems(self) -> list[str]:
        """What was wrong with the hub then is in its own log, and not in this one."""
        return []


class Pasts:
    """Earlier moments of one log, as they are asked for. `clock` says what is not earlier: seconds since 1970."""

    def __init__(self, history: History, limits: Limits, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._history = history
        self._limits = limits
        self._made: OrderedDict[tuple[str, int, float], Past] = OrderedDict()

    async def at(self, when: str) -> Past:
        """The hub at a moment: an RFC 3339 time, or the offset of a message, for right after it.

        Raises BadValue for what is neither, UnknownMoment for what cannot be told, and StorageFailed.
        """
        place, at = await self.find(when)
        offset = place.offset
        key = (self._history.epoch, offset, at)
        if key not in self._made:
            then = await self._history.ask(self._history.archive.then, place, at, self._history.epoch)
            tail = await self._history.tail(TAIL, TAIL_BYTES, upto=offset)
            around = await self._history.ask(self._history.archive.around, offset)
            self._made[key] = Past(UpTo(self._history, offset, at), then, around, tail, self._limits, at=at)
            if len(self._made) > KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]

    async def newest(self, upto: int) -> list[Message]:
        """As many messages up to an offset as a hub holds in memory, the oldest first. Raises StorageFailed."""
        return await self._history.tail(self._limits.window_messages, self._limits.window_bytes, upto=upto)

    async def timeline(self, when: str | None = None) -> dict[str, Any]:
        """The log from its oldest message to now, in stretches of one width, and the places around a moment."""
        archive, ask, now = self._history.archive, self._history.ask, self._clock()
        begins = await ask(archive.beginning)
        head = self._history.head
        (offset, _), at = (Place(head, head + 1), now) if when is None else await self.find(when)
        around = await ask(archive.around, offset)
        begins = now if begins is None else min(begins, now)
        width = next((each for each in WIDTHS if (now - begins) / each <= BARS), (now - begins) / BARS)
        begins = begins // width * width
        bars = await ask(archive.bars, begins, width, int((now - begins) // width) + 1)
        return {
            "at": moment(at),
            "live": when is None,
            "offset": offset,
            "message_at": None if around.at is None else moment(around.at),
            "first": around.first,
            "previous": around.previous,
            "next": around.next,
            "head": around.head,
            "now": moment(now),
            "width": width,
            "bars": [{"since": moment(each.since), "messages": each.messages} for each in bars],
        }

    async def base(self) -> dict[str, Any]:
        """What an export begins with from which the past can be shown: the state that its facts are folded onto."""
        frame, trimmed = await self._history.ask(self._history.archive.oldest)
        return {"facts": True, "keyframe": frame._asdict(), "trimmed": trimmed}

    async def with_notes(self, lines: Sequence[Exported], after: int, upto: int) -> list[Any]:
        """Lines of an export, facts marked as such, and what the trail has of their stretch of the log."""
        told: list[Any] = [each if each.origin else {"hubbub": "fact", **msgspec.to_builtins(each)} for each in lines]
        moved = await self._history.ask(self._history.archive.movements, after, upto)
        return [*told, *({"hubbub": "trail", **each._asdict()} for each in moved)]

    async def find(self, when: str) -> tuple[Place, float]:
        """The place that is meant, and the time there. Raises as `at` does."""
        archive = self._history.archive
        if when.isascii() and when.isdigit() and len(when) <= DIGITS:
            offset = int(when)
            at = await self._history.ask(archive.at, offset)
            if at is None or offset > self._history.head:
                raise UnknownMoment(
                    f"The log has no message at offset {offset} or before it."
                    if at is None
                    else f"The log has not come to offset {offset} yet.",
                    "GET /api/v1/status tells floor and head.",
                )
            return Place(offset, offset + 1), at
        at = min(instant(when), self._clock())
        return await self._history.ask(archive.place, at), at


class UpTo:
    """A log as it was at `at`, when `head` was its newest offset, for whoever only asks."""

    def __init__(self, log: Readable, head: int, at: float) -> None:
        self._log = log
        self._head = head
        self._at = at

    async def read(self, spans: Sequence[Span], limit: int, size: int) -> list[Message]:
        """See `Log.read`."""
        return await self._log.read(self._cut(spans), limit, size)

    @property
    def indexed(self) -> int | None:
        """See `Log.indexed`."""
        return self._log.indexed

    async def since(self, after: int, limit: int, size: int) -> list[Message]:
        """See `Log.since`."""
        return [each for each in await self._log.since(after, limit, size) if each.offset <= self._head]

    async def count(self, spans: Sequence[Span], besides: int, now: float) -> int:
        """See `Log.count`."""
        return await self._log.count(self._cut(spans), besides, now)

    async def search(self, wanted: Search) -> list[Message]:
        """See `Log.search`."""
        end = self._head + 1
        before = end if wanted.before is None else min(wanted.before, end)
        return await self._log.search(structs.replace(wanted, before=before))

    async def find(self, *ids: str) -> list[Message]:
        """See `Log.find`."""
        return [each for each in await self._log.find(*ids) if each.offset <= self._head]

    async def fates(self, ids: Collection[str]) -> list[Fate]:
        """See `Log.fates`."""
        return [each for each in await self._log.fates(ids) if each.at <= self._at]

    async def exchanges(self, origin: int, after: int, limit: int, upto: int = END) -> list[Exchange]:
        """See `Log.exchanges`."""
        return await self._log.exchanges(origin, after, limit, min(upto, self._head))

    async def oldest(self, topics: Collection[str]) -> dict[str, float]:
        """See `Log.oldest`."""
        return {topic: at for topic, at in (await self._log.oldest(topics)).items() if at <= self._at}

    def _cut(self, spans: Sequence[Span]) -> list[Span]:
        return [each._replace(upto=min(each.upto, self._head)) for each in spans if each.after < self._head]


def instant(when: str) -> float:
    """An RFC 3339 time as seconds since 1970. Raises BadValue."""
    try:
        at = datetime.fromisoformat(when.strip())
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadValue(
            f"{when[:40]!r} is no moment.",
            "Give a time as 2026-01-31T12:00:00Z, or the offset of a message.",
        ) from None


def _never(*_: object) -> NoReturn:
    raise StorageFailed("Nothing can be changed in the past.")
