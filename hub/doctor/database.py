"""The database: the disk under it, its files, who holds a lock on it, and whether it is sound.

The order is that of the causes: on a full disk everything else may be well. Nothing is written, not even to try
whether that is possible; what only a write would show (a quota, a failing disk) the running hub tells as its problem.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from hub import schema, soundness, volume
from hub.config import Settings
from hub.daemon import Running
from hub.database import error_name, is_damage
from hub.disk import real
from hub.doctor.finding import BROKEN, Finding, Mend, broken, note, ok, warning
from hub.doctor.writers import writer
from hub.lock import is_held
from hub.paths import Paths
from hub.processes import command_of, file_limit
from hub.soundness import Damaged
from hub.units import roughly

CHECK_SECONDS = 5.0  # that going through the whole of it may take
LONG_JOURNAL = 256 * 2**20  # bytes; a hub cuts it back to 64 MiB
RESTART = "hubbub stop && hubbub start"


def examine(settings: Settings, hub: Running | None) -> Iterator[Finding]:
    """What can be said of it from outside; `hub` is the one that runs on it."""
    path = settings.paths.database
    yield from disk(path)
    if not path.exists():
        yield note("database", "database_missing", f"{path} is not there yet; the first start makes it")
        return
    yield from _permissions(settings.paths)
    holder = writer(real(path))
    if holder is not None and (hub is None or holder != hub.pid) and holder != os.getpid():
        command = command_of(holder) or "a program that cannot be told"
        yield broken(
            "lock",
            "database_locked",
            f"pid {holder} keeps everybody else from writing to {path}: {command}",
            f"kill {holder}" if os.name == "posix" else f"taskkill /PID {holder}",
        )
    found = _contents(path, runs=hub is not None)
    if found.state == BROKEN and hub is None and is_held(settings.paths.hub_lock):
        found = _contents(path, runs=True)  # a hub has come up meanwhile, and wrote while it was looked at
    yield found
    if hub is not None and (most := file_limit(hub.pid)) is not None:
        said = f"the hub may write no file of more than {roughly(most)}: at that size storing fails"
        yield warning("limit", "file_limit", said, "ulimit -f unlimited")
    yield from _set_aside(path)


def disk(database: Path) -> Iterator[Finding]:
    """How much room there is, and what of it is the database's."""
    folder = database.parent
    try:
        found = volume.look(database)
    except OSError as why:
        yield broken("disk", "disk_unreadable", f"the disk of {folder} cannot be asked: {why}", f"df -h {folder}")
        return
    room = f"{roughly(found.free_bytes)} of {roughly(found.disk_bytes)} are free"
    match found.state:
        case "read-only":
            said = f"the disk of {folder} is mounted read-only: nothing can be stored"
            yield broken("disk", "disk_read_only", said, f"findmnt -T {folder}")
        case "full":
            said = f"the disk of {folder} is full ({room}): what was confirmed is kept, and nothing new can be stored"
            yield broken("disk", "disk_full", said, f"df -h {folder}")
        case "low":
            yield warning("disk", "disk_low", f"the disk of {folder} is nearly full: {room}", f"df -h {folder}")
        case _:
            yield ok("disk", f"{room} at {folder}")
    if found.journal_bytes > LONG_JOURNAL:
        said = (
            f"the journal beside {database} has {roughly(found.journal_bytes)}: "
            "some program has been reading in it for long, and keeps it from being cut back"
        )
        yield warning("journal", "journal_long", said, f"lsof {database}")


def _permissions(paths: Paths) -> Iterator[Finding]:
    """Whether the files may be written, by their modes: root may all the same, but the hub's user may not be root."""
    path = real(paths.database)
    for each in (path, *(soundness.beside(path, side) for side in ("-wal", "-shm"))):
        try:
            about = each.stat()
        except OSError:
            continue
        if about.st_mode & 0o200 and about.st_mode & 0o400 and os.access(each, os.R_OK | os.W_OK):
            continue
        mine = os.name != "posix" or about.st_uid == os.geteuid()
        mend = Mend(f"chmod u+rw {each}", partial(_open_up, each)) if mine and not about.st_mode & 0o200 else None
        yield broken(
            "database",
            "database_not_writable",
            f"{each} may not be written by who runs the hub",
            f"chmod u+rw {each}" if mine else f'sudo chown "$(id -un)" {each}',
            mend,
        )


def _open_up(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o600)


def _contents(path: Path, *, runs: bool) -> Finding:
    """Whether it is sound: all pages, all tables, each message against its checksum, as far as the time goes."""
    start = RESTART if runs else "hubbub start"
    there = real(path)
    try:
        why = None if runs or soundness.beside(there, "-journal").exists() else soundness.fault(there, "full")
        if why is None:
            whole = _look_inside(there)
    except Damaged as fault:
        why = str(fault)
    except (sqlite3.Error, OSError, UnicodeError) as fault:
        if is_damage(fault):
            why = str(fault)
        elif error_name(fault).startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            said = f"another program holds a lock on {path}: it cannot be looked into"
            return broken("database", "database_locked", said, f"lsof {path}")
        else:
            return broken("database", "database_unreadable", f"{path} cannot be read: {fault}", f"ls -la {path.parent}")
    size = roughly(volume.size(there))
    if why is not None:
        said = f"{path} is damaged ({why}); a hub that starts sets it aside whole, and recovers what can be read"
        return broken("database", "database_damaged", said, start)
    looked = "sound" if whole else f"sound as far as {CHECK_SECONDS:g} s of looking went"
    return ok("database", f"{path} is {looked}, {size}")


def _look_inside(path: Path) -> bool:
    """Whether it could be gone through in time. Raises Damaged and sqlite3.Error."""
    with closing(soundness.reading(path)) as db:
        if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] and schema.version_of(db) == 0:
            return True  # made, and not filled yet
        return soundness.within(db, CHECK_SECONDS, soundness.check_whole)


def _set_aside(path: Path) -> Iterator[Finding]:
    found = sorted(real(path).parent.glob(f"{real(path).name}.damaged-*"))
    if found:
        total = roughly(sum(volume.size(each) for each in found))
        said = (
            f"{len(found)} damaged {'databases were' if len(found) > 1 else 'database was'} set aside here ({total}); "
            "what could be read of them is in the new one"
        )
        yield note("set aside", "database_set_aside", said, f"ls -l {found[0].parent}")
