"""How long from one agent's `send` until it comes out of the other's pending `wait`, beside a bare WebSocket echo.

The whole way is measured: tool call → MCP client → hub → disk (synchronous=FULL) → MCP client → tool result, with the
official `mcp` client at both ends. Both are measured in turn in each round of one run, so that what the machine does
meanwhile meets both. Absolute times say something about this machine only; the ratio says something about Hubbub.

    python benchmarks/push_latency.py [--rounds 5] [--messages 60] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

HUBBUB = [sys.executable, "-m", "hub"]


@asynccontextmanager
async def agent(name: str, home: Path) -> AsyncIterator[ClientSession]:
    """One `hubbub mcp` with the official client on its pipes, registered and past its first calls."""
    parameters = StdioServerParameters(
        command=HUBBUB[0], args=[*HUBBUB[1:], "mcp", "--name", name], env={**os.environ, "HUBBUB_HOME": str(home)}
    )
    async with stdio_client(parameters) as (reading, writing), ClientSession(reading, writing) as session:
        await session.initialize()
        await session.call_tool("check", {})
        yield session


@asynccontextmanager
async def echo() -> AsyncIterator[str]:
    """The least that a WebSocket server can do."""

    async def handle(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def push(alice: ClientSession, bob: ClientSession, messages: int) -> list[float]:
    """Milliseconds from bob's call to alice's result, for each of so many messages."""
    took = []
    for number in range(messages):
        waiting = asyncio.create_task(alice.call_tool("wait", {"timeout": 30}))
        await asyncio.sleep(0.03)  # until the wait has reached alice's process; it is not in the measured part
        begin = time.perf_counter()
        sending = asyncio.create_task(bob.call_tool("send", {"to": "alice", "body": f"message {number}"}))
        result = await waiting
        took.append((time.perf_counter() - begin) * 1000)
        await sending
        told = result.structured_content or {}
        bodies = [each["body"] for each in told["messages"]]
        assert bodies == [f"message {number}"], bodies
    return took


async def round_trips(url: str, messages: int) -> list[float]:
    """Milliseconds there and back over the bare echo."""
    took = []
    async with connect(url, compression=None, proxy=None) as connection:
        for number in range(messages):
            begin = time.perf_counter()
            await connection.send(f"message {number}")
            await connection.recv()
            took.append((time.perf_counter() - begin) * 1000)
    return took


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def measure(home: Path, rounds: int, messages: int) -> dict[str, object]:
    pushed: list[list[float]] = []
    echoed: list[list[float]] = []
    async with echo() as url, agent("alice", home) as alice, agent("bob", home) as bob:
        await push(alice, bob, 5)  # warm
        await round_trips(url, 20)
        for number in range(rounds):
            pushed.append(await push(alice, bob, messages))
            echoed.append(await round_trips(url, messages))
            print(
                f"round {number + 1}: send → wait p50 {statistics.median(pushed[-1]):6.2f} ms   "
                f"echo p50 {statistics.median(echoed[-1]):6.3f} ms",
                flush=True,
            )
    ratios = [statistics.median(p) / statistics.median(e) for p, e in zip(pushed, echoed, strict=True)]
    every_push = [each for taken in pushed for each in taken]
    every_echo = [each for taken in echoed for each in taken]
    return {
        "messages": len(every_push),
        "push_p50_ms": statistics.median(every_push),
        "push_p99_ms": percentile(every_push, 0.99),
        "echo_p50_ms": statistics.median(every_echo),
        "echo_p99_ms": percentile(every_echo, 0.99),
        "ratio_median": statistics.median(ratios),
        "ratio_lowest": min(ratios),
        "ratio_highest": max(ratios),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=60, help="in each round")
    parser.add_argument("--json", type=Path, help="write the figures there")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        home = Path(folder)
        environment = {**os.environ, "HUBBUB_HOME": str(home), "HUBBUB_PORT": "0"}
        subprocess.run([*HUBBUB, "start"], env=environment, check=True, stdout=subprocess.DEVNULL)
        try:
            figures = asyncio.run(measure(home, told.rounds, told.messages))
        finally:
            subprocess.run([*HUBBUB, "stop"], env=environment, check=False, stdout=subprocess.DEVNULL)
    print(
        f"\nsend → wait   p50 {figures['push_p50_ms']:6.2f} ms   p99 {figures['push_p99_ms']:6.2f} ms   "
        f"({figures['messages']} messages, Python {figures['python']}, {figures['cores']} cores, synchronous=FULL)\n"
        f"bare echo     p50 {figures['echo_p50_ms']:6.2f} ms   p99 {figures['echo_p99_ms']:6.2f} ms\n"
        f"ratio of the medians {figures['ratio_median']:.1f} "
        f"(rounds: {figures['ratio_lowest']:.1f} to {figures['ratio_highest']:.1f})"
    )
    if told.json:
        told.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
