from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hub.config import Settings
from hub.daemon import Running
from hub.doctor import running
from hub.processes import Process

PYTHON = sys.executable


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        ([PYTHON, "-P", "-m", "hub", "serve", "--detached"], ["another_hub"]),
        (["/usr/bin/python3.12", "/usr/local/bin/hubbub", "serve"], ["another_hub"]),
        (["/usr/local/bin/hubbub", "serve"], ["another_hub"]),
        (["uv", "run", "hubbub", "serve"], []),
        ([PYTHON, "-m", "http.server", "serve"], []),
        (["vi", "hubbub", "serve"], []),
        ([PYTHON, "-m", "hub", "mcp"], []),
        (["/opt/other/bin/python", "-m", "hub", "mcp"], ["client_of_another_installation"]),
        (["/opt/other/bin/python", "/opt/other/bin/hubbub", "mcp", "--name", "x"], ["client_of_another_installation"]),
    ],
)
def test_other_hubs_and_other_installations_are_known_by_what_they_were_started_with(
    settings: Settings, words: list[str], codes: list[str]
) -> None:
    nobody = 2**31 - 1  # whose environment cannot be read
    found = running.others(settings, None, [Process(nobody, tuple(words))])
    assert [each.code for each in found] == codes


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell no environment")
def test_a_second_process_on_the_same_home_is_more_than_another_hub(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = Process(os.getpid(), (PYTHON, "-m", "hub", "serve"))
    monkeypatch.setattr(running, "variable", lambda pid, name: str(settings.home))
    (found,) = running.others(settings, None, [each])
    assert (found.state, found.code, found.command) == ("warning", "two_hubs", f"kill {os.getpid()}")
    ours = Running("ws://127.0.0.1:1/ws", None, os.getpid(), "")
    assert list(running.others(settings, ours, [each])) == []


def test_who_holds_a_port_is_told_with_its_command(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = running.holder(taken.getsockname()[1])
    if sys.platform == "linux":
        assert f"(pid {os.getpid()}): " in told
    assert running.holder(1) == "somebody who cannot be told"
