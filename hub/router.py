"""Which sessions a topic wakes: exact topics by a look-up, wildcards by the tree of words."""

from __future__ import annotations

from hub.session import Session
from hub.topic import Tree, is_open, is_pattern


class Router:
    """The live sessions, by what they hear; an answer is kept until somebody comes, goes or resubscribes."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[Session, None]] = {}
        self._tree: Tree[Session] = Tree()
        self._wild = 0
        self._heard: dict[Session, set[str]] = {}
        self._known: dict[str, tuple[Session, ...]] = {}

    def route(self, session: Session, topics: set[str]) -> set[str]:
        """Let a session hear exactly these topics and patterns; returns those that are new to it."""
        before = self._heard.get(session, set())
        for topic in before - topics:
            self._remove(topic, session)
        for topic in topics - before:
            self._add(topic, session)
        if topics:
            self._heard[session] = topics
        else:
            self._heard.pop(session, None)
        return topics - before

    def match(self, topic: str) -> tuple[Session, ...]:
        """The sessions that hear a topic, each once."""
        known = self._known.get(topic)
        if known is None:
            found = dict(self._exact.get(topic, {}))
            if self._wild and is_open(topic):
                found.update(self._tree.match(topic))
            known = tuple(found)
            if len(self._known) >= 10_000:  # bounded, whatever topics come
                self._known.clear()
            self._known[topic] = known
        return known

    def _add(self, topic: str, session: Session) -> None:
        if is_pattern(topic):
            self._tree.add(topic, session)
            self._wild += 1
            self._known.clear()
        else:
            self._exact.setdefault(topic, {})[session] = None
            self._known.pop(topic, None)

    def _remove(self, topic: str, session: Session) -> None:
        if is_pattern(topic):
            self._tree.remove(topic, session)
            self._wild -= 1
            self._known.clear()
        else:
            sessions = self._exact[topic]
            del sessions[session]
            if not sessions:
                del self._exact[topic]
            self._known.pop(topic, None)
