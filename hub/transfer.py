"""Files to the hub and from it, for whoever waits for them: the command line, and a thread of the MCP client.

A file is opened once, and what is sent is what that descriptor reads: no link and no other file can take its place.
What came in is put in place only when its hash is right, under a name of our own making.
"""

from __future__ import annotations

import hashlib
import mimetypes
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hub.errors import BadValue, HashMismatch, TooLarge, Unavailable, UnknownAttachment, Unreachable
from hub.filename import check_hash, numbered, safe_name
from hub.paths import make_private
from hub.request import Requests

BLOCK = 2**18
TRIES = 3  # of a file that changes meanwhile, or a download that breaks off
COLLISIONS = 1000  # files of one name in a folder
DEFAULT_TYPE = "application/octet-stream"

Progress = Callable[[int], None]  # how many more bytes have gone or come

# Opening a pipe would wait for its writer.
READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Sent(NamedTuple):
    """A file that the hub has now, as a message may name it."""

    name: str
    size: int
    sha256: str
    media_type: str

    def told(self) -> dict[str, Any]:
        return self._asdict()


def nobody(_: int) -> None:
    """Nobody wants to know how far it is."""


def open_file(path: Path) -> int:
    """A descriptor of a file, to be closed by the caller. Raises BadValue for what is none."""
    try:
        descriptor = os.open(path, READING)
    except (OSError, ValueError) as why:
        raise BadValue(f"{path} cannot be read: {getattr(why, 'strerror', None) or why}.") from None
    try:
        check_regular(descriptor, str(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_regular(descriptor: int, shown: str) -> None:
    """Raises BadValue for a folder, a pipe or a device."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise BadValue(f"{shown} is not a file.", "Name one file; a folder is shared file by file.")


def upload(
    requests: Requests, descriptor: int, *, who: str, name: str, limit: int, progress: Progress = nobody
) -> Sent:
    """Have an open file at the hub, of up to `limit` bytes, as uploaded by `who`.

    A file that changes while it is read is tried again, and then refused. Raises TooLarge, BadValue, and the hub's
    typed errors.
    """
    for attempt in range(1, TRIES + 1):
        before = os.fstat(descriptor)
        sha256, size = _hash(descriptor, limit, name)
        try:
            requests.put(f"/attachments/{sha256}", _blocks(descriptor, size, progress), size, as_=who)
        except (HashMismatch, _Changed):
            changed = True
        else:
            changed = _stamp(os.fstat(descriptor)) != _stamp(before)
        if not changed:
            return Sent(name, size, sha256, mimetypes.guess_type(name)[0] or DEFAULT_TYPE)
        if attempt == TRIES:
            break
    raise BadValue(
        f"{name} was changed while it was read, {TRIES} times: nothing was sent.",
        "Share it when nobody writes to it, or share a copy.",
    )


def fetch(
    requests: Requests,
    message_id: str,
    attachment: Mapping[str, Any],
    folder: Path,
    *,
    who: str | None = None,
    private: bool = False,
    progress: Progress = nobody,
) -> Path:
    """Get a file that a message carries into `folder`, and say where it is: mode 0600, its hash checked.

    A file of that name stays as it is, and the new one gets a number; but one with the same bytes is not fetched again.
    With `private` the folder is made 0700. `who` is the instance that asks; None is whoever may observe. Raises
    UnknownAttachment, HashMismatch, Unreachable, Unavailable.
    """
    sha256, size = _which(message_id, attachment)
    if private:
        make_private(folder)
    name = safe_name(str(attachment.get("name") or ""))
    with _writing(name, folder):
        if (there := find(folder, name, sha256, size)) is not None:
            return there
        begin = partial(requests.download, f"/attachments/{sha256}", message=message_id, as_=who)
        with _downloaded(begin, sha256, size, folder, progress) as draft:
            return _place(draft, folder, name)


def stow(
    requests: Requests, message_id: str, attachment: Mapping[str, Any], folder: Path, progress: Progress = nobody
) -> bool:
    """Get a file that a message carries into `folder` under its SHA-256, as hub/parcels.py keeps them; whether it was
    not there yet. Raises as `fetch` does."""
    sha256, size = _which(message_id, attachment)
    check_hash(sha256)
    path = folder / sha256
    with _writing(sha256, folder):
        if path.is_file():
            return False
        begin = partial(requests.download, f"/attachments/{sha256}", message=message_id, as_=None)
        with _downloaded(begin, sha256, size, folder, progress) as draft:
            draft.replace(path)
    return True


def _which(message_id: str, attachment: Mapping[str, Any]) -> tuple[str, int]:
    try:
        return str(attachment["sha256"]), int(attachment["size"])
    except (KeyError, TypeError, ValueError):
        raise UnknownAttachment(f"The message {message_id} does not say which file it carries.") from None


@contextmanager
def _writing(name: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as why:
        raise Unavailable(
            f"The file {name} could not be written to {folder}: {why.strerror or why}.",
            f"See how much room there is, and who owns it: ls -ld {folder}",
        ) from None


@contextmanager
def _downloaded(
    begin: Callable[[int], AbstractContextManager[Iterator[bytes]]],
    sha256: str,
    size: int,
    folder: Path,
    progress: Progress,
) -> Iterator[Path]:
    """The bytes, checked, in a draft that is gone afterwards unless it was put in place."""
    draft = folder / f".hubbub-{os.getpid()}-{os.urandom(6).hex()}"
    try:
        with _creating(draft) as descriptor:
            _download(begin, sha256, size, descriptor, progress)
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def find(folder: Path, name: str, sha256: str, size: int) -> Path | None:
    """A file of this name, or with a number, that has these bytes. Raises OSError."""
    for number in range(1, COLLISIONS):
        path = folder / numbered(name, number)
        try:
            descriptor = os.open(path, READING | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            return None
        except OSError:
            continue  # a link, or somebody else's
        try:
            about = os.fstat(descriptor)
            if stat.S_ISREG(about.st_mode) and about.st_size == size and _hash(descriptor, size, name)[0] == sha256:
                return path
        except TooLarge:
            continue  # it has grown since
        finally:
            os.close(descriptor)
    return None


class _Changed(Exception):
    """The file ended earlier than a moment ago."""


def _stamp(about: os.stat_result) -> tuple[int, int]:
    return about.st_size, about.st_mtime_ns


def _hash(descriptor: int, limit: int, name: str) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    os.lseek(descriptor, 0, os.SEEK_SET)
    while block := os.read(descriptor, BLOCK):
        size += len(block)
        if size > limit:
            most = max(size, os.fstat(descriptor).st_size)
            raise TooLarge(
                f"{name} has {most:,} bytes; an attachment may have up to {limit:,} (max_attachment).",
                "Share the part that matters, or its path where the other can read it.",
            )
        digest.update(block)
    return digest.hexdigest(), size


def _blocks(descriptor: int, size: int, progress: Progress) -> Iterator[bytes]:
    """Exactly `size` bytes of the file. Raises _Changed where it has become shorter."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    while size > 0:
        block = os.read(descriptor, min(BLOCK, size))
        if not block:
            raise _Changed
        size -= len(block)
        yield block
        progress(len(block))


def _download(
    begin: Callable[[int], AbstractContextManager[Iterator[bytes]]],
    sha256: str,
    size: int,
    descriptor: int,
    progress: Progress,
) -> None:
    """Write what comes to a file; a connection that breaks off is taken up where it broke: `begin` takes the place."""
    digest = hashlib.sha256()
    come = 0
    for attempt in range(1, TRIES + 1):
        try:
            with begin(come) as pieces:
                for piece in pieces:
                    come += len(piece)
                    if come > size:
                        break
                    digest.update(piece)
                    rest = memoryview(piece)
                    while rest:
                        rest = rest[os.write(descriptor, rest) :]
                    progress(len(piece))
            break
        except Unreachable:
            if attempt == TRIES or come >= size:
                raise
    if come != size or digest.hexdigest() != sha256:
        raise HashMismatch(
            f"What the hub gave for {sha256} are other bytes: its disk may have damaged the file. Nothing was kept.",
            "Ask the sender for it again.",
        )


@contextmanager
def _creating(draft: Path) -> Iterator[int]:
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _place(draft: Path, folder: Path, name: str) -> Path:
    """Give the draft the first name that is free: never over another file, also if two do so at once."""
    for number in range(1, COLLISIONS):
        path = folder / numbered(name, number)
        with suppress(FileExistsError):
            if sys.platform == "win32":
                draft.rename(path)  # refuses an existing name there, as a link does elsewhere
            else:
                _link(draft, path)
            return path
    raise Unavailable(f"{folder} has {COLLISIONS} files called {name}.", "Remove some of them.")


def _link(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        draft.rename(path)
