from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from hub import health, volume
from tests.hub.live import live


async def test_it_says_how_much_there_is_of_what_may_run_out(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub, hub.session("alice") as alice:
        told = (await alice.publish("all", "hello"))["offset"]
        found = (await hub.request("GET", "/api/v1/health")).json()
        assert (found["ready"], found["problems"], found["sessions"]) == (True, [], 1)
        assert found["log"]["head"] == told
        assert found["log"]["newest_at"] <= found["at"]
        assert found["volume"]["database"] == str(tmp_path / "home" / "hubbub.db")
        assert found["volume"]["database_bytes"] + found["volume"]["journal_bytes"] > 0
        assert found["volume"]["state"] in ("ok", "low", "full")
        assert found["attachments"] == {"files": 0, "bytes": 0, "quota": 4 * 2**30}
        if sys.platform == "linux":
            assert found["memory"]["peak_bytes"] >= found["memory"]["bytes"] > 0


async def test_it_is_for_those_who_may_observe(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub:
        made = await hub.request("POST", "/api/v1/tokens", {"name": "bob", "scopes": ["publish"]})
        headers = {"Authorization": f"Bearer {made.json()['token']}"}
        assert (await hub.request("GET", "/api/v1/health", headers=headers)).status_code == 403


async def test_a_disk_that_hangs_is_looked_at_once_and_the_rest_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []
    well = threading.Event()
    look = volume.look

    def hang(database: Path) -> Any:
        looks.append(database)
        well.wait(30)
        return look(database)

    monkeypatch.setattr(volume, "look", hang)
    monkeypatch.setattr(health, "PATIENCE", 0.01)
    async with live(tmp_path / "home") as hub:
        try:
            for _ in range(2):
                found = (await hub.request("GET", "/api/v1/health")).json()
                assert found["volume"] is None
                assert found["ready"] is True
            assert len(looks) == 1
        finally:
            well.set()
        async with asyncio.timeout(30):
            while (await hub.request("GET", "/api/v1/health")).json()["volume"] is None:
                await asyncio.sleep(0)
