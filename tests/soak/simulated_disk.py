"""A disk that outlives the hub: the plainest Log, made slow, failing at times, and cut off when its hub is killed.

What a crash can leave is what SQLite leaves: a transaction is there wholly or not at all, and one that was under way
may be there although nobody was told. (That this is so is what the power cuts on the real file are for.)
"""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Sequence
from typing import Any

from hub.errors import StorageFailed
from hub.fold import State
from hub.log import Retention, Search, Span, Trimmed
from hub.message import Draft, Message
from tests.hub.memory_log import MemoryLog
from tests.soak.simulated_time import Machine


class Disk:
    """What is stored, and what happens to whoever stores. Times in seconds."""

    def __init__(self, chance: random.Random, clock: Any) -> None:
        self.chance = chance
        self.log = MemoryLog(clock)
        self.ever: dict[int, Message] = {}  # all that was ever on it, whatever retention has removed
        self.trimmed: set[int] = set()
        self.failing = 0.02  # the chance that a write fails
        self.hanging = 0.01  # that it takes seconds
        self.failures = 0

    def calm(self) -> None:
        """From now on it is a good disk."""
        self.failing = self.hanging = 0.0

    async def spin(self, most: float) -> None:
        slow = self.chance.random() < self.hanging
        await asyncio.sleep(self.chance.uniform(0, 7.0) if slow else self.chance.uniform(0, most))

    def fails(self) -> bool:
        failed = self.chance.random() < self.failing
        self.failures += failed
        return failed


class Mounted:
    """The disk as one hub process has it: see `Log`."""

    def __init__(self, disk: Disk, machine: Machine) -> None:
        self._disk = disk
        self._machine = machine

    async def append(self, drafts: Sequence[Draft]) -> list[Message]:
        await self._reach(0.02)
        if self._disk.fails():
            raise StorageFailed("The disk said no.")
        messages = await self._disk.log.append(drafts)
        self._disk.ever |= {message.offset: message for message in messages}
        await self._disk.spin(0.02)  # a hub that dies here has stored what it never confirms
        return messages

    async def load(self) -> State:
        await self._reach(0.02)
        return copy.deepcopy(await self._disk.log.load())  # the registry changes what it is given

    async def tail(self, count: int, size: int) -> list[Message]:
        return await self._disk.log.tail(count, size)

    async def read(self, spans: Sequence[Span], limit: int, size: int) -> list[Message]:
        found = await self._disk.log.read(spans, limit, size)
        await self._reach(0.02)
        return found

    async def since(self, after: int, limit: int, size: int) -> list[Message]:
        found = await self._disk.log.since(after, limit, size)
        await self._reach(0.02)
        return found

    async def count(self, spans: Sequence[Span], besides: int, now: float) -> int:
        return await self._disk.log.count(spans, besides, now)

    async def search(self, wanted: Search) -> list[Message]:
        return await self._disk.log.search(wanted)

    async def find(self, message_id: str) -> list[Message]:
        return await self._disk.log.find(message_id)

    async def trim(self, retention: Retention, now: float) -> Trimmed:
        await self._reach(0.02)
        if self._disk.fails():
            raise StorageFailed("The disk said no.")
        before = {message.offset for message in self._disk.log.messages}
        trimmed = await self._disk.log.trim(retention, now)
        self._disk.trimmed |= before - {message.offset for message in self._disk.log.messages}
        await self._disk.spin(0.02)
        return trimmed

    async def probe(self) -> None:
        await self._reach(0.02)
        if self._disk.fails():
            raise StorageFailed("The disk said no.")

    async def close(self) -> None:
        """Nothing is held open."""

    async def _reach(self, most: float) -> None:
        await self._disk.spin(most)
        if not self._machine.alive:
            raise StorageFailed("The process is dead.")
