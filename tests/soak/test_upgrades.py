"""An upgrade in place: everybody is back by themselves, apart in time, with nothing lost and nothing twice."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.soak.upgrades import CLIENTS, LATE, Verdict, upgrades

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM: a process is ended at once")

NONE = ("lost", "doubled", "out of order", "misplaced", "gaps")


def nothing_went_wrong(verdict: Verdict, rounds: int) -> None:
    assert {what: verdict.counts[what] for what in NONE} == dict.fromkeys(NONE, 0)
    assert verdict.counts["resumed"] == CLIENTS * rounds
    assert verdict.slowest < LATE
    assert verdict.spread > 0.05, "all came back in the same instant"


async def test_a_hundred_clients_stay_through_an_upgrade(tmp_path: Path) -> None:
    verdict = await upgrades(tmp_path / "home", 1)
    nothing_went_wrong(verdict, 1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_a_hundred_clients_stay_through_twenty_upgrades(tmp_path: Path) -> None:
    verdict = await upgrades(tmp_path / "home", 20)
    nothing_went_wrong(verdict, 20)
    counts = verdict.counts
    print(
        f"\n20 upgrades under {CLIENTS} clients: {counts['confirmed']:,} confirmed, {counts['delivered']:,} delivered, "
        f"0 lost, 0 doubled, 0 out of order, 0 gaps; {counts['resumed']:,} reconnects, all resumed; "
        f"the last was back {verdict.slowest:.1f} s after the stop at most, the first and the last never closer than "
        f"{verdict.spread:.2f} s"
    )
