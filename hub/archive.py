"""How it was at an earlier moment: the log's facts folded up to there, in tables of our own.

The hub's tables stand at the head. Those of an earlier offset are made as these were: by the same SQL, from the same
facts, in memory, with the log attached to read from. So that this costs the same wherever it is, a *keyframe* keeps
what the tables were every STRIDE offsets or so: the newest one before the moment is taken, and what came after folded.

Movements of cursors leave the log early (`cursor_retention`), or they would be most of it. What they say is kept for
longer as the *trail*, in a few bytes each. Where they were too many some are left out, and those that stay say from
where on: at a moment between the two nobody can tell how far that instance had read (`Then.unsure`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from msgspec import Struct, field, json

from hub import fold, schema
from hub.attendance import Attendance
from hub.database import READER_PRAGMAS
from hub.errors import UnknownMoment
from hub.fold import State
from hub.loading import PLACE, load
from hub.tables import COLUMNS, folding, following, message_of

STRIDE = 2000  # offsets between two keyframes, at least
SPARSE = 4  # and offsets for each row of the tables: of many instances keyframes would be more than the log
TRAIL = 4  # rows of the trail for each offset that they stand for, at most
SLOT = 2000  # offsets within which movements are joined, at most

FOLDED = ("instances", "holdings", "subscriptions", "people", "holds")
_SINCE_KEYFRAME = f"""
    SELECT {COLUMNS} FROM messages WHERE offset > ? AND offset <= ? AND +topic GLOB '$*' ORDER BY offset
    """  # noqa: S608
_NEWEST = "SELECT offset, said, state FROM keyframes WHERE offset <= ? ORDER BY offset DESC LIMIT 1"
_SAID = "SELECT count(*) FROM messages WHERE offset > ? AND offset <= ? AND topic NOT GLOB '$*'"
_IS_WHOLE = """
    SELECT NOT EXISTS (SELECT 1 FROM trimmed)
       AND (SELECT count(*) FROM messages) = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages'), 0)
    """


class Rows(Struct, array_like=True):
    """What a table held, its oldest row first."""

    columns: list[str]
    rows: list[list[Any]]


class Tables(Struct, kw_only=True):
    """The tables that facts change, and who was there."""

    tables: dict[str, Rows] = {}
    attendance: Attendance = field(default_factory=Attendance)


class Keyframe(NamedTuple):
    """What the tables were at `offset`: a row of `keyframes`. `said` counts the messages that were no facts."""

    offset: int
    at: float | None
    said: int
    rows: int
    state: str


class Then(NamedTuple):
    """The hub's state at an offset; `unsure` are the origins of which nobody knows how far they had read."""

    state: State
    attendance: Attendance
    unsure: frozenset[int]


class Movement(NamedTuple):
    """A row of `trail`: how far an instance had come at `offset`; `lost` is the oldest movement left out before it."""

    offset: int
    origin: int
    at: float
    received: int
    read: int
    lost: int | None


class Place(NamedTuple):
    """Right after the message at `offset`, and `before` another: nobody knows when what is missing between came."""

    offset: int
    before: int


class Around(NamedTuple):
    """A place in the log. One who steps meets `previous` and `next`; movements of cursors are passed over.

    `first` is the offset from which on it is known how it was. `at`: when the newest message up to here came, in
    seconds since 1970. `restarted`: the next thing in the log is that the hub started.
    """

    first: int
    previous: int | None
    next: int | None
    head: int
    at: float | None
    restarted: bool


class Bar(NamedTuple):
    """How many messages were said from `since` on, in seconds since 1970, for the width of a bar."""

    since: float
    messages: int


class Archive:
    """The past of the database at `path`. Its methods take their time: call them in a thread, from any number of them.

    They raise what sqlite3 raises, and UnknownMoment.
    """

    def __init__(self, path: Path) -> None:
        self._turn = Lock()
        self._said: dict[int, int] = {}  # offset -> messages said up to there, which never changes
        self._db = sqlite3.connect(":memory:", uri=True, isolation_level=None, check_same_thread=False)
        try:
            # The log is attached: what has its own name here, as the folded tables do, is found first.
            self._db.execute("ATTACH ? AS log", (f"{path.absolute().as_uri()}?mode=ro",))
            for pragma in READER_PRAGMAS:
                self._db.execute(pragma)
            self._db.execute("PRAGMA query_only=OFF")  # the attached file is opened for reading only
            for statement in schema.FOLDED:
                self._db.execute(statement)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Let go of the file, after whatever is under way."""
        self._db.interrupt()
        with self._turn:
            self._db.close()

    def first(self) -> Keyframe | None:
        """The keyframe to begin with, where there is none: what the log tells from its first message on, or, where some
        of that is gone, how it is now that nobody is here. None if there is one."""
        with self._reading():
            if self._db.execute("SELECT 1 FROM keyframes").fetchone():
                return None
            if self._db.execute(_IS_WHOLE).fetchone()[0]:
                return Keyframe(0, None, 0, 0, json.encode(Tables()).decode())
            head, _ = self._db.execute(PLACE).fetchone()
            (at,) = self._db.execute("SELECT max(at) FROM messages WHERE offset = ?", (head,)).fetchone()
            return _keyframe(head, at, 0, self._tables("log"))

    def keyframe(self, upto: int) -> Keyframe:
        """The keyframe of an offset."""
        with self._reading():
            since, said, attendance = self._fold(upto)
            said += int(self._db.execute(_SAID, (since, upto)).fetchone()[0])
            row = self._db.execute("SELECT at FROM messages WHERE offset <= ? ORDER BY offset DESC LIMIT 1", (upto,))
            (at,) = row.fetchone() or (None,)
            return _keyframe(upto, at, said, self._tables("main", attendance))

    def then(self, place: Place, now: float, epoch: str) -> Then:
        """The hub as it was at a place, at `now` (seconds since 1970)."""
        upto = place.offset
        with self._reading():
            _, _, attendance = self._fold(upto)
            unsure = self._db.execute(
                "SELECT DISTINCT origin FROM trail WHERE offset > ? AND offset <= ? AND lost < ?",
                (upto, place.before + SLOT, place.before),
            )
            origins = frozenset(origin for (origin,) in unsure)
            return Then(load(self._db, epoch=epoch, now=now, upto=upto), attendance, origins)

    def place(self, at: float) -> Place:
        """The place of the newest message that had come by `at`; what is before the first one if none had.

        Where the clock was put back meanwhile, one of those places at which it showed this time.
        """
        with self._reading():
            head, floor = self._db.execute(PLACE).fetchone()
            offset = self._place(at, head + 1 if floor is None else floor, head)
            before = self._next("offset > ?", "ASC", offset, "TRUE") or head + 1
            (moved,) = self._db.execute(
                "SELECT max(offset) FROM trail WHERE offset > ? AND offset < ? AND at <= ?",
                (offset, before, at + _TOLERANCE),
            ).fetchone()
            return Place(max(offset, moved or 0), before)

    def around(self, offset: int) -> Around:
        """What stands around the place right after the message at `offset`."""
        with self._reading():
            (first,) = self._db.execute("SELECT min(offset) FROM keyframes").fetchone()
            head, _ = self._db.execute(PLACE).fetchone()
            following = self._db.execute("SELECT topic FROM messages WHERE offset > ? LIMIT 1", (offset,)).fetchone()
            return Around(
                first=max(int(first or 0), 0),
                previous=self._next("offset < ?", "DESC", offset),
                next=self._next("offset > ?", "ASC", offset),
                head=int(head),
                at=self._at(offset),
                restarted=following is not None and following[0] == fold.STARTED,
            )

    def at(self, offset: int) -> float | None:
        """When the newest message up to an offset came; None if none had."""
        with self._reading():
            return self._at(offset)

    def oldest(self) -> tuple[Keyframe, dict[str, int]]:
        """The first keyframe, and how much of each topic retention has removed: where a copy of the log begins."""
        with self._reading():
            row = self._db.execute("SELECT offset, at, said, rows, state FROM keyframes ORDER BY offset").fetchone()
            return Keyframe(*row), dict(self._db.execute("SELECT topic, upto FROM trimmed").fetchall())

    def movements(self, after: int, upto: int) -> list[Movement]:
        """The trail between two offsets."""
        with self._reading():
            rows = self._db.execute(
                "SELECT offset, origin, at, received, read, lost FROM trail WHERE offset > ? AND offset <= ?",
                (after, upto),
            )
            return [Movement(*row) for row in rows]

    def beginning(self) -> float | None:
        """When the oldest message came that is kept; None if there is none."""
        with self._reading():
            row = self._db.execute("SELECT at FROM messages ORDER BY offset LIMIT 1").fetchone()
            return None if row is None else float(row[0])

    def bars(self, since: float, width: float, number: int) -> list[Bar]:
        """How many messages were said in so many stretches of `width` seconds, the first of which begins at `since`."""
        with self._reading():
            head, floor = self._db.execute(PLACE).fetchone()
            floor = head + 1 if floor is None else floor
            found: list[Bar] = []
            before = None
            for place in range(number + 1):
                begins = since + place * width
                # What comes at the very beginning of a stretch is in it, and not in the one before.
                floor_of_it = self._place(begins - 2 * _TOLERANCE, floor, head)
                said = self._said_upto(floor_of_it, head)
                if before is not None:
                    found.append(Bar(begins - width, said - before))
                before = said
            return found

    # Inside

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """All of one moment; what was folded is let go of in the end."""
        with self._turn:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _fold(self, upto: int) -> tuple[int, int, Attendance]:
        """Have the tables as they were at an offset; returns the keyframe's offset and `said`, and who was there."""
        found = self._db.execute(_NEWEST, (upto,)).fetchone()
        if found is None:
            raise UnknownMoment(
                f"How it was at offset {upto} cannot be told: the log does not go back that far, or not with all that "
                f"the hub knew then. What is known begins at offset {self._earliest()}.",
                "Choose a later moment.",
            )
        since, said, state = found
        tables = json.decode(state, type=Tables)
        for table, kept in tables.tables.items():
            columns, places = ", ".join(kept.columns), ", ".join("?" * len(kept.columns))
            self._db.executemany(f"INSERT INTO main.{table} ({columns}) VALUES ({places})", kept.rows)  # noqa: S608
        facts = [message_of(row) for row in self._db.execute(_SINCE_KEYFRAME, (since, upto))]
        trail = self._db.execute(
            "SELECT origin, received, read, at FROM trail WHERE offset > ? AND offset <= ?", (since, upto)
        )
        moved = [fold.Moved(*row) for row in trail.fetchall()]
        for sql, parameters in (*folding(facts), *following(moved)):
            self._db.executemany(sql, parameters)
        for each in facts:
            tables.attendance.apply(each)
        return since, said, tables.attendance

    def _tables(self, where: str, attendance: Attendance | None = None) -> Tables:
        return Tables(tables=rows_of(self._db, where), attendance=attendance or Attendance())

    def _earliest(self) -> int:
        (offset,) = self._db.execute("SELECT min(offset) FROM keyframes").fetchone()
        return int(offset or 0)

    def _at(self, offset: int) -> float | None:
        row = self._db.execute(
            "SELECT at FROM messages WHERE offset <= ? ORDER BY offset DESC LIMIT 1", (offset,)
        ).fetchone()
        return None if row is None else float(row[0])

    def _next(self, where: str, way: str, offset: int, what: str = "topic <> '$cursors'") -> int | None:
        row = self._db.execute(
            f"SELECT offset FROM messages WHERE {where} AND {what} ORDER BY offset {way} LIMIT 1",  # noqa: S608
            (offset,),
        ).fetchone()
        return None if row is None else int(row[0])

    def _place(self, at: float, floor: int, head: int) -> int:
        low, high = floor - 1, head  # what is at `low` had come, if it is there at all; what is past `high` had not
        while low < high:
            middle = (low + high + 1) // 2
            offset, came = self._db.execute(
                "SELECT offset, at FROM messages WHERE offset >= ? ORDER BY offset LIMIT 1", (middle,)
            ).fetchone() or (head + 1, float("inf"))
            if offset > high:
                high = middle - 1
            elif came <= at + _TOLERANCE:
                low = offset
            else:
                high = middle - 1
        return low

    def _said_upto(self, offset: int, head: int) -> int:
        if (known := self._said.get(offset)) is not None:
            return known
        since, said = self._db.execute(
            "SELECT offset, said FROM keyframes WHERE offset <= ? ORDER BY offset DESC LIMIT 1", (offset,)
        ).fetchone() or (None, 0)
        if since is not None:
            said += int(self._db.execute(_SAID, (since, offset)).fetchone()[0])
        else:
            until, said = self._db.execute("SELECT offset, said FROM keyframes ORDER BY offset LIMIT 1").fetchone() or (
                head,
                0,
            )
            said -= int(self._db.execute(_SAID, (offset, until)).fetchone()[0])
        if len(self._said) > _REMEMBERED:
            self._said.clear()
        self._said[offset] = said
        return said


def rows_of(db: sqlite3.Connection, schema_name: str) -> dict[str, Rows]:
    """The tables that facts change, in a database of this connection."""
    found = {}
    for table in FOLDED:
        order = " ORDER BY rowid" if table == "holdings" else ""  # the others are looked up by their keys
        rows = db.execute(f"SELECT * FROM {schema_name}.{table}{order}")  # noqa: S608
        found[table] = Rows([f'"{name}"' for name, *_ in rows.description], [list(row) for row in rows])
    return found


def stride(rows: int) -> int:
    """How many offsets lie between two keyframes of so many rows."""
    return max(STRIDE, SPARSE * rows)


def trail(facts: Iterable[tuple[int, float, list[dict[str, Any]]]], offsets: int) -> list[Movement]:
    """What is kept of facts on `$cursors` that leave the log, as (offset, at, moved), oldest first.

    Every movement, if they are no more than TRAIL for each of the `offsets` that they stand among; else the newest of
    each instance in slots of offsets, as many as that allows.
    """
    told = [(offset, at, each) for offset, at, moved in facts for each in moved]
    if not told:
        return []
    most = TRAIL * max(1, offsets)
    width = 1
    if len(told) > most:
        instances = len({each["origin"] for _, _, each in told})
        width = max(1, min(SLOT, -(-offsets * instances // most)))
    kept: list[Movement] = []
    last: dict[int, tuple[int, int]] = {}  # origin -> its slot, and the place of its newest movement
    for offset, at, each in told:
        origin, slot = each["origin"], offset // width
        before = last.get(origin)
        row = Movement(offset, origin, at, each["received"], each["read"], None)
        if before is not None and before[0] == slot:
            left_out = kept[before[1]]
            kept[before[1]] = row._replace(lost=left_out.lost or left_out.offset)
        else:
            last[origin] = (slot, len(kept))
            kept.append(row)
    return kept


def _keyframe(offset: int, at: float | None, said: int, tables: Tables) -> Keyframe:
    rows = len(tables.attendance.sessions) + sum(len(each.rows) for each in tables.tables.values())
    return Keyframe(offset, at, said, rows, json.encode(tables).decode())


_TOLERANCE = 1e-6  # seconds: times are shown in microseconds, and what is shown finds what it was shown for
_REMEMBERED = 5000
