"""An agent killed between push, tool and read loses nothing, and neither does one whose hub is killed with it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.soak.agents import Killings


async def test_an_agent_killed_between_push_tool_and_read_loses_nothing(tmp_path: Path) -> None:
    killings = Killings(tmp_path / "home", seed=7, hub_too=True)
    verdict = await killings.run(rounds=2)
    assert verdict.good, verdict.explain()
    assert killings.never_had == 0
    assert (killings.kills, killings.hub_kills) == (2, 2)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("hub_too", [False, True], ids=["the agent", "the agent and the hub"])
@pytest.mark.parametrize("part", range(1, 9))
async def test_two_hundred_killed_agents_lose_nothing(tmp_path: Path, part: int, hub_too: bool) -> None:
    seed = random.randrange(2**32)
    print(f"\nkilled agents {part} of 8, seed {seed}")
    killings = Killings(tmp_path / "home", seed, hub_too=hub_too)
    verdict = await killings.run(rounds=25)
    print(f"{killings.kills} kills of the agent, {killings.hub_kills} of the hub: ", end="")
    print(f"{verdict}, {killings.never_had} that no model had")
    assert verdict.good, verdict.explain()
    assert killings.never_had == 0
