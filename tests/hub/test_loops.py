"""Agents that go round in circles are held; agents that get on with something are not."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import pytest
from msgspec import structs

from hub import fold, frames
from hub.errors import BadValue, UnknownInstance, UnknownMessage
from hub.loops import Said
from hub.message import Message
from tests.hub.core import Core

THANKS = [
    "Thank you so much, I really appreciate it!",
    "You're very welcome! Always happy to help.",
    "Thanks again, it was a pleasure working with you.",
    "The pleasure was all mine. Let me know if there is anything else you need.",
    "Will do! Thanks for the great collaboration, have a wonderful day!",
    "You too! Feel free to reach out any time.",
    "Great, I am standing by and ready for the next task.",
    "Acknowledged, standing by as well. Thank you!",
]
NOUNS = ("parser", "lexer", "socket", "buffer", "schema", "cursor", "token", "index", "thread", "cache", "header")
VERBS = ("fails", "blocks", "leaks", "returns", "raises", "overflows", "truncates", "skips", "reorders", "drops")


class Ring:
    """Agents, each of whom answers whoever writes to it by writing to the next."""

    def __init__(self, *names: str, core: Core | None = None, seconds: float = 90, **limits: int) -> None:
        self.core = core or Core(**limits)
        self.seconds = seconds
        self.sessions = [self.core.session(name) for name in names]
        self.said: list[Message] = []

    def say(self, place: int, body: str, to: str | None = None, **parts: object) -> frames.Published:
        """One message, and its reader takes what it is given."""
        sender = self.sessions[place % len(self.sessions)]
        reader = self.sessions[(place + 1) % len(self.sessions)]
        self.core.now += self.seconds
        assert reader.instance is not None
        said = frames.Publish(to=to or reader.instance.name, body=body, **parts)  # type: ignore[arg-type]
        assert sender.instance is not None
        (message,) = self.core.store(self.core.hub.publish(sender.instance, said, self.core.now))
        for each in self.sessions:
            self.core.pump(each)
        self.said.append(message)
        return self.core.hub.published(said, message)

    def run(self, bodies: Iterable[str], **parts: object) -> int:
        """How many messages get through before one is held."""
        for place, body in enumerate(bodies):
            if self.say(place, body, **parts).to[0].state == "held":
                return place
        raise AssertionError("nothing was held")


def thanks(seed: int = 0) -> Iterable[str]:
    """What two polite models say to each other, for as long as nobody stops them."""
    draw = random.Random(seed)
    while True:
        yield f"{draw.choice(THANKS)} {draw.choice(THANKS)}" if draw.random() < 0.5 else draw.choice(THANKS)


def findings(seed: int = 0) -> Iterable[str]:
    """What two agents say that look for a bug: short, alike, and each time about something else."""
    draw = random.Random(seed)
    for number in itertools.count(1):
        yield (
            f"I looked at {draw.choice(NOUNS)}_{draw.randrange(99)}.py line {draw.randrange(999)}: the "
            f"{draw.choice(NOUNS)} {draw.choice(VERBS)} when {draw.choice(NOUNS)} {number} {draw.choice(VERBS)}."
        )


@pytest.mark.parametrize("names", [("alice", "bob"), ("alice", "bob", "carol"), tuple(f"a{n}" for n in range(12))])
@pytest.mark.parametrize("body", ["Thanks!", "👍", "", "ありがとうございます"])
def test_the_same_words_are_held_at_the_bound_whatever_the_length_of_the_circle(
    names: tuple[str, ...], body: str
) -> None:
    ring = Ring(*names, loop_bound=20)
    # The first round is new to each; after that every message goes back to somebody with nothing new.
    assert ring.run(itertools.repeat(body)) == len(names) - 1 + 20


@pytest.mark.parametrize("names", [("alice", "bob"), ("alice", "bob", "carol")])
@pytest.mark.parametrize("seed", range(20))
def test_polite_models_in_other_words_each_time_are_held_soon_after_their_words_repeat(
    names: tuple[str, ...], seed: int
) -> None:
    assert Ring(*names, loop_bound=20).run(thanks(seed)) < 60


def test_the_loop_of_three_that_sent_398_messages_in_ten_hours_is_held_within_the_first() -> None:
    ring = Ring("planner", "coder", "reviewer", seconds=90, loop_bound=20)
    bodies = (
        f"Status at {place // 40 + 9}:{place * 90 // 60 % 60:02d}: all done on my side, standing by for you."
        for place in itertools.count()
    )
    passed = ring.run(bodies)
    assert passed <= 25
    assert passed * ring.seconds < 3600
    # Whoever of them goes on, on a timer or since it was told "held": it comes to an end all the same.
    told = [ring.say(place, "All done on my side, standing by.").to[0].state for place in range(passed, 398)]
    assert told.count("accepted") <= 6
    assert set(told[12:]) == {"held"}
    assert len(ring.core.hub.holds.held) == told.count("held") + 1


def test_progress_in_the_same_words_is_no_loop() -> None:
    ring = Ring("boss", "worker", loop_bound=5)
    ring.say(0, "run the tests")
    for _ in range(100):
        assert ring.say(1, "still running").to[0].state == "accepted"


@pytest.mark.parametrize("names", [("alice", "bob"), ("alice", "bob", "carol")])
@pytest.mark.parametrize("seed", range(5))
def test_a_long_exchange_that_gets_on_is_never_held(names: tuple[str, ...], seed: int) -> None:
    ring = Ring(*names, loop_bound=20)
    for place, body in zip(range(500), findings(seed), strict=False):
        assert ring.say(place, body).to[0].state == "accepted"


def test_questions_with_the_same_short_answer_are_no_loop() -> None:
    ring = Ring("alice", "bob", loop_bound=10)
    for place, finding in zip(range(0, 400, 2), findings(), strict=False):
        assert ring.say(place, finding).to[0].state == "accepted"
        assert ring.say(place + 1, "yes").to[0].state == "accepted"


def test_jobs_that_differ_by_their_number_are_no_loop() -> None:
    ring = Ring("boss", "worker", loop_bound=5)
    for place in range(0, 200, 2):
        assert ring.say(place, f"job {place}").to[0].state == "accepted"
        assert ring.say(place + 1, f"done {place}").to[0].state == "accepted"
    for place in range(0, 200, 2):
        assert ring.say(place, "next", data={"row": place + 1000}).to[0].state == "accepted"
        assert ring.say(place + 1, "ok").to[0].state == "accepted"


def test_one_who_only_sends_and_one_who_never_answers_are_no_loop() -> None:
    core = Core(loop_bound=5)
    bob, alice = core.session("bob"), core.session("alice")
    for _ in range(50):
        assert core.told(bob, "alice", "still building").to[0].state == "accepted"
        core.pump(alice)


def test_a_message_that_is_passed_on_to_many_in_turn_is_no_loop() -> None:
    ring = Ring(*(f"a{number}" for number in range(40)), loop_bound=5)
    for place in range(39):
        assert ring.say(place, "please update your checkout").to[0].state == "accepted"


def test_greetings_on_a_topic_are_no_loop_and_thanks_on_one_are() -> None:
    core = Core(loop_bound=10)
    people = [core.session(f"a{number}") for number in range(30)]
    for each in people:
        core.subscribe(each, "intro")

    def say(place: int, body: str) -> bool:
        (message,) = core.store(core.draft(people[place % 30], "#intro", body))
        for each in people:
            core.pump(each)
        return message.topic == fold.HELD

    assert not any(say(place, "hello everybody") for place in range(30))
    assert any(say(place, "hello everybody") for place in range(30, 60))


def test_what_is_new_goes_through_and_begins_the_count_anew() -> None:
    ring = Ring("alice", "bob", loop_bound=4)
    passed = ring.run(itertools.repeat("thanks"))
    assert ring.say(passed, "thanks").to[0].state == "held"
    assert ring.say(passed, "the deploy of shop-frontend broke checkout, see incident 4411").to[0].state == "accepted"
    assert ring.run(itertools.repeat("thanks")) >= 4


def test_a_reply_to_an_old_message_does_not_hide_the_loop() -> None:
    ring = Ring("alice", "bob", loop_bound=6)
    ring.say(0, "thanks")
    assert ring.run(itertools.repeat("thanks"), reply_to=ring.said[0].id) < 10


def test_what_an_agent_has_not_been_given_it_does_not_answer() -> None:
    core = Core(loop_bound=3)
    alice, bob = core.session("alice"), core.register("bob")
    for _ in range(20):
        assert core.told(bob, "alice", "ping").to[0].state == "accepted"
        assert core.told(alice, "bob", "ping").to[0].state == "accepted", "bob reads nothing, and does not answer"
        core.pump(alice)


def test_a_user_who_speaks_to_an_agent_begins_the_count_anew() -> None:
    ring = Ring("alice", "bob", loop_bound=4)
    passed = ring.run(itertools.repeat("thanks"))
    speaker = ring.sessions[passed % 2]
    assert speaker.instance is not None
    ring.core.store(ring.core.hub.tell(speaker.instance, frames.Presence(prompted=True), ring.core.now, speaker))
    assert ring.say(passed, "thanks").to[0].state == "accepted"
    for place in range(1, 5):
        assert ring.say(passed + place, "thanks").to[0].state == "accepted"


def test_without_a_bound_nothing_is_held() -> None:
    ring = Ring("alice", "bob", loop_bound=0)
    for place in range(100):
        assert ring.say(place, "thanks").to[0].state == "accepted"
    assert ring.core.hub.due(ring.core.now) == []


def test_the_sender_is_warned_halfway_and_told_what_to_do_when_it_is_held() -> None:
    ring = Ring("alice", "bob", loop_bound=6)
    told = [ring.say(place, "thanks") for place in range(8)]
    assert [each.hint is not None for each in told] == [False, False, False, True, True, True, True, True]
    assert "message 3 in a row that brings nothing new; after 6 the hub holds them (loop_bound)" in str(told[3].hint)
    held = told[7]
    assert [(each.name, each.state) for each in held.to] == [("alice", "held")]
    assert "alice and bob have sent one another 6 messages in a row that bring nothing new" in str(held.hint)
    assert f"hubbub release {held.offset}" in str(held.hint)


def test_a_loop_is_noticed_once_and_told_to_those_who_watch() -> None:
    ring = Ring("bob", "alice", loop_bound=6)
    for place in range(7):
        ring.say(place, "thanks")
    (noticed,) = ring.core.hub.due(ring.core.now)
    assert (noticed.topic, noticed.data) == (fold.NOTICED, {"names": ["alice", "bob"], "messages": 3})
    assert ring.core.hub.due(ring.core.now) == []


@pytest.fixture
def held() -> tuple[Ring, Message]:
    """Alice's message to bob, held."""
    ring = Ring("alice", "bob", loop_bound=5)
    for place in range(6):
        ring.say(place, "thanks")
    published = ring.say(6, "thanks", id="mine", thread="t", data=["thanks"])
    assert published.id == "mine"
    return ring, ring.said[-1]


def bob_has(ring: Ring) -> list[Message]:
    return [each for each in ring.core.log.values() if each.topic == "inbox.bob"]


def test_a_held_message_is_a_fact_with_all_of_it_and_nobody_is_given_it(held: tuple[Ring, Message]) -> None:
    ring, fact = held
    assert (fact.topic, fact.sender, fact.reply_to) == (fold.HELD, "$hub", "mine")
    assert fact.data["body"] == "thanks"
    assert len(bob_has(ring)) == 3
    assert ring.core.hub._posting.under_way == {}


def test_saying_a_held_message_again_under_its_id_is_answered_with_the_same_fact(held: tuple[Ring, Message]) -> None:
    ring, fact = held
    alice = ring.sessions[0].instance
    assert alice is not None
    again = ring.core.hub.publish(alice, frames.Publish(to="bob", body="thanks", id="mine"), ring.core.now)
    assert (again.id, again.origin, again.retry) == (fact.id, 0, True), "the log answers with what it has"


def test_a_retry_of_what_went_through_is_not_held(held: tuple[Ring, Message]) -> None:
    core = Core(loop_bound=2)
    ring = Ring("alice", "bob", core=core)
    ring.say(0, "thanks", id="a")
    ring.say(1, "thanks", id="b")
    ring.say(2, "thanks", id="c")
    ring.say(3, "thanks")
    draft = core.draft(ring.sessions[0], "bob", "thanks", id="c")
    assert draft.topic == "inbox.bob", "it is in the log already, whatever would become of it now"


def test_a_held_message_keeps_the_files_that_it_carries(held: tuple[Ring, Message]) -> None:
    ring, _ = held
    core = ring.core
    core.hub._posting._uploaded = lambda _origin, _sha256: 3
    file = frames.Attachment(sha256="a" * 64, size=3, name="notes.md")
    draft = core.draft(ring.sessions[0], "bob", "thanks", id="with a file", attachments=[file])
    assert draft.topic == fold.HELD
    (fact,) = core.store(draft)
    core.hub._posting._uploaded = lambda _origin, _sha256: None  # the hub was started again since
    sent, _ = core.hub.holds.release(fact.offset, None, core.now)
    assert fact.attachments == sent.attachments == [structs.asdict(file)]


def test_a_released_message_is_sent_under_its_own_id_and_the_circle_may_go_on(held: tuple[Ring, Message]) -> None:
    ring, fact = held
    drafts = ring.core.hub.holds.release(fact.offset, None, ring.core.now)
    sent, released = ring.core.store(*drafts)
    assert (sent.id, sent.topic, sent.body, sent.thread, sent.data) == ("mine", "inbox.bob", "thanks", "t", ["thanks"])
    assert (released.topic, released.reply_to, released.data["held"]) == (fold.RELEASED, "mine", fact.offset)
    assert ring.core.hub.holds.held == {}
    for each in ring.sessions:
        ring.core.pump(each)
    told = [ring.say(place, "thanks") for place in range(7, 12)]
    assert {each.to[0].state for each in told} == {"accepted"}
    with pytest.raises(UnknownMessage, match="hubbub held"):
        ring.core.hub.holds.release(fact.offset, None, ring.core.now)


def test_a_dropped_message_is_never_sent(held: tuple[Ring, Message]) -> None:
    ring, fact = held
    (dropped,) = ring.core.store(ring.core.hub.holds.drop(fact.offset, "ops", ring.core.now))
    assert (dropped.topic, dropped.data["by"]) == (fold.DROPPED, "ops")
    assert ring.core.hub.holds.held == {}
    assert len(bob_has(ring)) == 3
    with pytest.raises(UnknownMessage):
        ring.core.hub.holds.drop(fact.offset, None, ring.core.now)


def test_what_outlived_its_ttl_while_it_was_held_can_only_be_dropped() -> None:
    ring = Ring("alice", "bob", loop_bound=5)
    for place in range(7):
        ring.say(place, "thanks", ttl=60.0)
    (offset,) = ring.core.hub.holds.held
    ring.core.now += 59
    ring.core.hub.holds.release(offset, None, ring.core.now)
    ring.core.now += 1
    with pytest.raises(BadValue, match="ttl"):
        ring.core.hub.holds.release(offset, None, ring.core.now)


def test_what_a_forgotten_instance_said_can_only_be_dropped(held: tuple[Ring, Message]) -> None:
    ring, fact = held
    ring.core.leave(ring.sessions[0])
    ring.core.store(ring.core.hub.forget(ring.core.hub.instance("alice"), ring.core.now, unread=0))
    with pytest.raises(UnknownInstance, match="alice"):
        ring.core.hub.holds.release(fact.offset, None, ring.core.now)
    ring.core.store(ring.core.hub.holds.drop(fact.offset, None, ring.core.now))


def test_a_start_goes_through_the_tail_again() -> None:
    ring = Ring("alice", "bob", loop_bound=5)
    for place in range(5):
        ring.say(place, "thanks")
    core = ring.core
    state = fold.State(
        epoch="e",
        head=core.hub.head,
        floor=1,
        instances=[
            fold.InstanceRow(
                origin=each.origin, name=each.name, registered_at=0, last_seen=0, received=each.received, read=each.read
            )
            for each in core.hub.registry.instances.values()
        ],
        holdings=[holding for each in core.hub.registry.instances.values() for holding in each.holdings],
        subscriptions=[],
        topics=[],
        waiting=[],
    )
    again = Ring(core=Core(state, list(core.log.values()), loop_bound=5))
    again.sessions = [again.core.session("alice"), again.core.session("bob")]
    assert again.say(5, "thanks").to[0].state == "accepted"
    assert again.say(6, "thanks").to[0].state == "held"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.loops.KEPT", 50)
    core = Core()
    ring = Ring("alice", "bob", core=core)
    for place, body in zip(range(200), findings(), strict=False):
        ring.say(place, body)
        core.say(ring.sessions[0], f"#t{place}")
    loops = core.hub.loops
    assert (len(loops._by_id), len(loops._ids), len(loops._newest), len(loops._last)) == (50, 50, 50, 2)
    assert max(len(each.before) for each in loops._by_id.values()) <= 32


def test_the_words_of_chinese_and_japanese_are_their_characters_and_a_time_of_day_is_none() -> None:
    (draft,) = [Core().draft(Core().session("bob"), "alice", "谢谢你 at 12:30:05 on 2026-01-02T03:04Z, v2")]
    assert Said(draft).words == frozenset({"谢", "你", "at", "on", "v2"})
