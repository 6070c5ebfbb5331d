"""Where a body too long for a model's context is put: a file of the recipient's own, which it may read in parts.

HUBBUB_HOME/bodies/       0700
  EPOCH-OFFSET.txt        0600  the body, whole, in UTF-8
  EPOCH-OFFSET.json       0600  the data beside it, where that is long too
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from hub.paths import make_private, write_private

KEPT = 30 * 86_400.0  # seconds; the hub's own history goes back as far by default


class Shelf:
    """Files below `folder`, named by where the message stands in the hub's log, never by what a sender chose."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, epoch: str, offset: int, ending: str, text: str) -> Path:
        """Write `text` once, and say where it is. Raises Unavailable or OSError where the folder cannot be used."""
        numbering = hashlib.sha256(epoch.encode()).hexdigest()[:8]
        path = self.folder / f"{numbering}-{offset}.{ending}"
        if not path.exists():
            make_private(self.folder)
            # A body may hold half a surrogate pair: JSON can say it, UTF-8 cannot.
            write_private(path, text.encode("utf-8", "replace").decode())
        return path

    def tidy(self, now: float | None = None) -> int:
        """Remove files older than `KEPT`; returns how many. Never fails: another process may be doing the same."""
        now = time.time() if now is None else now
        removed = 0
        try:
            files = list(self.folder.iterdir())
        except OSError:
            return 0
        for path in files:
            try:
                if path.suffix in (".txt", ".json") and now - path.stat().st_mtime > KEPT:
                    path.unlink()
                    removed += 1
            except OSError:
                continue
        return removed
