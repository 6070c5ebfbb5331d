"""The Log on SQLite, by aiosqlite: append, read, search, trim.

One connection writes, and only under the lock; two others read, one for what sessions are waiting for and one for
searches, which may take their time. An append costs one visit of the writer's thread: see hub/ledger.py.

The same connection copies what was committed from the write-ahead log into the database file (a checkpoint). SQLite
could do so by itself, but tells nobody when it fails; and a checkpoint that had to stop short for a reader leaves pages
unsynced, which after a failed sync the next one would take for written. So after a failure here SQLite is made to
forget how far it had come, and everything is copied again before anything else is stored.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import aiosqlite
from msgspec import json

from hub import fulltext, search, tally
from hub.archive import Archive, Keyframe, stride, trail
from hub.database import (
    CLOSING_PRAGMAS,
    FAILURES,
    READER_PRAGMAS,
    Synchronous,
    is_damage,
    storage_failed,
    writer_pragmas,
)
from hub.disk import real, write_again
from hub.errors import StorageFailed
from hub.fold import CURSORS, EXPIRED, State
from hub.ledger import Ledger
from hub.loading import IN_SPAN, as_json, load, stocks
from hub.log import END, Age, Exchange, Fate, Retention, Search, Span, Trimmed
from hub.message import Draft, Message
from hub.recovery import Opened, prepare
from hub.tables import COLUMNS, SessionRow, TokenRow, folding, message_of, place, row_of
from hub.wal import INDEX_HEADER, Index, read_index

TRIM_ROWS = 500  # one slice of trimming: it holds up waiting drafts, so it must be short
TRIM_BYTES = 4 * 2**20
INDEX_ROWS = 500
INDEX_BYTES = 2**20
MERGE_PAGES = 16  # of the full-text index, in one slice of its merging
FATES = 10_000  # replies looked through for what became of a page of messages
CHECKPOINT_PAGES = 2000  # 8 MB of log are copied into the database file at once
COMMIT_PAGES = 8  # about what a commit writes at least, and a page more for each KiB of messages

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)

# Picked rows are cut off once so many bytes are together; the first one passes whatever its size where `least` is 1.
_BOUNDED = """
    SELECT {columns} FROM messages WHERE offset IN (
        SELECT offset FROM (
            SELECT offset, row_number() OVER w AS place, sum(size) OVER w AS together
              FROM ({picked}) WINDOW w AS (ORDER BY offset {way} ROWS UNBOUNDED PRECEDING)
        ) WHERE together <= :size OR place <= {least}
    ) ORDER BY offset
    """

_READ = _BOUNDED.format(
    columns=COLUMNS,
    way="ASC",
    least=1,
    # The index alone says which they are: of each span's first ones, no more rows are looked at than are taken.
    picked=f"""
        SELECT offset, size FROM messages WHERE offset IN (
            SELECT DISTINCT found.value FROM json_each(:spans) span CROSS JOIN json_each((
                SELECT json_group_array(offset) FROM (
                    SELECT offset FROM messages WHERE {IN_SPAN} ORDER BY offset LIMIT :limit
                )
            )) found ORDER BY found.value LIMIT :limit
        )
    """,  # noqa: S608
)
_SINCE = _BOUNDED.format(
    columns=COLUMNS,
    way="ASC",
    least=1,
    picked="SELECT offset, size FROM messages WHERE offset > :after ORDER BY offset LIMIT :limit",
)
_TAIL = _BOUNDED.format(
    columns=COLUMNS,
    way="DESC",
    least=0,
    picked="SELECT offset, size FROM messages WHERE offset <= :upto ORDER BY offset DESC LIMIT :limit",
)
_KNOWN = f"""
    SELECT {COLUMNS} FROM messages WHERE (id, origin) IN (
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:keys)
    )
    """  # noqa: S608
_PLACE = """
    SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages'), 0),
           (SELECT min(offset) FROM messages),
           CAST((SELECT value FROM meta WHERE key = 'indexed') AS INTEGER),
           CAST((SELECT value FROM meta WHERE key = 'tallied') AS INTEGER),
           (SELECT max(offset) FROM keyframes), (SELECT rows FROM keyframes ORDER BY offset DESC LIMIT 1)
    """
# By the index on reply_to, whose rows of one id stand in the log's order; of facts only those that say what expired.
_FATES = """
    SELECT reply_to, who, min(at), expired, for_offset FROM (
        SELECT reply_to, at, topic = :expired AS expired,
               iif(topic = :expired, json_extract(data, '$.origin'), origin) AS who,
               iif(topic = :expired, json_extract(data, '$.offset'), NULL) AS for_offset
          FROM messages INDEXED BY messages_reply_to
         WHERE reply_to IN (SELECT value FROM json_each(:ids)) AND (+topic NOT GLOB '$*' OR +topic = :expired)
         LIMIT :most)
     WHERE who IS NOT NULL
     GROUP BY reply_to, who, for_offset
    """
# What one instance said, with the first answer of each who answered; and what it answered. (:origin, :after, :limit)
_ASKED = """
    SELECT asked.origin, asked.sender, asked."to", asked.topic, asked.at, answer.origin, answer.sender, min(answer.at)
      FROM (SELECT offset, id, origin, sender, "to", topic, at FROM messages INDEXED BY messages_origin
             WHERE origin = :origin AND offset > :after AND offset <= :upto ORDER BY offset DESC LIMIT :limit) asked
      LEFT JOIN messages answer ON answer.reply_to = asked.id AND answer.offset > asked.offset
                               AND answer.offset <= :upto AND +answer.origin NOT IN (0, :origin)
     GROUP BY asked.offset, answer.origin ORDER BY asked.offset DESC LIMIT 10 * :limit
    """
_ANSWERED = """
    SELECT asked.origin, asked.sender, asked."to", asked.topic, asked.at, :origin, answer.sender, min(answer.at)
      FROM (SELECT offset, reply_to, sender, at FROM messages INDEXED BY messages_origin
             WHERE origin = :origin AND offset > :after AND offset <= :upto AND reply_to IS NOT NULL
             ORDER BY offset DESC LIMIT :limit) answer
      JOIN messages asked ON asked.id = answer.reply_to AND asked.offset < answer.offset
                         AND +asked.origin NOT IN (0, :origin)
     GROUP BY asked.offset ORDER BY asked.offset DESC
    """
_OLDEST = """
    SELECT value, (SELECT at FROM messages WHERE topic = value ORDER BY offset LIMIT 1) FROM json_each(:topics)
    """

_NAMED = """
    SELECT DISTINCT json_extract(file.value, '$.sha256') AS sha256
      FROM messages INDEXED BY messages_attachments, json_each(messages.attachments) file
     WHERE messages.attachments IS NOT NULL AND sha256 IN (SELECT value FROM json_each(:hashes))
    """


class History:
    """A Log in one SQLite file. Made by `open()`; `close()` it, or use it in `async with`."""

    def __init__(self, path: Path, opened: Opened, clock: Callable[[], float]) -> None:
        self.path = path
        self.opened = opened
        self.epoch = ""
        self._clock = clock
        self._lock = asyncio.Lock()
        self._head = 0
        self._floor = 1
        self._size = 0  # bytes of all messages kept
        self._indexed = 0  # how far the full-text index has come
        self._merged = -1  # how far it had come when nothing was left to merge in it
        self._full_text = False
        self._tallied = 0  # how far the tallies have come
        self._framed = 0  # the newest keyframe
        self._stride = 0  # how many offsets the next one lies behind it
        self._stale = False  # the seven above are to be read again
        self._whole = True  # the newest write went well: nothing lies in the write-ahead log past what is committed
        self._unsynced: BaseException | None = None  # why the newest checkpoint failed
        self._written = 0  # pages, about, since the write-ahead log was last looked at
        self._wal_index: FileIO | None = None
        self._writer: aiosqlite.Connection
        self._ledger: Ledger  # what it stands on
        self._reader: aiosqlite.Connection
        self._searcher: aiosqlite.Connection
        self._connections: list[aiosqlite.Connection] = []
        self.archive: Archive

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
        self._writer = await self._connection(writer_pragmas(synchronous), self._open_ledger)
        self._full_text = bool(await self._writer.execute_fetchall(fulltext.AVAILABLE))
        if self._full_text:
            await self._writer.execute(fulltext.CREATE)
            await self._merge_eagerly()
        self._reader = await self._connection(READER_PRAGMAS)
        self._searcher = await self._connection(READER_PRAGMAS)
        await self._searcher.create_function("has_words", 2, fulltext.has_words, deterministic=True)
        await self._searcher.create_function("covers", 2, search.covers, deterministic=True)
        await self._searcher.create_function("sees", 4, search.sees, deterministic=True)
        ((self.epoch,),) = await self._writer.execute_fetchall("SELECT value FROM meta WHERE key = 'epoch'")
        self.archive = await asyncio.to_thread(Archive, self.path)
        if (first := await asyncio.to_thread(self.archive.first)) is not None:
            await self._add_keyframe(first)
            await self._writer.commit()
        await self._find_place()
        self._wal_index = FileIO(f"{self.path}-shm", "r+")

    def _open_ledger(self, *how: Any, **more: Any) -> Ledger:
        self._ledger = Ledger(*how, **more)
        return self._ledger

    async def _connection(
        self, pragmas: Iterable[str], factory: Callable[..., sqlite3.Connection] = sqlite3.Connection
    ) -> aiosqlite.Connection:
        db = await aiosqlite.connect(self.path, isolation_level="IMMEDIATE", cached_statements=256, factory=factory)
        self._connections.append(db)
        for pragma in pragmas:
            await db.execute_fetchall(pragma)
        return db

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

    def _close_index(self) -> None:
        """To be called when no connection is left: closing the file gives up all the process's locks on it."""
        if self._wal_index is not None:
            self._wal_index.close()
            self._wal_index = None

    @property
    def indexed(self) -> int | None:
        """See `Log.indexed`."""
        return self._indexed if self._full_text else None

    # Writing

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

    async def trim(self, retention: Retention, now: float) -> Trimmed:
        """See `Log.trim`: one slice of at most TRIM_ROWS rows and, but for its first, TRIM_BYTES bytes."""
        async with self._writing():
            rows = await self._writer.execute_fetchall(
                "SELECT offset, topic, size, at FROM messages WHERE offset < ? ORDER BY offset LIMIT ?",
                (self._head, TRIM_ROWS),
            )
            doomed: dict[int, tuple[str, int]] = {}
            kept, taken, more = self._size, 0, False
            for offset, topic, size, at in rows:
                if not (at < now - retention.age or kept > retention.size):
                    break
                if doomed and taken + size > TRIM_BYTES:
                    more = True
                    break
                doomed[offset] = (topic, size)
                kept, taken = kept - size, taken + size
            more = more or len(doomed) == TRIM_ROWS
            if not more:
                left = TRIM_ROWS - len(doomed)
                old = await self._writer.execute_fetchall(
                    "SELECT offset, size, at FROM messages WHERE topic = ? AND offset < ? AND offset > ?"
                    " ORDER BY offset LIMIT ?",
                    (CURSORS, self._head, max(doomed, default=0), left),
                )
                facts = [(offset, size) for offset, size, at in old if at < now - retention.facts_age]
                doomed |= {offset: (CURSORS, size) for offset, size in facts}
                more = len(facts) == left
            if not doomed:
                return Trimmed(self._floor, [], more=False)
            topics = _by_topic(doomed)
            await self._remove(doomed, topics)
            return Trimmed(self._floor, topics, more)

    async def _remove(self, doomed: dict[int, tuple[str, int]], topics: list[tuple[str, int, int, int]]) -> None:
        offsets = as_json(list(doomed))
        if self._full_text and self._indexed:
            try:
                await self._writer.execute(fulltext.REMOVE, {"offsets": offsets, "indexed": self._indexed})
            except sqlite3.DatabaseError as why:
                await self._renew_index(why)
        await self._keep_trail(doomed)
        await self._writer.execute("DELETE FROM messages WHERE offset IN (SELECT value FROM json_each(?))", (offsets,))
        await self._writer.executemany(
            "INSERT INTO trimmed VALUES (?, ?) ON CONFLICT (topic) DO UPDATE SET upto = max(upto, excluded.upto)",
            [(topic, newest) for topic, _, _, newest in topics],
        )
        ((floor,),) = await self._writer.execute_fetchall("SELECT min(offset) FROM messages")
        await self._forget_before(floor)
        await self._store()
        self._floor = floor
        self._size -= sum(size for _, size in doomed.values())

    async def _keep_trail(self, doomed: dict[int, tuple[str, int]]) -> None:
        """What movements of cursors tell stays when they go."""
        cursors = [offset for offset, (topic, _) in doomed.items() if topic == CURSORS]
        if not cursors:
            return
        facts = await self._writer.execute_fetchall(
            "SELECT offset, at, data FROM messages WHERE offset IN (SELECT value FROM json_each(?)) ORDER BY offset",
            (as_json(cursors),),
        )
        told = [(offset, at, json.decode(data)["moved"]) for offset, at, data in facts]
        await self._writer.executemany(
            "INSERT OR REPLACE INTO trail (offset, origin, at, received, read, lost) VALUES (?, ?, ?, ?, ?, ?)",
            trail(told, cursors[-1] - cursors[0] + 1),
        )

    async def _forget_before(self, floor: int) -> None:
        """Nothing is folded onto a keyframe after which something is missing; one from there on is never wanting."""
        if self._framed < floor - 1:
            await self._add_keyframe(await asyncio.to_thread(self.archive.keyframe, self._head))
        await self._writer.execute("DELETE FROM keyframes WHERE offset < ?", (floor - 1,))
        await self._writer.execute("DELETE FROM trail WHERE offset <= (SELECT min(offset) FROM keyframes)")

    async def _add_keyframe(self, frame: Keyframe) -> None:
        await self._writer.execute("INSERT OR REPLACE INTO keyframes VALUES (?, ?, ?, ?, ?)", frame)
        self._framed, self._stride = frame.offset, stride(frame.rows)

    async def frame_slice(self) -> bool:
        """Make the next keyframe, if it is time; returns whether there is another. Raises StorageFailed."""
        async with self._writing():
            upto = await self._begin(self._framed) + self._stride
            if upto > self._head:
                return False
            await self._add_keyframe(await asyncio.to_thread(self.archive.keyframe, upto))
            await self._store()
            return self._framed + self._stride <= self._head

    async def index_slice(self) -> bool:
        """Take some more messages into the full-text index; returns whether there are more. Raises StorageFailed."""
        async with self._writing():
            if not self._full_text or self._indexed >= self._head:
                return False
            try:
                return await self._index()
            except sqlite3.DatabaseError as why:
                return await self._renew_index(why)

    async def merge_slice(self) -> bool:
        """Merge some more of the full-text index's segments; returns whether there may be more. Raises StorageFailed.

        A search looks into each of them: without merging it takes the longer, the more slices there were.
        """
        async with self._writing():
            if not self._full_text or self._merged == self._indexed:
                return False
            before = self._writer.total_changes
            try:
                await self._writer.execute(fulltext.MERGE, {"pages": MERGE_PAGES})
                more = self._writer.total_changes - before >= 2
                await self._store()
            except sqlite3.DatabaseError as why:
                return await self._renew_index(why)
            self._merged = -1 if more else self._indexed
            return more

    async def _merge_eagerly(self) -> None:
        with suppress(*FAILURES):  # a damaged index is met, and made anew, where it is written
            if not await self._writer.execute_fetchall(fulltext.MERGES_TWO):
                await self._writer.execute(fulltext.MERGE_TWO)
                await self._writer.commit()

    async def _renew_index(self, why: sqlite3.DatabaseError) -> bool:
        """Make a damaged index anew; if it cannot even be dropped, do without it. Raises `why` if it is not damage."""
        if not is_damage(why):
            raise why
        log.error("The full-text index of %s is damaged (%s); it is made anew.", self.path, why)
        try:
            await self._writer.rollback()
            await self._writer.execute("UPDATE meta SET value = '0' WHERE key = 'indexed'")
            await self._writer.execute(fulltext.DROP)
            await self._writer.execute(fulltext.CREATE)
            await self._writer.execute(fulltext.MERGE_TWO)
            await self._store()
        except sqlite3.DatabaseError as stuck:
            if not is_damage(stuck):
                raise
            await self._writer.rollback()
            self._full_text = False
            log.error("It cannot be removed (%s): searches read the messages themselves, which is slower.", stuck)  # noqa: TRY400
        self._indexed = 0
        return self._full_text

    async def _index(self) -> bool:
        after = self._indexed
        ((upto, _),) = await self._writer.execute_fetchall(
            fulltext.NEXT_SLICE, {"after": after, "rows": INDEX_ROWS, "bytes": INDEX_BYTES}
        )
        upto = upto or self._head
        await self._writer.execute(fulltext.ADD, {"after": after, "upto": upto})
        await self._writer.execute("UPDATE meta SET value = ? WHERE key = 'indexed'", (str(upto),))
        await self._store()
        self._indexed = upto
        return upto < self._head

    async def tally_slice(self) -> bool:
        """Tally one more slice of the log; returns whether there is another. Raises StorageFailed."""
        async with self._writing():
            after = await self._next_tally()
            upto = after + tally.SLICE
            if upto > self._head:
                return False
            for sql in tally.ADD:
                await self._writer.execute(sql, {"after": after, "upto": upto})
            await self._writer.execute(tally.FORGET, {"floor": self._floor})
            await self._writer.execute("INSERT OR REPLACE INTO meta VALUES ('tallied', ?)", (str(upto),))
            await self._store()
            self._tallied = upto
            return upto + tally.SLICE <= self._head

    async def _next_tally(self) -> int:
        """Where the next slice begins: stretches of offsets that nobody has, as a restore leaves, are passed over."""
        return max(self._tallied, await self._begin(self._tallied) // tally.SLICE * tally.SLICE)

    async def _begin(self, after: int) -> int:
        """The last offset that nobody has, past one that somebody may have."""
        ((following,),) = await self._writer.execute_fetchall(
            "SELECT min(offset) FROM messages WHERE offset > ?", (after,)
        )
        return (following or self._head + 1) - 1

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

    def _be_open(self) -> None:
        if not self._connections:
            raise StorageFailed(f"{self.path} is closed.", "The hub is shutting down.")

    async def _find_place(self) -> None:
        ((self._head, floor, self._indexed, tallied, framed, rows),) = await self._writer.execute_fetchall(_PLACE)
        self._floor = self._head + 1 if floor is None else floor
        self._tallied = tallied or 0
        self._framed, self._stride = framed or 0, stride(rows or 0)
        topics = await self._writer.execute_fetchall(stocks(self._head - self._floor), {"upto": self._head})
        self._size = sum(size for _, _, size, _ in topics)
        self._stale = False

    # Reading

    async def load(self) -> State:
        """See `Log.load`. All of it is of one moment."""
        self._be_open()
        async with self._failing():
            return await asyncio.to_thread(self._load)

    def _load(self) -> State:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            for pragma in READER_PRAGMAS:
                db.execute(pragma)
            db.execute("BEGIN")
            return load(db, epoch=self.epoch, now=self._clock())

    @property
    def head(self) -> int:
        """The newest offset."""
        return self._head

    async def ask(self, question: Callable[..., Answer], *what: Any) -> Answer:
        """What the archive answers, in a thread. Raises StorageFailed, and what it raises itself."""
        self._be_open()
        async with self._failing():
            return await asyncio.to_thread(question, *what)

    async def tail(self, count: int, size: int, upto: int = END) -> list[Message]:
        """See `Log.tail`."""
        return await self._messages(self._reader, _TAIL, {"limit": count, "size": size, "upto": upto})

    async def read(self, spans: Sequence[Span], limit: int, size: int) -> list[Message]:
        """See `Log.read`. Each span costs at most `limit` steps in its topic's index."""
        return await self._messages(self._reader, _READ, {"spans": as_json(spans), "limit": limit, "size": size})

    async def since(self, after: int, limit: int, size: int) -> list[Message]:
        """See `Log.since`."""
        return await self._messages(self._reader, _SINCE, {"after": after, "limit": limit, "size": size})

    async def count(self, spans: Sequence[Span], besides: int, now: float) -> int:
        """See `Log.count`. It costs the same however long the spans are, but for what expires in them."""
        async with self._failing():
            ((count,),) = await self._searcher.execute_fetchall(
                tally.COUNT, {"spans": as_json(tally.apart(spans)), "besides": besides, "now": now}
            )
            return int(count)

    async def search(self, wanted: Search) -> list[Message]:
        """See `Log.search`. A text without a single letter or digit is found nowhere."""
        if wanted.text is None:
            return await self._messages(self._searcher, *search.by_index(wanted))
        words = list(dict.fromkeys(fulltext.words(wanted.text)))
        if not words:
            return []
        indexed = self._indexed if self._full_text else 0
        parts = [search.by_scan(wanted, words, indexed)]
        if indexed:
            parts.insert(0 if wanted.forward else 1, search.by_full_text(wanted, words, indexed))
        found: list[Message] = []
        try:
            for part in parts:
                if len(found) < wanted.limit:
                    found += await self._messages(self._searcher, *part)
        except StorageFailed as why:
            if not indexed:
                raise
            log.warning("The full-text index could not be read (%s); all messages are searched.", why.__cause__)
            found = await self._messages(self._searcher, *search.by_scan(wanted, words, 0))
        return found[: wanted.limit]

    async def find(self, *ids: str) -> list[Message]:
        """See `Log.find`."""
        sql = f"SELECT {COLUMNS} FROM messages WHERE id IN (SELECT value FROM json_each(?)) ORDER BY offset"  # noqa: S608
        return await self._messages(self._searcher, sql, (as_json(ids),))

    async def fates(self, ids: Collection[str]) -> list[Fate]:
        """See `Log.fates`."""
        async with self._failing():
            rows = await self._searcher.execute_fetchall(
                _FATES, {"ids": as_json(list(ids)), "expired": EXPIRED, "most": FATES}
            )
            return [Fate(named, origin, at, bool(expired), offset) for named, origin, at, expired, offset in rows]

    async def exchanges(self, origin: int, after: int, limit: int, upto: int = END) -> list[Exchange]:
        """See `Log.exchanges`."""
        parameters = {"origin": origin, "after": after, "upto": upto, "limit": limit}
        async with self._failing():
            return [
                Exchange(*row)
                for sql in (_ASKED, _ANSWERED)
                for row in await self._searcher.execute_fetchall(sql, parameters)
            ]

    async def oldest(self, topics: Collection[str]) -> dict[str, float]:
        """See `Log.oldest`."""
        async with self._failing():
            rows = await self._searcher.execute_fetchall(_OLDEST, {"topics": as_json(list(topics))})
            return {topic: at for topic, at in rows if at is not None}

    async def ages(self, after: int, limit: int) -> list[Age]:
        """See `Log.ages`."""
        async with self._failing():
            rows = await self._searcher.execute_fetchall(
                "SELECT offset, at, size FROM messages WHERE offset > ? ORDER BY offset LIMIT ?", (after, limit)
            )
            return [Age(*row) for row in rows]

    async def named(self, hashes: Collection[str]) -> set[str]:
        """Which of these hashes attachments of messages have. Raises StorageFailed."""
        async with self._failing():
            return {
                found for (found,) in await self._searcher.execute_fetchall(_NAMED, {"hashes": as_json(list(hashes))})
            }

    async def tokens(self) -> list[TokenRow]:
        """All tokens, oldest first. Raises StorageFailed."""
        async with self._failing():
            rows = await self._reader.execute_fetchall(
                "SELECT id, hash, name, scopes, created_at, expires_at, last_used, note"
                " FROM tokens ORDER BY created_at, id"
            )
            return [
                TokenRow(
                    id=token_id,
                    hash=digest,
                    name=name,
                    scopes=tuple(scopes.split()),
                    created_at=created_at,
                    expires_at=expires_at,
                    last_used=last_used,
                    note=note,
                )
                for token_id, digest, name, scopes, created_at, expires_at, last_used, note in rows
            ]

    async def sessions(self, now: float) -> list[SessionRow]:
        """The sessions of the old protocol that hold. Raises StorageFailed."""
        async with self._failing():
            rows = await self._reader.execute_fetchall(
                "SELECT hash, origin, created_at, expires_at FROM legacy_sessions WHERE expires_at > ?", (now,)
            )
            return [
                SessionRow(hash=digest, origin=origin, created_at=created_at, expires_at=expires_at)
                for digest, origin, created_at, expires_at in rows
            ]

    async def _messages(self, db: aiosqlite.Connection, sql: str, parameters: Any) -> list[Message]:
        async with self._failing():
            return [message_of(row) for row in await db.execute_fetchall(sql, parameters)]

    @asynccontextmanager
    async def _failing(self) -> AsyncIterator[None]:
        try:
            yield
        except FAILURES as why:
            raise storage_failed(why, self.path) from why


def _by_topic(rows: dict[int, tuple[str, int]]) -> list[tuple[str, int, int, int]]:
    """Rows by offset as (topic, messages, bytes, newest offset)."""
    topics: dict[str, tuple[int, int, int]] = {}
    for offset, (topic, size) in rows.items():
        messages, together, newest = topics.get(topic, (0, 0, 0))
        topics[topic] = (messages + 1, together + size, max(newest, offset))
    return [(topic, *sums) for topic, sums in topics.items()]
