"""What a sender is told of the recipients, at once and later."""

from __future__ import annotations

import pytest

from hub import frames
from hub.message import Message
from hub.registry import Instance
from hub.session import Session
from tests.hub.core import NOW, Core

DAY = 86_400.0


@pytest.fixture
def core() -> Core:
    return Core()


def to(told: frames.Published) -> list[tuple[str, bool]]:
    return [(each.name, each.online) for each in told.to]


def test_a_direct_message_is_accepted_for_one(core: Core) -> None:
    core.register("Alice")
    bob = core.session("bob")
    told = core.told(bob, "alice", id="x")
    assert told == frames.Published(
        id="x", offset=core.hub.head, to=[frames.Recipient(name="Alice", state="accepted", online=False)]
    )
    core.session("alice")
    assert to(core.told(bob, "ALICE")) == [("Alice", True)]


def test_the_ref_is_echoed(core: Core) -> None:
    bob = core.session("bob")
    for where in ("alice", "#build", "all"):
        said = frames.Publish(ref=7, to=where, body="x")
        assert bob.instance is not None
        (message,) = core.store(core.hub.publish(bob.instance, said, core.now))
        assert core.hub.published(said, message).ref == 7


@pytest.mark.parametrize(
    ("meant", "ttl", "waits", "near"),
    [
        ("alcie", None, "waits 7 days", ["alice"]),
        ("alcie", 3600.0, "waits 1 hour", ["alice"]),
        ("alcie", 90.0, "waits 2 minutes", ["alice"]),
        ("alcie", 30.0, "waits 30 s", ["alice"]),
        ("zebra", 2 * DAY, "waits 2 days", []),
    ],
)
def test_an_unknown_recipient_is_named_with_near_matches(
    core: Core, meant: str, ttl: float | None, waits: str, near: list[str]
) -> None:
    core.register("alice")
    bob = core.session("bob")
    told = core.told(bob, meant, ttl=ttl)
    assert [(each.name, each.known, each.near) for each in told.to] == [(meant, False, near)]
    assert f"Nobody is called {meant}" in (told.hint or "")
    assert waits in (told.hint or "")
    assert ("Did you mean alice?" in (told.hint or "")) == bool(near)


def test_near_names_are_up_to_date(core: Core) -> None:
    bob = core.session("bob")
    assert core.told(bob, "alcie").to[0].near == []
    alice = core.register("alice")
    assert core.told(bob, "alcie").to[0].near == ["alice"]
    core.rename(alice, "zoe")
    assert core.told(bob, "alcie").to[0].near == []


def test_a_forwarded_message_says_so(core: Core) -> None:
    alice, bob = core.register("alice"), core.session("bob")
    core.rename(alice, "Anna")
    told = core.told(bob, "alice")
    assert to(told) == [("Anna", False)]
    assert told.hint == "alice is called Anna now; the message was forwarded."
    assert core.told(bob, "anna").hint is None


@pytest.mark.parametrize("where", ["#build", "all"])
def test_a_topic_names_who_hears_it_but_not_the_sender(core: Core, where: str) -> None:
    alice, bob, carol = core.session("alice"), core.session("bob"), core.register("carol")
    for each in (alice, bob, carol):
        core.subscribe(each, "build")
    told = core.told(bob, where)
    assert (to(told), told.recipients, told.hint) == ([("alice", True), ("carol", False)], 2, None)
    core.leave(alice)
    assert to(core.told(bob, where)) == [("alice", False), ("carol", False)]
    assert to(core.told(carol, where)) == [("alice", False), ("bob", True)]


def test_who_hears_a_topic_is_up_to_date(core: Core) -> None:
    alice, bob = core.session("alice"), core.session("bob")
    assert core.told(bob, "#build.linux").recipients == 0
    core.subscribe(alice, "build.*")
    assert core.told(bob, "#build.linux").recipients == 1
    core.unsubscribe(alice, "build.*")
    assert core.told(bob, "#build.linux").recipients == 0
    core.subscribe(alice, "build.linux")
    assert alice.instance is not None
    core.rename(alice.instance, "Anna")
    assert to(core.told(bob, "#build.linux")) == [("Anna", True)]


def test_a_topic_that_nobody_hears_says_so(core: Core) -> None:
    bob = core.session("bob")
    core.subscribe(bob, "build")
    told = core.told(bob, "#Build")
    assert (told.to, told.recipients) == ([], 0)
    assert (told.hint or "").startswith("Nobody else hears #Build yet")


def test_twenty_recipients_are_named_and_all_are_counted(core: Core) -> None:
    everybody = [core.register(f"n{number}") for number in range(25)]
    told = core.told(everybody[3], "all")
    assert told.recipients == 24
    assert [each.name for each in told.to] == [f"n{number}" for number in range(21) if number != 3]
    told = core.told(everybody[24], "all")
    assert [each.name for each in told.to] == [f"n{number}" for number in range(20)]


def test_a_retry_does_not_change_what_the_next_is_told(core: Core) -> None:
    """The offset of a retried message is an old one: who subscribed since still hears the next."""
    bob, alice = core.session("bob"), core.session("alice")
    old = core.say(bob, "#build", id="x")
    core.subscribe(alice, "build")
    core.hub.published(frames.Publish(to="#build", body="x", id="x"), old)
    assert core.told(bob, "#build").recipients == 1


def test_what_is_kept_for_the_next_publish_is_bounded(core: Core) -> None:
    receipts = core.hub._receipts
    bob = core.register("bob")
    for number in range(10_050):
        said = Message(
            offset=number + 2,
            id="i",
            sender="bob",
            origin=bob.origin,
            to=f"#t{number}",
            topic=f"t{number}",
            body="",
            at=NOW,
            size=1,
        )
        receipts.published(frames.Publish(to=said.to, body=""), said)
        receipts.near(f"n{number}")
    assert len(receipts._hearers) <= 10_000
    assert len(receipts._near) <= 10_000


# The ladder


class Climb:
    """One message from bob to alice."""

    def __init__(self, *, ttl: float | None = None, where: str = "alice") -> None:
        self.core = Core()
        self.alice = self.core.register("alice")
        self.bob = self.core.session("bob")
        if where.startswith("#"):
            self.core.subscribe(self.alice, where)
        self.said = self.core.say(self.bob, where, ttl=ttl)
        self.session: Session | None = None

    def online(self) -> Session:
        self.session = self.core.session("alice")
        return self.session

    def step(self, answered: dict[int, float] | None = None) -> frames.Step:
        (step,) = self.core.hub.ladder(self.said, answered or {}, self.core.now)
        return step


@pytest.mark.parametrize("where", ["alice", "#build", "all"])
def test_a_message_climbs_the_ladder(where: str) -> None:
    climb = Climb(where=where)
    moment = frames.moment(NOW)
    accepted = {"accepted": moment}
    assert climb.step() == frames.Step(name="alice", state="accepted", at=moment, times=accepted)
    session = climb.online()
    assert climb.step() == frames.Step(name="alice", state="accepted", at=moment, times=accepted, online=True)
    climb.core.step(session)
    assert climb.step().state == "pushed"
    climb.core.hub.received(session, climb.said.offset, None)
    assert climb.step().state == "received"
    climb.core.leave(session)
    unknown = accepted | {"pushed": None, "received": None}
    assert climb.step() == frames.Step(name="alice", state="received", times=unknown), "also when the client is gone"
    climb.core.read(climb.alice)
    unknown |= {"read": None}
    assert climb.step() == frames.Step(name="alice", state="read", times=unknown), "when is not known, nor made up"
    assert climb.step({climb.alice.origin: NOW + 9}) == frames.Step(
        name="alice",
        state="answered",
        at=frames.moment(NOW + 9),
        times=unknown | {"answered": frames.moment(NOW + 9)},
    )


def test_each_rung_has_its_time_where_that_is_known() -> None:
    climb = Climb()
    climb.core.read(climb.alice)
    times = {(climb.alice.origin, "received"): NOW + 2, (climb.alice.origin, "read"): NOW + 3}
    (step,) = climb.core.hub.ladder(climb.said, {}, NOW + 9, frozenset(), times)
    assert (step.state, step.at) == ("read", frames.moment(NOW + 3))
    assert step.times == {
        "accepted": frames.moment(NOW),
        "pushed": None,
        "received": frames.moment(NOW + 2),
        "read": frames.moment(NOW + 3),
    }


def test_what_an_observer_was_pushed_is_not_pushed_to_the_instance() -> None:
    climb = Climb()
    observer = climb.core.session("alice", observe=True, share=True, resume=0)
    climb.core.pump(observer)
    assert climb.step().state == "accepted"


def test_what_expired_before_anybody_had_it_says_so() -> None:
    climb = Climb(ttl=5.0)
    climb.core.now += 5
    assert climb.step() == frames.Step(
        name="alice",
        state="expired",
        at=frames.moment(NOW + 5),
        times={"accepted": frames.moment(NOW), "expired": frames.moment(NOW + 5)},
    )
    session = climb.online()
    assert climb.core.pump(session) == []
    assert climb.step().state == "expired"


@pytest.mark.parametrize(("later", "state"), [(0.0, "accepted"), (7 * DAY, "expired")])
def test_what_waits_for_a_name_nobody_has_is_accepted_until_it_expires(later: float, state: str) -> None:
    core = Core()
    said = core.say(core.session("bob"), "Carol")
    (step,) = core.hub.ladder(said, {}, core.now + later)
    assert (step.name, step.state, step.at) == ("Carol", state, frames.moment(NOW + later))


def test_a_topic_has_a_step_for_each_who_hears_it() -> None:
    core = Core()
    everybody: list[Instance] = [core.register(name) for name in ("alice", "bob", "carol")]
    said = core.say(everybody[1], "all")
    core.read(everybody[0])
    steps = core.hub.ladder(said, {}, core.now)
    assert [(each.name, each.state) for each in steps] == [("alice", "read"), ("carol", "accepted")]


def test_what_expired_before_it_reached_anybody_stays_expired_when_the_cursor_passes_it() -> None:
    core = Core()
    core.session("alice", credit=0)
    core.session("bob")
    stale = core.say(core.hub.instance("bob"), "alice", "stale", ttl=60)
    core.now += 61
    fresh = core.say(core.hub.instance("bob"), "alice", "fresh")
    told = core.hub.due(core.now)
    assert [(each.topic, each.reply_to, each.data["offset"]) for each in told] == [
        ("$message.expired", stale.id, stale.offset)
    ]
    core.store(*told)
    alice = core.hub.instance("alice")
    core.hub.read(alice, fresh.offset)
    assert [step.state for step in core.hub.ladder(stale, {}, core.now, {alice.origin})] == ["expired"]
    assert core.hub.due(core.now) == [], "it is told once"


def test_what_reached_the_client_in_time_is_not_told_as_expired() -> None:
    core = Core()
    session = core.session("alice")
    core.session("bob")
    message = core.say(core.hub.instance("bob"), "alice", "in time", ttl=60)
    core.hub.take(session, core.now)
    core.hub.received(session, message.offset, None)
    core.now += 61
    assert core.hub.due(core.now) == []
