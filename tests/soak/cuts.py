"""Connections that break in the middle of frames, a thousand times: everybody resumes, or is told of a gap.

Two writers and three readers, all of them the Python client behind a proxy that cuts. One reader is never in a hurry to
come back, and retention goes by in the meantime: it must be told what it missed.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hub import frames
from hub.client import Client
from hub.errors import HubbubError, Unavailable
from hub.log import Retention
from tests.hub.live import Live, live
from tests.soak.checker import Checker, Verdict
from tests.soak.cutter import Cutter
from tests.soak.storm import tag_of

READERS = ("alice", "bob", "late")
KEPT = 30_000  # bytes of messages that retention leaves
BOUND = 60.0  # seconds for whatever is waited for, on a busy machine
TRIM_EVERY = 50  # messages


class Cut(NamedTuple):
    cuts: int
    resumed: int  # connections that went on where they were
    verdict: Verdict


class Wires:
    """A hub in this process, a proxy before it, and clients on the other side of that."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._checker = Checker()
        self._numbers = itertools.count()
        self._newest = dict.fromkeys(READERS, 0)
        self._over = False
        self._published = 0
        self._resumed = 0
        self._moved = asyncio.Condition()

    async def run(self, home: Path, cuts: int) -> Cut:
        """Talk until so many connections were cut; then let everybody catch up, and judge."""
        async with live(home, allowed_hosts=["127.0.0.1"], window_messages=50) as hub:
            hub.app.node.retention = Retention(age=86_400.0, size=KEPT, facts_age=3600.0)  # less than a setting may be
            host, port = hub.http.removeprefix("http://").split(":")
            async with Cutter(self._chance, host, int(port), mean=12_000).open() as cutter:
                await self._talk(hub, cutter, cuts)
                await self._take_down(hub)
                return Cut(cutter.cuts, self._resumed, self._checker.verdict())

    async def _talk(self, hub: Live, cutter: Cutter, cuts: int) -> None:
        for name in READERS:
            await hub.request("POST", "/api/v1/instances", {"name": name})
            self._checker.hears(name, "all", (await hub.request("GET", "/api/v1/status")).json()["head"])
        url = f"ws://127.0.0.1:{cutter.port}/ws"
        reading = [asyncio.create_task(self._read(url, hub.token, name)) for name in READERS]
        writing = [asyncio.create_task(self._write(hub, url, name)) for name in ("w0", "w1")]
        try:
            async with asyncio.timeout(BOUND + cuts):
                while cutter.cuts < cuts:
                    for task in (*reading, *writing):
                        if task.done():
                            task.result()
                    await self._wait_for_move()
                cutter.calm = True
                self._over = True
                await self._move()
                await asyncio.gather(*writing)
                said = (await hub.request("POST", "/api/v1/messages", self._say("herald", "all"))).json()
                self._checker.confirmed(said["id"], said["offset"])
                while min(self._newest.values()) < said["offset"]:
                    await self._wait_for_move()
        finally:
            for task in (*reading, *writing):
                task.cancel()
            await asyncio.gather(*reading, *writing, return_exceptions=True)

    async def _wait_for_move(self) -> None:
        async with self._moved:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._moved.wait()

    async def _move(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    def _say(self, by: str, to: str) -> dict[str, str]:
        tag = f"{by}-{next(self._numbers)}"
        self._checker.sent(tag, by, to)
        return {"as": by, "to": to, "body": tag + "." * self._chance.choice([1, 100, 1000]), "id": tag}

    async def _client(self, url: str, token: str, name: str) -> Client:
        async def nap(seconds: float) -> None:
            if name != "late" or self._over:
                await asyncio.sleep(seconds / 50)
                return
            # It comes back when there is a good deal that it has not had.
            goal = self._published + self._chance.randrange(2 * TRIM_EVERY, 6 * TRIM_EVERY)
            while self._published < goal and not self._over:
                await self._wait_for_move()

        while True:
            client = Client(url, token, name, take_over=True, credit=32, sleep=nap, limit=BOUND)
            try:
                return await client.start()
            except Unavailable:  # cut before it was welcomed
                await asyncio.sleep(0.001)

    async def _read(self, url: str, token: str, name: str) -> None:
        client = await self._client(url, token, name)
        assert client.welcome is not None
        self._checker.begun(name, name, client.welcome.read)
        try:
            async for event in client.events():
                if isinstance(event, frames.Welcome):
                    self._resumed += event.resumed
                elif isinstance(event, frames.Gap):
                    self._checker.gap(name, event.from_, event.to)
                elif isinstance(event, frames.Message):
                    self._checker.delivered(name, tag_of(event.body), event.offset)
                    self._newest[name] = event.offset
                    if self._chance.random() < 0.1:
                        self._checker.read_asked(name, event.offset)
                        await client.read(event.offset, wait=False)
                    await self._move()
        finally:
            with suppress(HubbubError):
                await client.close()

    async def _write(self, hub: Live, url: str, name: str) -> None:
        client = await self._client(url, hub.token, name)
        try:
            while not self._over:
                said = self._say(name, self._chance.choice([*READERS, "all"]))
                published = await client.publish(said["to"], said["body"], id=said["id"])
                self._checker.confirmed(said["id"], published.offset)
                self._published += 1
                if self._published % TRIM_EVERY == 0:
                    hub.app.node.journal.maintain("retention", hub.app.node._trim)
                await self._move()
        finally:
            with suppress(HubbubError):
                await client.close()

    async def _take_down(self, hub: Live) -> None:
        rows: list[tuple[int, str]] = []
        async with hub.session(None, observe=True, resume=0, credit=65_536) as eye:
            head, floor = eye.welcome["head"], eye.welcome["floor"]
            while not rows or rows[-1][0] < head:
                frame = await eye.next()
                if frame["type"] == "message":
                    rows.append((frame["offset"], "" if frame["topic"].startswith("$") else tag_of(frame["body"])))
        self._checker.reading(rows, floor)
