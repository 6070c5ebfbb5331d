"""Migrations that are cut short: killed before each of their statements, and by power cuts.

`python -m tests.soak.migrating kill FOLDER` and `… cut FOLDER` are the processes that do it. Every earlier version that
hub/schema.py knows is gone through, also those that are yet to come.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import json

from hub import recovery, schema
from hub.history import History
from hub.message import Message
from hub.schema import MIGRATIONS, VERSION
from hub.tables import COLUMNS, checksum, folding, row_of
from tests.hub.memory_log import draft, fact
from tests.journeys.processes import environment
from tests.soak.disk import Shim, folder, read_tape, say
from tests.soak.power import Counts, Recording, cut

MESSAGES = 60
KILLED = 9
EVERYTHING = 2**40


class Wrong(AssertionError):
    """A database that a migration left neither as it was nor as it should be."""


def messages() -> list[Message]:
    """What is in the database of whatever version."""
    drafts = [fact(0, "$instance.registered", name="alice"), *(draft(each, body="." * 200) for each in range(MESSAGES))]
    return [Message.of(each, number) for number, each in enumerate(drafts, start=1)]


def make(path: Path, version: int) -> None:
    """A database as a hub with that version of the schema left it; 0: none."""
    path.parent.mkdir()
    if not version:
        return
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        schema.migrate(db, migrations=MIGRATIONS[:version])
        there = {row[1] for row in db.execute("PRAGMA table_info(messages)")}
        names = [name.strip('"') for name in (*COLUMNS.split(", "), "crc")]
        db.execute("BEGIN")
        db.execute("INSERT INTO meta VALUES ('epoch', 'the same'), ('indexed', '0')")
        for message in messages():
            row = {name: value for name, value in zip(names, row_of(message), strict=True) if name in there}
            columns = ", ".join(f'"{name}"' for name in row)
            db.execute(f"INSERT INTO messages ({columns}) VALUES ({', '.join('?' * len(row))})", [*row.values()])
            for sql, parameters in folding([message]):
                db.executemany(sql, parameters)
        db.execute("COMMIT")


def kill(scratch: Path) -> Counter[str]:
    """Kill a hub that migrates before each statement, from each version; what is left is looked at, and gone on with."""
    return Counter(json.decode(_run(scratch, "kill", {}), type=dict[str, int]))


async def cut_power(scratch: Path, cuts: int) -> Counts:
    """Cut the power while a hub migrates, so often for each version. Raises `Loss`."""
    counts = Counts()
    for version in range(1, VERSION):
        here = scratch / str(version)
        here.mkdir()
        (here / "disk").mkdir()
        shim = Shim(here / "shim", here / "disk")
        _run(here / "disk", f"cut-{version}", shim.environment)
        recording = Recording(read_tape(shim.tape), here / "disk")
        done = await cut(recording, here, version, cuts)
        counts = Counts(*(one + two for one, two in zip(counts, done, strict=True)))
    return counts


def _run(under: Path, what: str, more: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.migrating", what, str(under)],
        env=environment(under, **more),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise Wrong(done.stdout + done.stderr)
    return done.stdout.splitlines()[-1] if done.stdout else ""


def _kill_everywhere(scratch: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for version in range(VERSION):
        statement = 1
        while True:
            with folder(scratch / f"{version}-{statement}") as here:
                path = here / "home" / "hubbub.db"
                make(path, version)
                child = os.fork()
                if not child:
                    _migrate_until(path, statement)
                ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                try:
                    _look(path, version, whole=ended == 0)
                    asyncio.run(_go_on(path, version))
                except Exception as why:
                    raise Wrong(f"from {version}, before statement {statement}: {type(why).__name__}: {why}") from why
            if not ended:
                break
            assert ended == KILLED
            counts["kills"] += 1
            statement += 1
        counts["versions"] += 1
    return counts


def _migrate_until(path: Path, statement: int) -> None:
    """Migrate, and die before that statement."""
    plain, seen = schema.migrate, 0

    def migrate(db: sqlite3.Connection, **more: Any) -> list[str]:
        def count(sql: str) -> None:
            nonlocal seen
            seen += 1
            if seen == statement:
                os._exit(KILLED)

        name = db.execute("PRAGMA database_list").fetchone()[2]
        if name:  # and not the empty one in memory that others are compared with
            db.set_trace_callback(count)
        return plain(db, **more)

    schema.migrate = migrate
    recovery.prepare(path)
    os._exit(0)


def _look(path: Path, version: int, *, whole: bool) -> None:
    """The file is of one version, wholly, and has all its messages."""
    if not path.exists():
        assert not version
        return
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        have = schema.version_of(db)
        assert have in ((VERSION,) if whole else range(version, VERSION + 1)), f"it has version {have}"
        last = db.execute("SELECT max(version) FROM migrations").fetchone()[0] if have else 0
        assert last == have, f"its record says {last}"
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as sound:
            schema.migrate(sound, migrations=MIGRATIONS[:have])
            assert _schema(db) == _schema(sound), "its tables are not those of its version"
        if version:
            assert db.execute("SELECT count(*) FROM messages").fetchone()[0] == MESSAGES + 1


def _schema(db: sqlite3.Connection) -> set[tuple[str, str]]:
    return {
        (name, sql or "")
        for name, sql in db.execute("SELECT name, sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*'")
        if not name.startswith("full_text")
    }


async def _go_on(path: Path, version: int) -> None:
    """The next start finishes it, and has everything."""
    async with await History.open(path) as log:
        assert log.opened.set_aside is None, log.opened.told()
        assert (log.epoch == "the same") is bool(version)
        assert await log.since(0, 1000, EVERYTHING) == (messages() if version else [])
        assert [each.name for each in (await log.load()).instances] == (["alice"] if version else [])
        wrong = [
            row[0]
            for *row, crc in await log._writer.execute_fetchall(f"SELECT {COLUMNS}, crc FROM messages")
            if crc != checksum(tuple(row))
        ]
        assert not wrong, f"messages {wrong[:3]} have no checksum, or another's"


def _migrate_from(under: Path, version: int) -> None:
    path = under / "home" / "hubbub.db"
    make(path, version)
    for folder_ in (under / "home", under):
        descriptor = os.open(folder_, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    for message in messages():
        say(message.offset, message.id)
    recovery.prepare(path)


if __name__ == "__main__":
    if sys.argv[1] == "kill":
        print(json.encode(_kill_everywhere(Path(sys.argv[2]))).decode())
    else:
        _migrate_from(Path(sys.argv[2]), int(sys.argv[1].removeprefix("cut-")))
