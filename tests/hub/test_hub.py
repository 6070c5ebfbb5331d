"""The rules of behaviour, told as people meet them. The hub's parts have tests of their own beside this."""

from __future__ import annotations

from typing import Any

import pytest

from hub import frames
from hub.errors import BadName, BadTopic, BadValue, NameTaken, TakenOver, TooMany, UnknownInstance
from hub.fold import Holding, InstanceRow, SubscriptionRow, TopicRow
from hub.session import Gap, Session
from tests.hub.core import NOW, Core, empty, message


@pytest.fixture
def core() -> Core:
    return Core()


def facts(core: Core, topic: str) -> list[Any]:
    return [each.data for _, each in sorted(core.log.items()) if each.topic == topic]


# Coming


def test_a_first_hello_registers_and_is_welcomed(core: Core) -> None:
    session, welcome = core.join("Alice", ref="r", client="codex/1", credit=7)
    assert welcome == frames.Welcome(
        ref="r",
        name="Alice",
        session=session.secret,
        epoch="e",
        head=1,
        floor=1,
        read=0,
        resumed=False,
        unread=0,
        credit=7,
        max_body=2**20,
        version=welcome.version,
    )
    assert facts(core, "$instance.registered") == [{"name": "Alice"}]
    assert facts(core, "$session.joined") == [
        {"origin": 1, "name": "Alice", "client": "codex/1", "number": 1, "sessions": 1}
    ]


def test_names_match_without_case_and_keep_their_spelling(core: Core) -> None:
    core.leave(core.session("Alice"))
    session, welcome = core.join("aLICE")
    assert welcome.name == "Alice"
    assert session.instance is core.hub.instance("ALICE")
    assert len(core.hub.registry.instances) == 1


@pytest.mark.parametrize(
    ("hello", "error"),
    [
        ({"name": "no name"}, BadName),
        ({"name": "all"}, BadName),
        ({"name": ""}, BadName),
        ({}, BadValue),
        ({"name": "x" * 33, "observe": True}, BadName),
    ],
)
def test_a_hello_out_of_order_is_refused(core: Core, hello: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        core.join(**hello)
    assert core.hub.sessions == {}


@pytest.mark.parametrize(
    ("client", "shown"),
    [(None, None), ("", None), ("x" * 99, "x" * 64), ("a\x1b[2J\nb", "a[2Jb"), ("\x00", None), ("Zoë 1.0", "Zoë 1.0")],
)
def test_what_a_client_calls_itself_is_fit_to_be_shown(core: Core, client: str | None, shown: str | None) -> None:
    assert core.session("alice", client=client).client == shown


def test_a_live_name_is_refused_with_a_suggestion_and_nothing_is_ended(core: Core) -> None:
    first = core.session("Alice")
    with pytest.raises(NameTaken, match="Alice is taken by a live session") as why:
        core.join("alice")
    assert why.value.hint == "Alice-2 is free. A hello with take_over takes a live session's place."
    assert core.closed == []
    assert core.hub.sessions_of(core.hub.instance("alice")) == [first]


def test_take_over_ends_every_session_of_the_name(core: Core) -> None:
    old = [core.session("alice"), core.session("alice", share=True)]
    new = core.session("alice", take_over=True)
    assert [(session, type(why)) for session, why in core.closed] == [(each, TakenOver) for each in old]
    assert core.hub.sessions_of(core.hub.instance("alice")) == [new]
    assert [each["reason"] for each in facts(core, "$session.left")] == ["taken over"] * 2


def test_its_own_session_token_takes_just_that_sessions_place(core: Core) -> None:
    first, welcome = core.join("alice")
    other = core.session("alice", share=True)
    new, again = core.join("alice", session=welcome.session)
    assert [session for session, _ in core.closed] == [first]
    assert core.hub.sessions_of(core.hub.instance("alice")) == [other, new]
    assert again.session not in (None, welcome.session), "each session has a token of its own"


@pytest.mark.parametrize("secret", ["", "guessed", None])
def test_another_session_token_takes_nothing(core: Core, secret: str | None) -> None:
    core.session("alice")
    with pytest.raises(NameTaken):
        core.join("alice", session=secret)


def test_somebody_elses_session_token_takes_nothing(core: Core) -> None:
    core.session("alice")
    _, welcome = core.join("bob")
    with pytest.raises(NameTaken):
        core.join("alice", session=welcome.session)


def test_sessions_that_share_a_name_are_each_sent_everything(core: Core) -> None:
    one, two, bob = core.session("alice"), core.session("alice", share=True), core.session("bob")
    core.say(bob, "alice", "hello")
    assert core.pump(one) == core.pump(two) == ["hello"]


def test_the_sessions_of_a_name_are_bounded() -> None:
    core = Core(max_sessions_per_name=2)
    _, welcome = core.join("alice")
    core.session("alice", share=True)
    with pytest.raises(TooMany, match="max_sessions_per_name"):
        core.join("alice", share=True)
    core.join("alice", session=welcome.session)
    core.join("alice", take_over=True)


def test_a_name_that_forwards_leads_to_whoever_had_it(core: Core) -> None:
    alice = core.register("alice")
    core.rename(alice, "Anna")
    session, welcome = core.join("alice")
    assert (welcome.name, session.instance) == ("Anna", alice)
    with pytest.raises(NameTaken, match="alice is taken: it forwards to Anna"):
        core.join("alice")


def test_leaving_is_told(core: Core) -> None:
    alice = core.session("alice")
    core.now += 5
    core.leave(alice, "the lid was closed")
    left = {"origin": 1, "name": "alice", "reason": "the lid was closed", "number": 1, "sessions": 0}
    assert facts(core, "$session.left") == [left]
    assert core.hub.instance("alice").last_seen == NOW + 5


# Hearing


@pytest.mark.parametrize("to", ["bob", "BOB", "all", "#build", "#BUILD"])
def test_what_is_said_is_heard_by_whom_it_is_for(core: Core, to: str) -> None:
    alice, bob = core.session("alice"), core.session("bob")
    core.subscribe(bob, "build")
    core.say(alice, to, "hello")
    assert core.pump(bob) == ["hello"]
    assert core.pump(alice) == []


@pytest.mark.parametrize(("to", "heard"), [("all", []), ("#build", []), ("alice", ["hello"])])
def test_own_words_do_not_come_back_but_a_note_to_oneself_does(core: Core, to: str, heard: list[str]) -> None:
    alice = core.session("alice")
    core.subscribe(alice, "build")
    core.say(alice, to, "hello")
    assert core.pump(alice) == heard


def test_the_other_session_of_the_sender_does_not_hear_it_either(core: Core) -> None:
    one, two = core.session("alice"), core.session("alice", share=True)
    core.say(one, "all", "hello")
    assert core.pump(two) == []


def test_everybody_hears_all_from_when_they_registered(core: Core) -> None:
    bob = core.session("bob")
    core.say(bob, "all", "before")
    alice = core.session("alice")
    core.say(bob, "all", "after")
    assert core.pump(alice) == ["after"]


def test_a_topic_is_heard_from_the_subscription_until_it_is_ended(core: Core) -> None:
    alice, bob = core.session("alice"), core.session("bob")
    core.say(bob, "#build", "1")
    core.subscribe(alice, "build")
    core.say(bob, "#build", "2")
    assert core.pump(alice) == ["2"]
    core.unsubscribe(alice, "build")
    core.say(bob, "#build", "3")
    core.subscribe(alice, "build")
    core.say(bob, "#build", "4")
    assert core.pump(alice) == ["4"]
    core.leave(alice)
    assert core.pump(core.session("alice", resume=0)) == ["4"]


def test_what_is_still_on_its_way_when_a_subscription_ends_is_not_sent(core: Core) -> None:
    alice, bob = core.session("alice", credit=1), core.session("bob")
    core.subscribe(alice, "build")
    core.say(bob, "#build", "1")
    core.say(bob, "#build", "2")
    core.say(bob, "alice", "3")
    assert core.pump(alice, confirm=False) == ["1"]
    core.unsubscribe(alice, "build")
    core.say(bob, "#build", "4")
    core.hub.received(alice, core.hub.head, 100)
    assert core.pump(alice) == ["3"]


@pytest.mark.parametrize("first", [">", "chat"])
def test_two_subscriptions_that_cover_a_topic_are_one_and_the_earlier_counts(core: Core, first: str) -> None:
    alice, bob = core.session("alice"), core.session("bob")
    core.subscribe(alice, first)
    core.say(bob, "#chat", "1")
    core.subscribe(alice, "chat" if first == ">" else ">")
    core.say(bob, "#chat", "2")
    assert core.hub.unread(core.hub.instance("alice"), NOW).messages == 2
    assert core.pump(alice) == ["1", "2"]
    core.leave(alice)
    again, welcome = core.join("alice")
    assert welcome.unread == 2
    assert core.pump(again) == ["1", "2"]


def test_what_comes_in_one_batch_with_a_subscription_is_split_where_it_begins(core: Core) -> None:
    alice, bob = core.session("alice"), core.session("bob")
    assert alice.instance is not None
    core.store(
        core.draft(bob, "#build", "before"),
        core.hub.subscribe(alice.instance, "build", core.now),
        core.draft(bob, "#build", "after"),
    )
    assert core.pump(alice) == ["after"]


def test_subscribing_is_checked_and_bounded() -> None:
    core = Core(max_subscriptions=2)
    alice = core.session("alice")
    assert alice.instance is not None
    with pytest.raises(BadTopic):
        core.subscribe(alice, "a.>.b")
    core.subscribe(alice, "#A")
    assert core.hub.subscribe(alice.instance, "a", core.now) is None
    core.subscribe(alice, "b")
    with pytest.raises(TooMany, match="max_subscriptions"):
        core.subscribe(alice, "c")
    assert core.hub.unsubscribe(alice.instance, "c", core.now) is None
    core.unsubscribe(alice, "B")
    core.subscribe(alice, "c")


def test_an_observer_hears_everything_and_has_no_inbox(core: Core) -> None:
    bob = core.session("bob")
    watcher, welcome = core.join(observe=True)
    assert (welcome.name, welcome.session, welcome.read) == (None, None, core.hub.head)
    core.say(bob, "carol", "direct")
    core.say(bob, "all", "everybody")
    core.store(*core.hub.leave(bob, "gone", core.now))
    assert core.pump(watcher) == ["direct", "everybody", "bob left: gone"]


def test_an_observer_resumes_where_it_says(core: Core) -> None:
    bob = core.session("bob")
    for number in range(5):
        core.say(bob, "all", str(number))
    resumed = core.session(observe=True, resume=core.hub.head - 2)
    assert core.pump(resumed) == ["3", "4"]


def test_what_an_instance_reads_does_not_concern_its_observers(core: Core) -> None:
    core.register("alice")
    watcher, bob = core.session("alice", observe=True), core.session("bob")
    core.say(bob, "alice", "1")
    core.say(bob, "alice", "2")
    core.read(core.hub.instance("alice"))
    assert core.pump(watcher)[-2:] == ["1", "2"]
    assert core.hub.instance("alice").received == core.hub.instance("alice").read


# Waiting for a name


def test_a_message_to_a_name_nobody_has_waits_for_it(core: Core) -> None:
    bob = core.session("bob")
    core.say(bob, "Carol", "hello")
    carol, welcome = core.join("carol")
    assert welcome.unread == 1
    assert core.pump(carol) == ["hello"]


@pytest.mark.parametrize(("days", "heard"), [(6.99, ["hello"]), (7.0, [])])
def test_it_waits_seven_days(core: Core, days: float, heard: list[str]) -> None:
    core.say(core.session("bob"), "carol", "hello")
    core.now += days * 86_400
    carol, welcome = core.join("carol")
    assert welcome.unread == len(heard)
    assert core.pump(carol) == heard


@pytest.mark.parametrize("to", ["alice", "#build", "all"])
def test_a_message_past_its_ttl_is_not_delivered(core: Core, to: str) -> None:
    alice, bob = core.session("alice"), core.session("bob")
    core.subscribe(alice, "build")
    core.say(bob, to, "short", ttl=5.0)
    core.say(bob, to, "long", ttl=6.0)
    core.now += 5
    assert core.pump(alice) == ["long"]


def test_what_has_expired_is_let_go_of_in_time(core: Core) -> None:
    core.register("alice")
    bob = core.session("bob")
    core.say(bob, "alice", ttl=5.0)
    core.say(bob, "nobody", ttl=5.0)
    core.now += 5
    core.hub.due(core.now)
    assert core.hub.registry.inboxes == {}


def test_an_unknown_name_is_asked_for_in_vain_with_near_ones(core: Core) -> None:
    core.register("alice")
    with pytest.raises(UnknownInstance, match="Nobody called alcie has registered") as why:
        core.hub.instance("alcie")
    assert why.value.hint == "Did you mean alice?"
    with pytest.raises(UnknownInstance) as why:
        core.hub.instance("zzz")
    assert why.value.hint == "`hubbub ls` shows who has."


# Renaming


def test_a_rename_keeps_queue_history_and_session(core: Core) -> None:
    alice, bob = core.session("alice"), core.session("bob")
    assert alice.instance is not None
    core.say(bob, "alice", "1")
    core.rename(alice.instance, "Anna")
    core.say(bob, "alice", "2")
    core.say(bob, "anna", "3")
    assert core.hub.unread(alice.instance, core.now).messages == 3
    assert core.pump(alice) == ["1", "2", "3"]
    assert core.say(alice, "bob").sender == "Anna"
    assert facts(core, "$instance.renamed") == [
        {"origin": 1, "old": "alice", "name": "Anna", "forwards_until": NOW + 7200}
    ]


def test_the_old_name_forwards_for_two_hours_and_is_free_then(core: Core) -> None:
    alice, bob = core.session("alice"), core.session("bob")
    assert alice.instance is not None
    core.rename(alice.instance, "Anna")
    core.now += 7199
    core.store(*core.hub.due(core.now))
    core.say(bob, "alice", "forwarded")
    core.now += 1
    core.store(*core.hub.due(core.now))
    assert facts(core, "$instance.forgot") == [{"name": "alice"}]
    core.say(bob, "alice", "for the next alice")
    assert core.pump(alice) == ["forwarded"]
    assert core.pump(core.session("alice")) == ["for the next alice"]


def test_what_was_unread_under_a_name_that_is_free_now_is_still_heard(core: Core) -> None:
    alice, bob = core.session("alice"), core.session("bob")
    assert alice.instance is not None
    core.say(bob, "alice", "old")
    core.leave(alice)
    core.rename(alice.instance, "anna")
    core.now += 7200
    core.store(*core.hub.due(core.now))
    core.say(bob, "alice", "for the next alice")
    assert core.pump(core.session("anna")) == ["old"]


# Breaking off and coming back


def talk(core: Core, many: int) -> tuple[Session, Session]:
    alice, bob = core.session("alice"), core.session("bob")
    for number in range(many):
        core.say(bob, "alice", str(number))
    return alice, bob


@pytest.mark.parametrize(
    ("hello", "resumed", "heard"),
    [
        pytest.param({}, False, ["0", "1", "2", "3"], id="without resume: all that is unread"),
        pytest.param({"resume": 6, "epoch": "e"}, True, ["2", "3"], id="what follows"),
        pytest.param({"resume": 6}, True, ["2", "3"], id="what follows, of whatever epoch"),
        pytest.param({"resume": 0, "epoch": "e"}, True, ["0", "1", "2", "3"], id="from the beginning"),
        pytest.param({"resume": 6, "epoch": "other"}, False, ["0", "1", "2", "3"], id="of another epoch"),
        pytest.param({"resume": 999, "epoch": "e"}, False, ["0", "1", "2", "3"], id="past the head"),
    ],
)
def test_a_resume_begins_after_what_the_client_has(
    core: Core, hello: dict[str, Any], resumed: bool, heard: list[str]
) -> None:
    alice, _ = talk(core, 4)
    core.pump(alice)
    core.leave(alice)
    again, welcome = core.join("alice", **hello)
    assert (welcome.resumed, welcome.epoch) == (resumed, "e")
    assert core.pump(again) == heard


def test_what_was_read_does_not_come_again_whatever_is_resumed(core: Core) -> None:
    alice, _ = talk(core, 4)
    core.read(core.hub.instance("alice"), 6)
    core.leave(alice)
    again, welcome = core.join("alice", resume=0)
    assert (welcome.read, welcome.unread) == (6, 2)
    assert core.pump(again) == ["2", "3"]


def test_reading_moves_all_sessions_and_says_which(core: Core) -> None:
    alice, _ = talk(core, 3)
    other = core.session("alice", share=True)
    assert core.read(core.hub.instance("alice"), 6) == [alice, other]
    assert core.read(core.hub.instance("alice"), 5) == [], "a cursor never goes back"
    assert core.pump(alice) == core.pump(other) == ["2"]


def test_nobody_reads_past_the_head(core: Core) -> None:
    alice, bob = talk(core, 1)
    core.read(core.hub.instance("alice"), 2**63 - 1)
    assert core.hub.instance("alice").read == core.hub.head
    core.say(bob, "alice", "next")
    assert core.pump(alice) == ["next"]


# Credit, the window, gaps


def test_what_there_is_no_credit_for_stays_in_the_hub(core: Core) -> None:
    alice, bob = core.session("alice", credit=2), core.session("bob")
    for number in range(5):
        core.say(bob, "alice", str(number))
    assert core.pump(alice, confirm=False) == ["0", "1"]
    core.hub.received(alice, alice.outstanding.oldest, None)
    assert core.pump(alice, confirm=False) == ["2"]
    assert core.pump(alice, confirm=False) == []
    core.hub.received(alice, core.hub.head, 10)
    assert core.pump(alice) == ["3", "4"]
    assert core.hub.counters.pushed == 5


@pytest.mark.parametrize("window", [1, 3, 100])
@pytest.mark.parametrize("credit", [1, 2, 100])
def test_a_slow_reader_gets_everything_once_and_in_order(window: int, credit: int) -> None:
    core = Core(window_messages=window)
    alice, bob = core.session("alice", credit=credit), core.session("bob")
    core.subscribe(alice, "build.*")
    said = []
    for number in range(60):
        to = ("alice", "all", "#build.linux", "#chat")[number % 4]
        core.say(bob, to, str(number))
        if to != "#chat":
            said.append(str(number))
    assert core.pump(alice) == said


def test_there_is_a_gap_exactly_where_something_for_the_reader_was_trimmed() -> None:
    core = Core(window_messages=1)
    alice, bob, carol = (core.session(name) for name in ("alice", "bob", "carol"))
    for number in range(4):
        core.say(bob, "alice", str(number))
    core.say(bob, "carol", "for carol")
    gone = core.say(bob, "dave", "for dave").offset
    core.say(bob, "alice", "last")
    core.trim(gone - 2)
    given = core.pump(alice)
    assert given[1:] == ["last"]
    gap = given[0]
    assert isinstance(gap, Gap)
    assert gap.last == gone - 2
    assert core.hub.counters.gaps == 1
    assert core.pump(carol) == ["for carol"], "nothing of hers is gone"


def test_what_was_trimmed_before_the_reader_could_hear_it_is_no_gap() -> None:
    core = Core(window_messages=1)
    bob = core.session("bob")
    for number in range(4):
        core.say(bob, "#build", str(number))
    alice = core.session("alice")
    core.subscribe(alice, "build")
    core.say(bob, "#build", "heard")
    core.say(bob, "#chat", "not")
    core.trim(core.hub.head - 2)
    assert core.pump(alice) == ["heard"]


# Unread


def test_unread_is_what_lies_past_the_cursor(core: Core) -> None:
    alice, bob = core.session("alice"), core.session("bob")
    it = core.hub.instance("alice")
    core.subscribe(alice, "build")
    assert core.hub.unread(it, core.now) == (0, None, ())
    core.now += 1
    core.say(bob, "alice")
    core.now += 1
    for to in ("all", "#build", "#other", "bob"):
        core.say(bob, to)
    core.say(alice, "all")
    core.say(bob, "alice", ttl=1.0)
    assert core.hub.unread(it, core.now) == (4, NOW + 1, ())
    core.now += 1
    assert core.hub.unread(it, core.now).messages == 3
    core.pump(alice)
    assert core.hub.unread(it, core.now).messages == 3, "what was received is not read"
    core.read(it)
    assert core.hub.unread(it, core.now) == (0, None, ())


def test_unread_before_the_window_is_for_the_log_to_count() -> None:
    core = Core(window_messages=2)
    bob, alice = core.session("bob"), core.session("alice")
    for _ in range(5):
        core.say(bob, "all")
        core.say(bob, "alice")
    count, oldest_at, behind = core.hub.unread(core.hub.instance("alice"), core.now)
    assert count == 5 + 1
    assert oldest_at == NOW
    assert [span.topic for span in behind] == ["all"]
    assert (
        sum(1 for each in core.log.values() if each.topic == "all" and behind[0].after < each.offset <= behind[0].upto)
        == 4
    )
    core.leave(alice)
    assert core.join("alice")[1].unread is None, "it cannot be told at once"


# Starting again


def test_a_hub_begins_where_its_tables_stand() -> None:
    state = empty(
        head=30,
        floor=11,
        instances=[InstanceRow(origin=2, name="Alice", registered_at=NOW, last_seen=NOW, received=27, read=27)],
        holdings=[Holding(key="alice", name="Alice", origin=2, since=0)],
        subscriptions=[SubscriptionRow(origin=2, pattern="build.*", since=5)],
        topics=[TopicRow(topic="build.linux", messages=3, size=300, head=28, trimmed=10)],
    )
    old = message(28, "build.linux", origin=9, body="kept")
    core = Core(state, [old, message(29, "x", origin=9), message(30, "x", origin=9)])
    alice, welcome = core.join("alice", resume=25, epoch="e")
    assert (welcome.head, welcome.floor, welcome.read, welcome.unread, welcome.resumed) == (30, 11, 27, 1, True)
    assert core.pump(alice) == ["kept"]
    assert core.say(alice, "bob").offset == 32


def test_a_session_behind_the_window_of_a_new_hub_reads_from_the_log() -> None:
    state = empty(
        head=30,
        floor=11,
        instances=[InstanceRow(origin=2, name="Alice", registered_at=NOW, last_seen=NOW, received=0, read=0)],
        holdings=[Holding(key="alice", name="Alice", origin=2, since=0)],
        topics=[TopicRow(topic="all", messages=2, size=200, head=20, trimmed=10)],
    )
    core = Core(state)
    core.log = {offset: message(offset, "all", origin=9, body=str(offset)) for offset in (15, 20)}
    alice, welcome = core.join("alice")
    assert welcome.unread is None
    assert core.pump(alice) == [Gap(1, 10), "15", "20"]


# Bounds and counters


def test_an_empty_commit_is_nothing(core: Core) -> None:
    core.hub.commit([])
    assert core.hub.head == 0


def test_what_happened_is_counted(core: Core) -> None:
    alice, bob = core.session("alice"), core.session("bob")
    core.say(bob, "alice")
    core.say(bob, "#build")
    with pytest.raises(BadName):
        core.say(bob, "not a name")
    core.pump(alice)
    counters = core.hub.counters
    assert (counters.published, counters.pushed, counters.refused, counters.sessions) == (2, 1, 1, 2)


def test_facts_that_were_not_stored_leave_the_hub_as_it_was(core: Core) -> None:
    alice = core.session("alice")
    assert alice.instance is not None
    drafts = [
        core.hub.subscribe(alice.instance, "build", core.now),
        core.hub.rename(alice.instance, "anna", core.now),
        core.draft(alice, "bob"),
    ]
    core.hub.failed([each for each in drafts if each])
    assert alice.instance.subscriptions == {}
    assert alice.instance.name == "alice"
    core.rename(alice.instance, "anna")
    assert core.hub._posting.under_way == {}


def test_memory_does_not_grow_with_what_has_passed() -> None:
    """A day of everything in small: what the hub holds afterwards is what its limits allow and who there is."""
    core = Core(window_messages=10, window_bytes=10_000, inbox_messages=5, forward_for=1.0)
    bob, alice = core.register("bob"), core.register("alice")
    sessions = []
    for number in range(300):
        core.now += 1
        session = core.session("bob", share=True, credit=3)
        sessions.append(session)
        core.subscribe(session, f"topic.{number % 7}")
        core.unsubscribe(session, f"topic.{number % 7}")
        core.say(bob, alice.name, "x" * 100)
        core.say(bob, f"#topic.{number % 7}", ttl=1.0)
        core.rename(alice, f"alice-{number}")
        core.read(alice)
        core.pump(session)
        core.leave(session)
        core.store(*core.hub.due(core.now), *core.hub.cursors(core.now))
        core.trim(core.hub.head - 20)
    hub = core.hub
    assert hub.sessions == hub._presence._of == hub.router._heard == hub.router._exact == {}
    assert len(hub.registry.held) <= 4
    assert len(alice.holdings) + len(bob.holdings) + len(hub.registry.freed) <= 20
    assert hub.registry.inboxes == {}
    assert hub._posting.under_way == hub._naming._claims == {}
    assert hub._ending == set()
    assert len(hub.window) <= 10
    assert len(hub.window._lanes) <= 10
    assert len(hub.window._all.messages) < 200
