"""The one connection that writes, and the write-ahead log that it leaves behind.

It writes only under the lock. The same connection copies what was committed from the write-ahead log into the database
file (a checkpoint). SQLite could do so by itself, but tells nobody when it fails; and a checkpoint that had to stop
short for a reader leaves pages unsynced, which after a failed sync the next one would take for written. So after a
failure here SQLite is made to forget how far it had come, and everything is copied again before anything else is
stored.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any

import aiosqlite

from hub.database import FAILURES, Synchronous, storage_failed, writer_pragmas
from hub.disk import write_again
from hub.ledger import Ledger
from hub.message import Message
from hub.reader import Reader
from hub.tables import folding, row_of
from hub.wal import INDEX_HEADER, Index, read_index

CHECKPOINT_PAGES = 2000  # 8 MB of log are copied into the database file at once
COMMIT_PAGES = 8  # about what a commit writes at least, and a page more for each KiB of messages

log = logging.getLogger(__name__)


class Writer(Reader):
    """What each change of the database stands on: it is made in `_writing()`, and ends with `_store()`."""

    _writer: aiosqlite.Connection
    _ledger: Ledger  # what it stands on

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        super().__init__(path, clock)
        self._lock = asyncio.Lock()
        self._stale = False  # what is known of the database is to be read again
        self._whole = True  # the newest write went well: nothing lies in the write-ahead log past what is committed
        self._unsynced: BaseException | None = None  # why the newest checkpoint failed
        self._written = 0  # pages, about, since the write-ahead log was last looked at
        self._wal_index: FileIO | None = None

    async def _connect_writer(self, synchronous: Synchronous) -> None:
        self._writer = await self._connection(writer_pragmas(synchronous), self._open_ledger)

    def _open_ledger(self, *how: Any, **more: Any) -> Ledger:
        self._ledger = Ledger(*how, **more)
        return self._ledger

    async def _find_place(self) -> None:
        """Look up what is known of the database: nobody knows what a cancelled commit has done."""
        raise NotImplementedError

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        """Hold the writer's lock. Whatever fails is undone, and becomes a StorageFailed if it is the disk's fault."""
        async with self._lock:
            self._be_open()
            try:
                if self._stale:
                    await self._writer.rollback()
                if self._unsynced is not None:
                    await self._copy_again()
                if self._stale:
                    await self._find_place()
                yield
            except BaseException as why:
                # Nobody knows what a cancelled commit has done: whoever writes next looks it up.
                self._stale = True
                self._whole = False
                self._ledger.leave((), ())
                with suppress(*FAILURES):
                    await self._writer.rollback()
                if isinstance(why, FAILURES):
                    raise storage_failed(why, self.path) from why
                raise
            await self._copy()

    async def _store(self, messages: Sequence[Message] = ()) -> None:
        """Commit, after these messages and what the facts among them change.

        Always in the writer's thread, also where nothing is synced (synchronous=normal): a write waits for a disk that
        others sync to, and would hold up everybody.
        """
        if messages:
            self._ledger.leave([row_of(message) for message in messages], folding(messages))
        await self._writer.commit()
        self._whole = True
        size = sum(message.size for message in messages) if messages else CHECKPOINT_PAGES * 1024
        self._written += COMMIT_PAGES + size // 1024

    async def _copy(self) -> None:
        """Copy what was committed into the database file, if it is much. What fails is told to whoever writes next.

        Not after a write that failed: its frames lie past what is committed, and if everything had to be copied again,
        they would be found, although it was refused. The next good write overwrites them.
        """
        if not self._whole or self._written * 8 < CHECKPOINT_PAGES:
            return
        self._written = 0
        index = self._index_now()
        if index is None or index.frames - index.copied < CHECKPOINT_PAGES:
            return
        try:
            await self._writer.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
        except FAILURES as why:
            log.error("What is in %s-wal could not be copied into the database: %s.", self.path, why)  # noqa: TRY400
            self._unsynced = why

    async def _copy_again(self) -> None:
        """Copy all of the write-ahead log, whatever of it was copied before."""
        await asyncio.to_thread(self._forget_checkpoints)
        await self._writer.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
        self._unsynced = None

    def _forget_checkpoints(self) -> None:
        """Have SQLite read the write-ahead log anew, as after a crash: it makes an index without a head again."""
        assert self._wal_index is not None
        try:
            write_again(self.path.with_name(self.path.name + "-wal"))
        finally:
            self._wal_index.seek(0)
            self._wal_index.write(bytes(96))

    def _index_now(self) -> Index | None:
        if self._wal_index is None:
            return None
        self._wal_index.seek(0)
        return read_index(self._wal_index.read(INDEX_HEADER))

    def _open_index(self) -> None:
        self._wal_index = FileIO(f"{self.path}-shm", "r+")

    def _close_index(self) -> None:
        """To be called when no connection is left: closing the file gives up all the process's locks on it."""
        if self._wal_index is not None:
            self._wal_index.close()
            self._wal_index = None
