"""Power cuts: a real hub's calls to its disk, done again up to some moment, and what is left opened as on a reboot."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hub.history import History
from tests.journeys.processes import BOUND, hub_process
from tests.soak.disk import Call, Disk, Shim, folder, read_tape
from tests.soak.publishers import Publishers

HOWS = ("synced", "synced", "torn", "torn", "prefix", "cached")
EVERYTHING = 2**40


class Recording(NamedTuple):
    """What hubs did to the disk below `under`, where their home was."""

    calls: list[Call]
    under: Path


class Loss(AssertionError):
    """A power cut took what was confirmed, or left what cannot be."""


class Counts(NamedTuple):
    cuts: int = 0
    confirmed: int = 0  # messages, each counted at each cut that came after its confirmation
    started: int = 0  # hubs that were started on what was left


async def record(scratch: Path, seed: int, goals: Sequence[int], faults: Sequence[str] = ()) -> Recording:
    """Let hubs live one after the other on one home: each is killed once so many messages more are confirmed.

    Between them one starts and stops as it should, on what the killed one left.
    """
    under = scratch / "disk"
    under.mkdir(parents=True)
    shim = Shim(scratch / "shim", under)
    publishers = Publishers(seed)
    command = [sys.executable, "-m", "tests.soak.frail", "checkpoints_often", *faults]
    for goal in goals:
        with hub_process(under / "home", command, **shim.environment) as hub:
            blowing = asyncio.create_task(publishers.blow(hub))
            wanted = len(publishers.confirmed) + goal
            async with asyncio.timeout(BOUND + goal / 20):
                while len(publishers.confirmed) < wanted and not blowing.done():
                    await asyncio.sleep(0.001)
            hub.kill()
            await blowing
        with hub_process(under / "home", command, **shim.environment) as hub:
            hub.stop()
    return Recording(read_tape(shim.tape), under)


async def cut(
    recording: Recording, scratch: Path, seed: int, cuts: int, *, start_every: int = 0, at_start: bool = False
) -> Counts:
    """Cut the power so often; every `start_every`th time start a hub on what is left. Raises Loss.

    `at_start`: only while the last life looks at what the one before it left.
    """
    chance = random.Random(seed)
    moments = sorted(_moments(recording.calls, chance, cuts, at_start))
    disk = Disk(recording.under, chance)
    counts = Counts()
    done = 0
    for number, moment in enumerate(moments):
        for call in recording.calls[done:moment]:
            disk.do(call)
        done = max(done, moment)
        how = chance.choice(HOWS)
        with folder(scratch / f"cut-{number}") as left:
            disk.image(left, how)
            try:
                await check(left / "home", disk.confirmed)
                started = bool(start_every) and number % start_every == start_every - 1
                if started:
                    await check_hub(left / "home", disk.confirmed)
            except Exception as why:
                raise Loss(f"cut {number} (seed {seed}) after call {moment}, {how}: {why}") from why
        counts = Counts(counts.cuts + 1, counts.confirmed + len(disk.confirmed), counts.started + started)
    return counts


def _moments(calls: Sequence[Call], chance: random.Random, cuts: int, at_start: bool) -> Iterator[int]:
    """After how many calls: often just after something was confirmed, or while what a killed hub left is looked at."""
    said = [place for place, call in enumerate(calls, 1) if call.kind == "said"]
    starts = [place for place, call in enumerate(calls, 1) if call.kind == "start"]
    for _ in range(cuts):
        kind = chance.random()
        if at_start:
            yield min(len(calls), starts[-1] + chance.randrange(60))
        elif kind < 0.4 and said:
            yield chance.choice(said)
        elif kind < 0.6:
            yield min(len(calls), chance.choice(starts) + chance.randrange(100))
        else:
            yield chance.randrange(1, len(calls) + 1)


async def check(home: Path, confirmed: dict[str, int]) -> None:
    """What is left opens whole, holds what was confirmed, once and in order, and takes more."""
    if not (home / "hubbub.db").exists():
        assert not confirmed, f"{len(confirmed)} messages were confirmed, and there is no database"
        return
    async with await History.open(home / "hubbub.db") as log:
        assert log.opened.set_aside is None, log.opened.told()
        stored = await log.since(0, 10**6, EVERYTHING)
        offsets = [message.offset for message in stored]
        assert offsets == list(range(1, len(offsets) + 1)), "there is a hole in the log"
        said = [(message.origin, message.id) for message in stored]
        assert len(said) == len(set(said)), "a message is there twice"
        where = {message.id: message.offset for message in stored}
        lost = [each for each, offset in confirmed.items() if where.get(each) != offset]
        assert not lost, f"{len(lost)} of {len(confirmed)} confirmed messages are lost: {lost[:3]}"
        ((found,),) = await log._writer.execute_fetchall("PRAGMA integrity_check(1)")
        assert found == "ok", found
        await log.load()


async def check_hub(home: Path, confirmed: dict[str, int]) -> None:
    """A hub starts on it at once, tells the same, and stops properly."""
    publishers = Publishers(0)
    publishers.confirmed = dict(confirmed)
    with hub_process(home) as hub:
        await publishers.check(hub)
        assert hub.stop() == 0
