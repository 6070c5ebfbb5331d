"""The files that the browser loads: read once, served under one hash of them all.

A page names `/static/HASH/app.js`, and a module imports its neighbour by a relative path, so the hash carries over
without any file being rewritten. What stands under a hash never changes and may be kept for a year.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from pathlib import Path
from typing import NamedTuple

# Not from `mimetypes`: on Windows that asks the registry, which may call a script text/plain; no browser runs that.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml; charset=utf-8",
    ".LICENSE": "text/plain; charset=utf-8",
}
_IMPORT = re.compile(rb'^import (?:.+ from )?"(\.[^"]+)";$', re.MULTILINE)


def folder(name: str) -> Path:
    """Where `static` or `templates` lies: inside this package in a wheel, beside it in the checkout."""
    here = Path(__file__).parent
    inside = here / name
    return inside if inside.is_dir() else here.parent / name


STATIC = folder("static")
TEMPLATES = folder("templates")


class Asset(NamedTuple):
    body: bytes
    media_type: str
    etag: str


class Assets:
    """Every file below `root`, in memory: what is not a file there at the start can't be asked for.

    `version` is 12 hex digits that change when any file does.
    """

    def __init__(self, root: Path = STATIC) -> None:
        whole = hashlib.sha256()
        self._files: dict[str, Asset] = {}
        for path in sorted(root.rglob("*")):
            if path.suffix not in _TYPES or not path.is_file():
                continue
            name, body = path.relative_to(root).as_posix(), path.read_bytes()
            digest = hashlib.sha256(body).hexdigest()
            whole.update(f"{name} {digest}\n".encode())
            self._files[name] = Asset(body, _TYPES[path.suffix], f'"{digest[:16]}"')
        self.version = whole.hexdigest()[:12]
        self._modules: dict[str, list[str]] = {}  # what `modules` found

    def url(self, name: str) -> str:
        """The path of a file as a page names it. Raises KeyError if there is none."""
        if name not in self._files:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"

    def modules(self, name: str) -> list[str]:
        """The paths of all modules that one imports, directly or not, so that a page can have them fetched at once and
        not one after the other. Raises KeyError if there is no such module."""
        if name not in self._modules:
            found = [name]
            for here in found:
                beside = posixpath.dirname(here)
                for each in _IMPORT.findall(self._files[here].body):
                    neighbour = posixpath.normpath(posixpath.join(beside, each.decode()))
                    if neighbour not in found:
                        found.append(neighbour)
            self._modules[name] = [self.url(each) for each in found[1:]]
        return self._modules[name]

    def find(self, path: str) -> tuple[Asset, bool] | None:
        """The file at `path` below /static/, and whether the path holds the hash, so that it may be kept."""
        version, _, name = path.partition("/")
        if version == self.version and name in self._files:
            return self._files[name], True
        return (self._files[path], False) if path in self._files else None
