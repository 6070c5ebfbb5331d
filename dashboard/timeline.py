"""The scrubber: the log as bars, the place that is shown, and the steps from there. Pure: `GET /api/v1/timeline` in.

`past` is what the snapshot of an earlier moment has beside the rest: see docs/time.md.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any

from msgspec import Struct

from dashboard.words import clock, count, instant, plural, span

WIDE = 1200  # of the drawing, in its own units
HIGH = 48
SPEEDS = (1, 2, 5, 10, 20, 50, 100)


class Bar(Struct, frozen=True, kw_only=True):
    x: str
    width: str
    y: str
    height: str
    link: str
    since: str  # the beginning of the stretch, as the page says it
    messages: str


class Scrubber(Struct, frozen=True, kw_only=True):
    live: bool
    moment: str  # as a clock shows it
    shown: str  # the same with the day and thousandths
    at: str  # the same as RFC 3339
    place: str  # what in the log it is right after
    notes: list[str]  # what is not known of it
    bars: list[Bar]
    needle: str  # where the moment is in the drawing
    slider: int  # the same in thousandths
    begins: str
    ends: str
    begins_at: int  # milliseconds since 1970, for the script
    ends_at: int
    width: str  # of a bar, in words
    said: str
    previous: str  # links; empty where there is no step
    next: str
    first: str
    now: str


def scrubber(
    told: dict[str, Any], past: dict[str, Any] | None, address: Callable[[str], str], *, zone: tzinfo | None = None
) -> Scrubber:
    """`address` gives that of the same page at another moment: an offset, an RFC 3339 time, or "" for the present."""
    at, now, width = instant(told["at"]), instant(told["now"]), round(told["width"] * 1000)
    begins = min([now, *(instant(each["since"]) for each in told["bars"])])
    ends = max(now, begins + width * len(told["bars"]))
    needle = (at - begins) / (ends - begins) if ends > begins else 1.0
    return Scrubber(
        live=told["live"],
        moment="now" if told["live"] else f"as of {clock(at, now, zone)}",
        shown=_exactly(at, zone),
        at=told["at"],
        place=f"right after message {count(told['offset'])}" if told["offset"] else "before the first message",
        notes=_notes(past),
        bars=_bars(told, (begins, ends), address, zone),
        needle=_units(WIDE * min(1.0, max(0.0, needle))),
        slider=round(1000 * min(1.0, max(0.0, needle))),
        begins=clock(begins, now, zone),
        ends=clock(now, now, zone),
        begins_at=begins,
        ends_at=now,
        width=span(width),
        said=plural(sum(each["messages"] for each in told["bars"]), "message"),
        previous=_to(address, told["previous"]),
        next=_to(address, told["next"]),
        first="" if told["offset"] <= max(1, told["first"]) else _to(address, max(1, told["first"])),
        now=address(""),
    )


def _bars(
    told: dict[str, Any], drawing: tuple[int, int], address: Callable[[str], str], zone: tzinfo | None
) -> list[Bar]:
    """A bar for each stretch in which something was said, in a drawing from one millisecond to another."""
    begins, ends = drawing
    now, width = instant(told["now"]), round(told["width"] * 1000)
    unit = WIDE / max(1, ends - begins)
    most = max((each["messages"] for each in told["bars"]), default=0)
    found = []
    for each in told["bars"]:
        if each["messages"] > 0:
            since, high = instant(each["since"]), max(1.5, HIGH * each["messages"] / most)
            found.append(
                Bar(
                    x=_units((since - begins) * unit),
                    width=_units(max(1.0, width * unit - 1)),
                    y=_units(HIGH - high),
                    height=_units(high),
                    link=address(_rfc3339(min(since + width, now))),
                    since=clock(since, now, zone),
                    messages=plural(each["messages"], "message"),
                )
            )
    return found


def _notes(past: dict[str, Any] | None) -> list[str]:
    if past is None:
        return []
    notes = []
    if past["running"] is False:
        notes.append("The hub was not running then.")
    elif past["running"] is None:
        notes.append(
            "The hub ended without saying so before it started again: from when on nobody was online is unknown."
        )
    if past["unsure"]:
        notes.append(f"How far these had read then is unknown: {', '.join(past['unsure'])}.")
    return notes


def _to(address: Callable[[str], str], offset: int | None) -> str:
    return "" if offset is None else address(str(offset))


def _exactly(at: int, zone: tzinfo | None) -> str:
    then = datetime.fromtimestamp(at // 1000, UTC).astimezone(zone)
    return f"{then:%Y-%m-%d %H:%M:%S}.{at % 1000:03}"


def _rfc3339(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at % 1000:03}Z"


def _units(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
