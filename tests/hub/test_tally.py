"""Counting by tallies is counting one by one, wherever slices, spans and trimming begin and end."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import tally
from hub.log import Span
from hub.message import Message
from hub.schema import migrate
from hub.tables import INSERT, row_of
from tests.hub.core import NOW, message

TOPICS = ["all", "build", "inbox.alice", "$cursors"]
SPEAKERS = [1, 2]
LONG = 40

said = st.lists(
    st.tuples(st.sampled_from(TOPICS), st.sampled_from(SPEAKERS), st.sampled_from([None, None, NOW - 1, NOW + 1])),
    max_size=LONG,
)
spans = st.lists(st.builds(Span, st.sampled_from(TOPICS), st.integers(0, LONG), st.integers(0, LONG)), max_size=4)


def stored(db: sqlite3.Connection, story: list[tuple[str, int, float | None]]) -> list[Message]:
    messages = [
        message(offset, topic, origin=origin, expires_at=expires_at, size=100 + offset)
        for offset, (topic, origin, expires_at) in enumerate(story, 1)
    ]
    db.executemany(INSERT, map(row_of, messages))
    return messages


def tallied(db: sqlite3.Connection, head: int, length: int, floor: int = 0) -> None:
    """Make all whole slices."""
    for after in range(0, head - length + 1, length):
        for sql in tally.ADD:
            db.execute(sql, {"after": after, "upto": after + length})
        db.execute(tally.FORGET, {"floor": floor})


@given(
    story=said,
    asked=spans,
    besides=st.sampled_from([*SPEAKERS, 3]),
    slice=st.integers(1, 12),
    gone=st.integers(0, LONG),
)
@settings(deadline=None, max_examples=40)
@pytest.mark.parametrize("trimmed", ["before", "after", "between"])
def test_counting_is_looking_at_each(
    trimmed: str,
    story: list[tuple[str, int, float | None]],
    asked: list[Span],
    besides: int,
    slice: int,
    gone: int,
) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db)
        messages = stored(db, story)
        if trimmed == "before":
            db.execute("DELETE FROM messages WHERE offset <= ?", (gone,))
        tallied(db, len(messages), slice, gone if trimmed == "between" else 0)
        if trimmed != "before":
            db.execute("DELETE FROM messages WHERE offset <= ?", (gone,))
        kept = [each for each in messages if each.offset > gone]
        expected = sum(
            any(each.topic == span.topic and span.after < each.offset <= span.upto for span in asked)
            and not each.expired(NOW)
            and (each.origin != besides or each.topic.startswith("inbox."))
            for each in kept
        )
        wanted = {"spans": json.dumps(tally.apart(asked)), "besides": besides, "now": NOW}
        ((count,),) = db.execute(tally.COUNT, wanted).fetchall()
        assert count == expected
        stocks = {
            topic: (len(mine), sum(each.size for each in mine), mine[-1].offset)
            for topic in TOPICS
            if (mine := [each for each in kept if each.topic == topic])
        }
        assert {topic: tuple(rest) for topic, *rest in db.execute(tally.TOPICS, {"upto": 10_000})} == stocks


def test_a_long_stretch_costs_no_more_than_a_short_one() -> None:
    """Steps of SQLite's machine are counted, not seconds."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db)
        stored(db, [("all", number % 3, None) for number in range(20_000)])
        tallied(db, 20_000, 500)
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        def cost(after: int) -> int:
            nonlocal steps
            steps = 0
            db.set_progress_handler(count, 100)
            asked = json.dumps([("all", after, 19_999)])
            ((found,),) = db.execute(tally.COUNT, {"spans": asked, "besides": 1, "now": NOW}).fetchall()
            db.set_progress_handler(None, 0)
            assert found == sum(1 for offset in range(after + 1, 20_000) if (offset - 1) % 3 != 1)
            return steps

        assert cost(250) < 1.5 * cost(18_250)
