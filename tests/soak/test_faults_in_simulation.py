"""Faults planted in the hub, and the simulation held to find each: a judge that never finds anything is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hub import client
from hub.cursors import Cursors
from hub.hub import Hub
from hub.journal import Answer, Journal
from hub.log import Trimmed
from hub.message import Draft, Message
from hub.node import Node
from hub.session import Session
from tests.soak import simulation

SEEDS = 25  # a fault that this many bad days do not bring to light is one that the simulation does not look for

Plant = Callable[[pytest.MonkeyPatch], None]


def a_wake_is_dropped(patch: pytest.MonkeyPatch) -> None:
    rouse = Session.rouse
    counted = {"wakes": 0}

    def deaf(self: Session) -> None:
        counted["wakes"] += not self.awake
        if counted["wakes"] % 50 == 49 and not self.awake:
            self.awake = True  # as if it had been told
        else:
            rouse(self)

    patch.setattr(Session, "rouse", deaf)


def a_publish_is_confirmed_before_it_is_on_disk(patch: pytest.MonkeyPatch) -> None:
    put = Journal.put

    def hasty(self: Journal, draft: Draft, answer: Answer) -> None:
        if draft.origin and self._head is not None:
            answer(Message.of(draft, self._head + self.waiting + 1))
            put(self, draft, lambda _: None)
        else:
            put(self, draft, answer)

    patch.setattr(Journal, "put", hasty)


def the_disk_forgets_what_came_last(patch: pytest.MonkeyPatch) -> None:
    """What a hub without fsync does to a power cut."""
    kill = simulation.Hub.kill

    async def forgetful(self: simulation.Hub) -> None:
        log = self._world.disk.log
        if self.machine is not None and len(log.messages) > 5:
            del log.messages[-5:]
            log.head = log.messages[-1].offset
        await kill(self)

    patch.setattr(simulation.Hub, "kill", forgetful)


def one_more_is_trimmed_than_is_told(patch: pytest.MonkeyPatch) -> None:
    trimmed = Hub.trimmed

    def fewer(self: Hub, told: Trimmed) -> None:
        topics = [(topic, count, size, newest - 1) for topic, count, size, newest in told.topics]
        trimmed(self, Trimmed(told.floor - 1, topics, told.more))

    patch.setattr(Hub, "trimmed", fewer)


def a_read_is_confirmed_and_forgotten(patch: pytest.MonkeyPatch) -> None:
    due = Cursors.due

    def forgetful(self: Cursors, now: float, *, at_once: bool) -> list[dict[str, Any]]:
        due(self, now, at_once=at_once)
        return []

    patch.setattr(Cursors, "due", forgetful)


def who_resumes_begins_one_too_late(patch: pytest.MonkeyPatch) -> None:
    open_ = Hub.open

    def late(self: Hub, joining: Any, *parts: Any) -> Any:
        session, welcome, facts = open_(self, joining, *parts)
        session.position += welcome.resumed
        return session, welcome, facts

    patch.setattr(Hub, "open", late)


def who_resumes_begins_one_too_early(patch: pytest.MonkeyPatch) -> None:
    """And the client does not look whether it has had it."""
    take = client.Client._take

    def trusting(self: client.Client, text: bytes) -> None:
        self.last -= 1
        take(self, text)

    patch.setattr(client.Client, "_take", trusting)


def a_session_gets_what_has_not_been_stored(patch: pytest.MonkeyPatch) -> None:
    say = Node.say

    def hasty(self: Node, sender: Any, said: Any, answer: Any) -> None:
        draft = self.hub.publish(sender, said, self.now())
        self.hub.failed([draft])
        if self.hub.counters.published % 20 == 10:
            self.hub.counters.published += 1
            self.hub.window.extend([Message.of(draft, self.hub.head + 1)])
        say(self, sender, said, answer)

    patch.setattr(Node, "say", hasty)


def what_is_stored_is_refused_when_it_is_sent_again(patch: pytest.MonkeyPatch) -> None:
    """Because by then its inbox is full, perhaps of itself."""

    async def forgetful(self: Node, sender: Any, said: Any) -> None:
        return None

    patch.setattr(Node, "earlier", forgetful)


FAULTS = {
    a_wake_is_dropped: "unannounced gaps",
    a_publish_is_confirmed_before_it_is_on_disk: "falsely confirmed",
    the_disk_forgets_what_came_last: "lost",
    one_more_is_trimmed_than_is_told: "unannounced gaps",
    a_read_is_confirmed_and_forgotten: "doubled",
    who_resumes_begins_one_too_late: "unannounced gaps",
    who_resumes_begins_one_too_early: "doubled",
    a_session_gets_what_has_not_been_stored: "conjured",
    what_is_stored_is_refused_when_it_is_sent_again: "falsely confirmed",
}


@pytest.mark.parametrize(("plant", "broken"), FAULTS.items(), ids=[plant.__name__ for plant in FAULTS])
def test_the_simulation_finds_it(plant: Plant, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for seed in range(SEEDS):
        outcome = simulation.play(seed)
        if outcome.verdict.broken[broken]:
            return
    raise AssertionError(f"{SEEDS} seeds, and {plant.__name__} was not called {broken}: {outcome.explain()}")
