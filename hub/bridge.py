"""The TCP server for the old protocol: one JSON object in, one out, and the connection closes.

A request has no length before it and no end after it, and its sender keeps its side open. So it is complete when its
first object is. It may come in any number of segments.

On loopback only, whatever address the hub itself listens on: the protocol has no encryption. What begins like HTTP is a
browser that some page has sent here, and is closed without a word.
"""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple

import structlog
from msgspec import MsgspecError, json

from hub.errors import Unavailable
from hub.legacy import Legacy, Reply, encoded, refusal
from hub.ports import port_holder

HOST = "127.0.0.1"
PARTING = 2.0  # seconds in which a client has closed its side, or will not by then: it has what it was sent
CHUNK = 65_536  # bytes

_HTTP = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|TRACE|CONNECT|PATCH|PRI) ")
_LONGEST = len(b"OPTIONS ")

logger = structlog.get_logger("hubbub.legacy")


class Bounds(NamedTuple):
    """Bytes of a request; seconds for it to be answered, and for the answer to be taken; connections at a time."""

    request: int
    seconds: float
    connections: int


class Bridge:
    """See the module. `counts` has what was refused, by reason."""

    def __init__(self, legacy: Legacy, bounds: Bounds) -> None:
        self._legacy = legacy
        self._bounds = bounds
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def mode(self) -> str:
        """`secure` where a shared secret is asked for, else `open`."""
        return "secure" if self._legacy.rules.secret else "open"

    async def start(self, port: int) -> int:
        """Listen; returns the port. Raises Unavailable if it is taken."""
        await self._legacy.load()
        try:
            self._server = await asyncio.start_server(self._serve, HOST, port, limit=CHUNK)
        except OSError as why:
            raise Unavailable(
                f"Nothing listens for old scripts: port {port} of {HOST} is taken by "
                f"{port_holder(port) or 'a program that cannot be told'} ({why.strerror or why}).",
                "End that program, which may be the old broker itself; then hubbub stop, and hubbub start.",
            ) from None
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more, and let what is being answered come to its end."""
        if self._server is None:
            return
        self._server.close()
        if self._open:
            await asyncio.wait(self._open, timeout=PARTING)
        for task in self._open:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._converse(reader, writer)
        except (OSError, TimeoutError):
            pass  # the other side is gone, or says nothing: what it was not given stays unread
        finally:
            self._open.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) > self._bounds.connections:
            await _write(writer, refusal(f"More than {self._bounds.connections} connections at a time; try again"))
            return
        async with asyncio.timeout(self._bounds.seconds):
            text = await self._request(reader)
            if text is None:
                logger.warning("http_on_the_bridge", peer=writer.get_extra_info("peername"))
                return
            reply = await self._reply(text)
        arrived = False
        try:
            async with asyncio.timeout(self._bounds.seconds):
                await _write(writer, reply)
            arrived = reply.settle is None or await _arrived(reader, writer)
        finally:
            if reply.settle is not None:
                await reply.settle(arrived)

    async def _request(self, reader: asyncio.StreamReader) -> bytes | None:
        """The bytes of a request, or as many as came; None for one that is HTTP."""
        data = bytearray()
        end = ObjectEnd()
        while chunk := await reader.read(CHUNK):
            data += chunk
            if _HTTP.match(data[:_LONGEST]):
                return None
            if end.found(chunk) or len(data) > self._bounds.request:
                break
        return bytes(data)

    async def _reply(self, text: bytes) -> Reply:
        if len(text) > self._bounds.request:
            return refusal(f"A request has at most {self._bounds.request:,} bytes")
        try:
            request = json.decode(text)
        except (MsgspecError, UnicodeError, RecursionError) as why:
            return refusal(f"The request is not one JSON object: {why}")
        return await self._legacy.answer(request)


class ObjectEnd:
    """Where the first JSON object in a stream of bytes ends. Each byte is looked at once."""

    _OUTSIDE = re.compile(rb'["{}]')
    _INSIDE = re.compile(rb'["\\]')

    def __init__(self) -> None:
        self._depth = 0
        self._inside = False  # of a string
        self._skip = 0  # bytes of the next chunk that a backslash before it has taken

    def found(self, chunk: bytes) -> bool:
        """Whether the object is complete with this chunk; also for what cannot become one."""
        place = self._skip
        self._skip = 0
        if self._depth == 0 and chunk.strip() and not chunk.lstrip().startswith(b"{"):
            return True
        while match := (self._INSIDE if self._inside else self._OUTSIDE).search(chunk, place):
            place = match.end()
            mark = match[0]
            if mark == b"\\":
                self._skip = max(0, place + 1 - len(chunk))
                place += 1
            elif mark == b'"':
                self._inside = not self._inside
            else:
                self._depth += 1 if mark == b"{" else -1
                if self._depth <= 0:
                    return True
        return False


async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    writer.write(encoded(reply.said))
    await writer.drain()


async def _arrived(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the other side has taken the reply: one that dies with some of it unread resets the connection.

    One that has it, and neither closes nor says anything, is believed after a moment.
    """
    if writer.can_write_eof():
        writer.write_eof()
    try:
        async with asyncio.timeout(PARTING):
            while await reader.read(CHUNK):
                pass
    except TimeoutError:
        return True
    except OSError:
        return False
    return True
