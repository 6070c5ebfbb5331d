"""Until when senders want answers, and which of these times pass without one.

A message may say `answer_by`. Any other agent's message that names it in `reply_to` answers it. A time that passes with
none is told once: by the fact `$message.unanswered`, and by a word of the hub in the sender's inbox, which reaches its
model as any message does. Pure: told what the log holds, in its order; a start is given what it holds already.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from heapq import heapify, heappop, heappush
from itertools import takewhile

from hub.bounds import MAX_TTL
from hub.errors import BadValue
from hub.fold import UNANSWERED, AwaitedRow
from hub.message import Message
from hub.units import seconds

PREVIEW = 80  # characters of the message that its sender is reminded of


class Deadlines:
    """The messages that still want an answer by a time."""

    def __init__(self, rows: Iterable[AwaitedRow]) -> None:
        self._open: dict[str, dict[int, AwaitedRow]] = {}  # id -> by offset: an id is unique for one sender only
        self._ids: dict[int, str] = {}  # the same the other way round, in the log's order
        self._soonest: list[tuple[float, int, str]] = []  # a heap; may also hold what is open no longer
        for row in sorted(rows, key=lambda each: each.offset):
            self._add(row)

    def __len__(self) -> int:
        return len(self._ids)

    def note(self, message: Message) -> None:
        """A message is on the log: it may want an answer, be one, or tell that none has come."""
        if message.reply_to in self._open:
            if message.topic == UNANSWERED:
                self._close(message.reply_to, message.data["offset"])
            elif not message.topic.startswith("$"):
                self._answered(message.reply_to, message.origin)
        if message.answer_by is not None:
            self._add(
                AwaitedRow(
                    answer_by=message.answer_by,
                    offset=message.offset,
                    id=message.id,
                    origin=message.origin,
                    to=message.to,
                    thread=message.thread,
                    preview=message.body[:PREVIEW],
                )
            )

    def due(self, now: float) -> list[AwaitedRow]:
        """Those whose time has passed, each once; it is told again only after `again()`."""
        over = []
        while self._soonest and self._soonest[0][0] <= now:
            _, offset, message_id = heappop(self._soonest)
            if row := self._open.get(message_id, {}).get(offset):
                over.append(row)
        return over

    def again(self, message_id: str | None, offset: int) -> None:
        """The log could not be told that this one's time has passed."""
        if message_id is not None and (row := self._open.get(message_id, {}).get(offset)):
            heappush(self._soonest, (row.answer_by, offset, message_id))

    def trimmed(self, floor: int) -> None:
        """What lies before `floor` is no longer kept: nobody can answer it."""
        for offset in list(takewhile(lambda each: each < floor, self._ids)):
            self._close(self._ids[offset], offset)

    def _add(self, row: AwaitedRow) -> None:
        self._open.setdefault(row.id, {})[row.offset] = row
        self._ids[row.offset] = row.id
        heappush(self._soonest, (row.answer_by, row.offset, row.id))

    def _answered(self, message_id: str, by: int) -> None:
        for row in [each for each in self._open[message_id].values() if each.origin != by]:
            self._close(message_id, row.offset)

    def _close(self, message_id: str, offset: int) -> None:
        rows = self._open.get(message_id, {})
        rows.pop(offset, None)
        self._ids.pop(offset, None)
        if not rows:
            self._open.pop(message_id, None)
        if len(self._soonest) > 64 and len(self._soonest) > 2 * len(self):
            self._soonest = [each for each in self._soonest if each[1] in self._open.get(each[2], ())]
            heapify(self._soonest)


def deadline(said: float | str, now: float) -> float:
    """Until when an answer is wanted, in seconds since 1970: `said` is seconds from now, a span as `30m`, or a time in
    RFC 3339. Raises BadValue for what is none of these, is over, or lies more than ten years ahead.
    """
    at = now + said if isinstance(said, int | float) else _read(said, now)
    if not now < at <= now + MAX_TTL:
        raise BadValue(
            f"answer_by is a time to come, within ten years; {str(said)[:40]!r} is not.",
            'As "30m" from now, or "2026-01-31T12:00:00Z".',
        )
    return at


def _read(said: str, now: float) -> float:
    try:
        return now + seconds(said)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(said.strip())
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise BadValue(
            f"answer_by is a span or a time in RFC 3339 with its offset from UTC, not {said[:40]!r}.",
            'As "30m" from now, or "2026-01-31T12:00:00Z".',
        )
    return at.timestamp()
