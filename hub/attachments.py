"""The files that messages carry, each kept once under the SHA-256 of its bytes.

DATA_DIR/attachments/     0700
  ab/abcd…                0600  one file, named by its hash; its first two digits are the folder
  drafts/                 0700  uploads under way; what a crash leaves there goes at the next start

A file is synced, and so is its name, before its upload is answered: a message that names it comes later, so whoever
sees the message finds the file. Files are removed behind the head, once no message that is kept names them and nobody
has touched them for a while.

Whoever names a file in a message must have uploaded it, also if it is here already: to know a hash is not to have the
bytes, and naming it would else be a way to read what others sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import threading
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Collection
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from hub.bounds import MAX_ATTACHMENT
from hub.database import storage_failed
from hub.disk import sync_file, sync_names
from hub.errors import AttachmentsFull, HashMismatch, TooLarge, Unavailable
from hub.filename import check_hash, is_hash
from hub.paths import make_private

QUOTA = 4 * 2**30
GRACE = 3600.0
BLOCK = 2**20  # bytes that are hashed and written at once
LEAST = 4096  # bytes that a file counts for in the quota, however small: it takes a block of the disk
SLICE = 200  # files removed in one slice
LOOKS = 12  # so many times in a grace time it is looked for files that may go

Named = Callable[[Collection[str]], Awaitable[set[str]]]


class Stored(NamedTuple):
    """What an upload came to: its size in bytes, and whether the file is new here."""

    size: int
    new: bool


@dataclass(slots=True)
class _Held:
    size: int
    used: float  # when it was last uploaded or named, in monotonic seconds
    uploaded_by: set[int] = field(default_factory=set)  # origins


class Attachments:
    """Sizes in bytes: `most` of one file, `quota` of all. `grace` is for how many seconds a file that no message names
    is kept. `clock` is monotonic seconds. `open()` it before anything else.
    """

    def __init__(
        self,
        folder: Path,
        *,
        most: int = MAX_ATTACHMENT,
        quota: int = QUOTA,
        grace: float = GRACE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.most = most
        self.quota = quota
        self.uploaded = 0  # files since the start
        self.removed = 0
        self._grace = grace
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._size = 0
        self._coming = 0  # bytes that uploads under way may come to
        self._placing = asyncio.Lock()
        self._looked = clock()

    def open(self) -> None:
        """Look at what is there, and clear away what a crash has left. Raises StorageFailed. Blocks."""
        now = self._clock()
        try:
            if not self.folder.exists():
                return
            for draft in self._drafts.glob("*"):
                draft.unlink(missing_ok=True)
            for path in self.folder.glob("??/*"):
                if is_hash(path.name) and path.parent.name == path.name[:2] and path.is_file():
                    self._keep(path.name, _Held(path.stat().st_size, now))
        except OSError as why:
            raise storage_failed(why, self.folder) from why

    @property
    def count(self) -> int:
        """How many files are here."""
        return len(self._held)

    @property
    def size(self) -> int:
        """Bytes of all of them, as the quota counts."""
        return self._size

    def size_for(self, origin: int, sha256: str) -> int | None:
        """The size of a file that this instance has uploaded and may name; None if there is none. It is kept for
        another while by that: a message that names it may be on its way to the log."""
        held = self._held.get(sha256)
        if held is None or origin not in held.uploaded_by:
            return None
        held.used = self._clock()
        return held.size

    def find(self, sha256: str) -> Path | None:
        """Where a file is; None if it is not here."""
        return self._path(sha256) if sha256 in self._held else None

    async def receive(self, origin: int, sha256: str, declared: int | None, chunks: AsyncIterable[bytes]) -> Stored:
        """Take a file in: durable on return. `declared` is its size, where the sender says it before.

        Raises BadValue, TooLarge, HashMismatch, AttachmentsFull, StorageFailed, and what `chunks` raise: then nothing
        of it is left.
        """
        check_hash(sha256)
        if declared is not None:
            self._bear(declared)
        known = sha256 in self._held
        room = 0 if known else max(LEAST, self.most if declared is None else declared)
        self._reserve(room)
        upload = _Upload(None if known else self._drafts)
        try:
            try:
                await self._take(upload, chunks)
                if (came := upload.hexdigest()) != sha256:
                    raise HashMismatch(
                        f"The {upload.size:,} bytes that came have the SHA-256 {came}, not {sha256}: the file was "
                        "changed meanwhile, or damaged on the way. Nothing was stored.",
                        "Take its hash again, and send it again.",
                    )
                new = await self._place(upload, sha256)
            except OSError as why:
                raise storage_failed(why, self.folder) from why
        finally:
            self._coming -= room
            await asyncio.to_thread(upload.discard)
        self.uploaded += 1
        held = self._held[sha256]
        held.used = self._clock()
        held.uploaded_by.add(origin)
        return Stored(upload.size, new)

    async def sweep(self, named: Named) -> bool:
        """Remove some files that nobody wants any more; returns whether there may be more. `named` says which of
        these hashes messages have. Raises StorageFailed. It looks only now and then, however often it is called."""
        now = self._clock()
        if now - self._looked < self._grace / LOOKS:
            return False
        old = list(islice((each for each, held in self._held.items() if self._is_old(held, now)), SLICE))
        wanted = await named(old) if old else set()
        async with self._placing:
            # What was uploaded or named while the log was asked stays.
            gone = [each for each in old if each not in wanted and self._is_old(self._held[each], now)]
            for sha256 in gone:
                self._size -= _counted(self._held.pop(sha256).size)
            for sha256 in wanted & self._held.keys():
                self._held[sha256].used = now  # asked about again after the grace time
            try:
                await asyncio.to_thread(self._remove, gone)
            except OSError as why:
                raise storage_failed(why, self.folder) from why
            finally:
                self.removed += len(gone)
        if len(old) == SLICE:
            return True
        self._looked = now
        return False

    # Inside

    @property
    def _drafts(self) -> Path:
        return self.folder / "drafts"

    def _path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256

    def _is_old(self, held: _Held, now: float) -> bool:
        return now - held.used > self._grace

    def _keep(self, sha256: str, held: _Held) -> None:
        self._held[sha256] = held
        self._size += _counted(held.size)

    def _bear(self, size: int) -> None:
        if size > self.most:
            raise TooLarge(
                f"The file has {size:,} bytes or more, and max_attachment allows {self.most:,}.",
                "Share a part of it, or its path where the other can read it.",
            )

    def _reserve(self, room: int) -> None:
        if self._size + self._coming + room > self.quota:
            raise AttachmentsFull(
                f"The hub keeps {self._size + self._coming:,} bytes of attachments, and attachments_size allows "
                f"{self.quota:,}: there is no room for another {room:,}.",
                "Raise attachments_size, or lower retention_age: files go when their messages do.",
            )
        self._coming += room

    async def _take(self, upload: _Upload, chunks: AsyncIterable[bytes]) -> None:
        await asyncio.to_thread(upload.begin)
        block = bytearray()
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            self._bear(size)
            block += chunk
            if len(block) >= BLOCK:
                await asyncio.to_thread(upload.write, bytes(block))
                block.clear()
        await asyncio.to_thread(upload.finish, bytes(block))

    async def _place(self, upload: _Upload, sha256: str) -> bool:
        """Give the file its name, unless it is here; returns whether it is new."""
        async with self._placing:
            if sha256 in self._held:
                return False
            if upload.draft is None:  # it was here when the upload began, and has been removed since
                raise Unavailable("The file was removed while it came in again.", "Send it once more.")
            await asyncio.to_thread(self._rename, upload.draft, self._path(sha256))
            self._keep(sha256, _Held(upload.size, self._clock()))
            return True

    def _rename(self, draft: Path, path: Path) -> None:
        if not path.parent.exists():
            make_private(path.parent)
            sync_names(self.folder)
        draft.replace(path)
        sync_names(path.parent)

    def _remove(self, gone: list[str]) -> None:
        for sha256 in gone:
            try:
                self._path(sha256).unlink(missing_ok=True)
            except PermissionError:
                if sys.platform != "win32":  # there a file that somebody reads stays: it goes after the next start
                    raise


class _Upload:
    """A file that comes in; without a folder for drafts it is only hashed. Each call blocks, and may be in any thread:
    the lock is for a request that is given up while a thread still writes."""

    def __init__(self, drafts: Path | None) -> None:
        self.draft = None if drafts is None else drafts / f"{os.getpid()}-{os.urandom(8).hex()}"
        self.size = 0
        self._hash = hashlib.sha256()
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        self._given_up = False

    def begin(self) -> None:
        with self._lock:
            if self.draft is None or self._given_up:
                return
            if not self.draft.parent.exists():
                make_private(self.draft.parent.parent)
                make_private(self.draft.parent)
                sync_names(self.draft.parent.parent.parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(self.draft, flags, 0o600)

    def write(self, block: bytes) -> None:
        with self._lock:
            self.size += len(block)
            self._hash.update(block)
            rest = memoryview(block)
            while self._descriptor is not None and rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def finish(self, block: bytes) -> None:
        """Write the last of it, and have it all on the disk."""
        self.write(block)
        with self._lock:
            if self._descriptor is not None:
                sync_file(self._descriptor)
                self._close()

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def discard(self) -> None:
        """Leave nothing behind but what was given its name."""
        with self._lock:
            self._given_up = True
            self._close()
            if self.draft is not None:
                self.draft.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _counted(size: int) -> int:
    return max(LEAST, size)
