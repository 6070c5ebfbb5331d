"""How often somebody may do something: token buckets, pure, with the time passed in.

A bucket holds up to `burst` tokens and gains `rate` of them a second; what is done costs some.
(The "token bucket" of traffic shaping; nothing to do with the tokens that let people in.)
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class TokenBucket:
    """One bucket, full at first.

    `rate` is tokens a second (0: it never refills), `burst` the most it holds, 1 or more.
    Raises ValueError for anything else.
    """

    __slots__ = ("_at", "_held", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        if not (0 <= rate < math.inf and 1 <= burst < math.inf):
            raise ValueError(f"a bucket needs a rate of 0 or more and a burst of 1 or more, not {rate} and {burst}")
        self.rate = rate
        self.burst = burst
        self._held = float(burst)
        self._at: float | None = None

    def take(self, now: float, n: float = 1) -> float:
        """Take `n` tokens. Returns 0.0 if they were there; otherwise takes none, and returns the seconds until they
        will be: infinity if they never will.

        `now` is seconds of any clock. One that goes backwards gives nothing and takes nothing.
        """
        held = self.held(now)
        self._at = now if self._at is None else max(now, self._at)
        self._held = held
        if n <= held:
            self._held = held - n
            return 0.0
        if n > self.burst or self.rate == 0:
            return math.inf
        return (n - held) / self.rate

    def held(self, now: float) -> float:
        """How many tokens there are."""
        passed = 0.0 if self._at is None else max(0.0, now - self._at)
        return min(self.burst, self._held + passed * self.rate)


class Buckets(Generic[Key]):
    """A bucket for each key, such as an address; at most `most` of them.

    Beyond that the one not used for longest is forgotten, that is: it starts full again. So memory is bounded
    whoever calls, and only somebody with more than `most` addresses gains by it.
    """

    def __init__(self, rate: float, burst: float, most: int = 4096) -> None:
        if most < 1:
            raise ValueError(f"room for at least one bucket is needed, not {most}")
        TokenBucket(rate, burst)  # says at once what is wrong with them
        self._rate = rate
        self._burst = burst
        self._most = most
        self._buckets: OrderedDict[Key, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Key, now: float, n: float = 1) -> float:
        """As TokenBucket.take, from the bucket of `key`."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rate, self._burst)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        return bucket.take(now, n)
