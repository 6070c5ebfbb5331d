"""The same work for more and more: what a message costs the hub should not depend on how many others there are.

How it grows with what is stored is measured by benchmarks/growth.py, which takes longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from benchmarks.figures import Sample
from benchmarks.peers.hubbub import Hubbub
from benchmarks.server import Running
from benchmarks.work import ServerWork, sample
from hub.processes import cpu_seconds


class Place(Hubbub):
    """A hub that stands for one place on the axis."""

    def __init__(self, count: int, kind: str) -> None:
        self.count = count
        self.name = f"{count:,} {kind}"  # type: ignore[misc]


class Growth(ServerWork):
    """A curve: a hub for each place, each in turn in each round."""

    better = "less"
    places: ClassVar[Sequence[tuple[int, str]]]

    def __init__(self) -> None:
        self.servers = [_place(count, kind) for count, kind in self.places]


def _place(count: int, kind: str) -> Callable[[], Place]:
    return lambda: Place(count, kind)


def _cost(answer: dict[str, float], count: float) -> Sample:
    """Microseconds of the server's processor time for each of so many."""
    found = sample(0.0, answer, count)
    found.value = 1e6 / found.per_cpu_second if found.per_cpu_second else float("nan")
    return found


class Subscribers(Growth):
    name = "growth-subscribers"
    title = "cost of a delivery by how many hear it, 32 in flight"
    unit = "µs of server CPU a delivery"
    places = tuple((count, "subscribers") for count in (1, 10, 100, 1000, 10_000))

    def prepare(self, server: Running) -> None:
        server.ask("join", subscribers=_count(server), publishers=1)
        server.ask("run", seconds=0.1)

    def round(self, server: Running) -> Sample:
        answer = server.ask("run", seconds=self.seconds)
        return _cost(answer, answer["deliveries"])


class Topics(Growth):
    """Each topic has one subscriber, and is published to in its turn. With wildcards each hears all below its topic.

    Ten thousand clients are pinged whether anybody publishes or not: what the hub takes while nobody does is measured
    in each round, and is not counted among the cost of publishing.
    """

    name = "growth-topics"
    title = "cost of a publish by how many topics and subscribers there are, one in flight"
    unit = "µs of server CPU a message"
    places = tuple((count, kind) for count in (1, 100, 10_000) for kind in ("topics", "topics, wildcards"))

    def prepare(self, server: Running) -> None:
        server.ask("join", subscribers=_count(server), publishers=1, hears=self._hears(server))
        self._run(server, 0.1)

    def round(self, server: Running) -> Sample:
        resting = _resting(server, self.seconds)
        answer = self._run(server, self.seconds)
        return _cost({**answer, "server_cpu": answer["server_cpu"] - resting * answer["seconds"]}, answer["messages"])

    def _hears(self, server: Running) -> str:
        return "bench.{i}.>" if "wildcards" in server.server.name else "bench.{i}"

    def _run(self, server: Running, seconds: float) -> dict[str, float]:
        hears = self._hears(server)
        return server.ask(
            "run", to=hears.replace(">", "x"), hears=hears, topics=_count(server), in_flight=1, seconds=seconds
        )


class Publishers(Growth):
    name = "growth-publishers"
    title = "cost of a confirmed publish by how many publish, 100 in flight together"
    unit = "µs of server CPU a message"
    places = tuple((count, "publishers") for count in (1, 10, 100))

    def prepare(self, server: Running) -> None:
        server.ask("join", publishers=_count(server))
        server.ask("run", to="quiet", in_flight=100, seconds=0.1)

    def round(self, server: Running) -> Sample:
        answer = server.ask("run", to="quiet", in_flight=100, seconds=self.seconds)
        return _cost(answer, answer["messages"])


def _resting(server: Running, seconds: float) -> float:
    """Seconds of processor time that the server takes in a second in which nobody asks it for anything."""
    before = cpu_seconds(server.pid)
    time.sleep(seconds)
    after = cpu_seconds(server.pid)
    return 0.0 if before is None or after is None else (after - before) / seconds


def _count(server: Running) -> int:
    assert isinstance(server.server, Place)
    return server.server.count


WORKS = [Subscribers(), Topics(), Publishers()]
