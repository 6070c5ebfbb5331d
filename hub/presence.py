"""Who is connected: the live sessions, which of them are whose, and what they tell of their agents."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import UNSET

from hub import frames
from hub.registry import Instance
from hub.session import Session


class Standing(NamedTuple):
    """How an instance is: `offline`, `online` (what it does is not known), `working`, `waiting` or `idle`.

    `since` is when that began, in seconds since 1970; for `offline`, when it was last here.
    """

    state: str
    since: float


class Presence:
    """All live sessions. `observers` are those that read everything, with a name or without."""

    def __init__(self) -> None:
        self.sessions: dict[int, Session] = {}
        self.observers: dict[int, Session] = {}
        self._of: dict[int, list[Session]] = {}  # origin -> its live sessions
        self._told: dict[int, tuple[int, dict[str, Any]]] = {}  # origin -> session that told, and what it told last

    def of(self, instance: Instance) -> list[Session]:
        """An instance's live sessions, the oldest first."""
        return self._of.get(instance.origin, [])

    def online(self, instance: Instance) -> bool:
        """Whether an instance has a live session."""
        return instance.origin in self._of

    def standing(self, instance: Instance) -> Standing:
        """How an instance is, as far as that is known."""
        live = self.of(instance)
        if not live:
            return Standing("offline", instance.last_seen)
        began = min(each.joined_at for each in live)
        if instance.activity is None:
            return Standing("online", began)
        return Standing(instance.activity, max(began, instance.activity_at))

    def client(self, instance: Instance) -> str | None:
        """What its client calls itself: that of the session which tells of the agent, else the newest."""
        live = self.of(instance)
        number, _ = self._told.get(instance.origin, (None, None))
        telling = [each for each in live if each.number == number] or live
        return telling[-1].client if telling else None

    def add(self, session: Session) -> None:
        """A session has begun."""
        self.sessions[session.number] = session
        if session.observer:
            self.observers[session.number] = session
        if session.instance is not None:
            self._of.setdefault(session.instance.origin, []).append(session)

    def remove(self, session: Session) -> bool:
        """A session is over; returns whether it was live until now."""
        if self.sessions.pop(session.number, None) is None:
            return False
        self.observers.pop(session.number, None)
        if session.instance is not None:
            live = self._of[session.instance.origin]
            live.remove(session)
            if not live:
                del self._of[session.instance.origin]
        return True

    def tell(self, instance: Instance, said: frames.Presence, teller: Session | None) -> dict[str, Any] | None:
        """What the hub is to tell of an agent; None where that is nothing new, or nobody is there whom it is about.

        Without a `teller` it is said on behalf of a session: a hook tells what the client beside it cannot see.
        """
        live = self.of(instance)
        if not live:
            return None
        number, before = self._told.get(instance.origin) or (live[-1].number, _nothing(instance, live[-1].number))
        if teller is not None:
            number = teller.number
            if said.client is not UNSET:
                teller.client = printable(said.client)
        told = before | {
            "name": instance.name,
            "number": number,
            "client": self.sessions[number].client,
            "prompted": said.prompted,
        }
        for key, value in (("activity", said.activity), ("hops", said.hops), ("wakes", said.wakes)):
            if value is not UNSET:
                told[key] = value
        if told == before and not said.prompted:
            return None
        self._told[instance.origin] = (number, told)
        return told

    def speaks(self, instance: Instance, number: int) -> None:
        """It is this session that tells of the agent."""
        self._told[instance.origin] = (number, _nothing(instance, number))

    def untell(self, origin: int) -> None:
        """What was told did not get to the log: it is news again when it is said again."""
        self._told.pop(origin, None)

    def silence(self, session: Session) -> dict[str, Any] | None:
        """A session has ended: what to tell where it spoke for an agent that is still here by another."""
        if session.instance is None or self._told.get(session.instance.origin, (None,))[0] != session.number:
            return None
        del self._told[session.instance.origin]
        return _nothing(session.instance) if self.online(session.instance) else None


def _nothing(instance: Instance, number: int | None = None) -> dict[str, Any]:
    unknown = dict.fromkeys(("activity", "hops", "wakes", "client"))
    return {"origin": instance.origin, "name": instance.name, "number": number, **unknown, "prompted": False}


def printable(client: str | None) -> str | None:
    """What a client calls itself, fit for anybody's terminal."""
    return "".join(each for each in client[:64] if each.isprintable()) or None if client else None
