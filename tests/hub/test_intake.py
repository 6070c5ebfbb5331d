"""Messages from elsewhere, on a hub that runs: what the command line hands in, and what is there afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from msgspec import convert

from hub import frames
from hub.cli import exits, main
from hub.intake import Item
from tests.hub.live import Live, live
from tests.hub.old_database import Old, many
from tests.hub.test_bridge import Script

Move: TypeAlias = Callable[..., Coroutine[Any, Any, dict[str, Any]]]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path / "home", legacy_port=0) as running:
        yield running


@pytest.fixture
def old(tmp_path: Path) -> Old:
    return Old(tmp_path / "old")


@pytest.fixture
def move(hub: Live, capsys: pytest.CaptureFixture[str]) -> Move:
    """`hubbub import … --json`, as a program beside this hub; exit code and what it printed."""

    async def run(*words: Any, hub: Live = hub) -> dict[str, Any]:
        capsys.readouterr()
        line = ["import", *map(str, words), "--json", "--url", hub.url, "--token", hub.token]
        code = await asyncio.to_thread(main, line)
        out, err = capsys.readouterr()
        assert out, err
        told = {"code": code, **json.loads(out)}
        assert told["messages"] == told["taken"] + told["known"] + sum(told["left"].values())
        return told

    return run


async def unread(hub: Live, name: str) -> list[str]:
    page = (await hub.request("GET", f"/api/v1/messages?as={name}&unread=1&limit=1000")).json()
    return [each["body"] for each in page["messages"]]


async def history(hub: Live, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        await hub.request("GET", "/api/v1/messages", params={"limit": 1000, **query})
    ).json()["messages"]
    return found


async def put(hub: Live, *messages: dict[str, Any]) -> dict[str, Any]:
    answer = await hub.request("POST", "/api/v1/import", {"messages": messages})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def item(number: int, *, hours: float = 1.0, read: bool = True, **parts: Any) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(hours=hours)
    made = {"id": f"i{number}", "from": "bob", "to": "alice", "body": f"old {number}", "at": at.isoformat()}
    return {**made, "unread": [] if read else ["alice"], **parts}


async def test_what_was_read_is_history_and_what_was_unread_waits(hub: Live, old: Old, move: Move) -> None:
    old.instance("fred", "barney")
    old.message("fred", "barney", "read long ago", hours=50, read=True, data={"run": 7})
    old.message("fred", "barney", "not read", hours=2)
    told = await move("claude-ipc", old.path)
    assert (told["code"], told["taken"], told["left"]) == (exits.OK, 2, {})
    assert await unread(hub, "barney") == ["not read"]
    first, second = await history(hub, **{"with": "barney"})
    assert (first["body"], first["data"], first["from"], first["to"]) == ("read long ago", {"run": 7}, "fred", "barney")
    age = datetime.now(UTC) - datetime.fromisoformat(first["at"])
    assert timedelta(hours=49.9) < age < timedelta(hours=50.1)
    assert second["body"] == "not read"


async def test_a_second_import_takes_what_is_new_and_nothing_twice(hub: Live, old: Old, move: Move) -> None:
    old.message("fred", "barney", "one", read=True)
    old.message("fred", "barney", "two")
    await move("claude-ipc", old.path)
    old.message("fred", "wilma", "three")
    told = await move("claude-ipc", old.path)
    assert (told["taken"], told["known"]) == (1, 2)
    assert [each["body"] for each in await history(hub)] == ["one", "two", "three"]
    assert await unread(hub, "barney") == ["two"]


async def test_a_rename_between_two_imports_doubles_nothing(hub: Live, old: Old, move: Move) -> None:
    old.instance("fred")
    old.message("fred", "barney", "one", hours=3, read=True)
    await move("claude-ipc", old.path)
    old.run("UPDATE instances SET instance_id = 'fred2'", ())
    old.rename("fred", "fred2", 2.5)
    told = await move("claude-ipc", old.path)
    assert (told["taken"], told["known"]) == (0, 1)


async def test_the_source_is_not_changed_by_a_byte(hub: Live, tmp_path: Path, move: Move) -> None:
    old = many(tmp_path / "many", 300)

    def state() -> dict[str, tuple[bytes, int]]:
        return {
            str(path): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
            for path in [old.path.parent, *old.path.parent.rglob("*")]
        }

    before = state()
    assert (await move("claude-ipc", old.path))["taken"] == 300
    assert state() == before


async def check_a_large_move(hub: Live, folder: Path, move: Move, count: int) -> None:
    """Each of `count` messages is here once, in its state; and once only after a second time."""
    old = await asyncio.to_thread(many, folder, count)
    told = await move("claude-ipc", old.path)
    assert (told["code"], told["taken"], told["known"], told["again"], told["left"]) == (exits.OK, count, 0, 0, {})
    assert told["forwards"] == 1
    long = sum(count for what, count in told["remarks"].items() if "taken whole" in what)
    assert long == count // 100
    rows = (await hub.request("GET", "/api/v1/instances")).json()["instances"]
    waiting = {each["name"]: each["unread"] for each in rows}
    for number in range(20):
        name = "agent-zero" if number == 0 else f"agent-{number}"
        newer = sum(1 for each in range(count // 2, count) if each % 20 == number)
        assert waiting[name] == (newer if number >= 10 else 0), name
    again = await move("claude-ipc", old.path)
    assert (again["taken"], again["known"], again["left"]) == (0, count, {})
    after: int | None = 0
    bodies: list[str] = []
    while after is not None:
        page = (await hub.request("GET", f"/api/v1/export?after={after}")).json()
        bodies += [each["body"] for each in page["lines"]]
        after = page["next"]
    found = {body.split()[2 if body.startswith("long") else 1] for body in bodies}
    assert found == {str(number) for number in range(count)}
    assert len(bodies) == count
    assert all(len(body) > 10_000 for body in bodies if body.startswith("long"))


async def test_two_thousand_messages_move_and_each_is_accounted_for(hub: Live, tmp_path: Path, move: Move) -> None:
    await check_a_large_move(hub, tmp_path / "many", move, 2000)


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_a_hundred_thousand_messages_move_and_each_is_accounted_for(
    tmp_path: Path, hub: Live, move: Move
) -> None:
    async with live(tmp_path / "large", inbox_messages=100_000) as large:

        async def into(*words: Any) -> dict[str, Any]:
            return await move(*words, hub=large)

        await check_a_large_move(large, tmp_path / "many", into, 100_000)


async def test_old_names_lead_to_the_new_as_long_as_they_did(hub: Live, old: Old, move: Move) -> None:
    old.instance("fred2", seen=0.1)
    old.rename("fred", "fred2", 1.5)
    told = await move("claude-ipc", old.path)
    assert (told["names"], told["forwards"]) == (1, 1)
    sent = (await hub.request("POST", "/api/v1/messages", {"as": "bob", "to": "fred", "body": "hello"})).json()
    assert sent["to"][0]["name"] == "fred2"
    holding = hub.app.node.hub.registry.held["fred"]
    assert holding.forwards_until == pytest.approx(hub.app.node.now() + 0.5 * 3600, abs=60)
    assert (await move("claude-ipc", old.path))["forwards"] == 0


async def test_a_session_of_an_old_script_goes_on(hub: Live, old: Old, move: Move) -> None:
    old.instance("fred")
    old.session("fred", "the token in .ipc-session")
    old.session("fred", "one that is over", hours=25)
    assert (await move("claude-ipc", old.path))["sessions"] == 1
    fred = Script(hub, "fred")
    fred.token = "the token in .ipc-session"
    assert await fred.send("barney", "still here") == "Message queued for barney (not yet registered)"
    fred.token = "one that is over"
    assert await fred.send("barney", "no more") == "Invalid or missing session token"


async def test_unread_mail_here_is_not_passed_over(hub: Live, old: Old, move: Move) -> None:
    await hub.request("POST", "/api/v1/messages", {"as": "bob", "to": "barney", "body": "native"})
    old.message("fred", "barney", "had been read", read=True)
    old.message("fred", "barney", "had not")
    told = await move("claude-ipc", old.path)
    assert (told["code"], told["taken"]) == (exits.FAILED, 1)
    ((why, count),) = told["left"].items()
    assert count == 1
    assert "barney has unread mail here" in why
    assert await unread(hub, "barney") == ["native", "had not"]
    await hub.request("POST", "/api/v1/read", {"as": "barney", "offset": hub.app.node.hub.head})
    told = await move("claude-ipc", old.path)
    assert (told["code"], told["taken"], told["known"]) == (exits.OK, 1, 1)
    assert await unread(hub, "barney") == []


async def test_what_was_read_is_not_pushed_to_a_live_session(hub: Live) -> None:
    async with hub.session("alice") as alice:
        told = await put(hub, *(item(number) for number in range(300)), item(300, read=False))
        assert (told["taken"], told["again"]) == (301, 0)
        assert (await alice.frame("message"))["body"] == "old 300"


async def test_mail_that_comes_in_between_is_not_marked_read(hub: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was unread when the import looked; mail lands before what the import brings."""
    node = hub.app.node
    await node.register("alice")
    bob = await node.register("bob")
    room = node.journal.room

    async def after_mail() -> None:
        monkeypatch.setattr(node.journal, "room", room)
        await node.publish(bob, frames.Publish(to="alice", body="in between"))

    monkeypatch.setattr(node.journal, "room", after_mail)
    told = await hub.app.depot._intake.take([], [convert(item(1), Item)], [])
    assert (told.taken, told.again) == (1, 1)
    assert await unread(hub, "alice") == ["in between", "old 1"]


async def test_a_cursor_that_was_not_stored_is_moved_by_the_next_import(hub: Live) -> None:
    """As after a kill between the message and its cursor: it looks unread, which is the safe side."""
    await put(hub, item(1, read=False))
    assert await unread(hub, "alice") == ["old 1"]
    told = await put(hub, item(1))
    assert (told["taken"], told["known"]) == (0, 1)
    assert await unread(hub, "alice") == []


async def test_what_is_older_than_retention_is_left_out_with_the_setting_to_raise(hub: Live) -> None:
    told = await put(hub, item(1, hours=24 * 31), item(2))
    assert told["taken"] == 1
    (left,) = told["left"]
    assert left["what"] == "i1"
    assert left["code"] == "retention_age"
    assert "Older than retention_age (30d)" in left["why"]


async def test_a_full_inbox_refuses_what_is_unread_and_takes_what_was_read(tmp_path: Path) -> None:
    async with live(tmp_path / "small", inbox_messages=2) as hub:
        told = await put(hub, *(item(number) for number in range(5)), *(item(n, read=False) for n in range(5, 9)))
        assert told["taken"] == 7
        assert {each["code"] for each in told["left"]} == {"inbox_full"}
        assert all("inbox_messages" in each["why"] for each in told["left"])
        assert await unread(hub, "alice") == ["old 5", "old 6"]


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"from": "a b"}, "bad_name"),
        ({"to": "x" * 33}, "bad_name"),
        ({"to": "system"}, "bad_name"),
        ({"body": "x" * (2**20 + 1)}, "too_large"),
        ({"id": ""}, "bad_value"),
    ],
)
async def test_what_cannot_be_taken_is_told_and_the_rest_is_taken(hub: Live, parts: dict[str, Any], code: str) -> None:
    told = await put(hub, item(1, **parts), item(2))
    assert (told["taken"], [each["code"] for each in told["left"]]) == (1, [code])


async def test_only_the_owner_may_import(hub: Live) -> None:
    """Whoever imports writes in anybody's name: an admin's token, which may be bound to one, must not."""
    scopes = ["publish", "subscribe", "observe", "admin"]
    made = (await hub.request("POST", "/api/v1/tokens", {"scopes": scopes, "name": "bob"})).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    refused = await hub.request("POST", "/api/v1/import", {"messages": [item(1, **{"from": "eve"})]}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert await history(hub) == []


async def test_export_and_trim_need_their_scopes(hub: Live) -> None:
    made = (await hub.request("POST", "/api/v1/tokens", {"scopes": ["publish", "subscribe"]})).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    for method, path, body in (
        ("GET", "/api/v1/import", None),
        ("POST", "/api/v1/import", {}),
        ("GET", "/api/v1/export", None),
        ("GET", "/api/v1/trim", None),
        ("POST", "/api/v1/trim", {}),
    ):
        assert (await hub.request(method, path, body, headers=headers)).status_code == 403, (method, path)


async def test_a_message_to_a_name_that_nobody_has_waits_from_its_own_time_on(hub: Live) -> None:
    await put(hub, item(1, hours=24 * 6, read=False), item(2, hours=24 * 8, read=False))
    assert hub.app.node.hub.registry.find("alice") is None
    assert await unread(hub, "alice") == ["old 1"]
    assert [each["body"] for each in await history(hub)] == ["old 1", "old 2"]
