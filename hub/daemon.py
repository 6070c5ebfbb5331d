"""The detached hub: found if it runs, started once if it does not, whoever needs it first.

Whether a hub runs is what its lock says, not a number in a file: the system lets go of a lock when its process ends,
even by `kill -9`. `hub.json` beside it says where the hub answers. Twenty who start a hub at once queue up at a
second lock; the first starts it, the others find it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from hub import __version__
from hub.config import Settings, flags_of, is_loopback
from hub.errors import Unavailable, Unreachable
from hub.lock import FileLock, is_held
from hub.paths import Paths, ensure_token, make_private, read_token, write_private
from hub.ports import port_holder
from hub.request import TIMEOUT, Requests, origin

__all__ = [
    "HubLock",
    "Running",
    "ensure",
    "locate",
    "port_holder",
    "probe",
    "read_hub_json",
    "remove_hub_json",
    "stop",
    "token_for",
    "write_hub_json",
]

START_TIMEOUT = 30.0  # seconds until a hub that was started must answer
STOP_TIMEOUT = 20.0  # seconds a hub may take to say goodbye to everybody
POLL = 0.03  # seconds between two looks


class Running(NamedTuple):
    """A hub that runs. `started`: by this call. `pid` is 0 where the hub was named by URL.

    `tls_cert` is the certificate that a hub of this home has said it shows; it is trusted as that hub's own, whoever
    signed it and whatever name it bears.
    """

    url: str
    token: str | None
    pid: int
    version: str
    started: bool = False
    tls_cert: Path | None = None

    def requests(self, timeout: float = TIMEOUT) -> Requests:
        """HTTP to this hub."""
        return Requests(self.url, self.token, timeout=timeout, tls_cert=self.tls_cert)


class HubLock:
    """Held by a hub for its life, so that no two hubs share a database or a folder.

    Entering raises Unavailable if another hub is there, and StorageFailed if the folder cannot be written; it removes
    what a hub that was killed left behind.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._locks = [FileLock(path) for path in dict.fromkeys((paths.hub_lock, paths.data_lock))]

    def __enter__(self) -> HubLock:
        try:
            self._acquire()
            remove_hub_json(self._paths)
        except OSError as why:
            from hub.database import storage_failed

            self.__exit__(None, None, None)
            raise storage_failed(why, Path(why.filename or self._paths.home)) from why
        return self

    def _acquire(self) -> None:
        for lock in self._locks:
            make_private(lock.path.parent)
            # Somebody who only asks whether it is held can be in the way for a moment.
            if not lock.acquire(timeout=1):
                self.__exit__(None, None, None)
                raise _runs_already(self._paths, lock.path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lock in reversed(self._locks):
            lock.release()


def write_hub_json(paths: Paths, *, url: str, mode: str, tls_cert: Path | None = None) -> None:
    """Say that this process is the hub and answers at `url`; in one step, readable by its owner only."""
    note: dict[str, Any] = {"url": url, "pid": os.getpid(), "mode": mode, "version": __version__}
    if tls_cert is not None:
        note["tls_cert"] = str(tls_cert)
    if paths.data_dir != paths.home:
        note["data_dir"] = str(paths.data_dir)
    write_private(paths.hub_json, json.dumps(note) + "\n")


def remove_hub_json(paths: Paths) -> None:
    """Take the note away; to be called while the lock is held."""
    paths.hub_json.unlink(missing_ok=True)


def read_hub_json(paths: Paths) -> dict[str, Any] | None:
    """The note of the hub that runs, or ran and was killed; None if there is none that can be read."""
    try:
        note = json.loads(paths.hub_json.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    fits = isinstance(note, dict) and isinstance(note.get("url"), str) and isinstance(note.get("pid"), int)
    return note if fits else None


def locate(settings: Settings) -> Running | None:
    """The hub that lives in this home, by its lock and its note; asks nothing over the network."""
    paths = settings.paths
    note = read_hub_json(paths)
    if note is None or not is_held(paths.hub_lock) or not _alive(note["pid"]):
        return None
    cert = note.get("tls_cert")
    return Running(
        note["url"],
        token_for(settings, note["url"]),
        note["pid"],
        str(note.get("version", "")),
        tls_cert=Path(cert) if isinstance(cert, str) else None,
    )


def token_for(settings: Settings, url: str) -> str | None:
    """The token to show at `url`. The one in the token file goes to this machine's hubs only."""
    if settings.token:
        return settings.token
    known = settings.url is None or is_loopback(origin(url).host)
    return read_token(settings.paths.token_file) if known else None


def probe(hub: Running, timeout: float = 2.0) -> bool:
    """Whether a hub answers there. The token is not shown to find that out."""
    return hub._replace(token=None).requests(timeout).healthy()


def ensure(settings: Settings, *, command: Sequence[str] | None = None, timeout: float = START_TIMEOUT) -> Running:
    """The hub to talk to; started, detached, if none runs.

    A hub that was named by URL is taken at its word, and never started. `command` starts a hub (by default this
    Python's `hub serve`). Raises Unreachable if none answers within `timeout` seconds.
    """
    if settings.url:
        return Running(settings.url, token_for(settings, settings.url), 0, "")
    if found := _answering(settings):
        return found
    paths = settings.paths
    make_private(paths.home)
    until = time.monotonic() + timeout
    with FileLock(paths.start_lock) as lock:
        if not lock.acquire(timeout):
            raise _not_started(paths, f"another process has been starting it for {timeout:.0f} s")
        # Whoever held the lock before may have started it; a hub in the foreground may be on its way.
        if found := _answering(settings):
            return found
        if is_held(paths.hub_lock) and (found := _await_other(settings, until)):
            return found
        ensure_token(paths.token_file)
        return _await(settings, until, _spawn(settings, command or _serve(settings)))._replace(started=True)


def stop(settings: Settings, timeout: float = STOP_TIMEOUT) -> Running | None:
    """End the hub of this home, and return once it is gone; None if none ran. Raises Unavailable if it stays.

    On Windows the process is ended at once; nothing that was confirmed is lost by that.
    """
    found = locate(settings)
    if found is None:
        return None
    from signal import SIGTERM

    try:
        os.kill(found.pid, SIGTERM)
    except ProcessLookupError:
        return found
    except PermissionError:
        raise Unavailable(f"The hub (pid {found.pid}) belongs to another user.", "That user can stop it.") from None
    until = time.monotonic() + timeout
    while is_held(settings.paths.hub_lock):
        if time.monotonic() > until:
            raise Unavailable(
                f"The hub (pid {found.pid}) was asked to stop {timeout:.0f} s ago and still runs.",
                f"Its log is {settings.paths.log_file}. kill -9 {found.pid} ends it; nothing confirmed is lost.",
            )
        time.sleep(POLL)
    if os.name == "nt":
        remove_hub_json(settings.paths)  # it had no time to
    return found


def _answering(settings: Settings) -> Running | None:
    found = locate(settings)
    return found if found and probe(found) else None


def _alive(pid: int) -> bool:
    if os.name == "nt":
        return True  # there signal 0 is not a question; the lock has said enough
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _serve(settings: Settings) -> list[str]:
    # -P: a folder called `hub` where the user happens to be is not this one.
    return [sys.executable, "-P", "-m", "hub", "serve", "--detached", *flags_of(settings)]


def _spawn(settings: Settings, command: Sequence[str]) -> Any:
    """Start `command` so that it outlives this process and its terminal."""
    import subprocess

    paths = settings.paths
    make_private(paths.start_log.parent)
    kept_out = {"HUBBUB_URL", "HUBBUB_TOKEN", "HUBBUB_NAME"}  # they say who this process is, not what the hub is
    environ = {key: value for key, value in os.environ.items() if key not in kept_out}
    environ |= {"HUBBUB_HOME": str(settings.home), "HUBBUB_CONFIG": str(settings.config)}
    if settings.source("config").kind == "default":
        del environ["HUBBUB_CONFIG"]
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    log = os.open(paths.start_log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=paths.home,  # not where the user is: that folder may have to go
            env=environ,
            start_new_session=True,
            creationflags=flags,
        )
    except OSError as why:
        raise _not_started(paths, f"{command[0]} cannot be run: {why.strerror or why}") from None
    finally:
        os.close(log)


def _await_other(settings: Settings, until: float) -> Running | None:
    """Wait for a hub that somebody else has started; None if it was on its way out instead, and is gone."""
    while time.monotonic() < until:
        if found := _answering(settings):
            return found
        if not is_held(settings.paths.hub_lock):
            return None
        time.sleep(POLL)
    raise _not_started(settings.paths, "it runs, but does not answer")


def _await(settings: Settings, until: float, process: Any) -> Running:
    """Wait for the hub that was started here to answer."""
    paths = settings.paths
    try:
        while time.monotonic() < until:
            if found := _answering(settings):
                return found
            if process.poll() is not None:
                raise _not_started(paths, f"it ended with exit code {process.returncode}")
            time.sleep(POLL)
        raise _not_started(paths, "it runs, but does not answer" if is_held(paths.hub_lock) else "it does not answer")
    finally:
        if process.returncode is None:
            _reap_later(process)


def _reap_later(process: Any) -> None:
    """Take the hub's exit status when it ends before us: else it would stay in the process table."""
    from threading import Thread

    Thread(target=process.wait, name="hub-reaper", daemon=True).start()


def _not_started(paths: Paths, why: str) -> Unreachable:
    said = _last_lines(paths.start_log) or _last_lines(paths.log_file)
    end = "\n" + "\n".join(f"  {line}" for line in said) if said else ""
    return Unreachable(
        f"The hub could not be started: {why}.{end}",
        f"hubbub serve starts it here, where you can see what it says; its log is {paths.log_file}.",
    )


def _last_lines(path: Path, count: int = 5) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            return file.read().decode("utf-8", "replace").strip().splitlines()[-count:]
    except OSError:
        return []


def _runs_already(paths: Paths, lock: Path) -> Unavailable:
    note = read_hub_json(paths)
    if note is None:
        return Unavailable(f"Another hub holds {lock}.", "A hub that is just starting or stopping lets go in a moment.")
    return Unavailable(
        f"A hub already runs here: pid {note['pid']}, at {note['url']}.",
        "hubbub stop ends it; another HUBBUB_HOME makes another hub.",
    )
