from __future__ import annotations

from pathlib import Path

import pytest

from hub.volume import FULL, LOW, Volume, look, size


@pytest.mark.parametrize(
    ("free", "read_only", "state"),
    [
        (0, False, "full"),
        (FULL - 1, False, "full"),
        (FULL, False, "low"),
        (LOW - 1, False, "low"),
        (LOW, False, "ok"),
        (LOW, True, "read-only"),
        (0, True, "read-only"),
    ],
)
def test_a_disk_is_full_low_or_well(free: int, read_only: bool, state: str) -> None:
    told = Volume(
        database="x", database_bytes=0, journal_bytes=0, free_bytes=free, disk_bytes=2**40, read_only=read_only
    )
    assert told.state == state


def test_it_is_looked_at_before_anything_is_there(tmp_path: Path) -> None:
    told = look(tmp_path / "not" / "yet" / "hubbub.db")
    assert (told.database_bytes, told.journal_bytes) == (0, 0)
    assert told.disk_bytes >= told.free_bytes > 0


def test_the_journal_counts_apart_and_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.db").write_bytes(bytes(5000))
    (tmp_path / "real.db-wal").write_bytes(bytes(300))
    (tmp_path / "hubbub.db").symlink_to(tmp_path / "real.db")
    told = look(tmp_path / "hubbub.db")
    assert (told.database_bytes, told.journal_bytes) == (5000, 300)
    assert size(tmp_path) == 0, "a folder is no file"
