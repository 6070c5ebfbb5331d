"""The disk under a database, and what the database takes of it: for `/api/v1/health` and `hubbub doctor`."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from msgspec import Struct

from hub.disk import real

FULL = 2**20  # bytes free, under which the next write may already fail: a commit writes whole pages to the journal
LOW = 256 * 2**20  # bytes free, under which somebody should look: the journal alone may come to 64 MiB and more


class Volume(Struct, kw_only=True):
    """Sizes in bytes. `free_bytes` is what this user may still take; `read_only` whether the whole disk is."""

    database: str
    database_bytes: int
    journal_bytes: int
    free_bytes: int
    disk_bytes: int
    read_only: bool

    @property
    def state(self) -> str:
        """`full`, `read-only`, `low` or `ok`."""
        if self.read_only:
            return "read-only"
        return "full" if self.free_bytes < FULL else "low" if self.free_bytes < LOW else "ok"


def look(database: Path) -> Volume:
    """The volume that a database lies on, or would. Raises OSError where its folder cannot be asked. It may block on a
    disk that hangs."""
    path = real(database)
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return Volume(
        database=str(database),
        database_bytes=size(path),
        journal_bytes=size(path.with_name(path.name + "-wal")),
        free_bytes=usage.free,
        disk_bytes=usage.total,
        read_only=_is_read_only(folder),
    )


def size(path: Path) -> int:
    """Bytes of a file; 0 where there is none. Raises OSError."""
    try:
        told = path.stat()
    except FileNotFoundError:
        return 0
    return told.st_size if stat.S_ISREG(told.st_mode) else 0


def _is_read_only(folder: Path) -> bool:
    if not hasattr(os, "statvfs"):  # Windows tells it when something is written
        return False
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
