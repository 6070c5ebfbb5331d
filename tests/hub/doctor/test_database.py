from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from hub import volume
from hub.config import Settings
from hub.doctor import attachments, database
from hub.doctor.finding import Finding
from hub.doctor.writers import writer
from hub.history import History
from hub.volume import Volume
from tests.hub.memory_log import draft


@pytest.fixture
async def stored(settings: Settings) -> Path:
    """A database with some messages, which nobody has open."""
    async with await History.open(settings.paths.database) as log:
        await log.append([draft(number) for number in range(20)])
    return settings.paths.database


def examine(settings: Settings) -> dict[str, Finding]:
    return {each.check: each for each in database.examine(settings, None)}


def test_a_database_that_is_not_there_yet_is_no_fault(settings: Settings) -> None:
    assert examine(settings)["database"].code == "database_missing"


def test_a_sound_one_is_said_to_be_and_nothing_is_left_beside_it(stored: Path, settings: Settings) -> None:
    before = stored.read_bytes()
    found = examine(settings)
    assert {each.state for each in found.values()} <= {"ok", "warning"}, found  # a disk may be nearly full
    assert found["database"].state == "ok"
    assert stored.read_bytes() == before
    assert [each.name for each in stored.parent.glob("hubbub.db*")] == ["hubbub.db"]


@pytest.mark.parametrize(
    ("place", "content"),
    [
        pytest.param(0, bytes(100), id="its head"),
        pytest.param(30, b"\xff" * 400, id="its head, in the middle"),
        pytest.param(8192, b"\xff" * 3000, id="a page"),
        pytest.param(None, b"massage", id="one letter of one message"),
    ],
)
def test_a_damaged_one_is_named_with_what_mends_it(
    stored: Path, settings: Settings, place: int | None, content: bytes
) -> None:
    raw = bytearray(stored.read_bytes())
    place = raw.index(b"message 7") if place is None else place
    raw[place : place + len(content)] = content
    stored.write_bytes(raw)
    found = examine(settings)["database"]
    assert (found.state, found.code, found.command) == ("broken", "database_damaged", "hubbub start")
    assert stored.read_bytes() == bytes(raw)


def test_another_programs_database_is_not_ours(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.paths.database)) as db:
        db.execute("CREATE TABLE messages (body TEXT)")
    assert "another program" in examine(settings)["database"].message


@pytest.mark.skipif(os.name != "posix", reason="modes are Unix's")
def test_one_that_may_not_be_written_is_opened_up_again(stored: Path, settings: Settings) -> None:
    stored.chmod(0o400)
    (found,) = [each for each in database.examine(settings, None) if each.code == "database_not_writable"]
    assert found.command == f"chmod u+rw {stored}"
    assert found.mend is not None
    found.mend.do()
    assert stored.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("disk", "state", "code"),
    [
        ({"free_bytes": 4096}, "broken", "disk_full"),
        ({"free_bytes": 100 * 2**20}, "warning", "disk_low"),
        ({"read_only": True}, "broken", "disk_read_only"),
        ({}, "ok", None),
    ],
)
def test_the_disk_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, disk: dict[str, Any], state: str, code: str | None
) -> None:
    told = {"free_bytes": 2**34, "disk_bytes": 2**40, "read_only": False, "database_bytes": 0, "journal_bytes": 0}
    monkeypatch.setattr(volume, "look", lambda path: Volume(database=str(path), **{**told, **disk}))
    found = examine(settings)["disk"]
    assert (found.state, found.code) == (state, code)


def test_a_journal_that_is_not_cut_back_and_a_database_set_aside_are_named(
    stored: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LONG_JOURNAL", 10)
    stored.with_name("hubbub.db-wal").write_bytes(bytes(20))
    stored.with_name("hubbub.db.damaged-20261122").write_bytes(bytes(20))
    found = examine(settings)
    assert (found["journal"].code, found["journal"].command) == ("journal_long", f"lsof {stored}")
    assert found["set aside"].code == "database_set_aside"


HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute(f"PRAGMA journal_mode={sys.argv[2]}")
db.execute("CREATE TABLE IF NOT EXISTS held (x)")
db.execute(sys.argv[3])
db.execute("SELECT count(*) FROM held").fetchone()
print("holding", flush=True)
input()
"""


@contextmanager
def holding(path: Path, journal: str, begin: str) -> Iterator[int]:
    """Another process in a transaction on a database; its id."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path, journal, begin], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"holding\n"
            yield process.pid
        finally:
            process.communicate(b"\n")


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="others tell nobody who holds a lock")
@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
@pytest.mark.parametrize(("begin", "holds"), [("BEGIN IMMEDIATE", True), ("BEGIN EXCLUSIVE", True), ("BEGIN", False)])
def test_who_writes_is_named_and_who_only_reads_is_not(tmp_path: Path, journal: str, begin: str, holds: bool) -> None:
    with holding(tmp_path / "x.db", journal, begin) as pid:
        assert writer(tmp_path / "x.db") == (pid if holds else None)
    assert writer(tmp_path / "x.db") is None


def test_a_file_that_a_message_carries_and_nobody_has_is_named(stored: Path, settings: Settings) -> None:
    def put(number: int, sha256: str, name: str) -> None:
        with closing(sqlite3.connect(stored)) as db, db:
            told = f'[{{"name":"{name}","sha256":"{sha256}","size":1}}]'
            db.execute("UPDATE messages SET attachments = ? WHERE offset = ?", (told, number))

    assert list(attachments.examine(settings)) == []
    put(1, "a" * 64, "here.md")
    (settings.paths.attachments / "aa").mkdir(parents=True)
    (settings.paths.attachments / "aa" / ("a" * 64)).touch()
    (found,) = attachments.examine(settings)
    assert found.state == "ok"
    put(2, "b" * 64, "../gone.md")
    (found,) = attachments.examine(settings)
    assert (found.state, found.code) == ("warning", "attachment_missing")
    assert "1 of 2 files" in found.message
    assert "one is gone.md" in found.message
    assert found.command is not None
    assert found.command.startswith("hubbub status ")
