from __future__ import annotations

from datetime import datetime

import pytest

from hub.units import instant, seconds, size, size_text, span_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90s", 90),
        ("15m", 900),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("250ms", 0.25),
        ("0.5h", 1800),
        ("30", 30),
        ("1.5", 1.5),
        (" 7D ", 604_800),
        ("1_000s", 1000),
        ("0", 0),
    ],
)
def test_a_span_is_read_as_people_write_it(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-11-22T09:00:00Z", 1_795_338_000.0),
        (" 2026-11-22T09:00:00+01:00", 1_795_334_400.0),
        ("90s", 910.0),
        ("1d", -85_400.0),
    ],
)
def test_a_time_is_one_by_the_clock_or_a_span_ago(text: str, value: float) -> None:
    assert instant(text, 1000.0) == value


def test_a_time_without_a_zone_is_of_this_machine() -> None:
    assert instant("2026-11-22 09:00", 0) == datetime(2026, 11, 22, 9).timestamp()


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "09:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Invalid isoformat string|month must be"):
        instant(text, 0)


@pytest.mark.parametrize("text", ["", "d", "7 days", "-1s", "1h-30m", "1e3", "nan", "inf", "7d!", "s7"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller adds the words
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64MiB", 64 * 2**20),
        ("1 GiB", 2**30),
        ("1gib", 2**30),
        ("10MB", 10_000_000),
        ("10kB", 10_000),
        ("4096", 4096),
        ("4096B", 4096),
        ("1.5KiB", 1536),
        ("1_048_576", 2**20),
        ("2TiB", 2**41),
    ],
)
def test_a_size_is_read_as_people_write_it(text: str, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1 XiB", "1MiB2", "0x10", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller adds the words
        size(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (604_800, "7d"),
        (7200, "2h"),
        (5400, "90m"),
        (90, "90s"),
        (0.25, "250ms"),
        (0, "0s"),
        (1.5, "1.5s"),
        (10.0, "10s"),
    ],
)
def test_a_span_is_shown_whole(value: float, text: str) -> None:
    assert span_text(value) == text
    assert seconds(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(2**30, "1GiB"), (64 * 2**20, "64MiB"), (1536, "1536B"), (2048, "2KiB"), (1000, "1000B"), (0, "0B")],
)
def test_a_size_is_shown_whole(value: int, text: str) -> None:
    assert size_text(value) == text
    assert size(text) == value
