"""Processes of this machine: what they were started with, and what they use.

Linux tells it in /proc (proc(5)); where that is missing, `ps` does. On Windows nothing is known of others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")


class Process(NamedTuple):
    """One process: its words as it was started; where `ps` told them, they were split at spaces."""

    pid: int
    words: tuple[str, ...]

    @property
    def command(self) -> str:
        return " ".join(self.words)


def processes(proc: Path = PROC) -> Iterator[Process]:
    """All that can be seen, without this one and what is part of the kernel."""
    found = _linux(proc) if proc.is_dir() else _ps() if os.name == "posix" else iter(())
    return (each for each in found if each.words and each.pid != os.getpid())


def command_of(pid: int, proc: Path = PROC) -> str | None:
    """The command line of a process; None where it is gone or cannot be known."""
    if proc.is_dir():
        words = _words(proc / str(pid))
        return " ".join(words) if words else None
    return next((each.command for each in processes() if each.pid == pid), None)


def variable(pid: int, name: str, proc: Path = PROC) -> str | None:
    """A variable of the environment that a process was started with; None where it has none or that cannot be known."""
    try:
        environment = (proc / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    for each in environment.split(b"\0"):
        key, _, value = each.partition(b"=")
        if key == name.encode():
            return os.fsdecode(value)
    return None


def cpu_seconds(pid: int) -> float | None:
    """Processor time of a process with all its threads, in user and system; None where it cannot be known."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def memory(pid: int) -> tuple[int, int] | None:
    """Bytes a process has in memory now, and had at most; None where it cannot be known (proc(5), VmRSS, VmHWM)."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return None
    sizes = {
        key: int(rest.split()[0]) * 1024 for key, _, rest in (line.partition(":") for line in lines) if "kB" in rest
    }
    return sizes.get("VmRSS", 0), sizes.get("VmHWM", 0)


def file_limit(pid: int) -> int | None:
    """The most bytes that a process may have in one file (setrlimit(2)); None where there is none, or none is known."""
    try:
        lines = (PROC / str(pid) / "limits").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("Max file size"):
            soft = line.split()[3]
            return int(soft) if soft.isdigit() else None
    return None


def _linux(proc: Path) -> Iterator[Process]:
    for folder in proc.iterdir():
        if folder.name.isdigit():
            yield Process(int(folder.name), _words(folder))


def _words(folder: Path) -> tuple[str, ...]:
    try:
        raw = (folder / "cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(os.fsdecode(each) for each in raw.rstrip(b"\0").split(b"\0")) if raw else ()


def _ps() -> Iterator[Process]:
    import subprocess

    try:
        told = subprocess.run(
            ["ps", "-axww", "-o", "pid=,command="],  # noqa: S607 - wherever the system has it
            capture_output=True,
            text=True,
            errors="replace",
            timeout=5,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return
    for line in told.splitlines():
        number, _, command = line.strip().partition(" ")
        if number.isdigit():
            yield Process(int(number), tuple(command.split()))
