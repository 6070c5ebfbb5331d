"""What a person holds waits, in its order and once, and goes out or not as they decide."""

from __future__ import annotations

import pytest
from msgspec import structs

from hub import fold, frames
from hub.errors import BadValue, InboxFull, NameTaken, UnknownMessage
from hub.fold import Scope
from hub.message import Message
from hub.registry import Instance
from tests.hub.core import Core


class Room:
    """alice and bob with their sessions, and what a person does."""

    def __init__(self, **limits: int) -> None:
        self.core = Core(**limits)
        self.alice = self.core.session("alice")
        self.bob = self.core.session("bob")

    @property
    def hub(self):
        return self.core.hub

    def one(self, name: str) -> Instance:
        return self.hub.instance(name)

    def hold(self, to: str = "bob", by: str | None = "kay", reason: str | None = None) -> Message:
        (fact,) = self.core.store(self.hub.hold(to, by, reason, self.core.now))
        return fact

    def unhold(self, to: str = "bob", *, drop: bool = False) -> list[Message]:
        return self.core.store(*self.hub.unhold(to, "kay", self.core.now, drop=drop).drafts)

    def pause(self, name: str = "alice", reason: str | None = None) -> None:
        self.core.store(self.hub.pause(self.one(name), "kay", reason, self.core.now))

    def resume(self, name: str = "alice", *, drop: bool = False) -> list[Message]:
        return self.core.store(*self.hub.resume(self.one(name), "kay", self.core.now, drop=drop).drafts)

    def release(self, offset: int, body: str | None = None) -> list[Message]:
        return self.core.store(*self.hub.holds.release(offset, "kay", self.core.now, body))

    def say(self, body: str, to: str = "bob", **parts: object) -> Message:
        return self.core.say(self.alice, to, body, **parts)

    def told(self, to: str = "bob", **parts: object) -> frames.Published:
        return self.core.told(self.alice, to, **parts)

    def heard(self) -> list[object]:
        """What bob is given."""
        return list(self.core.pump(self.bob))

    def restart(self) -> None:
        """The hub anew, from what the log and its tables would give."""
        registry = self.hub.registry
        kept = sorted(self.core.log.values(), key=lambda each: each.offset)
        sent = {(each.origin, each.id) for each in kept}
        facts = [each for each in kept if fold.is_held(each.topic)]
        waits = [each for each in facts if (each.data["origin"], each.data["id"]) not in sent]
        gone = {
            (each.data["origin"], each.data["id"]) for each in kept if each.topic in (fold.DROPPED, fold.HOLD_DROPPED)
        }
        state = fold.State(
            epoch="e",
            head=self.hub.head,
            floor=1,
            instances=[
                fold.InstanceRow(
                    origin=each.origin,
                    name=each.name,
                    registered_at=each.registered_at,
                    last_seen=each.last_seen,
                    received=each.received,
                    read=each.read,
                    human=each.human,
                )
                for each in registry.instances.values()
            ],
            holdings=[each for one in registry.instances.values() for each in one.holdings],
            subscriptions=[],
            topics=[],
            waiting=[],
            held=[each for each in waits if (each.data["origin"], each.data["id"]) not in gone],
            dropped=[each for each in waits if (each.data["origin"], each.data["id"]) in gone],
            holds=list(registry.holds.values()),
        )
        log = self.core.log
        self.core = Core(state, kept)
        self.core.log = log
        self.alice = self.core.session("alice", share=True)
        self.bob = self.core.session("bob", share=True)


@pytest.fixture
def room() -> Room:
    return Room()


def test_what_is_sent_to_a_held_queue_waits_on_a_topic_of_its_own_and_nobody_is_given_it(room: Room) -> None:
    room.hold()
    said = room.say("one", thread="t", data={"n": 1}, id="mine")
    assert (said.topic, said.sender, said.reply_to) == ("$held.inbox.bob", "$hub", "mine")
    assert {part: said.data[part] for part in ("name", "to", "thread", "body", "data", "id")} == {
        "name": "alice",
        "to": "bob",
        "thread": "t",
        "body": "one",
        "data": {"n": 1},
        "id": "mine",
    }
    assert said.data["holds"] == [{"kind": "queue", "by": "kay", "reason": None}]
    assert room.heard() == []
    assert room.hub.unread(room.one("bob"), room.core.now).messages == 0


def test_what_came_before_the_hold_and_what_goes_elsewhere_is_not_held(room: Room) -> None:
    room.say("before")
    room.hold()
    room.say("to all", "all")
    assert room.heard() == ["before", "to all"]


def test_the_sender_is_told_that_it_is_held_and_by_whom_and_why(room: Room) -> None:
    room.hold(reason="bob is being moved")
    told = room.told()
    assert [(each.name, each.state) for each in told.to] == [("bob", "held")]
    assert told.hint is not None
    assert "held by kay (bob is being moved)" in told.hint
    assert "do not send it again" in told.hint


def test_a_topic_and_all_can_be_held_too(room: Room) -> None:
    room.core.subscribe(room.bob, "build")
    room.hold("#build")
    room.hold("all")
    assert room.say("a", "#build").topic == "$held.build"
    assert room.say("b", "all").topic == "$held.all"
    room.say("c", "#chat")
    room.unhold("#build")
    assert room.heard() == ["a"]
    room.unhold("all")
    assert room.heard() == ["b"]


def test_ending_a_hold_sends_what_waits_in_its_order_and_under_its_own_ids(room: Room) -> None:
    room.hold()
    waiting = [room.say(body) for body in ("one", "two", "three")]
    room.unhold()
    assert room.heard() == ["one", "two", "three"]
    sent = [each for each in room.core.log.values() if each.topic == "inbox.bob"]
    assert [each.id for each in sent] == [each.data["id"] for each in waiting]
    assert {each.sender for each in sent} == {"alice"}
    assert room.hub.holds.held == {}
    assert room.hub.registry.holds == {}
    room.say("four")
    assert room.heard() == ["four"]


def test_what_is_on_its_way_to_the_log_when_a_hold_ends_is_not_left_behind(room: Room) -> None:
    room.hold()
    late = room.core.draft(room.alice, "bob", "late")
    ending = room.hub.unhold("bob", "kay", room.core.now, drop=False)
    after = room.core.draft(room.alice, "bob", "after")
    room.core.store(late, *ending.drafts, after)
    assert room.heard() == ["late", "after"]
    assert room.hub.holds.held == {}


def test_a_hold_is_in_force_for_whatever_is_said_after_it_was_asked_for(room: Room) -> None:
    hold = room.hub.hold("bob", None, None, room.core.now)
    said = room.core.draft(room.alice, "bob", "x")
    room.core.store(hold, said)
    assert room.heard() == []
    assert len(room.hub.holds.held) == 1


def test_a_hold_that_could_not_be_stored_is_none(room: Room) -> None:
    room.hub.failed([room.hub.hold("bob", None, None, room.core.now)])
    room.say("x")
    assert room.heard() == ["x"]
    room.hold()
    ending = room.hub.unhold("bob", None, room.core.now, drop=False)
    room.hub.failed(ending.drafts)
    assert room.say("y").topic == "$held.inbox.bob"


def test_holding_twice_and_ending_what_is_not_held_is_refused(room: Room) -> None:
    room.hold()
    with pytest.raises(BadValue, match="held already"):
        room.hold()
    room.unhold()
    with pytest.raises(BadValue, match="not held"):
        room.unhold()
    with pytest.raises(BadValue, match="not paused"):
        room.resume()
    with pytest.raises(BadValue, match="printable"):
        room.hold(reason="a\nb")


def test_one_message_can_be_released_while_the_hold_goes_on(room: Room) -> None:
    room.hold()
    first, second = room.say("one"), room.say("two")
    sent, fact = room.release(second.offset)
    assert room.heard() == ["two"]
    assert (fact.topic, fact.data["by"], fact.data["edited"]) == (fold.HOLD_RELEASED, "kay", False)
    assert (sent.sender, sent.topic) == ("alice", "inbox.bob")
    assert list(room.hub.holds.held) == [first.offset]
    with pytest.raises(UnknownMessage):
        room.release(second.offset)


def test_an_edited_message_says_so_and_the_original_stays_in_the_log(room: Room) -> None:
    room.hold()
    held = room.say("delete everything", id="mine")
    sent, fact = room.release(held.offset, "delete the folder tmp")
    assert sent.body == "delete the folder tmp\n\n[Edited by kay before it was released.]"
    assert (sent.id, sent.sender) == ("mine", "alice")
    assert fact.data["edited"] is True
    assert room.core.log[held.offset].data["body"] == "delete everything"


def test_releasing_with_the_same_words_is_no_edit(room: Room) -> None:
    room.hold()
    sent, fact = room.release(room.say("as it is").offset, "as it is")
    assert (sent.body, fact.data["edited"]) == ("as it is", False)


def test_a_retry_is_answered_the_same_while_it_is_held_when_it_was_sent_and_when_it_was_dropped(room: Room) -> None:
    room.hold()
    fact = room.say("x", id="mine")
    again = room.core.draft(room.alice, "bob", "x", id="mine")
    assert (again.id, again.origin, again.retry) == (fact.id, 0, True), "the log answers with what it has"
    room.core.store(room.hub.holds.drop(fact.offset, "kay", room.core.now))
    room.unhold()
    again = room.core.draft(room.alice, "bob", "x", id="mine")
    assert (again.id, again.origin) == (fact.id, 0), "dropped is dropped, also when nothing is held any more"
    answer = room.hub.published(frames.Publish(to="bob", body="x", id="mine"), fact)
    assert (answer.to[0].state, answer.offset) == ("dropped", fact.offset)


def test_a_retry_on_the_way_is_the_same_draft(room: Room) -> None:
    room.hold()
    first = room.core.draft(room.alice, "bob", "x", id="mine")
    assert room.core.draft(room.alice, "bob", "x", id="mine") is first


def test_a_retry_of_what_was_sent_before_the_hold_asks_the_log_for_it(room: Room) -> None:
    sent = room.say("x", id="mine")
    room.hold()
    again = room.core.draft(room.alice, "bob", "x", id="mine")
    assert again.unless == (sent.origin, "mine")
    room.hub.failed([again])  # as the journal does with what is there
    assert room.hub.holds.told(sent.origin, "mine") is None


def test_what_a_paused_agent_sends_is_held_and_what_is_sent_to_it_waits_as_usual(room: Room) -> None:
    room.pause("alice", reason="it is going in circles")
    told = room.told()
    assert told.to[0].state == "held"
    assert "you are paused by kay (it is going in circles)" in str(told.hint)
    assert room.say("to all", "all").topic == "$held.all"
    room.core.say(room.bob, "alice", "are you there?")
    assert room.core.pump(room.alice) == ["are you there?"]
    room.resume()
    assert room.heard() == ["x", "to all"]


def test_resuming_can_drop_what_was_held(room: Room) -> None:
    room.pause()
    room.say("x")
    done = room.resume(drop=True)
    assert [each.topic for each in done] == [fold.HOLD_DROPPED, fold.PAUSE_ENDED]
    assert room.heard() == []


def test_what_two_hold_waits_for_both(room: Room) -> None:
    room.hold()
    room.pause()
    held = room.say("x")
    assert [each["kind"] for each in held.data["holds"]] == ["sender", "queue"]
    room.resume()
    assert room.heard() == []
    room.unhold()
    assert room.heard() == ["x"]


def test_a_hold_follows_its_instance_to_another_name(room: Room) -> None:
    room.hold()
    held = room.say("to the old name")
    room.core.rename(room.one("bob"), "robert")
    assert room.say("to the new name", "robert").topic == "$held.inbox.robert"
    assert room.say("by the old name").topic == "$held.inbox.robert"
    assert room.hub.holds.waiting(Scope("queue", room.one("robert").origin)) == 3
    room.core.store(room.hub.register("carol", room.core.now))
    room.unhold("robert")
    assert room.heard() == ["to the old name", "to the new name", "by the old name"]
    assert held.offset not in room.hub.holds.held


def test_a_pause_follows_too_and_ends_with_its_instance(room: Room) -> None:
    room.pause()
    room.core.rename(room.one("alice"), "alicia")
    assert room.say("x").topic == "$held.inbox.bob"
    room.core.leave(room.alice)
    room.core.store(room.hub.forget(room.one("alicia"), room.core.now, unread=0))
    assert room.hub.registry.holds == {}


def test_a_name_that_nobody_has_can_be_held(room: Room) -> None:
    room.hold("carol")
    assert room.say("x", "carol").topic == "$held.inbox.carol"
    assert room.hub.holds.waiting(Scope("queue", 0, "inbox.carol")) == 1
    room.unhold("carol")
    assert room.hub.registry.inboxes["inbox.carol"].messages


def test_what_a_person_says_is_not_held(room: Room) -> None:
    room.hold()
    room.core.store(room.hub.register("kay", room.core.now, human=True))
    room.core.say(room.one("kay"), "bob", "stop for a moment")
    assert room.heard() == ["stop for a moment"]
    with pytest.raises(BadValue, match="person"):
        room.hub.pause(room.one("kay"), None, None, room.core.now)


def test_no_agent_takes_a_persons_name_and_no_person_an_agents(room: Room) -> None:
    room.core.store(room.hub.register("kay", room.core.now, human=True))
    assert room.one("kay").human
    with pytest.raises(NameTaken, match="a person's name"):
        room.core.session("kay")
    with pytest.raises(NameTaken, match="an agent's name"):
        room.hub.register("alice", room.core.now, human=True)
    assert room.hub.register("alice", room.core.now, human=False) is None
    assert room.core.session("kay", human=True).instance is room.one("kay")


def test_a_person_who_speaks_begins_the_loop_guards_count_anew() -> None:
    room = Room(loop_bound=4)
    room.core.store(room.hub.register("kay", room.core.now, human=True))

    def go_round(times: int) -> list[str]:
        topics = []
        for place in range(times):
            sender, reader = (room.alice, room.bob) if place % 2 == 0 else (room.bob, room.alice)
            assert reader.instance is not None
            topics.append(room.core.say(sender, reader.instance.name, "thanks").topic)
            room.core.pump(reader)
        return topics

    assert go_round(8).count(fold.HELD) > 0
    room.core.say(room.one("kay"), "alice", "thanks")
    room.core.say(room.one("kay"), "bob", "thanks")
    assert fold.HELD not in go_round(4), "a person has spoken to both"
    for _ in range(20):
        assert room.core.say(room.one("kay"), "alice", "thanks").topic == "inbox.alice", "nor is a person ever held"


def test_as_much_can_wait_on_a_held_queue_as_in_an_inbox() -> None:
    room = Room(inbox_messages=2)
    room.hold()
    room.say("one")
    second = room.core.draft(room.alice, "bob", "two")
    with pytest.raises(InboxFull, match="2 messages to bob are held"):
        room.core.draft(room.alice, "bob", "three")
    room.hub.failed([second])
    third = room.say("three")
    room.core.store(room.hub.holds.drop(third.offset, None, room.core.now))
    room.say("four")


def test_a_hold_whose_messages_do_not_fit_goes_on_until_they_do() -> None:
    room = Room(inbox_messages=2)
    for body in ("a", "b"):
        room.say(body)
    room.hold()
    room.core.pump(room.bob)
    room.hub.read(room.one("bob"), room.hub.head)
    room.say("c", id="c")
    room.say("d")
    room.core.store(room.hub.holds.release(next(iter(room.hub.holds.held)), None, room.core.now)[0])
    room.say("e")
    ending = room.hub.unhold("bob", None, room.core.now, drop=False)
    room.core.store(*ending.drafts)
    assert (ending.released, isinstance(ending.why, InboxFull)) == (1, True)
    assert len(room.hub.holds.held) == 1
    assert room.hub.registry.holds
    room.hub.read(room.one("bob"), room.hub.head)
    room.unhold()
    assert room.heard() == ["e"]


def test_what_outlived_its_ttl_is_dropped_when_the_hold_ends(room: Room) -> None:
    room.hold()
    held = room.say("x", ttl=10.0)
    room.core.now += 11
    with pytest.raises(BadValue, match="ttl"):
        room.release(held.offset)
    done = room.unhold()
    assert [each.topic for each in done] == [fold.HOLD_DROPPED, fold.HOLD_ENDED]


def test_retention_ends_the_waiting(room: Room) -> None:
    room.hold()
    held = room.say("x", id="mine")
    room.core.trim(held.offset)
    assert room.hub.holds.held == {}
    assert room.hub.registry.holds, "the hold itself is in a table"


def test_a_held_message_keeps_its_files(room: Room) -> None:
    files = [{"sha256": "0" * 64, "size": 1, "name": "a", "media_type": "text/plain"}]
    room.hold()
    draft = room.core.draft(room.alice, "bob", "x")
    (held,) = room.core.store(structs.replace(draft, attachments=files))
    sent, _ = room.release(held.offset)
    assert sent.attachments == files


@pytest.mark.parametrize("when", ["held", "released", "dropped", "ended"])
def test_a_restart_changes_nothing(room: Room, when: str) -> None:
    room.hold()
    room.pause("alice", "r")
    first, second = room.say("one", id="1"), room.say("two", id="2")
    if when == "released":
        room.release(first.offset)
    if when == "dropped":
        room.core.store(room.hub.holds.drop(first.offset, "kay", room.core.now))
    if when == "ended":
        room.resume()
        room.unhold()
    before = (set(room.hub.holds.held), room.hub.registry.holds)
    room.restart()
    assert (set(room.hub.holds.held), room.hub.registry.holds) == before
    if when == "dropped":
        assert room.core.draft(room.alice, "bob", "one", id="1").id == first.id
    if when != "ended":
        assert room.core.draft(room.alice, "bob", "two", id="2").id == second.id
        room.resume()
        room.unhold()
    assert room.hub.holds.held == {}


def test_purging_has_the_cursor_pass_over_what_is_unread(room: Room) -> None:
    room.say("one")
    room.say("two")
    bob = room.one("bob")
    (fact,) = room.core.store(room.hub.purge(bob, "kay", room.core.now, messages=2))
    assert (fact.topic, fact.data["messages"], fact.data["by"]) == (fold.PURGED, 2, "kay")
    assert bob.read == fact.data["upto"] == fact.offset - 1
    assert room.hub.unread(bob, room.core.now).messages == 0
    assert room.heard() == []
    room.say("three")
    assert room.heard() == ["three"]


def test_a_purged_message_is_not_said_to_be_read(room: Room) -> None:
    said = room.say("one")
    bob = room.one("bob")
    (fact,) = room.core.store(room.hub.purge(bob, None, room.core.now + 5, messages=1))
    (step,) = room.hub.ladder(said, {}, room.core.now + 9, purged={bob.origin: fact.at})
    assert (step.state, step.at) == ("purged", frames.moment(fact.at))
    assert list(step.times) == ["accepted", "purged"]


@pytest.mark.parametrize("how", ["registers", "is renamed", "in the same moment"])
def test_a_hold_of_a_name_goes_over_to_whoever_takes_it(room: Room, how: str) -> None:
    if how == "in the same moment":
        hold = room.hub.hold("carol", "kay", None, room.core.now)
        room.core.store(room.hub.register("carol", room.core.now), hold)
        room.say("x", "carol")
    else:
        room.hold("carol")
        room.say("x", "carol")
    if how == "registers":
        room.core.store(room.hub.register("carol", room.core.now))
    elif how == "is renamed":
        room.core.rename(room.one("bob"), "carol")
    assert list(room.hub.registry.holds) == [Scope("queue", room.one("carol").origin)]
    assert room.say("y", "carol").topic == "$held.inbox.carol"
    done = room.unhold("carol")
    assert [each.body for each in done if each.topic == "inbox.carol"] == ["x", "y"]
    assert room.hub.registry.holds == {}
