"""What was measured: samples by round, and what is made of them. Nothing is averaged: medians, lowest and highest."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple


class Spread(NamedTuple):
    """The median of some samples, and how far they lie apart."""

    median: float
    lowest: float
    highest: float


def spread(samples: list[float]) -> Spread:
    return Spread(statistics.median(samples), min(samples), max(samples))


@dataclass
class Sample:
    """One round of one contender. Shares are of one core; memory is in bytes; None is unknown."""

    value: float
    server_share: float | None = None
    load_share: float | None = None
    per_cpu_second: float | None = None  # of what `value` counts, by processor time of the server
    peak_memory: int | None = None
    more: dict[str, float] = field(default_factory=dict)


@dataclass
class Contender:
    """One of those that were measured: who, how configured, and its samples; `left_out` says why there are none."""

    name: str
    version: str = ""
    settings: str = ""
    samples: list[Sample] = field(default_factory=list)
    left_out: str | None = None

    @property
    def value(self) -> Spread | None:
        return spread([each.value for each in self.samples]) if self.samples else None

    def median(self, part: str) -> float | None:
        """The median of another part of its samples."""
        known = [value for each in self.samples if (value := getattr(each, part)) is not None]
        return statistics.median(known) if known else None


@dataclass
class Result:
    """One piece of work, done by several."""

    work: str
    title: str
    unit: str
    better: Literal["more", "less"]
    contenders: list[Contender] = field(default_factory=list)

    def of(self, name: str) -> Contender | None:
        return next((each for each in self.contenders if each.name == name), None)

    def ratio(self, ours: str, theirs: str, part: str = "value") -> Spread | None:
        """What ours is of theirs, round by round, so that what the machine did meanwhile met both."""
        pair = self.of(ours), self.of(theirs)
        if pair[0] is None or pair[1] is None:
            return None
        both = [(getattr(a, part), getattr(b, part)) for a, b in zip(pair[0].samples, pair[1].samples, strict=False)]
        known = [a / b for a, b in both if a is not None and b]
        return spread(known) if known else None


def result(told: dict[str, Any]) -> Result:
    """A result as it was written in JSON by dataclasses.asdict."""
    contenders = [
        Contender(**{**each, "samples": [Sample(**sample) for sample in each["samples"]]})
        for each in told["contenders"]
    ]
    return Result(**{**told, "contenders": contenders})
