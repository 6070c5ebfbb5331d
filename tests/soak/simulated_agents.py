"""Who lives in a simulated world: readers that are slow, die and come back, and writers that insist on an answer.

They use `hub.client` on the real `websockets`, as any agent does.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from hub import frames
from hub.client import Client
from hub.errors import HubbubError, InboxFull, NameTaken, Unavailable
from tests.soak.simulated_time import Machine

if TYPE_CHECKING:
    from tests.soak.simulation import World

URL = "ws://127.0.0.1:4820/ws"
TARGETS = ("alice", "bob", "CAROL", "all", "#news", "#news.sport")


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

    async def live(self, until: float) -> None:
        machine = Machine(self.name)
        await asyncio.wait([machine.run(self._talk(until))])

    async def _talk(self, until: float) -> None:
        world, chance = self._world, self.chance
        client = await connected(lambda: Client(URL, "token", self.name, random=chance.random, limit=40.0))
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
