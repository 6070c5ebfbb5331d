"""The pages that stand in the masthead, in its order. A page that is not in this list is not linked from there.

`key` is what takes one there from the keyboard, after `g`; static/shell.js reads it off the page.
"""

from __future__ import annotations

from msgspec import Struct


class Place(Struct, frozen=True):
    path: str
    title: str
    key: str  # one letter


PLACES: tuple[Place, ...] = (
    Place("/", "Overview", "o"),
    Place("/conversation", "Conversation", "c"),
    Place("/topics", "Topics", "t"),
    Place("/search", "Search", "s"),
    Place("/time", "Time", "m"),
    Place("/part", "Take part", "p"),
    Place("/health", "Health", "h"),
    Place("/cost", "Cost", "e"),
)
