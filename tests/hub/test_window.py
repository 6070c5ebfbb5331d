"""The log's tail in memory: bounded, whole, indexed by topic, and shared between readers alike."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.log import Span
from hub.message import Message
from hub.window import MAX_KEPT, MAX_KEPT_SIZE, MAX_RUN, MAX_RUN_SIZE, Run, Window, bounded
from tests.hub.core import NOW, message


def window(*topics: str, head: int = 0, most: int = 1000, size: int = 10**6) -> Window:
    made = Window(head, max_messages=most, max_size=size)
    made.extend([message(head + place, topic) for place, topic in enumerate(topics, 1)])
    return made


def offsets(run: Run) -> list[int]:
    assert run.offsets == [each.offset for each in run.messages]
    assert len(run) == len(run.offsets)
    return run.offsets


def test_an_empty_window_begins_after_the_head() -> None:
    empty = Window(41, max_messages=5, max_size=100)
    assert (empty.head, empty.floor, len(empty), empty.size) == (41, 42, 0, 0)
    assert offsets(empty.run(("a",), 41, 10)) == []
    assert empty.run(("a",), 41, 10).complete
    assert empty.newest(5) == []


def test_it_is_loaded_with_the_tail_of_the_log() -> None:
    loaded = Window(9, max_messages=5, max_size=10_000)
    loaded.load([message(8), message(9)])
    assert (loaded.floor, loaded.head, len(loaded)) == (8, 9, 2)
    loaded = Window(9, max_messages=5, max_size=10_000)
    loaded.load([])
    assert (loaded.floor, loaded.head) == (10, 9)


@pytest.mark.parametrize(
    ("most", "size", "floor"),
    [
        pytest.param(3, 10**6, 8, id="by number"),
        pytest.param(100, 250, 9, id="by bytes"),
        pytest.param(100, 1, 10, id="one stays, however large"),
        pytest.param(100, 10**6, 1, id="with room to spare"),
    ],
)
def test_the_oldest_go_where_there_is_no_room(most: int, size: int, floor: int) -> None:
    made = window(*["a", "b"] * 5, most=most, size=size)
    assert (made.floor, made.head) == (floor, 10)
    assert [each.offset for each in made.newest(100)] == list(range(floor, 11))
    assert made.size == 100 * len(made) == 100 * (11 - floor)


@pytest.mark.parametrize(
    ("topics", "after", "given_"),
    [
        (("a",), 0, [1, 3, 6]),
        (("a",), 3, [6]),
        (("a",), 6, []),
        (("b", "a"), 0, [1, 2, 3, 5, 6]),
        (("c", "b"), 2, [4, 5]),
        (("nobody",), 0, []),
        (None, 0, [1, 2, 3, 4, 5, 6]),
        (None, 4, [5, 6]),
    ],
)
def test_a_run_is_in_the_logs_order(topics: tuple[str, ...] | None, after: int, given_: list[int]) -> None:
    run = window("a", "b", "a", "c", "b", "a").run(topics, after, 100)
    assert offsets(run) == given_
    assert run.complete


@pytest.mark.parametrize(
    ("room", "length", "complete"), [(1, 1, False), (2, 2, False), (3, 4, False), (5, 8, False), (9, 10, True)]
)
def test_a_run_is_about_as_long_as_there_is_room(room: int, length: int, complete: bool) -> None:
    run = window(*"a" * 10).run(("a",), 0, room)
    assert (len(run), run.complete) == (length, complete)


def test_readers_with_the_same_question_share_the_answer_until_the_next_commit() -> None:
    made = window("a", "b")
    first = made.run(("a",), 0, 200)
    assert made.run(("a",), 0, 256) is first
    assert made.run(("a",), 0, 20) is not first
    assert made.run(("a", "b"), 0, 200) is not first
    assert made.run(None, 0, 200) is not first
    made.extend([message(3, "b")])
    assert made.run(("a",), 0, 200) is not first


def test_a_run_knows_whose_words_are_in_it_and_whether_some_expire() -> None:
    made = Window(0, max_messages=10, max_size=10_000)
    made.extend([message(1, "a", origin=5), message(2, "a", origin=7, expires_at=9.0), message(3, "b", origin=8)])
    run = made.run(("a",), 0, 10)
    assert (run.origins, run.expires) == ({5, 7}, True)
    assert not made.run(("b",), 0, 10).expires


def test_a_long_stretch_is_handed_out_in_several_runs() -> None:
    made = window(*"a" * (MAX_RUN + 1), most=10_000)
    run = made.run(("a",), 0, 65_536)
    assert (len(run), run.complete) == (MAX_RUN, False)
    rest = made.run(("a",), run.offsets[-1], 65_536)
    assert (offsets(rest), rest.complete) == ([MAX_RUN + 1], True)


def test_a_run_of_large_messages_ends_early_but_has_one() -> None:
    large = [message(1, size=MAX_RUN_SIZE + 1), message(2, size=MAX_RUN_SIZE), message(3, size=1)]
    assert offsets(bounded(large, 10)) == [1]
    assert offsets(bounded(large[1:], 10)) == [2]
    assert bounded(large[2:], 10).complete
    assert bounded([], 10).complete


def test_what_is_let_go_is_let_go_at_once() -> None:
    """Were the lanes' lists only cut now and then, 63 topics could hold 64 times what the window may."""
    made = Window(0, max_messages=64, max_size=10**9)
    bodies = [f"a body of its own {number}" for number in range(630)]
    free = [sys.getrefcount(bodies[number]) for number in range(630)]
    made.extend(message(place, f"t{place % 63}", body=body) for place, body in enumerate(bodies, 1))
    held = [number for number in range(630) if sys.getrefcount(bodies[number]) > free[number]]
    assert held == list(range(630 - 64, 630))


def test_answers_kept_for_the_next_reader_are_bounded() -> None:
    """Readers that each stand elsewhere ask each a question of their own, and the log may rest meanwhile."""
    made = window(*"a" * (2 * MAX_KEPT), most=10_000)
    for after in range(2 * MAX_KEPT):
        made.run(("a",), after, 1)
    assert len(made._runs) <= MAX_KEPT
    large = Window(0, max_messages=100, max_size=10**9)
    large.extend(message(place, size=MAX_RUN_SIZE - 1) for place in range(1, 51))
    for after in range(50):
        large.run(None, after, 64)
        assert sum(run.size for run in large._runs.values()) == large._kept <= MAX_KEPT_SIZE


def test_lanes_that_are_empty_are_gone() -> None:
    made = window(*(f"t{place}" for place in range(100)), most=10)
    assert len(made._lanes) == 10


TOPIC = st.sampled_from(["a", "b", "c"])


@given(
    batches=st.lists(st.lists(st.tuples(TOPIC, st.integers(1, 5)), max_size=80), max_size=6),
    most=st.integers(1, 100),
    size=st.integers(1, 200),
)
def test_the_window_is_the_end_of_a_list(batches: list[list[tuple[str, int]]], most: int, size: int) -> None:
    made = Window(0, max_messages=most, max_size=size)
    plain: list[Message] = []
    for batch in batches:
        fresh = [message(len(plain) + place, topic, size=size_) for place, (topic, size_) in enumerate(batch, 1)]
        plain += fresh
        made.extend(fresh)
        kept = plain[made.floor - 1 :]
        assert made.newest(10**6) == kept
        assert made.newest(2) == kept[-2:]
        for offset in (0, made.floor - 1, made.floor, made.head, made.head + 1):
            assert made.find(offset) == next((each for each in kept if each.offset == offset), None)
        assert made.size == sum(each.size for each in kept)
        assert len(kept) == len(made) <= most
        assert made.size <= size or len(kept) == 1
        if made.floor > 1:
            assert len(kept) == most or made.size + plain[made.floor - 2].size > size, "it lets go no more than it must"
        for topics in (("a",), ("a", "b"), ("b", "c", "a"), None):
            for after in {made.floor - 1, made.head} if plain else {0}:
                run = made.run(topics, after, 1000)
                expected = [each for each in kept if (topics is None or each.topic in topics) and each.offset > after]
                assert list(run.messages) == expected


@given(
    said=st.lists(
        st.tuples(st.sampled_from(["all", "build", "inbox.alice"]), st.sampled_from([1, 2]), st.booleans()), max_size=30
    ),
    after=st.integers(0, 30),
    upto=st.integers(0, 30),
)
def test_counting_is_looking_at_each(said: list[tuple[str, int, bool]], after: int, upto: int) -> None:
    window = Window(0, max_messages=20, max_size=10**9)
    kept = [
        message(offset, topic, origin=origin, expires_at=NOW if expires else None, at=float(offset))
        for offset, (topic, origin, expires) in enumerate(said, 1)
    ]
    for each in kept:
        window.extend([each])
    for topic in ("all", "build", "inbox.alice", "chat"):
        wanted = [
            each
            for each in kept[-20:]
            if each.topic == topic
            and after < each.offset <= upto
            and not each.expired(NOW)
            and (each.origin != 1 or topic.startswith("inbox."))
        ]
        oldest = wanted[0].at if wanted else None
        assert window.count(Span(topic, after, upto), 1, NOW) == (len(wanted), oldest)
