"""A real hub whose disk takes no more for a while: full, at a limit of a file's size, or read-only; and well again."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.journeys.processes import BOUND, HUBBUB, HubProcess, environment, hub_process
from tests.soak.disk import NAME, SYNC, TRUNCATE, WRITE, Shim
from tests.soak.publishers import everything

RECOVERY = 5.0  # seconds after the cause has gone away
SIZE = 16  # MiB of the small disk


class Wrong(AssertionError):
    """A hub that did on such a disk what it must not."""


class Told(NamedTuple):
    """What was counted while the disk took nothing. `seconds`: from its healing until the hub was ready."""

    confirmed: int
    refused: int
    seconds: float


@contextmanager
def small_disk(at: Path) -> Iterator[Path]:
    """A file system of its own, of SIZE MiB; skips the test where none may be mounted."""
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("mount and tmpfs are missing: they are Linux's")
    become = [] if os.geteuid() == 0 else ["sudo", "-n"]
    at.mkdir(parents=True)
    options = f"size={SIZE}m,mode=0700,uid={os.geteuid()},gid={os.getegid()}"
    try:
        done = subprocess.run(
            [*become, "mount", "-t", "tmpfs", "-o", options, "hubbub-test", at],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("sudo is missing, and only root may mount a small disk")
    if done.returncode:
        pytest.skip(f"the right to mount is missing: run as root, or with sudo ({done.stderr.strip()})")
    try:
        yield at
    finally:
        subprocess.run([*become, "umount", "-l", at], check=True)


class Cause(NamedTuple):
    """What makes a disk take nothing, and what ends it."""

    begin: Callable[[HubProcess], None]
    end: Callable[[HubProcess], None]


def ballast(disk: Path) -> Cause:
    """Another program fills the disk, and deletes its file later."""
    big = disk / "ballast"

    def fill(hub: HubProcess) -> None:
        with big.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        assert shutil.disk_usage(disk).free == 0

    return Cause(fill, lambda hub: big.unlink())


def limit() -> Cause:
    """RLIMIT_FSIZE, as `ulimit -f` and service managers set it: no file may be longer than the journal is now."""
    if sys.platform != "linux":
        pytest.skip("prlimit is missing: it is Linux's")
    import resource

    def set_limit(hub: HubProcess) -> None:
        now = (hub.home / "hubbub.db-wal").stat().st_size
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (now, resource.RLIM_INFINITY))

    def lift(hub: HubProcess) -> None:
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    return Cause(set_limit, lift)


def read_only(shim: Shim) -> Cause:
    """As ext4 and others do it after an error of the disk: every change fails with EROFS, also to files that are open.

    `mount -o remount,ro` itself cannot be had: it refuses while a file on it is open for writing.
    """
    control = shim.control()
    changes = SYNC | WRITE | TRUNCATE | NAME
    return Cause(lambda hub: control.fail(changes, errno.EROFS), lambda hub: control.heal())


async def suffer(home: Path, cause: Cause, *faults: str, **settings: str) -> Told:
    """A hub is published to before, while and after its disk takes nothing, killed, and started again. Raises Wrong."""
    confirmed: dict[str, int] = {}
    refused: set[str] = set()
    command = [sys.executable, "-m", "tests.soak.frail", *faults] if faults else HUBBUB
    with hub_process(home, command, **settings) as hub:
        headers = {"Authorization": f"Bearer {hub.token}"}
        async with (
            httpx2.AsyncClient(
                base_url=hub.http, headers=headers, timeout=BOUND, trust_env=False, verify=False
            ) as http,
            connect(hub.url, compression=None, proxy=None) as bob,
        ):
            await bob.send(json.dumps({"type": "hello", "name": "bob", "token": hub.token, "credit": 0}))
            assert json.loads(await bob.recv())["type"] == "welcome"

            async def publish(number: int) -> bool:
                return await _publish(bob, f"m{number}", confirmed, refused)

            count = 0
            for count in range(40):
                if not await publish(count):
                    raise Wrong("a publish was refused on a good disk")
            cause.begin(hub)
            try:
                async with asyncio.timeout(BOUND):
                    while len(refused) < 10:
                        count += 1
                        await publish(count)
                        if count > 500:
                            raise Wrong("the disk takes no more, and the hub confirms")
                ready = await http.get("/readyz")
                if ready.status_code != 503 or "cannot be written" not in ready.text:
                    raise Wrong(f"/readyz says {ready.status_code} {ready.text!r} while nothing can be written")
                if (await http.get("/healthz")).status_code != 200:
                    raise Wrong("/healthz is not well: a supervisor would end the hub for it")
                found = (await http.get("/api/v1/messages", params={"limit": 20})).json()["messages"]
                read = {each["id"] for each in await everything(hub)}
                if not found or not confirmed.keys() <= read:
                    raise Wrong("what was confirmed cannot be read")
                if refused & read:
                    raise Wrong("what was refused is read")
            finally:
                cause.end(hub)
            began = time.monotonic()
            while (ready := await http.get("/readyz")).status_code != 200:
                if time.monotonic() > began + RECOVERY:
                    raise Wrong(f"{RECOVERY:g} s after the disk was well again /readyz says {ready.text!r}")
                await asyncio.sleep(0.01)
            seconds = time.monotonic() - began
            for _ in range(10):
                count += 1
                if not await publish(count):
                    raise Wrong("a publish was refused on a disk that is well again")
        hub.kill()
    with hub_process(home) as hub:
        stored = {each["id"]: each["offset"] for each in await everything(hub)}
        lost = [each for each, offset in confirmed.items() if stored.get(each) != offset]
        if lost or refused & stored.keys():
            raise Wrong(f"lost: {lost[:3]}; refused, and there: {sorted(refused & stored.keys())[:3]}")
        if hub.stop() != 0:
            raise Wrong("the hub did not end well")
    if list(home.glob("*.damaged-*")):
        raise Wrong("a database that was sound was set aside")
    return Told(len(confirmed), len(refused), seconds)


async def _publish(bob: ClientConnection, name: str, confirmed: dict[str, int], refused: set[str]) -> bool:
    await bob.send(json.dumps({"type": "publish", "ref": 1, "to": "#t", "id": name, "body": "." * 3000}))
    while (answer := json.loads(await bob.recv()))["type"] not in ("published", "error"):
        pass
    if answer["type"] == "published":
        confirmed[name] = answer["offset"]
        return True
    if answer["code"] != "storage_failed" or not answer.get("hint"):
        raise Wrong(f"it is refused with {answer}")
    refused.add(name)
    return False


def read_only_start(disk: Path) -> str:
    """What a hub says that is started on a disk that may not be written; afterwards it may be."""
    become = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*become, "mount", "-o", "remount,ro", disk], check=True)
    try:
        done = subprocess.run(
            [*HUBBUB, "serve"],
            env=environment(disk / "home"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )
    finally:
        subprocess.run([*become, "mount", "-o", "remount,rw", disk], check=True)
    assert done.returncode, "it started"
    return done.stderr
