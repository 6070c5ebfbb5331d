"""When a message was pushed, received and read: from the movements of cursors, as far as the log still has them.

Nothing is stored for each message and recipient. A cursor that passes an offset has passed every message up to there,
and the fact `$cursors` that told so carries the time. These facts are kept for an hour (`cursor_retention`); a
time that they no longer show is not known, and is not made up.
"""

from __future__ import annotations

from collections.abc import Iterable

from hub.message import Message

RUNGS = ("pushed", "received", "read")  # of the ladder: those that a cursor climbs, in this order


class Milestones:
    """When the cursors of some instances passed one offset.

    `wanted` are their origins, each with the rungs that it has reached. `trimmed` is the newest offset at which a
    movement is no longer kept.
    """

    def __init__(self, offset: int, wanted: dict[int, set[str]], trimmed: int) -> None:
        self.at: dict[tuple[int, str], float] = {}  # (origin, rung) -> seconds since 1970
        self._offset = offset
        self._missing = {(origin, rung) for origin, rungs in wanted.items() for rung in rungs}
        # Where no movement since the message is missing, the first that is past it is when it was passed.
        self._before = set(self._missing) if trimmed <= offset else set()

    @property
    def complete(self) -> bool:
        """Whether no further movement can tell more."""
        return not self._missing

    def learn(self, movements: Iterable[Message]) -> None:
        """Take in facts `$cursors` from after the message, in the log's order."""
        for fact in movements:
            for moved in fact.data["moved"]:
                for rung in RUNGS:
                    key = (moved["origin"], rung)
                    if key not in self._missing:
                        continue
                    if moved.get(rung, 0) < self._offset:
                        self._before.add(key)
                        continue
                    self._missing.discard(key)
                    if key in self._before:
                        self.at[key] = fact.at
