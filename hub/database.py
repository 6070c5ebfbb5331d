"""SQLite as the hub uses it: which version, which settings, and what its errors mean.

One connection writes and checkpoints; all others only read and never checkpoint. Before 3.51.3 SQLite could corrupt a
database in WAL mode when two connections wrote or checkpointed at the same moment (https://sqlite.org/wal.html,
"The WAL-Reset Bug"); with a single connection that does either, it cannot. So the hub keeps to that with every version.
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from typing import Literal, TypeAlias

from hub.errors import StorageFailed

Synchronous: TypeAlias = Literal["full", "normal"]

OLDEST = (3, 37, 0)  # STRICT tables
WAL_RESET_FIXED = (3, 51, 3)

FAILURES = (sqlite3.Error, sqlite3.Warning, OSError, UnicodeError, OverflowError, ValueError)
"""What a call to SQLite can raise that is not a fault of this program. aiosqlite says ValueError once it is closed."""

_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


def writer_pragmas(synchronous: Synchronous) -> tuple[str, ...]:
    """Settings of the connection that writes.

    `full` survives a power cut, `normal` only the end of the process. macOS needs `fullfsync` for an fsync that reaches
    the disk; elsewhere it does nothing.
    """
    durable = synchronous == "full"
    return (
        "PRAGMA journal_mode=WAL",
        f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}",
        f"PRAGMA fullfsync={int(durable)}",
        "PRAGMA busy_timeout=5000",
        "PRAGMA wal_autocheckpoint=0",  # hub/writer.py makes checkpoints, so that the hub learns when one fails
        "PRAGMA journal_size_limit=67108864",
        "PRAGMA trusted_schema=OFF",
        "PRAGMA cell_size_check=ON",
    )


CLOSING_PRAGMAS = ("PRAGMA busy_timeout=500", "PRAGMA wal_checkpoint(TRUNCATE)")
"""What the writer does last: an empty journal is none, and leaves the next start nothing to recover."""

READER_PRAGMAS = (
    "PRAGMA query_only=ON",
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA busy_timeout=5000",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
)


def check_version(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str | None:
    """What to say of this SQLite; None if there is nothing to say. Raises StorageFailed if it is too old."""
    shown = ".".join(map(str, version))
    if version < OLDEST:
        raise StorageFailed(
            f"Python's sqlite3 module is built on SQLite {shown}, and the hub needs {'.'.join(map(str, OLDEST))}.",
            "Use a newer Python: `uv python install 3.12` brings its own SQLite.",
        )
    if version < WAL_RESET_FIXED:
        return (
            f"SQLite {shown} has the WAL-reset fault, which {'.'.join(map(str, WAL_RESET_FIXED))} mends. The hub "
            "avoids it, since one connection alone writes; let no other program write to the database while it runs."
        )
    return None


def error_name(why: BaseException) -> str:
    """SQLite's name for an error, such as SQLITE_FULL; empty for an error that is not SQLite's."""
    return str(getattr(why, "sqlite_errorname", ""))


def is_damage(why: BaseException) -> bool:
    """Whether an error says that the file itself is broken, and not that it cannot be reached just now."""
    return error_name(why).startswith(_DAMAGED)


def storage_failed(why: BaseException, path: Path) -> StorageFailed:
    """An error of SQLite or of the system as one a person can act on."""
    if isinstance(why, StorageFailed):
        return why
    name = error_name(why)
    number = why.errno if isinstance(why, OSError) else None
    if name == "SQLITE_FULL" or number in (errno.ENOSPC, errno.EDQUOT):
        return StorageFailed(
            f"The disk of {path} is full, or the database has reached its limit: nothing was stored.",
            f"Free some space (`df -h {path.parent}`); the next message is tried again.",
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")) or number in (
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
    ):
        return StorageFailed(
            f"{path} cannot be written: the file, its folder or the disk is read-only ({why}).",
            f"See who owns it: `ls -la {path.parent}`.",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StorageFailed(
            f"Another program holds a lock on {path}: nothing was stored.",
            "End the program that writes to it; reading with `sqlite3 -readonly` does no harm.",
        )
    if name.startswith(_DAMAGED):
        return StorageFailed(
            f"{path} is damaged ({why}).",
            "Restart the hub: it sets the file aside whole and recovers what is readable.",
        )
    if name.startswith("SQLITE_IOERR") or number is not None:
        return StorageFailed(
            f"The disk failed while {path} was in use ({why}), or a limit to the size of a file was reached.",
            "Look at the disk, the system's log and `ulimit -f`; the next message is tried again.",
        )
    return StorageFailed(f"{path} could not be used ({type(why).__name__}: {why}).", "Nothing was stored; try again.")
