"""A disk whose calls fail: each of the first hundreds, by itself or for as long as the cause lasts.

`python -m tests.soak.failing CONTROL FOLDER ROUNDS` is a process under the shim of disk.py, which does ROUNDS, a list
of `Round` in JSON, one after the other, and prints what it found. In each a fresh hub, without its server, is opened
and published to until the call comes that fails.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, json

from hub import journal, node, writer
from hub.errors import HubbubError, StorageFailed
from hub.frames import Publish, Published
from hub.history import History
from hub.hub import Limits
from hub.log import Retention, Search
from tests.journeys.processes import environment
from tests.soak.disk import SYNC, WRITE, Control, Shim

RECOVERY = 5.0  # seconds after the cause has gone away
EVERYTHING = 2**40
CALLS = {"sync": SYNC, "write": WRITE}
ERRORS = ("EIO", "ENOSPC")


class Round(Struct, kw_only=True):
    """The `number`th call of a kind fails, and the ones after it: `many` in all, or with -1 until the cause goes."""

    call: str
    error: str
    number: int
    many: int
    slow: bool = False  # looks for the disk's recovery as often as a hub does, and not all the time


class Wrong(AssertionError):
    """A round that went as it must not."""


def rounds(numbers: Sequence[int]) -> list[Round]:
    """Each kind of call, each error, each number; once alone and once until the cause goes away."""
    return [
        Round(call=call, error=error, number=number, many=1 if (number + place) % 2 else -1, slow=number % 60 == 30)
        for number in numbers
        for place, (call, error) in enumerate((call, error) for call in CALLS for error in ERRORS)
    ]


def run(scratch: Path, wanted: list[Round], bound: float) -> Counter[str]:
    """Do rounds in a process of their own; the counts of what happened. Raises Wrong."""
    under = scratch / "disk"
    under.mkdir()
    shim = Shim(scratch / "shim", under)
    shim.environment["DISK_TAPE"] = "/dev/null"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.soak.failing",
            shim.environment["DISK_CONTROL"],
            str(under),
            json.encode(wanted).decode(),
        ],
        env=environment(under, **shim.environment),
        capture_output=True,
        text=True,
        timeout=bound,
        check=False,
    )
    if done.returncode:
        raise Wrong(done.stdout[-2000:] + done.stderr[-4000:])
    return Counter(json.decode(done.stdout.splitlines()[-1], type=dict[str, int]))


class Hub:
    """One round."""

    def __init__(self, path: Path, control: Control, told: Round, counts: Counter[str]) -> None:
        self.path = path
        self.control = control
        self.told = told
        self.counts = counts
        self.confirmed: dict[str, int] = {}
        self.refused: set[str] = set()
        self.said = 0

    async def live(self) -> None:
        """The whole round."""
        self.control.fail(CALLS[self.told.call], getattr(errno, self.told.error), self.told.number, self.told.many)
        log = await self.open()
        hub = node.Node(
            log,
            await log.load(),
            await log.tail(100, EVERYTHING),
            limits=Limits(),
            retention=Retention(age=1e9, size=EVERYTHING, facts_age=1e9),
            version="0",
        )
        broken = asyncio.Event()
        try:
            await self.start(hub, broken)
            while not self.control.hit:
                await self.publish(hub, 3)
            await self.suffer(hub, log)
            self.control.heal()
            await self.recover(hub)
            await self.publish(hub, 3)
            assert not hub.problems(), hub.problems()
            assert not broken.is_set(), "a task of the hub died"
        finally:
            self.control.heal()
            await hub.stop()
            await log.close()
        await self.look_back()
        self.counts.update(rounds=1, confirmed=len(self.confirmed), refused=len(self.refused))

    async def open(self) -> History:
        """Open the database; where that fails, it is said how, and does no harm."""
        try:
            return await History.open(self.path)
        except StorageFailed:
            self.counts["refused to open"] += 1
            self.control.heal()
            log = await History.open(self.path)
            assert log.opened.set_aside is None, log.opened.told()
            return log

    async def start(self, hub: node.Node, broken: asyncio.Event) -> None:
        try:
            await hub.start(broken.set)
        except StorageFailed:
            self.counts["refused to start"] += 1
        async with asyncio.timeout(RECOVERY):
            while True:
                try:
                    self.sender = await hub.register("alice")
                except StorageFailed:
                    assert hub.problems()
                    self.control.heal()
                    await asyncio.sleep(0.01)
                else:
                    return

    async def publish(self, hub: node.Node, many: int) -> int:
        """Publish at once; how many were refused."""
        names = [f"m-{self.said + number}" for number in range(many)]
        self.said += many
        outcomes = await asyncio.gather(
            *(hub.publish(self.sender, Publish(to="#t", body="." * 900, id=name)) for name in names),
            return_exceptions=True,
        )
        refused = 0
        for name, outcome in zip(names, outcomes, strict=True):
            if isinstance(outcome, Published):
                self.confirmed[name] = outcome.offset
            else:
                assert isinstance(outcome, StorageFailed), repr(outcome)
                assert outcome.hint, outcome
                self.refused.add(name)
                refused += 1
        return refused

    async def suffer(self, hub: node.Node, log: History) -> None:
        """While the cause lasts: publishers are refused, readiness says why, and what is there can be read."""
        for _ in range(2):
            refused = await self.publish(hub, 2)
            if self.told.many < 0 and self.control.failing:
                assert refused == 2, "a message was confirmed on a disk that fails"
                assert any("cannot be written" in each for each in hub.problems()), hub.problems()
            stored = {message.id for message in await log.since(0, 10**6, EVERYTHING)}
            assert self.confirmed.keys() <= stored
            assert not self.refused & stored, "what was refused is read"
            await log.search(Search(limit=5))
            await log.load()

    async def recover(self, hub: node.Node) -> None:
        """The cause is gone: without anybody publishing the hub finds out."""
        began = time.monotonic()
        while problems := hub.problems():
            assert time.monotonic() < began + RECOVERY, f"still not well: {problems}"
            await asyncio.sleep(0.005)
        if self.told.slow:
            self.counts["slowest recovery, ms"] = max(
                self.counts["slowest recovery, ms"], int(1000 * (time.monotonic() - began))
            )

    async def look_back(self) -> None:
        """What was confirmed is there, once, in order; what was refused is not."""
        async with await History.open(self.path) as log:
            assert log.opened.set_aside is None, log.opened.told()
            stored = await log.since(0, 10**6, EVERYTHING)
        assert [each.offset for each in stored] == list(range(1, len(stored) + 1))
        where = {each.id: each.offset for each in stored}
        assert len(where) == len(stored), "a message is there twice"
        lost = [each for each, offset in self.confirmed.items() if where.get(each) != offset]
        assert not lost, f"{len(lost)} confirmed messages are lost"
        assert not self.refused & where.keys(), "what was refused is there"


async def work(control: Control, folder: Path, wanted: list[Round]) -> Counter[str]:
    control.skip_syncs()  # that they fail is what counts here; the rest of the time they would only take time
    writer.CHECKPOINT_PAGES = 40
    usual = (journal.TRY_AGAIN, node.HOUSEKEEPING)
    counts: Counter[str] = Counter()
    for told in wanted:
        journal.TRY_AGAIN, node.HOUSEKEEPING = usual if told.slow else (0.01, 0.1)
        home = folder / "home"
        try:
            await Hub(home / "hubbub.db", control, told, counts).live()
        except (Exception, AssertionError) as why:
            said = str(why) if isinstance(why, AssertionError | HubbubError) else repr(why)
            raise Wrong(f"{told}: {said}") from why
        shutil.rmtree(home)
    return counts


if __name__ == "__main__":
    found = asyncio.run(work(Control(Path(sys.argv[1])), Path(sys.argv[2]), json.decode(sys.argv[3], type=list[Round])))
    print(json.encode(found).decode())
