"""Processes on cores of their own, what they cost, and the load generator as seen from whoever gives it work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

SERVER, LOAD = 0, 1  # which of the cores that this process may use


class Failed(Exception):
    """The load generator could not do what it was told."""


def cores() -> list[int]:
    """The cores this process may use; empty where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


ALL = cores()


@contextmanager
def on_core(which: int) -> Iterator[None]:
    """What is started inside runs on that core alone, as far as the system has two and lets one choose."""
    if sys.platform != "linux" or len(ALL) < 2:
        yield
        return
    os.sched_setaffinity(0, {ALL[which % len(ALL)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, ALL)


def start(command: Sequence[str], core: int, environment: Mapping[str, str] | None = None, **more: Any) -> Any:
    """A process on a core of its own; `more` is subprocess.Popen's."""
    with on_core(core):
        return subprocess.Popen(list(command), env={**os.environ, **(environment or {})}, **more)


class LoadProcess:
    """The load generator against one server. `dialect` is module:class, `options` what that is made with."""

    def __init__(self, host: str, port: int, dialect: str, options: Mapping[str, Any]) -> None:
        told = {"host": host, "port": port, "dialect": dialect, "options": dict(options)}
        self._process = start(
            [sys.executable, "-m", "hub.bench.load", json.dumps(told)],
            LOAD,
            {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **what: Any) -> dict[str, Any]:
        """Have it do something; see `hub.bench.load.Load`. Raises Failed."""
        process = self._process
        try:
            process.stdin.write(json.dumps({"do": do, **what}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Failed(f"the load generator ended with exit code {process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise Failed(answer["failed"])
        return answer

    def close(self) -> None:
        """Let it leave."""
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
