"""Plays a script: one real session an agent, and what it says goes over the hub like anybody's messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from hub import frames
from hub.client import Client, connect
from hub.demo.script import Join, Leave, Rename, Say, Step
from hub.errors import HubbubError, NameTaken
from hub.request import Place
from hub.topic import ALL

Told = Callable[[str], None]

ARRIVAL = 15.0  # seconds that a message may take to an agent that is there


class Agent:
    """One of the cast: a session, and somebody who reads what comes in it, one message after the other."""

    def __init__(self, hub: Client, name: str, reading: float) -> None:
        self.hub = hub
        self.name = name
        self._reading = reading
        self._read_to = 0
        self._moved = asyncio.Condition()
        self._task = asyncio.create_task(self._read(), name=f"demo {name}")

    async def has(self, offset: int) -> None:
        """Return once this agent has read the message at an offset. Raises TimeoutError."""
        async with asyncio.timeout(ARRIVAL + 10 * self._reading), self._moved:
            await self._moved.wait_for(lambda: self._read_to >= offset)

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.hub.close()

    async def _read(self) -> None:
        async for message in self.hub:
            await asyncio.sleep(self._reading)
            await self.hub.read(message.offset, wait=False)
            async with self._moved:
                self._read_to = message.offset
                self._moved.notify_all()


class Play:
    """A performance at `place`. `pace` stretches every pause (1 is as written); `told` gets a line for each step."""

    def __init__(self, place: Place, *, pace: float = 1.0, told: Told = print) -> None:
        self._place = place
        self._pace = pace
        self._told = told
        self._agents: dict[str, Agent] = {}
        self._names: dict[str, str] = {}  # what the hub calls them; differs where a name was taken
        self._said: dict[str, frames.Published] = {}  # by label

    async def run(self, script: Sequence[Step], *, forever: bool = False) -> None:
        """Perform it once, or until cancelled; everybody has left when this returns. Raises the hub's errors."""
        async with AsyncExitStack() as stage:
            stage.push_async_callback(self._clear)
            while True:
                for step in script:
                    await asyncio.sleep(step.after * self._pace)
                    await self._do(step)
                if not forever:
                    return

    async def _do(self, step: Step) -> None:
        match step:
            case Join():
                await self._join(step)
            case Say():
                await self._say(step)
            case Rename():
                agent = self._agents[step.who]
                before = agent.name
                agent.name = await agent.hub.rename(step.name or self._names[step.who])
                self._told(f"{before} is called {agent.name} now")
            case Leave():
                agent = self._agents.pop(step.who)
                await agent.leave()
                self._told(f"{agent.name} leaves")

    async def _join(self, step: Join) -> None:
        if step.who in self._agents:
            return  # the second time round
        hub = await self._connected(step.who)
        name = self._names[step.who]
        waiting = hub.welcome.unread if hub.welcome else None
        self._agents[step.who] = Agent(hub, name, step.reading * self._pace)
        for topic in step.topics:
            await hub.subscribe(topic)
        hears = f" and hears {', '.join('#' + topic for topic in step.topics)}" if step.topics else ""
        self._told(f"{name} joins{hears}" + (f"; {waiting} waited" if waiting else ""))

    async def _connected(self, who: str) -> Client:
        for name in (self._names.get(who, who), f"{who}-demo"):
            try:
                hub = await connect(
                    self._place.url, self._place.token, name, client="hubbub demo", tls_cert=self._place.tls_cert
                ).start()
            except NameTaken:
                continue
            self._names[who] = name
            return hub
        raise NameTaken(f"Live sessions have the names {who} and {who}-demo.", "Is another hubbub demo running?")

    async def _say(self, step: Say) -> None:
        agent = self._agents[step.who]
        question = self._said[step.answers] if step.answers else None
        if question:
            await agent.has(question.offset)
        to = step.to if step.to == ALL or step.to.startswith("#") else self._names.get(step.to, step.to)
        reply_to = question.id if question else None
        said = await agent.hub.publish(to, step.text, step.data, thread=step.thread, reply_to=reply_to)
        if step.label:
            self._said[step.label] = said
        self._told(f"{agent.name} → {to}: {step.text.splitlines()[0]}")

    async def _clear(self) -> None:
        agents, self._agents = list(self._agents.values()), {}
        for agent in agents:
            try:
                await agent.leave()
            except HubbubError as why:
                self._told(f"{agent.name} could not leave properly: {why}")
