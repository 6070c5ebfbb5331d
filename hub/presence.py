"""Who is connected: the live sessions, and which of them are whose."""

from __future__ import annotations

from hub.registry import Instance
from hub.session import Session


class Presence:
    """All live sessions. `observers` are those that read everything, with a name or without."""

    def __init__(self) -> None:
        self.sessions: dict[int, Session] = {}
        self.observers: dict[int, Session] = {}
        self._of: dict[int, list[Session]] = {}  # origin -> its live sessions

    def of(self, instance: Instance) -> list[Session]:
        """An instance's live sessions, the oldest first."""
        return self._of.get(instance.origin, [])

    def online(self, instance: Instance) -> bool:
        """Whether an instance has a live session."""
        return instance.origin in self._of

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
