"""The database of claude-ipc-mcp, read as what a hub takes in: `POST /api/v1/import`.

It is opened read-only, and only for a moment at a time: its broker may still be writing. A name there is followed
through its renames from the time of a message on, so that each message belongs to whoever had the name then.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple

from hub.errors import BadValue, NotFound

FOLDER = "large-messages"
KNOWN = (Path("~/.claude-ipc-data/messages.db"), Path("/tmp/ipc-messages.db"))  # noqa: S108 - where it was
OLD_FILES = Path("/tmp/ipc-messages") / FOLDER  # noqa: S108
CONTENT = "## Content"
FORWARDS = 2 * 3600.0  # seconds for which an old name led to the new one
PAGE = 500  # rows in one read
SYSTEM = "system"
NOTICE = "A notice of the old broker itself, from system."  # why a message is left out
_BUSY = 10.0  # seconds to wait for the old broker's write

Json = dict[str, Any]


class Rename(NamedTuple):
    old: str
    new: str
    at: float


class Row(NamedTuple):
    """A message to be taken in; `size` is about what it takes in a request."""

    number: int
    item: Json
    size: int


class OldDatabase:
    """One database. `left_out` and `counts` say what was left out and what else is worth telling, by what it was.

    Raises NotFound where there is none, BadValue for a file that is something else.
    """

    def __init__(self, path: Path, *, max_body: int) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()  # messages that `messages()` does not give, by reason
        self._max_body = max_body
        self._folders = [path.parent / FOLDER, OLD_FILES]
        if not path.is_file():
            raise NotFound(f"{path} is not there.", "Name the file: hubbub import claude-ipc PATH")
        self._columns = self._tables()
        if not {"id", "from_id", "to_id", "content"} <= self._columns.get("messages", set()):
            raise BadValue(f"{path} is not a database of claude-ipc-mcp: it has no messages table with its columns.")
        self._renames = self._read_renames()
        self._numbers = [number for (number,) in self._rows("SELECT id FROM messages ORDER BY id")]
        flag = "read_flag" if "read_flag" in self._columns["messages"] else "0"
        self._unread = {number for (number,) in self._rows(f"SELECT id FROM messages WHERE coalesce({flag}, 0) = 0")}  # noqa: S608

    def __len__(self) -> int:
        """How many messages it has."""
        return len(self._numbers)

    @property
    def unread(self) -> int:
        return len(self._unread)

    # Names

    def names(self, now: float) -> list[Json]:
        """Everybody there, each name once, with the old names that still lead to it at `now`."""
        seen: dict[str, float | None] = {}
        spelled: dict[str, str] = {}
        columns = self._columns.get("instances", set())
        at = "last_seen" if "last_seen" in columns else "NULL"
        listed = self._rows(f"SELECT instance_id, {at} FROM instances") if "instance_id" in columns else []  # noqa: S608
        for name, last_seen in listed:
            time = _time(last_seen)
            current = self.called(str(name), now if time is None else time)
            if current.lower() == SYSTEM:
                continue
            key = current.lower()
            if key in spelled and spelled[key] != current:
                self.counts[f"{current} is {spelled[key]}: here names match without case"] += 1
            spelled.setdefault(key, current)
            seen[key] = max(filter(None, (seen.get(key), time)), default=None)
        forwards: dict[str, list[Json]] = {}
        for rename in self._renames:
            until = rename.at + FORWARDS
            key = self.called(rename.old, rename.at - 0.001).lower()
            if until > now and rename.old.lower() not in spelled and key in spelled:
                forwards.setdefault(key, []).append({"name": rename.old, "until": _moment(until)})
        return [
            {
                "name": name,
                "last_seen": None if seen[key] is None else _moment(seen[key] or 0.0),
                "forwards": forwards.get(key, []),
            }
            for key, name in spelled.items()
        ]

    def called(self, name: str, at: float) -> str:
        """What whoever had a name at a time is called now."""
        place = 0
        while True:  # each step is later in the list than the one before it: also a circle has an end
            for index in range(place, len(self._renames)):
                rename = self._renames[index]
                if rename.old.lower() == name.lower() and rename.at >= at:
                    name, place = rename.new, index + 1
                    break
            else:
                return name

    def _read_renames(self) -> list[Rename]:
        if not {"old_name", "new_name", "changed_at"} <= self._columns.get("name_history", set()):
            return []
        found = []
        for old, new, changed_at in self._rows("SELECT old_name, new_name, changed_at FROM name_history"):
            if (at := _time(changed_at)) is not None:
                found.append(Rename(str(old), str(new), at))
        return sorted(found, key=lambda rename: rename.at)

    def sessions(self, now: float) -> list[Json]:
        """The sessions that still hold: their tokens' hashes, as they are kept here too."""
        if not {"session_token_hash", "instance_id", "expires_at"} <= self._columns.get("sessions", set()):
            return []
        created = "created_at" if "created_at" in self._columns["sessions"] else "NULL"
        found = []
        for digest, name, created_at, expires_at in self._rows(
            f"SELECT session_token_hash, instance_id, {created}, expires_at FROM sessions"  # noqa: S608
        ):
            end = _time(expires_at)
            if end is None or end <= now or not _is_digest(digest):
                continue
            begun = _time(created_at)
            found.append(
                {
                    "hash": digest,
                    "name": self.called(str(name), now if begun is None else begun),
                    "created_at": _moment(now if begun is None else begun),
                    "expires_at": _moment(end),
                }
            )
        return found

    # Messages

    def messages(self) -> Iterator[Row]:
        """Each message that is not `left_out` once, those first that had been read."""
        last: float | None = None
        read = [number for number in self._numbers if number not in self._unread]
        for numbers, was_read in ((read, True), (sorted(self._unread), False)):
            for start in range(0, len(numbers), PAGE):
                page = numbers[start : start + PAGE]
                rows = {row["id"]: row for row in self._page(page)}
                for number in page:
                    if number not in rows:
                        self.left_out["Removed there while it was being read."] += 1
                        continue
                    at = _time(rows[number].get("timestamp"))
                    if at is None:
                        self.counts["has no time that can be read: given that of the message before it"] += 1
                        at = last if last is not None else self.path.stat().st_mtime
                    last = at
                    if (message := self._message(rows[number], at, was_read=was_read)) is not None:
                        yield message

    def _page(self, numbers: Sequence[int]) -> Iterator[Json]:
        have = self._columns["messages"]
        wanted = [name for name in _COLUMNS if name in have]
        marks = ", ".join("?" * len(numbers))
        sql = f"SELECT {', '.join(wanted)} FROM messages WHERE id IN ({marks})"  # noqa: S608
        for row in self._rows(sql, numbers):
            yield dict(zip(wanted, row, strict=True))

    def _message(self, row: Json, at: float, *, was_read: bool) -> Row | None:
        sender, to = str(row["from_id"]), str(row["to_id"])
        if sender.lower() == SYSTEM:
            self.left_out[NOTICE] += 1
            return None
        body = _text(row["content"])
        data = _data(row.get("data"))
        if row.get("large_file_path"):
            body, data = self._large(_text(row["large_file_path"]), body, data)
        recipient = self.called(to, at)
        item: Json = {
            "id": _id(row),
            "from": sender,
            "sender": self.called(sender, at),
            "to": recipient,
            "body": body,
            "data": data,
            "at": _moment(at),
            "unread": [] if was_read else [recipient],
        }
        size = len(body.encode()) + (0 if data is None else len(json.dumps(data, ensure_ascii=False).encode()))
        return Row(row["id"], item, size)

    def _large(self, path: str, summary: str, data: Any) -> tuple[str, Any]:
        """The text of a long message from its file, and its data without what only told where that is."""
        if (found := self._find(path)) is None:
            return summary, data
        try:
            descriptor = os.open(found, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
            with closing(os.fdopen(descriptor, "rb")) as file:
                if os.fstat(descriptor).st_size > self._max_body + 65_536:  # its own head is small
                    self.counts["long message over max_body: only its summary was taken"] += 1
                    return summary, data
                text = file.read().decode("utf-8", "replace")
        except OSError:
            self.counts["long message whose file cannot be read: only its summary was taken"] += 1
            return summary, data
        _, mark, content = text.partition(f"\n{CONTENT}\n")
        body = content.strip("\n") if mark else text
        if len(body.encode()) > self._max_body:
            self.counts["long message over max_body: only its summary was taken"] += 1
            return summary, data
        self.counts["long message taken whole from its file"] += 1
        if isinstance(data, dict):
            data = {key: value for key, value in data.items() if key not in _LARGE} or None
        return body, data

    def _find(self, path: str) -> Path | None:
        """The file of a long message: in one of the known folders, whatever the database says and links lead to."""
        for folder in self._folders:
            # A database that was copied elsewhere names the old place: then the file stands beside the copy.
            for each in (Path(path), folder / Path(path).name):
                try:
                    real, within = each.resolve(strict=True), folder.resolve(strict=True)
                    if real.is_relative_to(within) and not each.is_symlink() and S_ISREG(real.stat().st_mode):
                        return real
                except (OSError, ValueError, RuntimeError):
                    continue
        there = os.path.lexists(path) if "\0" not in path else False
        why = "lies outside the folders for them" if there else "is gone"
        self.counts[f"long message whose file {why}: only its summary was taken"] += 1
        return None

    # SQL

    def _tables(self) -> dict[str, set[str]]:
        names = [str(name) for (name,) in self._rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        wanted = [name for name in names if name in ("messages", "instances", "sessions", "name_history")]
        return {
            name: {str(column) for (column,) in self._rows("SELECT name FROM pragma_table_info(?)", (name,))}
            for name in wanted
        }

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows at once, so that no lock is held while they are sent on."""
        try:
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY)) as db:
                db.text_factory = lambda raw: raw.decode("utf-8", "replace")
                return db.execute(sql, parameters).fetchall()
        except sqlite3.Error as why:
            raise BadValue(
                f"{self.path} cannot be read: {why}.",
                "Stop the old broker if it is busy; if the file is damaged, sqlite3 FILE .recover saves what can be.",
            ) from None


_COLUMNS = ("id", "from_id", "to_id", "content", "timestamp", "data", "large_file_path")
_LARGE = frozenset({"large_message_file", "original_size_kb"})


def find(path: Path | None) -> list[Path]:
    """The database named, or those in the known places. Raises NotFound if there is none."""
    if path is not None:
        return [path / "messages.db" if path.is_dir() else path]
    there = [each.expanduser() for each in KNOWN if each.expanduser().is_file()]
    if not there:
        raise NotFound(
            f"No database of claude-ipc-mcp is at {' or '.join(map(str, KNOWN))}.",
            "Name it: hubbub import claude-ipc PATH",
        )
    return there


def _id(row: Json) -> str:
    """The same for the same message, wherever its database lies and whatever it is renamed or marked there."""
    key = json.dumps([row["id"], _text(row.get("timestamp")), _text(row["content"])])
    return f"claude-ipc-{row['id']}-{sha256(key.encode('utf-8', 'replace')).hexdigest()[:24]}"


def _time(text: Any) -> float | None:
    """Seconds since 1970 of a time as it stands there: local, without a zone. None for what is none."""
    try:
        return float(text) if isinstance(text, int | float) else datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _data(text: Any) -> Any:
    """The JSON beside a message; text that is not JSON stays text. An empty object stood for none."""
    said = _text(text)
    if not said:
        return None
    try:
        value = json.loads(said, parse_constant=_no_number)
        whole = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")  # half a surrogate is no text
    except (ValueError, RecursionError):
        return said
    return json.loads(whole) or None


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _is_digest(text: Any) -> bool:
    return isinstance(text, str) and len(text) == 64 and all(each in "0123456789abcdef" for each in text)
