"""The tables: documented, migrated whole or not at all, and views that say what the hub says."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hub import fulltext, schema
from hub.errors import NewerDatabase
from hub.fold import State
from hub.message import Draft, Message
from hub.registry import Registry
from hub.schema import APPLICATION_ID, MIGRATIONS, VERSION, Migration, migrate, version_of
from hub.tables import INSERT, folding, row_of
from hub.topic import is_open, matches
from tests.hub.memory_log import draft, fact

DOCUMENT = Path(__file__).parents[2] / "docs" / "database.md"


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db)
        yield db


def columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]


def sections() -> dict[str, str]:
    """What the document says under each heading that names a table or view."""
    parts = re.split(r"^### `(\w+)`$", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        name: re.split(r"^## ", text, flags=re.MULTILINE)[0]
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_every_table_column_and_view_is_documented(db: sqlite3.Connection) -> None:
    db.execute(fulltext.CREATE)
    names = [
        row[0]
        for row in db.execute(
            "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')"
            " AND name NOT GLOB 'sqlite_*' AND name NOT GLOB 'full_text_*'"
        )
    ]
    documented = sections()
    assert sorted(names) == sorted(documented)
    for name in names:
        rows = re.findall(r"^\| `(\w+)` \|", documented[name], flags=re.MULTILINE)
        assert rows == columns(db, name), name
    shadows = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE name GLOB 'full_text_*'")]
    assert all(f"`{name}`" in documented["full_text"] for name in shadows)


def test_the_documents_queries_run(db: sqlite3.Connection) -> None:
    db.execute(fulltext.CREATE)
    ran = 0
    for block in re.findall(
        r"^```sql\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    ):
        for statement in re.sub(r"--.*", "", block).split(";"):
            if statement.strip():
                db.execute(statement).fetchall()
                ran += 1
    assert ran >= 7


# Migrations

FIRST = Migration("first", ("CREATE TABLE one (x)", "INSERT INTO one VALUES (1)"))
SECOND = Migration("second", ("CREATE TABLE two (y)", "ALTER TABLE one ADD COLUMN z"))
BROKEN = Migration("broken", ("CREATE TABLE three (z)", "INSERT INTO nowhere VALUES (1)"))


def empty() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def test_a_new_database_says_whose_it_is_and_of_which_version(db: sqlite3.Connection) -> None:
    assert db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    assert version_of(db) == VERSION == len(MIGRATIONS)
    assert db.execute("SELECT version, name FROM migrations").fetchall() == [
        (number, each.name) for number, each in enumerate(MIGRATIONS, start=1)
    ]


def test_only_the_steps_that_are_missing_are_taken() -> None:
    with closing(empty()) as db:
        assert migrate(db, migrations=(FIRST,), clock=lambda: 5.0) == ["first"]
        assert migrate(db, migrations=(FIRST, SECOND), clock=lambda: 6.0) == ["second"]
        assert migrate(db, migrations=(FIRST, SECOND)) == []
        assert db.execute("SELECT * FROM migrations").fetchall() == [(1, 5.0, "first"), (2, 6.0, "second")]
        assert db.execute("SELECT * FROM one").fetchall() == [(1, None)]


def test_a_newer_database_is_refused_and_left_alone() -> None:
    with closing(empty()) as db:
        migrate(db, migrations=(FIRST, SECOND))
        with pytest.raises(NewerDatabase, match="version 2") as why:
            migrate(db, migrations=(FIRST,))
        assert why.value.hint
        assert version_of(db) == 2


def test_a_step_that_fails_leaves_the_old_version() -> None:
    with closing(empty()) as db:
        migrate(db, migrations=(FIRST,))
        with pytest.raises(sqlite3.OperationalError):
            migrate(db, migrations=(FIRST, SECOND, BROKEN))
        assert version_of(db) == 2  # what was whole stays
        assert not db.in_transaction
        names = {row[0] for row in db.execute("SELECT name FROM sqlite_schema")}
        assert "two" in names
        assert "three" not in names
        assert db.execute("SELECT max(version) FROM migrations").fetchone() == (2,)


def test_a_step_that_is_killed_leaves_the_old_version(tmp_path: Path) -> None:
    path = tmp_path / "half.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        migrate(db, migrations=(FIRST,))
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sqlite3, sys\n"
            "from hub.schema import Migration, migrate\n"
            "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "db.create_function('die', 0, lambda: os._exit(9))\n"
            "steps = ('CREATE TABLE two (y)', 'INSERT INTO two VALUES (1)', 'SELECT die()')\n"
            "migrate(db, migrations=(Migration('first', ()), Migration('second', steps)))\n",
            str(path),
        ],
        cwd=Path(schema.__file__).parents[1],
        check=False,
        timeout=30,
    )
    assert killed.returncode == 9
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        assert version_of(db) == 1
        assert "two" not in {row[0] for row in db.execute("SELECT name FROM sqlite_schema")}
        assert migrate(db, migrations=(FIRST, SECOND)) == ["second"]


# Views


def store(db: sqlite3.Connection, drafts: list[Draft]) -> list[Message]:
    messages = [Message.of(each, number) for number, each in enumerate(drafts, start=1)]
    for message in messages:
        db.execute(INSERT, row_of(message))
        for sql, parameters in folding([message]):
            db.executemany(sql, parameters)
    return messages


PATTERNS = ["a", "a.b", "*", "*.*", "*.b", "a.*", "a.*.c", "a.>", "*.>", ">", "a.*.>", "*.b.>", "a.*.c.>", "a.b.c.>"]
TOPICS = [
    "a",
    "b",
    "a.b",
    "x.b",
    "a.b.c",
    "a.x.c",
    "a.x.y",
    "a.x.y.c",
    "a.b.c.d",
    "a.x.y.c.z",
    "a-b",
    "a_.b",
    "aa.bb.cc.dd",
]
CLOSED = ["all", "inbox.a", "$hub.started", "$cursors"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_wildcards_in_the_view_are_the_hubs_wildcards(db: sqlite3.Connection, pattern: str) -> None:
    store(
        db,
        [
            fact(1, "$instance.registered", name="alice"),
            fact(2, "$subscription.added", origin=1, name="alice", topic=pattern),
            *(
                draft(number, topic=topic, origin=99, data={"moved": [], "name": "b", "version": ""})
                for number, topic in enumerate([*TOPICS, *CLOSED], start=3)
                if topic != "$hub.started"
            ),
        ],
    )
    heard = {row[0] for row in db.execute("SELECT topic FROM unread WHERE topic <> 'all'")}
    assert heard == {topic for topic in TOPICS if is_open(topic) and matches(pattern, topic)}
    assert db.execute("SELECT count(*) FROM unread WHERE topic = 'all'").fetchone() == (1,)


def test_the_views_show_what_the_hub_counts(db: sqlite3.Connection) -> None:
    story = [
        draft(1, topic="inbox.alice", body="before you came"),
        draft(2, topic="all", body="before anybody came"),
        fact(3, "$instance.registered", name="Alice"),
        fact(4, "$instance.registered", name="bob"),
        fact(5, "$subscription.added", origin=3, name="Alice", topic="build.>"),
        fact(6, "$subscription.added", origin=3, name="Alice", topic="build.linux"),
        draft(7, topic="build.linux", origin=4, body="x" * 100),
        draft(8, topic="build.linux", origin=3, body="her own"),
        draft(9, topic="all", origin=4, sender="bob", body="from bob"),
        draft(10, topic="inbox.alice", origin=4, expires_at=1.0, body="expired"),
        draft(11, topic="inbox.bob", origin=3, body="read by bob"),
        fact(12, "$cursors", moved=[{"origin": 4, "name": "bob", "received": 11, "read": 11}]),
        fact(13, "$instance.renamed", origin=3, old="Alice", name="Anna", forwards_until=2e9),
        draft(14, topic="inbox.alice", origin=4, body="forwarded"),
        draft(15, topic="inbox.anna", origin=4, body="direct"),
        fact(16, "$instance.forgot", name="Alice"),
        draft(17, topic="inbox.alice", origin=4, body="for the next alice"),
        draft(18, topic="build", origin=4, body="not below build"),
    ]
    messages = store(db, story)
    unread = db.execute("SELECT instance, offset FROM unread ORDER BY instance, offset").fetchall()
    assert unread == [("Anna", offset) for offset in (1, 7, 9, 14, 15)]
    registry = Registry(
        State(epoch="", head=0, floor=1, instances=[], holdings=[], subscriptions=[], topics=[], waiting=[])
    )
    for message in messages:
        registry.apply(message)
    counted = [
        (instance.name, message.offset)
        for instance in registry.instances.values()
        for message in messages
        if instance in registry.recipients(message) and message.offset > instance.read and not message.expired(2e9)
    ]
    assert sorted(counted) == unread
    assert db.execute("SELECT * FROM queues ORDER BY instance").fetchall() == [
        ("Anna", 5, "2023-11-14T22:13:21.000Z"),
        ("bob", 0, None),
    ]
    row = db.execute('SELECT at, "from", topic, preview FROM unread WHERE offset = 7').fetchone()
    assert row == ("2023-11-14T22:13:27.000Z", "bob", "build.linux", "x" * 80)


def test_the_conversation_is_readable_and_without_what_the_hub_tells(db: sqlite3.Connection) -> None:
    store(db, [draft(1, thread="t", reply_to="r"), fact(2, "$hub.stopped", reason="")])
    assert db.execute("SELECT * FROM conversation").fetchall() == [
        (1, "2023-11-14T22:13:21.000Z", "bob", "#build", "t", "r", "id-1", "message 1")
    ]


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (
            "SELECT topic, count(*), sum(size), max(offset) FROM messages GROUP BY topic",
            "COVERING INDEX messages_topic",
        ),
        (
            "SELECT offset, size FROM messages WHERE topic = ? AND offset > ? ORDER BY offset",
            "COVERING INDEX messages_topic",
        ),
        ("SELECT offset FROM messages WHERE thread = ? AND offset < ? ORDER BY offset DESC", "INDEX messages_thread"),
        ("SELECT offset FROM messages WHERE reply_to = ? ORDER BY offset DESC", "INDEX messages_reply_to"),
        ("SELECT offset FROM messages WHERE origin = ? AND offset < ? ORDER BY offset DESC", "INDEX messages_origin"),
        ("SELECT * FROM messages WHERE id = ? AND origin = ?", "INDEX messages_id"),
    ],
)
def test_each_index_pays(db: sqlite3.Connection, sql: str, index: str) -> None:
    (plan,) = db.execute(f"EXPLAIN QUERY PLAN {sql}", (1,) * sql.count("?")).fetchall()
    assert index in plan[3]
