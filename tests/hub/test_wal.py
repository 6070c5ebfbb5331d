"""What a journal that was left behind tells: torn by a full disk or a power cut, or damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hub import soundness, writer
from hub.database import Synchronous
from hub.history import History
from hub.soundness import beside, fault
from hub.wal import FRAME_HEADER, HEADER, damage
from tests.hub.memory_log import draft

FRAME = FRAME_HEADER + 4096


async def left_behind(scratch: Path, *, synchronous: Synchronous = "full", index: bool = True) -> Path:
    """A database as a killed hub leaves it, or without its index as a power cut does: of two lives, twelve commits."""
    path = scratch / "hub" / "hubbub.db"
    async with await History.open(path, synchronous=synchronous):
        pass
    log = await History.open(path, synchronous=synchronous)
    for number in range(12):
        await log.append([draft(number, body="." * 5000)])
    shutil.copytree(path.parent, scratch / "left")
    await log.close()
    left = scratch / "left" / "hubbub.db"
    if not index:
        beside(left, "-shm").unlink()
    return left


async def opened(path: Path, synchronous: Synchronous = "full") -> tuple[str | None, int]:
    """What a start on it says, and how many messages are there then."""
    async with await History.open(path, synchronous=synchronous) as log:
        return log.opened.told(), (await log.load()).head


async def test_what_a_killed_hub_leaves_is_sound(tmp_path: Path) -> None:
    path = await left_behind(tmp_path)
    assert beside(path, "-wal").stat().st_size > 12 * FRAME
    assert await opened(path) == (None, 12)


@pytest.mark.parametrize("size", [1, 5, HEADER - 1])
async def test_a_head_that_a_full_disk_cut_short_is_no_damage(tmp_path: Path, size: int) -> None:
    path = await left_behind(tmp_path)
    await opened(path)  # which copies everything into the database
    beside(path, "-wal").write_bytes(bytes.fromhex("377f0682002de218")[:size].ljust(size, b"\1"))
    assert await opened(path) == (None, 12)


@pytest.mark.parametrize("how", ["emptied", "zeros", "removed", "cut short"])
async def test_a_journal_that_the_index_knows_to_have_been_there_is_missed(tmp_path: Path, how: str) -> None:
    path = await left_behind(tmp_path)
    wal = beside(path, "-wal")
    if how == "removed":
        wal.unlink()
    else:
        wal.write_bytes({"emptied": b"", "zeros": bytes(wal.stat().st_size), "cut short": wal.read_bytes()[:20]}[how])
    told, _ = await opened(path)
    assert told is not None
    assert "its journal is gone" in told


async def torn(path: Path) -> None:
    """As a power cut may leave what was not synced: a frame in the middle never came to the disk."""
    data = bytearray(beside(path, "-wal").read_bytes())
    data[HEADER + 9 * FRAME : HEADER + 10 * FRAME] = bytes(FRAME)
    beside(path, "-wal").write_bytes(data)


async def test_a_hole_in_the_middle_is_damage_where_each_commit_was_synced(tmp_path: Path) -> None:
    path = await left_behind(tmp_path, index=False)
    await torn(path)
    told, _ = await opened(path)
    assert told is not None
    assert "frame 10 cannot be read, and others follow it" in told


async def test_a_hole_in_the_middle_is_no_damage_where_they_were_not_whatever_is_set_now(tmp_path: Path) -> None:
    path = await left_behind(tmp_path, synchronous="normal", index=False)
    await torn(path)
    told, head = await opened(path, "full")
    assert told is None
    assert 0 < head < 12
    assert await opened(path, "full") == (None, head)


async def test_the_word_for_how_it_is_written_goes_with_the_setting(tmp_path: Path) -> None:
    path = await left_behind(tmp_path, synchronous="normal")
    assert not soundness._in_order(path, "full")
    await opened(path, "full")
    assert soundness._in_order(path, "normal")


async def test_a_large_journal_is_not_looked_at_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await left_behind(tmp_path)
    with pytest.raises(TimeoutError):
        damage(beside(path, "-wal"), beside(path, "-shm"), seconds=-1)
    monkeypatch.setattr(soundness, "CHECK_SECONDS", -1.0)
    assert fault(path, "full") is None
    assert await opened(path) == (None, 12)


async def test_a_checkpoint_before_the_kill_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "CHECKPOINT_PAGES", 8)
    assert await opened(await left_behind(tmp_path)) == (None, 12)
