from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from dashboard.lane import DEFAULT, ROWS, STATES, TALLEST, hours_of, lane
from dashboard.name import named
from tests.dashboard.hours import NOON, a_snapshot, before
from tests.dashboard.things import an_activity


def drawn(told: dict[str, Any], hours: int = 6) -> Any:
    return lane(told, hours, "/instances/alice", zone=UTC)


def test_the_strip_is_filled_from_one_end_to_the_other() -> None:
    strip = drawn(an_activity(a_snapshot()))
    assert [bar.state for bar in strip.bars] == ["unknown", "offline", "online", "working", "waiting", "idle"]
    ends = [float(bar.x[:-1]) + float(bar.width[:-1]) for bar in strip.bars]
    assert [float(bar.x[:-1]) for bar in strip.bars] == pytest.approx([0, *ends[:-1]], abs=0.01)
    assert ends[-1] == pytest.approx(100, abs=0.01)
    assert all(bar.y + bar.height == TALLEST for bar in strip.bars)
    heights = {bar.state: bar.height for bar in strip.bars}
    assert heights["working"] > heights["waiting"] > heights["idle"] > heights["offline"], "told by shape too"


def test_what_the_strip_shows_is_told_in_words_too() -> None:
    strip = drawn(an_activity(a_snapshot()))
    assert strip.bars[4].title == "11:40:00 waiting for api, 10 min"
    assert strip.told.startswith("The last 1 h: working 10 min, waiting for messages 10 min, idle 10 min,")
    assert [share.state for share in strip.shares] == list(STATES), "the legend keeps its order"
    newest, waited = strip.rows[0], strip.rows[1]
    assert (newest.word, newest.since, newest.length) == ("idle", "11:50:00", "10 min")
    assert waited.asked == named("api")


def test_the_hours_under_it_are_even_and_name_seconds_where_it_is_short() -> None:
    strip = drawn(an_activity(a_snapshot()))
    assert [tick.text for tick in strip.ticks] == ["11:00", "11:10", "11:20", "11:30", "11:40", "11:50", "12:00"]
    short = {"since": before(NOON, seconds=60), "until": before(NOON), "stretches": []}
    assert [tick.text for tick in drawn(short).ticks][:2] == ["11:59:00", "11:59:10"]


def test_a_strip_of_no_length_is_drawn() -> None:
    at = before(NOON)
    assert drawn({"since": at, "until": at, "stretches": []}).bars == []


def test_a_long_table_is_cut_at_its_old_end() -> None:
    at = before(NOON)
    stretches = [{"state": "idle", "since": at, "until": at, "asked": None}] * (ROWS + 3)
    strip = drawn({"since": before(NOON, hours=6), "until": at, "stretches": stretches})
    assert (len(strip.rows), strip.left_out) == (ROWS, "3 earlier stretches left out")


def test_a_state_of_a_newer_hub_is_shown_by_its_word() -> None:
    told = {"since": before(NOON, hours=1), "until": before(NOON)}
    stretch = {"state": "paused", **told, "asked": None}
    strip = drawn(told | {"stretches": [stretch]})
    assert (strip.bars[0].state, strip.shares[0].word) == ("paused", "paused")


@pytest.mark.parametrize(
    ("query", "hours"), [({}, DEFAULT), ({"hours": "24"}, 24), ({"hours": "5"}, DEFAULT), ({"hours": "x"}, DEFAULT)]
)
def test_an_address_says_how_far_back(query: dict[str, str], hours: int) -> None:
    assert hours_of(query) == hours


def test_the_choice_that_holds_is_marked() -> None:
    choices = drawn(an_activity(a_snapshot()), 24).choices
    assert [(each.text, each.link, each.here) for each in choices] == [
        ("1 h", "/instances/alice?hours=1", False),
        ("6 h", "/instances/alice?hours=6", False),
        ("24 h", "/instances/alice?hours=24", True),
        ("7 d", "/instances/alice?hours=168", False),
    ]
