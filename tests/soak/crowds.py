"""Thousands of clients that all come back at once: after their connections broke, and after the hub was killed.

Somebody goes on talking all the while, and somebody else asks /healthz: the hub has to answer both. A crowd is a
process of its own (tests/soak/crowd.py), so that what is measured here is the hub.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect

from tests.journeys.processes import HUBBUB, HubProcess, environment

BOUND = 180.0  # seconds for thousands to connect, on a busy machine
ASK_EVERY = 0.05  # seconds between two looks at /healthz
TALK_EVERY = 1.0  # seconds between two broadcasts


@dataclass
class Storm:
    """What one storm of reconnections was like. Times are seconds, sizes MiB."""

    clients: int
    welcomed: int = 0
    lost: int = 0
    doubled: int = 0
    gaps: int = 0
    broadcasts: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    refused: int = 0
    busy: float = 0.0  # seconds of processor time that the hubs took
    health: list[float] = field(default_factory=list)
    memory: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return (
            f"{self.clients:,} clients at once: "
            + ", ".join(f"{what} in {each:.1f} s" for what, each in self.seconds.items())
            + f"; {self.welcomed:,} welcomed, {self.refused:,} told to try again; {self.broadcasts} broadcasts "
            f"meanwhile, {self.lost} lost, {self.doubled} doubled, {self.gaps} gaps; "
            f"/healthz {len(self.health)} times, "
            f"median {statistics.median(self.health) * 1000:.0f} ms, slowest {max(self.health) * 1000:.0f} ms; hub "
            f"{self.busy:.1f} s of processor time, "
            + ", ".join(f"{each:.0f} MiB {what}" for what, each in self.memory.items())
        )


class CrowdProcess:
    """`tests.soak.crowd` as a child."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def ask(self, *command: object) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(map(str, command)).encode() + b"\n")
        async with asyncio.timeout(BOUND):
            line = await self.process.stdout.readline()
        assert line, "the crowd has ended"
        return dict(json.loads(line))


@asynccontextmanager
async def crowd(home: Path, count: int, token: str, *more: str) -> AsyncIterator[CrowdProcess]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.soak.crowd", str(count), token, *more),
        env=environment(home),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )
    try:
        yield CrowdProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Talker:
    """Says one broadcast after the other, each numbered, and sends again under the same id what was not confirmed."""

    def __init__(self) -> None:
        self.said = 0
        self._connection: ClientConnection | None = None

    async def connect(self, hub: HubProcess) -> None:
        connection = await connect(hub.url, compression=None, proxy=None)
        hello = {"type": "hello", "name": "talker", "token": hub.token, "take_over": True, "credit": 0}
        await connection.send(json.dumps(hello))
        assert json.loads(await connection.recv())["type"] == "welcome"
        self._connection = connection

    async def say(self, more: str = "") -> int:
        """One broadcast; returns its number once it is confirmed."""
        number = self.said + 1
        await self.publish({"to": "all", "body": f"{number} {more}", "id": f"talk-{number}"})
        self.said = number
        return number

    async def publish(self, what: dict[str, str]) -> None:
        """Anything else; returns once it is confirmed."""
        assert self._connection is not None
        await self._connection.send(json.dumps({"type": "publish", **what}))
        answer = json.loads(await self._connection.recv())
        assert answer["type"] == "published", answer

    async def talk(self) -> None:
        while True:
            await self.say()
            await asyncio.sleep(TALK_EVERY)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


def health(hub: HubProcess, took: list[float], over: list[bool]) -> None:
    """Ask until it is over, in a thread; how long each answer took."""
    address = urlsplit(hub.http)
    while not over:
        begin = time.monotonic()
        asking = http.client.HTTPConnection(address.hostname or "", address.port, timeout=BOUND)
        with contextlib.closing(asking):
            asking.request("GET", "/healthz")
            assert asking.getresponse().status == 200
        took.append(time.monotonic() - begin)
        time.sleep(ASK_EVERY)


@asynccontextmanager
async def watched(hub: HubProcess, took: list[float]) -> AsyncIterator[None]:
    over: list[bool] = []
    asking = asyncio.create_task(asyncio.to_thread(health, hub, took, over))
    try:
        yield
    finally:
        over.append(True)
        await asking


@asynccontextmanager
async def talking(talker: Talker, hub: HubProcess) -> AsyncIterator[None]:
    await talker.connect(hub)
    task = asyncio.create_task(talker.talk())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        # What it was saying may be confirmed or not: said again under its id, it is there once.
        await talker.close()
        await talker.connect(hub)
        await talker.say()
        await talker.close()


def resident(hub: HubProcess) -> float:
    """The hub's memory, in MiB."""
    pages = int(Path(f"/proc/{hub.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_time(hub: HubProcess) -> float:
    """Seconds, its own and the system's for it."""
    fields = Path(f"/proc/{hub.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def reconnections(home: Path, clients: int, command: Sequence[str] = HUBBUB) -> Storm:
    """All join, all break off and come back, the hub is killed and all come back to the next one."""
    storm = Storm(clients)
    talker = Talker()
    hub = HubProcess(home, command)
    storm.memory["empty"] = resident(hub)
    try:
        async with crowd(home, clients, hub.token) as people:
            async with watched(hub, storm.health):
                joined = await people.ask("join", hub.url)
                storm.seconds["joined"] = joined["seconds"]
                storm.memory["with all"] = resident(hub)
                async with talking(talker, hub):
                    await people.ask("break")
                    again = await people.ask("join", hub.url)
                    storm.seconds["back after a break"] = again["seconds"]
                await people.ask("heard", talker.said)
                storm.memory["after the break"] = resident(hub)
            storm.busy = processor_time(hub)
            hub.kill()
            hub = HubProcess(home, command)
            async with watched(hub, storm.health):
                async with talking(talker, hub):
                    third = await people.ask("join", hub.url)
                    storm.seconds["back after a kill"] = third["seconds"]
                await people.ask("heard", talker.said)
            storm.memory["after the kill"] = resident(hub)
            storm.busy += processor_time(hub)
            told = await people.ask("report")
            storm.welcomed, storm.lost, storm.doubled = told["welcomed"], told["lost"], told["doubled"]
            storm.gaps, storm.broadcasts = told["gaps"], talker.said
            storm.refused = sum(sum(each["refused"].values()) for each in (joined, again, third))
    finally:
        if hub.process.poll() is None:
            hub.kill()
    return storm
