"""Movements of cursors are joined into one fact a tick, and none is lost."""

from __future__ import annotations

from tests.hub.core import Core


def moved(core: Core, *, at_once: bool = False) -> list[tuple[str, int, int]]:
    facts = core.hub.cursors(core.now, at_once=at_once)
    assert len(facts) <= 1
    return [(each["name"], each["received"], each["read"]) for fact in facts for each in fact.data["moved"]]


def test_all_that_moved_within_a_tick_is_one_fact() -> None:
    core = Core(cursor_tick=0.1)
    alice, bob = core.register("alice"), core.register("bob")
    assert not core.hub.moved
    core.read(alice, 1)
    core.read(alice, 2)
    core.read(bob, 2)
    assert core.hub.moved
    (fact,) = core.hub.cursors(core.now)
    assert fact.topic == "$cursors"
    assert fact.body == "2 cursors moved"
    assert fact.data == {
        "moved": [
            {"origin": alice.origin, "name": "alice", "pushed": 0, "received": 2, "read": 2},
            {"origin": bob.origin, "name": "bob", "pushed": 0, "received": 2, "read": 2},
        ]
    }
    assert not core.hub.moved
    assert core.hub.cursors(core.now + 1) == []


def test_one_movement_says_whose_it_is() -> None:
    core = Core()
    core.read(core.register("alice"), 1)
    (fact,) = core.hub.cursors(core.now)
    assert fact.body == "alice read up to 1"


def test_there_is_at_most_one_fact_a_tick_but_for_the_last() -> None:
    core = Core(cursor_tick=0.1)
    alice = core.register("alice")
    core.register("bob")
    core.read(alice, 1)
    assert moved(core) == [("alice", 1, 1)]
    core.read(alice, 2)
    core.now += 0.05
    assert moved(core) == []
    assert moved(core, at_once=True) == [("alice", 2, 2)]


def test_a_crowd_is_told_of_less_often_so_that_telling_stays_a_small_part_of_the_work() -> None:
    core = Core(cursor_tick=0.1)
    crowd = [core.register(f"agent-{number}") for number in range(300)]
    waits = []
    for movers in (crowd[:1], crowd, crowd * 10):
        for place, each in enumerate(movers):
            core.hub._cursors._moved[place] = each
        core.hub.cursors(core.now, at_once=True)
        waits.append(core.hub.cursors_wait(core.now))
    assert waits == [0.1, 0.3, 1.0]
    assert core.hub.cursors_wait(core.now + 0.95) == 0.1
    assert core.hub.cursors_wait(core.now + 3600) == 0.1
    assert core.hub.cursors_wait(core.now - 3600) == 1.0, "a clock that went back holds nothing up for longer"


def test_a_clock_that_went_back_holds_nothing_up() -> None:
    core = Core()
    alice = core.register("alice")
    core.register("bob")
    core.read(alice, 1)
    moved(core)
    core.now -= 3600
    core.read(alice, 2)
    assert moved(core) == [("alice", 2, 2)]


def test_what_could_not_be_stored_is_told_again() -> None:
    core = Core()
    alice, bob = core.register("alice"), core.register("bob")
    core.read(alice, 1)
    facts = core.hub.cursors(core.now)
    core.read(alice, 2)
    core.read(bob, 1)
    core.hub.failed(facts)
    assert moved(core, at_once=True) == [("alice", 2, 2), ("bob", 1, 1)]


def test_what_was_received_is_told_too_and_nothing_twice() -> None:
    core = Core()
    alice, bob = core.session("alice"), core.session("bob")
    said = core.say(bob, "alice")
    core.step(alice)
    core.hub.received(alice, said.offset, None)
    assert moved(core) == [("alice", said.offset, 0)]
    core.hub.received(alice, said.offset, None)
    assert not core.hub.moved


def test_a_push_moves_a_cursor_too_but_not_what_an_observer_was_given() -> None:
    core = Core()
    alice, bob = core.session("alice"), core.register("bob")
    observer = core.session("alice", observe=True, share=True)
    said = core.say(bob, "alice")
    core.step(observer)
    assert not core.hub.moved
    core.step(alice)
    (fact,) = core.hub.cursors(core.now)
    assert fact.data["moved"] == [
        {"origin": alice.origin, "name": "alice", "pushed": said.offset, "received": 0, "read": 0}
    ]
