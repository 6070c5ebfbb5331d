from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.outstanding import Outstanding


@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=6) | st.integers(0, 12)))
def test_it_is_a_queue_of_offsets(steps: list[list[int] | int]) -> None:
    outstanding, plain, head, confirmed = Outstanding(), list[int](), 0, 0
    for step in steps:
        if isinstance(step, int):
            confirmed += step
            outstanding.confirm(confirmed)
            plain = [offset for offset in plain if offset > confirmed]
        else:
            run = []
            for gap in step:
                head += gap
                run.append(head)
            outstanding.add(run)
            plain += run
        assert outstanding.count == len(plain)
        if plain:
            assert (outstanding.oldest, outstanding.newest) == (plain[0], plain[-1])
        else:
            with pytest.raises(IndexError):
                _ = outstanding.oldest
            with pytest.raises(IndexError):
                _ = outstanding.newest


def test_sessions_that_were_given_the_same_share_it() -> None:
    run, one, other = [1, 2, 3], Outstanding(), Outstanding()
    one.add(run)
    other.add(run)
    one.confirm(2)
    assert (one.count, other.count, run) == (1, 3, [1, 2, 3])
