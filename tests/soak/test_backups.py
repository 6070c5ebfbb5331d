"""Backups under load hold all that was confirmed before, and what is restored is whole and a numbering of its own."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.soak.backups import backups


async def test_a_backup_under_load_is_whole_and_restores_to_a_log_of_its_own(tmp_path: Path) -> None:
    counts = await backups(tmp_path, count=2, restores=1, seed=1)
    assert counts["backups"] == 2
    assert counts["seen by clients of another log"] == 30


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(1, 6))
async def test_fifty_backups_under_load_and_twenty_restores(tmp_path: Path, part: int) -> None:
    seed = random.randrange(2**32)
    print(f"\nbackups {part} of 5, seed {seed}")
    counts = await backups(tmp_path, count=10, restores=4, seed=seed)  # a log that only grows would prove no more
    print(
        f"10 backups under load: {counts['confirmed']:,} confirmed, {counts['confirmed while they were made']:,} "
        f"of them while a backup was made; {counts['in them']:,} messages in the backups, 0 missing, 0 tables "
        "that disagree "
        f"with their facts; {counts['restores']} restores, 0 offsets given twice, 0 old places that held, "
        f"{counts['seen by clients of another log']:,} new messages seen by clients of the old log, 0 missed, 0 doubled"
    )
