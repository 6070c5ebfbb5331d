"""The wall clock goes eight days forward, and back: in a hub of this process, and in a real one under libfaketime.

What is right: an offset is a message's place whatever the clock says. A `ttl` is over while the hub's clock says so,
and is not over any more when the clock was wrong and is set right. Retention by age removes for good, so it believes a
leap only when that has stood for an hour.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from hub.steady import Steady
from tests.hub.live import Live, live
from tests.journeys.processes import BOUND, HubProcess, hub_process
from tests.soak.checker import Checker

DAY = 86_400.0
LEAP = 8 * DAY
TTLS = (None, 3600.0, 9 * DAY)  # an hour is over when the clock has leapt; nine days are not
# As Debian and Fedora put it.
PLACES = ("lib*/*/faketime", "lib*/faketime")
FAKETIME = [each for place in PLACES for each in Path("/usr").glob(f"{place}/libfaketime.so.1")]


class Clocks:
    """What a hub of this process takes for the time."""

    def __init__(self, hub: Live) -> None:
        self.leapt = 0.0
        self.stood = 0.0
        node = self._node = hub.app.node
        node._clock = lambda: time.time() + self.leapt
        node._monotonic = lambda: time.monotonic() + self.stood
        node._steady = Steady(None, node._clock(), node._monotonic())

    async def retention(self) -> None:
        """Remove all that may go now."""
        while await self._node._trim():
            pass


class Said:
    """Bob writes to alice, some of it for an hour only, some to a name that nobody has."""

    def __init__(self, checker: Checker) -> None:
        self.checker = checker
        self.count = 0
        self.hourly: set[str] = set()

    def next(self) -> dict[str, Any]:
        self.count += 1
        tag = f"m{self.count}"
        to = "nobody" if self.count % 5 == 0 else "alice"
        ttl = TTLS[self.count % len(TTLS)]
        if ttl == 3600.0:
            self.hourly.add(tag)
        self.checker.sent(tag, "bob", to, may_expire=ttl == 3600.0)
        return {"to": to, "body": tag, "id": tag, **({} if ttl is None else {"ttl": ttl})}


async def in_process(home: Path, each: int = 30) -> tuple[Checker, int, int]:
    """Some words before, during and after a leap; returns the checker, what alice was given in it, and after it."""
    checker = Checker()
    said = Said(checker)
    async with live(home, retention_age=7 * DAY) as hub, hub.session("bob") as bob:
        clocks = Clocks(hub)
        async with hub.session("alice") as first:
            checker.begun("alice/1", "alice", first.welcome["read"])

        async def speak() -> None:
            for _ in range(each):
                words = said.next()
                told = await bob.publish(**words)
                checker.confirmed(words["id"], told["offset"])
            await clocks.retention()

        await speak()
        clocks.leapt = LEAP
        await clocks.retention()
        await speak()
        async with hub.session("alice") as alice:
            checker.begun("alice/2", "alice", alice.welcome["read"])
            during = await _hear(checker, "alice/2", alice, hub)
            assert not said.hourly & {tag for tag in during if int(tag[1:]) <= each}, "what had expired was delivered"
        clocks.leapt = 0.0
        await speak()
        async with hub.session("alice") as alice:
            checker.begun("alice/3", "alice", alice.welcome["read"])
            after = await _hear(checker, "alice/3", alice, hub)
            assert {tag for tag in said.hourly if int(tag[1:]) % 5} <= set(after), (
                "a clock that was set right again expired something"
            )
    async with live(home) as hub:  # another one, which has nothing in memory but what is on the disk
        await _log(checker, hub.url, hub.token)
    return checker, len(during), len(after)


async def _hear(checker: Checker, session: str, socket: Any, hub: Live) -> list[str]:
    """All that is for alice by now: up to a word that she says to herself."""
    last = await socket.publish("alice", "last")
    heard: list[str] = []
    while True:
        frame = await socket.frame("message")
        if frame["body"] == "last":
            if frame["offset"] == last["offset"]:
                checker.caught_up(session, frame["offset"])
                return heard
            continue
        heard.append(frame["body"])
        checker.delivered(session, frame["body"], frame["offset"])


async def _log(checker: Checker, url: str, token: str) -> int:
    """Tell the checker the whole log; returns its floor."""
    rows: list[tuple[int, str]] = []
    async with connect(url, compression=None, proxy=None, max_size=None) as connection, asyncio.timeout(BOUND):
        hello = {"type": "hello", "observe": True, "resume": 0, "credit": 65_536, "token": token}
        await connection.send(json.dumps(hello))
        welcome = json.loads(await connection.recv())
        while not rows or rows[-1][0] < welcome["head"]:
            frame = json.loads(await connection.recv())
            if frame["type"] == "message":
                ours = not frame["topic"].startswith("$") and frame["body"] != "last"
                rows.append((frame["offset"], frame["body"] if ours else ""))
    checker.reading(rows)
    return int(welcome["floor"])


# A real process


@contextmanager
def faked(home: Path, clock: Path) -> Iterator[HubProcess]:
    """A hub whose wall clock is off by what `clock` says ("+8d"), read anew each time it looks."""
    environment = {
        "LD_PRELOAD": str(FAKETIME[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "HUBBUB_RETENTION_AGE": "7d",
    }
    with hub_process(home, **environment) as hub:
        yield hub


async def real_process(home: Path, clock: Path) -> tuple[Checker, int]:
    """The same, by the system's clock, across the hub's own housekeeping and a start while the clock is wrong.

    Returns the checker, and how often the log was found whole.
    """
    checker = Checker()
    said = Said(checker)
    whole = 0

    async def speak(hub: HubProcess, off: float) -> None:
        async with connect(hub.url, compression=None, proxy=None, max_size=None) as connection, asyncio.timeout(BOUND):
            hello = {"type": "hello", "name": "bob", "take_over": True, "token": hub.token, "credit": 0}
            await connection.send(json.dumps(hello))
            await connection.recv()
            for _ in range(30):
                words = said.next()
                await connection.send(json.dumps({"type": "publish", **words}))
                told = json.loads(await connection.recv())
                checker.confirmed(words["id"], told["offset"])
            # That the clock is wrong at all is seen by what the hub stamps.
            await connection.send(json.dumps({"type": "status", "id": words["id"]}))
            at = datetime.fromisoformat(json.loads(await connection.recv())["message"]["at"]).timestamp()
            assert abs(at - (time.time() + off)) < BOUND, "libfaketime does not reach the hub"

    async def look(hub: HubProcess) -> None:
        nonlocal whole
        await asyncio.sleep(11)  # two rounds of the hub's housekeeping, which no one can hasten from outside
        assert await _log(checker, hub.url, hub.token) == 1, "retention believed the leap"
        whole += 1

    clock.write_text("+0\n")
    with faked(home, clock) as hub:
        await speak(hub, 0)
        clock.write_text("+8d\n")
        await speak(hub, LEAP)
        await look(hub)
        clock.write_text("+0\n")
        await speak(hub, 0)
        await look(hub)
        clock.write_text("-8d\n")
        await speak(hub, -LEAP)
        await look(hub)
        assert hub.stop() == 0
    clock.write_text("+8d\n")
    with faked(home, clock) as hub:
        await look(hub)
        hub.kill()
    clock.write_text("+0\n")
    with faked(home, clock) as hub:
        await speak(hub, 0)
        await look(hub)
        assert hub.stop() == 0
    return checker, whole
