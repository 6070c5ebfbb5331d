"""What was pushed to a session and is not confirmed yet: what its credit is spent on."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence


class Outstanding:
    """Offsets, oldest first, kept by the run in which they were pushed: a thousand sessions that were given the same
    run share its list. `count` is how many there are."""

    __slots__ = ("_begin", "_runs", "count")

    def __init__(self) -> None:
        self.count = 0
        self._runs: deque[Sequence[int]] | None = None  # made with the first: most sessions are idle
        self._begin = 0  # how much of the first run is confirmed

    @property
    def oldest(self) -> int:
        """The first to be confirmed. Raises IndexError if there is none."""
        if not self._runs:
            raise IndexError("nothing is outstanding")
        return self._runs[0][self._begin]

    @property
    def newest(self) -> int:
        """The last that was pushed. Raises IndexError if nothing is outstanding."""
        if not self._runs:
            raise IndexError("nothing is outstanding")
        return self._runs[-1][-1]

    def add(self, offsets: Sequence[int]) -> None:
        """These were pushed: at least one, ascending, and past all before. The list must not change any more."""
        if self._runs is None:
            self._runs = deque()
        self._runs.append(offsets)
        self.count += len(offsets)

    def confirm(self, offset: int) -> None:
        """The client has everything up to `offset`."""
        runs = self._runs
        while runs:
            run = runs[0]
            if run[-1] > offset:
                place = bisect_right(run, offset, self._begin)
                self.count -= place - self._begin
                self._begin = place
                return
            self.count -= len(run) - self._begin
            self._begin = 0
            runs.popleft()
        self._runs = None
