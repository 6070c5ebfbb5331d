"""Faults planted in shutdown, backup and restore, and the scenarios held to find each of them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import hub.backup
from hub.paths import Paths
from tests.soak import backups
from tests.soak.shutdowns import shutdowns

FRAIL = [sys.executable, "-m", "tests.soak.frail"]
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM: a process is ended at once")


@posix
@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("says_goodbye_before_it_answers", "its answer is owed|lost"),
        ("leaves_its_journal", "-wal is left behind"),
    ],
)
async def test_a_bad_goodbye_is_found(tmp_path: Path, fault: str, found: str) -> None:
    with pytest.raises(AssertionError, match=found):
        await shutdowns(tmp_path / "home", rounds=5, seed=1, command=[*FRAIL, fault])


def put_back(home: Path, file: Path) -> None:
    hub.backup.restore(Paths(home, home), file)


async def test_offsets_that_are_given_again_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "put_back", put_back)
    monkeypatch.setattr(hub.backup, "APART", 0)
    monkeypatch.setattr(hub.backup, "_present", lambda database: None)
    with pytest.raises(AssertionError, match="given a second time"):
        await backups.backups(tmp_path, count=1, restores=1, seed=1)


async def test_an_epoch_that_stays_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "put_back", lambda home, file: shutil.copy(file, home / "hubbub.db"))
    with pytest.raises(AssertionError):
        await backups.backups(tmp_path, count=1, restores=1, seed=1)


async def test_a_backup_without_the_journal_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def only_the_file(home: Path, file: Path) -> int:
        shutil.copy(home / "hubbub.db", file)
        return 0

    monkeypatch.setattr(backups, "back_up", only_the_file)
    with pytest.raises(AssertionError, match="are not in it"):
        await backups.backups(tmp_path, count=1, restores=0, seed=1)
