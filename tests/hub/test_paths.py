from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hub.errors import Unauthorized, Unavailable
from hub.paths import ensure_token, make_private, new_token, read_token, write_private

posix = pytest.mark.skipif(os.name != "posix", reason="modes are Unix's")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_token_is_made_once_and_then_kept(tmp_path: Path) -> None:
    token = ensure_token(tmp_path / "home" / "token")
    assert token.startswith("hub_")
    assert len(token) == len("hub_") + 43
    assert (tmp_path / "home" / "token").read_text() == token + "\n"
    assert ensure_token(tmp_path / "home" / "token") == token
    assert [each.name for each in (tmp_path / "home").iterdir()] == ["token"]


@posix
def test_the_token_and_its_folder_are_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        ensure_token(tmp_path / "home" / "token")
    finally:
        os.umask(before)
    assert mode(tmp_path / "home") == 0o700
    assert mode(tmp_path / "home" / "token") == 0o600


def test_two_who_make_the_token_at_once_agree(tmp_path: Path) -> None:
    start = threading.Barrier(8)
    made: list[str] = []

    def make() -> None:
        start.wait()
        made.append(ensure_token(tmp_path / "token"))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1


def test_two_processes_that_make_the_token_at_once_agree(tmp_path: Path) -> None:
    script = "import sys, pathlib, hub.paths; print(hub.paths.ensure_token(pathlib.Path(sys.argv[1])))"
    command = [sys.executable, "-c", script, str(tmp_path / "token")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate(timeout=30)[0] for process in processes}) == 1


@pytest.mark.parametrize("text", ["", "\n", "two words\n", "one\ntwo\n"])
def test_a_file_that_holds_no_token_is_refused_and_not_overwritten(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(Unauthorized):
        ensure_token(tmp_path / "token")
    assert (tmp_path / "token").read_text() == text


def test_no_token_file_is_no_token(tmp_path: Path) -> None:
    assert read_token(tmp_path / "token") is None


def test_tokens_differ() -> None:
    assert len({new_token() for _ in range(100)}) == 100


def test_a_write_is_seen_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "note"
    write_private(path, "first")
    done = threading.Event()
    seen: set[str] = set()

    def look() -> None:
        while not done.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(100):
        write_private(path, "second" * 1000)
        write_private(path, "first")
    done.set()
    reader.join()
    assert seen <= {"first", "second" * 1000}
    assert [each.name for each in tmp_path.iterdir()] == ["note"]


@posix
def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    make_private(home)
    assert mode(home) == 0o700


def test_a_home_that_is_a_file_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(Unavailable, match="home cannot be used"):
        make_private(tmp_path / "home")
