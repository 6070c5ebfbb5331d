"""The fold of the `$` topics in memory: who there is, what they hear, what waits for them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.fold import Holding, InstanceRow, SubscriptionRow, TopicRow, WaitingRow
from hub.log import END, Party, Span
from hub.message import Message
from hub.registry import Inbox, Instance, Registry, Waiting, hears, hears_since
from hub.topic import is_open, matches
from tests.hub.core import NOW, empty, message, told


def registry(*messages: Message) -> Registry:
    made = Registry(empty())
    for each in messages:
        made.apply(each)
    return made


def alice(*more: Message) -> tuple[Registry, Instance]:
    """A registry with Alice, from offset 1."""
    made = registry(told(1, "$instance.registered", name="Alice"), *more)
    return made, made.instances[1]


def waiting(offset: int, *, size: int = 10, expires_at: float | None = None) -> Waiting:
    return Waiting(offset, size, NOW, expires_at)


# Names


def test_an_instance_is_found_under_its_name_without_case() -> None:
    made, it = alice()
    assert made.find("alice") is it
    assert made.find("Alice") is None, "by key: whoever asks has made it one"
    assert made.names() == ["Alice"]
    assert repr(it) == "<Instance Alice from 1, read 0>"
    assert (it.registered_at, it.last_seen, it.read, it.received) == (NOW, NOW, 0, 0)


def renamed(offset: int, old: str, name: str, origin: int = 1) -> Message:
    return told(offset, "$instance.renamed", origin=origin, old=old, name=name, forwards_until=NOW + 7200)


def test_a_name_that_was_given_up_forwards_until_it_is_forgotten() -> None:
    made, it = alice(renamed(2, "Alice", "Anna"))
    assert made.find("anna") is made.find("alice") is it
    assert made.held["alice"].forwards_until == NOW + 7200
    assert made.names() == ["Anna"]
    assert made.apply(told(3, "$instance.forgot", name="Alice")) == [it]
    assert made.find("alice") is None
    assert made.find("anna") is it


def test_a_name_taken_back_forwards_no_longer_and_is_not_forgotten() -> None:
    made, it = alice(renamed(2, "Alice", "Anna"), renamed(3, "Anna", "ALICE"))
    assert it.name == made.held["alice"].name == "ALICE"
    assert made.held["alice"].forwards_until is None
    assert made.apply(told(4, "$instance.forgot", name="alice")) == []
    assert made.find("alice") is it


def test_another_spelling_is_the_same_name() -> None:
    made, it = alice(renamed(2, "Alice", "ALICE"))
    assert (it.name, len(it.holdings)) == ("ALICE", 1)
    assert made.held["alice"].forwards_until is None


def test_forgetting_twice_is_forgetting_once() -> None:
    made, _ = alice(renamed(2, "Alice", "Anna"), told(3, "$instance.forgot", name="Alice"))
    made.apply(told(4, "$instance.registered", name="alice"))
    assert made.apply(told(5, "$instance.forgot", name="Alice")) == []
    assert made.instances[4] is made.find("alice")


def test_whoever_registers_gets_what_waited_since_the_last_one_let_go() -> None:
    made, _ = alice(
        message(2, "inbox.alice"),
        renamed(3, "Alice", "Anna"),
        message(4, "inbox.alice"),
        told(5, "$instance.forgot", name="Alice"),
        message(6, "inbox.alice"),
        told(7, "$instance.registered", name="alice"),
        message(8, "inbox.alice"),
    )
    assert made.spans(made.instances[1], 0, END)[:1] == [Span("inbox.alice", 0, 5)]
    assert made.spans(made.instances[7], 0, END) == [Span("inbox.alice", 5, END)]


def test_what_waited_for_a_name_before_somebody_was_renamed_to_it_is_not_theirs() -> None:
    made, it = alice(message(2, "inbox.anna"), renamed(3, "Alice", "Anna"), message(4, "inbox.anna"))
    assert made.spans(it, 0, END) == [Span("inbox.anna", 3, END)]
    assert made.recipients(message(2, "inbox.anna")) == []
    assert made.recipients(message(4, "inbox.anna")) == [it]


def test_a_second_registration_of_a_name_ends_the_first_holders_time() -> None:
    """The hub does not let it come to this; a log that has it reads the same in memory and in SQL."""
    made, _ = alice(told(2, "$instance.registered", name="alice"))
    assert made.find("alice") is made.instances[2]
    assert made.instances[1].holdings[0].until == 2


def test_what_was_before_the_floor_is_forgotten() -> None:
    """Or renaming would fill the memory of the hub."""
    made, it = alice()
    for number in range(100):
        made.apply(renamed(2 + 2 * number, f"n{number - 1}" if number else "Alice", f"n{number}"))
        made.apply(told(3 + 2 * number, "$instance.forgot", name=f"n{number - 1}" if number else "Alice"))
    assert len(it.holdings) == 101
    made.forget_holdings(199)
    assert [each.key for each in it.holdings] == ["n97", "n98", "n99"]
    assert set(made.freed) == {"n97", "n98"}
    assert made.find("n99") is it


def test_a_former_name_stays_while_its_holder_has_to_be_told_what_was_removed_of_it() -> None:
    made, it = alice(
        message(2, "inbox.alice"),
        renamed(3, "Alice", "Anna"),
        told(4, "$instance.forgot", name="Alice"),
        renamed(5, "Anna", "Ann"),
        told(6, "$instance.forgot", name="Anna"),
    )
    made.trimmed("inbox.alice", 1, 300, 2)
    made.forget_holdings(7)
    assert [each.key for each in it.holdings] == ["alice", "ann"]
    it.read = 4
    made.freed["alice"] = 4
    made.forget_holdings(8)
    assert [each.key for each in it.holdings] == ["ann"]


# What is heard


@pytest.mark.parametrize(
    ("subscribed", "topic", "since"),
    [
        ([], "build", END),
        ([("build", 5)], "build", 5),
        ([("build.*", 5)], "build", END),
        ([("build.*", 5)], "build.linux", 5),
        ([(">", 3), ("build", 9)], "build", 3),
        ([("build", 3), (">", 9)], "build", 3),
        ([("*", 9), (">", 8)], "build", 8),
        ([(">", 3)], "all", 1),
    ],
)
def test_a_topic_is_heard_from_the_first_subscription_that_covers_it(
    subscribed: list[tuple[str, int]], topic: str, since: int
) -> None:
    made, it = alice(*(told(at, "$subscription.added", origin=1, topic=pattern) for pattern, at in subscribed))
    assert hears_since(it, topic) == since
    made.apply(message(20, topic))
    assert made.spans(it, 0, END) == ([Span(topic, since, END)] if since < END else [])
    assert made.recipients(message(20, topic, origin=9)) == ([it] if since < END else [])
    assert made.recipients(message(20, topic, origin=1)) == [], "nobody is sent their own words"
    assert made.recipients(message(since if since < END else 1, topic, origin=9)) == []


def test_what_one_hears_is_all_its_names_and_its_subscriptions() -> None:
    made, it = alice(renamed(2, "Alice", "Anna"), told(3, "$subscription.added", origin=1, topic="build.*"))
    assert set(it.hears()) == {"all", "inbox.alice", "inbox.anna", "build.*"}
    made.apply(told(4, "$instance.forgot", name="Alice"))
    made.apply(told(5, "$subscription.removed", origin=1, topic="build.*"))
    assert set(it.hears()) == {"all", "inbox.anna"}


def test_subscribing_again_does_not_move_the_beginning() -> None:
    _, it = alice(*(told(at, "$subscription.added", origin=1, topic="build") for at in (3, 7)))
    assert it.subscriptions == {"build": 3}


def test_removing_what_is_not_subscribed_is_nothing() -> None:
    _, it = alice(told(3, "$subscription.removed", origin=1, topic="build"))
    assert it.subscriptions == {}


PATTERNS = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=3).map(".".join) | st.sampled_from(
    [">", "a.>", "*.>", "a.b.>"]
)
STEPS = st.lists(st.tuples(st.sampled_from([1, 2, 3]), PATTERNS, st.booleans()), max_size=12)


@given(STEPS)
def test_the_hearers_of_a_topic_are_those_who_hear_it(steps: list[tuple[int, str, bool]]) -> None:
    made = registry(*(told(offset, "$instance.registered", name=f"a{offset}") for offset in (1, 2, 3)))
    for offset, (origin, pattern, add) in enumerate(steps, 4):
        topic = "$subscription.added" if add else "$subscription.removed"
        made.apply(told(offset, topic, origin=origin, name=f"a{origin}", topic=pattern))
    for topic in ("a", "b", "a.b", "a.b.a", "b.b"):
        assert made.hearers(topic) == [each for each in made.instances.values() if hears(each, topic)]


def test_the_facts_are_for_nobody() -> None:
    made, _ = alice(told(2, "$subscription.added", origin=1, topic=">"))
    assert made.recipients(message(3, "$cursors", origin=0)) == []


PATTERNS = ["build", "build.*", "build.>", "*", ">", "chat"]
TOPICS = ["build", "build.linux", "build.linux.x", "chat", "all", "inbox.alice", "inbox.bob", "$hub.started"]


@given(
    subscribed=st.dictionaries(st.sampled_from(PATTERNS), st.integers(2, 30)),
    heads=st.dictionaries(st.sampled_from(TOPICS), st.integers(1, 40)),
    after=st.integers(0, 45),
    upto=st.integers(0, 45),
)
def test_spans_are_what_is_heard_and_nothing_else(
    subscribed: dict[str, int], heads: dict[str, int], after: int, upto: int
) -> None:
    made, it = alice()
    it.subscriptions = subscribed
    made.topics.clear()
    for topic, head in sorted(heads.items(), key=lambda each: each[1]):
        made.apply(message(head, topic))
    for topic, head in heads.items():
        if is_open(topic):
            since = min((s for pattern, s in subscribed.items() if matches(pattern, topic)), default=END)
        else:
            since = {"all": 1, "inbox.alice": 0}.get(topic, END)
        begin = max(after, since)
        expected = [Span(topic, begin, upto)] if since < END and head > begin and upto > begin else []
        assert [span for span in made.spans(it, after, upto) if span.topic == topic] == expected
    assert len(made.spans(it, after, upto)) == len({span.topic for span in made.spans(it, after, upto)})


def test_a_party_is_what_an_instance_may_see() -> None:
    made, it = alice(
        renamed(2, "Alice", "Anna"),
        told(3, "$instance.forgot", name="Alice"),
        told(4, "$subscription.added", origin=1, topic="build.>"),
    )
    inboxes = (Span("inbox.alice", 0, 3), Span("inbox.anna", 2, END))
    made.apply(message(5, topic="build.linux"))
    made.apply(message(6, topic="deploy"))
    assert made.party(it) == Party(origin=1, spans=inboxes, patterns=(("all", 1), ("build.linux", 4)))


def test_a_party_keeps_its_wildcards_where_naming_their_topics_would_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.registry.NAMED", 1)
    made, it = alice(told(4, "$subscription.added", origin=1, topic="build.>"))
    for offset, topic in enumerate(["build.linux", "deploy"], start=5):
        made.apply(message(offset, topic=topic))
    assert made.party(it).patterns == (("all", 1), ("build.>", 4))


# Cursors and inboxes


@pytest.mark.parametrize(
    ("moves", "received", "read"),
    [
        ([(5, 3)], 5, 3),
        ([(5, 3), (2, 1)], 5, 3),
        ([(0, 4)], 4, 4),
        ([(9, 0), (0, 4)], 9, 4),
    ],
)
def test_cursors_only_grow(moves: list[tuple[int, int]], received: int, read: int) -> None:
    made, it = alice()
    for each in moves:
        made.move(it, *each)
    assert (it.received, it.read) == (received, read)
    assert made.move(it, received, read) is False


def test_a_fact_about_cursors_moves_them_and_shows_that_somebody_was_there() -> None:
    moved = [{"origin": 1, "name": "Alice", "received": 9, "read": 7}]
    _, it = alice(told(9, "$cursors", at=NOW + 5, moved=moved), told(10, "$cursors", at=NOW - 5, moved=moved))
    assert (it.received, it.read, it.last_seen) == (9, 7, NOW + 5)


def test_coming_and_going_is_being_seen() -> None:
    _, it = alice(told(2, "$session.left", at=NOW + 3, origin=1, name="Alice", reason="x", sessions=0))
    assert it.last_seen == NOW + 3


def offsets(inbox: Inbox | None) -> list[int]:
    return [each.offset for each in inbox.messages] if inbox else []


def test_what_is_unread_waits_in_the_inbox_and_what_is_read_does_not() -> None:
    made, it = alice(*(message(offset, "inbox.alice") for offset in (2, 3, 4)))
    assert (offsets(made.inboxes["inbox.alice"]), made.inboxes["inbox.alice"].size) == ([2, 3, 4], 300)
    made.move(it, 0, 3)
    assert (offsets(made.inboxes["inbox.alice"]), made.inboxes["inbox.alice"].size) == ([4], 100)
    made.move(it, 0, 4)
    assert made.inboxes == {}


def test_what_comes_through_the_old_name_is_read_with_the_rest() -> None:
    made, it = alice(renamed(2, "Alice", "Anna"), message(3, "inbox.alice"), message(4, "inbox.anna"))
    made.move(it, 0, 4)
    assert made.inboxes == {}


def test_what_an_earlier_holder_left_unread_is_not_read_by_the_next() -> None:
    made, _ = alice(
        message(2, "inbox.alice"),
        renamed(3, "Alice", "Anna"),
        told(4, "$instance.forgot", name="Alice"),
        told(5, "$instance.registered", name="alice"),
        message(6, "inbox.alice"),
    )
    made.move(made.instances[5], 0, 6)
    assert offsets(made.inboxes["inbox.alice"]) == [2]
    made.move(made.instances[1], 0, 6)
    assert made.inboxes == {}


def test_what_is_trimmed_waits_no_longer() -> None:
    made, _ = alice(*(message(offset, "inbox.alice") for offset in (2, 3)), message(4, "build"))
    made.trimmed("inbox.alice", 1, 100, 2)
    assert offsets(made.inboxes["inbox.alice"]) == [3]
    made.trimmed("inbox.alice", 1, 100, 3)
    assert made.inboxes == {}
    stock = made.topics["inbox.alice"]
    assert (stock.messages, stock.size, stock.head, stock.trimmed) == (0, 0, 3, 3)


@pytest.mark.parametrize(
    ("expiries", "now", "left"),
    [
        ([None, None], NOW, [1, 2]),
        ([NOW, None], NOW, [2]),
        ([NOW + 1, NOW], NOW, [1]),
        ([NOW + 1, NOW + 2], NOW + 5, []),
    ],
)
def test_what_has_expired_leaves_the_inbox(expiries: Iterable[float | None], now: float, left: list[int]) -> None:
    made, _ = alice()
    for offset, expires_at in enumerate(expiries, 1):
        made.inboxes.setdefault("inbox.alice", Inbox()).add(waiting(offset, expires_at=expires_at))
    made.expire("inbox.alice", now)
    assert offsets(made.inboxes.get("inbox.alice")) == left
    if left:
        assert made.inboxes["inbox.alice"].size == 10 * len(left)
    made.expire("inbox.nobody", now)


def test_expiry_is_looked_at_again_after_more_has_come() -> None:
    inbox = Inbox()
    inbox.add(waiting(1, expires_at=NOW + 10))
    inbox.drop_expired(NOW)
    inbox.add(waiting(2, expires_at=NOW + 5))
    inbox.drop_expired(NOW + 5)
    assert offsets(inbox) == [1]
    inbox.drop_expired(NOW + 10)
    assert offsets(inbox) == []


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=10),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=4),
)
def test_the_size_of_an_inbox_is_what_is_in_it(sizes: list[int], drops: list[tuple[int, int]]) -> None:
    inbox = Inbox()
    left = dict(enumerate(sizes, 1))
    for offset, size in left.items():
        inbox.add(waiting(offset, size=size))
    for upto, after in drops:
        inbox.drop(upto, after)
        left = {offset: size for offset, size in left.items() if not after < offset <= upto}
        assert offsets(inbox) == list(left)
        assert inbox.size == sum(left.values())
    assert [each.offset for each in inbox.within(2, 5)] == [offset for offset in left if 2 < offset <= 5]


# As the tables have it


def test_it_begins_where_the_tables_stand() -> None:
    state = empty(
        head=50,
        floor=20,
        instances=[InstanceRow(origin=1, name="Anna", registered_at=1.0, last_seen=2.0, received=9, read=7)],
        holdings=[
            Holding(key="old", name="old", origin=1, since=0, until=10, forwards_until=1.0),
            Holding(key="alice", name="Alice", origin=1, since=0, until=30, forwards_until=1.0),
            Holding(key="anna", name="Anna", origin=1, since=9, until=None),
        ],
        subscriptions=[SubscriptionRow(origin=1, pattern="build.*", since=12)],
        topics=[TopicRow(topic="build.linux", messages=3, size=30, head=40, trimmed=15)],
        waiting=[WaitingRow(topic="inbox.anna", offset=33, size=5, at=NOW, expires_at=None)],
    )
    made = Registry(state)
    it = made.instances[1]
    assert (it.name, it.received, it.read, it.last_seen, it.registered_at) == ("Anna", 9, 7, 2.0, 1.0)
    assert made.find("anna") is it
    assert made.find("alice") is None
    assert made.freed == {"alice": 30}, "what lies before the floor is of no use"
    assert [each.key for each in it.holdings] == ["alice", "anna"]
    assert it.subscriptions == {"build.*": 12}
    assert (made.topics["build.linux"].head, made.topics["build.linux"].trimmed) == (40, 15)
    assert (offsets(made.inboxes["inbox.anna"]), made.inboxes["inbox.anna"].size) == ([33], 5)
