"""What can be wrong with the database file, looked for before the hub goes on with it.

SQLite notices by itself only what makes its structure impossible, and only when it comes upon it. So all pages are
gone through, each message is held against its checksum, and the other tables against what must be true of them: a page
that was written to another's place is a sound page, and a flipped bit in a number makes another number.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from hub import schema
from hub.database import Synchronous, error_name, is_damage
from hub.tables import COLUMNS, FIRST_COLUMNS, checksum
from hub.wal import damage

SMALL = 64 * 2**20  # bytes: such files are always gone through
CHECK_SECONDS = 10.0
_WITH_CHECKSUMS = 2  # the version of the schema from which on each message has one
_WITH_ANSWER_BY = 6  # and from which on it may have an `answer_by`

# Rows that there must be none of; `head.head` is the highest offset ever given.
# An instance that an exported file only names has an origin below -1: see hub/replay.py.
NONSENSE = {
    "messages": "offset > head.head OR offset < 1",
    "trimmed": "upto > head.head OR upto < 1 OR topic = ''",
    "instances": """
        origin > head.head OR origin BETWEEN -1 AND 0 OR read > received OR read < 0
        OR NOT EXISTS (SELECT 1 FROM holdings h WHERE h.origin = instances.origin AND h.name = instances.name)
        """,
    "holdings": """
        key <> lower(name) OR since > head.head OR since < 0 OR until < since
        OR until IS NULL AND NOT EXISTS (SELECT 1 FROM instances WHERE instances.origin = holdings.origin)
        """,
    "subscriptions": """
        since > head.head OR since < 0 OR pattern = ''
        OR NOT EXISTS (SELECT 1 FROM instances WHERE instances.origin = subscriptions.origin)
        """,
    "people": "NOT EXISTS (SELECT 1 FROM instances WHERE instances.origin = people.origin)",
    "holds": """
        kind NOT IN ('queue', 'sender') OR since > head.head OR since < 1 OR (origin = 0) <> (topic <> '')
        OR kind = 'sender' AND origin = 0
        OR origin <> 0 AND NOT EXISTS (SELECT 1 FROM instances WHERE instances.origin = holds.origin)
        """,
    "tokens": "length(hash) <> 64 OR hash GLOB '*[^0-9a-f]*'",
}
HEAD = "(SELECT coalesce(max(seq), 0) AS head FROM sqlite_sequence WHERE name = 'messages') AS head"

log = logging.getLogger(__name__)


class Damaged(Exception):
    """The file at the path is not a database that the hub can go on with."""


def fault(path: Path, synchronous: Synchronous) -> str | None:
    """What is wrong with the file; None if nothing is, or if there is none. Raises sqlite3.Error if it is only busy.

    Its contents are gone through after a hub that did not end properly, which leaves a `-wal` behind, and where the
    file is SMALL; that is given up after CHECK_SECONDS, which is logged.
    """
    wal = beside(path, "-wal")
    left_behind = wal.exists() and wal.stat().st_size > 0
    if not path.exists() or path.stat().st_size == 0:
        return "its journal is there, but the database is gone" if left_behind else None
    try:
        if why := damage(wal, beside(path, "-shm"), in_order=_in_order(path, synchronous), seconds=CHECK_SECONDS):
            return why
    except TimeoutError:
        log.warning("The check of %s was given up after %g s; it was sound as far as that went.", wal, CHECK_SECONDS)
    try:
        _check_formats(path)
        # What an interrupted transaction has changed without a WAL is undone by whoever may write, or not at all.
        with closing(connect(path, "mode=rw") if beside(path, "-journal").exists() else reading(path)) as db:
            if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0 and schema.version_of(db) == 0:
                return None
            if db.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION_ID:
                return "it is a database of another program"
            _check_version(db)
            if schema.version_of(db) <= schema.VERSION:
                _check_tables(db)
                if left_behind or path.stat().st_size <= SMALL:
                    _check_pages(db, path)
    except Damaged as why:
        return str(why)
    except UnicodeError:  # from what SQLite quotes in a complaint
        return "its schema is not text"
    except sqlite3.DatabaseError as why:
        if not is_damage(why):
            raise
        return str(why)
    return None


def _in_order(path: Path, synchronous: Synchronous) -> bool:
    """Whether the journal was written with `synchronous=FULL`: by the file's own word, or else as it is set now."""
    try:
        with closing(connect(path, "mode=ro&immutable=1")) as db:  # what is in the journal is not to be trusted yet
            told = db.execute("SELECT value FROM meta WHERE key = 'synchronous'").fetchone()
    except sqlite3.DatabaseError:
        told = None
    return (told[0] if told else synchronous) == "full"


def beside(path: Path, side: str) -> Path:
    """The file that SQLite keeps beside a database: "-wal", "-shm" or "-journal"."""
    return path.with_name(path.name + side)


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection to a file that may be damaged; text that is none is read as far as it goes."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, timeout=5)
    db.text_factory = lambda text: text.decode("utf-8", "replace")
    return db


def reading(path: Path) -> sqlite3.Connection:
    """A connection that only reads, and leaves nothing beside the file: where there is no journal, none is made."""
    return connect(path, "mode=ro" if beside(path, "-wal").exists() else "mode=ro&immutable=1")


def _check_formats(path: Path) -> None:
    """Raise Damaged if the head names a format that there is none of.

    SQLite would only read a file of a newer format, which looks like a read-only disk; and of a newer schema format, or
    of another encoding of text, it says the same as of a wrong statement.
    https://sqlite.org/fileformat2.html#the_database_header
    """
    with path.open("rb") as file:
        head = file.read(100)
    if len(head) < 100 or not head.startswith(b"SQLite format 3\0"):
        return  # SQLite itself says so
    if max(head[18:20]) > 2:
        raise Damaged(f"its head asks for the file formats {head[18]} and {head[19]}, which there are none of")
    layout, encoding = int.from_bytes(head[44:48], "big"), int.from_bytes(head[56:60], "big")
    if layout > 4 or encoding > 1:  # 0 is a file in which nothing was made yet; ours has UTF-8, which is 1
        raise Damaged(f"its head asks for the schema format {layout} and the encoding {encoding}, which are not ours")


def _check_version(db: sqlite3.Connection) -> None:
    """Raise Damaged if the version in the file's head is not the one that its own record of migrations ends with."""
    try:
        last = db.execute("SELECT max(version) FROM migrations").fetchone()[0]
    except sqlite3.OperationalError as why:
        if error_name(why) != "SQLITE_ERROR":
            raise
        raise Damaged("migrations is missing") from why
    if last != schema.version_of(db):
        raise Damaged(f"its version is {schema.version_of(db)} in its head, and {last} in its tables")


def check_whole(db: sqlite3.Connection) -> None:
    """Raise Damaged unless a file of ours is sound in its head, its tables, all its pages, and every message."""
    if db.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION_ID:
        raise Damaged("it is a database of another program")
    _check_version(db)
    _check_tables(db)
    _check_contents(db)


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
    if not within(db, CHECK_SECONDS, _check_contents):
        log.warning("The check of %s was given up after %g s; it was sound as far as that went.", path, CHECK_SECONDS)


def within(db: sqlite3.Connection, seconds: float, check: Callable[[sqlite3.Connection], None]) -> bool:
    """Do a check for so many seconds at most; whether it came to its end. Raises what it raises."""
    until = time.monotonic() + seconds
    db.set_progress_handler(lambda: time.monotonic() > until, 10_000)
    try:
        check(db)
    except sqlite3.OperationalError as why:
        if error_name(why) != "SQLITE_INTERRUPT":
            raise
        return False
    finally:
        db.set_progress_handler(None, 0)
    return True


def _check_contents(db: sqlite3.Connection) -> None:
    for (found,) in db.execute("PRAGMA integrity_check"):
        # SQLite from 3.44 on looks into the full-text index, too. That can be made anew from the messages: it is no
        # reason to set them aside.
        if found != "ok" and "fts5" not in found.lower():
            raise Damaged(" ".join(found.split()))
    if schema.version_of(db) >= _WITH_CHECKSUMS:
        _check_rows(db)
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    for table, nonsense in NONSENSE.items():
        if table not in tables:  # of a later version: `_check_tables` misses none of the file's own
            continue
        if db.execute(f"SELECT 1 FROM {table}, {HEAD} WHERE {nonsense} LIMIT 1").fetchone():  # noqa: S608
            raise Damaged(f"a row of {table} makes no sense")


def _check_rows(db: sqlite3.Connection) -> None:
    columns = COLUMNS if schema.version_of(db) >= _WITH_ANSWER_BY else FIRST_COLUMNS
    for *row, crc in db.execute(f"SELECT {columns}, crc FROM messages NOT INDEXED"):  # noqa: S608
        if not is_sound(tuple(row), crc):
            raise Damaged(f"message {row[0]} is not what was stored")


def is_sound(row: tuple[Any, ...], crc: int | None) -> bool:
    """Whether a row of COLUMNS is what was stored, as far as its checksum tells."""
    try:
        return crc is None or crc == checksum(row)
    except (UnicodeError, TypeError):
        return False
