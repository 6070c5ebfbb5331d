"""What a Log answers, on two connections that only read: one for what sessions wait for, one for searches, which may
take their time."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from hub import fulltext, search, tally
from hub.archive import Archive
from hub.database import FAILURES, READER_PRAGMAS, storage_failed
from hub.errors import StorageFailed
from hub.fold import EXPIRED, State
from hub.loading import IN_SPAN, as_json, load
from hub.log import END, Age, Exchange, Fate, Search, Span
from hub.message import Message
from hub.tables import COLUMNS, SessionRow, TokenRow, message_of

FATES = 10_000  # replies looked through for what became of a page of messages

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


class Reader:
    """The part of `hub.history.History` that changes nothing: see `hub.log.Readable`."""

    _reader: aiosqlite.Connection
    _searcher: aiosqlite.Connection
    archive: Archive

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self.path = path
        self.epoch = ""
        self._clock = clock
        self._connections: list[aiosqlite.Connection] = []
        self._head = 0
        self._indexed = 0  # how far the full-text index has come
        self._full_text = False

    async def _connection(
        self, pragmas: Iterable[str], factory: Callable[..., sqlite3.Connection] = sqlite3.Connection
    ) -> aiosqlite.Connection:
        db = await aiosqlite.connect(self.path, isolation_level="IMMEDIATE", cached_statements=256, factory=factory)
        self._connections.append(db)
        for pragma in pragmas:
            await db.execute_fetchall(pragma)
        return db

    async def _connect_readers(self) -> None:
        self._reader = await self._connection(READER_PRAGMAS)
        self._searcher = await self._connection(READER_PRAGMAS)
        await self._searcher.create_function("has_words", 2, fulltext.has_words, deterministic=True)
        await self._searcher.create_function("covers", 2, search.covers, deterministic=True)
        await self._searcher.create_function("sees", 4, search.sees, deterministic=True)

    def _be_open(self) -> None:
        if not self._connections:
            raise StorageFailed(f"{self.path} is closed.", "The hub is shutting down.")

    @property
    def indexed(self) -> int | None:
        """See `Log.indexed`."""
        return self._indexed if self._full_text else None

    @property
    def head(self) -> int:
        """The newest offset."""
        return self._head

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
