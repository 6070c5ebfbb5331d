"""Which files an agent may share: those below the folders that its user allows, nothing else by mistake or by trick.

Links are resolved first; what that gives is then opened one folder after the other without following any, so that no
link can take a folder's place between the check and the opening. What is sent is what that descriptor reads.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from hub.errors import BadValue, Forbidden
from hub.transfer import READING, check_regular

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)


class Opened(NamedTuple):
    """A file that may be shared: its path below its folder, and a descriptor to read it by."""

    file: str
    descriptor: int


@contextmanager
def opened(folders: Sequence[Path], path: str) -> Iterator[Opened]:
    """Open a file at or below one of `folders`; a relative path is below the first. Raises Forbidden, BadValue."""
    root, found = _within(folders, path)
    try:
        descriptor = _open(root, found.relative_to(root))
    except OSError as why:
        raise BadValue(f"{path} cannot be read: {why.strerror or why}.") from None
    try:
        check_regular(descriptor, path)
        yield Opened(found.relative_to(root).as_posix(), descriptor)
    finally:
        os.close(descriptor)


def _within(folders: Sequence[Path], path: str) -> tuple[Path, Path]:
    roots = []
    for folder in folders:
        with suppress(OSError, RuntimeError):
            roots.append(folder.resolve(strict=True))
    shown = " or ".join(str(root) for root in roots)
    if not roots:
        raise Forbidden("There is no folder that files may be shared from.", "Set share_folders to one that is there.")
    try:
        found = (roots[0] / path).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        raise BadValue(f"There is no file {path} in {shown}.", "Name it as it stands below that folder.") from None
    for root in roots:
        if found == root:
            raise BadValue(f"{path} is not a file.", "Name one file; a folder is shared file by file.")
        if found.is_relative_to(root):
            return root, found
    raise Forbidden(
        f"{path} is not in {shown}; only what is can be shared.",
        "Copy it there first, or have the user add its folder to share_folders.",
    )


def _open(root: Path, below: Path) -> int:
    if sys.platform == "win32":
        return os.open(root / below, READING)
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in below.parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | _NO_LINKS, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(below.name, READING | _NO_LINKS, dir_fd=folder)
    finally:
        os.close(folder)
