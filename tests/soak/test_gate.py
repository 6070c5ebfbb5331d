"""After a failed sync nothing is taken for written because a later one succeeds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.soak.gate import record
from tests.soak.power import Counts, Loss, cut
from tests.soak.test_power import seed

REPLAY = "HUBBUB_SEED={} pytest -m soak -k failed_syncs"
STORIES = {
    "trusts_a_later_checkpoint": ["stops_short"],
    "trusts_what_another_left_in_memory": ["ends_when_a_sync_fails", "goes_on"],
}


@pytest.mark.parametrize("fault", STORIES)
async def test_a_failed_sync_and_a_power_cut_take_nothing_that_was_confirmed(fault: str, tmp_path: Path) -> None:
    counts = await cut(record(tmp_path, 1, STORIES[fault]), tmp_path, 1, 12)
    assert counts.confirmed


@pytest.mark.parametrize("fault", STORIES)
async def test_a_power_cut_after_a_failed_sync_finds(fault: str, tmp_path: Path) -> None:
    recording = record(tmp_path, 1, STORIES[fault], [fault])
    with pytest.raises(Loss):
        await cut(recording, tmp_path, 1, 40, at_start=len(STORIES[fault]) > 1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_five_hundred_power_cuts_after_failed_syncs_take_nothing_that_was_confirmed(tmp_path: Path) -> None:
    begin = seed()
    print(f"\nseed {begin}; again: {REPLAY.format(begin)}")
    counts, failed = Counts(), 0
    chance = random.Random(begin)
    for number in range(25):
        scratch = tmp_path / str(number)
        stories = ["anything", chance.choice(["anything", "ends_when_a_sync_fails", "stops_short"]), "anything"]
        recording = record(scratch, begin % 2**20 + number, stories)
        failed += sum(1 for call in recording.calls if call.kind == "sync" and call.result)
        done = await cut(recording, scratch, begin + number, 20)
        counts = Counts(*(one + two for one, two in zip(counts, done, strict=True)))
    print(
        f"{counts.cuts} power cuts after {failed} failed syncs: {counts.confirmed:,} looks for what was confirmed: "
        f"0 lost, 0 doubled, 0 set aside"
    )
    assert counts.cuts == 500
