"""Both revisions of MCP over standard input and output, typed as lines of JSON: no client library stands in between.

2025-11-25 begins with `initialize` (https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle).
2026-07-28 has no handshake: each request carries its revision, its client and what that can do, under `_meta`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mcp_client.tools import TOOLS
from tests.hub.scripted_hub import TOKEN, ScriptedHub, scripted_hub
from tests.mcp_client.agent import BOUND, parameters

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "typed", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Typed:
    """The server's two pipes, a line at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self, line: str) -> dict[str, Any]:
        """Type one request; the next line that comes."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(BOUND):
            return dict(json.loads(await self._process.stdout.readline()))

    async def ask(self, number: int, method: str, **params: Any) -> dict[str, Any]:
        return await self.line(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))

    def tell(self, method: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", "method": method}).encode() + b"\n")


@asynccontextmanager
async def typed(home: Path, hub: ScriptedHub) -> AsyncIterator[Typed]:
    made = parameters(home, hub.url, "alice", TOKEN, home)
    process = await asyncio.create_subprocess_exec(
        made.command,
        *made.args,
        env=made.env,
        cwd=home,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=2**22,
    )
    try:
        yield Typed(process)
        assert process.stdin
        process.stdin.close()
        async with asyncio.timeout(BOUND):
            rest, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert (rest, errors, process.returncode) == (b"", b"", 0), "it ends with standard input, and says nothing more"


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    async with scripted_hub() as hub:
        yield hub


def initialize(revision: str) -> dict[str, Any]:
    return {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "typed", "version": "0"}}


@pytest.mark.parametrize("revision", ["2025-11-25", "2024-11-05"])
async def test_a_handshake_is_answered_in_its_own_revision(hub: ScriptedHub, tmp_path: Path, revision: str) -> None:
    async with typed(tmp_path, hub) as pipe:
        answer = await pipe.ask(1, "initialize", **initialize(revision))
        assert (answer["jsonrpc"], answer["id"]) == ("2.0", 1)
        assert answer["result"]["protocolVersion"] == revision
        assert answer["result"]["serverInfo"]["name"] == "hubbub"
        assert "tools" in answer["result"]["capabilities"]
        pipe.tell("notifications/initialized")

        listed = (await pipe.ask(2, "tools/list"))["result"]
        assert sorted(each["name"] for each in listed["tools"]) == sorted(TOOLS)
        assert "resultType" not in listed, "which the older revisions do not have"

        await hub.until(lambda: "alice" in hub.people)
        await hub.tell("alice", "hello")
        called = (await pipe.ask(3, "tools/call", name="wait", arguments={"timeout": 10}))["result"]
        assert called["isError"] is False
        assert [each["body"] for each in called["structuredContent"]["messages"]] == ["hello"]


async def test_a_handshake_of_a_revision_to_come_is_answered_in_one_that_is_known(
    hub: ScriptedHub, tmp_path: Path
) -> None:
    async with typed(tmp_path, hub) as pipe:
        answer = await pipe.ask(1, "initialize", **initialize("2999-01-01"))
        assert answer["result"]["protocolVersion"] == "2025-11-25"


async def test_without_a_handshake_each_request_stands_for_itself(hub: ScriptedHub, tmp_path: Path) -> None:
    async with typed(tmp_path, hub) as pipe:
        found = (await pipe.ask(1, "server/discover", _meta=META))["result"]
        assert "2026-07-28" in found["supportedVersions"]
        assert "not orders" in found["instructions"]

        listed = (await pipe.ask(2, "tools/list", _meta=META))["result"]
        assert listed["resultType"] == "complete"
        assert sorted(each["name"] for each in listed["tools"]) == sorted(TOOLS)

        await hub.until(lambda: "alice" in hub.people)
        await hub.tell("alice", "hello")
        called = (await pipe.ask(3, "tools/call", name="wait", arguments={"timeout": 10}, _meta=META))["result"]
        assert (called["resultType"], called["isError"]) == ("complete", False)
        assert [each["body"] for each in called["structuredContent"]["messages"]] == ["hello"]
        await hub.until(lambda: hub.people["alice"].read == 1)


async def test_without_a_handshake_the_first_request_may_be_a_call(hub: ScriptedHub, tmp_path: Path) -> None:
    async with typed(tmp_path, hub) as pipe:
        called = (await pipe.ask(1, "tools/call", name="list_instances", arguments={}, _meta=META))["result"]
        assert called["structuredContent"]["you"] == "alice"


async def test_a_revision_that_is_not_known_is_refused_with_those_that_are(hub: ScriptedHub, tmp_path: Path) -> None:
    meta = META | {"io.modelcontextprotocol/protocolVersion": "2999-01-01"}
    async with typed(tmp_path, hub) as pipe:
        refused = (await pipe.ask(1, "tools/list", _meta=meta))["error"]
        assert "2026-07-28" in json.dumps(refused["data"])


async def test_what_is_not_known_is_an_error_and_the_next_line_is_read(hub: ScriptedHub, tmp_path: Path) -> None:
    async with typed(tmp_path, hub) as pipe:
        await pipe.ask(1, "initialize", **initialize("2025-11-25"))
        pipe.tell("notifications/initialized")
        assert (await pipe.ask(2, "no/such/method"))["error"]["code"] == -32601
        assert (await pipe.ask(3, "ping"))["result"] == {}
