"""How long a command takes from its start until it is done or answers, beside the least that Python or an SDK takes."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, sleep
from typing import NamedTuple

from benchmarks.figures import Contender, Result, Sample
from benchmarks.peers.hubbub import Hubbub
from benchmarks.peers.websockets import SERVERS
from benchmarks.server import HOST, free_port, started
from benchmarks.work import Say, Work
from hub import __version__
from hub.cli.verbs import VERBS

PYTHON = f"Python {platform.python_version()}"
COMMAND = Path(sys.executable).with_name("hubbub")  # what the user types


class Command(NamedTuple):
    """One thing that is started; `once` starts it, and returns once it has done what is waited for."""

    name: str
    version: str
    settings: str
    once: Callable[[], None]


class Start(Work):
    unit = "ms"
    better = "less"
    times = 5  # starts of each in a round

    def commands(self, folder: Path, stack: ExitStack) -> Sequence[Command]:
        raise NotImplementedError

    def measure(self, rounds: int, folder: Path, say: Say) -> Result:
        result = self._result()
        with ExitStack() as stack:
            folder.mkdir()
            commands = self.commands(folder, stack)
            result.contenders += [Contender(each.name, each.version, each.settings) for each in commands]
            for each in commands:
                each.once()  # warm: from now on the files are in the system's cache
            for number in range(rounds):
                took: dict[str, list[float]] = {each.name: [] for each in commands}
                cpu = dict.fromkeys(took, 0.0)
                for _ in range(self.times):
                    for each in commands:
                        begin, before = perf_counter(), _children()
                        each.once()
                        took[each.name].append((perf_counter() - begin) * 1000)
                        cpu[each.name] += _children() - before
                for contender in result.contenders:
                    per_cpu_second = self.times / cpu[contender.name] if cpu[contender.name] else None
                    found = Sample(statistics.median(took[contender.name]), per_cpu_second=per_cpu_second)
                    contender.samples.append(found)
                said = "   ".join(f"{each.name} {each.samples[-1].value:.1f}" for each in result.contenders)
                say(f"  round {number + 1} of {rounds}: {said}")
        return result


def _children() -> float:
    """Seconds of processor time that ended children have used so far."""
    used = os.times()
    return used.children_user + used.children_system


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None, told: bytes = b"") -> Callable[[], None]:
    """Run it to its end."""

    def once() -> None:
        subprocess.run(
            list(command), env={**os.environ, **(environment or {})}, input=told, capture_output=True, check=True
        )

    return once


BARE = Command("bare Python", PYTHON, "`python -c pass` in the same environment", _run([sys.executable, "-c", "pass"]))


class Send(Start):
    name = "start-send"
    title = "`hubbub send`, to its end"

    def commands(self, folder: Path, stack: ExitStack) -> Sequence[Command]:
        stack.enter_context(started(Hubbub(), folder / "hub"))
        home = {"HUBBUB_HOME": str(folder / "hub" / "home")}
        send = _run([str(COMMAND), "send", "--as", "bob", "alice", "hello"], home)
        return [Command("Hubbub", __version__, "the hub runs; the message is on disk when it ends", send), BARE]


class Hook(Start):
    name = "start-hook"
    title = "`hubbub hook`, to its end, with nothing to tell"

    def commands(self, folder: Path, stack: ExitStack) -> Sequence[Command]:
        stack.enter_context(started(Hubbub(), folder / "hub"))
        home = {"HUBBUB_HOME": str(folder / "hub" / "home")}
        event = json.dumps({"hook_event_name": "PostToolUse", "session_id": "bench", "cwd": str(folder)}).encode()
        return [
            Command(
                "Hubbub", __version__, "no message waits", _run([str(COMMAND), "hook", "PostToolUse"], home, event)
            ),
            BARE,
        ]


class Serve(Start):
    name = "start-serve"
    title = "`hubbub serve`, until it is ready"
    times = 2

    def commands(self, folder: Path, stack: ExitStack) -> Sequence[Command]:
        def hub() -> None:
            port = free_port()
            environment = {"HUBBUB_HOME": str(folder / f"home-{port}"), "HUBBUB_PORT": str(port)}
            _until_ready([str(COMMAND), "serve"], environment, f"http://{HOST}:{port}/readyz")

        def bare() -> None:
            port = free_port()
            _until_ready([sys.executable, str(SERVERS / "plain.py"), str(port)], {}, f"http://{HOST}:{port}/")

        alone = f"uvicorn {version('uvicorn')}, starlette {version('starlette')}"
        return [
            Command("Hubbub", __version__, "in an empty home, until /readyz says so", hub),
            Command("uvicorn and Starlette", alone, "with one route, until it answers", bare),
        ]


def _until_ready(command: Sequence[str], environment: Mapping[str, str], url: str) -> None:
    null = subprocess.DEVNULL
    with subprocess.Popen(list(command), env={**os.environ, **environment}, stdout=null, stderr=null) as process:
        while process.poll() is None:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except urllib.error.HTTPError as answer:
                if answer.code == 404:  # the bare server has no page, and answers all the same
                    break
            except OSError:
                sleep(0.002)
        process.terminate()


class Mcp(Start):
    name = "start-mcp"
    title = "`hubbub mcp`, until its first list of tools"
    times = 2

    def commands(self, folder: Path, stack: ExitStack) -> Sequence[Command]:
        stack.enter_context(started(Hubbub(), folder / "hub"))
        home = {"HUBBUB_HOME": str(folder / "hub" / "home")}
        ours = _listing([str(COMMAND), "mcp", "--name", "bench"], home)
        bare = _listing([sys.executable, str(SERVERS / "bare_agent.py")], {})
        return [
            Command("Hubbub", __version__, "the hub runs", ours),
            Command("bare MCP server", f"mcp {version('mcp')}", "the same SDK, two tools that do nothing", bare),
        ]


def _listing(command: Sequence[str], environment: Mapping[str, str]) -> Callable[[], None]:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "0"}}

    def once() -> None:
        with subprocess.Popen(
            list(command),
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for said in (
                {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
                {"jsonrpc": "2.0", "method": "notifications/initialized"},
                {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
            ):
                process.stdin.write(json.dumps(said).encode() + b"\n")
            process.stdin.flush()
            while json.loads(process.stdout.readline()).get("id") != 2:
                pass
            process.kill()

    return once


WORKS: list[Work] = [Send(), *([Hook()] if "hook" in VERBS else []), Serve(), Mcp()]
