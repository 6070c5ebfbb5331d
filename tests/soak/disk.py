"""A disk that can be watched, cut off and broken: the shim of disk.c from Python's side, and what a power cut leaves.

`Shim` compiles disk.c and says what to put into a process's environment. `Control` makes that process's calls fail.
`read_tape()` gives the calls that it made, and `Disk` does them again, keeping apart what was synced and what was not.

What a disk may keep of what was not synced, as POSIX has it (https://pubs.opengroup.org/onlinepubs/9699919799/, fsync):
anything. So an image takes of each write nothing, all, or some of its sectors, whatever the order, and of each new name
in a folder that was not synced nothing or all. A file that was synced is still lost if its name was not. What a failed
sync was to write may never be written, also if a later one succeeds: Linux forgets that those pages were dirty
(https://lwn.net/Articles/752063/).
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec import json

SECTOR = 512  # bytes that a disk writes whole or not at all
VOLATILE = ("-shm", ".lock")  # names whose content means nothing after a restart: it is not put into images

SYNC, WRITE, TRUNCATE, OPEN, NAME, READ = (1 << bit for bit in range(6))
KINDS = ("", "start", "open", "close", "write", "truncate", "sync", "rename", "unlink", "mkdir", "link", "said")
_HEAD = struct.Struct("<iiiqII")
_CONTROL = struct.Struct("<7i")


class Shim:
    """The compiled shim, watching the files below `under`; those with `only` in their path can be made to fail."""

    def __init__(self, folder: Path, under: Path, only: str = "hubbub.db") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.under = under
        self.tape = folder / "tape"
        self._control = folder / "control"
        self._control.write_bytes(bytes(32))
        self.environment = {
            "LD_PRELOAD": str(compiled()),
            "DISK_UNDER": str(under),
            "DISK_ONLY": only,
            "DISK_CONTROL": str(self._control),
            "DISK_TAPE": str(self.tape),
        }

    def control(self) -> Control:
        return Control(self._control)


@functools.cache
def compiled() -> Path:
    """The shim as a library for LD_PRELOAD; skips the test where there is no compiler, or no such thing."""
    if sys.platform != "linux":
        pytest.skip("the disk's shim is for Linux's LD_PRELOAD")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("cc is missing: `.ci/tools` installs it (Debian's gcc and libc6-dev)")
    source = Path(__file__).with_name("disk.c")
    library = source.parents[2] / ".cache" / f"disk-{source.stat().st_mtime_ns:x}.so"
    if not library.exists():
        library.parent.mkdir(exist_ok=True)
        draft = library.with_suffix(f".{os.getpid()}")
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", draft, source, "-ldl", "-lpthread"], check=True)
        draft.replace(library)
    return library


class Control:
    """What both sides of the shim have mapped."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 32)

    def fail(self, calls: int, error: int, first: int = 1, many: int = -1) -> None:
        """From the `first` of these calls on, counted from now, let `many` fail with `error`; -1: until `heal()`."""
        _, _, _, _, _, _, no_sync = self._get()
        self._set(0, 0, 0, 0, 0, 0, no_sync)
        self._set(calls, error, first, many, 0, 0, no_sync)

    def heal(self) -> None:
        """The cause goes away. What was counted stays to be looked at."""
        _, error, first, many, seen, hit, no_sync = self._get()
        self._set(0, error, first, many, seen, hit, no_sync)

    def skip_syncs(self, skip: bool = True) -> None:
        """Only say that a sync was done: for tests of what happens when it fails, not of what it does."""
        self._map[24:28] = int(skip).to_bytes(4, "little")

    @property
    def failing(self) -> bool:
        """Whether the cause is there, also if no call has met it yet."""
        return self._get()[0] != 0

    @property
    def seen(self) -> int:
        """How many of the calls were counted."""
        return self._get()[4]

    @property
    def hit(self) -> int:
        """How many of them failed."""
        return self._get()[5]

    def _get(self) -> tuple[int, ...]:
        return _CONTROL.unpack_from(self._map)

    def _set(self, *values: int) -> None:
        _CONTROL.pack_into(self._map, 0, *values)


def say(offset: int, message_id: str) -> None:
    """In a process under the shim: put on its tape that this message was confirmed."""
    ctypes.CDLL(None).disk_said(json.encode({"type": "published", "id": message_id, "offset": offset}))


class Call(NamedTuple):
    """One call on the tape. `one` and `two` are what it wrote, or its paths."""

    kind: str
    fd: int
    result: int
    place: int
    one: bytes
    two: bytes

    def confirmed(self) -> Iterator[tuple[str, int]]:
        """The (id, offset) of each message that this call tells somebody is stored."""
        place = 0
        while (place := self.one.find(b'{"type":"published"', place)) >= 0:
            depth = 0
            for end in range(place, len(self.one)):
                depth += {0x7B: 1, 0x7D: -1}.get(self.one[end], 0)
                if depth == 0:
                    told = json.decode(self.one[place : end + 1])
                    yield told["id"], told["offset"]
                    break
            place += 1


def read_tape(path: Path) -> list[Call]:
    """The calls in the order in which they were done."""
    data = path.read_bytes()
    calls: list[Call] = []
    place = 0
    while place + _HEAD.size <= len(data):
        kind, fd, result, where, ones, twos = _HEAD.unpack_from(data, place)
        place += _HEAD.size
        calls.append(
            Call(KINDS[kind], fd, result, where, data[place : place + ones], data[place + ones : place + ones + twos])
        )
        place += ones + twos
    return calls


class _Write(NamedTuple):
    """Something done to a file; without `data` it is cut to `place` bytes."""

    place: int
    data: bytes | None


class _File:
    def __init__(self) -> None:
        self.synced = bytearray()
        self.pending: list[_Write] = []

    def sync(self, done: Iterable[_Write]) -> None:
        for write in done:
            _do(self.synced, write)
        self.pending = []

    def left(self, chance: random.Random, how: str) -> bytes:
        """What may be found in it after a power cut."""
        if how == "synced" or not self.pending:
            return bytes(self.synced)
        content = bytearray(self.synced)
        for write in torn(self.pending, chance, how):
            _do(content, write)
        return bytes(content)


def _do(content: bytearray, write: _Write) -> None:
    if write.data is None:
        del content[write.place :]
        content.extend(bytes(write.place - len(content)))
    else:
        if write.place > len(content):
            content.extend(bytes(write.place - len(content)))
        content[write.place : write.place + len(write.data)] = write.data


def torn(writes: Sequence[_Write], chance: random.Random, how: str) -> Iterator[_Write]:
    """What a disk may have done of these writes. `cached`: all; `prefix`: the first ones, and one in part."""
    if how == "cached":
        yield from writes
    elif how == "prefix":
        last = chance.randrange(len(writes))
        yield from writes[:last]
        yield from _sectors(writes[last], range(chance.randrange(16)))
    else:
        for write in writes:
            fate = chance.random()
            if fate < 0.35:
                yield write
            elif fate < 0.65:
                yield from _sectors(write, _Half(chance))


def _sectors(write: _Write, kept: Container[int]) -> Iterator[_Write]:
    """Those sectors of a write that are kept; a file is cut as a whole or not at all."""
    if write.data is None:
        return
    begin, number = 0, 0
    while begin < len(write.data):
        end = min(len(write.data), begin + SECTOR - (write.place + begin) % SECTOR)
        if number in kept:
            yield _Write(write.place + begin, write.data[begin:end])
        begin, number = end, number + 1


class _Half:
    """As good as half of all numbers."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def __contains__(self, number: object) -> bool:
        return self._chance.random() < 0.5


class _Naming(NamedTuple):
    """Something done to the names of a folder: `before` gives way to `after`, which stands for `file`."""

    before: str | None
    after: str | None
    file: _File | None  # None: a folder


class Disk:
    """The files below a folder that exists, as the calls of a tape leave them: in memory, and on the disk."""

    def __init__(self, under: Path, chance: random.Random) -> None:
        self._under = str(under)
        self._chance = chance
        self._now: dict[str, _File | None] = {}  # path -> file, or None for a folder
        self._synced: dict[str, _File | None] = {}
        self._pending: dict[str, list[_Naming]] = {}  # folder -> what was done in it since it was synced
        self._open: dict[int, tuple[str, _File | None]] = {}
        self.confirmed: dict[str, int] = {}  # id -> offset

    def do(self, call: Call) -> None:
        """Take the next call of the tape."""
        match call.kind:
            case "start":
                self._open.clear()
            case "open":
                self._opened(call.fd, call.one.decode(), call.place)
            case "close":
                self._open.pop(call.fd, None)
            case "write":
                self._write(call.fd, _Write(call.place, call.one))
            case "truncate":
                self._write(call.fd, _Write(call.place, None))
            case "sync":
                self._sync(call.fd, call.result == 0)
            case "rename":
                before, after = call.one.decode(), call.two.decode()
                self._name(before, after, self._now[before])
            case "link":
                self._name(None, call.two.decode(), self._now[call.one.decode()])
            case "unlink":
                self._name(call.one.decode(), None, None)
            case "mkdir":
                self._name(None, call.one.decode(), None)
            case "said":
                self.confirmed.update(call.confirmed())

    def _opened(self, fd: int, path: str, flags: int) -> None:
        if path not in self._now and not flags & os.O_DIRECTORY and path != self._under:
            self._name(None, path, _File())
        file = self._now.get(path)
        self._open[fd] = (path, file)
        if flags & os.O_TRUNC and file is not None:
            file.pending.append(_Write(0, None))

    def _write(self, fd: int, write: _Write) -> None:
        file = self._open[fd][1]
        assert file is not None
        file.pending.append(write)

    def _sync(self, fd: int, good: bool) -> None:
        path, file = self._open[fd]
        if file is not None:
            # What a failed sync was to write is lost, but for what by chance was written.
            file.sync(file.pending if good else torn(file.pending, self._chance, "torn"))
        elif good:
            for naming in self._pending.pop(path, ()):
                _rename(self._synced, naming)

    def _name(self, before: str | None, after: str | None, file: _File | None) -> None:
        naming = _Naming(before, after, file)
        _rename(self._now, naming)
        self._pending.setdefault(str(Path(after or before or "").parent), []).append(naming)

    def image(self, into: Path, how: str) -> None:
        """Lay out below `into` what a power cut now leaves: `synced`, `torn`, `prefix`, or `cached` if it is none."""
        names = dict(self._synced)
        for pending in self._pending.values():
            last = self._chance.randrange(len(pending) + 1)
            for number, naming in enumerate(pending):
                if (
                    how == "cached"
                    or (how == "prefix" and number < last)
                    or (how == "torn" and self._chance.random() < 0.5)
                ):
                    _rename(names, naming)
        for path in sorted(names):
            file, here = names[path], into / Path(path).relative_to(self._under)
            if not here.parent.is_dir() or path.endswith(VOLATILE):
                continue  # it lies in a folder that is gone
            if file is None:
                here.mkdir(mode=0o700)
            else:
                here.write_bytes(file.left(self._chance, how))
                here.chmod(0o600)


def _rename(names: dict[str, _File | None], naming: _Naming) -> None:
    if naming.before is not None:
        if naming.before not in names:
            return
        moved = names.pop(naming.before)
        if naming.after is not None:
            names[naming.after] = moved
    elif naming.after is not None:
        names[naming.after] = naming.file


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """A folder that is gone afterwards: hundreds of them would fill the disk."""
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path)
