"""Syncs that fail, and then a power cut: does anybody take a later sync's success for theirs?

`python -m tests.soak.gate CONTROL DATABASE SEED STORY [FAULT…]` is one life of a log under the shim of disk.py: it
appends, says what is confirmed, and ends as by `kill -9`. The stories are functions here.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hub import recovery, writer
from hub.errors import StorageFailed
from hub.history import History
from tests.hub.memory_log import draft
from tests.journeys.processes import BOUND, environment
from tests.soak.disk import SYNC, Control, Shim, read_tape, say
from tests.soak.power import Recording

ENDED = 9  # the exit code of a life


def record(scratch: Path, seed: int, stories: Sequence[str], faults: Sequence[str] = ()) -> Recording:
    """A life for each story, one after the other on one database."""
    under = scratch / "disk"
    under.mkdir(parents=True)
    shim = Shim(scratch / "shim", under)
    for number, story in enumerate(stories):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.soak.gate",
                shim.environment["DISK_CONTROL"],
                str(under / "home" / "hubbub.db"),
                str(seed * 1000 + number),
                story,
                *faults,
            ],
            env=environment(under / "home", **shim.environment),
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )
        assert done.returncode == ENDED, done.stderr
    return Recording(read_tape(shim.tape), under)


class Life:
    """A log that says what it confirms."""

    def __init__(self, log: History, control: Control, chance: random.Random, number: int) -> None:
        self.log = log
        self.control = control
        self.chance = chance
        self._number = number
        self._holder: sqlite3.Connection | None = None

    async def append(self, most: int = 4) -> bool:
        """Some messages; whether they were stored."""
        batch = []
        for _ in range(self.chance.randrange(most) + 1):
            self._number += 1
            # Long ids in no order, so that each message changes another page of their index.
            name = f"{self.chance.getrandbits(64):016x}" * 10 + str(self._number)
            batch.append(draft(self._number, id=name, body="." * self.chance.randrange(3000)))
        try:
            for message in await self.log.append(batch):
                say(message.offset, message.id)
        except StorageFailed:
            return False
        return True

    def hold(self) -> None:
        """A reader that stays with the database as it is now."""
        self.let_go()
        self._holder = sqlite3.connect(self.log.path, isolation_level=None)
        self._holder.execute("BEGIN")
        self._holder.execute("SELECT count(*) FROM messages").fetchone()

    def let_go(self) -> None:
        if self._holder is not None:
            self._holder.close()
            self._holder = None


async def anything(life: Life) -> None:
    """Readers come and go, so that checkpoints stop short; some syncs fail, one or two in a row."""
    writer.CHECKPOINT_PAGES = 24
    chance = life.chance
    for _ in range(chance.randrange(10, 60)):
        if chance.random() < 0.15:
            life.control.fail(SYNC, errno.EIO, first=chance.randrange(1, 5), many=chance.choice((1, 1, 2)))
        if chance.random() < 0.3:
            life.hold()
        elif chance.random() < 0.5:
            life.let_go()
        if not await life.append() and chance.random() < 0.5:
            return


async def stops_short(life: Life) -> None:
    """A reader makes a checkpoint stop short, and the sync of the one that goes on from there fails."""
    for _ in range(10):
        await life.append()
    life.hold()
    writer.CHECKPOINT_PAGES = 1
    await life.append()
    life.let_go()
    life.control.fail(SYNC, errno.EIO, first=3, many=1)  # after the commit's, and the one of the log before copying
    assert await life.append(), "the failure was to come after the commit"
    assert life.control.hit
    for _ in range(3):
        await life.append()


async def ends_when_a_sync_fails(life: Life) -> None:
    """What could not be synced is left in memory, for the next life to find: changes to pages of which the log has
    nothing else, since it was begun anew after all before was copied.
    """
    for _ in range(5):
        await life.append(most=60)
    writer.CHECKPOINT_PAGES = 1
    await life.append()
    writer.CHECKPOINT_PAGES = 10**6
    await life.append(most=1)
    life.control.fail(SYNC, errno.EIO, first=1, many=1)
    assert not await life.append(most=40)


async def goes_on(life: Life) -> None:
    """A life without trouble."""
    for _ in range(5):
        await life.append()


async def live(control: Control, path: Path, seed: int, story: str) -> None:
    control.heal()
    writer.CHECKPOINT_PAGES = 10**6
    log = await History.open(path)
    await globals()[story](Life(log, control, random.Random(seed), seed * 10_000))
    os._exit(ENDED)


# Faults that this must find: what the hub would be without the one or the other precaution.


def trusts_a_later_checkpoint() -> None:
    async def again(self: History) -> None:
        await self._writer.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
        self._unsynced = None

    History._copy_again = again  # type: ignore[method-assign]


def trusts_what_another_left_in_memory() -> None:
    recovery._settle_journal = lambda path: None


if __name__ == "__main__":
    for fault in sys.argv[5:]:
        globals()[fault]()
    asyncio.run(live(Control(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
