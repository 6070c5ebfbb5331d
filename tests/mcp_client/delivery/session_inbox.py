"""A session's inbox as Claude Code has it, for tests: what came, and ways of going wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mcp_client.delivery.claude_inbox import SOCKET, TOKEN
from tests.hub.scripted_hub import BOUND

SECRET = "8f11769c"


class SessionInbox:
    """`texts` has what a session would have taken up. `behaviour` is taking, closing or blocking."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.behaviour = "taking"
        self.texts: list[str] = []
        self.connections = 0
        self._changed = asyncio.Condition()
        self._held: list[asyncio.StreamWriter] = []

    @property
    def environ(self) -> dict[str, str]:
        return {SOCKET: str(self.path), TOKEN: SECRET}

    async def has(self, count: int) -> None:
        async with asyncio.timeout(BOUND), self._changed:
            await self._changed.wait_for(lambda: len(self.texts) >= count)

    async def met(self, count: int) -> None:
        """Wait for so many connections, whatever became of them."""
        async with asyncio.timeout(BOUND), self._changed:
            await self._changed.wait_for(lambda: self.connections >= count)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._changed:
            self.connections += 1
            self._changed.notify_all()
        if self.behaviour == "blocking":
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            self._held.append(writer)
            return
        try:
            if self.behaviour == "taking" and json.loads(await reader.readline()) == {"type": "auth", "token": SECRET}:
                said = json.loads(await reader.readline())
                assert said["type"] == "user"
                assert said["priority"] == "next"
                async with self._changed:
                    self.texts.append(said["message"]["content"])
                    self._changed.notify_all()
        finally:
            writer.close()

    def let_go(self) -> None:
        for writer in self._held:
            writer.transport.abort()


@asynccontextmanager
async def session_inbox(folder: Path) -> AsyncIterator[SessionInbox]:
    inbox = SessionInbox(folder / "s.sock")
    server = await asyncio.start_unix_server(inbox.accept, inbox.path, limit=2**21)
    try:
        yield inbox
    finally:
        inbox.let_go()
        server.close()
        inbox.path.unlink(missing_ok=True)
