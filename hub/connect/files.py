"""Reading and replacing a file that belongs to somebody else."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from hub.disk import sync_names
from hub.errors import BadValue, Unavailable

NEW: Final = 0o600  # a client's file may come to hold keys
BACKUP: Final = ".before-hubbub"
LARGEST: Final = 64 * 2**20  # bytes; a configuration that is larger is something else


class Found(NamedTuple):
    """A file as it is: where it really lies (links followed), its bytes (None: not there), its mode."""

    path: Path
    content: bytes | None
    mode: int

    @property
    def text(self) -> str:
        """The content as a text; empty if there is none. Raises BadValue."""
        try:
            return (self.content or b"").decode()
        except UnicodeDecodeError as why:
            raise BadValue(f"{self.path} is not written in UTF-8 (byte {why.start}).", "Nothing was changed.") from None


def look(path: Path) -> Found:
    """The file at a path. Raises BadValue for what is no file, Unavailable for what cannot be read."""
    try:
        real = path.resolve()
        told = real.stat()
        if not stat.S_ISREG(told.st_mode):
            raise BadValue(f"{path} is not a file.", "Move it out of the way.")
        if told.st_size > LARGEST:
            raise BadValue(f"{path} has {told.st_size:,} bytes: no configuration is that large.")
        return Found(real, real.read_bytes(), stat.S_IMODE(told.st_mode))
    except FileNotFoundError:
        return Found(real, None, NEW)
    except (OSError, RuntimeError) as why:  # RuntimeError: links that lead to each other, before Python 3.13
        raise Unavailable(f"{path} cannot be read: {_reason(why)}.") from None


def check_writable(found: Found) -> None:
    """Raises Unavailable where the file may not be replaced. What nobody may write is left alone, by root too."""
    folder = found.path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if found.content is not None and not (found.mode & 0o222 and os.access(found.path, os.W_OK)):
        raise Unavailable(f"{found.path} is read-only; nothing was written.", f'chmod u+w "{found.path}"')
    if not folder.is_dir():
        raise Unavailable(f"{folder} is not a folder; nothing was written.", "Move it out of the way.")
    if not os.access(folder, os.W_OK):
        raise Unavailable(f"The folder {folder} is read-only; nothing was written.", f'chmod u+w "{folder}"')


def replace(found: Found, content: bytes) -> list[Path]:
    """Put `content` in the file's place in one step, with its mode; returns the folders that were made for it.

    A reader sees the old file or the new one. Raises Unavailable, also if the file is not any more what was found:
    the client may have written it since.
    """
    made = _folders(found.path.parent)
    draft = _beside(found.path)
    try:
        _write(draft, content, found)
        if look(found.path).content != found.content:
            raise Unavailable(f"{found.path} was changed by somebody else meanwhile.", "Run the same command again.")
        draft.replace(found.path)
        sync_names(found.path.parent)
    except OSError as why:
        raise Unavailable(f"{found.path} cannot be written: {_reason(why)}.") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return made


def remove(found: Found) -> None:
    """Remove a file that we made. Raises Unavailable."""
    try:
        found.path.unlink(missing_ok=True)
    except OSError as why:
        raise Unavailable(f"{found.path} cannot be removed: {_reason(why)}.") from None


def remove_empty(folders: list[Path]) -> None:
    """Remove the folders that were made for a file, the innermost first, as long as nothing is in them."""
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()


def back_up(found: Found) -> Path:
    """A copy of the file beside it, with its mode; an older copy is left alone. Raises Unavailable."""
    assert found.content is not None
    names = (found.path.name + BACKUP + (f".{number}" if number else "") for number in count())
    backup = next(path for name in names if not (path := found.path.with_name(name)).exists())
    draft = _beside(backup)
    try:
        _write(draft, found.content, found)
        draft.replace(backup)
    except OSError as why:
        raise Unavailable(f"No copy of {found.path} can be made: {_reason(why)}; nothing was written.") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return backup


def digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")


def _folders(folder: Path) -> list[Path]:
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    made = missing[::-1]
    try:
        for each in made:
            each.mkdir(exist_ok=True)
    except OSError as why:
        raise Unavailable(f"The folder {made[0]} cannot be made: {_reason(why)}.") from None
    return made


def _write(path: Path, content: bytes, like: Found) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), NEW)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if like.content is not None:
        if hasattr(os, "chown"):
            with suppress(OSError):  # root, in a user's home: the file stays the user's
                owner = like.path.stat()
                os.chown(path, owner.st_uid, owner.st_gid)
        path.chmod(like.mode)


def _reason(why: Exception) -> str:
    return (isinstance(why, OSError) and why.strerror) or str(why)
