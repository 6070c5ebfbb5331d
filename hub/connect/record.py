"""What was done to a client's files, so that it can be undone: HUBBUB_HOME/connected/CLIENT.json.

While a file is as we left it, undoing puts the copy beside it back, byte for byte. Once somebody else has written to
it, only what is ours is taken out.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from hub.connect.edit import ABSENT, Undo
from hub.paths import make_private, write_private

VERSION: Final = 1


class Entry(NamedTuple):
    """One file. `backup` is the copy of what was there; None with `existed` means that it could not serve any more."""

    path: Path
    form: str
    existed: bool
    backup: Path | None
    before: str | None  # digest of what was there
    after: str  # digest of what we left
    folders: list[Path]  # that were made for it
    undo: list[Undo]


class Record:
    """The record of one client; `entries` is empty where nothing was done."""

    def __init__(self, home: Path, client: str) -> None:
        self.path = home / "connected" / f"{client}.json"
        self.entries: dict[Path, Entry] = {}

    def read(self) -> Record:
        """Read what is there; a record that cannot be read counts as none."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            told = json.loads(self.path.read_text("utf-8"))
            if told["version"] == VERSION:
                self.entries = {(entry := _entry(each)).path: entry for each in told["files"]}
        return self

    def write(self) -> None:
        """Keep it; without entries the file goes. Raises Unavailable or OSError."""
        if not self.entries:
            self.path.unlink(missing_ok=True)
            return
        make_private(self.path.parent.parent)
        make_private(self.path.parent)
        told = {"version": VERSION, "files": [_told(entry) for entry in self.entries.values()]}
        write_private(self.path, json.dumps(told, indent=1) + "\n")


def _told(entry: Entry) -> dict[str, Any]:
    return {
        **entry._asdict(),
        "path": str(entry.path),
        "backup": entry.backup and str(entry.backup),
        "folders": [str(folder) for folder in entry.folders],
        "undo": [_told_step(step) for step in entry.undo],
    }


def _told_step(step: Undo) -> dict[str, Any]:
    told = {**step._asdict(), "path": list(step.path)}
    if step.before is ABSENT:
        del told["before"]
    return told


def _entry(told: dict[str, Any]) -> Entry:
    backup = told.pop("backup")
    return Entry(
        **{
            **told,
            "path": Path(told["path"]),
            "backup": None if backup is None else Path(backup),
            "folders": [Path(folder) for folder in told["folders"]],
            "undo": [Undo(**{"before": ABSENT, **step, "path": tuple(step["path"])}) for step in told["undo"]],
        }
    )
