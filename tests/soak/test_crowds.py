"""Thousands come back at once: all are welcomed, nothing is lost, and the hub answers all the while."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import pytest

from tests.soak.crowds import Storm, reconnections

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the hub's memory is read from /proc")

A_CLIENT = 0.2  # MiB of the hub's memory for a client that is connected, at most


def judge(storm: Storm, slowest: float) -> None:
    """`slowest` is seconds for an answer on /healthz, where other tests have the machine busy."""
    assert storm.welcomed == storm.clients
    assert (storm.lost, storm.doubled, storm.gaps) == (0, 0, 0)
    assert storm.broadcasts > 2
    assert statistics.median(storm.health) < 1.0, str(storm)
    assert max(storm.health) < slowest, str(storm)
    assert storm.memory["with all"] - storm.memory["empty"] < 30 + storm.clients * A_CLIENT
    assert storm.memory["after the break"] < storm.memory["with all"] * 1.5 + 30


async def test_two_hundred_come_back_at_once(tmp_path: Path) -> None:
    judge(await reconnections(tmp_path / "home", 200), slowest=10.0)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_five_thousand_come_back_at_once(tmp_path: Path) -> None:
    storm = await reconnections(tmp_path / "home", 5000)
    print(f"\n{storm}")
    judge(storm, slowest=30.0)
