"""What the two verbs that stand in everybody's way cost beside a bare start of Python.

    python benchmarks/cli_start.py [rounds]

Runs are interleaved and medians compared, so that a busy machine slows all of them. `hook` finds no MCP process and
says nothing; `hook, beside one` asks a process that has nothing new; `send` stores a message, synced to disk.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from socket import create_server

from mcp_client import note

HUBBUB = str(Path(sys.executable).with_name("hubbub"))


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder, create_server(("127.0.0.1", 0)) as beside:
        home, other = Path(folder) / "home", Path(folder) / "other"
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("HUBBUB_", "CLAUDE"))}
        environ |= {"HUBBUB_HOME": str(home), "HUBBUB_PORT": "0"}
        threading.Thread(target=answer, args=(beside,), daemon=True).start()
        note.write(
            other,
            note.Note(
                port=beside.getsockname()[1], secret="s", parent=os.getpid(), session="", folder="", pid=os.getpid()
            ),
        )
        subprocess.run([HUBBUB, "start"], env=environ, check=True, stdout=subprocess.DEVNULL)
        try:
            compare(
                {
                    "bare Python": ([sys.executable, "-c", "pass"], environ),
                    "hubbub hook": ([HUBBUB, "hook", "PostToolUse"], environ),
                    "hubbub hook, beside one": ([HUBBUB, "hook", "PostToolUse"], environ | {"HUBBUB_HOME": str(other)}),
                    "hubbub send": ([HUBBUB, "send", "--as", "bob", "bob", "hello"], environ),
                    "hubbub --version": ([HUBBUB, "--version"], environ),
                },
                rounds,
            )
        finally:
            subprocess.run([HUBBUB, "stop"], env=environ, check=True, stdout=subprocess.DEVNULL)


def answer(beside: object) -> None:
    """An MCP process with nothing new."""
    while True:
        connection, _ = beside.accept()  # type: ignore[attr-defined]
        with connection:
            connection.recv(65_536)
            connection.sendall(b"0 0 0\n")
            connection.recv(16)


def compare(commands: dict[str, tuple[list[str], dict[str, str]]], rounds: int) -> None:
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, (words, environ) in commands.items():
            start = time.perf_counter()
            subprocess.run(words, env=environ, check=True, stdin=subprocess.DEVNULL, capture_output=True)
            took[name].append(time.perf_counter() - start)
    bare = statistics.median(took["bare Python"])
    for name, each in took.items():
        median = statistics.median(each)
        print(f"{name:<24} {median * 1000:7.1f} ms  {median / bare:5.2f} x  (+{(median - bare) * 1000:.1f} ms)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
