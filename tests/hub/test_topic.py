"""Names, addresses, topics and patterns; and the tree of words against the plain way to match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import BadName, BadTopic
from hub.topic import Tree, address, inbox, is_open, is_pattern, matches, name_key, near, pattern_key, topic_key


@pytest.mark.parametrize(
    ("name", "key"),
    [("a", "a"), ("Alice", "alice"), ("A-b_9", "a-b_9"), ("x" * 32, "x" * 32), ("-", "-"), ("0", "0")],
)
def test_a_name_matches_without_case(name: str, key: str) -> None:
    assert name_key(name) == key
    assert inbox(name) == f"inbox.{key}"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("x" * 33, id="33 characters"),
        pytest.param("a b", id="a space"),
        pytest.param("a.b", id="a dot"),
        pytest.param("a\n", id="a line break at the end"),
        pytest.param("a\x00", id="a NUL"),
        pytest.param("Zoë", id="not ASCII"),
        pytest.param("\u212aate", id="the Kelvin sign, whose small letter is k"),
        pytest.param("é", id="a letter beyond ASCII"),
        pytest.param("\ud800", id="a lone surrogate"),
        pytest.param("$hub", id="the hub's own sign"),
        pytest.param("all", id="everybody"),
        pytest.param("ALL", id="everybody in capitals"),
        pytest.param("system", id="reserved"),
        pytest.param("*", id="a wildcard"),
        pytest.param("../x", id="a path"),
    ],
)
def test_what_is_not_a_name_is_refused_in_words(name: str) -> None:
    with pytest.raises(BadName) as why:
        name_key(name)
    assert why.value.hint == "Choose another name."
    assert why.value.message.isprintable()
    assert len(why.value.message) < 200


@pytest.mark.parametrize(
    ("to", "topic", "name", "written"),
    [
        ("Bob", "inbox.bob", "Bob", "Bob"),
        ("#Build.Linux", "build.linux", None, "#Build.Linux"),
        ("all", "all", None, "all"),
        ("ALL", "all", None, "all"),
        ("#x", "x", None, "#x"),
    ],
)
def test_an_address_is_a_name_a_topic_or_all(to: str, topic: str, name: str | None, written: str) -> None:
    assert address(to) == (written, topic, name)


@pytest.mark.parametrize(
    "to",
    ["", "#", "a b", "#a..b", "#.a", "#a.", "#all", "#inbox.bob", "#Inbox.Bob", "#$hub.started", "##a", "#*", "#a.>"],
)
def test_nothing_else_is_an_address(to: str) -> None:
    with pytest.raises((BadName, BadTopic)):
        address(to)


@pytest.mark.parametrize(
    "topic",
    [
        pytest.param("\u212aey", id="the Kelvin sign"),
        pytest.param("x" * 201, id="201 characters"),
        pytest.param(".".join("x" * 17), id="17 words"),
        pytest.param("a b", id="a space"),
        pytest.param("$x", id="the hub's own"),
        pytest.param("all.day", id="begins with all"),
        pytest.param("a\n", id="a line break"),
    ],
)
@pytest.mark.parametrize("read", [topic_key, pattern_key])
def test_a_bad_topic_is_refused_to_publish_and_to_subscribe(read: object, topic: str) -> None:
    assert callable(read)
    with pytest.raises(BadTopic):
        read(topic)


def test_the_largest_topics_are_accepted() -> None:
    assert topic_key("x" * 200) == "x" * 200
    assert topic_key(".".join("X" * 16)) == ".".join("x" * 16)


def test_a_wildcard_in_a_topic_to_publish_to_is_explained() -> None:
    with pytest.raises(BadTopic) as why:
        topic_key("build.*")
    assert why.value.hint == "Wildcards are for subscriptions only."


@pytest.mark.parametrize(
    ("text", "key"),
    [("#Build.*", "build.*"), ("build.>", "build.>"), (">", ">"), ("*", "*"), ("*.x.*", "*.x.*"), ("a", "a")],
)
def test_a_pattern_may_have_wildcards_and_a_hash(text: str, key: str) -> None:
    assert pattern_key(text) == key


@pytest.mark.parametrize("text", [">.a", "a.>.b", "a*", "a.b>", "", "#", "inbox.*", "all", "$>", "$hub.*"])
def test_what_is_not_a_pattern_is_refused(text: str) -> None:
    with pytest.raises(BadTopic):
        pattern_key(text)


@pytest.mark.parametrize(("key", "wild"), [("a.*", True), ("a.>", True), (">", True), ("a.b", False)])
def test_a_pattern_is_known_by_its_wildcards(key: str, wild: bool) -> None:
    assert is_pattern(key) is wild


@pytest.mark.parametrize(
    ("topic", "reached"),
    [("build", True), ("inbox.bob", False), ("inboxes", True), ("all", False), ("allow", True), ("$cursors", False)],
)
def test_wildcards_reach_open_topics_only(topic: str, reached: bool) -> None:
    assert is_open(topic) is reached


@pytest.mark.parametrize(
    ("pattern", "topic", "covered"),
    [
        ("a", "a", True),
        ("a", "a.b", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("*.b", "a.b", True),
        (">", "a", True),
        (">", "a.b.c", True),
        ("a.>", "a", False),
        ("a.>", "a.b", True),
        ("a.>", "a.b.c", True),
        ("a.>", "ab.c", False),
        ("*.>", "a", False),
        ("*.>", "a.b", True),
    ],
)
def test_matching_is_as_in_nats(pattern: str, topic: str, covered: bool) -> None:
    assert matches(pattern, topic) is covered
    tree = Tree[str]()
    tree.add(pattern, "reader")
    assert (list(tree.match(topic)) == ["reader"]) is covered


WORDS = st.sampled_from(["a", "b", "c"])
TOPICS = st.lists(WORDS, min_size=1, max_size=4).map(".".join)
PATTERNS = st.builds(
    lambda words, tail: ".".join([*words, *tail]),
    st.lists(st.one_of(WORDS, st.just("*")), min_size=1, max_size=4),
    st.sampled_from([[], [">"]]),
) | st.just(">")


@given(
    changes=st.lists(st.tuples(st.booleans(), PATTERNS | TOPICS, st.integers(0, 2)), max_size=20),
    topics=st.lists(TOPICS, min_size=1, max_size=5),
)
def test_the_tree_answers_as_trying_each_pattern_does(changes: list[tuple[bool, str, int]], topics: list[str]) -> None:
    tree, on = Tree[int](), set[tuple[str, int]]()
    for add, pattern, reader in changes:
        if add:
            tree.add(pattern, reader)
            on.add((pattern, reader))
        else:
            tree.remove(pattern, reader)
            on.discard((pattern, reader))
    for topic in topics:
        assert set(tree.match(topic)) == {reader for pattern, reader in on if matches(pattern, topic)}
    assert set(tree.patterns()) == {pattern for pattern, _ in on}
    for pattern, reader in on:
        tree.remove(pattern, reader)
    assert not tree._root.next, "branches that nobody is on are cut"


def test_readers_come_in_the_order_in_which_they_subscribed() -> None:
    tree = Tree[str]()
    for reader in ("carol", "alice", "bob"):
        tree.add("a", reader)
    assert list(tree.match("a")) == ["carol", "alice", "bob"]


@pytest.mark.parametrize(
    ("meant", "found"),
    [
        ("alcie", ["Alice"]),
        ("ALICE", ["Alice"]),
        ("bob2", ["bob"]),
        ("zzz", []),
        ("agent", ["agent-1", "agent-2", "agent-3"]),
    ],
)
def test_up_to_three_near_names_are_found_as_they_are_spelled(meant: str, found: list[str]) -> None:
    known = ["bob", "agent-1", "agent-2", "agent-3", "agent-long-name", "Alice"]
    assert sorted(near(meant, known)) == found
