"""Databases as claude-ipc-mcp leaves them, made for tests."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, from_id TEXT NOT NULL, to_id TEXT NOT NULL,
    content TEXT NOT NULL, timestamp TEXT NOT NULL, data TEXT, summary TEXT, large_file_path TEXT,
    read_flag INTEGER DEFAULT 0);
CREATE TABLE instances (instance_id TEXT PRIMARY KEY, last_seen TEXT NOT NULL);
CREATE TABLE sessions (session_token_hash TEXT PRIMARY KEY, instance_id TEXT NOT NULL, created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL);
CREATE TABLE name_history (old_name TEXT, new_name TEXT, changed_at TEXT NOT NULL);
"""


class Old:
    """An old system's folder. Times are given as how many hours ago something was."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "messages.db"
        self.large = folder / "large-messages"
        self._now = datetime.now().replace(microsecond=0)
        with closing(self._connect()) as db:
            db.executescript(SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path)

    def time(self, hours: float) -> str:
        return (self._now - timedelta(hours=hours)).isoformat()

    def run(self, sql: str, *rows: tuple[Any, ...]) -> None:
        with closing(self._connect()) as db, db:
            db.executemany(sql, rows)

    def instance(self, *names: str, seen: float = 1.0) -> None:
        self.run("INSERT INTO instances VALUES (?, ?)", *((name, self.time(seen)) for name in names))

    def rename(self, old: str, new: str, hours: float) -> None:
        self.run("INSERT INTO name_history VALUES (?, ?, ?)", (old, new, self.time(hours)))

    def session(self, name: str, token: str, hours: float = 1.0) -> None:
        digest = sha256(token.encode()).hexdigest()
        self.run("INSERT INTO sessions VALUES (?, ?, ?, ?)", (digest, name, self.time(hours), self.time(hours - 24)))

    def message(
        self, sender: str, to: str, content: str, *, hours: float = 1.0, read: bool = False, data: Any = None
    ) -> None:
        row = (sender, to, content, self.time(hours), None if data is None else json.dumps(data), int(read))
        self.run("INSERT INTO messages (from_id, to_id, content, timestamp, data, read_flag) VALUES (?,?,?,?,?,?)", row)

    def long(self, sender: str, to: str, summary: str, path: Path, *, read: bool = False) -> None:
        """A message whose text stands in a file."""
        self.run(
            "INSERT INTO messages (from_id, to_id, content, timestamp, data, summary, large_file_path, read_flag)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                sender,
                to,
                f"{summary} Full content saved to: {path}",
                self.time(1),
                json.dumps({"large_message_file": str(path), "original_size_kb": 12.0}),
                summary,
                str(path),
                int(read),
            ),
        )

    def file(self, name: str, text: str) -> Path:
        """A file of the kind in which long messages lie."""
        self.large.mkdir(exist_ok=True)
        path = self.large / name
        path.write_text(f"# Large Message\n\n**From:** fred\n\n## Content\n\n{text}\n")
        return path


def many(folder: Path, count: int) -> Old:
    """`count` messages between twenty agents, both read and not, with renames and a long one in each hundred."""
    old = Old(folder)
    names = [f"agent-{number}" for number in range(20)]
    old.instance(*names[1:], "agent-zero")
    old.rename("agent-0", "agent-zero", 1.0)
    old.large.mkdir(exist_ok=True)
    rows = []
    for number in range(count):
        path = None
        content, data = f"message {number}", json.dumps({"number": number}) if number % 7 == 0 else None
        if number % 100 == 50:
            path = str(old.file(f"{number}.md", f"long text {number} " * 900))
            content = f"long text {number}. Full content saved to: {path}"
        # The newer half of what agents 10 to 19 were sent is unread; what the rest were sent is read.
        to = number % 20
        read = int(to < 10 or number < count // 2)
        at = old.time(3 + (count - number) / count * 100)
        rows.append((names[number * 7 % 20], names[to], content, at, data, path, read))
    old.run(
        "INSERT INTO messages (from_id, to_id, content, timestamp, data, large_file_path, read_flag)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        *rows,
    )
    return old
