"""Movements of cursors, on their way to the log: joined into one fact a tick, since every message read makes one.

A fact costs as much as there is in it. Where a crowd moves with every message, the next one waits longer, so that
telling how far everybody is stays a small part of the work.
"""

from __future__ import annotations

from typing import Any

from hub.registry import Instance, Registry

EACH = 0.001  # seconds that the next fact waits for each movement in the last one: that is some ten times its cost
LONGEST = 1.0  # seconds between two facts, however many move


class Cursors:
    """Which instances' cursors have moved since the last fact; `tick` is the least time between two, in seconds."""

    def __init__(self, registry: Registry, tick: float) -> None:
        self._registry = registry
        self._tick = tick
        self._moved: dict[int, Instance] = {}
        self._told_at = 0.0
        self._told = 0  # movements

    def __bool__(self) -> bool:
        return bool(self._moved)

    def move(self, instance: Instance, received: int, read: int) -> bool:
        """Advance an instance's cursors, which never go back; returns whether anything moved."""
        moved = self._registry.move(instance, received, read)
        if moved:
            self._moved[instance.origin] = instance
        return moved

    def push(self, instance: Instance, offset: int) -> None:
        """Everything for an instance up to `offset` has been written to a socket."""
        if offset > instance.pushed:
            instance.pushed = offset
            self._moved[instance.origin] = instance

    def again(self, told: list[dict[str, Any]]) -> None:
        """These movements did not get to the log."""
        for each in told:
            if (instance := self._registry.instances.get(each["origin"])) is not None:  # else it was forgotten
                self._moved[each["origin"]] = instance

    def wait(self, now: float) -> float:
        """Seconds until what moves now is to be told: a tick; more where the last fact was large."""
        rest = min(LONGEST, self._told * EACH) - max(0.0, now - self._told_at)
        return max(self._tick, rest)

    def due(self, now: float, *, at_once: bool) -> list[dict[str, Any]]:
        """All that has moved, as the fact tells it; nothing before the tick is over, unless `at_once`.

        A clock that went back does not hold anything up.
        """
        if not (at_once or now - self._told_at >= self._tick or now < self._told_at):
            return []
        told = [
            {
                "origin": each.origin,
                "name": each.name,
                "pushed": each.pushed,
                "received": each.received,
                "read": each.read,
            }
            for each in self._moved.values()
        ]
        if told:
            self._moved.clear()
            self._told_at, self._told = now, len(told)
        return told
