"""A file of the working folder as a message. Nothing outside that folder leaves this machine by mistake or by trick."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

from hub.errors import BadValue, Forbidden, TooLarge

# Opening a pipe would wait for its writer; and between the check and the opening, no link may take the file's place.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Shared(NamedTuple):
    """A text file: its path below the folder, its text, its size in bytes, and the SHA-256 of its bytes in hex."""

    file: str
    text: str
    size: int
    sha256: str


def read_shared(root: Path, path: str, limit: int) -> Shared:
    """Read a text file at or below `root`, links resolved, of up to `limit` bytes.

    Raises Forbidden for what lies elsewhere, TooLarge, and BadValue for what is no text file.
    """
    root = root.resolve()
    try:
        found = (root / path).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        raise BadValue(
            f"There is no file {path} in {root}.", "Name it as it stands below the working folder."
        ) from None
    if not found.is_relative_to(root):
        raise Forbidden(
            f"{path} is not in the working folder {root}; only what is can be shared.", "Copy it there first."
        )
    text = _read(found, path, limit)
    try:
        body = text.decode("utf-8")
    except UnicodeDecodeError:
        body = "\0"
    if "\0" in body:
        raise BadValue(
            f"{path} is not a text file in UTF-8; only text can be shared.", "Send the recipient its path instead."
        )
    return Shared(found.relative_to(root).as_posix(), body, len(text), hashlib.sha256(text).hexdigest())


def _read(found: Path, path: str, limit: int) -> bytes:
    try:
        descriptor = os.open(found, _FLAGS)
    except OSError as why:
        raise BadValue(f"{path} cannot be read: {why.strerror or why}.") from None
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise BadValue(f"{path} is not a file.", "Name one file; a folder is shared file by file.")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise TooLarge(
            f"{path} has {max(about.st_size, len(content))} bytes; a shared file may have up to {limit}.",
            "Send its path, or share the part that matters.",
        )
    return content
