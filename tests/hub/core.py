"""A hub without a disk: drafts are on the log the moment they are handed in, and time is a number."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from hub import frames
from hub.errors import HubbubError
from hub.fold import State
from hub.hub import Hub, Limits
from hub.log import Trimmed
from hub.message import Draft, Message
from hub.registry import Instance
from hub.session import Behind, Gap, Session
from hub.window import Run

NOW = 1_700_000_000.0


def empty(**parts: Any) -> State:
    nothing: dict[str, Any] = {
        "epoch": "e",
        "head": 0,
        "floor": 1,
        "instances": [],
        "holdings": [],
        "subscriptions": [],
        "topics": [],
        "waiting": [],
    }
    return State(**(nothing | parts))


def message(offset: int, topic: str = "build", **parts: Any) -> Message:
    some: dict[str, Any] = {
        "id": f"id-{offset}",
        "sender": "bob",
        "origin": 1,
        "to": "#" + topic,
        "body": f"message {offset}",
        "at": NOW,
        "size": 100,
    }
    return Message(offset=offset, topic=topic, **(some | parts))


def told(offset: int, topic: str, /, at: float = NOW, **data: Any) -> Message:
    """A fact on the log."""
    return message(offset, topic, sender="$hub", origin=0, body="", data=data, at=at)


class Core:
    """One hub. `pump()` gives a session all it can take, reading from the log where the window does not reach."""

    def __init__(self, state: State | None = None, tail: Sequence[Message] = (), **limits: Any) -> None:
        numbers = itertools.count(1)
        self.now = NOW
        self.log: dict[int, Message] = {each.offset: each for each in tail}
        self.closed: list[tuple[Session, HubbubError]] = []
        self.wakes: list[str] = []
        self.hub = Hub(
            state or empty(),
            tail,
            limits=Limits(**limits),
            new_id=lambda: f"id{next(numbers)}",
            new_secret=lambda: f"secret{next(numbers)}",
            close=lambda session, why: self.closed.append((session, why)),
        )

    def store(self, *drafts: Draft | None) -> list[Message]:
        """Commit drafts as one transaction."""
        stored = [
            Message.of(draft, self.hub.head + place)
            for place, draft in enumerate((each for each in drafts if each is not None), 1)
        ]
        self.log |= {each.offset: each for each in stored}
        self.hub.commit(stored)
        return stored

    def join(self, name: str | None = None, **hello: Any) -> tuple[Session, frames.Welcome]:
        joining = self.hub.join(frames.Hello(name=name, **hello), self.now)
        self.store(joining.register)
        session, welcome, facts = self.hub.open(joining, self.now, lambda: self.wakes.append(name or "observer"))
        self.store(*facts)
        return session, welcome

    def session(self, name: str | None = None, **hello: Any) -> Session:
        return self.join(name, **hello)[0]

    def register(self, name: str) -> Instance:
        self.store(self.hub.register(name, self.now))
        return self.hub.instance(name)

    def leave(self, session: Session, reason: str = "gone") -> None:
        self.store(*self.hub.leave(session, reason, self.now))

    def draft(self, sender: Session | Instance, to: str, body: str = "x", **parts: Any) -> Draft:
        instance = sender.instance if isinstance(sender, Session) else sender
        assert instance is not None
        return self.hub.publish(instance, frames.Publish(to=to, body=body, **parts), self.now)

    def say(self, sender: Session | Instance, to: str, body: str = "x", **parts: Any) -> Message:
        (said,) = self.store(self.draft(sender, to, body, **parts))
        return said

    def told(self, sender: Session | Instance, to: str, body: str = "x", **parts: Any) -> frames.Published:
        """What the sender is told of a message."""
        message = self.say(sender, to, body, **parts)
        return self.hub.published(frames.Publish(to=to, body=body, **parts), message)

    def subscribe(self, session: Session | Instance, topic: str) -> None:
        instance = session.instance if isinstance(session, Session) else session
        assert instance is not None
        self.store(self.hub.subscribe(instance, topic, self.now))

    def unsubscribe(self, session: Session, topic: str) -> None:
        assert session.instance is not None
        self.store(self.hub.unsubscribe(session.instance, topic, self.now))

    def rename(self, instance: Instance, name: str) -> None:
        self.store(self.hub.rename(instance, name, self.now))

    def read(self, instance: Instance, offset: int | None = None) -> list[Session]:
        return self.hub.read(instance, self.hub.head if offset is None else offset)

    def trim(self, upto: int) -> None:
        """Remove all messages up to an offset."""
        topics: dict[str, tuple[int, int, int]] = {}
        for offset in [each for each in self.log if each <= upto]:
            gone = self.log.pop(offset)
            count, size, _ = topics.get(gone.topic, (0, 0, 0))
            topics[gone.topic] = (count + 1, size + gone.size, offset)
        floor = min(self.log, default=self.hub.head + 1)
        self.hub.trimmed(Trimmed(floor, [(topic, *sums) for topic, sums in topics.items()], False))

    def page(self, behind: Behind) -> list[Message]:
        """What the log answers to a session that has fallen behind."""
        found = [
            each
            for offset, each in sorted(self.log.items())
            if (behind.after < offset <= behind.upto if not behind.spans else False)
            or any(span.topic == each.topic and span.after < offset <= span.upto for span in behind.spans)
        ]
        return found[: behind.limit]

    def step(self, session: Session) -> Run | Gap | None:
        while isinstance(taken := self.hub.take(session, self.now), Behind):
            given = self.hub.take_old(session, taken, Run(self.page(taken), complete=False), self.now)
            if given is not None:
                return given
        return taken

    def pump(self, session: Session, *, confirm: bool = True) -> list[str | Gap]:
        """All that a session is given until there is nothing more, as bodies and gaps."""
        given: list[str | Gap] = []
        while True:
            while (taken := self.step(session)) is not None or session.awake:
                given += [taken] if isinstance(taken, Gap) else [each.body for each in taken.messages] if taken else []
            if not (confirm and session.outstanding.count):
                return given
            self.hub.received(session, session.outstanding.newest, None)
