"""What must be done to files beside writing them, so that a power cut or a failing disk takes nothing from them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

BLOCK = 2**20  # bytes


def real(path: Path) -> Path:
    """Where a file lies whose name may be a link: SQLite keeps a journal there, and not beside the link."""
    return path.resolve() if path.is_symlink() else path


def sync_names(folder: Path) -> None:
    """Have what was made, renamed or removed in a folder survive a power cut: syncing the files does not do that.

    Raises OSError. Windows has no such call, and keeps names without it.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_names_above(path: Path) -> None:
    """The same for each folder on the way to `path`, as far as they may be opened: any of them may be new."""
    with suppress(PermissionError):
        for folder in path.absolute().parents:
            sync_names(folder)


def write_again(path: Path) -> None:
    """Write each byte of a file once more, and sync it. Raises OSError.

    Whoever reads a file reads what the system has of it in memory. Where a sync failed, that is more than the disk has,
    and a later sync succeeds without writing it: to the system those pages are clean (https://lwn.net/Articles/752063/).
    """
    with path.open("r+b", buffering=0) as file:
        place = 0
        while block := file.read(BLOCK):
            file.seek(place)
            rest = memoryview(block)
            while rest:
                rest = rest[file.write(rest) :]
            place += len(block)
        sync_file(file.fileno())


def sync_file(descriptor: int) -> None:
    """Have what was written to an open file survive a power cut. Raises OSError."""
    if sys.platform == "darwin":  # where fsync only hands it to the disk
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)
