"""Faults planted in a hub, and the soak tests of crowds and slow readers held to find them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.soak.crowds import reconnections
from tests.soak.faulty_hub import command
from tests.soak.slow import stuck_among
from tests.soak.test_crowds import judge as judge_crowd
from tests.soak.test_slow import judge as judge_slow

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="as the tests that they are about")


@pytest.mark.parametrize("planted", ["whoever_comes_back_begins_at_the_head", "whoever_comes_back_begins_again"])
async def test_a_crowd_finds(planted: str, tmp_path: Path) -> None:
    storm = await reconnections(tmp_path / "home", 20, command(planted))
    assert storm.lost + storm.doubled > 0
    with pytest.raises(AssertionError):
        judge_crowd(storm, 60)


async def test_a_reader_that_takes_nothing_finds(tmp_path: Path) -> None:
    faulty = command("the_last_word_waits_for_room")
    outcome = await stuck_among(tmp_path / "home", 2, reads_again=True, seconds=1.0, command=faulty)
    judge_slow(outcome, 1.0)  # it is closed all the same
    assert outcome.code != 4012, "but it is not told why"
