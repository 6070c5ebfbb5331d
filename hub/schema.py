"""The database's tables, and how an older one becomes the present one.

docs/database.md explains every table, column and view; a test holds it to that. `PRAGMA user_version` is the schema's
version. A migration and the record of it are one transaction: a database is always wholly of one version.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hub.errors import NewerDatabase
from hub.tables import FIRST_COLUMNS, checksum

APPLICATION_ID = 0x48756262  # "Hubb" in ASCII: what `file` and others tell a SQLite database's owner by


class Migration(NamedTuple):
    """One step from the version before it. What it runs must not commit."""

    name: str
    statements: Sequence[str]


_INSTANCES = (
    """
    CREATE TABLE instances (
        origin        INTEGER PRIMARY KEY,
        name          TEXT NOT NULL,
        registered_at REAL NOT NULL,
        last_seen     REAL NOT NULL,
        received      INTEGER NOT NULL,
        read          INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE holdings (
        key            TEXT NOT NULL,
        name           TEXT NOT NULL,
        origin         INTEGER NOT NULL,
        since          INTEGER NOT NULL,
        until          INTEGER,
        forwards_until REAL
    ) STRICT
    """,
    "CREATE INDEX holdings_key ON holdings (key)",
    """
    CREATE TABLE subscriptions (
        origin  INTEGER NOT NULL,
        pattern TEXT NOT NULL,
        since   INTEGER NOT NULL,
        PRIMARY KEY (origin, pattern)
    ) STRICT, WITHOUT ROWID
    """,
)
# The big columns stand last: a row's head is then read without the pages that its body fills.
_TABLES = (
    """
    CREATE TABLE meta (
        key   TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE messages (
        offset      INTEGER PRIMARY KEY AUTOINCREMENT,
        id          TEXT NOT NULL,
        origin      INTEGER NOT NULL,
        sender      TEXT NOT NULL,
        "to"        TEXT NOT NULL,
        topic       TEXT NOT NULL,
        thread      TEXT,
        reply_to    TEXT,
        at          REAL NOT NULL,
        expires_at  REAL,
        size        INTEGER NOT NULL,
        body        TEXT NOT NULL,
        data        TEXT,
        attachments TEXT
    ) STRICT
    """,
    "CREATE UNIQUE INDEX messages_id ON messages (id, origin)",
    "CREATE INDEX messages_topic ON messages (topic, offset, size)",
    "CREATE INDEX messages_origin ON messages (origin)",
    "CREATE INDEX messages_thread ON messages (thread) WHERE thread IS NOT NULL",
    "CREATE INDEX messages_reply_to ON messages (reply_to) WHERE reply_to IS NOT NULL",
    """
    CREATE TABLE trimmed (
        topic TEXT PRIMARY KEY,
        upto  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    *_INSTANCES,
    """
    CREATE TABLE tokens (
        id         TEXT PRIMARY KEY,
        hash       TEXT NOT NULL,
        name       TEXT,
        scopes     TEXT NOT NULL,
        created_at REAL NOT NULL,
        expires_at REAL,
        last_used  REAL,
        note       TEXT
    ) STRICT, WITHOUT ROWID
    """,
)

_READABLE = "strftime('%Y-%m-%dT%H:%M:%fZ', {}, 'unixepoch')"
_ALIVE = "(m.expires_at IS NULL OR m.expires_at > (julianday('now') - 2440587.5) * 86400.0)"

# A pattern is matched against the beginnings of each topic that wildcards reach, by GLOB. A GLOB's * would also run
# over dots; but beginning and pattern have the same number of words and no word is empty, so it never does.
_UNREAD = f"""
    CREATE VIEW unread AS
    WITH RECURSIVE
    known (topic) AS (
        SELECT min(topic) FROM messages
        UNION ALL
        SELECT (SELECT min(topic) FROM messages WHERE topic > known.topic) FROM known WHERE known.topic IS NOT NULL
    ),
    beginnings (topic, words, head, rest) AS (
        SELECT topic, 0, '', topic || '.' FROM known
         WHERE topic IS NOT NULL AND topic <> 'all' AND topic NOT GLOB 'inbox.*' AND topic NOT GLOB '$*'
        UNION ALL
        SELECT topic, words + 1,
               CASE words WHEN 0 THEN '' ELSE head || '.' END || substr(rest, 1, instr(rest, '.') - 1),
               substr(rest, instr(rest, '.') + 1)
          FROM beginnings WHERE rest <> ''
    ),
    wanted (origin, since, more, glob) AS (
        SELECT origin, since, pattern = '>' OR pattern GLOB '*.>', rtrim(rtrim(pattern, '>'), '.') FROM subscriptions
    ),
    heard (origin, topic, since) AS (
        SELECT wanted.origin, beginnings.topic, min(wanted.since)
          FROM wanted JOIN beginnings
            ON beginnings.head GLOB wanted.glob
           AND (beginnings.rest <> '') = wanted.more
           AND beginnings.words = CASE wanted.glob WHEN '' THEN 0
               ELSE 1 + length(wanted.glob) - length(replace(wanted.glob, '.', '')) END
         GROUP BY wanted.origin, beginnings.topic
        UNION ALL
        SELECT origin, 'all', origin FROM instances
    )
    SELECT i.name AS instance, m.topic AS topic, m.offset AS offset, {_READABLE.format("m.at")} AS at,
           m.sender AS "from", substr(m.body, 1, 80) AS preview
      FROM instances i
      JOIN holdings h ON h.origin = i.origin
      JOIN messages m ON m.topic = 'inbox.' || h.key
                     AND m.offset > max(h.since, i.read) AND m.offset <= coalesce(h.until, 9223372036854775807)
     WHERE {_ALIVE}
    UNION ALL
    SELECT i.name, m.topic, m.offset, {_READABLE.format("m.at")}, m.sender, substr(m.body, 1, 80)
      FROM heard
      JOIN instances i ON i.origin = heard.origin
      JOIN messages m ON m.topic = heard.topic AND m.offset > max(heard.since, i.read) AND m.origin <> i.origin
     WHERE {_ALIVE}
    """  # noqa: S608 - nothing here comes from outside

_VIEWS = (
    _UNREAD,
    """
    CREATE VIEW queues AS
    SELECT i.name AS instance, count(u.offset) AS unread, min(u.at) AS oldest
      FROM instances i LEFT JOIN unread u ON u.instance = i.name
     GROUP BY i.origin
    """,
    f"""
    CREATE VIEW conversation AS
    SELECT m.offset AS offset, {_READABLE.format("m.at")} AS at, m.sender AS "from", m."to" AS "to",
           m.thread AS thread, m.reply_to AS reply_to, m.id AS id, m.body AS body
      FROM messages m
     WHERE m.topic NOT GLOB '$*'
    """,  # noqa: S608
)

_CHECKSUM = (
    "ALTER TABLE messages ADD COLUMN crc INTEGER NOT NULL DEFAULT 0",
    f"UPDATE messages SET crc = message_checksum({FIRST_COLUMNS})",  # noqa: S608
)

# How much each topic has had, every so many offsets: hub/tally.py makes them behind the head.
_TALLIES = (
    """
    CREATE TABLE tallies (
        topic    TEXT NOT NULL,
        origin   INTEGER NOT NULL,
        offset   INTEGER NOT NULL,
        messages INTEGER NOT NULL,
        bytes    INTEGER NOT NULL,
        PRIMARY KEY (topic, origin, offset)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX messages_expiring ON messages (topic, offset, expires_at, origin) WHERE expires_at IS NOT NULL",
)

_LEGACY_SESSIONS = (
    """
    CREATE TABLE legacy_sessions (
        hash       TEXT PRIMARY KEY,
        origin     INTEGER NOT NULL,
        created_at REAL NOT NULL,
        expires_at REAL NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)

# Few messages carry files: which files are still wanted is asked of them alone.
_ATTACHMENTS = ("CREATE INDEX messages_attachments ON messages (offset) WHERE attachments IS NOT NULL",)

# Few messages want an answer by a time, and a start asks for those alone.
_ANSWER_BY = (
    "ALTER TABLE messages ADD COLUMN answer_by REAL",
    "CREATE INDEX messages_answer_by ON messages (answer_by) WHERE answer_by IS NOT NULL",
)

# Who of the instances is a person, and what a person holds. Beside `instances` instead of in it: what can be read of a
# damaged file is copied table by table, from whatever version.
_PEOPLE = (
    "CREATE TABLE people (origin INTEGER PRIMARY KEY) STRICT",
    """
    CREATE TABLE holds (
        kind   TEXT NOT NULL,
        origin INTEGER NOT NULL,
        topic  TEXT NOT NULL,
        since  INTEGER NOT NULL,
        at     REAL NOT NULL,
        "by"   TEXT,
        reason TEXT,
        PRIMARY KEY (kind, origin, topic)
    ) STRICT, WITHOUT ROWID
    """,
)

FOLDED = (*_INSTANCES, *_PEOPLE)
"""What facts change: hub/archive.py folds them anew, up to an earlier moment, in tables of its own."""

# What the tables were at earlier moments: hub/archive.py.
_KEYFRAMES = (
    """
    CREATE TABLE keyframes (
        offset INTEGER PRIMARY KEY,
        at     REAL,
        said   INTEGER NOT NULL,
        rows   INTEGER NOT NULL,
        state  TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE trail (
        offset   INTEGER NOT NULL,
        origin   INTEGER NOT NULL,
        at       REAL NOT NULL,
        received INTEGER NOT NULL,
        read     INTEGER NOT NULL,
        lost     INTEGER,
        PRIMARY KEY (offset, origin)
    ) STRICT, WITHOUT ROWID
    """,
)

MIGRATIONS: tuple[Migration, ...] = (
    Migration("the first schema", (*_TABLES, *_VIEWS)),
    Migration("a checksum for each message", _CHECKSUM),
    Migration("tallies, so that counting does not look at each message", _TALLIES),
    Migration("sessions of the old protocol", _LEGACY_SESSIONS),
    Migration("an index of the messages that carry files", _ATTACHMENTS),
    Migration("until when an answer is wanted", _ANSWER_BY),
    Migration("who is a person, and what a person holds", _PEOPLE),
    Migration("what was so at earlier moments", _KEYFRAMES),
)
VERSION = len(MIGRATIONS)

_RECORDS = """
    CREATE TABLE IF NOT EXISTS migrations (
        version    INTEGER PRIMARY KEY,
        applied_at REAL NOT NULL,
        name       TEXT NOT NULL
    ) STRICT
    """


def version_of(db: sqlite3.Connection) -> int:
    """The version of a database's schema; 0 if it has none."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(
    db: sqlite3.Connection,
    *,
    migrations: Sequence[Migration] = MIGRATIONS,
    clock: Callable[[], float] = time.time,
) -> list[str]:
    """Bring a database to the present version, one transaction a step; returns the names of the steps taken.

    `db` must be in autocommit (`isolation_level=None`). Raises NewerDatabase, and whatever sqlite3 raises: then the
    database has the version it had after the last whole step.
    """
    have = version_of(db)
    if have > len(migrations):
        raise NewerDatabase(
            f"The database has schema version {have}, and this Hubbub knows versions up to {len(migrations)}: "
            "a newer Hubbub has used it.",
            "Start the newer version again (`hubbub --version` tells which one this is), or give another --data-dir.",
        )
    db.create_function("message_checksum", -1, lambda *row: checksum(row), deterministic=True)
    taken: list[str] = []
    for version, migration in enumerate(migrations[have:], start=have + 1):
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.execute(_RECORDS)
            for statement in migration.statements:
                db.execute(statement)
            db.execute("INSERT INTO migrations VALUES (?, ?, ?)", (version, clock(), migration.name))
            db.execute(f"PRAGMA user_version={version}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        taken.append(migration.name)
    return taken
