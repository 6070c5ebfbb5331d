"""SIGTERM confirms or refuses what is in flight, tells everybody when to come back, and leaves nothing to recover."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.soak.shutdowns import POLLS, PUBLISHERS, STREAMS, Crowd, shutdowns

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM: a process is ended at once")


def all_were_told(crowd: Crowd, rounds: int) -> None:
    assert crowd.counts["long polls told"] == POLLS * rounds
    assert crowd.counts["event streams told"] == STREAMS * rounds
    assert crowd.counts["goodbyes"] == crowd.counts["closed 4002"] == PUBLISHERS * rounds


async def test_a_hub_that_is_stopped_in_mid_storm_owes_nobody_an_answer(tmp_path: Path) -> None:
    crowd = await shutdowns(tmp_path / "home", rounds=2, seed=1, with_stuck=1)
    all_were_told(crowd, 2)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_a_hundred_shutdowns_owe_nobody_an_answer(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"\nseed {seed}")
    crowd = await shutdowns(tmp_path / "home", rounds=100, seed=seed, with_stuck=4)
    all_were_told(crowd, 100)
    counts = crowd.counts
    print(
        f"100 shutdowns: {counts['confirmed']:,} confirmed, 0 lost; {counts['refused']:,} refused, 0 of them stored; "
        f"0 stored and not answered; {counts['unanswered, not stored']:,} neither; "
        f"{counts['goodbyes']} WebSockets, {counts['long polls told']} long polls and "
        f"{counts['event streams told']} event streams told; slowest {crowd.slowest:.1f} s; 0 journals left"
    )
