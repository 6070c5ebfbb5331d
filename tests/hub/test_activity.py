from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from hub import fold
from hub.activity import Stretch, name_the_awaited, stretches
from hub.log import Exchange
from hub.message import Message
from tests.hub.memory_log import fact

ME = 7


def told(at: float, topic: str, /, **data: Any) -> Message:
    return Message.of(structs.replace(fact(0, topic, **data), at=at), offset=1)


def presence(at: float, activity: str | None) -> Message:
    return told(at, fold.PRESENCE, origin=ME, activity=activity)


def joined(at: float, sessions: int = 1) -> Message:
    return told(at, fold.JOINED, origin=ME, sessions=sessions)


def left(at: float, sessions: int = 0) -> Message:
    return told(at, fold.LEFT, origin=ME, sessions=sessions)


def lane(found: list[Stretch]) -> list[tuple[str, float, float]]:
    return [(each.state, each.begun, each.ended) for each in found]


@pytest.mark.parametrize(
    ("facts", "before", "standing", "found"),
    [
        ([], "unknown", ("idle", 20), [("idle", 100, 200)]),
        ([], "unknown", ("idle", 150), [("unknown", 100, 150), ("idle", 150, 200)]),
        ([], "offline", ("offline", 20), [("offline", 100, 200)]),
        (
            [joined(110), presence(120, "working"), presence(130, "idle"), left(140)],
            "offline",
            ("offline", 140),
            [("offline", 100, 110), ("online", 110, 120), ("working", 120, 130), ("idle", 130, 140),
             ("offline", 140, 200)],
        ),
        ([presence(50, "working")], "unknown", ("working", 50), [("working", 100, 200)]),
        ([presence(50, "working"), presence(90, "idle"), presence(150, "idle")], "unknown", ("idle", 90),
         [("idle", 100, 200)]),
        ([joined(110), presence(120, "idle"), joined(130, 2), left(140, 1)], "offline", ("idle", 120),
         [("offline", 100, 110), ("online", 110, 120), ("idle", 120, 200)]),
        ([presence(110, "working"), presence(120, None)], "unknown", ("online", 120),
         [("unknown", 100, 110), ("working", 110, 120), ("online", 120, 200)]),
        # a hub that was killed told nobody that its sessions ended
        ([presence(110, "working"), told(150, fold.STARTED, version="1"), joined(160)], "unknown", ("online", 160),
         [("unknown", 100, 110), ("working", 110, 150), ("offline", 150, 160), ("online", 160, 200)]),
        # a clock that was set back, and one that is ahead
        ([presence(150, "working"), presence(120, "idle")], "unknown", ("idle", 120),
         [("unknown", 100, 150), ("idle", 150, 200)]),
        ([presence(250, "working")], "unknown", ("working", 250), [("unknown", 100, 200)]),
    ],
)  # fmt: skip
def test_facts_make_stretches_without_a_gap(
    facts: list[Message], before: str, standing: tuple[str, float], found: list[tuple[str, float, float]]
) -> None:
    assert lane(stretches(facts, 100, 200, before=before, standing=standing)) == found


def said(at: float, to: str, answered_at: float | None = None, topic: str = "inbox.x") -> Exchange:
    return Exchange(ME, "me", to, topic, at, None if answered_at is None else 8, None, answered_at)


@pytest.mark.parametrize(
    ("exchanges", "asked"),
    [
        ([], None),
        ([said(90, "bob")], "bob"),
        ([said(90, "bob", 95)], None),
        ([said(90, "bob", 120)], "bob"),
        ([said(80, "carol"), said(90, "bob", 95)], None),
        ([said(90, "bob"), said(101, "carol")], "bob"),
        ([said(100, "bob"), said(80, "carol")], "bob"),
        ([said(90, "#build", topic="build")], None),
        ([said(90, "bob")._replace(asker=8)], None),
    ],
)
def test_who_waits_waits_for_whom_it_last_wrote_to_without_an_answer(exchanges: list[Exchange], asked: str) -> None:
    waiting = Stretch(state="waiting", begun=100, ended=130)
    idle = Stretch(state="idle", begun=130, ended=140)
    name_the_awaited([waiting, idle], exchanges, ME)
    assert (waiting.asked, idle.asked) == (asked, None)
