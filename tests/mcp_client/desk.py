"""An agent's tools in this process: a real link to a scripted hub, without the MCP protocol around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hub.request import Place
from mcp_client.calls import Call, Calls, Result
from mcp_client.delivery.courier import Courier, Rules
from mcp_client.files import Files
from mcp_client.inbox import Inbox
from mcp_client.link import Link
from mcp_client.shelf import Shelf
from tests.hub.scripted_hub import BOUND, TOKEN, ScriptedHub


class Desk:
    def __init__(self, hub: ScriptedHub, link: Link, calls: Calls, courier: Courier) -> None:
        self.hub = hub
        self.courier = courier
        self.link = link
        self.calls = calls
        self.told: list[tuple[float, float, str]] = []
        self.progressed = asyncio.Event()
        self._requests = 0

    async def start(self, tool: str, arguments: dict[str, Any]) -> tuple[int, Result]:
        """Run a tool, and leave open whether its result goes out."""
        self._requests += 1
        request = self._requests

        async def progress(done: float, total: float, about: str) -> None:
            self.told.append((done, total, about))
            self.progressed.set()

        async with asyncio.timeout(BOUND):
            return request, await self.calls(tool, arguments, Call(request, progress))

    async def __call__(self, tool: str, **arguments: Any) -> Result:
        """Run a tool whose result goes out."""
        request, result = await self.start(tool, {key.rstrip("_"): value for key, value in arguments.items()})
        if result.error:
            self.link.give_back(request)
        else:
            self.link.handed(request)
        return result

    async def good(self, tool: str, **arguments: Any) -> Result:
        result = await self(tool, **arguments)
        assert not result.error, result.text
        return result

    async def has(self, messages: int) -> None:
        """Wait until so many are unread in the buffer."""
        async with asyncio.timeout(BOUND):
            await self.link.bell.until(lambda: self.link.inbox.unread().messages >= messages, None)

    async def read(self, offset: int) -> None:
        """Wait until the hub knows that everything up to there is read."""
        await self.hub.until(lambda: self.hub.people[self.link.name.lower()].read >= offset)


@asynccontextmanager
async def desk(
    hub: ScriptedHub,
    home: Path,
    name: str = "alice",
    *,
    environ: Mapping[str, str] | None = None,
    rules: Rules | None = None,
    **limits: Any,
) -> AsyncIterator[Desk]:
    async def find(_: bool) -> Place:
        return Place(hub.url, getattr(hub, "token", TOKEN))  # a real hub has one of its own

    folder = home / "work"
    folder.mkdir(exist_ok=True)
    link = Link(name, find, new_inbox=lambda: Inbox(**limits), random=lambda: 0.0, patience=BOUND)
    shelf = Shelf(home / "bodies")
    courier = Courier(link, shelf, rules or Rules(), environ=environ or {})
    link.start()
    courier.start()
    try:
        yield Desk(hub, link, Calls(link, shelf, Files(home / "files", [folder]), courier), courier)
    finally:
        await courier.close()
        await link.close()
