"""Whether a notice has turned up in a session's transcript: the file in which Claude Code keeps the conversation.

Its lines are not documented, and little is asked of them: a line with our own random mark that is no entry of the
queue shows the notice in the conversation; one that is shows it in the queue. Anything else says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path

QUEUE = b'"queue-operation"'


class Seen(Enum):
    """What the transcript says of a notice."""

    UNKNOWN = "unknown"  # no transcript, or the notice is not in it
    QUEUED = "queued"
    SHOWN = "shown"


def find(environ: Mapping[str, str]) -> Path | None:
    """The transcript of the session that started this process; None if there is none yet."""
    session = environ.get("CLAUDE_CODE_SESSION_ID", "")
    if not session or not session.replace("-", "").isalnum():
        return None
    config = environ.get("CLAUDE_CONFIG_DIR")
    try:
        folder = Path(config) if config else Path.home() / ".claude"
        return next(folder.glob(f"projects/*/{session}.jsonl"), None)
    except (OSError, RuntimeError):
        return None


def size(path: Path | None) -> int:
    """How long the transcript is now, in bytes: a notice that is written from now on stands behind that."""
    try:
        return path.stat().st_size if path else 0
    except OSError:
        return 0


def look(path: Path | None, mark: str, start: int) -> Seen:
    """What the transcript says of the notice with this mark, from byte `start` on."""
    seen = Seen.UNKNOWN
    try:
        if path is None:
            return seen
        with path.open("rb") as file:
            file.seek(start)
            for line in file:
                if mark.encode() in line:
                    if QUEUE not in line[:200]:
                        return Seen.SHOWN
                    seen = Seen.QUEUED
    except OSError:
        return Seen.UNKNOWN
    return seen
