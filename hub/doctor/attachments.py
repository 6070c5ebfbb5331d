"""The files that messages carry: each that a message names should be beside the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from hub.config import Settings
from hub.disk import real
from hub.doctor.finding import Finding, ok, warning
from hub.filename import safe_name
from hub.parcels import Carried, carried, kept

MOST = 100_000  # messages with files that are looked at, the newest first


def examine(settings: Settings) -> Iterator[Finding]:
    """One finding, where messages carry files. What is wrong with the database itself is said elsewhere."""
    folder = settings.paths.attachments
    missing: dict[str, Carried] = {}
    here: set[str] = set()
    try:
        for each in carried(real(settings.paths.database), MOST):
            if each.sha256 in here or each.sha256 in missing:
                continue
            if kept(folder, each.sha256).is_file():
                here.add(each.sha256)
            else:
                missing[each.sha256] = each
    except (sqlite3.Error, OSError, ValueError, TypeError, KeyError):
        return
    if missing:
        first = next(iter(missing.values()))
        said = (
            f"{len(missing):,} of {len(missing) + len(here):,} files that messages carry are not in {folder}: one is "
            f"{safe_name(first.name)} from {first.sender}. "
            "What hubbub backup --files has kept, hubbub restore --files puts back"
        )
        yield warning("attachments", "attachment_missing", said, f"hubbub status {first.message}")
    elif here:
        yield ok("attachments", f"all {len(here):,} files that messages carry are in {folder}")
