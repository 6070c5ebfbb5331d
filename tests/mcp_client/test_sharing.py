from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from hub.errors import BadValue, Forbidden
from mcp_client import sharing
from mcp_client.sharing import opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    (made / "src").mkdir(parents=True)
    (made / "notes.md").write_bytes("grüße\n".encode())
    (made / "src" / "a.py").write_text("print()\n")
    (tmp_path / "secret").write_text("s3cr3t")
    return made


def read(folders: Path | Sequence[Path], path: str) -> tuple[str, bytes]:
    with opened([folders] if isinstance(folders, Path) else folders, path) as file:
        return file.file, os.read(file.descriptor, 1000)


@pytest.mark.parametrize("path", ["notes.md", "./src/../notes.md"])
def test_a_file_of_the_folder_is_opened(folder: Path, path: str) -> None:
    assert read(folder, path) == ("notes.md", "grüße\n".encode())


def test_a_file_deeper_down_keeps_its_path(folder: Path) -> None:
    assert read(folder, str(folder / "src" / "a.py"))[0] == "src/a.py"


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "src/../../secret"])
def test_nothing_outside_the_folder_is_shared(folder: Path, path: str) -> None:
    with pytest.raises((Forbidden, BadValue)) as caught:
        read(folder, path)
    assert "s3cr3t" not in str(caught.value)


def test_a_second_folder_that_the_user_allows_is_as_good(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "x").write_text("y")
    assert read([folder, tmp_path / "missing", other], str(other / "x")) == ("x", b"y")
    with pytest.raises(Forbidden):
        read([folder, other], str(tmp_path / "secret"))
    with pytest.raises(Forbidden, match="no folder"):
        read([tmp_path / "missing"], "x")


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a right there")
def test_a_link_that_leads_outside_is_not_followed(folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent / "secret")
    (folder / "dir").symlink_to(folder.parent)
    for path in ("link", "dir/secret"):
        with pytest.raises(Forbidden, match="only what is can be shared"):
            read(folder, path)


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a right there")
def test_a_link_that_stays_inside_is(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "notes.md")
    assert read(folder, "link")[0] == "notes.md"


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a right there")
@pytest.mark.parametrize("swapped", ["file", "folder"])
def test_a_link_that_takes_its_place_after_the_check_is_not_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    outside = folder.parent / "src"
    outside.mkdir()
    (outside / "a.py").write_text("s3cr3t")
    checked = sharing._within

    def swap(folders: Sequence[Path], path: str) -> tuple[Path, Path]:
        answer = checked(folders, path)
        (folder / "src" / "a.py").unlink()
        if swapped == "file":
            (folder / "src" / "a.py").symlink_to(outside / "a.py")
        else:
            (folder / "src").rmdir()
            (folder / "src").symlink_to(outside)
        return answer

    monkeypatch.setattr(sharing, "_within", swap)
    with pytest.raises(BadValue, match="cannot be read"):
        read(folder, "src/a.py")


@pytest.mark.parametrize("path", ["missing", "src", "", ".", "a\0b"])
def test_what_is_no_file_is_said_to_be_none(folder: Path, path: str) -> None:
    with pytest.raises(BadValue):
        read(folder, path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes in folders there")
def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(BadValue, match="not a file"):
        read(folder, "pipe")
