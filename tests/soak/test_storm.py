"""What was confirmed is there, and reaches everybody once: `kill -9` of the hub at random moments of a storm."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.soak.storm import Storm


@pytest.mark.timeout(180)
async def test_a_killed_hub_has_all_it_confirmed_and_every_client_gets_it(tmp_path: Path) -> None:
    storm = Storm(tmp_path / "home", seed=1, agents=False)
    verdict = await storm.rage(rounds=3)
    assert verdict.good, verdict.explain()
    assert verdict.counts["confirmed"] > 4
    assert verdict.counts["delivered"] > verdict.counts["confirmed"] / 2


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_a_hub_that_confirms_before_it_commits_is_found_out(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.soak.frail", "confirms_before_it_commits"]
    for turn in range(5):
        verdict = await Storm(tmp_path / str(turn), turn, agents=False, command=command).rage(rounds=5)
        if verdict.broken["lost"] or verdict.broken["falsely confirmed"]:
            return
    raise AssertionError("25 kills, and nothing was lost that had been confirmed")


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("quarter", [1, 2, 3, 4])
async def test_two_hundred_killed_hubs_lose_nothing_for_any_kind_of_client(tmp_path: Path, quarter: int) -> None:
    seed = random.randrange(2**32)
    print(f"\nstorm {quarter} of 4, seed {seed}: ", end="")
    storm = Storm(tmp_path / "home", seed, agents=True)
    verdict = await storm.rage(rounds=50)
    print(f"{storm.kills} kills of the hub: {verdict}")
    assert verdict.good, verdict.explain()
