"""The clock of what cannot be undone: it goes with the wall clock, and does not fall for a leap."""

from __future__ import annotations

import pytest

from hub.steady import LEAP, TRUST, Steady

DAY = 86_400.0
NOON = 1_700_000_000.0


def test_it_goes_with_the_wall_clock() -> None:
    clock = Steady(NOON, NOON, 0.0)
    assert [clock.at(NOON + passed, passed) for passed in (5.0, 10.0, 400.0)] == [NOON + 5, NOON + 10, NOON + 400]


def test_a_clock_that_is_a_little_off_is_followed() -> None:
    clock = Steady(NOON, NOON, 0.0)
    assert clock.at(NOON + 5 + LEAP, 5.0) == NOON + 5 + LEAP


def test_a_leap_forward_counts_only_when_it_has_stood() -> None:
    clock = Steady(NOON, NOON, 0.0)
    assert clock.at(NOON + 8 * DAY, 5.0) == NOON + 5
    assert clock.at(NOON + 8 * DAY + TRUST - 1, TRUST + 4) == NOON + TRUST + 4
    assert clock.at(NOON + 8 * DAY + TRUST, TRUST + 5) == NOON + 8 * DAY + TRUST
    assert clock.at(NOON + 8 * DAY + TRUST + 5, TRUST + 10) == NOON + 8 * DAY + TRUST + 5


def test_a_leap_that_is_taken_back_has_never_been() -> None:
    clock = Steady(NOON, NOON, 0.0)
    assert clock.at(NOON + 8 * DAY, 5.0) == NOON + 5
    assert clock.at(NOON + TRUST - 5, TRUST - 5) == NOON + TRUST - 5
    assert clock.at(NOON + 8 * DAY, TRUST + 5) == NOON + TRUST + 5, "the next leap has to stand by itself"


def test_a_leap_back_counts_at_once_and_so_does_the_way_from_there() -> None:
    clock = Steady(NOON, NOON, 0.0)
    assert clock.at(NOON - 8 * DAY, 5.0) == NOON - 8 * DAY
    assert clock.at(NOON - 8 * DAY + 5, 10.0) == NOON - 8 * DAY + 5


@pytest.mark.parametrize(
    ("last", "expected"),
    [(None, NOON), (NOON - 60, NOON), (NOON - 8 * DAY, NOON - 8 * DAY + 5), (NOON + 8 * DAY, NOON)],
    ids=["nothing is known", "a moment ago", "long ago", "in the future"],
)
def test_at_the_start_the_newest_message_says_when_it_was(last: float | None, expected: float) -> None:
    assert Steady(last, NOON, 0.0).at(NOON, 5.0) == expected
