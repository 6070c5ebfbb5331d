"""A lock on a file, held by the operating system: it ends with its process, however that ends."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType

POLL = 0.02  # seconds between two tries; a waiting lock cannot be bounded in time on every system


class FileLock:
    """An exclusive lock on `path`, which is made if it is not there, and left.

    >>> lock = FileLock(Path("hub.lock"))
    >>> if lock.acquire(timeout=1): ...
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def acquire(self, timeout: float = 0) -> bool:
        """Take the lock, waiting `timeout` seconds at most; whether it was had. Raises OSError for a bad path."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        until = time.monotonic() + timeout
        while not _try_lock(file, shared=False):
            if time.monotonic() >= until:
                os.close(file)
                return False
            time.sleep(POLL)
        self._file = file
        return True

    def release(self) -> None:
        """Let go; nothing happens if it was not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> FileLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Whether some process holds the lock now. Asking disturbs nobody but who tries in the same instant."""
    for attempt in range(3):
        try:
            file = os.open(path, os.O_RDWR)
        except OSError:
            return False
        try:
            if _try_lock(file, shared=True):
                return False
        finally:
            os.close(file)
        if os.name != "nt":
            break
        time.sleep(POLL * (attempt + 1))  # there a lock cannot be shared: this may have been another who asks
    return True


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: int, *, shared: bool) -> bool:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(file: int, *, shared: bool) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
