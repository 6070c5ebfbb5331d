"""One connection of the load generator: first it is asked for what the server says, later it is handed everything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

LIMIT = 30.0  # seconds for an answer during the opening


class Lost(Exception):
    """The server closed the connection."""


class Wire(asyncio.Protocol):
    """Bytes to and from one server. `broken` is called if the server ends it."""

    def __init__(self, broken: Callable[[Exception], None]) -> None:
        self._broken = broken
        self._buffer = bytearray()
        self._more = asyncio.Event()
        self._closing = False
        self._transport: asyncio.Transport | None = None
        self._take: Callable[[bytes], None] = self._keep
        self.send: Callable[[bytes], None]  # write, without waiting; once it is connected

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its bases
        self.send = self._transport.write

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def connection_lost(self, why: Exception | None) -> None:
        if not self._closing:
            self._broken(why or Lost("the server closed a connection"))
        self._more.set()

    def close(self) -> None:
        """Leave, without a word."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def hand_to(self, take: Callable[[bytes], None]) -> None:
        """From now on everything goes there, what is here already first."""
        self._take = take
        if self._buffer:
            data, self._buffer = bytes(self._buffer), bytearray()
            take(data)

    async def until(self, mark: bytes) -> bytes:
        """What comes up to and including `mark`."""
        while (at := self._buffer.find(mark)) < 0:
            await self._wait()
        return self._cut(at + len(mark))

    async def unit(self, end: Callable[[bytes, int], int]) -> bytes:
        """The next unit, whose end this function finds."""
        while not (at := end(bytes(self._buffer), 0)):
            await self._wait()
        return self._cut(at)

    def _keep(self, data: bytes) -> None:
        self._buffer += data
        self._more.set()

    def _cut(self, at: int) -> bytes:
        cut = bytes(self._buffer[:at])
        del self._buffer[:at]
        return cut

    async def _wait(self) -> None:
        if self._transport is not None and self._transport.is_closing():
            raise Lost(f"the server closed the connection after {bytes(self._buffer[-200:])!r}")
        self._more.clear()
        async with asyncio.timeout(LIMIT):
            await self._more.wait()
