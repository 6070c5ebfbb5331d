"""A clock that goes eight days forward and back takes nothing away, and puts nothing in another order."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.steady import TRUST, Steady
from tests.hub.live import live
from tests.soak import clocks
from tests.soak.clocks import DAY, FAKETIME, LEAP, Clocks


async def test_a_leap_and_the_way_back_cost_nothing_and_expire_only_what_was_to_expire(tmp_path: Path) -> None:
    checker, during, after = await clocks.in_process(tmp_path / "home")
    verdict = checker.verdict()
    assert verdict.good, verdict.explain()
    assert 0 < during < after


async def test_a_leap_that_has_stood_for_an_hour_is_believed(tmp_path: Path) -> None:
    async with live(tmp_path / "home", retention_age=7 * DAY) as hub, hub.session("bob") as bob:
        clock = Clocks(hub)
        old = await bob.publish("alice", "old")
        clock.leapt = LEAP
        await clock.retention()
        assert hub.app.node.hub.floor <= old["offset"]
        clock.stood = TRUST
        await bob.publish("alice", "new")
        await clock.retention()
        assert hub.app.node.hub.floor > old["offset"]


async def test_who_believes_a_leap_at_once_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Steady, "at", lambda self, wall, monotonic: wall)
    checker, _, _ = await clocks.in_process(tmp_path / "home")
    assert checker.verdict().broken["lost"]


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.skipif(not FAKETIME, reason="libfaketime is missing: .ci/tools installs it")
async def test_a_real_hub_under_a_wrong_clock_loses_nothing(tmp_path: Path) -> None:
    checker, whole = await clocks.real_process(tmp_path / "home", tmp_path / "clock")
    verdict = checker.verdict()
    print(f"\nclock 8 days forward and back, by libfaketime: {verdict}; the log was found whole {whole} times of 5")
    assert verdict.good, verdict.explain()
