"""What is done behind the head, in slices between the batches: retention, and everything made from the messages.

A slice holds up whoever publishes, so each is short. The full-text index, the tallies and the keyframes may be missing
or old: whoever uses them looks through what they do not have yet.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import json

from hub import fulltext, tally
from hub.archive import Archive, Keyframe, stride, trail
from hub.database import FAILURES, is_damage
from hub.fold import CURSORS
from hub.loading import as_json, stocks
from hub.log import Retention, Trimmed
from hub.writer import Writer

TRIM_ROWS = 500  # one slice of trimming: it holds up waiting drafts, so it must be short
TRIM_BYTES = 4 * 2**20
INDEX_ROWS = 500
INDEX_BYTES = 2**20
MERGE_PAGES = 16  # of the full-text index, in one slice of its merging

log = logging.getLogger(__name__)

_PLACE = """
    SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages'), 0),
           (SELECT min(offset) FROM messages),
           CAST((SELECT value FROM meta WHERE key = 'indexed') AS INTEGER),
           CAST((SELECT value FROM meta WHERE key = 'tallied') AS INTEGER),
           (SELECT max(offset) FROM keyframes), (SELECT rows FROM keyframes ORDER BY offset DESC LIMIT 1)
    """


class Upkeep(Writer):
    """The slices. Each returns whether there is another one to do, and raises StorageFailed."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        super().__init__(path, clock)
        self._floor = 1
        self._size = 0  # bytes of all messages kept
        self._merged = -1  # how far the full-text index had come when nothing was left to merge in it
        self._tallied = 0  # how far the tallies have come
        self._framed = 0  # the newest keyframe
        self._stride = 0  # how many offsets the next one lies behind it

    async def _connect_upkeep(self) -> None:
        self._full_text = bool(await self._writer.execute_fetchall(fulltext.AVAILABLE))
        if self._full_text:
            await self._writer.execute(fulltext.CREATE)
            await self._merge_eagerly()

    async def _connect_archive(self) -> None:
        self.archive = await asyncio.to_thread(Archive, self.path)
        if (first := await asyncio.to_thread(self.archive.first)) is not None:
            await self._add_keyframe(first)
            await self._writer.commit()

    async def _find_place(self) -> None:
        ((self._head, floor, self._indexed, tallied, framed, rows),) = await self._writer.execute_fetchall(_PLACE)
        self._floor = self._head + 1 if floor is None else floor
        self._tallied = tallied or 0
        self._framed, self._stride = framed or 0, stride(rows or 0)
        topics = await self._writer.execute_fetchall(stocks(self._head - self._floor), {"upto": self._head})
        self._size = sum(size for _, _, size, _ in topics)
        self._stale = False

    # Retention

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

    # Keyframes

    async def frame_slice(self) -> bool:
        """Make the next keyframe, if it is time; returns whether there is another. Raises StorageFailed."""
        async with self._writing():
            upto = await self._begin(self._framed) + self._stride
            if upto > self._head:
                return False
            await self._add_keyframe(await asyncio.to_thread(self.archive.keyframe, upto))
            await self._store()
            return self._framed + self._stride <= self._head

    async def _add_keyframe(self, frame: Keyframe) -> None:
        await self._writer.execute("INSERT OR REPLACE INTO keyframes VALUES (?, ?, ?, ?, ?)", frame)
        self._framed, self._stride = frame.offset, stride(frame.rows)

    # The full-text index

    async def index_slice(self) -> bool:
        """Take some more messages into the full-text index; returns whether there are more. Raises StorageFailed."""
        async with self._writing():
            if not self._full_text or self._indexed >= self._head:
                return False
            try:
                return await self._index()
            except sqlite3.DatabaseError as why:
                return await self._renew_index(why)

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

    # Tallies

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


def _by_topic(rows: dict[int, tuple[str, int]]) -> list[tuple[str, int, int, int]]:
    """Rows by offset as (topic, messages, bytes, newest offset)."""
    topics: dict[str, tuple[int, int, int]] = {}
    for offset, (topic, size) in rows.items():
        messages, together, newest = topics.get(topic, (0, 0, 0))
        topics[topic] = (messages + 1, together + size, max(newest, offset))
    return [(topic, *sums) for topic, sums in topics.items()]
