"""Hubs and agents as processes of their own, so that they can be killed as a power button would."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HUBBUB = [sys.executable, "-m", "hub"]
BOUND = 60.0  # seconds for a process to do what it was started for, on a busy machine


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's, with a hub of its own on any free port."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HUBBUB_", "CLAUDE"))}
    return {**kept, "HUBBUB_HOME": str(home), "HUBBUB_PORT": "0", "PYTHONPATH": os.pathsep.join(sys.path), **more}


def run(home: Path, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    done = subprocess.run(
        [*HUBBUB, *arguments],
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert code is None or done.returncode == code, done.stderr
    return done


class HubProcess:
    """`hubbub serve` as a child."""

    def __init__(self, home: Path, command: Sequence[str] = HUBBUB, **settings: str) -> None:
        self.home = home
        self._note = home / "hub.json"
        before = self._written_at()
        self.process = subprocess.Popen(
            [*command, "serve"],
            env=environment(home, **settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + BOUND
        while self._written_at() in (None, before) or self.note()["pid"] != self.pid:
            assert self.process.poll() is None, (home / "logs" / "hub.log").read_text()[-2000:]
            assert time.monotonic() < until, "the hub did not come up"
            time.sleep(0.01)
        self.url = str(self.note()["url"])
        self.http = self.url.replace("ws://", "http://").removesuffix("/ws")
        self.token = (home / "token").read_text().strip()

    @property
    def pid(self) -> int:
        return self.process.pid

    def note(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._note.read_text()))
        except (FileNotFoundError, ValueError):
            return {"pid": 0}

    def _written_at(self) -> int | None:
        try:
            return self._note.stat().st_mtime_ns
        except FileNotFoundError:  # a hub that starts takes away what a killed one left
            return None

    def kill(self) -> None:
        """As `kill -9` does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(BOUND)

    def stop(self) -> int:
        """As SIGTERM does; the exit code."""
        self.process.terminate()
        return self.process.wait(BOUND)


@contextmanager
def hub_process(home: Path, command: Sequence[str] = HUBBUB, **settings: str) -> Iterator[HubProcess]:
    hub = HubProcess(home, command, **settings)
    try:
        yield hub
    finally:
        if hub.process.poll() is None:
            hub.kill()


class Agent:
    """`hubbub mcp` with JSON-RPC typed by hand on its pipes: so a test knows exactly which reply has left it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.patience = BOUND  # seconds for an answer
        self._number = 0

    @classmethod
    async def start(
        cls,
        home: Path,
        name: str,
        settings: Mapping[str, str] | None = None,
        command: Sequence[str] = HUBBUB,
        **more: Any,
    ) -> Agent:
        process = await asyncio.create_subprocess_exec(
            *command,
            "mcp",
            "--name",
            name,
            env=environment(home, **(settings or {})),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            limit=16 * 2**20,
            **more,
        )
        agent = cls(process)
        try:
            await agent.request(
                "initialize",
                {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
            )
        except BaseException:
            await agent.kill()
            raise
        agent.write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return agent

    def write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")

    def ask(self, method: str, parameters: dict[str, Any]) -> int:
        """Send a request and return its id, without waiting for the answer."""
        self._number += 1
        self.write({"jsonrpc": "2.0", "id": self._number, "method": method, "params": parameters})
        return self._number

    async def answer(self, number: int) -> dict[str, Any]:
        assert self.process.stdout is not None
        async with asyncio.timeout(self.patience):
            while line := await self.process.stdout.readline():
                if not line.endswith(b"\n"):
                    break  # cut off in the middle: the model never had it
                message = json.loads(line)
                if message.get("id") == number and "method" not in message:
                    assert "error" not in message, message
                    return dict(message["result"])
        raise EOFError("the agent is gone")

    async def request(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return await self.answer(self.ask(method, parameters))

    async def tool(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; its structured content."""
        result = await self.request("tools/call", {"name": name, "arguments": arguments})
        assert not result.get("isError"), result
        return dict(result["structuredContent"])

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        transport = getattr(self.process, "_transport", None)
        if transport is not None:
            transport.close()
