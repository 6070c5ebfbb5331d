"""`hubbub doctor` beside a real hub whose disk or database fails: it is named, and nothing confirmed is lost."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.hub.doctor.test_database import holding
from tests.journeys.processes import BOUND, HubProcess, environment, hub_process, run
from tests.soak.full import ballast, limit, small_disk


class Publisher:
    """Publishes over HTTP, and knows what was confirmed."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http
        self.confirmed: set[str] = set()
        self._said = 0

    async def publish(self) -> str | None:
        """The code of what it was refused with; None if it was confirmed."""
        self._said += 1
        said = {"as": "bob", "to": "alice", "body": f"{self._said} " + "x" * 3000, "id": f"m{self._said}"}
        answer = (await self.http.post("/api/v1/messages", json=said)).json()
        if "offset" in answer:
            self.confirmed.add(answer["id"])
            return None
        return str(answer["code"])

    async def until(self, outcome: str | None) -> None:
        async with asyncio.timeout(BOUND):
            while await self.publish() != outcome:
                await asyncio.sleep(0)


@asynccontextmanager
async def publisher(hub: HubProcess) -> AsyncIterator[Publisher]:
    headers = {"Authorization": f"Bearer {hub.token}"}
    async with httpx2.AsyncClient(
        base_url=hub.http, headers=headers, timeout=BOUND, trust_env=False, verify=False
    ) as http:
        yield Publisher(http)


def stored(home: Path) -> set[str]:
    with closing(sqlite3.connect(f"{(home / 'hubbub.db').as_uri()}?mode=ro", uri=True)) as db:
        return {row[0] for row in db.execute("SELECT id FROM messages WHERE topic = 'inbox.alice'")}


def examine(home: Path, *words: str, code: int | None = 1) -> dict[str | None, dict[str, Any]]:
    """What doctor says, by code, the first of each; the clients and folders of this machine's user are left out."""
    done = subprocess.run(
        [sys.executable, "-m", "hub", "doctor", "--json", *words],
        env={**environment(home), "HOME": str(home.parent), "USERPROFILE": str(home.parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert code is None or done.returncode == code, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] == (done.returncode == 0)
    assert all(each["command"] for each in told["findings"] if each["state"] in ("warning", "broken")), told
    return {each["code"]: each for each in reversed(told["findings"])}


async def off_the_loop(do: Callable[..., Any], *words: Any, **more: Any) -> Any:
    return await asyncio.to_thread(do, *words, **more)


async def test_a_full_disk_is_named_and_what_was_confirmed_is_kept(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        cause = ballast(disk)
        with hub_process(disk / "home") as hub:
            async with publisher(hub) as bob:
                await bob.until(None)
                cause.begin(hub)
                await bob.until("storage_failed")
                found = await off_the_loop(examine, hub.home)
                assert found["disk_full"]["state"] == "broken"
                assert found["disk_full"]["command"] == f"df -h {hub.home}"
                assert "cannot be written" in found["hub_problem"]["message"]
                cause.end(hub)
                await bob.until(None)
                assert await off_the_loop(stored, hub.home) >= bob.confirmed
            hub.kill()
        cause.begin(hub)
        assert examine(disk / "home")["disk_full"]["state"] == "broken"
        cause.end(hub)
        assert stored(disk / "home") >= bob.confirmed


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
async def test_a_limit_that_only_the_hub_is_under_is_named_by_the_hubs_own_word(tmp_path: Path) -> None:
    cause = limit()
    with hub_process(tmp_path / "home") as hub:
        async with publisher(hub) as bob:
            await bob.until(None)
            cause.begin(hub)
            await bob.until("storage_failed")
            found = await off_the_loop(examine, hub.home)
            assert "a limit to the size of a file was reached" in found["hub_problem"]["message"]
            assert found["file_limit"]["state"] == "warning"
            cause.end(hub)
            await bob.until(None)
            assert await off_the_loop(stored, hub.home) >= bob.confirmed


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="others tell nobody who holds a lock")
async def test_who_locks_the_database_is_named_with_its_command(tmp_path: Path) -> None:
    with hub_process(tmp_path / "home") as hub:
        async with publisher(hub) as bob:
            await bob.until(None)
            with holding(hub.home / "hubbub.db", "WAL", "BEGIN IMMEDIATE") as pid:
                waits = asyncio.create_task(bob.publish())
                found = (await off_the_loop(examine, hub.home))["database_locked"]
                assert (found["state"], found["command"]) == ("broken", f"kill {pid}")
                assert f"pid {pid}" in found["message"]
                assert str(hub.home / "hubbub.db") in found["message"].split(": ", 1)[1], "its command line"
            assert await waits in (None, "storage_failed")
            await bob.until(None)
            assert "database_locked" not in await off_the_loop(examine, hub.home, code=None)
            assert await off_the_loop(stored, hub.home) >= bob.confirmed


async def test_a_corrupt_database_is_named_and_the_next_hub_has_every_message(tmp_path: Path) -> None:
    with hub_process(tmp_path / "home") as hub:
        async with publisher(hub) as bob:
            for _ in range(5):
                await bob.until(None)
        assert hub.stop() == 0
    path = tmp_path / "home" / "hubbub.db"
    raw = bytearray(path.read_bytes())
    raw[18] ^= 0x40
    path.write_bytes(raw)
    found = examine(tmp_path / "home")["database_damaged"]
    assert (found["state"], found["command"]) == ("broken", "hubbub start")
    assert path.read_bytes() == bytes(raw), "doctor only looks"
    with hub_process(tmp_path / "home") as hub:
        (aside,) = (each for each in path.parent.glob("hubbub.db.damaged-*") if each.stat().st_size == len(raw))
        assert aside.read_bytes() == bytes(raw)
        assert stored(tmp_path / "home") >= bob.confirmed
        after = await off_the_loop(examine, hub.home, code=0)
        assert str(aside) in after["hub_notice"]["message"]
        assert after["database_set_aside"]["state"] == "note"


@pytest.mark.skipif(os.name != "posix", reason="modes are Unix's")
async def test_a_read_only_database_is_named_and_opened_up(tmp_path: Path) -> None:
    with hub_process(tmp_path / "home") as hub:
        async with publisher(hub) as bob:
            await bob.until(None)
        hub.kill()
    path = tmp_path / "home" / "hubbub.db"
    path.chmod(0o400)
    (tmp_path / "home" / "token").chmod(0o644)
    found = examine(tmp_path / "home")
    assert (found["database_not_writable"]["command"], found["database_not_writable"]["fixed"]) == (
        f"chmod u+rw {path}",
        False,
    )
    assert (found["token_readable"]["fixed"], found["stale_hub_json"]["fixed"]) == (False, False)
    fixed = examine(tmp_path / "home", "--fix", code=0)
    for code in ("database_not_writable", "token_readable", "stale_hub_json"):
        assert (fixed[code]["state"], fixed[code]["fixed"], fixed[code]["command"]) == ("fixed", True, None)
    assert path.stat().st_mode & 0o777 == (tmp_path / "home" / "token").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "home" / "hub.json").exists()
    with hub_process(tmp_path / "home"):
        assert stored(tmp_path / "home") >= bob.confirmed


def test_a_read_only_disk_is_named_and_what_was_confirmed_is_kept(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        with hub_process(disk / "home") as hub:
            run(hub.home, "send", "--as", "bob", "alice", "hello", "--id", "m1")
            assert hub.stop() == 0
        become = [] if os.geteuid() == 0 else ["sudo", "-n"]
        subprocess.run([*become, "mount", "-o", "remount,ro", disk], check=True)
        try:
            found = examine(disk / "home")["disk_read_only"]
            assert (found["state"], found["command"]) == ("broken", f"findmnt -T {disk / 'home'}")
        finally:
            subprocess.run([*become, "mount", "-o", "remount,rw", disk], check=True)
        with hub_process(disk / "home"):
            assert "m1" in stored(disk / "home")


def test_settings_that_make_no_sense_are_a_finding_too(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text("prot = 4820\n")
    found = examine(tmp_path / "home")
    assert found["settings_unreadable"]["state"] == "broken"
    assert "prot" in found["settings_unreadable"]["message"]


def test_a_missing_file_of_a_message_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("notes")
    with hub_process(tmp_path / "home") as hub:
        run(hub.home, "send", "--as", "bob", "alice", "see", "--file", str(tmp_path / "notes.md"))
        assert "attachment_missing" not in examine(hub.home, code=0)
        (kept,) = (hub.home / "attachments").glob("??/*")
        kept.unlink()
        found = examine(hub.home, code=0)["attachment_missing"]
        assert "notes.md from bob" in found["message"]
        assert run(hub.home, *found["command"].split()[1:]).returncode == 0
