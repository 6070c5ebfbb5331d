"""Why a message waits for a person, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.words import plural, visible


def why_held(each: Mapping[str, Any]) -> str:
    """Why a message waits: a circle of agents, or who holds its queue or has paused its sender."""
    if each.get("holds") is None:
        names = visible(", ".join(each["names"]))
        return f"{plural(each['messages'], 'message')} in a row with nothing new among {names}"
    kinds = {"sender": f"{visible(each['from'])} is paused", "queue": f"what is sent to {visible(each['to'])} is held"}
    return ", ".join(dict.fromkeys(kinds[stop["kind"]] + by_whom(stop) for stop in each["holds"]))


def by_whom(stop: Mapping[str, Any]) -> str:
    """Who holds or paused something, and what they said why: ` by kay (she is being moved)`."""
    by = f" by {visible(stop['by'])}" if stop["by"] else ""
    return by + (f" ({visible(stop['reason'])})" if stop["reason"] else "")
