from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.limits import Buckets, TokenBucket


@pytest.mark.parametrize(
    ("rate", "burst", "takes"),
    [
        pytest.param(1, 2, [(0, 1, 0.0), (0, 1, 0.0), (0, 1, 1.0)], id="the burst is there at once, and no more"),
        pytest.param(2, 1, [(0, 1, 0.0), (0.25, 1, 0.25), (0.5, 1, 0.0)], id="it refills by its rate"),
        pytest.param(1, 2, [(0, 2, 0.0), (1000, 2, 0.0), (1000, 1, 1.0)], id="it never holds more than its burst"),
        pytest.param(1, 5, [(0, 5, 0.0), (0, 3, 3.0), (2, 3, 1.0), (3, 3, 0.0)], id="a refused take costs nothing"),
        pytest.param(1, 2, [(0, 3, math.inf), (0, 2, 0.0)], id="more than the burst is never there"),
        pytest.param(0, 1, [(0, 1, 0.0), (1e9, 1, math.inf)], id="without a rate it is used up for good"),
        pytest.param(1, 1, [(100, 1, 0.0), (50, 1, 1.0), (100.5, 1, 0.5)], id="a clock set back gives nothing"),
        pytest.param(10, 1, [(0, 0, 0.0), (0, 1, 0.0), (0, 0, 0.0)], id="nothing costs nothing"),
    ],
)
def test_takes(rate: float, burst: float, takes: list[tuple[float, float, float]]) -> None:
    bucket = TokenBucket(rate, burst)
    for now, n, wait in takes:
        assert bucket.take(now, n) == pytest.approx(wait), (now, n)


@pytest.mark.parametrize(("rate", "burst"), [(-1, 1), (1, 0.5), (math.nan, 1), (1, math.inf), (math.inf, 1)])
def test_a_bucket_that_makes_no_sense_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="bucket"):
        TokenBucket(rate, burst)
    with pytest.raises(ValueError, match="bucket"):
        Buckets[str](rate, burst)


@given(
    st.floats(0.1, 100),
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 10), st.integers(0, 10)), max_size=60),
)
def test_nobody_gets_more_than_the_burst_and_the_rate_together(
    rate: float, burst: int, asks: list[tuple[float, int]]
) -> None:
    bucket = TokenBucket(rate, burst)
    now, granted = 0.0, 0
    for passed, n in asks:
        now += passed
        if bucket.take(now, n) == 0.0:
            granted += n
        assert granted <= burst + rate * now + 1e-6


@given(st.floats(0.1, 100), st.integers(1, 50), st.integers(1, 50))
def test_after_the_wait_it_was_told_a_take_succeeds(rate: float, burst: int, n: int) -> None:
    bucket = TokenBucket(rate, burst)
    bucket.take(0.0, burst)
    wait = bucket.take(0.0, n)
    if n <= burst:
        assert bucket.take(wait * (1 + 1e-9), n) == 0.0
    else:
        assert wait == math.inf


def test_keys_do_not_share_a_bucket() -> None:
    buckets = Buckets[str](rate=1, burst=1)
    assert buckets.take("a", 0) == 0.0
    assert buckets.take("a", 0) == 1.0
    assert buckets.take("b", 0) == 0.0


def test_the_bucket_unused_for_longest_makes_room() -> None:
    buckets = Buckets[str](rate=1, burst=1, most=2)
    buckets.take("a", 0)
    buckets.take("b", 0)
    buckets.take("a", 0)  # refused, and yet a use
    buckets.take("c", 0)
    assert len(buckets) == 2
    assert buckets.take("a", 0) > 0
    assert buckets.take("b", 0) == 0.0
    with pytest.raises(ValueError, match="at least one"):
        Buckets[str](rate=1, burst=1, most=0)
