"""A whole world in one process, the same for the same seed: a hub, its disk, its clients, and the network between them.

The hub is the real core, node, journal, connections and uvicorn's protocols; the clients are `hub.client` on the real
`websockets`. Simulated are time, the network and the disk. More than a minute of a bad day passes in a third of a
second: the hub is killed and stopped, the disk fails and hangs, retention cuts away what readers have not had,
connections break in the middle of frames, are late, stall and go silent; readers are slow, die and come back; the wall
clock leaps. Then the weather clears, everybody has time to catch up, and the checker is asked.

    python -m tests.soak.simulation 17       one seed, with its trace and the verdict
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import logging
import random
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple

import structlog

from hub import fold
from tests.soak import simulated_time
from tests.soak.checker import COUNTED, Checker, Verdict
from tests.soak.simulated_agents import Reader, Writer
from tests.soak.simulated_disk import Disk
from tests.soak.simulated_hub import DAY, Hub
from tests.soak.simulated_network import Network
from tests.soak.simulated_time import Loop

STORM = 30.0  # seconds of bad weather
CALM = 45.0  # seconds for everybody to catch up: longer than any ping, backoff or timeout takes to find a dead peer
BEGAN = 1_700_000_000.0
READERS = ("alice", "Bob", "carol")
WRITERS = ("dave", "erin")


class Outcome(NamedTuple):
    """What became of one seed. `digest` is of all that happened, in its order."""

    seed: int
    verdict: Verdict
    trace: list[str]
    digest: str
    troubles: list[str]
    kills: int
    cuts: int
    failures: int

    @property
    def good(self) -> bool:
        return self.verdict.good and not self.troubles

    def explain(self) -> str:
        said = [f"seed {self.seed}: {self.verdict.explain()}", *self.troubles]
        return "\n".join([*said, f"To see it again: python -m tests.soak.simulation {self.seed}"])


class World:
    """All of it."""

    def __init__(self, loop: Loop, seed: int) -> None:
        self.loop = loop
        self.seed = seed
        self.checker = Checker()
        self.chance = random.Random(f"{seed} world")
        self.trace: list[str] = []
        self.troubles: list[str] = []
        self.over = False
        self.skew = 0.0  # how wrong the wall clock is
        self.disk = Disk(random.Random(f"{seed} disk"), self.clock)
        self.hub = Hub(self)
        self.network = Network(loop, random.Random(f"{seed} network"), self.hub.accept)

    def clock(self) -> float:
        return BEGAN + self.loop.time() + self.skew

    def note(self, who: str, what: str) -> None:
        self.trace.append(f"{self.loop.time():10.6f} {who} {what}")

    def trouble(self, what: str) -> None:
        self.note("trouble:", what)
        self.troubles.append(what)

    async def pass_by(self) -> None:
        await self.hub.start()
        readers = [Reader(self, name) for name in READERS]
        readers.append(Reader(self, "eye", observe=True))
        lives = [asyncio.create_task(reader.live()) for reader in readers]
        writing = [asyncio.create_task(Writer(self, name).live(self.loop.time() + STORM)) for name in WRITERS]
        await self._storm()
        self.note("the weather", "clears")
        self.network.weather.calm()
        self.disk.calm()
        self.skew = 0.0
        for reader in readers:
            reader.calm()
        await asyncio.wait(writing)
        await asyncio.sleep(CALM)
        self.over = True
        self._judge(readers)
        for reader in readers:
            if reader.machine is not None:
                await reader.machine.kill()
        for life in lives:
            life.cancel()
        await asyncio.wait(lives)
        await self.hub.kill()

    async def _storm(self) -> None:
        """What befalls the hub, for as long as there is bad weather."""
        until = self.loop.time() + STORM
        misfortunes: list[Callable[[], Coroutine[Any, Any, None]]] = [
            self._crash,
            self._crash,
            self._restart,
            self._break,
            self._leap,
        ]
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / 4))
            if self.loop.time() >= until:
                break
            await self.chance.choice(misfortunes)()
        while not self.hub.listening:
            await self.hub.kill()
            await self.hub.start()

    async def _crash(self) -> None:
        self.note("the hub", "is killed")
        await self.hub.kill()
        await self._come_back()

    async def _restart(self) -> None:
        self.note("the hub", "is stopped")
        await self.hub.stop()
        await self._come_back()

    async def _come_back(self) -> None:
        await asyncio.sleep(self.chance.uniform(0, 3))
        await self.hub.start()
        self.note("the hub", "is back" if self.hub.machine else "could not start")

    async def _break(self) -> None:
        """All connections at once, as when a laptop changes its network."""
        self.note("the network", "is gone")
        for link in list(self.network.links):
            link.cut()

    async def _leap(self) -> None:
        self.skew = self.chance.choice([8 * DAY, -8 * DAY, 0.0])
        self.note("the clock", f"is {self.skew / DAY:+g} days off")

    def _judge(self, readers: list[Reader]) -> None:
        checker, disk = self.checker, self.disk
        rows = [(offset, "" if each.topic.startswith("$") else each.id) for offset, each in disk.ever.items()]
        checker.removed(disk.trimmed)
        checker.fleeting(offset for offset, each in disk.ever.items() if each.topic == fold.CURSORS)
        checker.reading([row for row in rows if row[0] not in disk.trimmed])
        checker.reading(rows)
        for reader in READERS:
            origin = next((o for o, each in disk.log.instances.items() if each.name == reader), None)
            if origin is None:
                continue
            checker.hears(reader.lower(), "all", origin)
            for each in disk.ever.values():
                if each.topic == fold.SUBSCRIBED and each.data["origin"] == origin:
                    checker.hears(reader.lower(), "#" + each.data["topic"], each.offset)
        for reader in readers:
            if reader.client is not None:
                checker.caught_up(reader.session, disk.log.head)
            else:
                self.trouble(f"{reader.name} is not connected, though nothing keeps it from that")


def play(seed: int) -> Outcome:
    """One seed, from the beginning to the verdict."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)  # what goes wrong here is meant to
    collected = gc.isenabled()
    gc.disable()  # when it runs is nobody's choice, and it runs code
    try:
        return simulated_time.run(lambda loop: _play(loop, seed))
    finally:
        structlog.reset_defaults()
        logging.disable(logging.NOTSET)
        if collected:
            gc.enable()


def tally(seed: int) -> Counter[str]:
    """Play a seed and count what there was. Raises AssertionError, with the command to see it again, if it is bad."""
    outcome = play(seed)
    assert outcome.good, outcome.explain()
    storms = Counter({"seeds": 1, "kills": outcome.kills, "cuts": outcome.cuts, "failed writes": outcome.failures})
    return storms + outcome.verdict.counts


def summed(tallies: Iterable[Counter[str]]) -> str:
    """One line for many seeds."""
    counts: Counter[str] = Counter()
    for each in tallies:
        counts += each
    storms = ("seeds", "kills", "cuts", "failed writes")
    return ", ".join(f"{counts[each]:,} {each}" for each in (*storms, *COUNTED)) + "; no invariant broken"


async def _play(loop: Loop, seed: int) -> Outcome:
    world = World(loop, seed)
    await world.pass_by()
    verdict = world.checker.verdict()
    digest = hashlib.sha256("\n".join(world.trace).encode()).hexdigest()[:16]
    return Outcome(
        seed,
        verdict,
        world.trace,
        digest,
        [*world.troubles, *loop.troubles],
        world.hub.kills - 1,  # the last is the end of the world
        world.network.cuts,
        world.disk.failures,
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak.simulation", description="Play one seed, and say what happened."
    )
    parser.add_argument("seed", type=int)
    parser.add_argument("--quiet", action="store_true", help="only the digest and the verdict")
    asked = parser.parse_args(arguments)
    outcome = play(asked.seed)
    if not asked.quiet:
        print("\n".join(outcome.trace))
    print(outcome.digest, outcome.explain())
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
