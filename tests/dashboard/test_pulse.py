"""The last hour in words: what is counted, and what is said not to be known."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from dashboard.pulse import latency, pulse
from tests.dashboard.hours import NOON, a_busy_hour, a_pulse, before, rfc3339
from tests.dashboard.reading import Reading, browse

AT = rfc3339(NOON)

HOURS: list[dict[str, Any]] = [
    a_pulse(AT),
    a_pulse(AT, (0, 10, 2.0), (5, 31, 1.0), (3_000, 4, None), (3_590, 1, 700.0), (7_000, 99, 9_000.0)),
    a_pulse(AT, (0, 1, None)) | {"since": before(NOON, minutes=7)},
    a_pulse(AT, *((each * 5, each % 50, each / 7) for each in range(1, 700))),
]


def test_an_hour_is_told_in_stretches_of_five_minutes() -> None:
    said = pulse(HOURS[1], zone=UTC)
    assert (said.rate, said.known) == ("46 messages, at most 6.2 a second", "")
    assert said.latency == "at worst half in 700 ms, 95 % in 2.8 s"
    assert [row.begins for row in said.rows[:2]] == ["11:00:00", "11:05:00"]
    assert len(said.rows) == 13
    assert (said.rows[-2].messages, said.rows[-2].most) == ("31", "6.2")
    assert (said.rows[-1].messages, said.rows[-1].p50, said.rows[-1].p95) == ("10", "2.0 ms", "8.0 ms")
    assert (said.rows[2].messages, said.rows[2].p50) == ("4", "unknown"), "nobody confirmed anything then"
    assert (said.rows[5].messages, said.rows[5].most, said.rows[5].p50) == ("0", "0", "unknown")


def test_what_was_before_the_hubs_start_is_not_told() -> None:
    said = pulse(HOURS[2], zone=UTC)
    assert said.known == "7 min since the start"
    assert [row.begins for row in said.rows] == ["11:50:00", "11:55:00", "12:00:00"]
    assert said.latency == "no message was confirmed by a client"


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (0.1, "0.1 ms"),
        (9.94, "9.9 ms"),
        (9.95, "10 ms"),
        (44, "44 ms"),
        (994, "994 ms"),
        (995, "1.0 s"),
        (160_000, "160.0 s"),
    ],
)
def test_a_latency_has_two_digits(milliseconds: float, said: str) -> None:
    assert latency(milliseconds) == said


def test_behind_each_chart_stands_a_table_before_any_script() -> None:
    page = Reading(browse(a_busy_hour() | {"pulse": HOURS[1]}).get("/").text)
    for said in (
        "46 messages, at most 6.2 a second",
        "At most a second",
        "half in 700 ms",
        "95 % in",
        "unknown",
    ):
        assert said in page.text
    assert len([1 for tag, attributes in page.elements if attributes.get("class") == "plot"]) == 2
