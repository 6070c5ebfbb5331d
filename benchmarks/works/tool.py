"""From bob's tool call until it comes out of alice's waiting one, with the official MCP client at both ends.

The whole way is measured: tool call → MCP server → hub → disk → MCP server → tool result. Beside it, the same SDK's
least MCP server at both ends, and a WebSocket between them that sends on what comes.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from benchmarks.figures import Contender, Result, Sample
from benchmarks.peers.hubbub import Hubbub
from benchmarks.peers.websockets import SERVERS
from benchmarks.server import HOST, Server, started
from benchmarks.work import Say, Work

MESSAGES = 40  # in each round
SETTLE = 0.03  # seconds until alice's `wait` has reached her process; not in what is measured


class Relay(Server):
    name = "bare MCP pair"
    settings = "two MCP servers on the same SDK with nothing but `send` and `wait`, and a bare WebSocket relay"

    def version(self) -> str:
        return f"mcp {version('mcp')}, websockets {version('websockets')}"

    def command(self, folder: Path, port: int) -> Sequence[str]:
        return [sys.executable, str(SERVERS / "relay.py"), str(port)]

    def agent(self, name: str, folder: Path, port: int) -> tuple[list[str], Mapping[str, str]]:
        """The command of an MCP server against it, and that one's environment."""
        return [str(SERVERS / "bare_agent.py"), f"ws://{HOST}:{port}"], {}


class Hub(Hubbub):
    settings = "`hubbub mcp` twice, the hub with synchronous=full"

    def agent(self, name: str, folder: Path, port: int) -> tuple[list[str], Mapping[str, str]]:
        return ["-P", "-m", "hub", "mcp", "--name", name], {"HUBBUB_HOME": str(folder / "home")}


class Tool(Work):
    name = "tool"
    title = "from one agent's tool call to the other's waiting tool"
    unit = "ms p50"
    better = "less"

    def measure(self, rounds: int, folder: Path, say: Say) -> Result:
        return asyncio.run(self._measure(rounds, folder, say))

    async def _measure(self, rounds: int, folder: Path, say: Say) -> Result:
        result = self._result()
        async with AsyncExitStack() as stack:
            pairs = []
            for server in (Hub(), Relay()):
                result.contenders.append(Contender(server.name, server.version(), server.settings))
                _, port = stack.enter_context(started(server, folder / server.name))
                alice, bob = [
                    await stack.enter_async_context(_session(*server.agent(name, folder / server.name, port)))
                    for name in ("alice", "bob")
                ]
                await _push(alice, bob, 5)  # warm
                pairs.append((result.contenders[-1], alice, bob))
            for number in range(rounds):
                for contender, alice, bob in pairs if number % 2 else reversed(pairs):
                    took = sorted(await _push(alice, bob, MESSAGES))
                    p90, p99 = (took[int(len(took) * share)] for share in (0.9, 0.99))
                    contender.samples.append(Sample(statistics.median(took), more={"p90": p90, "p99": p99}))
                said = "   ".join(f"{each.name} {each.samples[-1].value:.2f}" for each in result.contenders)
                say(f"  round {number + 1} of {rounds}: {said}")
        return result


@asynccontextmanager
async def _session(arguments: list[str], environment: Mapping[str, str]) -> AsyncIterator[ClientSession]:
    parameters = StdioServerParameters(command=sys.executable, args=arguments, env={**os.environ, **environment})
    async with stdio_client(parameters) as (reading, writing), ClientSession(reading, writing) as session:
        await session.initialize()
        await session.list_tools()
        yield session


async def _push(alice: ClientSession, bob: ClientSession, messages: int) -> list[float]:
    """Milliseconds from bob's call to alice's result, for each of so many messages."""
    took = []
    for number in range(messages):
        waiting = asyncio.create_task(alice.call_tool("wait", {"timeout": 30}))
        await asyncio.sleep(SETTLE)
        begin = perf_counter()
        sending = asyncio.create_task(bob.call_tool("send", {"to": "alice", "body": f"message {number}"}))
        result = await waiting
        took.append((perf_counter() - begin) * 1000)
        await sending
        bodies = [each["body"] for each in (result.structured_content or {})["messages"]]
        assert bodies == [f"message {number}"], bodies
    return took


WORKS = [Tool()]
