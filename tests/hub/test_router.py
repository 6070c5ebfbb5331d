"""Which sessions a topic wakes: the answer of a plain search, however often the router was asked before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.router import Router
from hub.session import Session
from hub.topic import is_open, is_pattern, matches

HEARD = ["all", "inbox.a", "inbox.b", "build", "build.linux", "build.*", "build.>", "*", ">"]
ASKED = ["all", "inbox.a", "inbox.b", "build", "build.linux", "build.linux.x", "chat", "$cursors"]


def session(number: int) -> Session:
    return Session(
        number,
        None,
        observer=False,
        position=0,
        credit=1,
        secret=None,
        client=None,
        joined_at=0.0,
        wake=lambda: None,
    )


@given(st.lists(st.tuples(st.integers(0, 3), st.sets(st.sampled_from(HEARD)), st.sampled_from(ASKED)), max_size=15))
def test_a_topic_wakes_whoever_hears_it(steps: list[tuple[int, set[str], str]]) -> None:
    router, sessions = Router(), [session(number) for number in range(4)]
    heard: dict[int, set[str]] = {}
    for number, topics, asked in steps:
        before = heard.get(number, set())
        assert router.route(sessions[number], topics) == topics - before
        heard[number] = topics
        for topic in (asked, *ASKED):  # asked twice: the second answer may be a kept one
            expected = {
                sessions[each]
                for each, on in heard.items()
                if topic in on or (is_open(topic) and any(is_pattern(p) and matches(p, topic) for p in on))
            }
            found = router.match(topic)
            assert set(found) == expected
            assert len(found) == len(expected), "each once"
    for each in sessions:
        router.route(each, set())
    assert not router._exact
    assert not router._heard
    assert not router._wild
    assert not any(router.match(topic) for topic in ASKED)


def test_answers_kept_are_bounded() -> None:
    router = Router()
    router.route(session(1), {">"})
    for number in range(10_500):
        assert len(router.match(f"t{number}")) == 1
    assert len(router._known) <= 10_000


def test_a_pattern_wakes_for_topics_that_come_later() -> None:
    router, one = Router(), session(1)
    assert router.match("build.linux") == ()
    router.route(one, {"build.*"})
    assert router.match("build.linux") == (one,)
    router.route(one, set())
    assert router.match("build.linux") == ()
