"""What was confirmed is there: `kill -9` of the hub at random moments of a storm of publishes."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.journeys.processes import BOUND, HubProcess, hub_process

PUBLISHERS = 4
IN_FLIGHT = 20


class Storm:
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
        async with httpx2.AsyncClient(base_url=hub.http, headers=headers, timeout=BOUND, trust_env=False) as client:
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


async def storm(home: Path, rounds: int, seed: int) -> Storm:
    weather = Storm(seed)
    for _ in range(rounds):
        with hub_process(home) as hub:
            blowing = asyncio.create_task(weather.blow(hub))
            goal = len(weather.confirmed) + weather.random.randrange(1, 400)
            async with asyncio.timeout(BOUND):
                while len(weather.confirmed) < goal and not blowing.done():
                    await asyncio.sleep(0.001)
            assert not blowing.done(), blowing.exception()
            hub.kill()
            await blowing
        with hub_process(home) as hub:
            await weather.check(hub)
            assert hub.stop() == 0
    return weather


@pytest.mark.timeout(120)
async def test_a_killed_hub_has_all_it_confirmed_once_and_in_order(tmp_path: Path) -> None:
    weather = await storm(tmp_path / "home", rounds=4, seed=1)
    assert len(weather.confirmed) > 4


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_fifty_killed_hubs_have_all_they_confirmed(tmp_path: Path) -> None:
    weather = await storm(tmp_path / "home", rounds=50, seed=random.randrange(2**32))
    print(f"\n50 kills: {len(weather.confirmed)} confirmed, 0 lost, 0 doubled, 0 out of order")
