"""Publishers that go on until their hub dies, and what each was told; then the whole log, held against that."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from typing import Any

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.journeys.processes import BOUND, HubProcess

PUBLISHERS = 4
IN_FLIGHT = 20


class Publishers:
    """Publishers that never stop, and what each of them was told."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.confirmed: dict[str, int] = {}  # id -> offset
        self.open: dict[str, dict[str, Any]] = {}  # sent, and neither confirmed nor refused
        self._numbers = itertools.count()

    async def blow(self, hub: HubProcess) -> None:
        """Publish over WebSocket and HTTP until the hub dies."""
        await asyncio.gather(
            *(self._publisher(hub, f"p{number}") for number in range(PUBLISHERS)), self._poster(hub), self._reader(hub)
        )

    async def _publisher(self, hub: HubProcess, name: str) -> None:
        try:
            async with connect(hub.url, compression=None, proxy=None) as connection:
                hello = {"type": "hello", "name": name, "token": hub.token, "take_over": True}
                await connection.send(json.dumps(hello))
                assert json.loads(await connection.recv())["type"] == "welcome"
                again = [each for each in self.open.values() if each["as"] == name]
                for said in again:
                    await connection.send(json.dumps({"type": "publish", **said}))
                flying = len(again)
                while True:
                    while flying < IN_FLIGHT:
                        said = self._say(name)
                        await connection.send(json.dumps({"type": "publish", **said}))
                        flying += 1
                    answer = json.loads(await connection.recv())
                    if answer["type"] == "published":
                        self._confirm(answer)
                        flying -= 1
                    else:
                        assert answer["type"] in ("message", "error"), answer
                        assert answer["type"] != "error" or answer["code"] == "shutting_down", answer
        except (ConnectionClosed, OSError, EOFError):
            return

    async def _poster(self, hub: HubProcess) -> None:
        headers = {"Authorization": f"Bearer {hub.token}"}
        async with httpx2.AsyncClient(
            base_url=hub.http, headers=headers, timeout=BOUND, trust_env=False, verify=False
        ) as client:
            try:
                while True:
                    waiting = next((each for each in self.open.values() if each["as"] == "poster"), None)
                    answer = await client.post("/api/v1/messages", json=waiting or self._say("poster"))
                    assert answer.status_code in (200, 201), answer.text
                    self._confirm(answer.json())
            except httpx2.TransportError:
                return

    async def _reader(self, hub: HubProcess) -> None:
        """Keeps the inbox from filling up: reads what it is sent."""
        try:
            async with connect(hub.url, compression=None, proxy=None) as connection:
                hello = {"type": "hello", "name": "sink", "token": hub.token, "take_over": True}
                await connection.send(json.dumps(hello))
                async for text in connection:
                    frame = json.loads(text)
                    if frame["type"] == "message" and frame["offset"] % 10 == 0:
                        await connection.send(json.dumps({"type": "read", "offset": frame["offset"]}))
        except (ConnectionClosed, OSError, EOFError):
            return

    def _say(self, name: str) -> dict[str, Any]:
        identity = f"{name}-{next(self._numbers)}"
        to = self.random.choice(["sink", "#storm", "all"])
        said = {"as": name, "to": to, "body": identity + "." * self.random.randrange(2000), "id": identity}
        self.open[identity] = said
        return said

    def _confirm(self, answer: dict[str, Any]) -> None:
        before = self.confirmed.setdefault(answer["id"], answer["offset"])
        assert before == answer["offset"], "the same id at two offsets"
        self.open.pop(answer["id"], None)

    async def check(self, hub: HubProcess) -> None:
        """Everything confirmed is there, once, where it was said to be, in order; nothing is there twice."""
        stored = await everything(hub)
        offsets = [message["offset"] for message in stored]
        assert offsets == sorted(set(offsets)), "out of order, or twice"
        where: dict[str, int] = {}
        for message in stored:
            if not message["topic"].startswith("$"):
                assert message["id"] not in where, f"{message['id']} is stored twice"
                where[message["id"]] = message["offset"]
        lost = [identity for identity, offset in self.confirmed.items() if where.get(identity) != offset]
        assert not lost, f"{len(lost)} confirmed messages are lost: {lost[:5]}"


async def everything(hub: HubProcess) -> list[dict[str, Any]]:
    """The whole log, by an observer that resumes from its beginning."""
    found: list[dict[str, Any]] = []
    async with connect(hub.url, compression=None, proxy=None, max_size=None) as connection, asyncio.timeout(BOUND):
        hello = {"type": "hello", "observe": True, "resume": 0, "credit": 65_536, "token": hub.token}
        await connection.send(json.dumps(hello))
        head = json.loads(await connection.recv())["head"]
        while not found or found[-1]["offset"] < head:
            frame = json.loads(await connection.recv())
            assert frame["type"] == "message", frame
            found.append(frame)
            if len(found) % 1000 == 0:
                await connection.send(json.dumps({"type": "received", "offset": frame["offset"]}))
    return found
