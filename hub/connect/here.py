"""What connecting means on this machine: whose files, which hub, and how this very installation is called."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hub.config import Settings
from hub.connect.clients.client import Client, Place
from hub.connect.entry import CARRIED, Allow, Wish


def place() -> Place:
    """This user's files."""
    return Place(os.environ, Path.home(), sys.platform)


def is_here(client: Client, where: Place) -> bool:
    """Whether a client is in use: its folder is there, or its program is on PATH."""
    return client.folder(where).is_dir() or any(shutil.which(program) for program in client.programs)


def wish(settings: Settings, allow: Allow) -> Wish:
    """What a client is to be told by this installation."""
    return Wish(ourselves(), which_hub(settings), allow, windows=sys.platform == "win32")


def which_hub(settings: Settings) -> dict[str, str]:
    """What of our environment a client must hand on, so that its agents find the hub that is meant here."""
    values: dict[str, Any] = {
        "HUBBUB_HOME": settings.home,
        "HUBBUB_CONFIG": settings.config,
        "HUBBUB_URL": settings.url,
    }
    said = {key: settings.source(key.removeprefix("HUBBUB_").lower()).kind for key in CARRIED}
    return {key: str(values[key]) for key, kind in said.items() if kind in ("environment", "flag") and values[key]}


def ourselves() -> tuple[str, ...]:
    """How this very installation is called: by the `hubbub` on PATH if that is it, else by its full path."""
    script = Path(sysconfig.get_path("scripts")) / ("hubbub.exe" if sys.platform == "win32" else "hubbub")
    if not script.exists():
        return (sys.executable, "-m", "hub")
    on_path = shutil.which("hubbub")
    if on_path and Path(on_path).resolve() == script.resolve():
        return (str(Path(on_path).absolute()),)
    return (str(script),)


def in_a_cache(words: tuple[str, ...]) -> bool:
    """Whether this installation lies where uv keeps what it may throw away."""
    parts = Path(words[0]).parts
    return "uv" in parts and bool({"archive-v0", "environments-v2", "builds-v0"} & set(parts))
