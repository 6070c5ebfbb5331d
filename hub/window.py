"""The log's tail in memory, indexed by topic: what a session takes costs what it is given.

A `Run` is a stretch of messages that several sessions may be given at once; the window hands out the same one for
the same question until the next commit, so that whoever encodes it does so once for all of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from heapq import merge
from itertools import islice
from typing import Any, TypeAlias

from hub.log import Span
from hub.message import Message
from hub.topic import INBOX

MAX_RUN = 1024  # messages; a longer stretch is handed out in several runs, so that no reader holds up the rest
MAX_RUN_SIZE = 256 * 1024  # bytes: what a socket that takes nothing can have waiting, besides its own buffer
MAX_KEPT = 256  # runs kept for the next reader with the same question
MAX_KEPT_SIZE = 64 * MAX_RUN_SIZE

_Question: TypeAlias = tuple[tuple[str, ...] | None, int, int]  # topics, after, most


class Run:
    """Messages in the log's order. `complete` says that nothing is left behind them; `wire` is the reader's own."""

    __slots__ = ("complete", "expires", "messages", "offsets", "origins", "size", "wire")

    def __init__(self, messages: Sequence[Message], *, complete: bool) -> None:
        self.messages = messages
        self.complete = complete
        self.size = sum(message.size for message in messages)
        self.offsets = [message.offset for message in messages]
        self.origins = {message.origin for message in messages}
        self.expires = any(message.expires_at is not None for message in messages)
        self.wire: Any = None  # what the outer layer made of it: the encoded frames

    def __len__(self) -> int:
        return len(self.messages)


_NOTHING = Run([], complete=True)
_GONE: Any = None
_OWN = (INBOX, "$")  # on these topics one's own words come back: a note to oneself


class _Lane:
    """One topic's part of the window. `start` passes over what was evicted, until that is worth cutting off."""

    __slots__ = ("messages", "mortal", "offsets", "start")

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.messages: list[Message] = []
        self.start = 0
        self.mortal = 0  # how many of them expire

    def add(self, message: Message) -> None:
        self.offsets.append(message.offset)
        self.messages.append(message)
        self.mortal += message.expires_at is not None

    def evict(self) -> bool:
        """Let the oldest go; returns whether the lane is empty now."""
        self.mortal -= self.messages[self.start].expires_at is not None
        self.messages[self.start] = _GONE  # the list is cut now and then only; the message must not wait for that
        self.start += 1
        if self.start > 64 and self.start * 2 > len(self.offsets):
            del self.offsets[: self.start]
            del self.messages[: self.start]
            self.start = 0
        return self.start == len(self.offsets)

    def after(self, offset: int, most: int) -> list[Message]:
        begin = bisect_right(self.offsets, offset, lo=self.start)
        return self.messages[begin : begin + most]

    def place(self, after: int, upto: int) -> tuple[int, int]:
        """Where the messages with `after` < offset <= `upto` begin and end."""
        begin = bisect_right(self.offsets, after, lo=self.start)
        return begin, bisect_right(self.offsets, upto, lo=begin)


class Window:
    """The newest messages of the log, bounded by number and by bytes.

    `floor` is the offset from which on nothing is missing: whoever stands before it reads from the log itself.
    """

    def __init__(self, head: int, *, max_messages: int, max_size: int) -> None:
        self.head = head
        self.floor = head + 1
        self.size = 0
        self._max_messages = max_messages
        self._max_size = max_size
        self._all = _Lane()
        self._lanes: dict[str, _Lane] = {}
        self._said: dict[tuple[str, int], _Lane] = {}  # the same by who said it, where nobody is sent their own words
        self._runs: dict[_Question, Run] = {}
        self._kept = 0  # bytes of the runs
        self.asked: object = None  # what the last reader's topics were that was given a whole run; the reader's own
        self.asked_at = 0  # where it stood
        self.given = _NOTHING

    def __len__(self) -> int:
        return len(self._all.offsets) - self._all.start

    def load(self, messages: Sequence[Message]) -> None:
        """Fill an empty window with the log's newest messages, oldest first, none missing between them."""
        if messages:
            head = self.head
            self.floor = messages[0].offset
            self.extend(messages)
            self.head = head  # of an earlier moment the newest may have been a note that is kept no longer

    def extend(self, messages: Iterable[Message]) -> None:
        """Take in what was committed, and let the oldest go where there is no more room."""
        self._runs.clear()
        self._kept = 0
        self.remember(None, 0, _NOTHING)
        before: Message | None = None
        for message in messages:
            if before is None or message.topic != before.topic or message.origin != before.origin:
                lanes = self._lanes_of(message)  # a burst of one sender's stays in its lanes
            for lane in lanes:
                lane.add(message)
            before = message
            self.size += message.size
            self.head = message.offset
        while len(self) > self._max_messages or (self.size > self._max_size and len(self) > 1):
            self._evict()

    def _lanes_of(self, message: Message) -> list[_Lane]:
        """Where a message stands: among all, among its topic's, and among those its sender said there."""
        topic = message.topic
        found = [self._all, self._lanes.setdefault(topic, _Lane())]
        if not topic.startswith(_OWN):
            found.append(self._said.setdefault((topic, message.origin), _Lane()))
        return found

    def _evict(self) -> None:
        oldest = self._all.messages[self._all.start]
        self.floor = oldest.offset + 1
        self.size -= oldest.size
        self._all.evict()
        if self._lanes[oldest.topic].evict():
            del self._lanes[oldest.topic]
        if not oldest.topic.startswith(_OWN) and self._said[oldest.topic, oldest.origin].evict():
            del self._said[oldest.topic, oldest.origin]

    def run(self, topics: tuple[str, ...] | None, after: int, room: int) -> Run:
        """What these topics (None: all) hold past `after`, in the log's order; ask only with `after` >= `floor` - 1.

        It holds at least as many messages as there is `room` for, if there are so many, and at most about twice that.
        """
        # In powers of two, so that readers alike share a run.
        most = MAX_RUN if room >= MAX_RUN else 1 << (room - 1).bit_length()
        key = (topics, after, most)
        found = self._runs.get(key)
        if found is None:
            found = bounded(self._past(topics, after, most + 1), most)
            self._keep(key, found)
        return found

    def remember(self, asked: object, after: int, given: Run) -> None:
        """What a reader of these topics was given that stood there: all there was, with nothing taken out. Until the
        next commit another one with the very same topics, at the same place, can be given it unasked."""
        self.asked, self.asked_at, self.given = asked, after, given

    def _past(self, topics: tuple[str, ...] | None, after: int, most: int) -> list[Message]:
        if topics is None:
            return self._all.after(after, most)
        parts = [lane.after(after, most) for topic in topics if (lane := self._lanes.get(topic))]
        return parts[0] if len(parts) == 1 else list(islice(merge(*parts, key=_offset), most))

    def _keep(self, key: _Question, run: Run) -> None:
        self._kept += run.size
        if self._kept > MAX_KEPT_SIZE or len(self._runs) >= MAX_KEPT:
            self._runs.clear()
            self._kept = run.size
        self._runs[key] = run

    def count(self, span: Span, besides: int, now: float) -> tuple[int, float | None]:
        """How many messages of a span the window has, and when the oldest was said, without expired ones and, but for
        inboxes, those of origin `besides`.

        It looks at each message only where some expire: a thousand readers ask this, and each may be far behind.
        """
        lane = self._lanes.get(span.topic)
        if lane is None:
            return 0, None
        begin, end = lane.place(span.after, span.upto)
        if span.topic.startswith(_OWN):
            besides = -1
        if lane.mortal:
            wanted = [each for each in lane.messages[begin:end] if each.origin != besides and not each.expired(now)]
            return len(wanted), wanted[0].at if wanted else None
        said = self._said.get((span.topic, besides))
        own_begin, own_end = said.place(span.after, span.upto) if said else (0, 0)
        count = (end - begin) - (own_end - own_begin)
        oldest = next((each.at for each in islice(lane.messages, begin, end) if each.origin != besides), None)
        return count, oldest if count else None

    def find(self, offset: int) -> Message | None:
        """The message at an offset, if the window has it."""
        place = bisect_right(self._all.offsets, offset, lo=self._all.start) - 1
        return self._all.messages[place] if place >= self._all.start and self._all.offsets[place] == offset else None

    def newest(self, most: int) -> list[Message]:
        """The last messages, oldest first."""
        return self._all.messages[max(self._all.start, len(self._all.messages) - most) :]


def bounded(messages: list[Message], most: int) -> Run:
    """As much of a stretch as one run may hold, and at least one message of it."""
    size = 0
    for place, message in enumerate(messages):
        size += message.size
        if place == most or (size > MAX_RUN_SIZE and place):
            return Run(messages[:place], complete=False)
    return Run(messages, complete=True)


def _offset(message: Message) -> int:
    return message.offset
