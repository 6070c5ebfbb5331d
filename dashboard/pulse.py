"""The last hour of a hub in numbers: the tables behind the overview's charts. Pure; the time comes with the numbers.

`static/pulse.js` says the same in the browser; a test holds the two to each other. Beats are what `GET /api/v1/pulse`
gives: five seconds each, those in which nothing happened left out.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from msgspec import Struct

from dashboard.words import clock, count, instant, plural, span

HOUR = 3600  # seconds
STRETCH = 300  # seconds of one row of the table


class Stretch(Struct, frozen=True, kw_only=True):
    """Five minutes. Of the latencies the highest of any beat is told: those of several beats make no percentile."""

    begins: str
    messages: str
    most: str  # in the busiest beat, a second
    p50: str
    p95: str


class Pulse(Struct, frozen=True, kw_only=True):
    rate: str  # the first chart in words
    latency: str  # the second
    known: str  # since when there are numbers
    rows: list[Stretch]


def pulse(told: dict[str, Any], *, zone: tzinfo | None = None) -> Pulse:
    """The words of the last hour, or of as much of it as the hub has run."""
    now, since, beat = instant(told["at"]) // 1000, instant(told["since"]) // 1000, told["beat"]
    first = max(now - HOUR, since)
    beats = [each for each in told["beats"] if each["at"] + beat > first]
    total = sum(each["messages"] for each in beats)
    p50 = [each["p50"] for each in beats if each["p50"] is not None]
    p95 = [each["p95"] for each in beats if each["p95"] is not None]
    return Pulse(
        rate=f"{plural(total, 'message')}, at most {_rate(beats, beat)} a second",
        latency=f"at worst half in {latency(max(p50))}, 95 % in {latency(max(p95))}" if p50 else
        "no message was confirmed by a client",
        known="" if since <= now - HOUR else f"{span((now - since) * 1000)} since the start",
        rows=[
            _stretch([each for each in beats if begin <= each["at"] < begin + STRETCH], begin, now, beat, zone)
            for begin in range(first // STRETCH * STRETCH, now + 1, STRETCH)
        ],
    )  # fmt: skip


def latency(milliseconds: float) -> str:
    """`0.4 ms`, `12 ms`, `1.5 s`: two digits, which is all that is known."""
    if milliseconds < 9.95:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 995:
        return f"{round(milliseconds)} ms"
    return f"{milliseconds / 1000:.1f} s"


def _stretch(beats: list[dict[str, Any]], begin: int, now: int, beat: int, zone: tzinfo | None) -> Stretch:
    waits = [each for each in beats if each["p50"] is not None]
    return Stretch(
        begins=clock(begin * 1000, now * 1000, zone),
        messages=count(sum(each["messages"] for each in beats)),
        most=_rate(beats, beat),
        p50=latency(max(each["p50"] for each in waits)) if waits else "unknown",
        p95=latency(max(each["p95"] for each in waits)) if waits else "unknown",
    )


def _rate(beats: list[dict[str, Any]], beat: int) -> str:
    tenths = max((each["messages"] for each in beats), default=0) * 10 // beat
    return f"{count(tenths // 10)}.{tenths % 10}" if tenths % 10 and tenths < 1000 else count(tenths // 10)
