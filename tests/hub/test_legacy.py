from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hub import inquiry
from hub.legacy import SECRET, SESSION_SECONDS, encoded, summary
from tests.hub.live import Live, live
from tests.hub.test_bridge import Script


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path / "home", legacy_port=0) as running:
        yield running


def proof(name: str, secret: str) -> str:
    return sha256(f"{name}:{secret}".encode()).hexdigest()


async def test_register_gives_a_token_and_says_what_is_queued(hub: Live) -> None:
    fred = Script(hub, "fred")
    said = await fred.say(action="register", instance_id="fred")
    assert said["status"] == "ok"
    assert said["message"] == "Registered fred"
    fred.token = said["session_token"]
    assert await fred.send("barney", "one") == "Message queued for barney (not yet registered)"
    assert await fred.send("barney", "two") == "Message queued for barney (not yet registered)"
    said = await fred.say(action="register", instance_id="barney", auth_token="")
    assert said["message"] == "Registered barney with 2 queued messages"


@pytest.mark.parametrize("name", ["", "a b", "x" * 33, "é", "all", "system", None, 7])
async def test_a_name_that_is_none_is_refused_in_the_old_words(hub: Live, name: Any) -> None:
    said = await Script(hub, "").say(action="register", instance_id=name)
    assert said == {
        "status": "error",
        "message": "Invalid instance ID format. Use 1-32 alphanumeric characters, hyphens, or underscores.",
    }


async def test_a_message_arrives_as_it_did(hub: Live) -> None:
    fred = await Script(hub, "fred").registered()
    barney = await Script(hub, "barney").registered()
    assert await fred.send("barney", "the build is red", data={"run": 7}) == "Message sent"
    (message,) = await barney.check()
    at = datetime.fromisoformat(message.pop("timestamp"))
    assert at.tzinfo is None
    assert abs((datetime.now() - at).total_seconds()) < 60
    assert message == {"from": "fred", "to": "barney", "message": {"content": "the build is red", "data": {"run": 7}}}
    assert await barney.check() == []


async def test_old_scripts_and_everybody_else_are_one_world(hub: Live) -> None:
    fred = await Script(hub, "fred").registered()
    async with hub.session("claude") as claude:
        assert await fred.send("claude", "from a script") == "Message sent"
        message = await claude.frame("message")
        assert (message["from"], message["body"]) == ("fred", "from a script")
        await claude.publish("FRED", "from a session", data=[1])
        (message,) = await fred.check()
        assert message["from"] == "claude"
        assert message["message"] == {"content": "from a session", "data": [1]}


async def test_the_sender_is_the_tokens_owner_whatever_from_id_says(hub: Live) -> None:
    mallory = await Script(hub, "mallory").registered()
    barney = await Script(hub, "barney").registered()
    said = await mallory.ask("send", from_id="fred", to_id="barney", message={"content": "trust me"})
    assert said["message"] == "Message sent"
    assert [each["from"] for each in await barney.check()] == ["mallory"]


async def test_check_reads_the_tokens_owners_mail_and_nobody_elses(hub: Live) -> None:
    mallory = await Script(hub, "mallory").registered()
    barney = await Script(hub, "barney").registered()
    await mallory.send("barney", "private")
    assert (await mallory.ask("check", instance_id="barney"))["messages"] == []
    assert len(await barney.check()) == 1


@pytest.mark.parametrize("action", ["send", "broadcast", "check", "list", "rename", "nonsense", None])
@pytest.mark.parametrize("token", [None, "", "wrong", 7, "é"])
async def test_without_a_token_that_holds_nothing_is_done(hub: Live, action: Any, token: Any) -> None:
    said = await Script(hub, "fred").say(action=action, session_token=token, from_id="fred", to_id="x", message={})
    assert said == {"status": "error", "message": "Invalid or missing session token"}


async def test_an_unknown_action_is_named(hub: Live) -> None:
    fred = await Script(hub, "fred").registered()
    assert await fred.ask("dance") == {"status": "error", "message": "Unknown action: dance"}


@pytest.mark.parametrize("to", ["a b", "", None, "all", "#topic"])
async def test_a_recipient_that_is_none_is_refused(hub: Live, to: Any) -> None:
    fred = await Script(hub, "fred").registered()
    said = await fred.ask("send", from_id="fred", to_id=to, message={"content": "x"})
    assert said == {"status": "error", "message": "Invalid recipient ID format"}


@pytest.mark.parametrize("message", [None, "text", {"content": 7}, []])
async def test_a_message_that_is_none_is_refused(hub: Live, message: Any) -> None:
    fred = await Script(hub, "fred").registered()
    assert (await fred.ask("send", to_id="barney", message=message))["status"] == "error"


async def test_a_broadcast_counts_the_others(hub: Live) -> None:
    fred = await Script(hub, "fred").registered()
    barney = await Script(hub, "barney").registered()
    wilma = await Script(hub, "wilma").registered()
    said = await fred.ask("broadcast", from_id="fred", message={"content": "lunch"})
    assert said == {"status": "ok", "message": "Broadcast to 2 instances"}
    for each in (barney, wilma):
        (message,) = await each.check()
        assert (message["to"], message["message"]["content"]) == (each.name, "lunch")
    assert await fred.check() == []


async def test_list_names_everybody_with_a_time(hub: Live) -> None:
    fred = await Script(hub, "fred").registered()
    async with hub.session("claude"):
        said = await fred.ask("list")
    assert said["status"] == "ok"
    assert {each["id"] for each in said["instances"]} == {"fred", "claude"}
    assert all(datetime.fromisoformat(each["last_seen"]) for each in said["instances"])


async def test_a_rename_forwards_tells_everybody_and_is_once_an_hour(hub: Live) -> None:
    fred = await Script(hub, "fred").registered()
    barney = await Script(hub, "barney").registered()
    assert await fred.ask("rename", old_id="fred", new_id="fred-2") == {
        "status": "ok",
        "message": "Renamed fred to fred-2",
    }
    assert await barney.send("fred", "hello") == "Message forwarded from fred to fred-2"
    assert [each["message"]["content"] for each in await fred.check()] == ["hello"]
    (notice,) = await barney.check()
    assert notice["from"] == "system"
    assert notice["message"] == {"content": "📝 fred renamed to fred-2"}
    assert await barney.check() == []
    said = await fred.ask("rename", old_id="fred-2", new_id="fred-3")
    assert said["message"] in (
        "Rate limit: can rename again in 59 minutes",
        "Rate limit: can rename again in 60 minutes",
    )


async def test_a_name_that_is_had_cannot_be_taken(hub: Live) -> None:
    fred = await Script(hub, "fred").registered()
    await Script(hub, "barney").registered()
    said = await fred.ask("rename", old_id="fred", new_id="barney")
    assert said == {"status": "error", "message": "Instance barney already exists"}
    said = await fred.ask("rename", old_id="fred", new_id="not a name")
    assert said == {"status": "error", "message": "Invalid new instance ID format"}


async def test_a_full_queue_is_said_with_its_limit(tmp_path: Path) -> None:
    async with live(tmp_path / "home", legacy_port=0, inbox_messages=2) as hub:
        fred = await Script(hub, "fred").registered()
        await fred.send("barney", "1")
        await fred.send("barney", "2")
        assert await fred.send("barney", "3") == "Message queue full for barney (2 message limit)"


async def test_the_old_rate_is_a_setting(tmp_path: Path) -> None:
    async with live(tmp_path / "home", legacy_port=0, legacy_rate=3) as hub:
        fred = await Script(hub, "fred").registered()
        assert (await fred.ask("list"))["status"] == "ok"
        assert (await fred.ask("list"))["status"] == "ok"
        said = await fred.ask("list")
        assert said["status"] == "error"
        assert "legacy_rate allows 3 requests a minute" in said["message"]


@pytest.mark.parametrize("shown", ["", "wrong", proof("barney", "s3cret"), None, 7])
async def test_with_a_secret_a_name_needs_its_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: Any
) -> None:
    monkeypatch.setenv(SECRET, "s3cret")
    async with live(tmp_path / "home", legacy_port=0) as hub:
        said = await Script(hub, "").say(action="register", instance_id="fred", auth_token=shown)
        assert said == {"status": "error", "message": "Invalid auth token"}
        assert "fred" not in (await hub.request("GET", "/api/v1/instances")).text
        said = await Script(hub, "").say(action="register", instance_id="fred", auth_token=proof("fred", "s3cret"))
        assert said["status"] == "ok"
        assert (await hub.request("GET", "/api/v1/status")).json()["legacy"]["mode"] == "secure"


async def test_a_session_outlives_the_hub_and_is_stored_as_a_hash(tmp_path: Path) -> None:
    async with live(tmp_path / "home", legacy_port=0) as hub:
        fred = await Script(hub, "fred").registered()
    assert fred.token.encode() not in (tmp_path / "home" / "hubbub.db").read_bytes()
    async with live(tmp_path / "home", legacy_port=0) as hub:
        assert hub.app.legacy
        fred.port = hub.app.legacy
        assert (await fred.ask("list"))["status"] == "ok"


async def test_a_session_ends_after_a_day(hub: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    fred = await Script(hub, "fred").registered()
    now = hub.app.node.now
    monkeypatch.setattr(hub.app.node, "now", lambda: now() + SESSION_SECONDS)
    assert (await fred.ask("list"))["message"] == "Invalid or missing session token"


async def test_a_session_stays_with_the_instance_through_a_rename(hub: Live) -> None:
    fred = await Script(hub, "fred").registered()
    await fred.ask("rename", old_id="fred", new_id="freddy")
    barney = await Script(hub, "barney").registered()
    await fred.send("barney", "still me")
    assert [each["from"] for each in await barney.check()] == ["freddy"]


async def test_a_bug_behind_a_script_is_told_to_both(hub: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    fred = await Script(hub, "fred").registered()

    async def fails(*parts: Any) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(inquiry, "unread", fails)
    said = await fred.ask("check", instance_id="fred")
    assert said["status"] == "error"
    assert "KeyError" not in said["message"]
    assert any(each.startswith("the bridge") for each in hub.app.node.problems())
    monkeypatch.undo()
    assert await fred.check() == []


def test_json_is_byte_for_byte_what_the_old_broker_wrote() -> None:
    assert encoded({"status": "ok", "message": "Registrée"}) == b'{"status": "ok", "message": "Registr\\u00e9e"}'
    assert json.loads(encoded({"a": "\ud800"}))


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("One sentence is here. Another one is here. A third.", "One sentence is here. Another one is here."),
        ("no end to it", "no end to it"),
        ("x" * 200, "x" * 150 + "..."),
        ("Only one sentence is here. and no other", "Only one sentence is here."),
    ],
)
def test_a_summary_is_two_sentences_or_the_beginning(text: str, short: str) -> None:
    assert summary(text) == short
