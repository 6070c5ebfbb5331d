"""What others wrote is what the list says, to the byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dashboard.vendored import FOLDER, LIST, faults, main


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "vendor"))


def test_every_vendored_file_is_as_listed() -> None:
    assert faults() == []
    assert main(["--check"]) == 0


def test_a_changed_file_is_found(copy: Path) -> None:
    with (copy / "htm.js").open("ab") as file:
        file.write(b" ")
    (fault,) = faults(copy)
    assert fault.startswith("htm.js has the SHA-256 ")


def test_a_missing_and_an_unlisted_file_are_found(copy: Path) -> None:
    (copy / "preact.js").rename(copy / "other.js")
    assert faults(copy) == [f"other.js is in no line of {LIST}.", "preact.js is listed, but not there."]


def test_a_fault_fails_the_check(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "htm.js").unlink()
    monkeypatch.setattr("dashboard.vendored.faults", lambda: faults(copy))
    assert main([]) == 1
    assert "htm.js is listed, but not there." in capsys.readouterr().err
