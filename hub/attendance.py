"""Who was there at a moment, as the log tells it: the fold of what the hub says of itself and of sessions.

A hub that runs knows its sessions; of an earlier moment only the facts are left. Where an older hub's facts do not say
which of an instance's sessions has ended, what was known of each of them is known no longer.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from hub import fold
from hub.message import Message


class There(Struct, kw_only=True):
    """A session that was live. `joined_at`: seconds since 1970, None if that is not known; nor `client` then."""

    number: int
    origin: int
    client: str | None
    joined_at: float | None


class Telling(Struct, kw_only=True):
    """What a session has told of its agent, and since when the agent does what it does."""

    number: int | None
    at: float
    activity: str | None
    hops: tuple[str, ...] | None
    wakes: bool | None


class Attendance(Struct, kw_only=True):
    """The live sessions, the oldest first, and what they have told; and of the hub's own run what its start says.

    Where not `known`, nobody can tell: the log has no facts. `running` is False before the first start and after a
    stop; after a hub that was killed the log says nothing.
    """

    known: bool = True
    running: bool = False
    version: str | None = None
    started_at: float | None = None
    sessions: list[There] = []
    telling: dict[int, Telling] = {}

    def apply(self, message: Message) -> None:
        """Take in one fact; what is no such fact changes nothing."""
        told: dict[str, Any] = message.data or {}
        match message.topic:
            case fold.STARTED:
                self.known, self.running = True, True
                self.version, self.started_at = told.get("version"), message.at
                self.sessions, self.telling = [], {}
            case fold.STOPPED:
                self.running = False
                self.sessions, self.telling = [], {}
            case fold.JOINED:
                number = told.get("number", -message.offset)
                self.sessions.append(
                    There(number=number, origin=told["origin"], client=told["client"], joined_at=message.at)
                )
            case fold.LEFT:
                self._left(told["origin"], told.get("number"), told["sessions"])
            case fold.PRESENCE:
                self._told(told, message.at)

    def _left(self, origin: int, number: int | None, sessions: int) -> None:
        mine = [each for each in self.sessions if each.origin == origin]
        stay = [each for each in mine if each.number != number] if number is not None else mine
        if len(stay) > sessions:  # a hub that did not number them: which one has gone?
            stay = stay[len(stay) - sessions :]
            for each in stay:
                each.client = each.joined_at = None
        self.sessions = [each for each in self.sessions if each.origin != origin or each in stay]
        if sessions == 0:
            self.telling.pop(origin, None)

    def _told(self, told: dict[str, Any], at: float) -> None:
        origin, number, activity = told["origin"], told.get("number"), told["activity"]
        for each in self.sessions:
            if each.origin == origin and each.number == number:
                each.client = told["client"]
        before = self.telling.get(origin)
        if before is not None and before.activity == activity:
            at = before.at
        hops = None if told["hops"] is None else tuple(told["hops"])
        self.telling[origin] = Telling(number=number, at=at, activity=activity, hops=hops, wakes=told["wakes"])
