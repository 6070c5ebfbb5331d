"""SIGTERM in mid storm: what every kind of client is told, what is on the disk then, and how long it takes."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.invariants import of_what_was_said
from tests.journeys.processes import BOUND, HUBBUB, HubProcess, hub_process
from tests.soak.consistent import faults, stored
from tests.soak.dial import dial

PUBLISHERS = 4
POSTERS = 2
POLLS = 2
STREAMS = 2
IN_FLIGHT = 20
SLOWEST = 15.0  # seconds that a shutdown may take, whatever clients do


class Crowd:
    """Clients of every kind around one hub, and what each of them was told before it went away."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.confirmed: dict[str, int] = {}
        self.refused: set[str] = set()
        self.open: set[str] = set()
        self.slowest = 0.0
        self._numbers = itertools.count()

    async def gather(self, hub: HubProcess) -> None:
        """Be there until the hub is gone."""
        async with asyncio.TaskGroup() as group:
            for number in range(PUBLISHERS):
                group.create_task(self._publisher(hub, f"p{number}"))
            for number in range(POSTERS):
                group.create_task(self._poster(hub, f"h{number}"))
            for number in range(POLLS):
                group.create_task(self._poll(hub, f"l{number}"))
            for number in range(STREAMS):
                group.create_task(self._stream(hub, number))
            group.create_task(self._reader(hub))

    async def _publisher(self, hub: HubProcess, name: str) -> None:
        async with _session(hub, name) as connection:
            flying = 0
            try:
                while True:
                    with suppress(ConnectionClosed):  # what was said before that is still to be read
                        while flying < IN_FLIGHT:
                            said = self._say(name)
                            await connection.send(json.dumps({"type": "publish", "ref": said["id"], **said}))
                            flying += 1
                    frame = json.loads(await connection.recv())
                    if frame["type"] == "published":
                        self._confirm(frame["id"], frame["offset"])
                        flying -= 1
                    elif frame["type"] == "error" and "ref" in frame:
                        self._refuse(frame["ref"], frame)
                        flying -= 1
                    elif frame["type"] == "error":
                        assert frame["code"] == "shutting_down", frame
                        assert frame["hint"]
                        self.counts["goodbyes"] += 1
            except ConnectionClosed:
                self.counts[f"closed {connection.close_code}"] += 1

    async def _poster(self, hub: HubProcess, name: str) -> None:
        async with _http(hub) as client:
            with suppress(httpx2.TransportError):
                while True:
                    said = self._say(name)
                    answer = await client.post("/api/v1/messages", json=said)
                    if answer.status_code == 201:
                        self._confirm(answer.json()["id"], answer.json()["offset"])
                        continue
                    assert answer.status_code == 503, answer.text
                    assert int(answer.headers["retry-after"]) > 0
                    self._refuse(said["id"], answer.json())
                    self.counts["503 with Retry-After"] += 1

    async def _poll(self, hub: HubProcess, name: str) -> None:
        async with _http(hub) as client:
            with suppress(httpx2.TransportError):
                answer = await client.get("/api/v1/messages", params={"as": name, "unread": 1, "wait": 60})
                assert answer.status_code == 503, answer.text
                assert answer.json()["code"] == "shutting_down"
                self.counts["long polls told"] += 1

    async def _stream(self, hub: HubProcess, number: int) -> None:
        async with _http(hub) as client:
            query = {"as": f"s{number}"} if number % 2 else {}
            text = ""
            async with client.stream("GET", "/api/v1/events", params=query) as stream:
                with suppress(httpx2.TransportError):
                    async for piece in stream.aiter_text():
                        text = (text + piece)[-1000:]
            assert '"code":"shutting_down"' in text, text[-300:]
            assert "\nretry: " in f"\n{text}"
            self.counts["event streams told"] += 1

    async def _reader(self, hub: HubProcess) -> None:
        async with _session(hub, "sink") as connection:
            with suppress(ConnectionClosed, OSError):
                async for text in connection:
                    frame = json.loads(text)
                    if frame["type"] == "message" and frame["offset"] % 20 == 0:
                        await connection.send(json.dumps({"type": "read", "offset": frame["offset"]}))

    def _say(self, name: str) -> dict[str, Any]:
        identity = f"{name}-{next(self._numbers)}"
        self.open.add(identity)
        return {"as": name, "to": "sink", "body": "x" * self.chance.randrange(600), "id": identity}

    def _confirm(self, identity: str, offset: int) -> None:
        self.confirmed[identity] = offset
        self.open.discard(identity)
        self.counts["confirmed"] += 1

    def _refuse(self, identity: str, why: dict[str, Any]) -> None:
        assert why["code"] == "shutting_down", why
        self.refused.add(identity)
        self.open.discard(identity)
        self.counts["refused"] += 1

    def check(self, home: Path) -> list[str]:
        """What is wrong with what a hub has left behind; the hub is gone."""
        database = home / "hubbub.db"
        found = [f"{side} is left behind" for side in ("-wal", "-shm") if Path(f"{database}{side}").exists()]
        if (home / "hub.json").exists():
            found.append("hub.json is left behind")
        there = stored(database)
        for each in self.confirmed.keys() | self.refused:
            confirmed = [self.confirmed[each]] if each in self.confirmed else []
            at = [there[each]] if each in there else []
            breaches = of_what_was_said(confirmed, at, never, refused=each in self.refused)
            found += [f"{each} {invariant.name}: {what}" for invariant, what in breaches]
        found += [f"{each} was stored, and its answer is owed" for each in self.open if each in there]
        self.counts["unanswered, not stored"] = len(self.open)
        return found + faults(database)


def never(_: int) -> bool:
    """What is gone of a log that nothing is removed from."""
    return False


@asynccontextmanager
async def _session(hub: HubProcess, name: str) -> AsyncIterator[ClientConnection]:
    async with dial(hub.url, max_size=None, open_timeout=BOUND) as connection:
        await connection.send(json.dumps({"type": "hello", "name": name, "token": hub.token, "take_over": True}))
        assert json.loads(await connection.recv())["type"] == "welcome"
        yield connection


def _http(hub: HubProcess) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {hub.token}"}
    return httpx2.AsyncClient(base_url=hub.http, headers=headers, timeout=90, trust_env=False, verify=False)


@asynccontextmanager
async def stuck(hub: HubProcess) -> AsyncIterator[None]:
    """An event stream and a WebSocket that ask for more than any buffer holds, and take nothing of it."""
    async with _http(hub) as client:
        for _ in range(12):
            said = {"as": "loud", "to": "#noise", "body": "x" * 2**20}
            assert (await client.post("/api/v1/messages", json=said)).status_code == 201
    upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    upgrade.append("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
    stream, session = _line(hub, "/api/v1/events?after=0"), _line(hub, "/ws", *upgrade)
    try:
        hello = json.dumps({"type": "hello", "observe": True, "resume": 0, "credit": 1000}).encode()
        session.sendall(bytes([0x81, 0x80 | len(hello)]) + bytes(4) + hello)  # RFC 6455, 5.2: masked with zeros
        yield
    finally:
        stream.close()
        session.close()


def _line(hub: HubProcess, path: str, *more: str) -> socket.socket:
    """A connection that has asked, and has next to no room for an answer."""
    where = urlsplit(hub.http)
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect((where.hostname, where.port))
    head = [f"GET {path} HTTP/1.1", f"Host: {where.netloc}", f"Authorization: Bearer {hub.token}", *more, "", ""]
    line.sendall("\r\n".join(head).encode())
    return line


async def shutdowns(
    home: Path, rounds: int, seed: int, *, with_stuck: int = 0, command: Sequence[str] = HUBBUB
) -> Crowd:
    """Stop a hub `rounds` times amid the crowd; the first `with_stuck` times with clients that are stuck."""
    crowd = Crowd(seed)
    for round_ in range(rounds):
        with hub_process(home, command) as hub:
            async with stuck(hub) if round_ < with_stuck else nullcontext():
                await _stop_amid(crowd, hub)
            wrong = crowd.check(home)
            assert not wrong, wrong[:5]
    return crowd


async def _stop_amid(crowd: Crowd, hub: HubProcess) -> None:
    gathering = asyncio.create_task(crowd.gather(hub))
    goal = crowd.counts["confirmed"] + crowd.chance.randrange(50, 600)
    async with asyncio.timeout(BOUND):
        while crowd.counts["confirmed"] < goal and not gathering.done():
            await asyncio.sleep(0.001)
    began = time.monotonic()
    hub.process.terminate()
    code = await asyncio.to_thread(hub.process.wait, SLOWEST + 10)
    took = time.monotonic() - began
    crowd.slowest = max(crowd.slowest, took)
    async with asyncio.timeout(BOUND):
        await gathering
    assert code == 0, f"exit code {code}"
    assert took < SLOWEST, f"it took {took:.1f} s"
