"""One server that is measured: started on a core of its own, in a folder of its own, and what it has cost so far."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from hub.bench.process import SERVER, LoadProcess, start
from hub.processes import cpu_seconds, memory

HOST = "127.0.0.1"
PATIENCE = 30.0  # seconds for a server to answer


class Server:
    """How to start one; what a subclass leaves out is as here."""

    name: ClassVar[str]
    settings: ClassVar[str]  # how it is configured, for the reader of the figures
    dialect: ClassVar[str]  # module:class, for the load generator
    get: ClassVar[str] = "make bench"  # the command that installs what it needs

    def missing(self) -> bool:
        """Whether something that it needs is not installed."""
        return False

    def version(self) -> str:
        raise NotImplementedError

    def command(self, folder: Path, port: int) -> Sequence[str]:
        raise NotImplementedError

    def environment(self, folder: Path, port: int) -> Mapping[str, str]:
        return {}

    def options(self, folder: Path, port: int) -> Mapping[str, Any]:
        """What the dialect is made with."""
        return {}


class Running:
    """A server that answers, with the load generator's process against it."""

    def __init__(self, server: Server, process: subprocess.Popen[bytes], port: int, load: LoadProcess) -> None:
        self.server = server
        self.port = port
        self.pid = process.pid
        self.load = load

    def ask(self, do: str, **what: Any) -> dict[str, Any]:
        """Have the load generator do something; the answer says also what that has cost the server."""
        before = cpu_seconds(self.pid)
        answer = self.load.ask(do, **what)
        after = cpu_seconds(self.pid)
        cpu = None if before is None or after is None else after - before
        return {**answer, "server_cpu": cpu, "server_memory": memory(self.pid)}


@contextmanager
def running(server: Server, folder: Path) -> Iterator[Running]:
    """Start it with a load generator against it, and end both at the end."""
    with (
        started(server, folder) as (process, port),
        LoadProcess(HOST, port, server.dialect, server.options(folder, port)) as load,
    ):
        yield Running(server, process, port, load)


@contextmanager
def started(server: Server, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start it, and end it at the end: its process and its port."""
    folder.mkdir(parents=True)
    port = free_port()
    with (folder / "server.log").open("wb") as log:
        process = start(
            server.command(folder, port),
            SERVER,
            server.environment(folder, port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _await(process, port, folder)
        yield process, port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """One that nobody listens on at the moment."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return int(taken.getsockname()[1])


def _await(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((HOST, port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                said = (folder / "server.log").read_text(errors="replace")[-2000:]
                sys.exit(f"{process.args!r} does not answer:\n{said}")
            time.sleep(0.02)
