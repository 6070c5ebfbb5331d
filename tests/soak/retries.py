"""Every publish is sent three times under its id, across hubs that are killed and stopped; each is stored once."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sqlite3
from collections import deque
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.journeys.processes import BOUND, HUBBUB, HubProcess
from tests.soak.storm import free_port

TIMES = 3
IN_FLIGHT = 100
BY_HTTP = 0.02  # of all attempts


class Counts(NamedTuple):
    messages: int
    attempts: int
    answers: int
    kills: int
    stops: int
    stored: int  # in the end, whatever their ids
    moved: int  # ids that were told two offsets


class Clerk:
    """Sends `messages` three times each, in any order, while `restarts` hubs end: half of them by kill -9."""

    def __init__(self, home: Path, seed: int, messages: int, restarts: int, command: Sequence[str] = HUBBUB) -> None:
        self._home = home
        self._command = command
        self._chance = random.Random(seed)
        self._messages = messages
        self._restarts = restarts
        self._port = str(free_port())
        self._hub: HubProcess | None = None
        attempts = [number for number in range(messages) for _ in range(TIMES)]
        # Near one another, as retries are, and across whatever happens between them.
        attempts.sort(key=lambda number: number + self._chance.uniform(0, messages / 3))
        self._to_do = deque(attempts)
        self._attempts = 0
        self._answers = 0
        self._over = 0  # attempts that were answered, or that nobody will answer any more
        self._offsets: dict[int, int] = {}
        self._moved: set[int] = set()
        self._progress = asyncio.Event()

    async def work(self) -> Counts:
        """Do it all, and count what is stored."""
        moments = sorted(self._chance.randrange(self._messages * TIMES * 9 // 10) for _ in range(self._restarts))
        ends = itertools.cycle(["kill", "stop"])
        counts = {"kill": 0, "stop": 0}
        senders = [
            asyncio.create_task(self._always(each)) for each in (self._by_socket, self._by_socket, self._by_http)
        ]
        try:
            for moment in [*moments, None]:
                hub = await asyncio.to_thread(HubProcess, self._home, self._command, HUBBUB_PORT=self._port)
                self._hub = hub
                await self._until(senders, moment)
                end = next(ends) if moment is not None else "stop"
                if end == "kill":
                    await asyncio.to_thread(hub.kill)
                else:
                    assert await asyncio.to_thread(hub.stop) == 0
                self._hub = None
                counts[end] += moment is not None
        finally:
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)
            if self._hub is not None and self._hub.process.poll() is None:
                self._hub.kill()
        return Counts(
            self._messages,
            self._attempts,
            self._answers,
            counts["kill"],
            counts["stop"],
            self._stored(),
            len(self._moved),
        )

    async def _until(self, senders: list[asyncio.Task[None]], moment: int | None) -> None:
        async with asyncio.timeout(10 * BOUND):
            while self._over < moment if moment is not None else len(self._offsets) < self._messages or self._to_do:
                for sender in senders:
                    if sender.done():
                        sender.result()
                self._progress.clear()
                await self._progress.wait()

    def _stored(self) -> int:
        with closing(sqlite3.connect(self._home / "hubbub.db")) as db:
            ((count,),) = db.execute("SELECT count(*) FROM conversation")
            return int(count)

    async def _always(self, send: object) -> None:
        while True:
            if self._hub is not None:
                with suppress(ConnectionClosed, InvalidHandshake, OSError, EOFError, httpx2.TransportError):
                    await send(self._hub)  # type: ignore[operator]
            await asyncio.sleep(0.02)

    def _next(self) -> int | None:
        if not self._to_do:
            return None
        self._attempts += 1
        return self._to_do.popleft()

    def _unanswered(self, number: int) -> None:
        """An attempt that nobody answered counts; but somebody has to be told in the end."""
        self._over += 1
        self._progress.set()
        if number not in self._offsets and number not in self._to_do:
            self._to_do.append(number)

    def _answered(self, number: int, offset: int) -> None:
        self._answers += 1
        self._over += 1
        if self._offsets.setdefault(number, offset) != offset:
            self._moved.add(number)
        self._progress.set()

    async def _by_socket(self, hub: HubProcess) -> None:
        flying: deque[int] = deque()
        try:
            async with connect(hub.url, compression=None, proxy=None, max_size=None) as connection:
                hello = {"type": "hello", "name": "clerk", "token": hub.token, "share": True, "credit": 0}
                await connection.send(json.dumps(hello))
                answer = json.loads(await connection.recv())
                if answer["type"] != "welcome":
                    assert answer["code"] == "shutting_down", answer
                    return
                while True:
                    while len(flying) < IN_FLIGHT and (number := self._next()) is not None:
                        flying.append(number)
                        said = {
                            "type": "publish",
                            "ref": number,
                            "to": "#ledger",
                            "body": f"entry {number}",
                            "id": f"e{number}",
                        }
                        await connection.send(json.dumps(said))
                    if not flying:
                        await asyncio.sleep(0.01)
                        continue
                    answer = json.loads(await connection.recv())
                    if "ref" not in answer:  # not about a publish: the hub says why it closes
                        assert answer["code"] == "shutting_down", answer
                        return
                    flying.remove(answer["ref"])
                    if answer["type"] == "published":
                        self._answered(answer["ref"], answer["offset"])
                    else:
                        assert answer["code"] == "shutting_down", answer
                        self._unanswered(answer["ref"])
        finally:
            for number in flying:
                self._unanswered(number)

    async def _by_http(self, hub: HubProcess) -> None:
        headers = {"Authorization": f"Bearer {hub.token}"}
        async with httpx2.AsyncClient(
            base_url=hub.http, headers=headers, timeout=BOUND, trust_env=False, verify=False
        ) as http:
            while (number := self._next()) is not None:
                answer = None
                try:
                    said = {"as": "clerk", "to": "#ledger", "body": f"entry {number}", "id": f"e{number}"}
                    answer = await http.post("/api/v1/messages", json=said)
                finally:
                    if answer is None or answer.status_code == 503:
                        self._unanswered(number)
                if answer.status_code in (200, 201):
                    self._answered(number, answer.json()["offset"])
                await asyncio.sleep(1 / BY_HTTP / 5000)
