from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub import daemon
from hub.config import Settings, load
from hub.daemon import HubLock, ensure, locate, read_hub_json, stop, token_for, write_hub_json
from hub.errors import Unavailable, Unreachable
from hub.lock import FileLock, is_held
from hub.ports import linux, port_holder

FAKE = [sys.executable, str(Path(__file__).with_name("fake_hub.py"))]
posix = pytest.mark.skipif(os.name != "posix", reason="signals and process groups are Unix's")


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = load({}, {"HUBBUB_HOME": str(tmp_path / "home")})
    yield settings
    note = read_hub_json(settings.paths)
    if note and is_held(settings.paths.hub_lock):
        os.kill(note["pid"], signal.SIGTERM if os.name == "nt" else signal.SIGKILL)


def eventually(true: Callable[[], object], limit: float = 10) -> None:
    until = time.monotonic() + limit
    while not true():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.02)


def starts(settings: Settings) -> list[str]:
    return (settings.home / "starts").read_text().split()


def test_whoever_needs_the_hub_first_starts_it_and_the_next_finds_it(settings: Settings) -> None:
    first = ensure(settings, command=FAKE)
    second = ensure(settings, command=FAKE)
    assert first.started
    assert not second.started
    assert second.pid == first.pid != os.getpid()
    assert second.url == first.url
    assert first.token == settings.paths.token_file.read_text().strip()
    assert starts(settings) == [str(first.pid)]


def test_twenty_at_once_start_one_hub(settings: Settings) -> None:
    script = (
        "import sys, json, hub.config, hub.daemon\n"
        "sys.stdin.read(1)\n"
        "hub = hub.daemon.ensure(hub.config.load(), command=json.loads(sys.argv[1]))\n"
        "print(hub.pid, hub.started)\n"
    )
    command = [sys.executable, "-c", script, json.dumps([*FAKE, "slow"])]
    environ = {**os.environ, "HUBBUB_HOME": str(settings.home)}
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)
        for _ in range(20)
    ]
    for racer in racers:  # all are up, or nearly, before any of them may go
        assert racer.stdin
        racer.stdin.write("x")
        racer.stdin.flush()
    said = [racer.communicate(timeout=60)[0].split() for racer in racers]

    assert len({pid for pid, _ in said}) == 1
    assert sorted(started for _, started in said) == ["False"] * 19 + ["True"]
    assert len(starts(settings)) == 1


@posix
def test_the_hub_outlives_its_starter_and_the_starters_whole_process_group(settings: Settings) -> None:
    script = (
        "import sys, json, time, hub.config, hub.daemon\n"
        "print(hub.daemon.ensure(hub.config.load(), command=json.loads(sys.argv[1])).pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script, json.dumps(FAKE)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HUBBUB_HOME": str(settings.home)},
        start_new_session=True,
    )
    assert starter.stdout
    pid = int(starter.stdout.readline())
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait(10)
    starter.stdout.close()

    found = locate(settings)
    assert found is not None
    assert found.pid == pid
    assert daemon.probe(found)
    assert os.getsid(pid) == pid


@posix
def test_a_note_that_a_killed_hub_left_is_ignored_and_a_new_hub_started(settings: Settings) -> None:
    first = ensure(settings, command=FAKE)
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: not is_held(settings.paths.hub_lock))

    assert read_hub_json(settings.paths) is not None
    assert locate(settings) is None
    second = ensure(settings, command=FAKE)
    assert second.started
    assert second.pid != first.pid


def test_a_hub_that_is_on_its_way_out_is_followed_by_a_new_one(settings: Settings) -> None:
    settings.home.mkdir(mode=0o700)
    leaving = HubLock(settings.paths)
    leaving.__enter__()  # it says nowhere that it answers
    threading.Timer(0.2, lambda: leaving.__exit__(None, None, None)).start()
    found = ensure(settings, command=FAKE, timeout=10)
    assert found.started


def test_a_note_whose_process_and_port_belong_to_others_is_ignored(settings: Settings) -> None:
    settings.home.mkdir(mode=0o700)
    settings.paths.hub_lock.touch()
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        write_hub_json(settings.paths, url=f"ws://127.0.0.1:{stranger.getsockname()[1]}/ws", mode="local")
        assert locate(settings) is None
        assert ensure(settings, command=FAKE).started


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"url": 1, "pid": 2}', '{"url": "ws://x"}', '{"pid": "1", "url": "x"}']
)
def test_a_note_that_makes_no_sense_is_none(settings: Settings, text: str) -> None:
    settings.home.mkdir()
    settings.paths.hub_json.write_text(text)
    assert read_hub_json(settings.paths) is None


def test_a_hub_that_ends_at_once_is_an_error_with_what_it_said(settings: Settings) -> None:
    with pytest.raises(Unreachable) as caught:
        ensure(settings, command=[*FAKE, "broken"])
    assert "exit code 5" in caught.value.message
    assert "the fake hub is broken" in caught.value.message
    assert "hubbub serve" in str(caught.value.hint)


def test_a_hub_that_does_not_answer_is_waited_for_within_bounds(settings: Settings) -> None:
    began = time.monotonic()
    with pytest.raises(Unreachable, match="does not answer"):
        ensure(settings, command=[*FAKE, "deaf"], timeout=1)
    assert time.monotonic() - began < 10


def test_a_command_that_is_not_there_is_an_error(settings: Settings) -> None:
    with pytest.raises(Unreachable, match="cannot be run"):
        ensure(settings, command=[str(settings.home / "nothing")])


def test_a_hub_that_is_named_by_url_is_never_started(tmp_path: Path) -> None:
    settings = load({"url": "ws://127.0.0.1:1/ws"}, {"HUBBUB_HOME": str(tmp_path / "home")})
    found = ensure(settings, command=["must not run"])
    assert found == ("ws://127.0.0.1:1/ws", None, 0, "", False, None)
    assert not settings.home.exists()


@pytest.mark.parametrize(
    ("url", "given", "sent"),
    [
        (None, None, "mine"),
        ("ws://127.0.0.1:4820/ws", None, "mine"),
        ("http://localhost:4820", None, "mine"),
        ("wss://hub.example/ws", None, None),
        ("wss://hub.example/ws", "theirs", "theirs"),
        ("ws://127.0.0.1:4820/ws", "theirs", "theirs"),
    ],
)
def test_the_token_file_is_for_this_machines_hubs_only(
    tmp_path: Path, url: str | None, given: str | None, sent: str | None
) -> None:
    (tmp_path / "token").write_text("mine\n")
    settings = load({"url": url, "token": given}, {"HUBBUB_HOME": str(tmp_path)})
    assert token_for(settings, url or "ws://127.0.0.1:4820/ws") == sent


def test_stop_ends_the_hub_and_says_which(settings: Settings) -> None:
    started = ensure(settings, command=FAKE)
    stopped = stop(settings)
    assert stopped is not None
    assert stopped.pid == started.pid
    assert locate(settings) is None
    assert read_hub_json(settings.paths) is None
    assert stop(settings) is None


@posix
def test_a_hub_that_will_not_stop_is_an_error_within_bounds(settings: Settings) -> None:
    started = ensure(settings, command=[*FAKE, "stubborn"])
    with pytest.raises(Unavailable, match=f"pid {started.pid}"):
        stop(settings, timeout=0.2)


def test_two_hubs_never_share_a_folder(settings: Settings) -> None:
    with HubLock(settings.paths):
        write_hub_json(settings.paths, url="ws://127.0.0.1:4820/ws", mode="local")
        with pytest.raises(Unavailable, match=rf"already runs here: pid {os.getpid()}"), HubLock(settings.paths):
            pass
    with HubLock(settings.paths):
        assert is_held(settings.paths.hub_lock)
    assert not is_held(settings.paths.hub_lock)


def test_two_hubs_of_different_homes_never_share_a_database(tmp_path: Path) -> None:
    one, other = (
        load({"data_dir": str(tmp_path / "data")}, {"HUBBUB_HOME": str(tmp_path / home)}) for home in ("one", "other")
    )
    with HubLock(one.paths):
        with pytest.raises(Unavailable, match="Another hub holds"), HubLock(other.paths):
            pass
        assert not is_held(other.paths.hub_lock)


def test_a_new_hub_takes_the_old_ones_note_away_before_it_answers(settings: Settings) -> None:
    settings.home.mkdir()
    write_hub_json(settings.paths, url="ws://127.0.0.1:1/ws", mode="local")
    with HubLock(settings.paths):
        assert read_hub_json(settings.paths) is None


def test_asking_whether_a_lock_is_held_does_not_keep_a_hub_from_starting(settings: Settings) -> None:
    settings.home.mkdir()
    settings.paths.hub_lock.touch()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            is_held(settings.paths.hub_lock)

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        for _ in range(5):
            with HubLock(settings.paths):
                assert is_held(settings.paths.hub_lock)
    finally:
        done.set()
        for thread in asking:
            thread.join()


def test_a_lock_is_waited_for_within_bounds(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock") as first, FileLock(tmp_path / "lock") as second:
        assert first.acquire()
        assert not second.acquire(timeout=0.1)
        first.release()
        assert second.acquire(timeout=30)


@posix
def test_the_note_is_for_its_owner_only(settings: Settings) -> None:
    settings.home.mkdir()
    write_hub_json(settings.paths, url="ws://127.0.0.1:1/ws", mode="local")
    assert stat.S_IMODE(settings.paths.hub_json.stat().st_mode) == 0o600
    note = read_hub_json(settings.paths)
    assert note is not None
    assert note.keys() == {"url", "pid", "mode", "version"}


def test_the_hub_is_not_told_who_started_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("HUBBUB_NAME", "HUBBUB_TOKEN", "HUBBUB_URL"):
        monkeypatch.setenv(key, "x")
    monkeypatch.setenv("HUBBUB_LOG_LEVEL", "debug")
    show = "import os, json; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('HUBBUB_')}))"
    with pytest.raises(Unreachable):
        ensure(settings, command=[sys.executable, "-c", show])
    said = json.loads(settings.paths.start_log.read_text())
    assert said == {"HUBBUB_HOME": str(settings.home), "HUBBUB_LOG_LEVEL": "debug"}


def test_the_holder_of_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if sys.platform == "linux":
            assert f"(pid {os.getpid()})" in str(port_holder(port))
    assert port_holder(port) is None


def test_a_port_of_another_users_process_is_said_to_be_that(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:12D4 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0\n"
        "   1: 0100007F:12D4 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 4243 1 0 100 0\n"
    )
    (tmp_path / "7" / "fd").mkdir(parents=True)
    (tmp_path / "7" / "comm").write_text("python3\n")
    assert linux(4820, tmp_path) == "another user's process"
    (tmp_path / "7" / "fd" / "3").symlink_to("socket:[4242]")
    assert linux(4820, tmp_path) == "python3 (pid 7)"
    assert linux(4821, tmp_path) is None
