"""This machine's clock, against the hub's and against the newest message of the log.

Order does not hang on it: messages have offsets. But what is waited for, kept and forgotten does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hub import soundness
from hub.disk import real
from hub.doctor.finding import Finding, ok, warning

APART = 5.0  # seconds between two clocks that somebody should look at
AHEAD = 60.0  # seconds by which the log's newest message may be ahead of a clock that was just set right

SET = "timedatectl status"


def examine(health: dict[str, Any] | None, database: Path, before: datetime, after: datetime) -> Iterator[Finding]:
    """`health` is the hub's answer, asked for between `before` and `after`; without one the database is read."""
    apart = 0.0
    if health is not None:
        told = datetime.fromisoformat(health["at"])
        apart = max((before - told).total_seconds(), (told - after).total_seconds(), 0.0)
        newest = health["log"]["newest_at"]
        last = datetime.fromisoformat(newest) if newest else None
        if apart > APART:
            said = f"this clock and the hub's are {apart:.0f} s apart: what is said to be recent here is not there"
            yield warning("clock", "clocks_apart", said, SET)
    else:
        last = _newest(database)
    ahead = 0.0 if last is None else (last - after).total_seconds()
    if ahead > AHEAD:
        said = (
            f"the log's newest message is {ahead:,.0f} s ahead of this clock: it was set back, or was wrong then. "
            "Order and delivery do not depend on it; how long things are kept does"
        )
        yield warning("clock", "clock_set_back", said, SET)
    elif apart <= APART:
        against = "the hub's and the log" if health is not None else "the log"
        yield ok("clock", f"{after.astimezone().isoformat(timespec='seconds')}, in accord with {against}")


def _newest(database: Path) -> datetime | None:
    try:
        if not database.exists():
            return None
        with closing(soundness.reading(real(database))) as db:
            row = db.execute("SELECT at FROM messages ORDER BY offset DESC LIMIT 1").fetchone()
        return None if row is None else datetime.fromtimestamp(row[0], UTC)
    except (sqlite3.Error, OSError, ValueError, OverflowError, TypeError):
        return None
