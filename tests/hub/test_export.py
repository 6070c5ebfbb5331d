"""What leaves one hub and is taken into another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub import export
from hub import node as node_module
from hub.cli import exits, main
from tests.hub.live import BOUND, Live, live
from tests.hub.test_intake import history, unread


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path / "home") as running:
        yield running


async def type_at(hub: Live, *words: str) -> int:
    return await asyncio.to_thread(main, [*words, "--url", hub.url, "--token", hub.token])


async def say(hub: Live, sender: str, to: str, body: str, **more: Any) -> dict[str, Any]:
    answer = await hub.request("POST", "/api/v1/messages", {"as": sender, "to": to, "body": body, **more})
    return dict(answer.json())


async def a_conversation(hub: Live) -> None:
    """Names, a rename, a thread, a reply, topics, a broadcast, read and unread, mail for a name that nobody has."""
    for name in ("alice", "bob", "carol"):
        await hub.request("POST", "/api/v1/instances", {"name": name})
    await hub.request("POST", "/api/v1/subscriptions", {"as": "carol", "topic": "build.*"})
    asked = await say(hub, "bob", "alice", "is it green?", thread="build", data={"run": 7}, id="bob-1")
    await hub.request("POST", "/api/v1/read", {"as": "alice", "offset": asked["offset"]})
    await say(hub, "alice", "bob", "it is", thread="build", reply_to=asked["id"])
    await say(hub, "alice", "#build.linux", "green")
    await say(hub, "bob", "all", "hello everyone")
    await say(hub, "bob", "dave", "are you there?")
    await hub.request("POST", "/api/v1/instances/bob/rename", {"name": "bobby"})
    await say(hub, "alice", "bob", "to the old name ````` with ticks\n# and a heading")


def shape(message: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key not in ("offset", "topic")}


async def test_an_export_taken_into_another_hub_is_the_same_and_twice_is_once(
    hub: Live, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await a_conversation(hub)
    file = tmp_path / "out.jsonl"
    assert await type_at(hub, "export", str(file)) == exits.OK
    async with live(tmp_path / "other") as other:
        for taken, known in ((6, 0), (0, 6)):
            capsys.readouterr()
            assert await type_at(other, "import", str(file), "--json") == exits.OK
            told = json.loads(capsys.readouterr().out)
            assert (told["taken"], told["known"], told["again"], told["left"]) == (taken, known, 0, {})
            for name in ("alice", "bobby", "carol", "dave"):
                there = await unread(hub, name) if name != "dave" else ["are you there?"]
                assert await unread(other, name) == there, name
        assert [shape(each) for each in await history(other)] == [
            shape(each) | ({"to": "bobby"} if each["to"] == "bob" else {}) for each in await history(hub)
        ]
        assert await unread(other, "alice") == ["hello everyone"]
        await say(other, "bobby", "#build.mac", "red")
        assert "red" in await unread(other, "carol")


async def test_a_wish_for_an_answer_goes_along_unless_its_time_is_over_and_the_hubs_own_words_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "HOUSEKEEPING", 0.02)
    file = tmp_path / "out.jsonl"
    async with live(tmp_path / "home") as hub:
        for by in (0.05, 3600):
            await say(hub, "bob", "alice", f"within {by} s?", answer_by=by)
        async with asyncio.timeout(BOUND):
            while not await unread(hub, "bob"):
                pass
        assert await type_at(hub, "export", str(file)) == exits.OK
    async with live(tmp_path / "other") as other:
        assert await type_at(other, "import", str(file), "--json") == exits.OK
        assert ["answer_by" in each for each in await history(other)] == [False, True]


@pytest.mark.parametrize(
    ("narrow", "count"),
    [
        ((), 6),
        (("--thread", "build"), 2),
        (("--with", "carol"), 2),
        (("--with", "bobby"), 5),
        (("--since", "1h"), 6),
        (("--until", "1h"), 0),
        (("--until", "2099-01-01"), 6),
        (("--since", "2099-01-01T00:00:00Z"), 0),
    ],
)
async def test_an_export_can_be_of_a_part(
    hub: Live, capsys: pytest.CaptureFixture[str], narrow: tuple[str, ...], count: int
) -> None:
    await a_conversation(hub)
    capsys.readouterr()
    assert await type_at(hub, "export", *narrow) == exits.OK
    heading, *lines = map(json.loads, capsys.readouterr().out.splitlines())
    assert heading["hubbub"] == "export"
    assert len(lines) == count


async def test_an_export_comes_in_pages(hub: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE_MESSAGES", 3)
    await a_conversation(hub)
    file = tmp_path / "out.jsonl"
    assert await type_at(hub, "export", str(file)) == exits.OK
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    offsets = [each["offset"] for each in lines[1:]]
    assert len(offsets) == 6
    assert offsets == sorted(offsets)


async def test_markdown_shows_what_was_written_in_a_fence_that_it_cannot_close(
    hub: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    await a_conversation(hub)
    capsys.readouterr()
    assert await type_at(hub, "export", "--markdown", "--with", "alice") == exits.OK
    text = capsys.readouterr().out
    assert "\n## bob → alice\n" in text
    assert "\n``````text\nto the old name ````` with ticks\n# and a heading\n``````\n" in text
    assert " · unread by bobby\n" in text


async def test_a_file_that_is_no_export_is_said(hub: Live, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.jsonl"
    for text, code in (("", 2), ("hello\n", 2), ('{"hubbub": "export", "version": 1}\n', 2), ("[]\n", 2)):
        file.write_text(text)
        assert await type_at(hub, "import", str(file)) == code, text
    assert await type_at(hub, "import", str(tmp_path / "none")) == exits.NOT_FOUND
    assert "Traceback" not in capsys.readouterr().err


def later_than_now(oldest_at: str, age: float) -> str:
    """When a message of that time goes, as the hub writes it."""
    return (datetime.fromisoformat(oldest_at) + timedelta(seconds=age)).isoformat().replace("+00:00", "Z")


async def test_trim_says_what_would_go_and_then_removes_just_that(
    hub: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    at = datetime.now(UTC) - timedelta(days=10)
    old = [
        {"id": f"i{n}", "from": "bob", "to": "alice", "body": f"{n}", "at": at.isoformat(), "unread": ["alice"]}
        for n in range(20)
    ]
    await hub.app.node.register("alice", at.timestamp())
    await hub.request("POST", "/api/v1/trim", {"older_than": 0})  # that the hub started, just now
    await hub.request("POST", "/api/v1/import", {"messages": old})
    await say(hub, "bob", "alice", "new")
    ahead = (await hub.request("GET", "/api/v1/trim")).json()
    assert (ahead["messages"], ahead["retention_age"]) == (0, 30 * 86_400)
    capsys.readouterr()
    assert await type_at(hub, "trim", "--dry-run", "--older-than", "7d") == exits.OK
    said = capsys.readouterr().out
    assert "20 of them wait unread" in said
    month = 30 * 86_400
    later = (await hub.request("GET", f"/api/v1/trim?within={month - 9 * 86_400}")).json()
    assert later["unread"] == 20, "ten days old, gone at thirty"
    assert await type_at(hub, "status", "--json") == exits.OK
    told = json.loads(capsys.readouterr().out)["retention"]
    assert (told["age"], told["due"], told["next_at"]) == (month, 0, later_than_now(told["oldest_at"], month))
    assert await type_at(hub, "status") == exits.OK
    assert "(hubbub trim --dry-run)" in capsys.readouterr().out
    for wrong in ("within=x", "within=nan", "older_than=-1"):
        assert (await hub.request("GET", f"/api/v1/trim?{wrong}")).status_code == 400
    ahead = (await hub.request("GET", f"/api/v1/trim?older_than={7 * 86_400}")).json()
    assert ahead["unread"] == 20
    assert datetime.fromisoformat(ahead["next_at"]) > datetime.now(UTC) + timedelta(days=6.9)
    assert await type_at(hub, "trim", "--older-than", "7d", "--json") == exits.OK
    done = json.loads(capsys.readouterr().out)
    assert (done["removed"], done["bytes"]) == (ahead["messages"], ahead["bytes"])
    assert [each["body"] for each in await history(hub)] == ["new"]
    assert await unread(hub, "alice") == ["new"]
    assert await type_at(hub, "trim", "--older-than", "7d") == exits.OK
    assert capsys.readouterr().out == "Nothing had to go.\n"
