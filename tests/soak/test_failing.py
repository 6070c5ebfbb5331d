"""A disk that fails: nothing is confirmed on it, nothing is lost by it, and the hub is well again soon after it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.failing import RECOVERY, rounds, run


def test_calls_that_fail_are_told_and_cost_nothing(tmp_path: Path) -> None:
    wanted = rounds([1, 2, 5, 15, 40, 90])
    counts = run(tmp_path, wanted, 100)
    assert counts["rounds"] == len(wanted)
    assert counts["refused"]
    assert counts["refused to open"]


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_each_of_the_first_three_hundred_calls_may_fail(tmp_path: Path) -> None:
    wanted = rounds(range(1, 301))
    counts = run(tmp_path, wanted, 2900)
    assert counts["rounds"] == len(wanted)
    assert counts["slowest recovery, ms"] <= RECOVERY * 1000
    print(
        f"\n{len(wanted):,} failing calls (sync and write, EIO and ENOSPC, each of the first 300): "
        f"{counts['confirmed']:,} confirmed, {counts['refused']:,} refused, {counts['refused to open']} at the start, "
        f"0 lost, 0 confirmed falsely, well again in {counts['slowest recovery, ms']} ms at most"
    )
