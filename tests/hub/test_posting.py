"""The checks of a publish, and the caps of an inbox with what is under way to it."""

from __future__ import annotations

from typing import Any

import pytest

from hub.bounds import MAX_DEPTH, MAX_TTL
from hub.errors import BadName, BadTopic, BadValue, HubbubError, InboxFull, TooLarge, TooMany
from hub.message import OVERHEAD
from hub.posting import data_size
from tests.hub.core import NOW, Core

DAY = 86_400.0


@pytest.fixture
def core() -> Core:
    made = Core()
    made.register("Alice")
    made.register("bob")
    return made


def nested(levels: int, kind: type = list) -> Any:
    data: Any = kind()
    for _ in range(levels - 1):
        data = [data] if kind is list else {"a": data}
    return data


@pytest.mark.parametrize(
    ("to", "written", "topic"),
    [
        ("alice", "Alice", "inbox.alice"),
        ("ALICE", "Alice", "inbox.alice"),
        ("Carol", "Carol", "inbox.carol"),
        ("#Build.Linux", "#Build.Linux", "build.linux"),
        ("ALL", "all", "all"),
    ],
)
def test_a_draft_says_where_it_goes(core: Core, to: str, written: str, topic: str) -> None:
    draft = core.draft(core.hub.instance("bob"), to)
    assert (draft.to, draft.topic) == (written, topic)


def test_a_draft_is_the_senders_own(core: Core) -> None:
    bob = core.hub.instance("bob")
    draft = core.draft(bob, "alice", "é", data={"n": 1}, thread="t", reply_to="r", id="mine")
    assert (draft.sender, draft.origin, draft.at) == ("bob", bob.origin, NOW)
    assert (draft.body, draft.data, draft.thread, draft.reply_to, draft.id) == ("é", {"n": 1}, "t", "r", "mine")
    assert draft.size == 2 + len('{"n":1}') + OVERHEAD
    assert draft.retry
    assert not core.draft(bob, "alice").retry


@pytest.mark.parametrize(
    ("to", "ttl", "expires"),
    [
        pytest.param("alice", None, None, id="a known recipient: never"),
        pytest.param("alice", 60.0, NOW + 60, id="a known recipient, by ttl"),
        pytest.param("carol", None, NOW + 7 * DAY, id="an unknown one: 7 days"),
        pytest.param("carol", 60.0, NOW + 60, id="an unknown one, by ttl"),
        pytest.param("carol", 30 * DAY, NOW + 30 * DAY, id="an unknown one, longer by ttl"),
        pytest.param("#build", None, None, id="a topic: never"),
        pytest.param("all", 0.5, NOW + 0.5, id="all, by ttl"),
        pytest.param("alice", MAX_TTL, NOW + MAX_TTL, id="ten years"),
    ],
)
def test_how_long_a_message_is_worth_delivering(core: Core, to: str, ttl: float | None, expires: float | None) -> None:
    assert core.draft(core.hub.instance("bob"), to, ttl=ttl).expires_at == expires


@pytest.mark.parametrize(
    ("parts", "error", "says"),
    [
        pytest.param({"to": "no name"}, BadName, "is not a name", id="no name"),
        pytest.param({"to": "#a..b"}, BadTopic, "is not a topic", id="no topic"),
        pytest.param({"to": "#$hub.started"}, BadTopic, "is not a topic", id="the hub's own topic"),
        pytest.param({"to": "#inbox.alice"}, BadTopic, "the hub's own", id="an inbox by its topic"),
        pytest.param({"to": "#>"}, BadTopic, "is not a topic", id="a wildcard"),
        pytest.param({"ttl": 0.0}, BadValue, "ttl", id="ttl 0"),
        pytest.param({"ttl": -1.0}, BadValue, "ttl", id="ttl below 0"),
        pytest.param({"ttl": MAX_TTL + 1}, BadValue, "ttl", id="ttl above ten years"),
        pytest.param({"ttl": float("nan")}, BadValue, "ttl", id="ttl not a number"),
        pytest.param({"ttl": float("inf")}, BadValue, "ttl", id="ttl without end"),
        pytest.param({"id": ""}, BadValue, "id is 1 to 128", id="an empty id"),
        pytest.param({"id": "x" * 129}, BadValue, "id is 1 to 128", id="a long id"),
        pytest.param({"id": "a\n"}, BadValue, "id is 1 to 128", id="an id with a line break"),
        pytest.param({"thread": ""}, BadValue, "thread is 1 to 128", id="an empty thread"),
        pytest.param({"reply_to": "\x1b[2J"}, BadValue, "reply_to is 1 to 128", id="control characters in reply_to"),
        pytest.param({"body": "x" * (2**20 + 1)}, TooLarge, "max_body", id="a body of 1 MiB and 1"),
        pytest.param({"body": "é" * (2**19 + 1)}, TooLarge, "max_body", id="1 MiB and 2 in UTF-8"),
        pytest.param({"data": "x" * (2**20 - 1)}, TooLarge, "as JSON", id="data of 1 MiB and 1 as JSON"),
        pytest.param({"body": "x", "data": "x" * (2**20 - 2)}, TooLarge, "together", id="body and data together"),
        pytest.param({"data": nested(101)}, BadValue, "100 levels", id="arrays 101 deep"),
        pytest.param({"data": nested(101, dict)}, BadValue, "100 levels", id="objects 101 deep"),
        pytest.param({"data": nested(900)}, BadValue, "100 levels", id="as deep as the wire reads"),
        pytest.param({"data": nested(50_000)}, BadValue, "100 levels", id="deeper than can be encoded"),
    ],
)
def test_what_may_not_be_said_is_refused_and_nothing_has_happened(
    core: Core, parts: dict[str, Any], error: type[HubbubError], says: str
) -> None:
    with pytest.raises(error, match=says) as why:
        core.draft(core.hub.instance("bob"), **({"to": "alice"} | parts))
    assert len(str(why.value)) < 300
    assert core.hub._posting.under_way == {}
    assert core.hub.counters.refused == 1


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"body": ""}, id="an empty body"),
        pytest.param({"body": "x" * 2**20}, id="1 MiB"),
        pytest.param({"body": "é" * 2**19}, id="1 MiB in UTF-8"),
        pytest.param({"body": "", "data": "x" * (2**20 - 2)}, id="1 MiB of data"),
        pytest.param({"id": "x" * 128}, id="the longest id"),
        pytest.param({"data": nested(MAX_DEPTH)}, id="100 levels"),
        pytest.param({"data": [[], {}] * 1000}, id="wide, not deep"),
        pytest.param({"data": "[" * 1000}, id="brackets in a text"),
        pytest.param({"data": False}, id="false"),
    ],
)
def test_what_is_just_within_the_limits_is_accepted(core: Core, parts: dict[str, Any]) -> None:
    core.say(core.hub.instance("bob"), "alice", **parts)


def test_no_data_has_no_size() -> None:
    assert data_size(None) == 0
    assert data_size(0) == 1


# Forwarding


def test_the_old_name_forwards_to_the_new_inbox() -> None:
    core = Core()
    alice, bob = core.register("alice"), core.register("bob")
    core.rename(alice, "Anna")
    draft = core.draft(bob, "alice")
    assert (draft.to, draft.topic, draft.expires_at) == ("Anna", "inbox.anna", None)
    core.now += 7200
    core.store(*core.hub.due(core.now))
    draft = core.draft(bob, "alice")
    assert (draft.to, draft.topic, draft.expires_at) == ("alice", "inbox.alice", core.now + 7 * DAY)


# The caps of an inbox


def test_an_inbox_takes_so_many_messages_with_those_under_way() -> None:
    core = Core(inbox_messages=3)
    alice, bob = core.register("alice"), core.register("bob")
    core.say(bob, "alice")
    under_way = [core.draft(bob, "alice") for _ in range(2)]
    with pytest.raises(InboxFull, match="inbox_messages allows 3") as why:
        core.draft(bob, "alice")
    assert "was not accepted" in why.value.message
    assert why.value.hint == "Try again when alice has read some."
    core.hub.failed(under_way[:1])
    core.draft(bob, "alice")
    with pytest.raises(InboxFull):
        core.draft(bob, "alice")
    core.store(*under_way[1:])
    core.read(alice)
    core.draft(bob, "alice")


def test_an_inbox_takes_so_many_bytes_with_those_under_way() -> None:
    core = Core(inbox_bytes=3 * (OVERHEAD + 100))
    alice, bob = core.register("alice"), core.register("bob")
    core.say(bob, "alice", "x" * 100)
    under_way = core.draft(bob, "alice", "x" * 100)
    with pytest.raises(InboxFull, match="inbox_bytes 1,068"):
        core.draft(bob, "alice", "x" * 101)
    last = core.draft(bob, "alice", "x" * 100)
    core.store(under_way, last)
    with pytest.raises(InboxFull):
        core.draft(bob, "alice", "")
    core.read(alice)
    core.draft(bob, "alice", "x" * 300)


@pytest.mark.parametrize("to", ["#build", "all"])
def test_a_topic_has_no_cap(to: str) -> None:
    core = Core(inbox_messages=1, inbox_bytes=1)
    core.register("alice")
    bob = core.register("bob")
    for _ in range(5):
        core.say(bob, to)


def test_the_inbox_of_a_name_nobody_has_is_capped_too() -> None:
    core = Core(inbox_messages=1)
    bob = core.register("bob")
    core.say(bob, "nobody")
    with pytest.raises(InboxFull):
        core.draft(bob, "Nobody")


def test_what_has_expired_makes_room() -> None:
    core = Core(inbox_messages=2)
    core.register("alice")
    bob = core.register("bob")
    core.say(bob, "alice", ttl=5.0)
    core.say(bob, "alice")
    with pytest.raises(InboxFull):
        core.draft(bob, "alice")
    core.now += 5
    core.draft(bob, "alice")
    with pytest.raises(InboxFull):
        core.draft(bob, "alice")


def test_what_is_trimmed_makes_room() -> None:
    core = Core(inbox_messages=1)
    core.register("alice")
    bob = core.register("bob")
    said = core.say(bob, "alice")
    core.trim(said.offset)
    core.draft(bob, "alice")


def test_what_was_forwarded_counts_in_the_new_inbox() -> None:
    core = Core(inbox_messages=1)
    alice, bob = core.register("alice"), core.register("bob")
    core.rename(alice, "anna")
    under_way = core.draft(bob, "alice")
    with pytest.raises(InboxFull):
        core.draft(bob, "anna")
    core.store(under_way)
    assert core.hub._posting.under_way == {}


# Topics


def test_the_number_of_topics_is_bounded_but_not_for_those_who_are_registered() -> None:
    core = Core()
    bob = core.register("bob")
    core.say(bob, "#one")
    core.register("alice")
    full = type(core.hub.limits)(max_topics=len(core.hub.registry.topics))
    core.hub._posting._limits = core.hub._naming._limits = full
    with pytest.raises(TooMany, match="max_topics"):
        core.draft(bob, "#two")
    with pytest.raises(TooMany, match="max_topics"):
        core.draft(bob, "nobody")
    core.say(bob, "#one")
    core.say(bob, "alice")
