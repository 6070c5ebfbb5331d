"""Backups while a hub is written to without a pause, and restores of them, with clients that remember another log."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import stat
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.journeys.processes import BOUND, HubProcess, hub_process, run
from tests.soak.consistent import epoch_and_head, faults, stored
from tests.soak.dial import dial

PUBLISHERS = 3
IN_FLIGHT = 20


class Storm:
    """Publishers that never cease, and what they were told: id -> offset."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.confirmed: dict[str, int] = {}
        self._numbers = itertools.count()

    async def blow(self, hub: HubProcess) -> None:
        """Until cancelled, or the hub is gone."""
        async with asyncio.TaskGroup() as group:
            for number in range(PUBLISHERS):
                group.create_task(self._publisher(hub, f"p{number}"))

    async def _publisher(self, hub: HubProcess, name: str) -> None:
        with suppress(ConnectionClosed):
            async with dial(hub.url) as connection:
                await greet(connection, hub, name, take_over=True)
                flying = 0
                while True:
                    while flying < IN_FLIGHT:
                        said = {"type": "publish", "to": "#t", "body": "x" * self.chance.randrange(2000)}
                        await connection.send(json.dumps({**said, "id": f"{name}-{next(self._numbers)}"}))
                        flying += 1
                    frame = json.loads(await connection.recv())
                    if frame["type"] == "published":
                        self.confirmed[frame["id"]] = frame["offset"]
                        flying -= 1


async def greet(connection: ClientConnection, hub: HubProcess, name: str, **hello: Any) -> dict[str, Any]:
    """Say hello; the welcome."""
    await connection.send(json.dumps({"type": "hello", "name": name, "token": hub.token, **hello}))
    welcome = json.loads(await connection.recv())
    assert welcome["type"] == "welcome", welcome
    return dict(welcome)


async def backups(folder: Path, count: int, restores: int, seed: int) -> Counter[str]:
    """Make `count` backups in a storm, then restore `restores` of them, each after the log has gone on."""
    home, storm, counts = folder / "home", Storm(seed), Counter[str]()
    with hub_process(home) as hub:
        blowing = asyncio.create_task(storm.blow(hub))
        try:
            copies = await _copies(folder, count, storm, blowing, counts)
        finally:
            blowing.cancel()
            await asyncio.gather(blowing, return_exceptions=True)
        assert await asyncio.to_thread(hub.stop) == 0
    for file, there in storm.chance.sample(copies, restores):
        await _restored(home, file, there, counts)
    counts["confirmed"] = len(storm.confirmed)
    return counts


async def _copies(
    folder: Path, count: int, storm: Storm, blowing: asyncio.Task[None], counts: Counter[str]
) -> list[tuple[Path, dict[str, int]]]:
    """So many backups, each held against what was confirmed before it began, and what each holds."""
    home = folder / "home"
    copies: list[tuple[Path, dict[str, int]]] = []
    for number in range(count):
        goal = len(storm.confirmed) + storm.chance.randrange(50, 400)
        async with asyncio.timeout(BOUND):
            while len(storm.confirmed) < goal and not blowing.done():
                await asyncio.sleep(0.001)
        before = dict(storm.confirmed)
        file = folder / f"{number}.db"
        head = await asyncio.to_thread(back_up, home, file)
        during = len(storm.confirmed) - len(before)
        there = stored(file)
        lost = sum(1 for each, offset in before.items() if there.get(each) != offset)
        assert not lost, f"{lost} that were confirmed before the backup began are not in it"
        assert not faults(file), faults(file)[:5]
        assert head == epoch_and_head(file)[1]
        if sys.platform != "win32":
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        copies.append((file, there))
        counts["backups"] += 1
        counts["in them"] += len(there)
        counts["confirmed while they were made"] += during
    assert not blowing.done(), "the storm has broken off"
    return copies


async def _restored(home: Path, file: Path, there: dict[str, int], counts: Counter[str]) -> None:
    """Let the log go on, restore a backup, and see what clients make of it that remember what came after."""
    with hub_process(home) as hub:
        async with dial(hub.url) as late:
            old = await greet(late, hub, "late", take_over=True)
            last = (await _publish(late, "late", ["lost"]))[-1]
        assert hub.stop() == 0
    put_back(home, file)
    assert not faults(home / "hubbub.db"), faults(home / "hubbub.db")[:5]
    assert stored(home / "hubbub.db") == there
    with hub_process(home) as hub:
        async with (
            dial(hub.url) as resuming,
            dial(hub.url) as trusting,
            dial(hub.url) as speaker,
        ):
            await greet(speaker, hub, "speaker", take_over=True)
            welcome = await greet(resuming, hub, "resuming", resume=last, epoch=old["epoch"], take_over=True)
            assert welcome["epoch"] != old["epoch"]
            assert welcome["resumed"] is False, "an old place with the old epoch has held"
            bodies = [f"new {number}" for number in range(30)]
            await greet(trusting, hub, "trusting", take_over=True)
            offsets = await _publish(speaker, "trusting", bodies)
            assert min(offsets) > last, "an offset was given a second time"
        async with dial(hub.url) as trusting, asyncio.timeout(BOUND):
            # As one that was away all the time, and knows only a number.
            await greet(trusting, hub, "trusting", resume=last, take_over=True)
            seen = [json.loads(await trusting.recv())["body"] for _ in bodies]
        assert seen == bodies, "a client without an epoch has missed something"
        assert hub.stop() == 0
    counts["restores"] += 1
    counts["seen by clients of another log"] += len(seen)


def back_up(home: Path, file: Path) -> int:
    """The highest offset that the backup has, as the command tells it."""
    return int(json.loads(run(home, "backup", str(file), "--json").stdout)["offset"])


def put_back(home: Path, file: Path) -> None:
    run(home, "restore", str(file))


async def _publish(connection: ClientConnection, to: str, bodies: list[str]) -> list[int]:
    offsets = []
    async with asyncio.timeout(BOUND):
        for body in bodies:
            await connection.send(json.dumps({"type": "publish", "to": to, "body": body}))
            while (frame := json.loads(await connection.recv()))["type"] != "published":
                pass
            offsets.append(frame["offset"])
    return offsets
