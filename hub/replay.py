"""An exported file as a hub to look at: its messages in a database of their own, and nothing that could be changed.

With facts (`hubbub export --facts`) the database is what the hub's was: the facts are folded as they were there, and
all of the past can be shown. Without them the file says who there is and what each has unread at its end, and no more:
who was online, and what was unread before, is unknown, and said to be.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from msgspec import DecodeError, Struct, ValidationError, convert, field, json
from starlette.types import ASGIApp, Receive, Scope, Send

from hub import parcels, refusal, wire
from hub.app import App, Signals, build, prepare
from hub.archive import FOLDED, Keyframe, Movement, Tables, rows_of
from hub.attendance import Attendance
from hub.config import load
from hub.daemon import HubLock
from hub.errors import BadValue, NotFound
from hub.fold import Moved, Registered, Subscribed
from hub.history import History
from hub.message import OVERHEAD, Message
from hub.node import read_only
from hub.tables import INSERT, folding, following, row_of
from hub.topic import name_key

VERSION = 1
UNSURE = 1000  # offsets between two notes that nothing is known in between


class Who(Struct, kw_only=True):
    name: str
    last_seen: datetime
    topics: list[str] = []


class Heading(Struct, kw_only=True):
    hubbub: str
    version: int
    at: datetime
    head: int
    instances: list[Who] = []
    facts: bool = False
    keyframe: dict[str, Any] | None = None
    trimmed: dict[str, int] = {}


class Line(Struct, kw_only=True):
    offset: int
    id: str
    from_: str = field(name="from")
    to: str
    topic: str
    body: str
    at: datetime
    data: Any = None
    thread: str | None = None
    reply_to: str | None = None
    attachments: list[dict[str, Any]] | None = None
    expires_at: datetime | None = None
    answer_by: datetime | None = None
    sender: str | None = None
    unread: list[str] = []
    origin: int | None = None

    def message(self, origin: int) -> Message:
        """As the log has it."""
        return Message(
            offset=self.offset,
            id=self.id,
            sender=self.from_,
            origin=origin,
            to=self.to,
            topic=self.topic,
            body=self.body,
            at=self.at.timestamp(),
            size=OVERHEAD + len(self.body.encode("utf-8", "replace")) + wire.data_size(self.data),
            data=self.data,
            thread=self.thread,
            reply_to=self.reply_to,
            attachments=self.attachments,
            expires_at=None if self.expires_at is None else self.expires_at.timestamp(),
            answer_by=None if self.answer_by is None else self.answer_by.timestamp(),
        )


def read(path: Path) -> tuple[Heading, list[Line], list[Movement]]:
    """What an export holds. Raises NotFound, or BadValue for what hubbub export does not write, with the line."""
    try:
        with path.open("rb") as file:
            heading = _heading(file.readline(), path)
            lines: list[Line] = []
            moved: list[Movement] = []
            for number, text in enumerate(file, start=2):
                if text.strip():
                    _take(text, number, path, lines, moved)
    except FileNotFoundError:
        raise NotFound(f"{path} is not there.", "hubbub export FILE writes one.") from None
    except OSError as why:
        raise BadValue(f"{path} cannot be read: {why.strerror or why}.") from None
    offsets = [each.offset for each in lines]
    if any(later <= earlier for earlier, later in pairwise(offsets)):
        raise BadValue(f"The messages of {path} are in no order: their offsets do not grow.", _AGAIN)
    return heading, lines, moved


def _heading(text: bytes, path: Path) -> Heading:
    try:
        heading = json.decode(text, type=Heading)
    except (DecodeError, ValidationError):
        heading = None
    if heading is None or heading.hubbub != "export":
        raise BadValue(f"{path} is not what hubbub export writes as JSON lines: its first line says so.", _AGAIN)
    if heading.version != VERSION:
        raise BadValue(f"{path} has version {heading.version} of the format; this Hubbub knows {VERSION}.")
    return heading


def _take(text: bytes, number: int, path: Path, lines: list[Line], moved: list[Movement]) -> None:
    try:
        told = json.decode(text)
        if isinstance(told, dict) and told.get("hubbub") == "trail":
            moved.append(Movement(**{key: value for key, value in told.items() if key != "hubbub"}))
        else:
            lines.append(convert(told, Line))
    except (DecodeError, ValidationError, UnicodeError, TypeError) as why:
        raise BadValue(f"Line {number} of {path} is broken: {why}", _AGAIN) from None


async def fill(database: Path, heading: Heading, lines: list[Line], moved: list[Movement]) -> None:
    """Make a database of an export. Raises BadValue for one that contradicts itself."""
    await (await History.open(database, synchronous="normal")).close()
    await asyncio.to_thread(_fill, database, heading, lines, moved)


def _fill(database: Path, heading: Heading, lines: list[Line], moved: list[Movement]) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")  # it is gone when the replay is
        db.execute("BEGIN")
        try:
            if heading.facts and heading.keyframe is not None:
                _with_facts(db, heading, lines, moved)
            else:
                _without(db, heading, lines)
        except (sqlite3.Error, KeyError, TypeError, ValueError, DecodeError, OverflowError) as why:
            raise BadValue(f"The export contradicts itself: {type(why).__name__}: {why}.", _AGAIN) from None
        db.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'messages'", (heading.head,))
        db.execute("COMMIT")


def _with_facts(db: sqlite3.Connection, heading: Heading, lines: list[Line], moved: list[Movement]) -> None:
    frame = Keyframe(**(heading.keyframe or {}))
    messages = [each.message(each.origin or 0) for each in lines]
    _store(db, messages)
    db.execute("DELETE FROM keyframes")
    db.execute("INSERT INTO keyframes VALUES (?, ?, ?, ?, ?)", frame)
    db.executemany(_MOVE, moved)
    db.executemany("INSERT INTO trimmed VALUES (?, ?)", heading.trimmed.items())
    for table, kept in json.decode(frame.state, type=Tables).tables.items():
        if table not in FOLDED:
            raise ValueError(f"no table {table}")
        places = ", ".join("?" * len(kept.columns))
        db.executemany(f"INSERT INTO {table} VALUES ({places})", kept.rows)  # noqa: S608 - the table is one of ours
    facts = [each for each in messages if each.offset > frame.offset]
    movements = [Moved(each.origin, each.received, each.read, each.at) for each in moved if each.offset > frame.offset]
    for sql, parameters in (*folding(facts), *following(movements)):
        db.executemany(sql, parameters)


def _without(db: sqlite3.Connection, heading: Heading, lines: list[Line]) -> None:
    """The instances stand from the beginning, under identities of our own; what each had read is known at the end."""
    first = lines[0].offset if lines else heading.head + 1
    names = {each.name: None for each in heading.instances} | {each.sender or each.from_: None for each in lines}
    origins = {name_key(name): -2 - place for place, name in enumerate(names)}  # no offset, and nobody else's
    now = heading.at.timestamp()
    registered = [Registered(origins[name_key(name)], name_key(name), name, now) for name in names]
    heard = [
        Subscribed(origins[name_key(who.name)], topic, first - 1) for who in heading.instances for topic in who.topics
    ]
    for sql, parameters in following([*registered, *heard]):
        db.executemany(sql, parameters)
    seen = [(who.last_seen.timestamp(), origins[name_key(who.name)]) for who in heading.instances]
    db.executemany("UPDATE instances SET last_seen = ? WHERE origin = ?", seen)
    db.execute("DELETE FROM keyframes")
    db.execute("INSERT INTO keyframes VALUES (?, ?, ?, ?, ?)", (first - 1, None, 0, len(names), _state(db)))
    _store(db, [each.message(origins[name_key(each.sender or each.from_)]) for each in lines])
    read = dict.fromkeys(origins.values(), heading.head)
    for each in reversed(lines):
        for name in each.unread:
            if (origin := origins.get(name.lower())) is not None:
                read[origin] = each.offset - 1
    db.executemany(
        "UPDATE instances SET read = ?, received = ? WHERE origin = ?", [(at, at, o) for o, at in read.items()]
    )
    ends = [*range(first - 1 + UNSURE, heading.head, UNSURE), heading.head]
    begins = first - 1
    for end in ends:
        rows = [
            (end, origin, now, upto if end == heading.head else 0, upto if end == heading.head else 0, begins)
            for origin, upto in read.items()
        ]
        db.executemany(
            "INSERT OR REPLACE INTO trail (offset, origin, at, received, read, lost) VALUES (?, ?, ?, ?, ?, ?)", rows
        )
        begins = end


def _state(db: sqlite3.Connection) -> str:
    return json.encode(Tables(tables=rows_of(db, "main"), attendance=Attendance(known=False))).decode()


def _store(db: sqlite3.Connection, messages: Iterable[Message]) -> None:
    db.executemany(INSERT, (row_of(each) for each in messages))


class Gate:
    """An ASGI app in front of another that lets nobody change anything; who is signed in may sign out."""

    def __init__(self, app: ASGIApp, file: str) -> None:
        self._app = app
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        changes = scope["type"] == "http" and scope["method"] not in ("GET", "HEAD") and scope["path"] != "/signout"
        if changes:
            refused = refusal.response(refusal.answer(scope, read_only(self._file)))
            await refused(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def bring(lines: Iterable[Line], files: Path | None, attachments: Path) -> int:
    """Have the files that messages carry, as far as they are in a folder; the others are marked (`"here": false`), so
    that no page offers what cannot be had. Returns how many those are.

    Raises StorageFailed, and NotFound for the folder.
    """
    if files is not None and not files.is_dir():
        raise NotFound(f"{files} is no folder that is there.", "hubbub export FILE --files DIR fills one.")
    here: dict[str, bool] = {}
    for each in (each for line in lines for each in line.attachments or ()):
        sha256 = str(each.get("sha256"))
        if sha256 not in here:
            here[sha256] = files is not None and parcels.unpack_one(sha256, files, attachments)
        if not here[sha256]:
            each["here"] = False
    return sum(not each for each in here.values())


async def show(path: Path, ready: Callable[[App], None], files: Path | None = None) -> int:
    """Serve a file until told to stop, on a free port of this machine's own address; returns the exit code.

    `files` is the folder of `hubbub export --files`. `ready` is called once it answers. Raises NotFound and BadValue
    for the file, NotFound for the folder, Unavailable without a port.
    """
    heading, lines, moved = await asyncio.to_thread(read, path)
    end = max([heading.at.timestamp(), *(each.at.timestamp() for each in lines[-1:])])
    with Signals().caught() as signals, tempfile.TemporaryDirectory(prefix="hubbub-replay-") as home:
        settings = load({"port": 0, "host": "127.0.0.1"}, {"HUBBUB_HOME": home})
        with HubLock(settings.paths):
            missing = await asyncio.to_thread(bring, lines, files, settings.paths.attachments)
            await fill(settings.paths.database, heading, lines, moved)
            async with build(settings, clock=lambda: end) as app:
                app.mode = "replay"
                app.notices.append(
                    f"This is a replay of {path.name} as of {heading.at:%Y-%m-%d %H:%M:%S} UTC: "
                    "nothing here is live, and nothing can be changed."
                )
                if missing:
                    app.notices.append(
                        f"Of the files that messages carry {missing:,} {'is' if missing == 1 else 'are'} not here: "
                        "hubbub export --files DIR takes them along, hubbub replay --files DIR shows them."
                    )
                await app.replay(path.name)
                app.asgi = Gate(app.asgi, path.name)
                server, sock = prepare(app)
                signals.end(server)
                ready(app)
                await server.serve(sockets=[sock])
    return 0


_MOVE = "INSERT OR REPLACE INTO trail (offset, origin, at, received, read, lost) VALUES (?, ?, ?, ?, ?, ?)"
_AGAIN = "hubbub export FILE writes it anew."
