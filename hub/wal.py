"""SQLite's write-ahead log, read as bytes: whether what is missing in it was lost in a power cut, or was damaged.

SQLite reads it up to the first frame whose checksum is wrong, and takes what follows for the torn end of a transaction
that was never confirmed. So a flipped bit in the middle silently takes every message after it. But with
`synchronous=FULL` a transaction is written only after the one before it was synced; so what is followed by another
transaction was there once, whole, and a wrong checksum in it is damage. Likewise the index beside the log (`-shm`),
where it is left of a killed process, names frames only once they were synced.

The formats are https://sqlite.org/fileformat2.html#walformat and https://sqlite.org/walformat.html#the_wal_index_file_format.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeAlias

_ORDERS = {bytes.fromhex("377f0682"): "<", bytes.fromhex("377f0683"): ">"}  # of the words that checksums are over
HEADER, FRAME_HEADER = 32, 24  # bytes
INDEX_HEADER = 100  # bytes of the index: its head, twice, and how much was copied; locks are held on later ones
_MASK = 0xFFFFFFFF
_NATIVE = "<" if sys.byteorder == "little" else ">"
_Bytes: TypeAlias = bytes | mmap.mmap


class Index(NamedTuple):
    """The head of the index: how many frames are valid, and how many of them are in the database file too."""

    frames: int
    copied: int
    salts: bytes


def read_index(head: bytes) -> Index | None:
    """The head of a `-shm` from its first INDEX_HEADER bytes; None if it is not valid, as while it is changed."""
    if len(head) < INDEX_HEADER or head[:48] != head[48:96] or not head[12]:
        return None
    if _add(struct.unpack(_NATIVE + "10I", head[:40]), (0, 0)) != struct.unpack(_NATIVE + "2I", head[40:48]):
        return None
    (frames,) = struct.unpack_from(_NATIVE + "I", head, 16)
    (copied,) = struct.unpack_from(_NATIVE + "I", head, 96)
    return Index(frames, copied, head[32:40])


def damage(wal: Path, shm: Path, *, in_order: bool = True, seconds: float = math.inf) -> str | None:
    """What is wrong with a log; None if nothing is. `in_order`: it was written with `synchronous=FULL`.

    To be asked before SQLite opens it. Frames lost from the very end are not found where the index is gone too: nothing
    tells them from ones that were never synced. Raises OSError, and TimeoutError once it took so many `seconds`.
    """
    index = _index(shm) if in_order else None
    with _mapped(wal) as data:
        if len(data) < HEADER or not re.search(rb"[^\0]", data):
            # Its head was never written whole: on a full disk that ends after any byte.
            if index is not None and index.frames > index.copied:
                return f"its journal is gone: it had {index.frames} frames, of which {index.copied} had been copied"
            return None
        if data[:4] not in _ORDERS:
            return "its journal is not one of SQLite's"
        sums = _add(struct.unpack(_ORDERS[data[:4]] + "6I", data[:24]), (0, 0))
        if sums != struct.unpack(">2I", data[24:32]):
            return "the head of its journal is damaged"
        if not in_order:
            return None  # after a power cut anything may be missing in it
        frames = _Frames(data)
        good = frames.good(sums, time.monotonic() + seconds)
        if index is not None and index.salts == frames.salts and index.frames > good:
            return f"its journal is damaged: frame {good + 1} of {index.frames} cannot be read"
        if frames.go_on_after(good):
            return f"its journal is damaged: frame {good + 1} cannot be read, and others follow it"
        return None


@contextmanager
def _mapped(path: Path) -> Iterator[_Bytes]:
    """A file's bytes without reading them all at once; none if it is not there."""
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                yield b""
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield data
    except FileNotFoundError:
        yield b""


def _index(shm: Path) -> Index | None:
    try:
        with shm.open("rb") as file:
            return read_index(file.read(INDEX_HEADER))
    except FileNotFoundError:
        return None


class _Frames:
    """The frames of a log, each by its number from 0."""

    def __init__(self, data: _Bytes) -> None:
        order = _ORDERS[data[:4]]
        page = int.from_bytes(data[8:12], "big")
        self._data = data
        self._step = FRAME_HEADER + page
        self._head = struct.Struct(order + "2I")
        self._page = struct.Struct(f"{order}{page // 4}I")
        self.salts = data[16:24]
        self.whole = (len(data) - HEADER) // self._step

    def good(self, sums: tuple[int, int], until: float) -> int:
        """How many there are before the first that is not right. `sums` is the checksum of the log's own head.

        Raises TimeoutError when the time is `until`.
        """
        for number in range(self.whole):
            if time.monotonic() > until:
                raise TimeoutError
            if not self._follows(number, sums):
                return number
            sums = self._sums(number)
        return self.whole

    def go_on_after(self, bad: int) -> bool:
        """Whether some transaction that ends at or after a frame was followed by another.

        A transaction whose sync failed leaves its frames behind, which others overwrite in part. So what follows must
        have been made for what is before it, which its checksum tells.
        """
        return any(
            self._ends(number) and self._follows(number + 1, self._sums(number))
            for number in range(bad, self.whole - 1)
        )

    def _follows(self, number: int, sums: tuple[int, int]) -> bool:
        begin = HEADER + number * self._step
        if self._data[begin + 8 : begin + 16] != self.salts:
            return False
        sums = _add(self._head.unpack_from(self._data, begin), sums)
        return _add(self._page.unpack_from(self._data, begin + FRAME_HEADER), sums) == self._sums(number)

    def _ends(self, number: int) -> bool:
        begin = HEADER + number * self._step
        return self._data[begin + 8 : begin + 16] == self.salts and any(self._data[begin + 4 : begin + 8])

    def _sums(self, number: int) -> tuple[int, int]:
        one, two = struct.unpack_from(">2I", self._data, HEADER + number * self._step + 16)
        return one, two


def _add(words: tuple[int, ...], sums: tuple[int, int]) -> tuple[int, int]:
    one, two = sums
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & _MASK
        two = (two + second + one) & _MASK
    return one, two
