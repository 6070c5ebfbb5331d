"""The pump, with connections that only note when it comes."""

from __future__ import annotations

import asyncio

from hub.fanout import SLICE, Fanout


class Noting:
    def __init__(self, fanout: Fanout, name: object, said: list[object]) -> None:
        self.fanout = fanout
        self.name = name
        self.said = said
        self.more = 0

    def answer(self) -> None:
        self.said.append(("answer", self.name))

    def push(self, now: float) -> None:
        self.said.append(self.name)
        if self.more:
            self.more -= 1
            self.fanout.wake(self)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_everybody_is_served_in_turn_and_nobody_before_the_turn() -> None:
    fanout, said = Fanout(lambda: 1.0), []  # type: ignore[var-annotated]
    for number in range(3):
        fanout.wake(Noting(fanout, number, said))
    assert said == []
    await turns(2)
    assert said == [0, 1, 2]
    await turns(5)
    assert len(said) == 3


async def test_answers_go_first() -> None:
    fanout, said = Fanout(lambda: 1.0), []  # type: ignore[var-annotated]
    fanout.wake(Noting(fanout, "reader", said))
    fanout.answer(Noting(fanout, "publisher", said))
    await turns(2)
    assert said == [("answer", "publisher"), "reader"]


async def test_whoever_has_more_waits_until_the_others_had_their_turn() -> None:
    fanout, said = Fanout(lambda: 1.0), []  # type: ignore[var-annotated]
    long = Noting(fanout, "long", said)
    long.more = 2
    fanout.wake(long)
    fanout.wake(Noting(fanout, "short", said))
    await turns(6)
    assert said == ["long", "short", "long", "long"]


async def test_a_crowd_is_served_in_slices_so_that_what_arrives_meanwhile_is_heard() -> None:
    fanout, said = Fanout(lambda: 1.0), []  # type: ignore[var-annotated]
    for number in range(3 * SLICE):
        fanout.wake(Noting(fanout, number, said))
    seen = []
    while len(said) < 3 * SLICE:
        await asyncio.sleep(0)
        seen.append(len(said))
        if len(said) == SLICE:
            fanout.answer(Noting(fanout, "a publisher", said))
    assert SLICE in seen
    assert said[SLICE] == ("answer", "a publisher")


class Failing(Noting):
    def answer(self) -> None:
        raise RuntimeError("planted")

    def push(self, now: float) -> None:
        raise RuntimeError("planted")


async def test_one_that_raises_is_told_and_the_pump_goes_on_for_the_others() -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(str(context["exception"])))
    fanout, said = Fanout(lambda: 1.0), []  # type: ignore[var-annotated]
    for turn in range(2):
        fanout.answer(Failing(fanout, "failing", said))
        fanout.answer(Noting(fanout, turn, said))
        fanout.wake(Failing(fanout, "failing", said))
        fanout.wake(Noting(fanout, turn, said))
        await turns(5)
    assert said == [("answer", 0), 0, ("answer", 1), 1]
    assert told == ["planted"] * 4
