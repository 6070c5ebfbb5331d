"""A recovery on a disk that fails: it is refused and begun again, and what is readable is not lost over it.

`python -m tests.soak.recovering CONTROL DAMAGED FOLDER STEP [FAULT]` is a process under the shim of disk.py. It starts
on a copy of DAMAGED while from the first call on every write and sync fails, then from STEP calls later on, and so on
until a start goes through; and after each it starts again on the healed disk.
"""

from __future__ import annotations

import errno
import itertools
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

from msgspec import json

from hub import recovery
from hub.errors import StorageFailed
from hub.history import History
from hub.recovery import prepare
from tests.hub.memory_log import draft
from tests.journeys.processes import BOUND, environment
from tests.soak.disk import SYNC, WRITE, Control, Shim

MESSAGES = 20


class Wrong(AssertionError):
    """A recovery that lost what it could read."""


async def damaged(path: Path) -> None:
    """A database of MESSAGES that lacks a table."""
    async with await History.open(path) as log:
        await log.append([draft(number, body="." * 500) for number in range(MESSAGES)])
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE subscriptions")


def run(scratch: Path, source: Path, step: int, *faults: str) -> Counter[str]:
    """Let recoveries fail from every `step`th call on; the counts of what happened. Raises Wrong."""
    under = scratch / "disk"
    under.mkdir()
    shim = Shim(scratch / "shim", under)
    shim.environment["DISK_TAPE"] = "/dev/null"
    arguments = [shim.environment["DISK_CONTROL"], str(source), str(under), str(step), *faults]
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.recovering", *arguments],
        env=environment(under, **shim.environment),
        capture_output=True,
        text=True,
        timeout=BOUND * 4,
        check=False,
    )
    if done.returncode:
        raise Wrong(done.stderr[-2000:])
    return Counter(json.decode(done.stdout, type=dict[str, int]))


def work(control: Control, source: Path, folder: Path, step: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    control.skip_syncs()
    for number in itertools.count(1, step):
        path = folder / "home" / source.name
        shutil.copytree(source.parent, path.parent)
        control.fail(SYNC | WRITE, errno.ENOSPC, number)
        try:
            prepare(path)
            counts["all the same"] += 1  # it failed where that costs nothing, or did not fail any more
        except StorageFailed:
            counts["refused"] += 1
        finally:
            control.heal()
        prepare(path)
        with closing(sqlite3.connect(path)) as db:
            (found,) = db.execute("SELECT count(*) FROM messages").fetchone()
        aside = [each for each in path.parent.glob("*.damaged-*") if not each.name.endswith(("-wal", "-shm"))]
        assert found == MESSAGES, f"from call {number} on: {found} of {MESSAGES} messages are left"
        assert len(aside) == 1, f"from call {number} on: set aside as {aside}"
        assert aside[0].read_bytes() == source.read_bytes(), "what was set aside is not what was there"
        shutil.rmtree(path.parent)
        if not control.hit:
            break
    return counts


def trusts_a_closed_connection() -> None:
    """A fault that this must find: closing copies the journal into the file, but does not say that it could not."""
    recovery._settle = lambda db, path: None


if __name__ == "__main__":
    control, source, folder, *rest = sys.argv[1:]
    for fault in rest[1:]:
        globals()[fault]()
    print(json.encode(work(Control(Path(control)), Path(source), Path(folder), int(rest[0]))).decode())
