"""HUBBUB_HOME: whose it is, who may look into it, and what processes that are gone have left there.

Locks need no tidying: the system lets go of one when its process ends. The file stays, and means nothing by itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from hub.config import Settings
from hub.daemon import HubLock, read_hub_json
from hub.doctor.finding import Finding, Mend, broken, note, ok, warning
from hub.lock import is_held
from hub.paths import Paths

DRAFT_SECONDS = 60.0  # a file is written in one step: a draft that is older belongs to a process that is gone
MOST = 10_000  # files that are looked at

POSIX = os.name == "posix"


def examine(settings: Settings) -> Iterator[Finding]:
    """The folder, what is in it, and what was left behind."""
    home = settings.home
    if not home.is_dir():
        yield note("home", "home_missing", f"{home} is not there yet; the first start makes it")
        return
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        yield broken("home", "home_not_yours", f"{home} is not yours to read and write", f"ls -ld {home}")
        return
    if POSIX and home.stat().st_mode & 0o077:
        yield warning(
            "home",
            "home_readable",
            f"others on this machine can look into {home}",
            f"chmod 700 {home}",
            Mend(f"chmod 700 {home}", lambda: home.chmod(0o700)),
        )
    else:
        yield ok("home", f"{home} ({settings.source('home')})")
    if POSIX:
        yield _files(settings.paths)
    yield from _left_behind(settings.paths)


def _files(paths: Paths) -> Finding:
    """Whose the files are, and who may read them. The token's mode is told apart."""
    foreign: list[Path] = []
    open_: list[Path] = []
    for path in _ours(paths):
        try:
            about = path.lstat()
        except OSError:
            continue  # gone meanwhile
        if about.st_uid != os.geteuid():
            foreign.append(path)
        elif about.st_mode & 0o077 and path != paths.token_file and not path.is_symlink():
            open_.append(path)
    if foreign:
        return broken(
            "files",
            "files_not_yours",
            f"{_some(foreign)} belongs to another user: was hubbub run with sudo once?",
            f'sudo chown -R "$(id -un)" {paths.home}',
        )
    if open_:
        return warning(
            "files",
            "files_readable",
            f"others on this machine can read {_some(open_)}, as soon as they can look into {paths.home}",
            f"chmod -R go-rwx {paths.home}",
            Mend(f"took the rights of others from {_some(open_)}", partial(_close, open_)),
        )
    return ok("files", "what lies there is yours, and for your eyes only")


def _ours(paths: Paths) -> Iterator[Path]:
    """What we keep in the home and the folder of the database, each once; not what else somebody has put there."""
    names = ("token", "hubbub.db*", "hub.json", "hub.lock", "start.lock", "config.toml", "logs/*", "agents/*")
    folders = (
        "attachments",
        "attachments/*",
        "attachments/*/*",
        "files",
        "files/*",
        "long-messages",
        "long-messages/*",
    )
    found = 0
    for folder in dict.fromkeys((paths.home, paths.data_dir)):
        for pattern in (*names, "logs", "agents", "connected", "connected/*", *folders):
            for path in folder.glob(pattern):
                if (found := found + 1) > MOST:
                    return
                yield path


def _some(paths: list[Path]) -> str:
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more}"


def _close(paths: list[Path]) -> None:
    for path in paths:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)


def _left_behind(paths: Paths) -> Iterator[Finding]:
    """Notes of processes that are gone, and drafts that nobody will finish."""
    if read_hub_json(paths) is not None and not is_held(paths.hub_lock):
        yield note(
            "leftovers",
            "stale_hub_json",
            f"{paths.hub_json} is of a hub that was killed, which loses nothing; the next one replaces it",
            "hubbub start",
            Mend(f"removed {paths.hub_json}", partial(_tidy_note, paths)),
        )
    gone = [*_dead_agents(paths.home / "agents"), *_drafts(paths.home)]
    if gone:
        yield note(
            "leftovers",
            "stale_files",
            f"{_some(gone)} was left behind by a process that is gone",
            "hubbub doctor --fix",
            Mend(f"removed {_some(gone)}", partial(_remove, gone)),
        )


def _tidy_note(paths: Paths) -> None:
    with HubLock(paths):  # taking the lock removes the note; raises where a hub has come up meanwhile
        pass


def _dead_agents(folder: Path) -> Iterator[Path]:
    """The notes that MCP processes leave for their hooks, named by a process id (mcp_client/note.py)."""
    if not POSIX or not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name.isdigit():
            try:
                os.kill(int(path.name), 0)
            except (ProcessLookupError, OverflowError):
                yield path
            except PermissionError:
                continue


def _drafts(home: Path) -> Iterator[Path]:
    for pattern in (".token.*", ".hub.json.*", "agents/.*", "connected/.*", "long-messages/*.part"):
        for path in home.glob(pattern):
            try:
                if path.is_file() and time.time() - path.stat().st_mtime > DRAFT_SECONDS:
                    yield path
            except OSError:
                continue


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
