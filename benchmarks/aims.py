"""What Hubbub is to reach: each aim is a ratio to another contender in the same run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.figures import Result, Spread

HUBBUB = "Hubbub"
QUIET = 0.1  # of the machine that others may take while a work is done, for its figures to be a verdict


def quiet(others: float | None) -> bool:
    """Whether a work was done on a machine that was quiet enough to say that an aim is reached, or that it is not."""
    return others is not None and others <= QUIET


@dataclass(frozen=True)
class Aim:
    """`ours` is to be at least (or at most) `factor` times `theirs`; without `theirs` it is the figure itself."""

    work: str
    theirs: str | None
    sign: Literal["≥", "≤"]
    factor: float
    ours: str = HUBBUB

    def ratio(self, result: Result) -> Spread | None:
        """Ours of theirs in each round; None where one of them was left out."""
        if self.theirs is None:
            mine = result.of(self.ours)
            return mine and mine.value
        return result.ratio(self.ours, self.theirs)

    def by_cpu(self, result: Result) -> float | None:
        """The same by the server's processor time, which other programs on the machine disturb less."""
        ratio = self.theirs and result.ratio(self.ours, self.theirs, "per_cpu_second")
        if not ratio:
            return None
        return ratio.median if self.sign == "≥" else 1 / ratio.median

    def reached(self, result: Result) -> bool | None:
        ratio = self.ratio(result)
        if ratio is None:
            return None
        return ratio.median >= self.factor if self.sign == "≥" else ratio.median <= self.factor


UNSYNCED = "Hubbub, synchronous=normal"

AIMS = [
    Aim("fanout-1000", "NATS core", "≥", 3),
    Aim("fanout-1000", "Redis pub/sub", "≥", 1.3),
    Aim("fanout-1000", "node ws", "≥", 20),
    Aim("fanout-1000", "raw uvloop", "≥", 0.8),
    Aim("fanout-100", "NATS core", "≥", 1.2),
    Aim("single-1000", "Redis pub/sub", "≥", 1),
    Aim("single-1000", "raw uvloop", "≥", 0.95),
    Aim("confirmed-100", "Redis Streams, always", "≥", 1.2),
    Aim("confirmed-100", "JetStream, sync always", "≥", 5),
    Aim("confirmed-10", "Redis Streams, always", "≥", 1),
    Aim("latency-synced", "Redis Streams, always", "≤", 1.5),
    Aim("latency-unsynced", "node ws", "≤", 1.2, ours=UNSYNCED),
    Aim("tool", "bare MCP pair", "≤", 3),
    Aim("idle", None, "≤", 12),
    Aim("start-send", "bare Python", "≤", 4),
    Aim("start-hook", "bare Python", "≤", 3),
    Aim("page", None, "≤", 250, ours="overview"),
    Aim("page", None, "≤", 250, ours="conversation"),
    Aim("watched", "Hubbub", "≤", 1.1, ours="Hubbub, observed"),
    Aim("watched", "Hubbub", "≤", 1.1, ours="Hubbub, watched"),
    Aim("growth-topics", "1 topics", "≤", 1.1, ours="10,000 topics"),
]
