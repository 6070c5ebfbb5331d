"""The files that messages carry: each that a message names should be beside the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from hub import soundness
from hub.config import Settings
from hub.disk import real
from hub.doctor.finding import Finding, ok, warning
from hub.filename import safe_name

MOST = 100_000  # messages with files that are looked at, the newest first
_NAMED = """
    SELECT id, sender, attachments FROM messages WHERE attachments IS NOT NULL ORDER BY offset DESC LIMIT ?
"""


def examine(settings: Settings) -> Iterator[Finding]:
    """One finding, where messages carry files. What is wrong with the database itself is said elsewhere."""
    folder = settings.paths.attachments
    missing: dict[str, tuple[str, str, str]] = {}
    here: set[str] = set()
    try:
        for message, sender, sha256, name in _named(real(settings.paths.database)):
            if sha256 in here or sha256 in missing:
                continue
            if (folder / sha256[:2] / sha256).is_file():
                here.add(sha256)
            else:
                missing[sha256] = (message, sender, name)
    except (sqlite3.Error, OSError, ValueError, TypeError, KeyError):
        return
    if missing:
        message, sender, name = next(iter(missing.values()))
        said = (
            f"{len(missing):,} of {len(missing) + len(here):,} files that messages carry are not in {folder}: one is "
            f"{safe_name(name)} from {sender}. What hubbub backup --files has kept, hubbub restore --files puts back"
        )
        yield warning("attachments", "attachment_missing", said, f"hubbub status {message}")
    elif here:
        yield ok("attachments", f"all {len(here):,} files that messages carry are in {folder}")


def _named(database: Path) -> Iterator[tuple[str, str, str, str]]:
    """Message, sender, hash and name of each file that a message carries."""
    if not database.exists():
        return
    with closing(soundness.reading(database)) as db:
        for message, sender, told in db.execute(_NAMED, (MOST,)):
            for each in json.loads(told):
                yield str(message), str(sender), str(each["sha256"]), str(each.get("name", ""))
