from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hub import fold
from hub import node as node_module
from hub.deadlines import Deadlines, deadline
from hub.errors import BadValue
from hub.fold import AwaitedRow
from hub.message import Draft
from tests.hub.core import NOW, Core
from tests.hub.live import live

QUESTION = "is the build green?"


@pytest.fixture
def core() -> Core:
    return Core()


# What may be said


@pytest.mark.parametrize(
    ("said", "after"),
    [
        (90, 90.0),
        (0.5, 0.5),
        ("90", 90.0),
        ("30m", 1800.0),
        ("1h30m", 5400.0),
        (" 7d ", 604_800.0),
        ("2023-11-14T22:13:30Z", 10.0),
        ("2023-11-14T23:13:30.25+01:00", 10.25),
        ("2023-11-14 22:13:30+00:00", 10.0),
    ],
)
def test_a_time_is_a_span_from_now_or_rfc_3339(said: float | str, after: float) -> None:
    assert deadline(said, NOW) == NOW + after


@pytest.mark.parametrize(
    "said",
    [
        *(0, -1, "0", 1e12, "999999w", float("nan"), float("inf"), "9" * 400),
        *("2023-11-14T22:13:20Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
        *("2023-11-14T22:13:30", "2023-11-14", "soon", "", "30 moons"),
    ],
)
def test_what_is_no_time_to_come_is_refused(said: float | str) -> None:
    with pytest.raises(BadValue, match="answer_by"):
        deadline(said, NOW)


# What the hub makes of it


def told(drafts: list[Draft]) -> list[tuple[str, int]]:
    return [(each.reply_to or "", each.data["offset"]) for each in drafts if each.topic == fold.UNANSWERED]


def test_a_time_that_passes_without_an_answer_is_told_once(core: Core) -> None:
    alice, bob = core.register("alice"), core.register("bob")
    asked = core.say(bob, "alice", QUESTION, answer_by=60, thread="t")
    assert asked.answer_by == NOW + 60
    assert told(core.hub.due(NOW + 59.9)) == []
    due = core.hub.due(NOW + 60)
    assert told(due) == [(asked.id, asked.offset)]
    core.store(*due)
    assert core.hub.due(NOW + 1e6) == []
    fact = next(each for each in due if each.topic == fold.UNANSWERED)
    assert fact.data == {
        "origin": bob.origin,
        "name": "bob",
        "to": "alice",
        "offset": asked.offset,
        "answer_by": NOW + 60,
    }
    assert alice.name in fact.body


def test_the_sender_is_told_by_a_message_in_the_questions_thread(core: Core) -> None:
    core.register("alice")
    bob = core.session("bob")
    asked = core.say(bob, "alice", QUESTION, answer_by="1m", thread="t")
    core.store(*core.hub.due(NOW + 60))
    (word,) = core.step(bob).messages  # type: ignore[union-attr]
    assert (word.sender, word.origin, word.to, word.topic, word.thread) == ("$hub", 0, "bob", "inbox.bob", "t")
    assert word.reply_to is None, "else `ask` would take it for the answer"
    assert QUESTION in word.body
    assert asked.id in word.body
    assert word.data == {"unanswered": {"id": asked.id, "to": "alice", "answer_by": "2023-11-14T22:14:20Z"}}


@pytest.mark.parametrize("where", ["alice", "#build", "all"])
def test_an_answer_of_anybody_else_is_one_and_ones_own_is_none(core: Core, where: str) -> None:
    alice, bob = core.register("alice"), core.register("bob")
    first = core.say(bob, where, QUESTION, answer_by=60)
    second = core.say(bob, where, QUESTION, answer_by=60)
    core.say(alice, "bob", "it is", reply_to=first.id)
    core.say(bob, where, "well?", reply_to=second.id)
    assert told(core.hub.due(NOW + 60)) == [(second.id, second.offset)]


def test_the_same_id_of_two_senders_is_two_questions(core: Core) -> None:
    alice, bob, carol = (core.register(name) for name in ("alice", "bob", "carol"))
    core.say(alice, "carol", QUESTION, answer_by=60, id="q")
    of_bob = core.say(bob, "carol", QUESTION, answer_by=60, id="q")
    core.say(bob, "alice", "yes", reply_to="q")
    assert told(core.hub.due(NOW + 60)) == [("q", of_bob.offset)], "he does not answer his own"
    core.say(carol, "bob", "yes", reply_to="q")
    assert len(core.hub.deadlines) == 0


def test_what_could_not_be_stored_is_told_again(core: Core) -> None:
    core.register("alice")
    bob = core.session("bob")
    asked = core.say(bob, "alice", QUESTION, answer_by=60)
    for _ in range(2):
        due = core.hub.due(NOW + 61)
        assert told(due) == [(asked.id, asked.offset)]
        assert core.hub.due(NOW + 61) == [], "it is on its way"
        core.hub.failed(due)
    word, fact = core.hub.due(NOW + 61)
    assert (word.retry, word.id) == (True, f"unanswered-{asked.offset}"), "stored once, however often it is said"
    core.store(word, fact)
    assert core.pump(bob) == [word.body]


def test_a_full_inbox_and_a_sender_that_is_forgotten_leave_the_fact_alone() -> None:
    core = Core(inbox_messages=1)
    core.register("alice")
    bob, carol = core.register("bob"), core.register("carol")
    core.say(bob, "alice", QUESTION, answer_by=60)
    core.say(carol, "#build", QUESTION, answer_by=60)
    core.say(carol, "bob")
    core.store(core.hub.forget(carol, NOW, unread=0))
    assert [each.topic for each in core.hub.due(NOW + 60)] == [fold.UNANSWERED, fold.UNANSWERED]


def test_what_is_no_longer_kept_wants_no_answer(core: Core) -> None:
    bob = core.register("bob")
    asked = core.say(bob, "#build", QUESTION, answer_by=60)
    core.say(bob, "#build", "later")
    core.trim(asked.offset)
    assert len(core.hub.deadlines) == 0
    assert core.hub.due(NOW + 60) == []


def test_a_hub_goes_on_with_what_its_log_says(core: Core) -> None:
    row = AwaitedRow(answer_by=NOW - 5, offset=7, id="q", origin=1, to="alice", thread=None, preview="?")
    deadlines = Deadlines([row])
    assert deadlines.due(NOW) == [row]
    assert deadlines.due(NOW) == []


def test_many_that_were_answered_leave_nothing_behind(core: Core) -> None:
    alice, bob = core.register("alice"), core.register("bob")
    for _ in range(300):
        asked = core.say(bob, "#build", QUESTION, answer_by=1e6)
        core.say(alice, "#build", "yes", reply_to=asked.id)
    assert len(core.hub.deadlines) == 0
    assert len(core.hub.deadlines._soonest) <= 65


def test_a_held_message_keeps_its_wish_and_one_that_is_over_is_left_out() -> None:
    core = Core(loop_bound=1)
    alice, bob = core.session("alice"), core.session("bob")
    said = None
    for _ in range(4):
        for one, other in ((alice, "bob"), (bob, "alice")):
            core.pump(alice)
            core.pump(bob)
            said = core.say(one, other, "thank you", answer_by=60)
            if said.topic == fold.HELD:
                break
    assert said is not None
    assert (said.topic, said.data["answer_by"], said.answer_by) == (fold.HELD, NOW + 60, None)
    assert core.hub.holds.release(said.offset, None, NOW + 20)[0].answer_by == NOW + 60
    core.hub.failed([core.hub.holds.release(said.offset, None, NOW + 20)[0]] * 2)
    assert core.hub.holds.release(said.offset, None, NOW + 60)[0].answer_by is None


# A real hub


async def test_it_is_shown_to_both_sides_and_told_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live(tmp_path) as hub, hub.session("alice") as alice, hub.session("bob") as bob:
        published = await bob.publish("alice", QUESTION, answer_by=0.3)
        by = published["answer_by"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", by)
        assert (await alice.frame("message"))["answer_by"] == by
        plain = await bob.publish("alice", "no wish")
        assert "answer_by" not in plain
        assert "answer_by" not in await alice.frame("message")
        refused = await bob.publish("alice", QUESTION, answer_by="yesterday")
        assert refused["code"] == "bad_value"
        asked = {"as": "bob", "to": "alice", "body": QUESTION, "answer_by": "1h"}
        answer = (await hub.request("POST", "/api/v1/messages", asked)).json()
        assert {"id", "offset", "to", "recipients", "hint", "answer_by"} == answer.keys()
        status = (await hub.request("GET", f"/api/v1/messages/{answer['id']}")).json()
        assert status["answer"] == {"by": answer["answer_by"], "state": "open", "at": None}
        await alice.publish("bob", "it is", reply_to=answer["id"])
        status = await bob.ask(type="status", id=answer["id"])
        assert (status["answer"]["state"], status["answer"]["by"]) == ("answered", answer["answer_by"])
        assert status["answer"]["at"] is not None
        assert "answer" not in await bob.ask(type="status", id=plain["id"])
    monkeypatch.setattr(node_module, "HOUSEKEEPING", 0.05)
    for first in (True, False):
        async with live(tmp_path) as hub, hub.session(None, observe=True, resume=0) as all_of_it:
            words, facts = 0, 0
            head = all_of_it.welcome["head"]
            while not (words and facts):
                seen = await all_of_it.frame("message")
                words += seen["from"] == "$hub" and seen["topic"] == "inbox.bob"
                facts += seen["topic"] == "$message.unanswered"
            assert (words, facts) == (1, 1)
            if not first:
                while seen["offset"] < head:
                    seen = await all_of_it.frame("message")
                    assert seen["topic"] != "$message.unanswered"
            state = await _state(hub, published["id"])
            assert state["answer"]["state"] == "missed"
            if not first:
                await hub.request(
                    "POST",
                    "/api/v1/messages",
                    {"as": "alice", "to": "bob", "body": "at last", "reply_to": published["id"]},
                )
                assert (await _state(hub, published["id"]))["answer"]["state"] == "late"


async def _state(hub: Any, message_id: str) -> dict[str, Any]:
    return dict((await hub.request("GET", f"/api/v1/messages/{message_id}")).json())
