"""Opening the database file: made if it is not there, set aside whole and recovered from if it is damaged.

A file is damaged when SQLite says so, when a check of its pages does, when its tables are not ours, or when a journal
lies there without its database. It is never written: what can be read of it is copied row by row into a fresh database
beside it, under the same offsets but a new epoch, by which clients that resume learn that their place in the log may
not be what they think. Then the damaged file is renamed, together with its `-wal` and `-shm`, and the fresh one takes
its place. Interrupted anywhere, this begins again, or is complete.

The check of the pages (`PRAGMA quick_check`) reads the whole file. It is made after a hub that did not end properly,
which leaves a `-wal` behind, and of small files always; it is given up after CHECK_SECONDS, which is logged.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import MsgspecError, Struct

from hub import database, schema
from hub.database import FAILURES, Synchronous, error_name, is_damage, storage_failed
from hub.errors import HubbubError
from hub.tables import COLUMNS, INSERT, folding, message_of

SMALL = 64 * 2**20  # bytes
CHECK_SECONDS = 10.0
_SIDES = ("", "-wal", "-shm")
_WAL_MAGIC = (0x377F0682, 0x377F0683)  # https://sqlite.org/fileformat2.html#walformat
_COMMIT_EVERY = 500  # rows
_SMALL_TABLES = ("trimmed", "instances", "holdings", "subscriptions", "tokens")

log = logging.getLogger(__name__)


class Opened(Struct, kw_only=True):
    """What was found at the path. `lost` is None where nobody can know how much was lost.

    `set_aside` is where the unusable file is now, `why` what was wrong with it. `notice` is about SQLite's version.
    """

    path: Path
    made: bool = False
    set_aside: Path | None = None
    why: str | None = None
    recovered: int = 0
    lost: int | None = 0
    migrated: list[str] = []
    sqlite: str = sqlite3.sqlite_version
    notice: str | None = None

    def told(self) -> str | None:
        """What a person must be told of it; None when all is well."""
        if self.set_aside is None:
            return None
        lost = "no other is known to be lost" if self.lost == 0 else "how many others are lost is unknown"
        return (
            f"The database {self.path} could not be used: {self.why}. It was set aside whole as {self.set_aside}; "
            f"{self.recovered:,} messages were recovered from it, and {lost}."
        )


class Damaged(Exception):
    """The file at the path is not a database that the hub can go on with."""


def prepare(path: Path, *, synchronous: Synchronous = "full", clock: Callable[[], float] = time.time) -> Opened:
    """Leave a sound database of the present version at `path`, mode 0600, and tell what was found. Blocks.

    Raises StorageFailed when the file cannot be reached or written, and NewerDatabase.
    """
    opened = Opened(path=path, notice=database.check_version())
    fresh = path.with_name(path.name + ".recovering")
    try:
        if fresh.exists() and not path.exists():  # a recovery was interrupted between its two renames
            _set_aside(path, clock())
            fresh.rename(path)
        opened.why = _fault(path)
        if opened.why is not None:
            _discard(fresh)
            _make_file(fresh)
            _migrate(fresh, synchronous, clock)
            _recover(path, fresh, opened)
            opened.set_aside = _set_aside(path, clock())
            fresh.rename(path)
        opened.made = _make_file(path) or opened.set_aside is not None
        opened.migrated = _migrate(path, synchronous, clock)
    except FAILURES as failed:
        raise storage_failed(failed, path) from failed
    if opened.notice:
        log.debug(opened.notice)
    if told := opened.told():
        log.error(told)
    return opened


# What is wrong


def _fault(path: Path) -> str | None:
    """What is wrong with the file; None if nothing is, or if there is none. Raises sqlite3.Error if it is only busy."""
    wal = path.with_name(path.name + "-wal")
    left_behind = wal.exists() and wal.stat().st_size > 0
    if not path.exists() or path.stat().st_size == 0:
        return "its journal is there, but the database is gone" if left_behind else None
    if left_behind and not _is_wal(wal):
        return "its journal is not one of SQLite's"
    try:
        with closing(_connect(path, "mode=ro")) as db:
            if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0 and schema.version_of(db) == 0:
                return None
            if db.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION_ID:
                return "it is a database of another program"
            if schema.version_of(db) <= schema.VERSION:
                _check_tables(db)
                if left_behind or path.stat().st_size <= SMALL:
                    _check_pages(db, path)
    except Damaged as why:
        return str(why)
    except sqlite3.DatabaseError as why:
        if not is_damage(why):
            raise
        return str(why)
    return None


def _is_wal(wal: Path) -> bool:
    """Whether a file begins as a WAL does; SQLite takes any other for an empty one, without a word."""
    with wal.open("rb") as file:
        return int.from_bytes(file.read(4), "big") in _WAL_MAGIC


def _check_tables(db: sqlite3.Connection) -> None:
    """Raise Damaged if a table, index, view or column of the file's version is missing."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as sound:
        schema.migrate(sound, migrations=schema.MIGRATIONS[: schema.version_of(db)])
        ours = _parts(sound)
    missing = ours - _parts(db, {part[0] for part in ours})
    if missing:
        raise Damaged(f"{', '.join(sorted(map('.'.join, missing)))} is missing")


def _parts(db: sqlite3.Connection, among: set[str] | None = None) -> set[tuple[str, ...]]:
    """Every table, index and view, and every column of the first and the last, by name."""
    found: set[tuple[str, ...]] = set()
    for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*'").fetchall():
        if among is None or name in among:
            found.add((name,))
            try:
                found |= {(name, column[1]) for column in db.execute(f'PRAGMA table_info("{name}")')}
            except sqlite3.OperationalError as why:
                if error_name(why) != "SQLITE_ERROR":  # which is a view over a table that is missing
                    raise
    return found


def _check_pages(db: sqlite3.Connection, path: Path) -> None:
    until = time.monotonic() + CHECK_SECONDS
    db.set_progress_handler(lambda: time.monotonic() > until, 10_000)
    try:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as why:
        if error_name(why) != "SQLITE_INTERRUPT":
            raise
        log.warning("The check of %s was given up after %g s; it was sound as far as that went.", path, CHECK_SECONDS)
        return
    finally:
        db.set_progress_handler(None, 0)
    if found != "ok":
        raise Damaged(" ".join(found.split()))


# A file of our own


def _make_file(path: Path) -> bool:
    """Make the file with no rights for others before anything is in it; returns whether it was new."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return path.stat().st_size == 0
    return True


def _migrate(path: Path, synchronous: Synchronous, clock: Callable[[], float]) -> list[str]:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in database.writer_pragmas(synchronous):
            db.execute(pragma)
        taken = schema.migrate(db, clock=clock)
        db.execute("INSERT INTO meta VALUES ('epoch', ?) ON CONFLICT DO NOTHING", (str(uuid.uuid4()),))
        db.execute("INSERT INTO meta VALUES ('indexed', '0') ON CONFLICT DO NOTHING")
    return taken


def _set_aside(path: Path, now: float) -> Path:
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while any(_side(aside, side).exists() for side in _SIDES):
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for side in _SIDES:
        with suppress(FileNotFoundError):
            _side(path, side).rename(_side(aside, side))
    return aside


def _discard(path: Path) -> None:
    for side in _SIDES:
        _side(path, side).unlink(missing_ok=True)


def _side(path: Path, side: str) -> Path:
    return path.with_name(path.name + side)


# What can still be read


def _recover(damaged: Path, fresh: Path, opened: Opened) -> None:
    """Copy what can be read of a damaged file into the fresh one."""
    opened.lost = None
    out = _open_damaged(damaged)
    if out is None:
        return
    with closing(out), closing(sqlite3.connect(fresh, isolation_level=None)) as into:
        messages = _Rows(out)
        into.execute("BEGIN IMMEDIATE")
        for row in messages:
            if not _keep(into, row):
                messages.whole = False
                continue
            opened.recovered += 1
            if opened.recovered % _COMMIT_EVERY == 0:
                into.execute("COMMIT")
                into.execute("BEGIN IMMEDIATE")
        for table in _SMALL_TABLES:
            _copy_table(out, into, table)
        _keep_head(out, into)
        if not into.execute("SELECT 1 FROM instances").fetchone():
            _fold_again(into)
        into.execute("COMMIT")
    if messages.whole:
        opened.lost = 0


def _open_damaged(path: Path) -> sqlite3.Connection | None:
    """Open a damaged file to read from; without its journal if that is what is broken, and None if there is no way."""
    if not path.exists():
        return None
    for mode in ("mode=ro", "mode=ro&immutable=1"):
        db = _connect(path, mode)
        try:
            db.execute("PRAGMA writable_schema=ON")  # reads on although a definition makes no sense; writes nothing
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            return db
        except sqlite3.Error:
            db.close()
    return None


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, timeout=5)
    db.text_factory = lambda text: text.decode("utf-8", "replace")
    return db


def _keep(into: sqlite3.Connection, row: tuple[Any, ...]) -> bool:
    """Store a row that was read, if it makes a message. Raises sqlite3.Error if the fault is not the row's."""
    try:
        message_of(row)
        into.execute(INSERT, row)
    except (MsgspecError, sqlite3.IntegrityError, UnicodeError):
        return False
    return True


def _copy_table(out: sqlite3.Connection, into: sqlite3.Connection, table: str) -> None:
    """Copy a small table as far as it can be read."""
    width = len(into.execute(f"PRAGMA table_info({table})").fetchall())
    sql = f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * width)})"  # noqa: S608
    with suppress(sqlite3.DatabaseError):
        for row in out.execute(f"SELECT * FROM {table}"):  # noqa: S608
            with suppress(sqlite3.IntegrityError, sqlite3.ProgrammingError):
                into.execute(sql, row)


def _keep_head(out: sqlite3.Connection, into: sqlite3.Connection) -> None:
    """Let numbering go on after the highest offset there ever was, also if that message is lost: none comes twice."""
    head = 0
    with suppress(sqlite3.DatabaseError):
        head = out.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'messages'").fetchone()[0] or 0
    into.execute("INSERT INTO sqlite_sequence SELECT 'messages', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence)")
    into.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'messages'", (head,))


def _fold_again(into: sqlite3.Connection) -> None:
    """Make the tables from the facts that the log still has."""
    for table in ("holdings", "subscriptions"):
        into.execute(f"DELETE FROM {table}")  # noqa: S608
    facts = into.execute(f"SELECT {COLUMNS} FROM messages WHERE topic GLOB '$*' ORDER BY offset").fetchall()  # noqa: S608
    for row in facts:
        with suppress(KeyError, TypeError, HubbubError, sqlite3.IntegrityError):  # a fact that came out garbled
            for sql, parameters in folding([message_of(row)]):
                into.executemany(sql, parameters)


class _Rows:
    """The rows of `messages` that can be read, whatever lies between them. `whole`: none was unreadable so far."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.whole = True

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        last, step = 0, 1
        while step < 2**40:
            good = last
            try:
                for row in self._select("offset > ? ORDER BY offset", last + step - 1):
                    if step > 1:
                        yield from self._backwards(row[0], good)
                    if row[0] > last:
                        last, step = row[0], 1
                        yield row
                return
            except sqlite3.DatabaseError:
                self.whole = False
                step *= 2

    def _backwards(self, beyond: int, good: int) -> Iterator[tuple[Any, ...]]:
        """The rows that a step over something unreadable has left out, from its far end."""
        with suppress(sqlite3.DatabaseError):
            yield from self._select("offset < ? AND offset > ? ORDER BY offset DESC", beyond, good)

    def _select(self, where: str, *parameters: int) -> sqlite3.Cursor:
        return self._db.execute(f"SELECT {COLUMNS} FROM messages NOT INDEXED WHERE {where}", parameters)  # noqa: S608
