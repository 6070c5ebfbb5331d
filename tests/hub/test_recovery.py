"""Setting a damaged database aside: told, whole, and never at the cost of what was recovered."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from hub import recovery
from hub.errors import StorageFailed
from hub.history import History
from hub.message import Draft
from hub.schema import VERSION
from hub.soundness import beside
from hub.tables import TokenRow
from tests.hub.memory_log import draft
from tests.soak.migrations import contents, make

EVERYTHING = 2**40


@pytest.fixture
async def damaged(tmp_path: Path) -> Path:
    """What a killed hub leaves, twenty messages of it in the journal alone; and a table is missing."""
    path = tmp_path / "live" / "hubbub.db"
    async with await History.open(path) as log:
        await log.append([draft(number) for number in range(20)])
    log = await History.open(path)
    await log.append([draft(number) for number in range(20, 40)])
    shutil.copytree(path.parent, tmp_path / "home")
    await log.close()
    left = tmp_path / "home" / "hubbub.db"
    with closing(sqlite3.connect(left, isolation_level=None)) as other:
        keeper = sqlite3.connect(left)  # so that closing leaves the journal
        keeper.execute("SELECT count(*) FROM messages").fetchone()
        other.execute("DROP TABLE subscriptions")
        shutil.copytree(left.parent, tmp_path / "damaged")
        keeper.close()
    return tmp_path / "damaged" / "hubbub.db"


async def everything(path: Path) -> list[int]:
    async with await History.open(path) as log:
        return [each.offset for each in await log.since(0, 10**6, EVERYTHING)]


@pytest.mark.parametrize("at", range(5))
async def test_a_recovery_that_is_killed_at_any_rename_is_finished_and_told(
    damaged: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, done = Path.rename, 0

    def killed(self: Path, target: Any) -> Path:
        nonlocal done
        if done == at:
            raise KeyboardInterrupt
        done += 1
        return real(self, target)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            recovery.prepare(damaged)
    opened = recovery.prepare(damaged)
    told = opened.told()
    assert told is not None
    assert opened.recovered == 40
    assert opened.set_aside is not None
    assert {each.name for each in damaged.parent.glob("*.damaged-*")} >= {
        opened.set_aside.name,
        beside(opened.set_aside, "-wal").name,
    }, "the journal is not with its database"
    assert await everything(damaged) == list(range(1, 41))


async def test_what_takes_a_database_s_place_is_wholly_in_its_file_before(tmp_path: Path) -> None:
    """Closing a connection says nothing of a checkpoint that failed, and only the file itself is renamed."""
    path = tmp_path / "home" / "hubbub.db"
    log = await History.open(path)
    await log.append([draft(number) for number in range(20)])
    for side in ("", "-wal"):
        shutil.copy(beside(path, side), beside(path, ".fresh" + side))
    await log.close()
    fresh = beside(path, ".fresh")
    with closing(sqlite3.connect(fresh, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM messages").fetchone()
        with pytest.raises(StorageFailed, match="cannot be emptied"):
            recovery.put_in_place(fresh, path, 0.0, "replaced", timeout=0.1)
    assert path.exists()
    assert fresh.exists()
    path.unlink()
    recovery.put_in_place(fresh, path, 0.0, "replaced")
    assert await everything(path) == list(range(1, 21))


async def test_a_database_behind_a_link_is_that_database(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / "hubbub.db"
    link = tmp_path / "home" / "hubbub.db"
    link.parent.mkdir()
    path.parent.mkdir()
    link.symlink_to(path)
    for number in range(2):
        async with await History.open(link) as log:
            await log.append([draft(number)])
    assert await everything(path) == [1, 2]
    path.write_bytes(path.read_bytes()[:5000])
    async with await History.open(link) as log:
        assert log.opened.set_aside is not None
        assert log.opened.set_aside.parent == path.parent
    assert link.is_symlink()


async def test_leftovers_of_a_restore_that_was_killed_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "home" / "hubbub.db"
    path.parent.mkdir()
    beside(path, ".restoring").write_text("half a copy")
    async with await History.open(path):
        assert not beside(path, ".restoring").exists()


async def test_a_token_whose_hash_is_none_goes_and_nothing_else_does(tmp_path: Path) -> None:
    """It would stop the hub at each start."""
    path = tmp_path / "home" / "hubbub.db"
    async with await History.open(path) as log:
        await log.append([draft(1)])
        for number, digest in enumerate(["ab" * 32, "ab" * 31 + "ag", "ab" * 31]):
            await log.save_token(TokenRow(id=f"t{number}", hash=digest, name=None, scopes=(), created_at=1.0))
    async with await History.open(path) as log:
        assert "a row of tokens makes no sense" in (log.opened.told() or "")
        assert [each.id for each in await log.tokens()] == ["t0"]
        assert log.opened.recovered == 1


async def test_a_head_by_which_sqlite_would_only_read_is_damage_and_no_read_only_disk(tmp_path: Path) -> None:
    path = tmp_path / "home" / "hubbub.db"
    async with await History.open(path) as log:
        await log.append([draft(1)])
    with path.open("r+b") as file:
        file.seek(18)
        file.write(b"\x42")
    async with await History.open(path) as log:
        assert "file formats 66 and 2" in (log.opened.told() or "")
        assert (log.opened.recovered, log.opened.lost) == (1, 0)


@pytest.mark.parametrize("version", [VERSION - 1, VERSION])
async def test_a_damaged_database_of_this_and_the_last_version_is_recovered_whole(tmp_path: Path, version: int) -> None:
    path = tmp_path / "home" / "hubbub.db"
    messages = contents(20)
    if version == VERSION:
        messages = [structs.replace(each, answer_by=each.at + 60) for each in messages]
        async with await History.open(path) as log:
            await log.append(
                [
                    Draft(**{name: getattr(each, name) for name in each.__struct_fields__ if name != "offset"})
                    for each in messages
                ]
            )
    else:
        make(path, version, messages)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DROP TABLE subscriptions")
    async with await History.open(path) as log:
        assert log.opened.set_aside is not None
        assert await log.since(0, 10**6, EVERYTHING) == messages


@pytest.mark.parametrize("place", [44, 47, 56, 59], ids=lambda place: f"byte {place}")
async def test_a_head_with_a_format_that_there_is_none_of_keeps_no_hub_from_starting(
    tmp_path: Path, place: int
) -> None:
    """SQLite calls it a wrong statement: at each start the hub would have ended, and nobody could mend it."""
    path = tmp_path / "home" / "hubbub.db"
    async with await History.open(path) as log:
        await log.append([draft(1)])
    raw = bytearray(path.read_bytes())
    raw[place] ^= 0x40
    path.write_bytes(raw)
    async with await History.open(path) as log:
        assert "which are not ours" in (log.opened.told() or "")
        assert log.opened.set_aside is not None
        assert log.opened.set_aside.read_bytes() == bytes(raw)
