"""The page of a name that nobody has registered, where messages wait for whoever will. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from msgspec import Struct

from dashboard.links import escaped
from dashboard.said import Said, said
from dashboard.words import hue, visible
from hub.topic import INBOX


class Awaited(Struct, frozen=True, kw_only=True):
    name: str
    hue: int
    rows: list[Said]  # the newest messages to that name, the oldest of them first
    more: bool  # whether there were others before
    all: str  # the link to these


def awaited(name: str, found: Mapping[str, Any], *, now: int, zone: tzinfo | None = None) -> Awaited:
    """`found` is a page of messages to the name; `now` is in milliseconds since 1970."""
    return Awaited(
        name=visible(name),
        hue=hue(name),
        rows=[said(each, now, zone=zone) for each in found["messages"]],
        more=found["more"],
        all=f"/conversation?topic={escaped(INBOX + name.lower())}",
    )
