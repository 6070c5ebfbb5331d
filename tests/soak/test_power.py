"""Power cuts: what was confirmed before one is there after it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.soak.power import Counts, Loss, cut, record

REPLAY = "HUBBUB_SEED={} pytest -m soak -k power_cuts"


def seed(default: int | None = None) -> int:
    """What $HUBBUB_SEED says; or `default`; or any."""
    import os

    return int(os.environ.get("HUBBUB_SEED", random.randrange(2**32) if default is None else default))


async def test_a_dozen_power_cuts_take_nothing_that_was_confirmed(tmp_path: Path) -> None:
    recording = await record(tmp_path, 1, [300])
    counts = await cut(recording, tmp_path, seed(1), 12, start_every=12)
    assert counts.cuts == 12
    assert counts.started == 1
    assert counts.confirmed > 300


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_five_hundred_power_cuts_take_nothing_that_was_confirmed(tmp_path: Path) -> None:
    begin = seed()
    print(f"\nseed {begin}; again: {REPLAY.format(begin)}")
    counts, messages = Counts(), 0
    for number in range(10):
        scratch = tmp_path / str(number)
        recording = await record(scratch, begin + number, [1500, 200])
        messages += sum(1 for call in recording.calls for _ in call.confirmed())
        done = await cut(recording, scratch, begin + number, 50, start_every=25)
        counts = Counts(*(one + two for one, two in zip(counts, done, strict=True)))
    print(
        f"{counts.cuts} power cuts: {messages:,} confirmed, looked for {counts.confirmed:,} times, "
        f"{counts.started} hubs started on what was left: 0 lost, 0 doubled, 0 set aside"
    )
    assert counts.cuts == 500


@pytest.mark.parametrize("fault", ["never_syncs", "syncs_now_and_then", "confirms_before_it_commits"])
async def test_a_power_cut_finds(fault: str, tmp_path: Path) -> None:
    recording = await record(tmp_path, 1, [200], [fault])
    with pytest.raises(Loss):
        await cut(recording, tmp_path, 1, 60)
