"""What stands around every page's own content: the masthead, what is wrong with the hub, where the script begins."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from msgspec import Struct

from dashboard.nav import PLACES
from dashboard.words import clock, instant, visible
from hub.standstill import standstill

HELD = ("held", "holds", "paused")


class Link(Struct, frozen=True, kw_only=True):
    path: str
    title: str
    key: str
    here: bool


class Shell(Struct, frozen=True, kw_only=True):
    places: list[Link]
    url: str
    mode: str
    version: str
    stood: str  # the time of day this was so
    problems: list[str]  # why the hub is not ready
    notices: list[str]  # what else a person must be told
    standstill: str  # what is held or paused, so that nobody wonders why nothing arrives
    state: dict[str, Any]  # where the browser's session begins


def shell(about: dict[str, Any], path: str, *, zone: tzinfo | None = None) -> Shell:
    """`about` is what `Source.about` gives, or the `hub` of a snapshot with its `at`; `path` is the page's own."""
    at = instant(about["at"])
    return Shell(
        places=[Link(path=each.path, title=each.title, key=each.key, here=_within(each.path, path)) for each in PLACES],
        url=visible(about["url"]),
        mode=about["mode"],
        version=about["version"],
        stood=clock(at, at, zone),
        problems=[visible(each) for each in about.get("problems", ())],
        notices=[visible(each) for each in about.get("notices", ())],
        standstill=standstill(about),
        state={
            "at": about["at"],
            "past": "past" in about,
            "hub": {key: about[key] for key in ("head", "epoch", "version", *HELD)},
        },
    )


def _within(place: str, path: str) -> bool:
    return path == place or (place != "/" and path.startswith(place + "/"))
