"""The past against the present: what a hub told of itself at a moment is what is told of that moment later."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub import archive, forecast, frames, inquiry, loading, particulars
from hub.errors import BadValue, HubbubError, UnknownMoment
from hub.history import History
from hub.hub import Limits
from hub.log import Retention
from hub.node import Node
from hub.past import Pasts
from hub.session import Session

NAMES = ("alice", "bob", "carol")
NOW = 1_700_000_000.0
FOREVER = Retention(age=1e9, size=2**40, facts_age=1e9)

Step: TypeAlias = tuple[str, str, str, int]


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


class Ear:
    identity: Any = None

    def wake(self) -> None: ...
    def tell(self, frame: frames.Frame) -> None: ...
    def finish(self, why: HubbubError) -> None: ...


class World:
    """A hub of a few agents, and what it told of itself at each moment."""

    def __init__(self, history: History, node: Node, clock: Clock) -> None:
        self.history, self.node, self.clock = history, node, clock
        self.sessions: dict[str, list[Session]] = {name: [] for name in NAMES}
        self.moments: list[tuple[int, float, dict[str, Any]]] = []

    async def step(self, what: str, who: str, other: str, number: int) -> None:
        """One thing happens, or is refused."""
        mine = self.sessions[who]
        with suppress(HubbubError):
            match what:
                case "join":
                    hello = frames.Hello(name=who, share=True, credit=8, client=f"client {number}")
                    mine.append((await self.node.open(hello, Ear()))[0])
                case "leave" if mine:
                    self.node.leave(mine.pop(number % len(mine)), "went")
                case "say" | "shout" | "build":
                    to = {"say": other, "shout": "all", "build": "#build.linux"}[what]
                    ttl = 5.0 if number % 3 == 0 else None
                    sender = await self.node.register(who)
                    await self.node.publish(sender, frames.Publish(to=to, body=f"number {number}", ttl=ttl))
                case "take" if mine:
                    session = mine[number % len(mine)]
                    while await self.node.next(session) is not None and session.room > 0:
                        pass
                    self.node.received(session, session.pushed, None)
                case "read":
                    instance = await self.node.register(who)
                    self.node.read(instance, max(0, self.node.hub.head - number))
                case "hear":
                    await self.node.subscribe(await self.node.register(who), ("build.>", "build.linux")[number % 2])
                case "ignore":
                    await self.node.unsubscribe(await self.node.register(who), ("build.>", "build.linux")[number % 2])
                case "rename":
                    await self.node.rename(self.node.hub.instance(who), f"{other}{number}")
                case "forget":
                    await self.node.forget(self.node.hub.instance(who), unread=0)
                case "work":
                    said = frames.Presence(activity=("working", "idle", None)[number % 3], wakes=number % 2 == 0)
                    by = mine[number % len(mine)] if mine and number % 4 else None
                    await self.node.tell(self.node.hub.instance(who), said, by)
                case "wait":
                    self.clock.now += number
        for draft in self.node.hub.due(self.node.now()):
            self.node._put(draft)
        await self.node.flush()
        await self.node.journal.settled()

    async def remember(self) -> None:
        """What the hub tells now. Nothing is on its way to the log."""
        at = self.clock()
        self.node._clock = lambda: at
        told = {**await inquiry.snapshot(self.node), **await closely(self.node)}
        self.node._clock = self.clock
        self.moments.append((self.node.hub.head, at, plain(told)))
        self.clock.now += 1


async def closely(scene: inquiry.Scene) -> dict[str, Any]:
    """What the pages of conversations, instances and topics ask for beside a snapshot; at every third place of the log,
    which is often enough."""
    if scene.hub.head % 3:
        return {"ladders": {}}
    found, _ = await inquiry.history(scene, None, inquiry.Asked(limit=100))
    names = sorted(scene.hub.registry.names())
    growth = await forecast.topics(scene, None)
    return {
        "said": [each.offset for each in found],
        "ladders": await inquiry.states(scene, found),
        "senders": inquiry.senders(scene, found),
        "queues": {name: await particulars.queue(scene, name, 50) for name in names},
        "names": {name: (await particulars.particulars(scene, name))["names"] for name in names},
        "growth": [{key: each[key] for key in ("topic", "oldest_at")} for each in growth["topics"]],
        "activity": {name: await particulars.doings(scene, name, 1.0) for name in names},
        "replies": {name: await particulars.replies(scene, name) for name in names},
    }


def climbed(ladders: dict[str, list[dict[str, str]]]) -> dict[str, list[tuple[str, str]]]:
    """How far each message had come; that it had been pushed and not more is in no log."""
    return {
        offset: [(each["name"], each["state"].replace("pushed", "accepted")) for each in steps]
        for offset, steps in ladders.items()
    }


def plain(told: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(told))


@asynccontextmanager
async def world(path: Path, clock: Clock, limits: Limits) -> AsyncIterator[World]:
    async with await History.open(path, synchronous="normal", clock=clock) as history:
        node = Node(
            history,
            await history.load(),
            await history.tail(limits.window_messages, limits.window_bytes),
            limits=limits,
            retention=FOREVER,
            version="1.0",
            upkeep={"the keyframes": history.frame_slice},
            clock=clock,
        )
        await node.start(lambda: None)
        try:
            yield World(history, node, clock)
        finally:
            await node.stop()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("join", "leave", "say", "say", "shout", "build", "take", "read", "read", "hear", "ignore"),
                *("rename", "forget", "work", "wait", "stop"),
            )
        ),
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.integers(0, 12),
    ),
    min_size=1,
    max_size=25,
)


def runs(story: list[Step]) -> list[list[Step]]:
    """The story between the hub's stops."""
    return [[*part] for stops, part in itertools.groupby(story, lambda step: step[0] == "stop") if not stops] or [[]]


async def live_through(path: Path, story: list[Step], check: Callable[[World], Any]) -> None:
    """Let it happen, and check at the end of each of the hub's lives whatever it told in all of them."""
    clock = Clock()
    moments: list[tuple[int, float, dict[str, Any]]] = []
    limits = Limits(window_messages=6, cursor_tick=0.0, forward_for=20.0)
    for part in runs(story):
        async with world(path, clock, limits) as now:
            now.moments = moments
            await now.remember()
            for step in part:
                await now.step(*step)
                await now.remember()
            while await now.history.frame_slice():
                pass
            await check(now)


async def same(now: World) -> None:
    pasts = Pasts(now.history, now.node.hub.limits, now.clock)
    for head, at, told in now.moments:
        shown = frames.moment(at).isoformat()
        past = await pasts.at(shown)
        assert past.hub.head == head
        then = plain({**await inquiry.snapshot(past), **await closely(past)})
        assert climbed(then.pop("ladders")) == climbed(told["ladders"])
        newest = then["recent"][len(then["recent"]) - len(told["recent"]) :]  # that hub's memory was short
        assert {**then, "recent": newest} == {key: value for key, value in told.items() if key != "ladders"}


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=STEPS)
def test_what_is_told_of_a_moment_is_what_the_hub_told_then(story: list[Step]) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(archive, "STRIDE", 7)
        patch.setattr(archive, "SPARSE", 0)
        asyncio.run(live_through(Path(folder) / "hubbub.db", story, same))


def moved(*origins: int, read: int) -> list[dict[str, Any]]:
    return [{"origin": origin, "received": read, "read": read} for origin in origins]


def test_every_movement_is_kept_while_they_are_few() -> None:
    facts = [(offset, NOW + offset, moved(1, 2, read=offset - 1)) for offset in (3, 5, 7)]
    kept = archive.trail(facts, 5)
    assert [(row.offset, row.origin, row.read, row.lost) for row in kept] == [
        (offset, origin, offset - 1, None) for offset in (3, 5, 7) for origin in (1, 2)
    ]


def test_of_too_many_movements_some_are_left_out_and_the_rest_say_from_where_on() -> None:
    crowd = range(1, 101)
    facts = [(offset, NOW, moved(*crowd, read=offset)) for offset in range(1, 101)]
    kept = archive.trail(facts, 100)
    assert len(kept) <= archive.TRAIL * 100 + len(crowd)
    for origin in crowd:
        mine = [row for row in kept if row.origin == origin]
        told = {row.offset for row in mine}
        left_out = {offset for row in mine if row.lost for offset in range(row.lost, row.offset)}
        assert told | left_out == set(range(1, 101))
        assert mine[-1].read == 100


async def trimmed_world(now: World, retention: Retention) -> None:
    while (trimmed := await now.history.trim(retention, now.clock())).topics:
        now.node.hub.trimmed(trimmed)
        if not trimmed.more:
            break


async def talk(now: World) -> None:
    """bob joins, hears ten messages, and reads each."""
    await now.step("join", "bob", "bob", 1)
    await now.step("join", "alice", "alice", 1)
    for number in range(1, 11):
        await now.step("say", "alice", "bob", number + 20 * (number % 3 == 0))
        await now.remember()
        await now.step("read", "bob", "bob", 0)
        await now.remember()


async def test_what_was_unread_is_known_when_the_notes_of_it_have_left_the_log(tmp_path: Path) -> None:
    clock = Clock()
    async with world(tmp_path / "hubbub.db", clock, Limits(cursor_tick=0.0)) as now:
        await talk(now)
        await trimmed_world(now, Retention(age=1e9, size=2**40, facts_age=0.5))
        kept = await now.history.since(0, 1000, 2**20)
        assert len([each for each in kept if each.topic == "$cursors"]) <= 1  # the head stays
        pasts = Pasts(now.history, now.node.hub.limits, clock)
        for head, at, told in now.moments:
            past = await pasts.at(frames.moment(at).isoformat())
            assert past.hub.head == head
            then = plain(await inquiry.snapshot(past))
            assert then["instances"] == told["instances"]
            assert then["topics"] == told["topics"]


async def test_what_a_movement_was_left_out_for_is_unknown_and_never_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "TRAIL", 0.1)
    clock = Clock()
    async with world(tmp_path / "hubbub.db", clock, Limits(cursor_tick=0.0)) as now:
        await talk(now)
        await trimmed_world(now, Retention(age=1e9, size=2**40, facts_age=0.5))
        pasts = Pasts(now.history, now.node.hub.limits, clock)
        unknown = 0
        for _, at, told in now.moments:
            past = await pasts.at(frames.moment(at).isoformat())
            then = plain(await inquiry.snapshot(past))
            for mine, right in zip(then["instances"], told["instances"], strict=True):
                assert mine["unread"] in (None, right["unread"])
                unknown += mine["unread"] is None
            if past.unsure:
                assert then["hub"]["unread"] is None
                assert past.unsure_names() == ["bob"]
        assert unknown


async def test_what_is_known_begins_past_what_retention_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "STRIDE", 7)
    monkeypatch.setattr(archive, "SPARSE", 0)
    clock = Clock()
    async with world(tmp_path / "hubbub.db", clock, Limits(cursor_tick=0.0)) as now:
        await talk(now)
        half = now.moments[len(now.moments) // 2][1]
        await trimmed_world(now, Retention(age=clock() - half, size=2**40, facts_age=1e9))
        pasts = Pasts(now.history, now.node.hub.limits, clock)
        line = await pasts.timeline()
        told_of = 0
        for head, at, told in now.moments:
            shown = frames.moment(at).isoformat()
            if head < line["first"]:
                with pytest.raises(UnknownMoment, match=f"begins at offset {line['first']}"):
                    await pasts.at(shown)
                continue
            then = plain(await inquiry.snapshot(await pasts.at(shown)))
            assert then["instances"] == told["instances"]
            inbox = next(each for each in then["topics"] if each["topic"] == "inbox.bob")
            assert inbox["messages"] is None  # some of them are gone: how many were kept then?
            told_of += 1
        assert 0 < told_of < len(now.moments)


@pytest.mark.parametrize("when", ["yesterday", "", "12:00", "-4", "9" * 30, "2026-13-01T00:00:00Z"])
async def test_what_is_no_moment_is_refused(tmp_path: Path, when: str) -> None:
    clock = Clock()
    async with world(tmp_path / "hubbub.db", clock, Limits()) as now:
        with pytest.raises(BadValue, match="no moment"):
            await Pasts(now.history, now.node.hub.limits, clock).at(when)


async def test_of_a_hub_that_was_killed_nobody_knows_when_it_ended(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "hubbub.db"
    async with world(path, clock, Limits()) as now:
        await now.step("join", "alice", "alice", 1)
        now.node._put = lambda draft: None  # type: ignore[method-assign]  # it is not given time to say goodbye
    killed = clock() + 10
    clock.now += 60
    async with world(path, clock, Limits()) as now:
        pasts = Pasts(now.history, now.node.hub.limits, clock)
        past = await pasts.at(frames.moment(killed).isoformat())
        assert past.running is None
        before = await pasts.at(str(past.hub.head))
        assert before.running is True
        assert (await pasts.at(frames.moment(clock()).isoformat())).running is True


async def test_a_timeline_counts_what_was_said_when_and_knows_the_next_step(tmp_path: Path) -> None:
    clock = Clock()
    async with world(tmp_path / "hubbub.db", clock, Limits(cursor_tick=0.0)) as now:
        await talk(now)
        line = await Pasts(now.history, now.node.hub.limits, clock).timeline()
        assert sum(each["messages"] for each in line["bars"]) == 10
        assert line["live"]
        assert line["next"] is None
        steps = []
        place = line["previous"]
        while place is not None:
            steps.append(place)
            place = (await Pasts(now.history, now.node.hub.limits, clock).timeline(str(place)))["previous"]
        said = [each.offset for each in await now.history.since(0, 1000, 2**20) if each.topic != "$cursors"]
        assert steps == [offset for offset in reversed(said) if offset < line["offset"]]


async def test_no_question_to_a_moment_looks_through_the_log(tmp_path: Path) -> None:
    async with await History.open(tmp_path / "hubbub.db") as history:
        asked = {"upto": 900_000, "now": NOW, "spans": "[]"}
        for sql in (loading.stocks(1_000_000), loading._HELD, loading._AWAITED, loading._WAITING):
            plan = await history._writer.execute_fetchall(f"EXPLAIN QUERY PLAN {sql}", asked)
            steps = [step for _, _, _, step in plan]
            assert not [each for each in steps if each.startswith("SCAN messages") or "PRIMARY KEY (rowid<" in each], (
                sql
            )
