"""How many messages a second, and how long until their readers had them: the last hour, in beats of five seconds.

For the dashboard's charts, which begin with what was before anybody looked. Held in memory only: what was before the
hub's start is not known, and is not made up.

A latency is the time from a message's `at` (the hub has taken it; it is then stored and pushed) until the reader's
client confirmed that it has it. Of each confirmation the message counts that waited longest. Messages from before the
reader's session began do not count: they waited for the reader, not for the hub.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

BEAT = 5  # seconds
KEPT = 3600  # seconds
FINEST = 0.1  # milliseconds; whatever is faster counts as this
GROWTH = 1.1  # a latency is known to a tenth of itself
COARSEST = 150  # the last bin: 160 s and above

_ENDS = [FINEST * GROWTH**place for place in range(COARSEST)]  # of each bin but the last, itself included


class Beat(NamedTuple):
    """Five seconds that begin at `at` (seconds since 1970). The latencies are in milliseconds; None: none was seen."""

    at: int
    messages: int
    received: int
    p50: float | None
    p95: float | None


class _Count:
    __slots__ = ("messages", "waits")

    def __init__(self) -> None:
        self.messages = 0
        self.waits: dict[int, int] = {}  # bin -> how many


class Pulse:
    """See the module; all times are in seconds since 1970."""

    def __init__(self) -> None:
        self._counts: dict[int, _Count] = {}

    def stored(self, messages: int, now: float) -> None:
        """So many messages are in the log now; the hub's own facts are not among them."""
        if messages:
            self._at(now).messages += messages

    def received(self, waited: float, now: float) -> None:
        """A client has confirmed what was said `waited` seconds ago; a clock that was set back says nothing."""
        if waited >= 0:
            waits = self._at(now).waits
            place = bisect_left(_ENDS, waited * 1000)
            waits[place] = waits.get(place, 0) + 1

    def beats(self, after: int, now: float) -> Iterator[Beat]:
        """The beats in which anything happened, oldest first, of those that began past `after`."""
        first = max(after, int(now) - KEPT)
        for number, each in sorted(self._counts.items()):
            if number * BEAT > first:
                yield Beat(
                    at=number * BEAT,
                    messages=each.messages,
                    received=sum(each.waits.values()),
                    p50=_quantile(each.waits, 0.5),
                    p95=_quantile(each.waits, 0.95),
                )

    def _at(self, now: float) -> _Count:
        number = int(now // BEAT)
        found = self._counts.get(number)
        if found is None:
            found = self._counts[number] = _Count()
            while len(self._counts) > KEPT // BEAT + 1:
                del self._counts[min(self._counts)]
        return found


def _quantile(waits: dict[int, int], share: float) -> float | None:
    """The latency that this share of them do not exceed, to the upper end of its bin."""
    rank = ceil(share * sum(waits.values()))
    for place in sorted(waits):
        rank -= waits[place]
        if rank <= 0:
            return float(f"{FINEST * GROWTH**place:.2g}")
    return None
