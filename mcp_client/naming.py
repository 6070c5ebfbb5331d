"""The name an agent goes by when nobody gave it one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from hub.topic import MAX_NAME, RESERVED_NAMES

FALLBACK = "agent"
TRIES = 100


def default_name(environ: Mapping[str, str], folder: Path) -> str:
    """The working folder's name, as far as a name may have its characters: `my project` is `my-project`."""
    root = Path(environ.get("CLAUDE_PROJECT_DIR") or folder)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", root.name).strip("-_")[:MAX_NAME]
    if not name:
        return FALLBACK
    return f"{name}-{FALLBACK}" if name.lower() in RESERVED_NAMES else name


def numbered(name: str) -> Iterator[str]:
    """`name`, then `name-2`, `name-3` and so on: what to try while a live session has it."""
    yield name
    for number in range(2, TRIES + 1):
        suffix = f"-{number}"
        yield name[: MAX_NAME - len(suffix)] + suffix
