from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from hub.errors import BadValue, Forbidden, HubbubError, TooLarge
from mcp_client.sharing import read_shared


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    (made / "src").mkdir(parents=True)
    (made / "notes.md").write_bytes("grüße\n".encode())
    (made / "src" / "a.py").write_text("print()\n")
    (tmp_path / "secret").write_text("s3cr3t")
    return made


@pytest.mark.parametrize("path", ["notes.md", "./src/../notes.md"])
def test_a_text_file_is_read_with_its_size_and_hash(folder: Path, path: str) -> None:
    shared = read_shared(folder, path, 100)
    content = "grüße\n".encode()
    assert (shared.file, shared.text, shared.size) == ("notes.md", "grüße\n", len(content))
    assert shared.sha256 == hashlib.sha256(content).hexdigest()


def test_a_file_deeper_down_keeps_its_path(folder: Path) -> None:
    assert read_shared(folder, str(folder / "src" / "a.py"), 100).file == "src/a.py"


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "src/../../secret"])
def test_nothing_outside_the_folder_is_shared(folder: Path, path: str) -> None:
    with pytest.raises((Forbidden, BadValue)) as caught:
        read_shared(folder, path, 100)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a right there")
def test_a_link_that_leads_outside_is_not_followed(folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent / "secret")
    (folder / "dir").symlink_to(folder.parent)
    for path in ("link", "dir/secret"):
        with pytest.raises(Forbidden, match="not in the working folder"):
            read_shared(folder, path, 100)


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a right there")
def test_a_link_that_stays_inside_is(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "notes.md")
    assert read_shared(folder, "link", 100).file == "notes.md"


@pytest.mark.parametrize(
    ("content", "limit", "kind"),
    [
        pytest.param(b"12345", 4, TooLarge, id="over the limit"),
        pytest.param(b"\xff\xfe", 9, BadValue, id="no UTF-8"),
        pytest.param(b"a\0b", 9, BadValue, id="has a NUL"),
    ],
)
def test_what_cannot_travel_as_text_is_refused(
    folder: Path, content: bytes, limit: int, kind: type[HubbubError]
) -> None:
    (folder / "x").write_bytes(content)
    with pytest.raises(kind):
        read_shared(folder, "x", limit)


def test_a_file_of_exactly_the_limit_goes(folder: Path) -> None:
    (folder / "x").write_bytes(b"1234")
    assert read_shared(folder, "x", 4).size == 4


@pytest.mark.parametrize("path", ["missing", "src", "", ".", "a\0b"])
def test_what_is_no_file_is_said_to_be_none(folder: Path, path: str) -> None:
    with pytest.raises(BadValue):
        read_shared(folder, path, 100)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes in folders there")
def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(BadValue, match="not a file"):
        read_shared(folder, "pipe", 100)
