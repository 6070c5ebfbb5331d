"""Whether a database is whole: its pages, its order, and its tables held against the facts in its own log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from hub import schema
from hub.tables import COLUMNS, folding, message_of
from tests.invariants import MISFOLDED, STORED_TWICE

FOLDED = {
    "instances": "origin, name, registered_at, last_seen, received, read",
    "holdings": "key, name, origin, since, until, forwards_until",
    "subscriptions": "origin, pattern, since",
}


def faults(path: Path) -> list[str]:
    """What is wrong with a database from which nothing was ever trimmed; empty if nothing is."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        found = [f"page: {line}" for (line,) in db.execute("PRAGMA quick_check") if line != "ok"]
        facts = db.execute(f"SELECT {COLUMNS} FROM messages WHERE topic GLOB '$*' ORDER BY offset").fetchall()
        found += _tables(db, facts)
        if db.execute("SELECT count(*) - count(DISTINCT origin || ' ' || id) FROM messages").fetchone() != (0,):
            found.append(f"{STORED_TWICE.name}: {STORED_TWICE.says}")
        return found


def _tables(db: sqlite3.Connection, facts: list[tuple[Any, ...]]) -> list[str]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as again:
        schema.migrate(again)
        for row in facts:
            for sql, parameters in folding([message_of(row)]):
                again.executemany(sql, parameters)
        return [
            f"{MISFOLDED.name}: {table}; {MISFOLDED.says}"
            for table, columns in FOLDED.items()
            if sorted(db.execute(f"SELECT {columns} FROM {table}"), key=repr)
            != sorted(again.execute(f"SELECT {columns} FROM {table}"), key=repr)
        ]


def epoch_and_head(path: Path) -> tuple[str, int]:
    """The numbering, and the highest offset it has given."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        (epoch,) = db.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        (head,) = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        return str(epoch), int(head)


def stored(path: Path) -> dict[str, int]:
    """Where each message is that somebody said: id -> offset."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        return dict(db.execute("SELECT id, offset FROM messages WHERE topic NOT GLOB '$*'").fetchall())
