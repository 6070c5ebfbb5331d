"""One live reader of the log: where it stands, what it can still take, and what it is given next.

A session holds no queue. It knows its `position` (everything up to there was pushed, or is not for it) and which
topics are `hot`, that is, may hold something past it. `take()` answers from the window; whoever stands before the
window is told what to read from the log instead, and comes back with `take_old()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hub.log import END, Span
from hub.message import Message
from hub.outstanding import Outstanding
from hub.registry import Instance, Stock
from hub.topic import INBOX
from hub.window import Run, Window

MAX_PAGE = 256  # messages read from the log at once for one session


class Gap(NamedTuple):
    """Messages for this reader between these offsets, both included, are no longer kept."""

    first: int
    last: int


class Behind(NamedTuple):
    """What has to be read from the log before the window has the rest; no spans means all topics."""

    spans: tuple[Span, ...]
    after: int
    upto: int
    limit: int


class Hot(dict[str, Span]):
    """The topics that may hold something for a session, each with the stretch of it. It never changes: sessions that a
    commit heats alike share one, which is how the next of them is known to be given what the first one was."""

    __slots__ = ()

    def __init__(self, *spans: Span) -> None:
        super().__init__({span.topic: span for span in spans})


COLD = Hot()


class Session:
    """A reader of what `instance` hears, or of everything (`instance` is None, or `observer`)."""

    __slots__ = (
        "_wake",
        "awake",
        "client",
        "credit",
        "hot",
        "instance",
        "joined_at",
        "number",
        "observer",
        "origin",
        "outstanding",
        "position",
        "pushed",
        "received",
        "secret",
    )

    def __init__(
        self,
        number: int,
        instance: Instance | None,
        *,
        observer: bool,
        position: int,
        credit: int,
        secret: str | None,
        client: str | None,
        joined_at: float,
        wake: Callable[[], None],
    ) -> None:
        self.number = number
        self.instance = instance
        self.origin = instance.origin if instance else -1
        self.observer = observer
        self.position = position
        self.pushed = position
        self.received = position
        self.credit = credit
        self.outstanding = Outstanding()
        self.hot = COLD
        self.secret = secret
        self.client = client
        self.joined_at = joined_at
        self.awake = False
        self._wake = wake

    def __repr__(self) -> str:
        who = self.instance.name if self.instance else "an observer"
        return f"<Session {self.number} of {who} at {self.position}, hot {list(self.hot)}>"

    @property
    def room(self) -> int:
        """How many more messages it takes before it confirms some."""
        return self.credit - self.outstanding.count

    def heat(self, alone: Hot, before: int) -> None:
        """There is something on a topic, `alone`'s only one, from its span's beginning on; `before` was the log's head
        until now."""
        hot = self.hot
        if not hot:
            if before > self.position and not self.observer:
                self.position = before
            self.hot = alone
        else:
            for span in alone.values():
                held = hot.get(span.topic)
                if held is None or held.upto != END:  # what is left of a name's earlier time has expired: none took it
                    self.hot = Hot(*hot.values(), span)
        if not self.awake:
            self.awake = True
            self._wake()

    def keep_hot(self, spans: Sequence[Span]) -> None:
        """What the instance hears has changed: of what is hot, these spans are still for it."""
        self.hot = Hot(*(span for span in spans if span.topic in self.hot))

    def rouse(self) -> None:
        """Have whoever writes for this session call `take()`; once, until it did."""
        if not self.awake:
            self.awake = True
            self._wake()

    def confirm(self, offset: int, credit: int | None) -> None:
        """The client has everything up to `offset`; with `credit`, so many more may follow."""
        if offset > self.received:
            self.received = min(offset, self.pushed)
        self.outstanding.confirm(offset)
        if credit is not None:
            self.credit = credit
        if (self.hot or self.observer) and self.room > 0:
            self.rouse()

    def skip(self, offset: int) -> None:
        """What is up to `offset` has been read elsewhere; it need not be pushed any more."""
        self.position = max(self.position, offset)
        self.pushed = max(self.pushed, offset)

    def take(self, window: Window, topics: dict[str, Stock], floor: int, now: float) -> Run | Gap | Behind | None:
        """What comes next, and count it as pushed; None when there is nothing, or no room for it.

        `floor` is the oldest offset the log keeps. Whoever is told Behind reads that and calls `take_old()`.
        """
        self.awake = False
        room = self.room
        hot = self.hot
        if room <= 0 or not (hot or self.observer):
            return None
        if self.position + 1 < window.floor:
            behind = self._gap(topics, floor) or self._behind(window, room)
            if behind is not None:
                return behind
        before = self.position
        whole = window.run(None if self.observer else tuple(hot), before, room)
        given = self._give(whole, room, whole.offsets[-1] if whole.offsets else before, window.head, now)
        if given is whole and whole.complete and not self.observer:
            window.remember(hot, before, whole)
        return given

    def take_alike(self, window: Window) -> Run | None:
        """What whoever came before was given, if that one stood here and heard the same, and there is room for it all.
        None otherwise: then `take()` knows."""
        run = window.given
        offsets = run.offsets
        if (
            self.hot is not window.asked
            or self.position != window.asked_at
            or len(offsets) > self.credit - self.outstanding.count
            or self.origin in run.origins
        ):
            return None
        self.awake = False
        self.outstanding.add(offsets)
        self.pushed = offsets[-1]
        self.position = window.head
        self.hot = COLD
        return run

    def take_old(self, behind: Behind, page: Run, topics: dict[str, Stock], floor: int, now: float) -> Run | Gap | None:
        """Count as pushed what was read from the log for `behind`, as far as it is still for this session.

        A Gap says that some of it was trimmed meanwhile: then nothing is pushed, and `take()` goes on from there.
        """
        if (gap := self._gap(topics, floor)) is not None:
            return gap
        room = min(behind.limit, self.room)
        if room <= 0:
            return None
        last = page.offsets[-1] if page.offsets else behind.upto
        return self._give(page, room, last, last, now)

    def _give(self, whole: Run, room: int, last: int, head: int, now: float) -> Run | None:
        """Push what is ours of a stretch that reaches to `last`, or to `head` when it is complete."""
        run = whole
        if not self._all_mine(whole):
            run = Run([message for message in whole.messages if self._wants(message, now)], complete=whole.complete)
        offsets = run.offsets
        if len(offsets) > room:
            run = Run(run.messages[:room], complete=False)
            offsets = run.offsets
            last = offsets[-1]
        if offsets:
            self.outstanding.add(offsets)
            self.pushed = offsets[-1]
        if run.complete:
            self.position = max(self.position, head)
            self.hot = COLD
        else:
            self.position = max(self.position, last)
            self.rouse()
        return run if offsets else None

    def _all_mine(self, run: Run) -> bool:
        """Whether a stretch can be given as it is: nothing of our own in it, nothing expired, no span cut short."""
        if run.offsets and run.offsets[0] <= self.position:
            return False
        if self.observer:
            return True
        if run.expires or self.origin in run.origins:
            return False
        for span in self.hot.values():  # noqa: SIM110 - a generator costs more than all the rest, a thousand times a tick
            if span.after > self.position or span.upto != END:
                return False
        return True

    def _wants(self, message: Message, now: float) -> bool:
        if message.offset <= self.position:
            return False
        if self.observer:
            return True
        if message.expired(now) or (message.origin == self.origin and not message.topic.startswith(INBOX)):
            return False
        span = self.hot.get(message.topic)
        return span is not None and span.after < message.offset <= span.upto

    def _gap(self, topics: dict[str, Stock], floor: int) -> Gap | None:
        """What was removed before the session had it. Where a name has passed on to somebody else, and something of
        the new one's was removed, it is not known whether the old one's time had anything: then it is told as well.
        """
        if self.observer:
            last = floor - 1
        else:
            last = max(
                (
                    min(stock.trimmed, span.upto)
                    for span in self.hot.values()
                    if (stock := topics.get(span.topic)) and stock.trimmed > max(self.position, span.after)
                ),
                default=0,
            )
        if last <= self.position:
            return None
        gap = Gap(self.position + 1, last)
        self.position = last
        self.rouse()
        return gap

    def _behind(self, window: Window, room: int) -> Behind | None:
        upto = window.floor - 1
        limit = min(MAX_PAGE, 1 << (room - 1).bit_length())  # in powers of two, so that readers alike share a page
        if self.observer:
            return Behind((), self.position, upto, limit)
        spans = tuple(
            Span(span.topic, max(span.after, self.position), min(span.upto, upto))
            for span in self.hot.values()
            if max(span.after, self.position) < min(span.upto, upto)
        )
        if spans:
            return Behind(spans, self.position, upto, limit)
        self.position = upto  # nothing of ours lies before the window
        return None
