from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub import frames
from hub.errors import BadValue, InboxFull, ShuttingDown, Unauthorized, UnknownMessage
from mcp_client import tools
from mcp_client.delivery import piggyback, waiting
from mcp_client.inbox import Unread
from mcp_client.service import listed
from tests.hub.scripted_hub import BOUND, ScriptedHub, scripted_hub
from tests.mcp_client.desk import Desk, desk

DOCS = Path(__file__).parents[2] / "docs" / "mcp.md"

CONTRACT = {
    "register": ["name"],
    "send": ["to", "body", "data?", "thread?", "reply_to?", "ttl?", "answer_by?"],
    "broadcast": ["body", "data?"],
    "check": ["limit?"],
    "wait": ["timeout?"],
    "ask": ["to", "body", "timeout?", "thread?", "reply_to?", "answer_by?"],
    "list_instances": [],
    "rename": ["new_name"],
    "topics": ["subscribe?", "unsubscribe?"],
    "history": ["with?", "topic?", "thread?", "search?", "limit?", "before?"],
    "share_file": ["to", "path", "note?", "reply_to?"],
    "status": ["message_id?"],
}


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    async with scripted_hub() as hub:
        yield hub


@pytest.fixture
async def alice(hub: ScriptedHub, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(hub, tmp_path) as alice:
        yield alice


def bodies(result: Any) -> list[str]:
    return [each["body"] for each in result.structured["messages"]]


# What a client is told


def test_the_tools_and_their_parameters_are_those_of_the_contract() -> None:
    found = {}
    for tool in listed():
        must = tool.input_schema.get("required", [])
        found[tool.name] = [name if name in must else f"{name}?" for name in tool.input_schema["properties"]]
    assert found == CONTRACT


def test_all_schemas_together_are_small() -> None:
    told = json.dumps([tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed()])
    assert len(told) <= 10_240
    assert len(tools.INSTRUCTIONS) <= 1024


@pytest.mark.parametrize(
    ("said", "tool"),
    [
        ("msgs?", "check"),
        ("any new messages?", "check"),
        ("start auto checking", "check"),
        ("who's online?", "list_instances"),
        ("msg fred: the build is red", "send"),
        ("tell everyone: …", "broadcast"),
        ("broadcast to all: …", "broadcast"),
        ("Register this instance as fred", "register"),
        ("rename to fred-debugging", "rename"),
    ],
)
def test_the_words_people_use_stand_in_the_description(said: str, tool: str) -> None:
    assert said.lower() in tools.TOOLS[tool].about.lower()


def test_every_tool_and_parameter_is_documented() -> None:
    text = DOCS.read_text("utf-8")
    sections = dict(re.findall(r"(?ms)^### `(\w+)`?.*?\n(.*?)(?=^##|\Z)", text))
    for name, tool in tools.TOOLS.items():
        assert name in sections, f"docs/mcp.md has no section on {name}"
        for parameter in tools.schema(tool)["properties"]:
            assert f"`{parameter}`" in sections[name], f"docs/mcp.md does not say what {parameter} of {name} is"
    assert set(sections) == set(tools.TOOLS)


def test_the_limits_in_the_documentation_are_the_ones_in_force() -> None:
    text = DOCS.read_text("utf-8")
    assert f"{waiting.TIMEOUT:g} s" in text
    assert f"{waiting.LONGEST:g} s" in text


@pytest.mark.parametrize(
    ("tool", "arguments", "names"),
    [
        ("send", {"to": "bob"}, ["body", "reply_to?"]),
        ("send", {"to": 3, "body": "x"}, ["str"]),
        ("check", {"instance_id": "fred"}, ["instance_id", "limit?"]),
        ("check", {"limit": 0}, ["limit", ">= 1"]),
        ("wait", {"timeout": 601}, ["600"]),
        ("list_instances", {"x": 1}, ["no parameters"]),
    ],
)
def test_a_wrong_argument_is_an_error_that_names_what_is_right(
    tool: str, arguments: dict[str, Any], names: list[str]
) -> None:
    with pytest.raises(BadValue) as caught:
        tools.read_arguments(tools.TOOLS[tool], arguments)
    for name in names:
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("tool", "arguments", "read"),
    [
        ("wait", {"timeout": "5"}, tools.Wait(timeout=5.0)),
        ("check", {"limit": "3"}, tools.Check(limit=3)),
        ("history", {"with": "bob", "before": None}, tools.History(with_="bob")),
        ("send", {"to": "a", "body": "b", "data": "plain"}, tools.Send(to="a", body="b", data="plain")),
    ],
)
def test_arguments_are_read_as_models_write_them(tool: str, arguments: dict[str, Any], read: tools.Tool) -> None:
    assert tools.read_arguments(tools.TOOLS[tool], arguments) == read


@pytest.mark.parametrize(
    ("unread", "line"),
    [
        (Unread(0, []), None),
        (Unread(1, ["bob"]), "1 unread: bob (check reads it)"),
        (Unread(3, ["bob", "carol"]), "3 unread: bob, carol (check reads them)"),
        (Unread(9, list("abcdefg")), "9 unread: a, b, c, d, e and 2 more (check reads them)"),
    ],
)
def test_unread_mail_is_mentioned_in_one_line(unread: Unread, line: str | None) -> None:
    assert piggyback.line(unread) == line


# Receiving


async def test_check_gives_what_is_buffered_without_a_question_to_the_hub(alice: Desk, hub: ScriptedHub) -> None:
    await hub.tell("alice", "one")
    await hub.tell("alice", "two", sender="carol")
    await alice.has(2)
    hub.swallow |= {"status", "instances", "history", "read"}
    asked = len(hub.said)
    result = await alice.good("check")
    assert bodies(result) == ["one", "two"]
    assert "from bob to alice" in result.text
    assert "unread" not in result.structured
    assert all(isinstance(frame, frames.Received | frames.Read) for _, frame in hub.said[asked:])
    again = await alice.good("check")
    assert (again.text, bodies(again)) == ("No new messages.", [])


async def test_check_says_what_is_left_beyond_its_limit(alice: Desk, hub: ScriptedHub) -> None:
    for number in range(3):
        await hub.tell("alice", f"m{number}")
    await alice.has(3)
    result = await alice.good("check", limit=1)
    assert bodies(result) == ["m0"]
    assert result.text.endswith("2 unread: bob (check reads them)")
    assert result.structured["unread"] == {"count": 2, "from": ["bob"]}
    await alice.read(1)
    assert hub.people["alice"].read == 1


async def test_what_was_shown_is_read_only_once_it_went_out(alice: Desk, hub: ScriptedHub) -> None:
    await hub.tell("alice", "one")
    await alice.has(1)
    request, result = await alice.start("check", {})
    assert bodies(result) == ["one"]
    await alice.link._hub.instances()  # type: ignore[union-attr]  # the hub has answered: no read came before this
    assert hub.heard(frames.Read) == []
    alice.link.handed(request)
    await alice.read(1)


async def test_what_did_not_go_out_is_shown_again(alice: Desk, hub: ScriptedHub) -> None:
    await hub.tell("alice", "one")
    await alice.has(1)
    request, _ = await alice.start("check", {})
    alice.link.give_back(request)
    assert bodies(await alice.good("check")) == ["one"]
    await alice.read(1)


async def test_a_message_that_was_shown_and_not_marked_read_is_delivered_to_the_next_session(
    hub: ScriptedHub, tmp_path: Path
) -> None:
    await hub.tell("alice", "one")
    async with desk(hub, tmp_path) as first:
        await first.has(1)
        await first.start("check", {})  # and the process ends before the result is written
    async with desk(hub, tmp_path) as second:
        assert bodies(await second.good("check")) == ["one"]


async def test_the_first_check_waits_for_the_mail_that_the_welcome_promised(hub: ScriptedHub, tmp_path: Path) -> None:
    for number in range(5):
        await hub.tell("alice", f"m{number}")
    async with desk(hub, tmp_path) as alice:
        assert len(bodies(await alice.good("check"))) == 5


async def test_wait_returns_at_once_with_what_is_there_and_else_with_the_first_that_comes(
    alice: Desk, hub: ScriptedHub
) -> None:
    await hub.tell("alice", "there")
    await alice.has(1)
    assert bodies(await alice.good("wait")) == ["there"]
    waiting_ = asyncio.create_task(alice.good("wait", timeout=BOUND))
    await asyncio.sleep(0)
    await hub.tell("alice", "pushed")
    result = await waiting_
    assert bodies(result) == ["pushed"]
    await alice.read(2)


async def test_wait_says_at_its_time_limit_that_nothing_came(alice: Desk) -> None:
    result = await alice.good("wait", timeout=0.01)
    assert result.text == "Nothing came within 0.01 s. Call wait again to go on waiting."
    assert result.structured == {"messages": []}


async def test_a_long_wait_reports_progress(alice: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PROGRESS_EVERY", 0.01)
    await alice.good("wait", timeout=0.2)
    assert alice.told
    done, total, about = alice.told[-1]
    assert 0 < done <= total == 0.2
    assert about == "waiting for a message"


async def test_two_who_wait_do_not_get_the_same_message(alice: Desk, hub: ScriptedHub) -> None:
    both = [asyncio.create_task(alice.good("wait", timeout=BOUND)) for _ in range(2)]
    await asyncio.sleep(0)
    await hub.tell("alice", "one")
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    await hub.tell("alice", "two")
    assert sorted([body for each in both for body in bodies(await each)]) == ["one", "two"]


async def test_a_cancelled_wait_takes_nothing_with_it(alice: Desk, hub: ScriptedHub) -> None:
    pending = asyncio.create_task(alice.good("wait", timeout=BOUND))
    await asyncio.sleep(0.01)
    pending.cancel()
    await asyncio.wait([pending])
    await hub.tell("alice", "one")
    await alice.has(1)
    assert bodies(await alice.good("check")) == ["one"]


async def test_a_gap_is_told(alice: Desk, hub: ScriptedHub) -> None:
    await alice.good("list_instances")
    await hub.say("alice", frames.Gap(from_=1, to=40))
    result = await alice.good("wait")
    assert "between offsets 1 and 40 are no longer kept" in result.text
    assert result.structured["gaps"] == [{"from": 1, "to": 40}]


async def test_what_another_session_has_read_is_not_shown(alice: Desk, hub: ScriptedHub) -> None:
    await hub.tell("alice", "one")
    await hub.tell("alice", "two")
    await alice.has(2)
    await hub.say("alice", frames.Read(offset=1))
    async with asyncio.timeout(BOUND):
        await alice.link.bell.until(lambda: alice.link.inbox.unread().messages == 1, None)
    assert bodies(await alice.good("check")) == ["two"]


async def test_the_buffer_is_bounded_by_credit_and_nothing_is_lost(hub: ScriptedHub, tmp_path: Path) -> None:
    for number in range(20):
        await hub.tell("alice", f"m{number}")
    async with desk(hub, tmp_path, capacity=4) as alice:
        await alice.has(4)
        await alice.good("list_instances")
        assert alice.link.inbox.unread().messages == 4
        seen: list[str] = []
        while len(seen) < 20:
            seen += bodies(await alice.good("wait"))
        assert seen == [f"m{number}" for number in range(20)]
        await alice.read(20)
    assert hub.most_outstanding <= 4


async def test_a_check_right_after_the_welcome_waits_for_what_it_promised(alice: Desk, hub: ScriptedHub) -> None:
    await alice.good("list_instances")
    for line in hub.lines:
        line.credit = 0  # the hub is slow to push
    await hub.tell("alice", "late")
    alice.link._promised, alice.link._settled_at = 1, asyncio.get_running_loop().time() + BOUND
    checking = asyncio.create_task(alice.good("check"))
    await alice.good("list_instances")
    assert not checking.done()
    for line in hub.lines:
        line.credit = 9
    await hub._wake()
    assert bodies(await checking) == ["late"]


# Sending


async def test_send_says_for_a_recipient_whether_it_is_online(alice: Desk, hub: ScriptedHub, tmp_path: Path) -> None:
    await alice.good("list_instances")
    async with desk(hub, tmp_path, "Bob") as bob:
        await bob.good("list_instances")
        result = await alice.good("send", to="bob", body="hi", data={"n": 1}, thread="t", reply_to="r", ttl=60)
        assert result.text.startswith("Sent to Bob, who is online.")
        (recipient,) = result.structured["to"]
        assert recipient | {"name": "Bob", "state": "accepted", "online": True, "known": True, "near": []} == recipient
        assert {"activity", "wakes"} <= recipient.keys()
    await hub.until(lambda: len(hub.lines) == 1)
    result = await alice.good("send", to="bob", body="hi")
    assert "who is offline" in result.text
    result = await alice.good("send", to="bobb", body="hi")
    assert "Nobody is called bobb" in result.text
    assert "Did you mean Bob?" in result.text
    assert result.structured["to"][0]["known"] is False
    (said, *_) = hub.heard(frames.Publish)
    assert (said.data, said.thread, said.reply_to, said.ttl) == ({"n": 1}, "t", "r", 60)


async def test_broadcast_goes_to_all_and_names_who_hears_it(alice: Desk, hub: ScriptedHub) -> None:
    result = await alice.good("broadcast", body="lunch")
    assert result.text.startswith("Sent to everybody: 1 recipients, 1 of these online: alice.")
    assert [message.topic for message in hub.log] == ["all"]


async def test_what_the_hub_refuses_is_an_error_with_its_hint(alice: Desk, hub: ScriptedHub) -> None:
    hub.refuse["publish"] = InboxFull("bob's inbox is full.", "Try again when bob has read some.")
    result = await alice("send", to="bob", body="hi")
    assert result.error
    assert result.text == "bob's inbox is full. Try again when bob has read some."
    assert result.structured["error"]["code"] == "inbox_full"


async def test_every_other_result_mentions_unread_mail(alice: Desk, hub: ScriptedHub) -> None:
    await hub.tell("alice", "one")
    await hub.tell("alice", "two", sender="carol")
    await alice.has(2)
    for tool, arguments in [
        ("send", {"to": "bob", "body": "x"}),
        ("list_instances", {}),
        ("topics", {}),
        ("history", {}),
        ("status", {}),
        ("status", {"message_id": "missing"}),
    ]:
        result = await alice(tool, **arguments)
        assert result.text.endswith("2 unread: bob, carol (check reads them)"), tool
        assert result.structured["unread"] == {"count": 2, "from": ["bob", "carol"]}


# Asking


async def test_ask_returns_the_reply_before_other_mail_and_leaves_that_unread(alice: Desk, hub: ScriptedHub) -> None:
    asking = asyncio.create_task(alice.good("ask", to="bob", body="green?", timeout=BOUND))
    (question,) = await hub.saw(frames.Publish)
    await hub.tell("alice", "by the way")
    await hub.tell("alice", "yes", reply_to=question.id)
    result = await asking
    assert result.structured["answered"] is True
    assert bodies(result) == ["yes"]
    assert result.structured["question"]["id"] == question.id
    assert "1 unread: bob" in result.text
    assert bodies(await alice.good("check")) == ["by the way"]
    await alice.read(3)


async def test_ask_says_at_once_that_nobody_is_there_and_waits_all_the_same(alice: Desk, hub: ScriptedHub) -> None:
    asking = asyncio.create_task(alice.good("ask", to="late", body="hi", timeout=BOUND))
    (question,) = await hub.saw(frames.Publish)
    async with asyncio.timeout(BOUND):
        await alice.progressed.wait()
    assert "Nobody is called late" in alice.told[0][2]
    await hub.tell("alice", "here now", sender="late", reply_to=question.id)
    assert bodies(await asking) == ["here now"]


async def test_ask_says_at_its_time_limit_how_to_go_on_and_the_late_reply_is_mail(
    alice: Desk, hub: ScriptedHub
) -> None:
    result = await alice.good("ask", to="bob", body="green?", timeout=0.01)
    (question,) = hub.heard(frames.Publish)
    assert result.structured["answered"] is False
    assert "No reply within 0.01 s" in result.text
    assert "call wait" in result.text
    assert question.id in result.text
    await hub.tell("alice", "sorry, yes", reply_to=question.id)
    assert bodies(await alice.good("wait")) == ["sorry, yes"]


async def test_a_reply_goes_to_who_asked_and_not_to_who_waits(alice: Desk, hub: ScriptedHub) -> None:
    waiting_ = asyncio.create_task(alice.good("wait", timeout=BOUND))
    asking = asyncio.create_task(alice.good("ask", to="bob", body="?", timeout=BOUND))
    (question,) = await hub.saw(frames.Publish)
    await hub.tell("alice", "!", reply_to=question.id)
    assert bodies(await asking) == ["!"]
    await hub.tell("alice", "news")
    assert bodies(await waiting_) == ["news"]


# Names, topics, history, status


async def test_list_instances_says_who_is_there_and_who_one_is(alice: Desk, hub: ScriptedHub, tmp_path: Path) -> None:
    async with desk(hub, tmp_path, "bob") as bob:
        await bob.good("list_instances")
    await hub.until(lambda: len(hub.lines) == 1)
    await hub.tell("bob", "waits", sender="alice")
    result = await alice.good("list_instances")
    assert result.text.splitlines() == [
        "You are alice.",
        "Online (1): alice (you)",
        "Offline (1): bob (last seen 2026-01-02 03:04:05Z, 1 unread)",
    ]
    assert result.structured["you"] == "alice"


async def test_register_brings_the_mail_that_waits_for_that_name(alice: Desk, hub: ScriptedHub) -> None:
    await hub.tell("fred", "for fred")
    await hub.tell("alice", "for alice")
    await alice.has(1)
    result = await alice.good("register", name="fred")
    assert result.text.startswith("You are fred. Mail for alice waits for whoever registers as alice.")
    assert "1 unread: bob" in result.text
    assert bodies(await alice.good("check")) == ["for fred"]
    await hub.until(lambda: [line.name() for line in hub.lines] == ["fred"])
    assert hub.people["alice"].read == 0


async def test_registering_under_ones_own_name_changes_nothing(alice: Desk, hub: ScriptedHub) -> None:
    await alice.good("list_instances")
    assert (await alice.good("register", name="ALICE")).text == "You are alice."
    assert len(hub.heard(frames.Hello)) == 1


async def test_a_name_that_is_taken_is_refused_and_everything_stays(
    alice: Desk, hub: ScriptedHub, tmp_path: Path
) -> None:
    async with desk(hub, tmp_path, "bob") as bob:
        await bob.good("list_instances")
        result = await alice("register", name="bob")
        assert result.error
        assert "bob is taken by a live session. bob-2 is free." in result.text
        assert (await alice.good("list_instances")).structured["you"] == "alice"


async def test_rename_keeps_the_buffer(alice: Desk, hub: ScriptedHub) -> None:
    await hub.tell("alice", "one")
    await alice.has(1)
    result = await alice.good("rename", new_name="Alicia")
    assert result.text.startswith("You are Alicia now. Messages to alice are forwarded to you for two hours.")
    assert bodies(await alice.good("check")) == ["one"]


async def test_topics_are_subscribed_heard_and_left(alice: Desk, hub: ScriptedHub, tmp_path: Path) -> None:
    async with desk(hub, tmp_path, "bob") as bob:
        await bob.good("topics", subscribe="deploy")
        result = await alice.good("topics", subscribe="build.*")
        assert result.structured["subscriptions"] == ["build.*"]
        assert "#deploy: bob" in result.text
    await hub.tell("#build.linux", "failed", sender="ci")
    assert bodies(await alice.good("wait")) == ["failed"]
    result = await alice.good("topics", unsubscribe="build.*")
    assert result.structured["subscriptions"] == []


async def test_history_turns_pages_and_says_how(alice: Desk, hub: ScriptedHub) -> None:
    for number in range(5):
        await hub.tell("alice", f"about {number}")
    result = await alice.good("history", with_="bob", search="about", limit=2)
    assert bodies(result) == ["about 3", "about 4"]
    assert result.structured["more"] is True
    assert "before=4" in result.text
    assert bodies(await alice.good("history", limit=2, before=4)) == ["about 1", "about 2"]
    assert "No messages there." in (await alice.good("history", search="nothing like it")).text


async def test_status_says_where_a_message_is(alice: Desk, hub: ScriptedHub) -> None:
    sent = (await alice.good("send", to="bob", body="hi")).structured["id"]
    result = await alice.good("status", message_id=sent)
    assert "alice: received, offline" in result.text
    assert result.structured["ladder"][0]["state"] == "received"
    missing = await alice("status", message_id="nothing")
    assert (missing.error, missing.structured["error"]["code"]) == (True, UnknownMessage.code)


async def test_status_without_a_message_is_about_hub_and_connection(alice: Desk, hub: ScriptedHub) -> None:
    result = await alice.good("status")
    assert f"Connected as alice to the hub at {hub.url}" in result.text
    assert result.structured["connected"] is True


async def test_an_unknown_tool_is_an_error_that_lists_them(alice: Desk) -> None:
    result = await alice("share_command")
    assert result.error
    assert "There is no tool share_command. There are: register, send" in result.text


# Without a hub


async def test_while_the_hub_is_away_check_answers_and_says_so(alice: Desk, hub: ScriptedHub) -> None:
    await hub.tell("alice", "one")
    await alice.has(1)
    hub.turn_away = ShuttingDown("Not now.")
    await hub.drop("alice")
    async with asyncio.timeout(BOUND):
        await alice.link.bell.until(lambda: not alice.link.online, None)
    result = await alice.good("check")
    assert bodies(result) == ["one"]
    assert "Not connected just now" in result.text
    hub.turn_away = None


async def test_a_tool_that_needs_a_hub_says_which_command_helps(hub: ScriptedHub, tmp_path: Path) -> None:
    await hub.stop()
    async with desk(hub, tmp_path) as alice:
        alice.link.patience = 0.1
        for tool, arguments in [("send", {"to": "b", "body": "x"}), ("check", {}), ("wait", {})]:
            result = await alice(tool, **arguments)
            assert result.error, tool
            assert "hubbub start" in result.text or "hubbub doctor" in result.text
        status = await alice.good("status")
        assert status.structured["connected"] is False
        await hub.start()


async def test_a_wrong_token_is_said_and_the_tools_work_once_it_holds(hub: ScriptedHub, tmp_path: Path) -> None:
    hub.turn_away = Unauthorized("The token does not hold.", "`hubbub token show` prints the right one.")
    async with desk(hub, tmp_path) as alice:
        alice.link.patience = 0.2
        result = await alice("send", to="bob", body="x")
        assert "The token does not hold." in result.text
        hub.turn_away = None
        alice.link.patience = BOUND
        assert not (await alice("send", to="bob", body="x")).error
