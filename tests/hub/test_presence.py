"""Who is connected."""

from __future__ import annotations

from typing import Any

from hub import frames
from hub.fold import PRESENCE
from hub.message import Message
from hub.session import Session
from tests.hub.core import NOW, Core


def tell(core: Core, session: Session, *, hook: bool = False, **said: Any) -> list[Message]:
    """What the log has of it when an agent tells what it does; by a hook where no session says it."""
    assert session.instance is not None
    return core.store(core.hub.tell(session.instance, frames.Presence(**said), core.now, None if hook else session))


def standing(core: Core, name: str = "alice") -> tuple[str, float]:
    state, since = core.hub.standing(core.hub.instance(name))
    return state, since - NOW


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


def test_an_instance_is_offline_online_and_what_it_tells_each_with_its_time() -> None:
    core = Core()
    core.register("alice")
    assert standing(core) == ("offline", 0)
    core.now += 10
    alice = core.session("alice")
    assert standing(core) == ("online", 10)
    for seconds, activity in ((20, "working"), (30, "waiting"), (40, "idle")):
        core.now = NOW + seconds
        tell(core, alice, activity=activity)
        assert standing(core) == (activity, seconds)
    core.now += 10
    tell(core, alice, wakes=True)
    assert standing(core) == ("idle", 40), "it is idle since then, whatever else became known"
    tell(core, alice, activity=None)
    assert standing(core) == ("online", 10)
    core.now = NOW + 90
    core.leave(alice)
    assert standing(core) == ("offline", 90)


def test_a_fact_says_all_of_it_and_what_is_left_out_stays_as_it_was() -> None:
    core = Core()
    alice = core.session("alice", client="mcp")
    (told,) = tell(core, alice, hops=["inbox", "check"], wakes=True, client="claude-code 2")
    whole = {
        "origin": alice.origin,
        "name": "alice",
        "number": 1,
        "activity": None,
        "hops": ["inbox", "check"],
        "wakes": True,
        "client": "claude-code 2",
        "prompted": False,
    }
    assert (told.topic, told.data) == (PRESENCE, whole)
    (told,) = tell(core, alice, hook=True, activity="working")
    assert told.data == whole | {"activity": "working"}
    assert alice.client == "claude-code 2"
    (told,) = tell(core, alice, hops=None)
    assert told.data == whole | {"activity": "working", "hops": None}


def test_what_is_no_news_is_not_told_but_for_a_prompt() -> None:
    core = Core()
    alice = core.session("alice")
    assert tell(core, alice, activity=None) == []
    assert len(tell(core, alice, activity="idle")) == 1
    assert tell(core, alice, activity="idle") == []
    assert [each.data["prompted"] for each in tell(core, alice, prompted=True)] == [True]
    assert [each.data["prompted"] for each in tell(core, alice, prompted=True)] == [True]


def test_what_did_not_get_to_the_log_is_news_again() -> None:
    core = Core()
    alice = core.session("alice")
    assert alice.instance is not None
    draft = core.hub.tell(alice.instance, frames.Presence(activity="idle"), core.now, alice)
    assert draft is not None
    core.hub.failed([draft])
    assert len(tell(core, alice, activity="idle")) == 1


def test_nobody_can_tell_of_an_agent_that_is_not_there() -> None:
    core = Core()
    alice = core.register("alice")
    assert core.hub.tell(alice, frames.Presence(activity="working"), core.now) is None


def test_what_was_told_ends_with_the_session_that_told_it() -> None:
    core = Core()
    mcp = core.session("alice", client="mcp")
    shell = core.session("alice", share=True, client="shell")
    tell(core, mcp, activity="working", wakes=True)
    assert core.hub.client_of(core.hub.instance("alice")) == "mcp"
    core.leave(shell)
    assert standing(core)[0] == "working"
    shell = core.session("alice", share=True, client="shell")
    core.leave(mcp)
    alice = core.hub.instance("alice")
    assert (standing(core)[0], alice.wakes, alice.hops, core.hub.client_of(alice)) == ("online", None, None, "shell")


def test_the_next_session_begins_with_nothing_known() -> None:
    core = Core()
    first = core.session("alice")
    tell(core, first, activity="idle", hops=["inbox"], wakes=True)
    core.session("alice", take_over=True)
    alice = core.hub.instance("alice")
    assert (standing(core)[0], alice.wakes, alice.hops) == ("online", None, None)


def test_a_sender_is_told_what_each_recipient_does_and_whether_it_is_woken() -> None:
    core = Core()
    bob = core.session("bob")
    alice = core.session("alice")
    core.register("carol")
    tell(core, alice, activity="idle", wakes=True)
    told = {each.name: each for each in core.told(bob, "all").to}
    assert told == {
        "alice": frames.Recipient(name="alice", state="accepted", online=True, activity="idle", wakes=True),
        "carol": frames.Recipient(name="carol", state="accepted"),
    }
