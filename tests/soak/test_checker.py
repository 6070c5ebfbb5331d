"""The judge is judged first: each breach is found in a history of a few events, and a good history has none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.invariants import SEEN_FROM_OUTSIDE
from tests.soak.checker import Checker

Event = tuple[Any, ...]


def judged(*events: Event) -> dict[str, int]:
    """The breaches found in a history, as many of each kind as there are."""
    checker = Checker()
    for name, *parts in events:
        named = parts.pop() if parts and isinstance(parts[-1], dict) else {}
        getattr(checker, name)(*parts, **named)
    return {name: len(found) for name, found in checker.verdict().broken.items() if found}


SENT = (("sent", "m1", "bob", "alice"), ("sent", "m2", "bob", "alice"), ("sent", "m3", "bob", "alice"))
STORED = (*SENT, ("confirmed", "m1", 1), ("confirmed", "m2", 2), ("confirmed", "m3", 3))
KEPT = (*STORED, ("reading", [(1, "m1"), (2, "m2"), (3, "m3")]))
ALICE = ("begun", "alice/1", "alice", 0)


def given(session: str, *offsets: int) -> tuple[Event, ...]:
    return tuple(("delivered", session, f"m{offset}", offset) for offset in offsets)


GOOD = {
    "nothing happened": (),
    "all was confirmed, kept and given": (*KEPT, ALICE, *given("alice/1", 1, 2, 3)),
    "what was never answered was stored": (*SENT, ("reading", [(1, "m1")]), ALICE, *given("alice/1", 1)),
    "what was never answered was not stored": (*SENT, ("reading", [])),
    "what was refused is not there": (*SENT, ("refused", "m1"), ("reading", [])),
    "a retry was told the same offset": (*KEPT, ("confirmed", "m1", 1)),
    "a new session is given again what was not confirmed as read": (
        *KEPT,
        ALICE,
        *given("alice/1", 1, 2),
        ("read", "alice", 1),
        ("begun", "alice/2", "alice", 1),
        *given("alice/2", 2, 3),
    ),
    "a read that was asked and not confirmed may be forgotten": (
        *KEPT,
        ALICE,
        *given("alice/1", 1, 2),
        ("read_asked", "alice", 2),
        ("begun", "alice/2", "alice", 0),
        *given("alice/2", 1, 2, 3),
    ),
    "a gap says what retention removed": (
        *STORED,
        ("reading", [(3, "m3")], 3),
        ALICE,
        ("gap", "alice/1", 1, 2),
        *given("alice/1", 3),
    ),
    "retention removed from the middle what nobody else counts on": (
        *STORED,
        ("removed", [2]),
        ("reading", [(1, "m1"), (3, "m3")]),
        ALICE,
        *given("alice/1", 1),
        ("gap", "alice/1", 2, 2),
        *given("alice/1", 3),
    ),
    "what a session has not come to yet is not missing": (*KEPT, ALICE, *given("alice/1", 1)),
    "what another session has read need not come": (*KEPT, ALICE, ("read", "alice", 2), *given("alice/1", 3)),
    "nobody is given what they said to all": (
        ("sent", "m1", "alice", "all"),
        ("confirmed", "m1", 1),
        ("hears", "alice", "all", 0),
        ALICE,
        ("caught_up", "alice/1", 1),
    ),
    "a topic is heard from the subscription on": (
        ("sent", "m1", "bob", "#build.linux"),
        ("confirmed", "m1", 1),
        ("hears", "alice", "#build.*", 1),
        ALICE,
        ("caught_up", "alice/1", 1),
    ),
    "what has expired need not come": (
        ("sent", "m1", "bob", "alice", {"may_expire": True}),
        ("confirmed", "m1", 1),
        ALICE,
        ("caught_up", "alice/1", 1),
    ),
    "an id is used again when its first message is no longer kept": (
        *SENT[:1],
        ("confirmed", "m1", 1),
        ("reading", [(1, "m1")]),
        ("reading", [(2, ""), (3, "m1")], 2),
        ("confirmed", "m1", 3),
    ),
    "an observer is not told that a note of a cursor is gone": (
        *SENT[:1],
        ("fleeting", [1]),
        ("removed", [1]),
        ("reading", [(1, "")]),
        ("reading", [(2, "m1")]),
        ("begun", "eye", None, 0),
        ("delivered", "eye", "m1", 2),
    ),
    "an observer is given the hub's own facts too": (
        *SENT[:1],
        ("reading", [(1, ""), (2, "m1")]),
        ("begun", "eye", None, 0),
        ("delivered", "eye", "", 1),
        ("delivered", "eye", "m1", 2),
    ),
}

BAD = {
    "a confirmed message is not on the log": ((*STORED, ("reading", [(1, "m1"), (3, "m3")])), {"lost": 1}),
    "a confirmed message is gone after a restart": (
        (*KEPT, ("reading", [(1, "m1"), (3, "m3")])),
        {"renumbered": 1},
    ),
    "it is somewhere else than was said": (
        (*SENT[:1], ("confirmed", "m1", 1), ("reading", [(2, "m1")])),
        {"falsely confirmed": 1},
    ),
    "a retry was told another offset": ((*KEPT, ("confirmed", "m1", 2)), {"falsely confirmed": 1}),
    "what was refused is there": ((*SENT, ("refused", "m1"), ("reading", [(1, "m1")])), {"falsely confirmed": 1}),
    "a retry was stored again": (
        (*KEPT, ("reading", [(1, "m1"), (2, "m2"), (3, "m3"), (4, "m1")])),
        {"stored twice": 1},
    ),
    "an offset was given again": (
        (*SENT, ("reading", [(1, "m1")]), ("reading", [(1, "m2")])),
        {"renumbered": 1},
    ),
    "nobody sent it": ((ALICE, ("delivered", "alice/1", "m9", 1)), {"conjured": 1}),
    "it was seen before it was on the log, and never was": (
        (*SENT, ("reading", []), ALICE, *given("alice/1", 1)),
        {"conjured": 1},
    ),
    "it came at another's offset": ((*KEPT, ALICE, ("delivered", "alice/1", "m2", 1)), {"conjured": 1}),
    "it was for somebody else": ((*KEPT, ("begun", "carol/1", "carol", 0), *given("carol/1", 1)), {"conjured": 1}),
    "it came twice in a session": ((*KEPT, ALICE, *given("alice/1", 1, 1, 2, 3)), {"doubled": 1}),
    "it came again though its read was confirmed": (
        (
            *KEPT,
            ALICE,
            *given("alice/1", 1),
            ("read", "alice", 1),
            ("begun", "alice/2", "alice", 0),
            *given("alice/2", 1),
        ),
        {"doubled": 1},
    ),
    "a session that begins after it was given it": (
        (*KEPT, ("begun", "alice/1", "alice", 2), *given("alice/1", 2, 3)),
        {"doubled": 1},
    ),
    "two changed places": ((*KEPT, ALICE, *given("alice/1", 2, 1, 3)), {"out of order": 1}),
    "one was passed over": ((*KEPT, ALICE, *given("alice/1", 1, 3)), {"unannounced gaps": 1}),
    "one was passed over, and then said to be read with the rest": (
        (*KEPT, ALICE, *given("alice/1", 1, 3), ("read", "alice", 3)),
        {"unannounced gaps": 1},
    ),
    "the last never came": (
        (*KEPT, ALICE, *given("alice/1", 1, 2), ("caught_up", "alice/1", 3)),
        {"unannounced gaps": 1},
    ),
    "it was removed and nobody said so": (
        (*STORED, ("reading", [(3, "m3")], 3), ALICE, *given("alice/1", 3)),
        {"unannounced gaps": 2},
    ),
    "the gap told is one too short": (
        (*STORED, ("reading", [(3, "m3")], 3), ALICE, ("gap", "alice/1", 1, 1), *given("alice/1", 3)),
        {"unannounced gaps": 1},
    ),
    "a gap was told and all is there": (
        (*KEPT, ALICE, ("gap", "alice/1", 1, 1), *given("alice/1", 2, 3)),
        {"needless gaps": 1, "unannounced gaps": 1},
    ),
    "a gap hides what is still there": (
        (*STORED, ("reading", [(2, "m2"), (3, "m3")], 2), ALICE, ("gap", "alice/1", 1, 2), *given("alice/1", 3)),
        {"unannounced gaps": 1},
    ),
    "a gap comes after what lay behind it": (
        (*STORED, ("reading", [(2, "m2"), (3, "m3")], 2), ALICE, *given("alice/1", 2, 3), ("gap", "alice/1", 1, 1)),
        {"out of order": 1},
    ),
    "a subscriber was passed over": (
        (
            ("sent", "m1", "bob", "#build.linux"),
            ("confirmed", "m1", 1),
            ("hears", "alice", "#build.*", 0),
            ALICE,
            ("caught_up", "alice/1", 1),
        ),
        {"unannounced gaps": 1},
    ),
    "an observer was not shown a fact": (
        (*SENT[:1], ("reading", [(1, ""), (2, "m1")]), ("begun", "eye", None, 0), ("delivered", "eye", "m1", 2)),
        {"unannounced gaps": 1},
    ),
}


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD)
def test_a_good_history_has_nothing_against_it(history: tuple[Event, ...]) -> None:
    assert judged(*history) == {}


@pytest.mark.parametrize(("history", "found"), BAD.values(), ids=BAD)
def test_a_breach_is_found_and_called_by_its_name(history: tuple[Event, ...], found: dict[str, int]) -> None:
    assert judged(*history) == found


def test_every_invariant_has_a_history_that_breaks_it() -> None:
    assert {name for _, found in BAD.values() for name in found} == {each.name for each in SEEN_FROM_OUTSIDE}


def test_the_verdict_is_one_line_of_counts() -> None:
    checker = Checker()
    checker.sent("m1", "bob", "alice")
    checker.confirmed("m1", 7)
    checker.begun("alice/1", "alice", 0)
    checker.delivered("alice/1", "m1", 7)
    verdict = checker.verdict()
    assert verdict.good
    assert str(verdict) == (
        "1 sent, 1 confirmed, 1 delivered, 0 lost, 0 falsely confirmed, 0 stored twice, 0 renumbered, 0 conjured, "
        "0 doubled, 0 out of order, 0 unannounced gaps, 0 needless gaps"
    )
