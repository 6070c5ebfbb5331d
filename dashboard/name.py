"""A name as a page shows it: in its own hue, and with where it leads."""

from __future__ import annotations

from msgspec import Struct

from dashboard import links
from dashboard.words import hue, visible


class Name(Struct, frozen=True, kw_only=True):
    name: str
    hue: int
    link: str


def named(spelled: str) -> Name:
    """An instance's name, which leads to its page."""
    name = visible(spelled)
    return Name(name=name, hue=hue(name), link=links.instance(spelled))
