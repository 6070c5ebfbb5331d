"""Opening the database file: made if it is not there, set aside whole and recovered from if it is damaged.

A file is damaged when SQLite says so, when a check of its pages does, when its tables are not ours, or when a journal
lies there without its database. It is never written: what can be read of it is copied row by row into a fresh database
beside it, under the same offsets but a new epoch, by which clients that resume learn that their place in the log may
not be what they think. Then the damaged file is renamed, together with its `-wal` and `-shm`, and the fresh one takes
its place. Interrupted anywhere, this begins again, or is complete.

The check of the pages (`PRAGMA integrity_check`) and of each message's checksum reads the whole file. It is made after
a hub that did not end properly, which leaves a `-wal` behind, and of small files always; it is given up after
CHECK_SECONDS, which is logged.
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
from hub.database import FAILURES, Synchronous, storage_failed
from hub.disk import sync_names, sync_names_above, write_again
from hub.errors import HubbubError, StorageFailed
from hub.soundness import CHECK_SECONDS, HEAD, NONSENSE, beside, connect, fault, is_sound
from hub.tables import COLUMNS, FIRST_COLUMNS, INSERT, checksum, folding, message_of
from hub.wal import damage

_SIDES = ("", "-journal", "-wal", "-shm")
_PENDING = {"damaged": ".recovering", "replaced": ".replacing"}
_COMMIT_EVERY = 500  # rows
_SMALL_TABLES = ("trimmed", "instances", "holdings", "subscriptions", "people", "holds", "tokens")

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


def prepare(path: Path, *, synchronous: Synchronous = "full", clock: Callable[[], float] = time.time) -> Opened:
    """Leave a sound database of the present version at `path`, mode 0600, and tell what was found. Blocks.

    Raises StorageFailed when the file cannot be reached or written, and NewerDatabase.
    """
    opened = Opened(path=path, notice=database.check_version())
    fresh = _pending(path, "damaged")
    try:
        _finish_what_was_interrupted(path, opened, clock())
        _settle_journal(path)
        why = fault(path, synchronous)
        if why is not None:
            opened.why = why
            _make_file(fresh)
            migrate_file(fresh, clock, synchronous)
            _recover(path, fresh, opened)
            opened.set_aside = put_in_place(fresh, path, clock(), "damaged")
        if not path.exists() or path.stat().st_size == 0:
            _make_whole(path, clock, synchronous)
            opened.made = True
        opened.made = opened.made or opened.set_aside is not None
        _close_to_others(path)
        opened.migrated = migrate_file(path, clock, synchronous)
    except FAILURES as failed:
        raise storage_failed(failed, path) from failed
    if opened.notice:
        log.debug(opened.notice)
    if told := opened.told():
        log.error(told)
    return opened


def _finish_what_was_interrupted(path: Path, opened: Opened, now: float) -> None:
    """Bring a recovery or a restore to its end that was killed between its two renames; forget any that was not so far.

    A recovery is told, although another start has made it.
    """
    for label in _PENDING:
        fresh = _pending(path, label)
        if fresh.exists() and not path.exists():
            aside = _begun(path, label)
            for side in _SIDES[1:]:
                if aside is not None and beside(path, side).exists() and not beside(aside, side).exists():
                    beside(path, side).rename(beside(aside, side))
            put_in_place(fresh, path, now, label)
            if aside is not None and label == "damaged":
                opened.set_aside, opened.lost = aside, None
                opened.why = "it was damaged when the hub started, and that start was interrupted"
                with closing(connect(path, "mode=ro")) as db, suppress(sqlite3.DatabaseError):
                    opened.recovered = db.execute("SELECT count(*) FROM messages").fetchone()[0]
        discard(fresh)
    for draft in (".restoring", ".new"):
        discard(beside(path, draft))


def _begun(path: Path, label: str) -> Path | None:
    """Where the database itself has been put, which was to be set aside with its journal."""
    aside = (each for each in path.parent.glob(f"{path.name}.{label}-*") if not each.name.endswith(_SIDES[1:]))
    return max(aside, key=lambda each: each.stat().st_ctime_ns, default=None)


def _settle_journal(path: Path) -> None:
    """Have on the disk what the journal of a killed hub says, before anything is stored on top of it.

    That hub may have died of a failing disk: then its last frames may be in memory only, and no sync would write them.
    """
    wal = beside(path, "-wal")
    if wal.is_file() and wal.stat().st_size > 0:
        write_again(wal)


# A file of our own


def _make_whole(path: Path, clock: Callable[[], float], synchronous: Synchronous) -> None:
    """Make a database under another name, so that a power cut leaves all of it or nothing at `path`."""
    draft = path.with_name(path.name + ".new")
    discard(draft)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _make_file(draft)
    migrate_file(draft, clock, synchronous)
    with closing(sqlite3.connect(draft, isolation_level=None)) as db:
        _settle(db, draft)
    draft.replace(path)
    sync_names_above(path)


def _make_file(path: Path) -> None:
    """Make an empty file with no rights for others before anything is in it."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _close_to_others(path: Path) -> None:
    if os.name == "posix" and path.stat().st_mode & 0o077:
        path.chmod(0o600)


def migrate_file(path: Path, clock: Callable[[], float], synchronous: Synchronous = "full") -> list[str]:
    """Bring the file to the present version; the names of the steps taken. Raises what sqlite3 does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in database.writer_pragmas(synchronous):
            db.execute(pragma)
        taken = schema.migrate(db, clock=clock)
        db.execute("INSERT INTO meta VALUES ('epoch', ?) ON CONFLICT DO NOTHING", (str(uuid.uuid4()),))
        db.execute("INSERT INTO meta VALUES ('indexed', '0') ON CONFLICT DO NOTHING")
        told = db.execute("SELECT value FROM meta WHERE key = 'synchronous'").fetchone()
        if told not in (None, (synchronous,)):
            _settle(db, path)  # frames of one kind must not lie behind the word for the other: hub/soundness.py asks it
        if told != (synchronous,):
            db.execute("INSERT OR REPLACE INTO meta VALUES ('synchronous', ?)", (synchronous,))
    return taken


def _settle(db: sqlite3.Connection, path: Path) -> None:
    """Have everything in the file itself, and its journal empty. Closing the connection would not say that it failed.

    Raises sqlite3.Error, and StorageFailed while another program reads.
    """
    busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise StorageFailed(
            f"Another program reads {path}: its journal cannot be emptied.",
            "End that program, and start the hub again.",
        )


def put_in_place(fresh: Path, path: Path, now: float, label: str, timeout: float = 5.0) -> Path | None:
    """Let a finished file take the place of the one at `path`, which is set aside with its journal under a dated name.

    Returns that name; None if nothing was there. Interrupted, it is brought to its end by the next `prepare()`. Raises
    StorageFailed if another program has the finished file open for so many seconds, and what sqlite3 does.
    """
    with closing(sqlite3.connect(fresh, isolation_level=None, timeout=timeout)) as db:
        _settle(db, fresh)  # only the file itself is renamed
    pending = _pending(path, label)
    if fresh != pending:
        discard(pending)
        fresh.rename(pending)
    sync_names(path.parent)
    aside = _set_aside(path, now, label)
    sync_names(path.parent)  # or a power cut could leave the new file beside the old one's journal
    pending.rename(path)
    sync_names(path.parent)
    return aside


def _pending(path: Path, label: str) -> Path:
    """The name of a whole file that waits for the one at `path` to be set aside under that label."""
    return beside(path, _PENDING[label])


def _set_aside(path: Path, now: float, label: str) -> Path | None:
    if not any(beside(path, side).exists() for side in _SIDES):
        return None
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.{label}-{stamp}")
    number = 1
    while any(beside(aside, side).exists() for side in _SIDES):
        number += 1
        aside = path.with_name(f"{path.name}.{label}-{stamp}-{number}")
    for side in _SIDES:
        with suppress(FileNotFoundError):
            beside(path, side).rename(beside(aside, side))
    return aside


def discard(path: Path) -> None:
    """Remove a file that nobody needs, with its journal."""
    for side in _SIDES:
        beside(path, side).unlink(missing_ok=True)


# What can still be read


def _recover(damaged: Path, fresh: Path, opened: Opened) -> None:
    """Copy what can be read of a damaged file into the fresh one."""
    views = sorted(_views(damaged), key=_head, reverse=True)
    whole = False
    with closing(sqlite3.connect(fresh, isolation_level=None)) as into:
        into.execute("BEGIN IMMEDIATE")
        for out in views:
            with closing(out):
                messages = _Rows(out)
                opened.recovered += _copy_messages(messages, into)
                whole = whole or messages.whole
                for table in _SMALL_TABLES:
                    _copy_table(out, into, table)
                _keep_head(into, _head(out))
        if views and not into.execute("SELECT 1 FROM instances").fetchone():
            _fold_again(into)
        _remove_nonsense(into)
        into.execute("COMMIT")
        opened.lost = 0 if whole and len(views) == 1 and _is_gapless(into) else None


def _remove_nonsense(into: sqlite3.Connection) -> None:
    """What was read as a row and cannot be one goes, so that the next start finds nothing wrong."""
    removed = 1
    while removed:  # what referred to it may go with it
        removed = 0
        for table, nonsense in NONSENSE.items():
            sql = f"DELETE FROM {table} WHERE EXISTS (SELECT 1 FROM {HEAD} WHERE {nonsense})"  # noqa: S608
            removed += into.execute(sql).rowcount


def _is_gapless(into: sqlite3.Connection) -> bool:
    """Whether every message from the first kept to the head is there; what retention took from between is not told."""
    sql = f"SELECT count(*), min(offset), max(offset), head.head FROM messages, {HEAD}"  # noqa: S608
    count, first, last, head = into.execute(sql).fetchone()
    trimmed = into.execute("SELECT coalesce(max(upto), 0) FROM trimmed").fetchone()[0]
    return bool(count == head - trimmed) and (count == 0 or (first == trimmed + 1 and last == head))


def _views(path: Path) -> Iterator[sqlite3.Connection]:
    """What there is to read from. Where the journal is broken, with what it has up to there, and without it as well:

    nobody knows how much of it had been copied into the file, and where that was more, its beginning would hide it.
    """
    wal = beside(path, "-wal")
    try:
        journal_broken = damage(wal, beside(path, "-shm"), seconds=CHECK_SECONDS) is not None
    except TimeoutError:
        journal_broken = True
    found = 0
    for mode in ("mode=ro", "mode=ro&immutable=1") if path.exists() else ():
        if found and not journal_broken:
            return
        db = connect(path, mode)
        try:
            db.execute("PRAGMA writable_schema=ON")  # reads on although a definition makes no sense; writes nothing
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error:
            db.close()
        else:
            found += 1
            yield db


def _copy_messages(messages: _Rows, into: sqlite3.Connection) -> int:
    """Copy the messages that are not there yet; returns how many."""
    count = 0
    for row in messages:
        if into.execute("SELECT 1 FROM messages WHERE offset = ?", row[:1]).fetchone():
            continue
        if not _keep(into, row):
            messages.whole = False
            continue
        count += 1
        if count % _COMMIT_EVERY == 0:
            into.execute("COMMIT")
            into.execute("BEGIN IMMEDIATE")
    return count


def _keep(into: sqlite3.Connection, row: tuple[Any, ...]) -> bool:
    """Store a row that was read, if it makes a message. Raises sqlite3.Error if the fault is not the row's."""
    *columns, crc = row
    if not is_sound(tuple(columns), crc):
        return False
    try:
        message_of(columns)
        into.execute(INSERT, (*columns, checksum(tuple(columns))))
    except (MsgspecError, sqlite3.IntegrityError, UnicodeError, TypeError):
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


def _head(out: sqlite3.Connection) -> int:
    """The highest offset there ever was, as far as that can be read: it is named in more than one place."""
    head = 0
    for told in (
        "SELECT max(seq) FROM sqlite_sequence WHERE name = 'messages'",
        "SELECT max(offset) FROM messages",
        "SELECT max(upto) FROM trimmed",
        "SELECT max(origin) FROM instances",
    ):
        with suppress(sqlite3.DatabaseError, TypeError, ValueError):
            head = max(head, int(out.execute(told).fetchone()[0] or 0))
    return head


def _keep_head(into: sqlite3.Connection, head: int) -> None:
    """Let numbering go on after the highest offset there ever was, also if that message is lost: none comes twice."""
    into.execute("INSERT INTO sqlite_sequence SELECT 'messages', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence)")
    into.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'messages'", (head,))


def _fold_again(into: sqlite3.Connection) -> None:
    """Make the tables from the facts that the log still has."""
    for table in ("holdings", "subscriptions", "people", "holds"):
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
        self._columns = COLUMNS if self._has("answer_by") else f"{FIRST_COLUMNS}, NULL"
        self._crc = "coalesce(crc, -1)" if self._has("crc") else "NULL"  # one that is missing is wrong
        self.whole = True

    def _has(self, column: str) -> bool:
        try:
            self._db.execute(f"SELECT {column} FROM messages LIMIT 0")  # noqa: S608
        except sqlite3.DatabaseError:
            return False
        return True

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
        sql = f"SELECT {self._columns}, {self._crc} FROM messages NOT INDEXED WHERE {where}"  # noqa: S608
        return self._db.execute(sql, parameters)
