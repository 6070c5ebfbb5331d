"""hubbub backup and restore, as they are typed."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hub.cli import exits
from hub.config import load
from hub.daemon import HubLock, write_hub_json
from hub.history import History
from tests.hub.memory_log import draft


def filled(path: Path, count: int = 3) -> None:
    async def fill() -> None:
        async with await History.open(path) as history:
            await history.append([draft(number) for number in range(count)])

    asyncio.run(fill())


@pytest.fixture
def database(home: Path) -> Path:
    path = home / "hubbub.db"
    filled(path)
    return path


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM messages").fetchone()[0])


def test_a_backup_says_what_it_holds(hubbub: Any, database: Path, tmp_path: Path) -> None:
    file = tmp_path / "monday.db"
    said = hubbub("backup", str(file))
    assert said.code == exits.OK
    assert said.out == f"{file}: 3 messages, up to offset 3, {file.stat().st_size:,} bytes\n"
    told = hubbub("backup", str(file), "--force", "--json").json
    assert told == {"file": str(file), "messages": 3, "offset": 3, "bytes": file.stat().st_size, "files": None}


def test_a_backup_over_a_file_needs_force(hubbub: Any, database: Path, tmp_path: Path) -> None:
    file = tmp_path / "there.db"
    file.write_text("mine")
    said = hubbub("backup", str(file))
    assert said.code == exits.USAGE
    assert "--force" in said.err
    assert file.read_text() == "mine"


def test_a_backup_where_there_is_no_database(hubbub: Any, home: Path, tmp_path: Path) -> None:
    assert hubbub("backup", str(tmp_path / "x.db")).code == exits.NOT_FOUND


def test_the_database_of_a_hub_that_was_told_to_keep_it_elsewhere_is_found(
    hubbub: Any, home: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    filled(elsewhere / "hubbub.db", 5)
    settings = load({"data_dir": str(elsewhere)})
    file = str(tmp_path / "x.db")
    with HubLock(settings.paths):
        write_hub_json(settings.paths, url="ws://127.0.0.1:1/ws", mode="local")
        assert json.loads((home / "hub.json").read_text())["data_dir"] == str(elsewhere)
        assert hubbub("backup", file, "--json").json["messages"] == 5
    (home / "hub.json").unlink()
    assert hubbub("backup", file, "--force").code == exits.NOT_FOUND
    assert hubbub("backup", file, "--force", "--data-dir", str(elsewhere), "--json").json["messages"] == 5


def test_a_restore_says_where_the_old_database_is(hubbub: Any, database: Path, tmp_path: Path) -> None:
    file = tmp_path / "monday.db"
    hubbub("backup", str(file))
    filled_later = asyncio.run(later(database))
    said = hubbub("restore", str(file))
    assert said.code == exits.OK
    assert said.out.startswith(f"{file} is in place: 3 messages; new ones have offsets above {filled_later}.\n")
    assert "hubbub start" in said.err
    told = hubbub("restore", str(file), "--json").json
    assert told["messages"] == 3
    assert count(Path(told["set_aside"])) == 3
    assert count(database) == 3
    database.unlink()
    told = hubbub("restore", str(file))
    assert "hubbub token list" in told.err
    assert count(database) == 3


async def later(database: Path) -> int:
    async with await History.open(database) as history:
        return (await history.append([draft(number) for number in range(10, 14)]))[-1].offset


def test_a_restore_under_a_running_hub_is_refused(hubbub: Any, database: Path, tmp_path: Path) -> None:
    file = tmp_path / "monday.db"
    hubbub("backup", str(file))
    with HubLock(load().paths):
        said = hubbub("restore", str(file))
    assert said.code == exits.FAILED
    assert "hub" in said.err
    assert count(database) == 3


@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_neither_works_on_a_hub_that_is_somewhere_else(
    hubbub: Any, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("HUBBUB_URL", "ws://127.0.0.1:1/ws")
    said = hubbub(verb, str(tmp_path / "x.db"))
    assert said.code == exits.USAGE
    assert "HUBBUB_URL" in said.err
    assert hubbub(verb, str(tmp_path / "x.db"), "--url", "ws://127.0.0.1:1/ws").code == exits.USAGE
    assert not (tmp_path / "x.db").exists()
