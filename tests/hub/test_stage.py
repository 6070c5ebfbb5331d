"""The demo that the hub plays by itself, when a person asks for it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hub.demo import script
from hub.demo.play import Play
from hub.demo.script import Join, Say
from hub.errors import NameTaken
from tests.hub.live import Live, live

SHORT = (Join(who="alice"), Join(who="bob"), Say(who="alice", to="bob", text="hello"))


async def ended(hub: Live) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            told: dict[str, Any] = (await hub.request("GET", "/api/v1/demo")).json()
            if not told["playing"]:
                return told
            await asyncio.sleep(0)


async def test_it_is_played_once_at_a_time_and_everybody_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "SCRIPT", SHORT)
    async with live(tmp_path / "home") as hub:
        first = await hub.request("POST", "/api/v1/demo", {"fast": True})
        second = await hub.request("POST", "/api/v1/demo", {"fast": True})
        assert (first.status_code, second.status_code) == (202, 200)
        assert first.json() == second.json() == {"playing": True, "trouble": None}
        assert await ended(hub) == {"playing": False, "trouble": None}
        said = (await hub.request("GET", "/api/v1/messages")).json()["messages"]
        assert [(each["from"], each["to"], each["body"]) for each in said] == [("alice", "bob", "hello")]
        assert (await hub.request("GET", "/api/v1/status")).json()["online"] == 0


async def test_a_play_that_cannot_go_on_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def taken(self: Play, *_: Any) -> None:
        raise NameTaken("Live sessions have the names alice and alice-demo.")

    monkeypatch.setattr(Play, "run", taken)
    async with live(tmp_path / "home") as hub:
        await hub.request("POST", "/api/v1/demo", {})
        assert (await ended(hub))["trouble"] == "Live sessions have the names alice and alice-demo."
        assert (await hub.request("GET", "/api/v1/health")).json()["ready"] is True


async def test_a_play_that_meets_a_bug_is_told_and_another_can_be_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stumble(self: Play, *_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Play, "run", stumble)
    async with live(tmp_path / "home") as hub:
        await hub.request("POST", "/api/v1/demo", {})
        assert (await ended(hub))["trouble"] == "The demo met a fault of its own."
        (problem,) = (await hub.request("GET", "/api/v1/health")).json()["problems"]
        assert problem.startswith("the demo failed a moment ago")
        assert (await hub.request("POST", "/api/v1/demo", {})).status_code == 202


async def test_a_hub_that_ends_has_everybody_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def wait(self: Play, *_: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Play, "run", wait)
    async with live(tmp_path / "home") as hub:
        await hub.request("POST", "/api/v1/demo", {})
        await begun.wait()
    assert [task for task in asyncio.all_tasks() if task.get_name() == "hubbub demo"] == []


async def test_only_a_person_may_begin_it(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub:
        made = await hub.request("POST", "/api/v1/tokens", {"scopes": ["publish", "subscribe", "observe"]})
        headers = {"Authorization": f"Bearer {made.json()['token']}"}
        assert (await hub.request("POST", "/api/v1/demo", {}, headers=headers)).status_code == 403
        assert (await hub.request("GET", "/api/v1/demo", headers=headers)).json()["playing"] is False
