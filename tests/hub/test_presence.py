"""Who is connected."""

from __future__ import annotations

from tests.hub.core import Core


def test_sessions_are_known_by_number_by_instance_and_as_observers() -> None:
    core = Core()
    first, second = core.session("alice"), core.session("alice", share=True)
    watcher, named = core.session(observe=True), core.session("alice", share=True, observe=True)
    alice = core.hub.instance("alice")
    assert core.hub.sessions == {each.number: each for each in (first, second, watcher, named)}
    assert core.hub.observers == {each.number: each for each in (watcher, named)}
    assert core.hub.sessions_of(alice) == [first, second, named]
    for each in (first, watcher, named):
        core.leave(each)
    assert core.hub.sessions_of(alice) == [second]
    assert core.hub.observers == {}
    core.leave(second)
    assert core.hub.sessions == {}
    assert core.hub.sessions_of(alice) == []
    assert core.hub._presence._of == {}


def test_leaving_twice_is_leaving_once() -> None:
    core = Core()
    alice = core.session("alice")
    assert [each.topic for each in core.hub.leave(alice, "gone", core.now)] == ["$session.left"]
    assert core.hub.leave(alice, "gone", core.now) == []
    watcher = core.session(observe=True)
    assert core.hub.leave(watcher, "gone", core.now) == []
    assert core.hub.leave(watcher, "gone", core.now) == []
