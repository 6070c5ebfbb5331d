"""The connection that writes: a whole batch in one visit of its thread, and in few steps of SQLite's.

aiosqlite gives each call a trip to the connection's thread, and Python's sqlite3 gives up the interpreter's lock at
each step and has to win it back, which takes milliseconds while the event loop is busy. So a batch is left here first,
and the next `commit()` writes it: many rows a statement, then the commit itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from hub.tables import INSERT, Parameters

ROWS = (64, 16, 4, 1)  # how many go into one statement; each size is prepared once and kept by sqlite3

_ROW = INSERT[INSERT.rindex("(") :]
_INSERTS = {rows: ", ".join([INSERT, *[_ROW] * (rows - 1)]) for rows in ROWS}


class Ledger(sqlite3.Connection):
    """A connection for `aiosqlite.connect(factory=Ledger)`. All but `leave()` runs in its thread."""

    _rows: Sequence[tuple[Any, ...]] = ()
    _changes: Sequence[tuple[str, list[Parameters]]] = ()

    def leave(self, rows: Sequence[tuple[Any, ...]], changes: Iterable[tuple[str, list[Parameters]]]) -> None:
        """The next `commit()` stores these messages, and then runs these statements with each of their parameters."""
        self._rows = rows
        self._changes = list(changes)

    def commit(self) -> None:
        """Write what was left here, and commit it with whatever else the transaction holds. Raises what sqlite3 does:
        then nothing is left here any more, and the transaction is still to be rolled back."""
        rows, changes = self._rows, self._changes
        if rows:
            self._rows = self._changes = ()
            place = 0
            for size in ROWS:
                while len(rows) - place >= size:
                    self.execute(_INSERTS[size], list(chain.from_iterable(rows[place : place + size])))
                    place += size
            for sql, parameters in changes:
                self.executemany(sql, parameters)
        super().commit()
