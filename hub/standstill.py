"""What is held, in a line: for whoever wonders why nothing arrives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_COUNTED = (
    ("held", "message waits for a person", "messages wait for a person"),
    ("holds", "queue is held", "queues are held"),
    ("paused", "agent is paused", "agents are paused"),
)


def standstill(told: Mapping[str, Any]) -> str:
    """What a hub's status says of it; empty where nothing is held.

    >>> standstill({"held": 2, "holds": 1, "paused": 0})
    '2 messages wait for a person, 1 queue is held'
    """
    counts = [(told.get(key, 0), one, several) for key, one, several in _COUNTED]
    return ", ".join(f"{count:,} {one if count == 1 else several}" for count, one, several in counts if count)
