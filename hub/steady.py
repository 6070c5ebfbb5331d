"""What time it is for what cannot be undone.

A clock may leap: a board without a battery wakes up in another year, somebody sets the date by hand, a laptop was
asleep for a week. Whoever removes what is "older than 30 days" on the word of one look at such a clock removes
everything. So retention goes by a clock of its own: it follows the wall clock, but a leap forward counts only when it
has stood for TRUST. If it is taken back before, nothing has happened; if it was real, some things stay an hour longer.
A leap back counts at once, for it keeps more.
"""

from __future__ import annotations

LEAP = 600.0  # seconds that a clock may gain between two looks; a busy machine and NTP stay far below
TRUST = 3600.0  # seconds, by the monotonic clock, that a greater gain has to stand


class Steady:
    """`last` is the newest time that is known to have been, in seconds since 1970; None if none is."""

    def __init__(self, last: float | None, wall: float, monotonic: float) -> None:
        self._time = wall if last is None else min(last, wall)
        self._looked = monotonic
        self._leapt: float | None = None  # when a leap was first seen, by the monotonic clock

    def at(self, wall: float, monotonic: float) -> float:
        """The time to go by; to be asked every few seconds. Never later than `wall`."""
        passed = self._time + max(0.0, monotonic - self._looked)
        self._looked = monotonic
        if wall <= passed + LEAP:
            self._leapt = None
            self._time = wall
        else:
            self._leapt = monotonic if self._leapt is None else self._leapt
            trusted = monotonic - self._leapt >= TRUST
            self._leapt = None if trusted else self._leapt
            self._time = wall if trusted else passed
        return self._time
