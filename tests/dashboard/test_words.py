"""How numbers, sizes, spans, times and names are said."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from dashboard.words import HUES, ago, clock, count, hue, instant, plural, size, span, visible

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (999, "999"), (1_000, "1,000"), (1_204_567, "1,204,567"), (2**53, "9,007,199,254,740,992")],
)
def test_a_number_has_its_thousands_apart(number: int, said: str) -> None:
    assert count(number) == said


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 queues"), (1, "1 queue"), (2, "2 queues"), (1_204, "1,204 queues")]
)
def test_only_one_is_singular(number: int, said: str) -> None:
    assert plural(number, "queue") == said


def test_a_plural_of_its_own_is_used() -> None:
    assert plural(2, "reply", "replies") == "2 replies"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_024, "1.0 KiB"),
        (1_535, "1.4 KiB"),
        (10 * 1024, "10 KiB"),
        (1024**2 - 1, "1,023 KiB"),
        (1024**2, "1.0 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (20_000 * 1024**4, "20,000 TiB"),
    ],
)
def test_a_size_takes_the_largest_unit_that_leaves_one(number: int, said: str) -> None:
    assert size(number) == said


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (-5 * SECOND, "0 s"),  # two clocks that differ
        (0, "0 s"),
        (59_999, "59 s"),
        (MINUTE, "1 min"),
        (HOUR - 1, "59 min"),
        (HOUR, "1 h"),
        (2 * DAY - 1, "47 h"),
        (2 * DAY, "2 d"),
        (1_500 * DAY, "1,500 d"),
    ],
)
def test_a_span_is_rounded_down_to_one_unit(length: int, said: str) -> None:
    assert span(length) == said


@pytest.mark.parametrize(("length", "said"), [(-MINUTE, "now"), (4_999, "now"), (5_000, "5 s ago"), (HOUR, "1 h ago")])
def test_what_just_was_is_now(length: int, said: str) -> None:
    assert ago(length) == said


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.000999Z", 1_000),
        ("1970-01-01T02:00:00+02:00", 0),
        ("2026-03-14T12:00:00.250000Z", 1_773_489_600_250),
    ],
)
def test_an_instant_is_read_to_the_whole_millisecond(text: str, at: int) -> None:
    assert instant(text) == at


@pytest.mark.parametrize(
    ("at", "hours_east", "said"),
    [
        ("2026-03-14T09:05:07Z", 0, "09:05:07"),
        ("2026-03-13T23:30:00Z", 0, "13 Mar 23:30"),
        ("2026-03-13T23:30:00Z", 1, "00:30:00"),  # the day is the reader's
        ("2025-12-01T00:00:00Z", 0, "1 Dec 00:00"),
    ],
)
def test_the_clock_names_the_day_where_it_is_another(at: str, hours_east: int, said: str) -> None:
    zone = timezone(timedelta(hours=hours_east))
    assert clock(instant(at), instant("2026-03-14T12:00:00Z"), zone) == said


def test_a_name_keeps_its_hue_in_any_spelling_and_every_hue_is_used() -> None:
    assert hue("Alice") == hue("aLICE")
    assert hue("alice") == 23  # a fixed point: a hue that changes with a version is not stable
    assert {hue(f"worker-{number}") for number in range(500)} == set(range(HUES))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("one\ntwo\tthree", "one\ntwo\tthree"),
        ("one\r\ntwo", "one\ntwo"),
        ("\x1b[2J\x07\x00", "␛[2J␇␀"),
        ("\x7f\x9b31m\r", "␡\ufffd31m␍"),
        ("Grüße, 世界 🜁", "Grüße, 世界 🜁"),
    ],
)
def test_control_characters_are_seen(text: str, said: str) -> None:
    assert visible(text) == said
