"""The log's invariants, each said once and by its name, as every test model asserts them.

The model beside the core (tests/hub/test_hub_machine.py), the simulation and the scenarios of the soak (both through
tests/soak/checker.py) ask the same functions here. What is known differs: the model knows what is on the log at any
moment, a scenario only what was said, heard, and read at last. So each is given no more than what decides.

A *double* is marked when it is delivered to a new session, and its read had not been confirmed when that began: that is
what the hub promises, and no breach. What is *gone* was removed by retention.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias


class Invariant(NamedTuple):
    """`says` is the rule; `name` what its breach is called."""

    name: str
    says: str


LOST = Invariant("lost", "what was confirmed is on the log, until retention removes it")
FALSELY_CONFIRMED = Invariant(
    "falsely confirmed", "a confirmation names the offset at which the log has it; a refusal, that it has not"
)
STORED_TWICE = Invariant(
    "stored twice", "an id is on the log once, however often it is sent again, for as long as it is kept"
)
RENUMBERED = Invariant("renumbered", "an offset is one message's for ever, and is never given again")
CONJURED = Invariant(
    "conjured", "only what is on the log is delivered, at its offset, and to those alone whom it is for"
)
DOUBLED = Invariant("doubled", "a message comes once a session, and no more once its read was confirmed")
OUT_OF_ORDER = Invariant("out of order", "a session's messages and gaps come in the log's order")
UNANNOUNCED = Invariant(
    "unannounced gaps", "what is passed over was for somebody else, had expired, or is gone and said to be"
)
NEEDLESS = Invariant("needless gaps", "a gap is told only where retention removed something")
OVERDRAWN = Invariant("overdrawn", "no more is on the way to a session than it has credit for")
STALE = Invariant("stale", "what has expired is not delivered to whom it was for")
MISFOLDED = Invariant("misfolded", "the tables are what the facts on the log say")
MISTOLD = Invariant("mistold", "of an answer that was wanted by a time and has not come the hub tells once, and then")

SEEN_FROM_OUTSIDE = (
    LOST, FALSELY_CONFIRMED, STORED_TWICE, RENUMBERED, CONJURED, DOUBLED, OUT_OF_ORDER, UNANNOUNCED, NEEDLESS
)  # fmt: skip
SEEN_FROM_INSIDE = (OVERDRAWN, STALE, MISFOLDED, MISTOLD)
INVARIANTS = (*SEEN_FROM_OUTSIDE, *SEEN_FROM_INSIDE)

Breach: TypeAlias = tuple[Invariant, str]
Gone: TypeAlias = Callable[[int], bool]


def hold(breaches: Iterable[Breach]) -> None:
    """Raise AssertionError for the first of these."""
    for invariant, what in breaches:
        raise AssertionError(f"{invariant.name}: {what} ({invariant.says})")


def of_what_was_said(
    confirmed: Collection[int], stored: Sequence[int] | None, gone: Gone, *, refused: bool = False
) -> Iterator[Breach]:
    """One message: the offsets it was confirmed at, whether it was refused, those at which the log has it.

    `stored` is in the log's order, and None where nobody has looked.
    """
    at = sorted(confirmed)
    kept = [offset for offset in at if not gone(offset)]
    if kept and stored is not None and not stored:
        yield LOST, f"confirmed at {kept[0]}"
    if not all(map(gone, at[:-1])):
        yield FALSELY_CONFIRMED, f"at {at}"
    if not stored:
        return
    if at and not set(at) & set(stored):
        yield FALSELY_CONFIRMED, f"at {at[0]}, and is at {stored[0]}"
    if refused and not at and not gone(stored[0]):
        yield FALSELY_CONFIRMED, f"refused, and is at {stored[0]}"
    if not all(map(gone, stored[:-1])):
        yield STORED_TWICE, f"at {list(stored)}"


@dataclass
class Heard:
    """What one session was given, in the order in which it came. It is to be given what lies past `after`.

    `read` is up to where its instance's reading was confirmed by then; see `excuse`.
    """

    after: int
    read: int = 0
    given: list[int] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    excused: list[tuple[int, int]] = field(default_factory=list)
    _given: set[int] = field(default_factory=set)
    _last: int = 0

    def excuse(self, read: int) -> None:
        """Its instance has read up to there, elsewhere perhaps: what it has not come to by now need not come."""
        come_to = max([self.after, self._last, *(last for _, last in self.gaps)])
        if read > come_to:
            self.excused.append((come_to + 1, read))
        self.read = max(self.read, read)

    def take(self, offset: int, *, there: bool, meant: bool) -> list[Breach]:
        """A message comes. `there`: the log has it at that offset. `meant`: it is for this session."""
        found: list[Breach] = []
        if not there:
            found.append((CONJURED, f"at {offset}, where the log has nothing of it"))
        elif not meant:
            found.append((CONJURED, f"at {offset}, which is not for this session"))
        if offset in self._given or offset <= self.after:
            found.append((DOUBLED, f"at {offset} in one session"))
        elif offset <= self.read:
            found.append((DOUBLED, f"at {offset}, whose read was confirmed up to {self.read}"))
        elif offset < self._last:
            found.append((OUT_OF_ORDER, f"at {offset} after {self._last}"))
        self.given.append(offset)
        self._given.add(offset)
        self._last = max(self._last, offset)
        return found

    def be_told(self, first: int, last: int, *, needed: bool) -> list[Breach]:
        """A gap is announced. `needed`: something between these offsets, both included, is gone."""
        found: list[Breach] = []
        if not needed:
            found.append((NEEDLESS, f"{first} to {last}, all of which is kept"))
        if first <= self._last:
            found.append((OUT_OF_ORDER, f"a gap from {first} to {last} after {self._last}"))
        self.gaps.append((first, last))
        return found

    def lacks(self, offset: int, *, kept: bool) -> list[Breach]:
        """It has had the time to have everything up to this message, which was for it. `kept`: it is not gone."""
        if offset <= self.after or offset in self._given:
            return []
        reasons = self.excused if kept else [*self.excused, *self.gaps]
        if any(first <= offset <= last for first, last in reasons):
            return []
        return [(UNANNOUNCED, f"{offset} was for it, and {'is on the log' if kept else 'nobody said that it is gone'}")]
