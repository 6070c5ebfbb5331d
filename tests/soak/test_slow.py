"""A reader that takes nothing is closed in time with its code, leaves nothing behind, and holds nobody up."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.soak.slow import Outcome, stuck_among

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sockets and memory are read from /proc")


def judge(outcome: Outcome, seconds: float) -> None:
    assert (outcome.heard["lost"], outcome.heard["doubled"], outcome.heard["gaps"]) == (0, 0, 0)
    assert outcome.heard["welcomed"] == outcome.readers, "somebody else was closed too"
    assert "slow_reader_timeout" in outcome.reason
    assert outcome.broadcasts > 20
    assert outcome.closed_after < seconds + 5  # filling its buffers included
    assert outcome.gone_after < seconds + 10
    assert outcome.left_open == []
    assert outcome.memory["after"] - outcome.memory["before"] < outcome.window + 40


@pytest.mark.parametrize("reads_again", [True, False])
async def test_one_that_takes_nothing_is_closed_and_gone(tmp_path: Path, reads_again: bool) -> None:
    outcome = await stuck_among(tmp_path / "home", 10, reads_again=reads_again, seconds=1.0)
    judge(outcome, 1.0)
    if reads_again:
        assert outcome.code == 4012


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("reads_again", [True, False])
async def test_one_of_a_hundred_takes_nothing(tmp_path: Path, reads_again: bool) -> None:
    outcome = await stuck_among(tmp_path / "home", 100, reads_again=reads_again, seconds=10.0)
    print(f"\n{outcome}")
    judge(outcome, 10.0)
    if reads_again:
        assert outcome.code == 4012
