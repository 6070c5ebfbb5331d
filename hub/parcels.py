"""The files that messages carry, in a folder outside the hub, each under its SHA-256: beside a backup or an export.

What is there already is not copied again, so one folder serves for many backups. A file gets its name only once its
bytes have been written out and have that hash.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from hub import soundness
from hub.database import FAILURES, storage_failed
from hub.disk import sync_file, sync_names
from hub.filename import is_hash
from hub.paths import make_private

BLOCK = 2**20

_NAMED = """
    SELECT id, sender, attachments FROM messages WHERE attachments IS NOT NULL ORDER BY offset DESC LIMIT ?
"""


class Carried(NamedTuple):
    """A file that a message names."""

    message: str
    sender: str
    sha256: str
    name: str


class Packed(NamedTuple):
    """What has become of the files: copied, there before, and those that are nowhere, or have other bytes."""

    copied: int
    bytes: int
    known: int
    missing: list[Carried]


def carried(database: Path, most: int = -1) -> Iterator[Carried]:
    """The files that messages name, those of the newest message first, of so many messages at most (-1: all).

    Raises what sqlite3 does, and ValueError, KeyError or TypeError for a row that makes no sense.
    """
    if not database.exists():
        return
    with closing(soundness.reading(database)) as db:
        for message, sender, told in db.execute(_NAMED, (most,)):
            for each in json.loads(told):
                if is_hash(str(each["sha256"])):  # what was imported may say anything
                    yield Carried(str(message), str(sender), str(each["sha256"]), str(each.get("name", "")))


def kept(attachments: Path, sha256: str) -> Path:
    """Where the hub keeps a file: hub/attachments.py."""
    return attachments / sha256[:2] / sha256


def pack(database: Path, attachments: Path, folder: Path) -> Packed:
    """Copy the files that a database's messages name into a folder. Raises StorageFailed."""
    return _copy_all(database, lambda sha256: kept(attachments, sha256), lambda sha256: folder / sha256)


def unpack(database: Path, folder: Path, attachments: Path) -> Packed:
    """Copy them from a folder to where a hub that is not running looks for them. Raises StorageFailed."""
    return _copy_all(database, lambda sha256: folder / sha256, lambda sha256: kept(attachments, sha256))


def unpack_one(sha256: str, folder: Path, attachments: Path) -> bool:
    """Copy one of them, unless it is there; whether it is then. Raises StorageFailed."""
    if not is_hash(sha256):  # what was exported may say anything
        return False
    target = kept(attachments, sha256)
    try:
        return target.is_file() or _copy(folder / sha256, target, sha256) is not None
    except FAILURES as why:
        raise storage_failed(why, target) from why


def _copy_all(database: Path, source: Callable[[str], Path], target: Callable[[str], Path]) -> Packed:
    copied = size = known = 0
    missing: list[Carried] = []
    seen: set[str] = set()
    here = database
    try:
        for each in carried(database):
            if each.sha256 in seen:
                continue
            seen.add(each.sha256)
            here = target(each.sha256)
            if here.is_file():
                known += 1
            elif (length := _copy(source(each.sha256), here, each.sha256)) is None:
                missing.append(each)
            else:
                copied += 1
                size += length
    except (*FAILURES, KeyError, TypeError) as why:
        raise storage_failed(why, here) from why
    return Packed(copied, size, known, missing)


def _copy(source: Path, target: Path, sha256: str) -> int | None:
    """Copy one file; its size, or None where it is not there or has other bytes. Raises OSError."""
    try:
        reading = source.open("rb")
    except FileNotFoundError:
        return None
    if not target.parent.is_dir():
        make_private(target.parent)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    digest = hashlib.sha256()
    size = 0
    try:
        with reading, os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as writing:
            while block := reading.read(BLOCK):
                digest.update(block)
                size += len(block)
                writing.write(block)
            writing.flush()
            sync_file(writing.fileno())
        if digest.hexdigest() != sha256:
            return None
        draft.replace(target)
        sync_names(target.parent)
    finally:
        draft.unlink(missing_ok=True)
    return size
