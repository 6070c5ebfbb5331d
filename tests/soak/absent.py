"""Peers that are there and don't answer: a link that drops without a word, a client that is stopped, a hub that is.

What has to hold: whoever is gone is found out and shown as gone within the time that the settings give, and whoever
comes back has every message once, in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.journeys.processes import BOUND, HUBBUB, HubProcess, environment

ALICE = "alice"
HUB_ADDRESS, CLIENT_ADDRESS = "10.211.77.1", "10.211.77.2"  # in namespaces of their own: no other machine's


class Listener:
    """`tests.soak.listener` as a child; what it has told so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.numbers: list[int] = []
        self.gaps: list[list[int]] = []
        self.states: list[tuple[float, str]] = []
        self._news = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            match json.loads(line):
                case {"number": number}:
                    self.numbers.append(number)
                case {"gap": gap}:
                    self.gaps.append(gap)
                case {"state": state}:
                    self.states.append((time.monotonic(), state))
            self._news.set()

    @property
    def state(self) -> str:
        return self.states[-1][1] if self.states else ""

    async def until(self, what: str, seconds: float = BOUND) -> None:
        """Wait for a state, or for a number."""
        async with asyncio.timeout(seconds):
            while what != self.state and what not in map(str, self.numbers):
                self._news.clear()
                await self._news.wait()

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()  # also when it is stopped
        await self.process.wait()
        await self._listening


@asynccontextmanager
async def listener(
    hub: HubProcess, prefix: Sequence[str] = (), keepalive: float | None = None
) -> AsyncIterator[Listener]:
    more = [] if keepalive is None else [str(keepalive)]
    process = await asyncio.create_subprocess_exec(
        *(*prefix, sys.executable, "-m", "tests.soak.listener", hub.url, hub.token, ALICE, *more),
        env=environment(hub.home),
        stdout=asyncio.subprocess.PIPE,
    )
    listening = Listener(process)
    try:
        await listening.until("online")
        yield listening
    finally:
        await listening.end()


def sessions(hub: HubProcess, name: str = ALICE) -> int:
    """How many sessions the log says this one has: read from the database, for the hub may not be asked from here."""
    path = hub.home / "hubbub.db"
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as db:
        found = db.execute(
            "SELECT json_extract(data, '$.sessions') FROM messages WHERE topic IN ('$session.joined', '$session.left')"
            " AND json_extract(data, '$.name') = ? ORDER BY offset DESC LIMIT 1",
            (name,),
        ).fetchone()
    return int(found[0]) if found else 0


async def gone(hub: HubProcess, seconds: float) -> None:
    """Wait until the log says that nobody is connected as alice."""
    async with asyncio.timeout(seconds):
        while sessions(hub) > 0:
            await asyncio.sleep(0.1)


class Sender:
    """Sends alice numbered messages with `hubbub send`, each until it is confirmed and under an id of its own."""

    def __init__(self, hub: HubProcess, prefix: Sequence[str] = ()) -> None:
        self._hub = hub
        self._prefix = prefix
        self.sent = 0

    async def send(self, count: int = 1) -> None:
        for _ in range(count):
            self.sent += 1
            async with asyncio.timeout(2 * BOUND):
                while await self._try(str(self.sent)) != 0:
                    assert self._hub.process.poll() is None

    async def _try(self, number: str) -> int:
        process = await asyncio.create_subprocess_exec(
            *(*self._prefix, *HUBBUB, "send", "--as", "bob", "--id", number, ALICE, number),
            env=environment(self._hub.home),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return await process.wait()


@dataclass
class Absence:
    """How it went; seconds."""

    what: str
    sent: int = 0
    heard: list[int] = field(default_factory=list)
    gaps: int = 0
    found_after: float | None = None
    client_knew_after: float | None = None
    back_after: float | None = None

    @property
    def lost(self) -> int:
        return self.sent - len(set(self.heard))

    @property
    def doubled(self) -> int:
        return len(self.heard) - len(set(self.heard))

    def __str__(self) -> str:
        times = [
            f"{what} {each:.1f} s"
            for what, each in (
                ("the hub found it in", self.found_after),
                ("the client in", self.client_knew_after),
                ("all was well again after", self.back_after),
            )
            if each is not None
        ]
        return f"{self.what}: {', '.join(times)}; {self.sent} sent, {self.lost} lost, {self.doubled} doubled"

    def take(self, listening: Listener, sender: Sender) -> Absence:
        self.sent, self.heard, self.gaps = sender.sent, listening.numbers, len(listening.gaps)
        return self


async def stopped_client(
    home: Path,
    *,
    seconds: float | None = None,
    within: float = 60,
    command: Sequence[str] = HUBBUB,
    **settings: str,
) -> Absence:
    """SIGSTOP a client until the hub has found it out, or for so many seconds; SIGCONT; it has everything once.

    Raises TimeoutError if the hub has not found it out `within` seconds.
    """
    told = Absence("a client stopped" + (f" for {seconds:g} s" if seconds else ""))
    hub = HubProcess(home, command, **settings)
    try:
        async with listener(hub) as listening:
            sender = Sender(hub)
            await sender.send()
            await listening.until("1")
            os.kill(listening.process.pid, signal.SIGSTOP)
            begin = time.monotonic()
            await sender.send(2)
            if seconds is None:
                await gone(hub, within)
                told.found_after = time.monotonic() - begin
            else:
                await asyncio.sleep(seconds)
                assert sessions(hub) == 1, "a short stop ended the session"
            await sender.send(2)
            begin = time.monotonic()
            os.kill(listening.process.pid, signal.SIGCONT)
            await listening.until(str(sender.sent), 60)
            told.back_after = time.monotonic() - begin
            assert sessions(hub) == 1
            return told.take(listening, sender)
    finally:
        hub.kill()


async def stopped_hub(home: Path, seconds: float, **settings: str) -> Absence:
    """SIGSTOP the hub, SIGCONT it later: nobody who was there is taken for gone for longer than a reconnect takes."""
    told = Absence(f"a hub stopped for {seconds:g} s")
    hub = HubProcess(home, **settings)
    try:
        async with listener(hub) as listening:
            sender = Sender(hub)
            await sender.send()
            await listening.until("1")
            before = len(listening.states)
            os.kill(hub.pid, signal.SIGSTOP)
            begin = time.monotonic()
            sending = asyncio.create_task(sender.send())  # it waits for its answer
            await asyncio.sleep(seconds)
            os.kill(hub.pid, signal.SIGCONT)
            if len(listening.states) > before:
                told.client_knew_after = listening.states[before][0] - begin
            begin = time.monotonic()
            await sending
            await sender.send()
            await listening.until(str(sender.sent), 60)
            await listening.until("online", 60)
            told.back_after = time.monotonic() - begin
            async with asyncio.timeout(BOUND):
                while sessions(hub) != 1:
                    await asyncio.sleep(0.05)
            return told.take(listening, sender)
    finally:
        hub.kill()


# A link that drops


def can_make_namespaces() -> str | None:
    """Why not; None if it can."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if shutil.which("ip") is None:
        return "needs ip (Debian: iproute2)"
    name = f"hubbub-try-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "making a network namespace is not allowed here"
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return None


class Link:
    """A cable between two network namespaces: `hub` and `client` are what to put before a command to run it there."""

    def __init__(self, name: str) -> None:
        self._hub, self._client = f"{name}-h", f"{name}-c"
        self.hub = ("ip", "netns", "exec", self._hub)
        self.client = ("ip", "netns", "exec", self._client)

    def lay(self) -> None:
        for space in (self._hub, self._client):
            _ip("netns", "add", space)
            _ip("-n", space, "link", "set", "lo", "up")
        _ip("-n", self._hub, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", self._client)
        for space, address in ((self._hub, HUB_ADDRESS), (self._client, CLIENT_ADDRESS)):
            _ip("-n", space, "address", "add", f"{address}/30", "dev", "wire")
            _ip("-n", space, "link", "set", "wire", "up")

    def drop(self) -> None:
        """Nothing more gets through, and neither end is told: only the cable's middle is cut."""
        for space, address in ((self._hub, CLIENT_ADDRESS), (self._client, HUB_ADDRESS)):
            _ip("-n", space, "route", "add", "blackhole", f"{address}/32")

    def mend(self) -> None:
        for space, address in ((self._hub, CLIENT_ADDRESS), (self._client, HUB_ADDRESS)):
            _ip("-n", space, "route", "delete", "blackhole", f"{address}/32")

    def remove(self) -> None:
        for space in (self._hub, self._client):
            subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def link() -> Iterator[Link]:
    made = Link(f"hubbub-{os.getpid()}")
    try:
        made.lay()
        yield made
    finally:
        made.remove()


async def dropped_link(home: Path, within: float, keepalive: float | None = None, **settings: str) -> Absence:
    """The link between a client and the hub drops, without a word to either; later it is mended.

    `keepalive` is the client's, in seconds; None is as it comes. It is the hub's that has to find it out `within`.
    """
    told = Absence("a link dropped")
    with link() as wire:
        hub = HubProcess(home, [*wire.hub, *HUBBUB], HUBBUB_HOST=HUB_ADDRESS, HUBBUB_INSECURE="1", **settings)
        try:
            async with listener(hub, wire.client, keepalive) as listening:
                sender = Sender(hub, wire.hub)
                await sender.send()
                await listening.until("1")
                wire.drop()
                begin = time.monotonic()
                await sender.send(2)
                await gone(hub, within)
                told.found_after = time.monotonic() - begin
                await listening.until("offline", 60)
                told.client_knew_after = next(at for at, state in listening.states if state == "offline") - begin
                await sender.send(2)
                wire.mend()
                begin = time.monotonic()
                await listening.until(str(sender.sent), 60)
                told.back_after = time.monotonic() - begin
                return told.take(listening, sender)
        finally:
            hub.kill()
