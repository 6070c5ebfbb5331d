"""The judge: it is told what was said and what was heard, and says what must not have happened.

After the set and total-queue workloads of Jepsen (https://github.com/jepsen-io/jepsen, jepsen/checker.clj): every
message carries a tag of its own, every event of interest is told here, and at the end `verdict()` holds them against
the invariants of the log. Pure: no clock, no socket; what it is told in which order is the caller's affair, except
that events of one session come in that session's order.

Who is who: a *sender* and a *reader* are instances; a *session* is one unbroken or resumed sequence of deliveries to
a reader. A connection that comes back with `resume` goes on in its session; one that does not begins a new one.

What must not happen, and in which words, stands in tests/invariants.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hub.topic import INBOX, address, inbox, matches
from tests.invariants import RENUMBERED, SEEN_FROM_OUTSIDE, Heard, Invariant, of_what_was_said


@dataclass(slots=True)
class _Said:
    by: str
    topic: str
    may_expire: bool
    offsets: set[int] = field(default_factory=set)  # at which it was confirmed
    refused: bool = False


@dataclass(slots=True)
class _Session:
    reader: str | None  # None: an observer, who hears everything
    after: int
    read_before: int  # what the reader had confirmed as read when this began
    deliveries: list[tuple[int, str]] = field(default_factory=list)
    gaps: list[tuple[int, int, int]] = field(default_factory=list)  # first, last, and how many deliveries were before
    upto: int = 0  # it has been given all up to here
    excused: list[tuple[int, int]] = field(default_factory=list)  # said to be read before the session came to it

    def comes_to(self, offset: int, read: int) -> None:
        """It is given nothing more up to `offset`, at a time when its reader is said to have read up to `read`."""
        if self.upto < (end := min(offset, read)):
            self.excused.append((self.upto + 1, end))
        self.upto = max(self.upto, offset)


SHOWN = 5  # findings of a kind that a verdict spells out


class Verdict(NamedTuple):
    """How much of everything there was, and what each invariant's breaches are."""

    counts: Counter[str]
    broken: dict[str, list[str]]

    @property
    def good(self) -> bool:
        return not any(self.broken.values())

    def __str__(self) -> str:
        """One line, for a report."""
        was = [
            f"{self.counts[each]:,} {each}"
            for each in COUNTED
            if self.counts[each] or each in ("confirmed", "delivered")
        ]
        return ", ".join([*was, *(f"{len(found):,} {name}" for name, found in self.broken.items())])

    def explain(self) -> str:
        """The line, and what was found."""
        lines = [str(self)]
        for name, found in self.broken.items():
            lines += [f"  {name}: {each}" for each in found[:SHOWN]]
            if len(found) > SHOWN:
                lines.append(f"  {name}: and {len(found) - SHOWN} more")
        return "\n".join(lines)


COUNTED = (
    "sent",
    "confirmed",
    "refused",
    "unknown",
    "unknown but stored",
    "delivered",
    "again, marked",
    "read",
    "gaps",
)


class Checker:
    """Tell it what happens, then ask for the `verdict()`."""

    def __init__(self) -> None:
        self._said: dict[str, _Said] = {}
        self._log: dict[int, str] = {}  # offset -> tag; "" is what nobody sent: the hub's own
        self._readings = 0
        self._renumbered: list[str] = []
        self._removed: set[int] = set()
        self._fleeting: set[int] = set()
        self._floor = 1
        self._subscriptions: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self._sessions: dict[str, _Session] = {}
        self._read: dict[str, int] = defaultdict(int)  # confirmed
        self._read_asked: dict[str, int] = defaultdict(int)
        self._reads = 0

    # What was said

    def sent(self, tag: str, by: str, to: str, *, may_expire: bool = False) -> None:
        """A message goes out. Until it is confirmed or refused, nobody knows whether it is on the log."""
        assert tag not in self._said, f"{tag} is not a tag of its own"
        self._said[tag] = _Said(by, address(to).topic, may_expire)

    def confirmed(self, tag: str, offset: int) -> None:
        """The hub says it is on the log there. May be told again for a retry."""
        self._said[tag].offsets.add(offset)

    def refused(self, tag: str) -> None:
        """The hub says that it is not stored, for good. Not for errors that leave it open."""
        self._said[tag].refused = True

    # What was heard

    def hears(self, reader: str, to: str, since: int) -> None:
        """A reader is bound to hear a topic or pattern (`#…`) or `all` from after that offset on; its inbox anyway."""
        pattern = "all" if to == "all" else to.removeprefix("#").lower()
        self._subscriptions[reader].append((pattern, since))

    def begun(self, session: str, reader: str | None, after: int) -> None:
        """A session that did not resume: it is to be given what lies past `after`. Without `reader` it observes."""
        assert session not in self._sessions
        read = self._read[reader] if reader is not None else 0
        self._sessions[session] = _Session(reader, after, read, upto=after)

    def delivered(self, session: str, tag: str, offset: int) -> None:
        """`tag` is "" for what the hub tells itself."""
        heard = self._sessions[session]
        heard.deliveries.append((offset, tag))
        heard.comes_to(offset, self._said_read(heard))

    def gap(self, session: str, first: int, last: int) -> None:
        """The session was told that messages between these offsets, both included, are no longer kept."""
        heard = self._sessions[session]
        heard.gaps.append((first, last, len(heard.deliveries)))
        heard.comes_to(last, self._said_read(heard))

    def caught_up(self, session: str, offset: int) -> None:
        """The session was given time and room enough to have everything up to there."""
        heard = self._sessions[session]
        heard.comes_to(offset, self._said_read(heard))

    def _said_read(self, session: _Session) -> int:
        return self._read_asked[session.reader] if session.reader is not None else 0

    def read_asked(self, reader: str, offset: int) -> None:
        """The reader says that it has read up to there; it may take effect or not. To be told before the hub is.

        Its sessions need not be given what they have not come to yet; what they have passed over, they have missed.
        """
        self._read_asked[reader] = max(self._read_asked[reader], offset)
        self._reads += 1

    def read(self, reader: str, offset: int) -> None:
        """The hub has confirmed that."""
        self.read_asked(reader, offset)
        self._read[reader] = max(self._read[reader], offset)

    def read_by(self, reader: str) -> int:
        """How far a reader's reading was confirmed."""
        return self._read[reader]

    # What is on the log

    def reading(self, rows: Iterable[tuple[int, str]], floor: int = 1) -> None:
        """A complete reading of the log as it is now: (offset, tag), "" for the hub's own; nothing kept before `floor`.

        May be told again and again, after each restart for instance.
        """
        self._readings += 1
        self._floor = max(self._floor, floor)
        now = dict(rows)
        for offset, tag in now.items():
            before = self._log.setdefault(offset, tag)
            if before != tag:
                self._renumbered.append(f"offset {offset} was {before or 'a fact'}, and is {tag or 'a fact'}")
        for offset in self._log:
            if offset not in now and not self._gone(offset) and self._log[offset]:
                self._renumbered.append(f"offset {offset} was {self._log[offset]}, and is nothing")

    def removed(self, offsets: Iterable[int]) -> None:
        """Retention has removed these from the middle of the log."""
        self._removed.update(offsets)

    def fleeting(self, offsets: Iterable[int]) -> None:
        """These are kept for a short while only, and nobody is told when they are gone: notes of cursors."""
        self._fleeting.update(offsets)

    # The verdict

    def verdict(self) -> Verdict:
        """Hold everything against the invariants."""
        where: dict[str, list[int]] = defaultdict(list)
        for offset, tag in sorted(self._log.items()):
            if tag:
                where[tag].append(offset)
        broken = {each.name: list[str]() for each in SEEN_FROM_OUTSIDE}
        broken[RENUMBERED.name] += self._renumbered
        for tag in {**self._said, **where}:
            said, stored = self._said.get(tag), where.get(tag, []) if self._readings else None
            offsets, refused = (said.offsets, said.refused) if said is not None else (set[int](), False)
            for invariant, found in of_what_was_said(offsets, stored, self._gone, refused=refused):
                broken[invariant.name].append(f"{tag}, {found}")
        known = sorted(self._known().items())
        for name, session in self._sessions.items():
            for invariant, found in self._heard(session, known):
                broken[invariant.name].append(f"{name}: {found}")
        return Verdict(self._counts(where), broken)

    def _gone(self, offset: int) -> bool:
        """Whether retention has removed it: then its id is forgotten, too."""
        return offset < self._floor or offset in self._removed

    def _known(self) -> dict[int, str]:
        """The log as far as anybody knows: as it was read, and as it was confirmed."""
        confirmed = {offset: tag for tag, said in self._said.items() for offset in said.offsets}
        return confirmed | self._log

    def _counts(self, where: dict[str, list[int]]) -> Counter[str]:
        unknown = [tag for tag, said in self._said.items() if not said.offsets and not said.refused]
        deliveries = [
            (each.reader, tag) for each in self._sessions.values() for _, tag in each.deliveries if each.reader
        ]
        return Counter(
            {
                "sent": len(self._said),
                "confirmed": sum(1 for said in self._said.values() if said.offsets),
                "refused": sum(1 for said in self._said.values() if said.refused and not said.offsets),
                "unknown": len(unknown),
                "unknown but stored": sum(1 for tag in unknown if tag in where),
                "delivered": len(deliveries),
                "again, marked": len(deliveries) - len(set(deliveries)),
                "read": self._reads,
                "gaps": sum(len(each.gaps) for each in self._sessions.values()),
            }
        )

    def _heard(self, session: _Session, known: list[tuple[int, str]]) -> Iterator[tuple[Invariant, str]]:
        """What a session was given, again from its beginning, and then what it was not given."""
        log = dict(known)
        heard = Heard(session.after, session.read_before)
        gaps = deque(session.gaps)
        for place, (offset, tag) in enumerate(session.deliveries):
            while gaps and gaps[0][2] <= place:
                yield from self._told(heard, gaps.popleft())
            said = self._said.get(tag)
            there = log.get(offset, tag if not self._readings else None) == tag and not (tag and said is None)
            meant = session.reader is None or self._is_for(session.reader, said, offset, bound=False)
            yield from _of(tag, heard.take(offset, there=there, meant=meant))
        for gap in gaps:
            yield from self._told(heard, gap)
        heard.excused = session.excused
        begin = bisect_right(known, session.after, key=lambda row: row[0])
        for offset, tag in known[begin:]:
            if offset > session.upto:
                return
            if self._is_due(session.reader, self._said.get(tag), offset):
                yield from _of(tag, heard.lacks(offset, kept=bool(self._readings) and not self._gone(offset)))

    def _told(self, heard: Heard, gap: tuple[int, int, int]) -> list[tuple[Invariant, str]]:
        first, last, _ = gap
        needed = not self._readings or any(map(self._gone, range(first, last + 1)))
        return heard.be_told(first, last, needed=needed)

    def _is_due(self, reader: str | None, said: _Said | None, offset: int) -> bool:
        """Whether a reader must be given a message, if it is not told that it is gone."""
        if offset in self._fleeting and self._gone(offset):
            return False
        if reader is None:
            return True
        return self._is_for(reader, said, offset, bound=True) and not (said is not None and said.may_expire)

    def _is_for(self, reader: str, said: _Said | None, offset: int, *, bound: bool) -> bool:
        """Whether a reader may be given a message; with `bound`, whether it must be."""
        if said is None:
            return False
        if said.topic.startswith(INBOX):
            return said.topic == inbox(reader)
        if said.by == reader:
            return False
        return any(
            (pattern == said.topic if "all" in (pattern, said.topic) else matches(pattern, said.topic))
            and (since < offset or not bound)
            for pattern, since in self._subscriptions[reader]
        )


def _of(tag: str, breaches: Iterable[tuple[Invariant, str]]) -> Iterator[tuple[Invariant, str]]:
    for invariant, what in breaches:
        yield invariant, f"{tag or 'a fact'} {what}"
