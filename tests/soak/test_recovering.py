"""A recovery that the disk refuses loses nothing: the next start makes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.recovering import MESSAGES, Wrong, damaged, run


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.soak)])
async def test_a_recovery_on_a_full_disk_is_made_by_the_next_start(step: int, tmp_path: Path) -> None:
    source = tmp_path / "source" / "hubbub.db"
    await damaged(source)
    counts = run(tmp_path, source, step)
    print(
        f"{counts.total()} recoveries of {MESSAGES} messages on a disk that is full from some call on: "
        f"{counts['refused']} refused and made by the next start, {counts['all the same']} made at once; 0 lost"
    )
    assert counts["refused"] > 10


async def test_a_recovery_that_trusts_a_closed_connection_is_found_out(tmp_path: Path) -> None:
    source = tmp_path / "source" / "hubbub.db"
    await damaged(source)
    with pytest.raises(Wrong, match="messages are left"):
        run(tmp_path, source, 3, "trusts_a_closed_connection")
