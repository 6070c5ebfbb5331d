"""A whole copy of the database while the hub works on it, and the way back from one.

A backup is made by `VACUUM INTO` through a connection that can only read: it sees one moment of the log, holds up
nobody, and leaves a single file without a journal. The one-writer rule stands: nothing here writes to a database that
a hub may have open, and a restore holds the hub's lock.

After a restore the log goes on from an earlier moment, while clients remember places in it that came later. So it gets
a new epoch, and no offset is given a second time: numbering goes on after the head of the database that was there.
Where that is of another numbering, or cannot be read, nobody knows how far the old one got, and APART is left free.
A client that resumes without an epoch is therefore right too: up to the backup's head its messages are the same, and
behind that there is none that it might have had.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hub import schema
from hub.daemon import HubLock
from hub.database import FAILURES, is_damage, storage_failed
from hub.disk import real, sync_names
from hub.errors import BadValue, NewerDatabase, NotFound, StorageFailed
from hub.paths import Paths, make_private
from hub.recovery import discard, migrate_file, put_in_place
from hub.soundness import Damaged, check_whole

APART = 2**30  # offsets left free where nobody knows how far the old numbering got
_TOKENS = "id, hash, name, scopes, created_at, expires_at, last_used, note"


class Copied(NamedTuple):
    """What a backup holds: so many messages, the newest offset ever given, and its size in bytes."""

    file: Path
    messages: int
    head: int
    size: int


class Restored(NamedTuple):
    """What is in place now. Offsets that are given from now on are above `head`.

    `set_aside` is the database that was there, `tokens` whether its tokens were kept rather than the backup's.
    """

    messages: int
    head: int
    set_aside: Path | None
    tokens: bool


class _Present(NamedTuple):
    """What has to outlast a restore of the database that is there."""

    epoch: str
    head: int
    tokens: list[tuple[Any, ...]]


def back_up(database: Path, target: Path, *, force: bool = False) -> Copied:
    """Copy a database, of a running hub too, to `target`: mode 0600, checked, and there as a whole or not at all.

    Raises NotFound where there is no database, BadValue for a target that is there already unless `force`, and
    StorageFailed where either cannot be read or written.
    """
    if not database.exists():
        raise NotFound(f"There is no database at {database}.", "hubbub config get database says where it would be.")
    if _same(database, target):
        raise BadValue(f"{target} is the database itself.", "Name another file for the backup.")
    if target.is_dir() or not target.parent.is_dir():
        raise BadValue(f"{target} cannot be a file.", "Name a file in a folder that is there.")
    if target.exists() and not force:
        raise _there_already(target)
    draft = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with _storing(database, target):
            _copy(database, draft)
            try:
                copied = _inspect(draft)
            except Damaged as why:
                raise StorageFailed(
                    f"{database} is damaged ({why}), and so would the backup be.",
                    "hubbub stop && hubbub start: the hub sets it aside whole and recovers what is readable.",
                ) from None
            _sync(draft)
            _place(draft, target, force=force)
            sync_names(target.parent)
    finally:
        draft.unlink(missing_ok=True)
    return Copied(target, *copied, target.stat().st_size)


def restore(paths: Paths, source: Path, *, clock: Callable[[], float] = time.time) -> Restored:
    """Put a backup in the database's place, and set what was there aside under a dated name. `source` stays as it is.

    Killed at any moment, it leaves the old database in place, or the new one as soon as a hub starts. Raises
    Unavailable while a hub runs on this home, NotFound, NewerDatabase, BadValue for what is no sound backup, and
    StorageFailed.
    """
    if not source.is_file():
        raise NotFound(f"There is no backup at {source}.")
    if paths.database.exists() and _same(paths.database, source):
        raise BadValue(f"{source} is the database itself.", "Name a file that hubbub backup made.")
    make_private(paths.data_dir)
    database = real(paths.database)
    fresh = database.with_name(database.name + ".restoring")
    with HubLock(paths), _storing(database):
        discard(fresh)
        try:
            head, messages = _prepare(source, fresh, clock)
            there = database.exists()
            present = _present(database) if there else None
            head = _renew(fresh, head, present)
            set_aside = put_in_place(fresh, database, clock(), "replaced")
        finally:
            discard(fresh)
    return Restored(messages, head, set_aside if there else None, present is not None)


def _prepare(source: Path, fresh: Path, clock: Callable[[], float]) -> tuple[int, int]:
    """Make a checked copy of the present version; its head, and how many messages it holds."""
    try:
        _copy(source, fresh, settled=True)
        messages, head = _inspect(fresh)
    except (Damaged, sqlite3.DatabaseError) as why:
        if isinstance(why, sqlite3.OperationalError):
            raise
        raise BadValue(
            f"{source} is not a sound backup: {why}.", "Name a file that hubbub backup made; nothing was changed."
        ) from None
    migrate_file(fresh, clock)
    return head, messages


def _renew(fresh: Path, head: int, present: _Present | None) -> int:
    """Give the copy an epoch of its own, offsets that were never given, and the tokens that hold now."""
    with closing(sqlite3.connect(fresh, isolation_level=None)) as db:
        (epoch,) = db.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        known = present is not None and present.epoch == epoch
        head = max(head, present.head if present else 0) + (0 if known else APART)
        db.execute("PRAGMA synchronous=FULL")
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (str(uuid.uuid4()),))
        db.execute("DELETE FROM sqlite_sequence WHERE name = 'messages'")
        db.execute("INSERT INTO sqlite_sequence VALUES ('messages', ?)", (head,))
        if present is not None:  # a token that was revoked since must not hold again
            db.execute("DELETE FROM tokens")
            db.executemany(f"INSERT INTO tokens ({_TOKENS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", present.tokens)  # noqa: S608
        db.execute("COMMIT")
    _sync(fresh)
    return head


def _present(database: Path) -> _Present | None:
    """What the database that is there says of itself; None if it cannot be read."""
    try:
        with closing(_reading(database, immutable=_alone(database))) as db:
            (epoch,) = db.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
            tokens = db.execute(f"SELECT {_TOKENS} FROM tokens").fetchall()  # noqa: S608
            return _Present(str(epoch), _head(db), tokens)
    except (sqlite3.Error, TypeError):
        return None


def _copy(database: Path, into: Path, *, settled: bool = False) -> None:
    """`VACUUM INTO` a file made now, readable by its owner only. `settled`: nobody writes to the database."""
    os.close(os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(_reading(database, immutable=settled and _alone(database))) as db:
        db.execute("VACUUM INTO ?", (str(into),))


def _reading(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    mode = "mode=ro&immutable=1" if immutable else "mode=ro"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, timeout=10)


def _alone(path: Path) -> bool:
    """Whether a file to which nobody writes is all there is. It can be read as it lies then: SQLite puts nothing beside
    it, and its folder may be one where nothing can be written."""
    return not path.with_name(path.name + "-wal").exists()


def _inspect(path: Path) -> tuple[int, int]:
    """How many messages a copy holds, and its head. Raises Damaged or NewerDatabase."""
    with closing(_reading(path, immutable=True)) as db:
        if schema.version_of(db) > schema.VERSION:
            raise NewerDatabase(
                f"The backup has schema version {schema.version_of(db)}, and this Hubbub knows versions up to "
                f"{schema.VERSION}: a newer Hubbub has made it.",
                "Restore it with that version.",
            )
        check_whole(db)
        return int(db.execute("SELECT count(*) FROM messages").fetchone()[0]), _head(db)


def _head(db: sqlite3.Connection) -> int:
    row = db.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'messages'").fetchone()
    return int(row[0] or 0)


def _place(draft: Path, target: Path, *, force: bool) -> None:
    """Give the finished copy its name; over another file only by `force`."""
    if force:
        draft.replace(target)
        return
    try:
        if sys.platform == "win32":
            draft.rename(target)  # refuses an existing name there, as a link does elsewhere
        else:
            target.hardlink_to(draft)
    except FileExistsError:
        raise _there_already(target) from None
    except OSError:  # a file system without links
        if target.exists():
            raise _there_already(target) from None
        draft.rename(target)


def _there_already(target: Path) -> BadValue:
    return BadValue(f"{target} is there already.", "--force writes over it.")


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def _sync(path: Path) -> None:
    """Have a file on the disk: SQLite does not do so with what `VACUUM INTO` writes."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _storing(database: Path, target: Path | None = None) -> Iterator[None]:
    """Make a typed error of what SQLite and the system raise: damage is the database's, all else the target's."""
    try:
        yield
    except FAILURES as why:
        raise storage_failed(why, database if target is None or is_damage(why) else target) from why
