"""Which process holds the lock by which SQLite lets one write: asked of the system, so that nobody is disturbed.

In WAL mode that is byte 120 of the `-shm` file (https://sqlite.org/walformat.html#locks); with a rollback journal,
bytes of the database itself from 1 GiB on (https://sqlite.org/lockingv3.html). Only Linux and macOS are asked.

Closing a file lets go of this process's own locks on it (fcntl(2)): so this is for a process that has the database not
open, and comes before it opens it.
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

WAL_WRITE, WAL_BYTES = 120, 3  # the writer's, the checkpointer's and the recoverer's byte
PENDING, RESERVED = 2**30, 2**30 + 1


def writer(database: Path) -> int | None:
    """The process that keeps others from writing, by its id; None where there is none or nobody can say."""
    shm = database.with_name(database.name + "-shm")
    return _holder(shm, WAL_WRITE, WAL_BYTES) or _holder(database, PENDING, 2)


if sys.platform == "win32":

    def _holder(path: Path, start: int, count: int) -> int | None:
        return None
else:
    import fcntl

    # struct flock: type, whence, start, length, pid on Linux; start, length, pid, type, whence on macOS.
    _LINUX, _MACOS = "hhqqi4x", "qqihh"

    def _holder(path: Path, start: int, count: int) -> int | None:
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError:
            return None
        try:
            # As a reader one is held up by a writer only: two readers are in nobody's way.
            if sys.platform == "darwin":
                asked = struct.pack(_MACOS, start, count, 0, fcntl.F_RDLCK, os.SEEK_SET)
                _, _, pid, kind, _ = struct.unpack(_MACOS, fcntl.fcntl(file, fcntl.F_GETLK, asked))
            else:
                asked = struct.pack(_LINUX, fcntl.F_RDLCK, os.SEEK_SET, start, count, 0)
                kind, _, _, _, pid = struct.unpack(_LINUX, fcntl.fcntl(file, fcntl.F_GETLK, asked))
        except OSError:
            return None
        finally:
            os.close(file)
        return pid if kind == fcntl.F_WRLCK and pid > 0 else None
