"""Readers that are behind while retention trims: one connected and slow, one away whose place goes, and one that talks.

Everything is as a client sees it: what each reader was sent, and which gaps were announced to it.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hub.history import History
from hub.log import Retention, Trimmed
from hub.upkeep import TRIM_ROWS
from tests.hub.live import BOUND, Live, Socket, live

BODY = "x" * 2000
KEPT = 2**20  # bytes
TOPIC = "news"


@dataclass
class Reader:
    """What one session was sent: offsets and numbers of messages, and gaps."""

    numbers: dict[int, int] = field(default_factory=dict)  # offset -> number
    gaps: list[tuple[int, int]] = field(default_factory=list)

    async def read(self, socket: Socket, upto: int) -> None:
        """Take what comes until offset `upto`, confirming it."""
        at = 0
        while at < upto:
            told = await socket.next()
            if told["type"] == "gap":
                self.gaps.append((told["from"], told["to"]))
                at = told["to"]
            elif told["type"] == "message":
                at = told["offset"]
                assert at not in self.numbers, "twice"
                self.numbers[at] = int(told["body"].split()[0])
                await socket.send({"type": "received", "offset": at})


@dataclass
class Outcome:
    """`published` is offset -> number; `kept` the offsets that the log still has in the end. Times are milliseconds."""

    published: dict[int, int] = field(default_factory=dict)
    kept: set[int] = field(default_factory=set)
    slow: Reader = field(default_factory=Reader)
    away: Reader = field(default_factory=Reader)
    slices: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    in_a_row: int = 0  # the most slices one after the other while something waited to be stored

    def __str__(self) -> str:
        trimmed = len(self.published) - len(self.kept)
        return (
            f"{len(self.published):,} published, {trimmed:,} trimmed in {len(self.slices)} slices "
            f"(median {statistics.median(self.slices):.1f} ms, longest {max(self.slices):.1f} ms); a publish took "
            f"{statistics.median(self.waits):.1f} ms, {max(self.waits):.1f} ms at most; never more than "
            f"{self.in_a_row} slice before what waited; the reader that was away had {len(self.away.gaps)} gap, then "
            f"{len(self.away.numbers):,} messages; the slow one {len(self.slow.gaps)} gaps, "
            f"{len(self.slow.numbers):,} messages"
        )

    def judge(self) -> None:
        """Raise AssertionError for whatever must not be."""
        assert max(self.away.numbers) == max(self.published)
        for reader in (self.slow, self.away):
            had = sorted(reader.numbers)
            assert [reader.numbers[offset] for offset in had] == [self.published[offset] for offset in had], (
                "not as published"
            )
            for offset in filter(lambda each: each <= had[-1], self.published):
                announced = any(first <= offset <= last for first, last in reader.gaps)
                assert (offset in reader.numbers) or announced, f"{offset} is missing without a word"
                assert not (announced and offset in self.kept), f"{offset} is kept, and was said to be gone"
        assert len(self.away.gaps) == 1, f"{len(self.away.gaps)} gaps: {self.away.gaps}"
        assert set(self.away.numbers) == self.kept, "not what is kept"
        assert self.in_a_row <= 1, "what waited was delayed by more than one slice"


class Watch:
    """Looks at each slice of trimming: how long it took, and whether another came first while something waited."""

    def __init__(self, hub: Live, outcome: Outcome) -> None:
        self._journal = hub.app.node.journal
        self._outcome = outcome
        self._in_a_row = 0

    def trimming(
        self, trim: Callable[[History, Retention, float], Awaitable[Trimmed]]
    ) -> Callable[..., Awaitable[Trimmed]]:
        async def watched(history: History, retention: Retention, now: float) -> Trimmed:
            self._in_a_row = self._in_a_row + 1 if self._journal.waiting else 1
            begin = time.perf_counter()
            told = await trim(history, retention, now)
            if told.topics:
                self._outcome.slices.append((time.perf_counter() - begin) * 1000)
                if self._journal.waiting:
                    self._outcome.in_a_row = max(self._outcome.in_a_row, self._in_a_row)
            return told

        return watched

    def appending(self, append: Callable[..., Awaitable[list[object]]]) -> Callable[..., Awaitable[list[object]]]:
        async def watched(history: History, drafts: list[object]) -> list[object]:
            self._in_a_row = 0
            return await append(history, drafts)

        return watched


async def publish(hub: Live, outcome: Outcome, talker: Socket, count: int) -> None:
    for _ in range(count):
        number = len(outcome.published) + 1
        begin = time.perf_counter()
        told = await talker.publish("#" + TOPIC, f"{number} {BODY}")
        outcome.waits.append((time.perf_counter() - begin) * 1000)
        outcome.published[told["offset"]] = number


async def behind_retention(
    home: Path,
    messages: int,
    patch: pytest.MonkeyPatch,
    *,
    kept: int = KEPT,
    rows: int = TRIM_ROWS,
    every: float = 0.02,
) -> Outcome:
    """`messages` of 2 KB each through a hub that keeps so many bytes, looks at that every so many seconds, and trims
    so many rows in a slice; with readers behind."""
    outcome = Outcome()
    patch.setattr("hub.node.HOUSEKEEPING", every)
    patch.setattr("hub.upkeep.TRIM_ROWS", rows)
    async with (
        live(home, window_messages=50) as hub,
        hub.session("talker", credit=0) as talker,
        hub.session("slow", credit=8) as slow,
    ):
        hub.app.node.retention = Retention(age=86_400.0, size=kept, facts_age=3600.0)  # less than a setting may be
        async with hub.session("away") as away:
            await away.ask(type="subscribe", topic=TOPIC)
        await slow.ask(type="subscribe", topic=TOPIC)
        watch = Watch(hub, outcome)
        patch.setattr(History, "trim", watch.trimming(History.trim))
        patch.setattr(History, "append", watch.appending(History.append))
        reading = asyncio.create_task(_slowly(outcome.slow, slow))
        await publish(hub, outcome, talker, messages)
        async with asyncio.timeout(BOUND):
            while hub.app.node.hub.registry.topics[TOPIC].size > kept:
                await asyncio.sleep(0.01)
        last = max(outcome.published)
        async with asyncio.timeout(6 * BOUND):
            while max(outcome.slow.numbers, default=0) < last:
                await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        # From here on nothing goes any more: whoever comes back while trimming goes on may be told of several gaps.
        hub.app.node.retention = Retention(age=1e9, size=2**60, facts_age=1e9)
        await publish(hub, outcome, talker, 1)  # the slice that was under way is over
        last = max(outcome.published)
        async with hub.session("away") as back:
            await outcome.away.read(back, last)
        stored = await hub.app.node.log.since(0, 10**6, 2**40)
        outcome.kept = {each.offset for each in stored if each.topic == TOPIC}
    assert len(outcome.published) - len(outcome.kept) > rows, "hardly anything was trimmed"
    return outcome


async def _slowly(reader: Reader, socket: Socket) -> None:
    """Take one message at a time, with a pause that keeps it behind what is kept."""
    while True:
        told = await socket.next()
        if told["type"] == "gap":
            reader.gaps.append((told["from"], told["to"]))
        elif told["type"] == "message":
            assert told["offset"] not in reader.numbers, "twice"
            reader.numbers[told["offset"]] = int(told["body"].split()[0])
            await socket.send({"type": "received", "offset": told["offset"]})
            await asyncio.sleep(0.002)
