"""A TCP proxy that cuts: each connection carries some number of bytes, and breaks in the middle of whatever that is."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

RESET = struct.pack(
    "ii", 1, 0
)  # SO_LINGER with no time: the end is a reset, as from a router that forgot the connection


class Cutter:
    """`mean` is how many bytes a connection carries, both ways together, before it is cut; it varies widely.

    With `calm` it cuts no more. `cuts` counts.
    """

    def __init__(self, chance: random.Random, host: str, port: int, mean: float) -> None:
        self.cuts = 0
        self.calm = False
        self.port = 0
        self._chance = chance
        self._target = (host, port)
        self._mean = mean
        self._carrying: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Cutter]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for each in list(self._ends):
                each.transport.abort()
            await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        left = [1 + int(self._chance.expovariate(1 / self._mean))]
        ends = {writer}
        try:
            far, away = await asyncio.open_connection(*self._target)
            ends.add(away)
            self._ends |= ends
            ways = [asyncio.ensure_future(self._pump(*way, left)) for way in ((reader, away), (far, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            return
        finally:
            if left[0] <= 0:
                self.cuts += 1
            self._ends -= ends
            for each in ends:
                _reset(each)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: list[int]) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if not self.calm:
                    data, left[0] = data[: left[0]], left[0] - len(data)
                writer.write(data)
                await writer.drain()
                if left[0] <= 0:
                    return


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.close()  # what was written is sent on; then the system resets
