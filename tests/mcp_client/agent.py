"""An agent for tests: the official MCP client over a real `python -m mcp_client` process."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

BOUND = 60.0


def parameters(home: Path, url: str | None, name: str | None, token: str | None, folder: Path) -> StdioServerParameters:
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("HUBBUB_", "CLAUDE"))}
    environ["HUBBUB_HOME"] = str(home)
    if url is not None:
        environ["HUBBUB_URL"] = url
    if token is not None:
        environ["HUBBUB_TOKEN"] = token
    args = ["-P", "-m", "mcp_client", *(["--name", name] if name else [])]
    return StdioServerParameters(command=sys.executable, args=args, env=environ, cwd=folder)


@asynccontextmanager
async def agent(
    home: Path,
    name: str | None = None,
    *,
    url: str | None = None,
    token: str | None = None,
    folder: Path | None = None,
    mode: str = "legacy",
) -> AsyncIterator[Client]:
    made = parameters(home, url, name, token, folder or home)
    async with Client(made, mode=mode, read_timeout_seconds=BOUND, cache=None) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    """Call a tool that must succeed: its text and its structured content."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.content[0].text, result.structured_content  # type: ignore[union-attr]
