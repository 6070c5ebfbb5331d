"""An exported file as a hub to look at: the same past as the hub's own, or what a file without facts can tell."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub import replay
from hub.app import App
from hub.errors import BadValue, NotFound
from tests.hub.live import BOUND, Live, live


async def exported(hub: Live, path: Path, **query: Any) -> Path:
    """What hubbub export writes."""
    lines: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = (await hub.request("GET", "/api/v1/export", params={"after": after, **query})).json()
        lines += [page["heading"]] if page["heading"] else []
        lines += page["lines"]
        after = page["next"]
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return path


class Shown:
    """A replay that runs, and a browser that has followed its link."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str, **query: Any) -> Any:
        return (await self.client.get(path, params=query)).json()


@asynccontextmanager
async def shown(path: Path, files: Path | None = None) -> AsyncIterator[Shown]:
    ready: asyncio.Future[App] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(replay.show(path, ready.set_result, files))
    await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED, timeout=BOUND)
    if running.done():
        running.result()
    app = ready.result()
    url = app.url.replace("ws://", "http://").removesuffix("/ws")
    try:
        async with httpx2.AsyncClient(base_url=url, timeout=BOUND, trust_env=False, verify=False) as client:
            code = app.links.make(app.door.clock())
            assert (await client.get("/open", params={"code": code})).status_code == 200
            yield Shown(client)
    finally:
        app.stop()
        assert await running == 0


async def talk(hub: Live) -> list[int]:
    """alice is online and writes three times to bob, who has read the first."""
    offsets = []
    for number in range(3):
        said = {"from": "alice", "to": "bob", "body": f"number {number}", "thread": "t"}
        offsets.append((await hub.request("POST", "/api/v1/messages", said)).json()["offset"])
        if number == 0:
            await hub.request("POST", "/api/v1/read", {"as": "bob", "offset": offsets[0]})
    return offsets


def instances(snapshot: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {each["name"]: (each["online"], each["unread"], each["state"]) for each in snapshot["instances"]}


async def test_with_facts_a_replay_tells_of_every_moment_what_the_hub_does(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub, hub.session("carol", client="c"):
        offsets = await talk(hub)
        moments = [str(each) for each in range(1, offsets[-1] + 1)]
        right = [(await hub.request("GET", f"/api/v1/snapshot?at={at}")).json() for at in moments]
        path = await exported(hub, tmp_path / "all.jsonl", facts=1)
    async with shown(path) as replayed:
        for at, told in zip(moments, right, strict=True):
            again = await replayed.get("/api/v1/snapshot", at=at)
            assert again | {"hub": None} == told | {"hub": None}, at
        present = await replayed.get("/api/v1/snapshot")
        assert instances(present) == {
            "alice": (False, 0, "offline"),
            "bob": (False, 2, "offline"),
            "carol": (True, 0, "online"),
        }
        assert present["hub"]["mode"] == "replay"


async def test_without_facts_who_was_there_and_what_was_read_before_is_unknown(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub:
        offsets = await talk(hub)
        path = await exported(hub, tmp_path / "all.jsonl")
    async with shown(path) as replayed:
        assert instances(await replayed.get("/api/v1/snapshot")) == {
            "alice": (None, 0, "unknown"),
            "bob": (None, 2, "unknown"),
        }
        then = await replayed.get("/api/v1/snapshot", at=offsets[1])
        assert [each["body"] for each in then["recent"]] == ["number 0", "number 1"]
        assert instances(then) == {"alice": (None, None, "unknown"), "bob": (None, None, "unknown")}
        assert then["past"]["running"] is None


async def test_every_view_works_on_the_file(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub:
        offsets = await talk(hub)
        path = await exported(hub, tmp_path / "all.jsonl")
    async with shown(path) as replayed:
        for page in (
            "/",
            "/time",
            "/conversation?thread=t",
            "/topics",
            "/search?q=number",
            "/instances/bob",
            "/health",
        ):
            answer = await replayed.client.get(page, headers={"Accept": "text/html"})
            assert answer.status_code == 200, page
            assert "This is a replay of all.jsonl" in answer.text
        assert "number 2" in (await replayed.client.get(f"/messages/{offsets[2]}")).text
        found = await replayed.get("/api/v1/messages", search="number")
        assert len(found["messages"]) == 3


async def test_what_messages_carry_is_given_as_far_as_it_is_in_the_folder(tmp_path: Path) -> None:
    carried = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("here.txt", "lost.txt")}
    async with live(tmp_path / "home") as hub:
        for name, sha256 in carried.items():
            await hub.request("PUT", f"/api/v1/attachments/{sha256}?as=alice", content=name.encode())
        files = [{"sha256": sha256, "size": len(name), "name": name} for name, sha256 in carried.items()]
        said = {"from": "alice", "to": "bob", "body": "both", "attachments": files}
        offset = (await hub.request("POST", "/api/v1/messages", said)).json()["offset"]
        path = await exported(hub, tmp_path / "all.jsonl", facts=1)
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / carried["here.txt"]).write_text("here.txt")
    (folder / carried["lost.txt"]).write_text("other bytes")
    links = {name: f"/api/v1/attachments/{sha256}?message=" for name, sha256 in carried.items()}
    async with shown(path, folder) as replayed:
        page = (await replayed.client.get(f"/messages/{offset}")).text
        assert links["here.txt"] in page
        assert links["lost.txt"] not in page
        assert "not in this replay" in page
        assert "Of the files that messages carry 1 is not here" in page
        given = await replayed.client.get(f"/api/v1/attachments/{carried['here.txt']}", params={"message": str(offset)})
        assert given.text == "here.txt"
    async with shown(path) as replayed:
        for where in (f"/messages/{offset}", "/conversation", f"/time?at={offset}"):
            page = (await replayed.client.get(where)).text
            assert "/api/v1/attachments/" not in page, where
            assert page.count("not in this replay") >= 2, where
    with pytest.raises(NotFound, match="no folder"):
        await replay.show(path, lambda app: None, tmp_path / "none")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/messages"),
        ("POST", "/api/v1/read"),
        ("DELETE", "/api/v1/instances/bob"),
        ("POST", "/api/v1/trim"),
        ("POST", "/part"),
        ("PUT", "/api/v1/attachments/0"),
    ],
)
async def test_nothing_can_be_changed_and_that_is_said(tmp_path: Path, method: str, path: str) -> None:
    file = tmp_path / "few.jsonl"
    file.write_text(json.dumps(HEADING) + "\n" + json.dumps(LINE) + "\n")
    async with shown(file) as replayed:
        answer = await replayed.client.request(method, path, json={}, headers={"Accept": "application/json"})
        assert answer.status_code == 403
        assert answer.json()["code"] == "read_only"
        assert "few.jsonl" in answer.json()["message"]


HEADING = {"hubbub": "export", "version": 1, "at": "2026-03-14T12:00:00Z", "head": 9, "instances": []}
LINE = {
    "offset": 7,
    "id": "a",
    "from": "alice",
    "to": "bob",
    "topic": "inbox.bob",
    "thread": None,
    "reply_to": None,
    "body": "hello",
    "data": None,
    "at": "2026-03-14T11:00:00Z",
    "attachments": None,
    "expires_at": None,
    "sender": "alice",
    "recipient": None,
    "unread": ["bob"],
}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "first line"),
        (["not JSON"], "first line"),
        ([{"hubbub": "backup"}], "first line"),
        ([HEADING | {"version": 2}], "version 2"),
        ([HEADING, "{"], "Line 2"),
        ([HEADING, LINE, LINE | {"at": "noon"}], "Line 3"),
        ([HEADING, LINE, LINE], "in no order"),
        ([HEADING, {"hubbub": "trail", "offset": 1}], "Line 2"),
    ],
)
async def test_what_is_no_export_is_refused_with_the_line(tmp_path: Path, lines: list[Any], said: str) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines))
    with pytest.raises(BadValue, match=said):
        await replay.show(path, lambda app: None)


async def test_an_export_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    frame = {"offset": 0, "at": None, "said": 0, "rows": 0, "state": '{"tables": {"messages": [["x"], [[1]]]}}'}
    path.write_text(json.dumps(HEADING | {"facts": True, "keyframe": frame}) + "\n" + json.dumps(LINE | {"origin": 3}))
    with pytest.raises(BadValue, match="contradicts itself"):
        await replay.show(path, lambda app: None)


async def test_a_file_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is not there"):
        await replay.show(tmp_path / "none.jsonl", lambda app: None)
