"""The Log on SQLite, by aiosqlite: open, append, close, and what is kept beside the messages.

One connection writes, and only under the lock (`hub.writer`); two others read (`hub.reader`). An append costs one visit
of the writer's thread (`hub.ledger`). What is made from the messages later, and removed, is in `hub.upkeep`.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from hub.database import CLOSING_PRAGMAS, FAILURES, Synchronous, storage_failed
from hub.disk import real
from hub.loading import as_json
from hub.message import Draft, Message
from hub.recovery import Opened, prepare
from hub.tables import COLUMNS, SessionRow, TokenRow, message_of, place
from hub.upkeep import Upkeep

_KNOWN = f"""
    SELECT {COLUMNS} FROM messages WHERE (id, origin) IN (
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:keys)
    )
    """  # noqa: S608


class History(Upkeep):
    """A Log in one SQLite file. Made by `open()`; `close()` it, or use it in `async with`."""

    def __init__(self, path: Path, opened: Opened, clock: Callable[[], float]) -> None:
        super().__init__(path, clock)
        self.opened = opened

    @classmethod
    async def open(
        cls, path: Path, *, synchronous: Synchronous = "full", clock: Callable[[], float] = time.time
    ) -> History:
        """Open the database at `path`, making it if it is not there; `opened` tells what was found.

        `synchronous`: "full" survives a power cut, "normal" only the end of the process. `clock` gives seconds since
        1970. Raises StorageFailed or NewerDatabase. A damaged file is no error: see hub/recovery.py.
        """
        path = real(path)
        opened = await asyncio.to_thread(prepare, path, synchronous=synchronous, clock=clock)
        history = cls(path, opened, clock)
        try:
            await history._connect(synchronous)
        except BaseException as why:
            await history.close()
            if isinstance(why, FAILURES):
                raise storage_failed(why, path) from why
            raise
        return history

    async def _connect(self, synchronous: Synchronous) -> None:
        await self._connect_writer(synchronous)
        await self._connect_upkeep()
        await self._connect_readers()
        ((self.epoch,),) = await self._writer.execute_fetchall("SELECT value FROM meta WHERE key = 'epoch'")
        await self._connect_archive()
        await self._find_place()
        self._open_index()

    async def __aenter__(self) -> History:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, why: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Finish what is under way and let go of the file. Closing twice is closing once."""
        for reader in self._connections[1:]:
            with suppress(*FAILURES):
                await reader.interrupt()  # a search may take its time, and nobody waits for it any more
        async with self._lock:
            if (archive := getattr(self, "archive", None)) is not None:
                with suppress(*FAILURES):
                    await asyncio.to_thread(archive.close)
            if self._connections and self._unsynced is not None:
                with suppress(*FAILURES):
                    self._forget_checkpoints()
            if os.name == "nt":
                self._close_index()
            if self._connections:
                with suppress(*FAILURES):  # somebody else may have the file open: then closing would leave the journal
                    for pragma in CLOSING_PRAGMAS:
                        await self._connections[0].execute_fetchall(pragma)
            while self._connections:  # the writer last: closing the last connection checkpoints
                with suppress(*FAILURES):
                    await self._connections.pop().close()
            self._close_index()

    async def append(self, drafts: Sequence[Draft]) -> list[Message]:
        """See `Log.append`. After a failure, also one in the middle of a commit, the next append starts afresh."""
        if not drafts:
            return []
        async with self._writing():
            known = await self._known(drafts) if any(draft.unless for draft in drafts) else {}
            answers, fresh = place(drafts, self._head, known)
            try:
                if fresh:
                    await self._store(fresh)
            except sqlite3.IntegrityError:
                if not any(draft.retry for draft in drafts):
                    raise
                await self._writer.rollback()
                answers, fresh = place(drafts, self._head, await self._known(drafts))
                if fresh:
                    await self._store(fresh)
            if fresh:
                self._head = fresh[-1].offset
                self._size += sum(message.size for message in fresh)
            return answers

    async def _known(self, drafts: Iterable[Draft]) -> dict[tuple[int, str], Message]:
        """The messages that drafts which may have been sent before have become."""
        keys = [(draft.id, draft.origin) for draft in drafts if draft.retry]
        keys += [(message_id, origin) for origin, message_id in (draft.unless for draft in drafts if draft.unless)]
        rows = await self._writer.execute_fetchall(_KNOWN, {"keys": as_json(keys)})
        return {(message.origin, message.id): message for message in map(message_of, rows)}

    async def probe(self) -> None:
        """See `Log.probe`."""
        async with self._writing():
            # A value that is new each time: SQLite writes no page that stays what it was.
            await self._writer.execute(
                "INSERT INTO meta VALUES ('probed', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (str(time.time_ns()),),
            )
            await self._store()

    async def save_token(self, token: TokenRow) -> None:
        """Store a token, or what has changed of it. Raises StorageFailed."""
        async with self._writing():
            await self._writer.execute(
                "INSERT OR REPLACE INTO tokens (id, hash, name, scopes, created_at, expires_at, last_used, note)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    token.id,
                    token.hash,
                    token.name,
                    " ".join(token.scopes),
                    token.created_at,
                    token.expires_at,
                    token.last_used,
                    token.note,
                ),
            )
            await self._store()

    async def delete_token(self, token_id: str) -> bool:
        """Forget a token; returns whether it was there. Raises StorageFailed."""
        async with self._writing():
            cursor = await self._writer.execute("DELETE FROM tokens WHERE id = ?", (token_id,))
            await self._store()
            return cursor.rowcount > 0

    async def save_session(self, session: SessionRow, now: float) -> None:
        """Store a session of the old protocol, and forget those that are over. Raises StorageFailed."""
        async with self._writing():
            await self._writer.execute("DELETE FROM legacy_sessions WHERE expires_at <= ?", (now,))
            await self._writer.execute(
                "INSERT OR REPLACE INTO legacy_sessions (hash, origin, created_at, expires_at) VALUES (?, ?, ?, ?)",
                (session.hash, session.origin, session.created_at, session.expires_at),
            )
            await self._store()
