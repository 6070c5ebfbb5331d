"""What a crowd costs the core: four times as many may take four times as long, not sixteen times.

Lines that Python runs are counted, not seconds: the count is the same on every machine and in every run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from hub import frames
from hub.errors import NameTaken
from hub.session import Session
from tests.hub.core import Core

FEW, MANY = 50, 200
Work = Callable[[], object]


def effort(work: Work) -> int:
    """How many lines `work` runs."""
    lines = 0

    def trace(frame: FrameType, event: str, about: Any) -> Any:
        nonlocal lines
        lines += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines


def crowd(count: int) -> tuple[Core, list[Session]]:
    core = Core()
    return core, [core.session(f"agent-{number}") for number in range(count)]


def back_again(core: Core, sessions: list[Session]) -> None:
    """All leave, then all come back."""
    names = [each.instance.name for each in sessions if each.instance is not None]
    facts = [fact for each in sessions for fact in core.hub.leave(each, "gone", core.now)]
    for name in names:
        facts += core.hub.open(core.hub.join(frames.Hello(name=name), core.now), core.now, lambda: None)[2]
    core.store(*facts)


def registering(count: int) -> Work:
    core = Core()

    def work() -> None:
        joining = [core.hub.join(frames.Hello(name=f"agent-{number}"), core.now) for number in range(count)]
        core.store(*(each.register for each in joining))
        for each in joining:
            core.hub.open(each, core.now, lambda: None)

    return work


def coming_back(count: int) -> Work:
    core, sessions = crowd(count)
    return lambda: back_again(core, sessions)


def coming_back_with_wildcards_among_as_many_inboxes(count: int) -> Work:
    core, sessions = crowd(count)
    for each in sessions:
        core.subscribe(each, "build.>")
    for each in sessions:
        assert each.instance is not None
        core.say(each, each.instance.name)
    return lambda: back_again(core, sessions)


def coming_back_with_wildcards_among_as_many_topics(count: int) -> Work:
    core, sessions = crowd(count)
    for number in range(count):
        core.say(sessions[0], f"#chat.{number}")
    for each in sessions:
        assert each.instance is not None
        core.subscribe(each, "build.>")
        core.read(each.instance)
    return lambda: back_again(core, sessions)


def coming_back_with_as_many_unread(count: int) -> Work:
    core, sessions = crowd(count)
    for _ in range(count):
        core.say(sessions[0], "all")
    return lambda: back_again(core, sessions)


def coming_and_going_while_somebody_talks(count: int) -> Work:
    core, sessions = crowd(count)
    core.subscribe(sessions[1], "build")

    def work() -> None:
        for each in sessions[2:]:
            back_again(core, [each])
            core.told(sessions[0], "#build")

    return work


def registering_while_somebody_talks(count: int) -> Work:
    core, sessions = crowd(2)
    core.subscribe(sessions[1], "build")

    def work() -> None:
        for number in range(count):
            core.register(f"more-{number}")
            core.told(sessions[0], "#build")

    return work


def wanting_the_same_name(count: int) -> Work:
    core = Core()

    def work() -> None:
        for _ in range(count):
            try:
                core.session("agent")
            except NameTaken as why:
                core.session((why.hint or "").split()[0])

    return work


@pytest.mark.parametrize(
    "kind",
    [
        registering,
        coming_back,
        coming_back_with_wildcards_among_as_many_inboxes,
        coming_back_with_wildcards_among_as_many_topics,
        coming_back_with_as_many_unread,
        coming_and_going_while_somebody_talks,
        registering_while_somebody_talks,
        wanting_the_same_name,
    ],
)
def test_a_crowd_costs_what_it_is_large(kind: Callable[[int], Work]) -> None:
    few, many = effort(kind(FEW)), effort(kind(MANY))
    assert few > FEW, "nothing was done"
    assert many < few * (MANY / FEW) * 1.3


def test_a_square_would_be_seen() -> None:
    def pairs(count: int) -> Work:
        return lambda: [(one, other) for one in range(count) for other in range(count)]

    assert effort(pairs(MANY)) > effort(pairs(FEW)) * 10
