"""What an agent did as a strip of time: stretches as shares of its width, hours under it, and the same as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from msgspec import Struct

from dashboard.name import Name, named
from dashboard.words import clock, instant, plural, span, took, visible

STATES = {  # in the order of the legend; what a state means where its word does not say it
    "working": "working",
    "waiting": "waiting for messages",
    "idle": "idle",
    "online": "online, not told what it does",
    "offline": "gone",
    "unknown": "not known",
}
TALLEST = 28  # a state shows by its height, not by colour alone
HEIGHTS = {"working": TALLEST, "waiting": 20, "idle": 10, "online": 10, "offline": 2, "unknown": 2}
ROWS = 100  # stretches in the table, the newest
TICKS = 7
CHOICES = (1, 6, 24, 168)  # hours
DEFAULT = 6
HOUR = 3_600_000
SECONDS_SHOWN = 30 * 60_000  # a strip that is shorter has seconds under it


class Bar(Struct, frozen=True, kw_only=True):
    """A stretch in the strip; `x` and `width` are per cent."""

    state: str
    x: str
    width: str
    y: int
    height: int
    title: str


class Tick(Struct, frozen=True, kw_only=True):
    x: str
    text: str


class Doing(Struct, frozen=True, kw_only=True):
    """A stretch in the table."""

    state: str
    word: str
    asked: Name | None
    since: str
    since_at: str
    length: str


class Share(Struct, frozen=True, kw_only=True):
    """One state in the legend, and how long it was in all."""

    state: str
    word: str
    length: str
    y: int
    height: int


class Choice(Struct, frozen=True, kw_only=True):
    text: str
    link: str
    here: bool


class Lane(Struct, frozen=True, kw_only=True):
    bars: list[Bar]
    ticks: list[Tick]
    shares: list[Share]
    rows: list[Doing]
    left_out: str
    choices: list[Choice]
    told: str  # the strip in a sentence, for who does not see it


def lane(told: Mapping[str, Any], hours: int, page: str, *, zone: tzinfo | None = None) -> Lane:
    """`told` is what `GET /instances/NAME/activity` gives; `page` is the address that `?hours=` belongs to."""
    begun, ended = instant(told["since"]), instant(told["until"])
    stretches: Sequence[Mapping[str, Any]] = told["stretches"]
    lengths = dict.fromkeys(STATES, 0)
    bars, rows = [], []
    for each in stretches:
        since, until, state = instant(each["since"]), instant(each["until"]), each["state"]
        lengths[state] = lengths.get(state, 0) + until - since
        asked = visible(each["asked"] or "")
        word = f"waiting for {asked}" if asked else STATES.get(state, state)
        bars.append(
            Bar(
                state=state,
                x=_share(since - begun, ended - begun),
                width=_share(until - since, ended - begun),
                y=_top(state),
                height=_height(state),
                title=f"{clock(since, ended, zone)} {word}, {took(until - since)}",
            )
        )
        rows.append(
            Doing(
                state=state,
                word=STATES.get(state, state),
                asked=named(each["asked"]) if each["asked"] else None,
                since=clock(since, ended, zone),
                since_at=each["since"],
                length=took(until - since),
            )
        )
    shares = [
        Share(state=state, word=STATES.get(state, state), length=took(length), y=_top(state), height=_height(state))
        for state, length in lengths.items()
        if length
    ]
    return Lane(
        bars=bars,
        ticks=_ticks(begun, ended, zone),
        shares=shares,
        rows=rows[-ROWS:][::-1],
        left_out=_left_out(len(rows) - ROWS),
        choices=[Choice(text=span(each * HOUR), link=f"{page}?hours={each}", here=each == hours) for each in CHOICES],
        told=f"The last {span(ended - begun)}: " + ", ".join(f"{each.word} {each.length}" for each in shares) + ".",
    )


def _height(state: str) -> int:
    return HEIGHTS.get(state, 10)


def _top(state: str) -> int:
    return TALLEST - _height(state)


def hours_of(query: Mapping[str, str]) -> int:
    """How many hours an address asks for; what is none of the choices is DEFAULT."""
    hours = query.get("hours", "")
    return int(hours) if hours in map(str, CHOICES) else DEFAULT


def _left_out(stretches: int) -> str:
    return f"{plural(stretches, 'earlier stretch', 'earlier stretches')} left out" if stretches > 0 else ""


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.3f}%"


def _ticks(begun: int, ended: int, zone: tzinfo | None) -> list[Tick]:
    found = []
    for number in range(TICKS):
        at = begun + (ended - begun) * number // (TICKS - 1)
        text = clock(at, ended, zone)
        coarse = ended - begun >= SECONDS_SHOWN and text.count(":") == 2
        found.append(Tick(x=_share(at - begun, ended - begun), text=text[:-3] if coarse else text))
    return found
