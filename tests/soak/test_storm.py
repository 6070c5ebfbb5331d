"""What was confirmed is there, and reaches everybody once: `kill -9` of the hub at random moments of a storm."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.soak.checker import Verdict
from tests.soak.storm import Storm


def judge(verdict: Verdict) -> None:
    assert verdict.good, verdict.explain()


async def test_a_killed_hub_has_all_it_confirmed_and_every_client_gets_it(tmp_path: Path) -> None:
    storm = Storm(tmp_path / "home", seed=1, agents=False)
    verdict = await storm.rage(rounds=2)
    judge(verdict)
    assert verdict.counts["confirmed"] > 4
    assert verdict.counts["delivered"] > verdict.counts["confirmed"] / 2


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(1, 9))
async def test_two_hundred_killed_hubs_lose_nothing_for_any_kind_of_client(tmp_path: Path, part: int) -> None:
    seed = random.randrange(2**32)
    print(f"\nstorm {part} of 8, seed {seed}")
    storm = Storm(tmp_path / "home", seed, agents=True)
    verdict = await storm.rage(rounds=25)
    print(f"{storm.kills} kills of the hub: {verdict}")
    judge(verdict)
