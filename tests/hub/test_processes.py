from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.processes import Process, command_of, processes, variable

unix = pytest.mark.skipif(os.name != "posix", reason="Windows tells nothing of others")
linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems tell no environment")


@unix
def test_another_process_is_seen_with_its_words_and_its_environment() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()", "a word"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "HUBBUB_HOME": "/somewhere"},
    ) as other:
        try:
            assert other.stdout is not None
            other.stdout.readline()  # a process that has just begun may not have its words yet
            (found,) = [each for each in processes() if each.pid == other.pid]
            assert found.command.endswith("a word")
            assert command_of(other.pid) == found.command
            if sys.platform == "linux":
                assert found.words[-1] == "a word"
                assert variable(other.pid, "HUBBUB_HOME") == "/somewhere"
                assert variable(other.pid, "HUBBUB") is None
        finally:
            other.communicate(b"\n")


@linux
def test_what_is_gone_while_it_is_looked_at_or_is_the_kernels_is_left_out(tmp_path: Path) -> None:
    for pid, words in (("12", b"python\0-m\0hub\0serve\0"), ("13", b""), ("14", None)):
        (tmp_path / pid).mkdir()
        if words is not None:
            (tmp_path / pid / "cmdline").write_bytes(words)
    (tmp_path / "net").mkdir()
    assert list(processes(tmp_path)) == [Process(12, ("python", "-m", "hub", "serve"))]
    assert command_of(14, tmp_path) is None
    assert variable(14, "HOME", tmp_path) is None
