"""Databases of each earlier version, and migrations that are killed at every statement, or by a power cut.

`python -m tests.soak.migrations make DATABASE VERSION ROWS` makes one by that version's own statements, and says what
is in it. `… finish DATABASE` starts on it as a hub does. `… kill DATABASE FOLDER [FAULT…]` does so on copies of it,
number 0, 1, … below FOLDER, and ends in each one statement later than in the one before, until one comes to its end.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from hub import fulltext, schema
from hub.database import writer_pragmas
from hub.disk import sync_names
from hub.history import History
from hub.log import Search
from hub.message import Message
from hub.recovery import prepare
from hub.schema import MIGRATIONS, VERSION
from hub.tables import COLUMNS, FIRST_COLUMNS, checksum, folding, row_of
from tests.hub.memory_log import draft, fact
from tests.journeys.processes import BOUND, environment
from tests.soak.disk import Shim, read_tape, say
from tests.soak.power import Recording

EVERYTHING = 2**40
EPOCH = "an epoch of long ago"
KILLED = 9  # the exit code of a start that was
TOKEN = ("t1", "ab" * 32, "alice", "publish", 1.0, None, 2.0, "a note")


class Wrong(AssertionError):
    """A start after a migration that was killed went as it must not."""


def contents(rows: int) -> list[Message]:
    """So many messages, with what the hub told among them."""
    drafts = [fact(number, "$instance.registered", name=f"a{number}") for number in range(1, 4)]
    for number in range(10, rows + 10):
        more: dict[str, Any] = {"data": {"n": number}, "thread": "t"} if number % 7 == 0 else {}
        topic = ("build", "inbox.a1", "all", "deploy.eu")[number % 4]
        drafts.append(
            draft(number, topic=topic, origin=number % 3 + 1, body=f"word {number} ü" * (number % 40), **more)
        )
    drafts.append(fact(5, "$subscription.added", origin=2, name="a2", topic="deploy.>"))
    drafts.append(fact(6, "$cursors", moved=[{"origin": 1, "name": "a1", "received": 30, "read": 20}]))
    return [Message.of(each, offset) for offset, each in enumerate(drafts, 1)]


@contextmanager
def in_earlier_tables() -> Iterator[None]:
    """What the present version keeps in tables of its own, an earlier one did not keep."""
    try:
        yield
    except sqlite3.OperationalError as why:
        if "no such table" not in str(why):
            raise


def make(path: Path, version: int, messages: Sequence[Message]) -> None:
    """A database of an earlier version, half of it in the full-text index, and left as by `kill -9`."""
    path.parent.mkdir(parents=True)
    first = len(FIRST_COLUMNS.split(","))
    names = f"{FIRST_COLUMNS}, crc" if version > 1 else FIRST_COLUMNS
    marks = ", ".join("?" * len(names.split(",")))
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in writer_pragmas("full"):
        db.execute(pragma)
    schema.migrate(db, migrations=MIGRATIONS[:version])
    db.execute("BEGIN")
    for message in messages:
        row = row_of(message)
        db.execute(f"INSERT INTO messages ({names}) VALUES ({marks})", row[:first] + row[-1:] * (version > 1))
    for sql, parameters in folding(messages):
        with in_earlier_tables():
            db.executemany(sql, parameters)
    db.execute("INSERT INTO trimmed VALUES ('gone', 1)")
    db.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?)", TOKEN)
    db.execute("INSERT INTO meta VALUES ('epoch', ?)", (EPOCH,))
    db.execute(fulltext.CREATE)
    db.execute(fulltext.ADD, {"after": 0, "upto": len(messages) // 2})
    db.execute("INSERT INTO meta VALUES ('indexed', ?)", (str(len(messages) // 2),))
    db.execute("COMMIT")
    for folder in (path.parent, path.parent.parent):  # as the hub that made it did
        sync_names(folder)


async def check(path: Path, messages: Sequence[Message]) -> list[str]:
    """The next start finishes it, and nothing is lost; the steps that were left for it. Raises Wrong."""
    try:
        async with await History.open(path) as log:
            assert log.opened.set_aside is None, log.opened.told()
            assert await log.since(0, 10**6, EVERYTHING) == list(messages), "messages are not what they were"
            assert log.epoch == EPOCH
            state = await log.load()
            assert [(each.name, each.read, each.received) for each in state.instances] == [
                ("a1", 20, 30),
                ("a2", 0, 0),
                ("a3", 0, 0),
            ]
            assert [(each.origin, each.pattern) for each in state.subscriptions] == [(2, "deploy.>")]
            assert [each.hash for each in await log.tokens()] == [TOKEN[1]]
            found = await log.search(Search(text="word", limit=10**6))
            assert len(found) == sum("word" in each.body for each in messages)
            assert [each.offset for each in await log.append([draft(10**6)])] == [len(messages) + 1]
            taken = log.opened.migrated
        with closing(sqlite3.connect(path)) as db:
            assert schema.version_of(db) == VERSION
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            names = db.execute("SELECT version, name FROM migrations ORDER BY version").fetchall()
            assert names == [(number, each.name) for number, each in enumerate(MIGRATIONS, 1)]
            for *row, crc in db.execute(f"SELECT {COLUMNS}, crc FROM messages"):
                assert crc == checksum(tuple(row)), f"the checksum of message {row[0]} is wrong"
    except Exception as why:
        raise Wrong(f"{path.parent.name}: {type(why).__name__}: {why}") from why
    return taken


def work(scratch: Path, *arguments: str, shim: Shim | None = None) -> subprocess.CompletedProcess[str]:
    """One of this module's commands as a process, which may end as by `kill -9`."""
    return subprocess.run(
        [sys.executable, "-m", "tests.soak.migrations", *arguments],
        env=environment(scratch, **(shim.environment if shim is not None else {})),
        capture_output=True,
        text=True,
        timeout=BOUND * 4,
        check=False,
    )


def kill_everywhere(scratch: Path, version: int, rows: int, faults: Sequence[str] = ()) -> list[str]:
    """Make a database, and kill its migration at each statement, on copies 0, 1, … below `scratch`; the statements."""
    database = scratch / "old" / "hubbub.db"
    for arguments in (("make", str(database), str(version), str(rows)), ("kill", str(database), str(scratch), *faults)):
        done = work(scratch, *arguments)
        assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def record(scratch: Path, version: int, rows: int) -> Recording:
    """What making a database, and then a start on it, does to the disk."""
    under = scratch / "disk"
    under.mkdir(parents=True)
    shim = Shim(scratch / "shim", under)
    database = str(under / "home" / "hubbub.db")
    for arguments in (("make", database, str(version), str(rows)), ("finish", database)):
        done = work(scratch, *arguments, shim=shim)
        assert done.returncode == 0, done.stderr
    return Recording(read_tape(shim.tape), under)


# In a process of its own


class Mortal(sqlite3.Connection):
    """Ends the process before its statement number `last`, or before the row of that number gets its checksum."""

    last = 0
    last_row = 10**9
    without: tuple[str, ...] = ()

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:  # type: ignore[override]
        if Mortal.last == 0:
            os.write(1, (" ".join(sql.split())[:70] + "\n").encode())
            os._exit(KILLED)
        Mortal.last -= 1
        return super().execute("SELECT 1" if sql.startswith(Mortal.without) else sql, *rest)


def counted(row: tuple[Any, ...]) -> int:
    if Mortal.last_row == 0:
        os.write(1, b"a row of the step that gives each message its checksum\n")
        os._exit(KILLED)
    Mortal.last_row -= 1
    return checksum(row)


def deaths() -> Iterator[tuple[int, int]]:
    """Where a start ends: before which statement, before which row's checksum."""
    yield from ((10**9, row) for row in (0, 7, 50))
    yield from ((statement, 10**9) for statement in range(10**6))


def kill(database: Path, folder: Path) -> None:
    usual = sqlite3.connect
    schema.checksum = counted  # type: ignore[attr-defined]

    def connect(path: Any, *rest: Any, **more: Any) -> sqlite3.Connection:
        mortal = {"factory": Mortal} if Path(path).name == database.name else {}
        return usual(path, *rest, **{**more, **mortal})

    sqlite3.connect = connect  # type: ignore[assignment]
    for number, (Mortal.last, Mortal.last_row) in enumerate(deaths()):
        here = folder / str(number) / database.name
        shutil.copytree(database.parent, here.parent)
        if (child := os.fork()) == 0:
            prepare(here)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0 and number > 3:
            return
        assert os.waitstatus_to_exitcode(status) in (0, KILLED), status


def without_its_transaction() -> None:
    """A fault that this must find."""
    Mortal.without = ("BEGIN", "COMMIT")


def finish(database: Path) -> None:
    assert prepare(database).migrated
    os._exit(0)


COMMANDS: dict[str, Callable[..., None]] = {"kill": kill, "finish": finish}

if __name__ == "__main__":
    command, database, *rest = sys.argv[1:]
    if command == "make":
        made = contents(int(rest[1]))
        make(Path(database), int(rest[0]), made)
        if "DISK_TAPE" in os.environ:
            for each in made:
                say(each.offset, each.id)
        os._exit(0)
    for fault in rest[1:]:
        globals()[fault]()
    COMMANDS[command](Path(database), *map(Path, rest[:1]))
