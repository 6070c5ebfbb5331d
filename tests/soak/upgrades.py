"""A new version in the old one's place: a hub is stopped and started on its port while a hundred clients stay."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from hub import frames
from hub.client import Client
from hub.errors import HubbubError
from tests.journeys.processes import BOUND, hub_process

CLIENTS = 100
SPEAKERS = 3
PACE = 0.005  # seconds between two messages of one speaker
LATE = 15.0  # seconds within which all must be back


class Member:
    """One client, and everything that reached it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[str] = []
        self.offsets: list[int] = []
        self.gaps = 0
        self.resumed = 0
        self.back_at: list[float] = []
        self.client: Client

    def state(self, state: str, error: HubbubError | None) -> None:
        if state == "online":
            self.back_at.append(time.monotonic())

    async def listen(self) -> None:
        async for event in self.client.events():
            match event:
                case frames.Message():
                    self.seen.append(event.body)
                    self.offsets.append(event.offset)
                    if len(self.seen) % 10 == 0:
                        await self.client.read(event.offset, wait=False)
                case frames.Gap():
                    self.gaps += 1
                case frames.Welcome():
                    self.resumed += event.resumed


class Talk:
    """What the speakers have said, and what the hub confirmed of it."""

    def __init__(self) -> None:
        self.confirmed: dict[str, int] = {}
        self.going = True

    async def speak(self, member: Member) -> None:
        number = 0
        while self.going:
            body = f"{member.name} {number}"
            published = await member.client.publish("all", body, limit=BOUND)
            self.confirmed[body] = published.offset
            number += 1
            await asyncio.sleep(PACE)


class Verdict:
    """What came of it. `spread` is how far apart the first and the last came back, at the quickest of all times."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.spread = float("inf")
        self.slowest = 0.0


async def upgrades(home: Path, rounds: int) -> Verdict:
    """Stop and start a hub `rounds` times under CLIENTS clients of which SPEAKERS never cease to publish."""
    verdict, talk = Verdict(), Talk()
    members = [Member(f"m{number}") for number in range(CLIENTS)]
    async with AsyncExitStack() as stack:
        hub = stack.enter_context(hub_process(home))
        port = hub.url.rsplit(":", 1)[1].removesuffix("/ws")
        for member in members:
            member.client = Client(hub.url, hub.token, member.name, on_state=member.state)
            await stack.enter_async_context(member.client)
        listening = [asyncio.create_task(member.listen()) for member in members]
        speaking = [asyncio.create_task(talk.speak(member)) for member in members[:SPEAKERS]]
        for round_ in range(rounds):
            before = len(talk.confirmed)
            await _until(lambda before=before: len(talk.confirmed) >= before + 60)  # type: ignore[misc]
            assert await asyncio.to_thread(hub.stop) == 0
            began = time.monotonic()
            hub = stack.enter_context(hub_process(home, HUBBUB_PORT=port))
            assert hub.url.rsplit(":", 1)[1] == f"{port}/ws", "the port was not free again"
            await _until(lambda round_=round_: all(len(each.back_at) == round_ + 2 for each in members))  # type: ignore[misc]
            back = [member.back_at[-1] for member in members]
            verdict.spread = min(verdict.spread, max(back) - min(back))
            verdict.slowest = max(verdict.slowest, max(back) - began)
        talk.going = False
        async with asyncio.timeout(BOUND):
            await asyncio.gather(*speaking)
        last = max(talk.confirmed.values())
        speakers = {member.name for member in members[:SPEAKERS]}
        await _until(lambda: all(_has(member, talk, last, speakers) for member in members))
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        assert await asyncio.to_thread(hub.stop) == 0
    _judge(members, talk, verdict)
    return verdict


def _due(member: Member, talk: Talk) -> dict[str, int]:
    """What has to reach a member: all but its own words."""
    return {body: offset for body, offset in talk.confirmed.items() if body.split()[0] != member.name}


def _has(member: Member, talk: Talk, last: int, speakers: set[str]) -> bool:
    if member.name in speakers:
        last = max(_due(member, talk).values())
    return bool(member.offsets) and member.offsets[-1] >= last


def _judge(members: list[Member], talk: Talk, verdict: Verdict) -> None:
    counts = verdict.counts
    counts["confirmed"] = len(talk.confirmed)
    for member in members:
        due = _due(member, talk)
        seen = Counter(member.seen)
        counts["delivered"] += len(member.seen)
        counts["lost"] += sum(1 for body in due if not seen[body])
        counts["doubled"] += sum(1 for times in seen.values() if times > 1)
        counts["out of order"] += sum(
            1 for one, other in zip(member.offsets, member.offsets[1:], strict=False) if one >= other
        )
        counts["misplaced"] += sum(
            1 for body, offset in zip(member.seen, member.offsets, strict=True) if talk.confirmed.get(body) != offset
        )
        counts["gaps"] += member.gaps
        counts["resumed"] += member.resumed


async def _until(so: Callable[[], Any]) -> None:
    async with asyncio.timeout(BOUND):
        while not so():
            await asyncio.sleep(0.01)
