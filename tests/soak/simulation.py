"""A whole world in one process, the same for the same seed: a hub, its disk, its clients, and the network between them.

The hub is the real core, node, journal, connections and uvicorn's protocols; the clients are `hub.client` on the real
`websockets`. Simulated are time, the network and the disk. Two minutes of a bad day pass in a third of a second: the
hub is killed and stopped, the disk fails and hangs, retention cuts away what readers have not had, connections break in
the middle of frames, are late, stall and go silent; readers are slow, die and come back; the wall clock leaps.
Then the weather clears, everybody has time to catch up, and the checker is asked.

    python -m tests.soak.simulation 17       one seed, with its trace and the verdict
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import hashlib
import logging
import random
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import structlog
from uvicorn.server import ServerState

from hub import fold, frames
from hub.bounds import Limits
from hub.client import Client
from hub.connection import Connections, Terms
from hub.errors import HubbubError, InboxFull, NameTaken, Unavailable
from hub.log import Retention
from hub.node import Node
from hub.protocol import HttpProtocol, ServerConfig
from hub.tokens import OWNER, SCOPES, Grant, Identity
from tests.soak import simulated_time
from tests.soak.checker import Checker, Verdict
from tests.soak.simulated_disk import Disk, Mounted
from tests.soak.simulated_network import Network
from tests.soak.simulated_time import Loop, Machine

STORM = 30.0  # seconds of bad weather
CALM = 45.0  # seconds for everybody to catch up: longer than any ping, backoff or timeout takes to find a dead peer
DAY = 86_400.0
BEGAN = 1_700_000_000.0
URL = "ws://127.0.0.1:4820/ws"
READERS = ("alice", "Bob", "carol")
WRITERS = ("dave", "erin")
TARGETS = ("alice", "bob", "CAROL", "all", "#news", "#news.sport")
LIMITS = Limits(window_messages=40, window_bytes=60_000, inbox_messages=10)
RETENTION = Retention(age=7 * DAY, size=50_000, facts_age=20.0)
TERMS = Terms(hello_timeout=10.0, slow_reader_timeout=10.0, publish_rate=0, max_unwelcomed=64)
OWNER_ITSELF = Identity(grant=Grant(id=OWNER, scopes=SCOPES))


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


class Hub:
    """The hub's machine: it starts, it is stopped or killed, it starts again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.machine: Machine | None = None
        self.node: Node | None = None
        self._config: ServerConfig | None = None
        self._connections: Connections
        self._state: ServerState
        self.starts = 0
        self.kills = 0

    async def start(self) -> None:
        self.starts += 1
        machine = self.machine = Machine(f"hub/{self.starts}")
        starting = machine.run(self._start(machine))
        await asyncio.wait([starting])
        if not starting.result():  # the disk did not take its first word: as a real one, it ends, and is started again
            await self.kill()

    async def _start(self, machine: Machine) -> bool:
        log = Mounted(self._world.disk, machine)
        tail = await log.tail(LIMITS.window_messages, LIMITS.window_bytes)
        node = Node(
            log,
            await log.load(),
            tail,
            limits=LIMITS,
            retention=RETENTION,
            version="0",
            clock=self._world.clock,
            monotonic=self._world.loop.time,
        )
        try:
            await node.start(lambda: self._broke(machine, node))
        except HubbubError:
            return False
        connections = Connections(node, TERMS, lambda token, scope: OWNER_ITSELF)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await connections(scope, receive, send)

        config = ServerConfig(app, lifespan="off", log_config=None, access_log=False, interface="asgi3")
        config.load()
        self._state, self._connections, self.node = ServerState(), connections, node
        self._config = config
        return True

    def _broke(self, machine: Machine, node: Node) -> None:
        if machine.alive:
            self._world.trouble(f"the hub broke: {node.broken}")

    def accept(self) -> tuple[Machine, asyncio.Protocol] | None:
        if self.machine is None or not self.machine.alive or self._config is None:
            return None
        return self.machine, HttpProtocol(self._config, self._state, {}, self._world.loop)

    async def kill(self) -> None:
        machine, self.machine, self._config = self.machine, None, None
        if machine is not None:
            self.kills += 1
            await machine.kill()

    async def stop(self) -> None:
        """As SIGTERM does: say goodbye, close what is open, end."""
        machine, node = self.machine, self.node
        self._config = None
        if machine is None or node is None:
            return
        await asyncio.wait([machine.run(node.stop())], timeout=30)
        for connection in list(self._state.connections):
            machine.context.run(connection.shutdown)
        await asyncio.sleep(1)
        self.machine = None
        await machine.kill()


async def connected(make: Callable[[], Client]) -> Client:
    """The hub may be away, or believe a dead session alive: an agent tries until it is in."""
    while True:
        try:
            return await make().start()
        except (Unavailable, NameTaken):
            await asyncio.sleep(0.5)


class Reader:
    """An agent: it reads at its own pace, confirms some of it, dies and comes back."""

    def __init__(self, world: World, name: str, *, observe: bool = False) -> None:
        self.name = name
        self.chance = random.Random(f"{world.seed} {name}")
        self.session = ""
        self.machine: Machine | None = None
        self.client: Client | None = None
        self._world = world
        self._lives = 0
        self._observe = observe
        self._subscribed = observe
        self._hasty = False  # once the weather is good, it does nothing but read

    def calm(self) -> None:
        self._hasty = True

    async def live(self) -> None:
        """Life after life, until the end of the world."""
        while not self._world.over:
            machine = self.machine = Machine(f"{self.name}/{self._lives + 1}")
            life = machine.run(self._live_once())
            await asyncio.wait([life], timeout=None if self._observe else self.chance.uniform(5, 40))
            if not life.done() and not self._hasty:
                self._world.note(self.name, "is killed")
                await machine.kill()
            else:
                await asyncio.wait([life])
            if not life.cancelled() and (why := life.exception()) is not None and not isinstance(why, HubbubError):
                self._world.trouble(f"{self.name}: {why!r}")
            await asyncio.sleep(self.chance.uniform(0, 1 if self._hasty else 5))

    async def _live_once(self) -> None:
        self._lives += 1
        session = f"{self.name}/{self._lives}"
        credit = self.chance.choice([1, 3, 16, 256])
        client = await connected(
            lambda: Client(
                URL,
                "token",
                None if self._observe else self.name,
                credit=credit,
                observe=self._observe,
                take_over=not self._observe,
                random=self.chance.random,
            )
        )
        self._begun(client, session)
        self.client = client
        try:
            if not self._subscribed:
                await client.subscribe("#news.>")
                await client.subscribe("#news")
                self._subscribed = True
            await self._read(client, session)
        finally:
            self.client = None
            with contextlib.suppress(HubbubError):
                await client.close()

    def _begun(self, client: Client, session: str) -> None:
        welcome = client.welcome
        assert welcome is not None
        # To observe is to begin at the head of then; to be somebody, at what was read.
        after = welcome.head if self._observe else welcome.read
        self.session = session
        self._world.checker.begun(session, None if self._observe else self.name.lower(), after)
        self._world.note(session, f"begins after {after}")

    async def _read(self, client: Client, session: str) -> None:
        world, chance = self._world, self.chance
        async for event in client.events():
            if isinstance(event, frames.Message):
                world.note(session, f"has {event.offset}")
                world.checker.delivered(
                    session, "" if event.topic.startswith("$") else event.body.split(".")[0], event.offset
                )
                if self._observe:
                    continue
                if chance.random() < 0.3:
                    await self._confirm(client, event.offset)
                if not self._hasty and chance.random() < 0.03:
                    await asyncio.sleep(chance.uniform(0, 15))  # busy with something else
                if not self._hasty and chance.random() < 0.01:
                    return  # it leaves, and comes back as somebody who has to be told all that it did not read
            elif isinstance(event, frames.Gap):
                world.note(session, f"is told of a gap from {event.from_} to {event.to}")
                world.checker.gap(session, event.from_, event.to)

    async def _confirm(self, client: Client, offset: int) -> None:
        name = self.name.lower()
        self._world.checker.read_asked(name, offset)
        if self.chance.random() < 0.5:
            await client.read(offset, wait=False)
            return
        try:
            await client.read(offset)
        except HubbubError:
            return
        self._world.note(name, f"has read {offset}")
        self._world.checker.read(name, offset)


class Writer:
    """Somebody who talks, in several things at once, and says it again until it has an answer."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.chance = random.Random(f"{world.seed} {name}")
        self._world = world
        self._number = 0
        self._saying: list[asyncio.Task[None]] = []

    async def live(self) -> None:
        machine = Machine(self.name)
        await asyncio.wait([machine.run(self._talk())])

    async def _talk(self) -> None:
        world, chance = self._world, self.chance
        client = await connected(lambda: Client(URL, "token", self.name, random=chance.random, limit=40.0))
        until = world.loop.time() + STORM
        while world.loop.time() < until:
            self._say(client)
            await asyncio.sleep(chance.expovariate(2.0) if chance.random() < 0.9 else 0.0)
        await asyncio.wait(self._saying)
        await client.close()

    def _say(self, client: Client) -> None:
        self._number += 1
        tag = f"{self.name}-{self._number}"
        to = self.chance.choice(TARGETS)
        ttl = self.chance.uniform(0.5, 60) if self.chance.random() < 0.1 else None
        body = tag + "." * self.chance.choice([1, 1, 40, 40, 900])
        self._world.checker.sent(tag, self.name, to, may_expire=ttl is not None)
        self._saying.append(asyncio.create_task(self._ask(client, tag, to, body, ttl)))

    async def _ask(self, client: Client, tag: str, to: str, body: str, ttl: float | None) -> None:
        world = self._world
        for _ in range(self.chance.choice([1, 1, 3])):
            try:
                published = await client.publish(to, body, id=tag, ttl=ttl)
            except HubbubError as why:
                world.note(tag, why.code)
                if isinstance(why, InboxFull):  # an answer, whatever became of earlier attempts
                    world.checker.refused(tag)
                    return
            else:
                world.note(tag, f"is at {published.offset}")
                world.checker.confirmed(tag, published.offset)


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
        writing = [asyncio.create_task(Writer(self, name).live()) for name in WRITERS]
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
        while self.hub.machine is None or self.hub._config is None:
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
