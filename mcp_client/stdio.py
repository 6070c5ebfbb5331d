"""MCP over standard input and output, with word of what has really gone out.

The SDK's own transport hands over memory streams: a result that was put there may never reach the client. Here each
request carries a note of how it ended: `answered(id, ok)` is called when the response has been written and flushed to
the pipe, or when the request came to an end without one (then not ok).

Both directions run in a thread of their own, since pipes block: the loop never waits for a client that doesn't read,
and a client that closes its end is noticed at once. The threads are daemons: one that hangs in a pipe cannot keep
the process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self

import anyio
import mcp_types as types
from mcp.shared.message import ServerMessageMetadata, SessionMessage

from mcp_client.pipes import Pipes

CHUNK = 65_536
GONE = (anyio.ClosedResourceError, anyio.BrokenResourceError, CancelledError, RuntimeError)  # the stream, or the loop

log = logging.getLogger(__name__)


class Writer:
    """The SDK's write stream: `send` returns when the message has been flushed."""

    def __init__(self, sink: int, answered: Callable[[types.RequestId, bool], None]) -> None:
        self._sink = sink
        self._answered = answered
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[bytes, types.JSONRPCMessage, asyncio.Future[None]] | None] = (
            queue.SimpleQueue()
        )
        self._closed = False
        self._thread = threading.Thread(target=self._write, name="stdout", daemon=True)
        self._thread.start()

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message. It goes out even if the caller is cancelled while it waits.

        Raises BrokenResourceError where the client has closed its end.
        """
        if self._closed:
            raise anyio.ClosedResourceError
        text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
        done = self._loop.create_future()
        self._queue.put((text.encode() + b"\n", item.message, done))
        await done

    async def aclose(self) -> None:
        """Stop after what was sent before."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)

    async def finish(self) -> None:
        """Stop, once what was sent is written; a client that reads nothing is not waited for."""
        await self.aclose()
        self._thread.join(timeout=1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _write(self) -> None:
        failed = False
        while (each := self._queue.get()) is not None:
            line, message, done = each
            try:
                if not failed:
                    _write_all(self._sink, line)
            except OSError as why:
                log.info("standard output is closed: %s", why)
                failed = True
            except Exception:  # whoever waits for an answer must be told that none goes out any more
                log.exception("writing failed")
                failed = True
            with suppress(RuntimeError):  # the loop is gone: nobody wants to know any more
                self._loop.call_soon_threadsafe(self._written, message, done, not failed)

    def _written(self, message: types.JSONRPCMessage, done: asyncio.Future[None], ok: bool) -> None:
        if isinstance(message, types.JSONRPCResponse):
            self._answered(message.id, ok)
        elif isinstance(message, types.JSONRPCError) and message.id is not None:
            self._answered(message.id, False)
        if done.done():
            return
        if ok:
            done.set_result(None)
        else:
            done.set_exception(anyio.BrokenResourceError())


def _write_all(sink: int, line: bytes) -> None:
    left = memoryview(line)
    while left:
        left = left[os.write(sink, left) :]


class Reader:
    """A thread that turns lines into messages for the SDK's read stream."""

    def __init__(self, source: int, answered: Callable[[types.RequestId, bool], None]) -> None:
        self._source = source
        self._answered = answered
        self._loop = asyncio.get_running_loop()
        self._into, self.stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    def close(self) -> None:
        """Read no more; the thread ends with the next line, or with the process."""
        self._into.close()
        self.stream.close()

    def _read(self) -> None:
        try:
            for line in _lines(self._source):
                asyncio.run_coroutine_threadsafe(self._into.send(self._parse(line)), self._loop).result()
        except GONE as why:
            log.debug("reading ended: %r", why)
        except Exception:
            log.exception("reading failed; this process ends as if standard input were closed")
        finally:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._into.close)

    def _parse(self, line: bytes) -> SessionMessage | Exception:
        try:
            message: types.JSONRPCMessage = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError as why:
            return why
        if not isinstance(message, types.JSONRPCRequest):
            return SessionMessage(message)
        request = message.id

        async def unanswered() -> None:
            self._answered(request, False)

        return SessionMessage(message, ServerMessageMetadata(on_request_unanswered=unanswered))


def _lines(source: int) -> Any:
    """Lines from a descriptor; `os.read` rather than a file object, whose lock would hold up the process's end."""
    rest: list[bytes] = []
    while True:
        try:
            chunk = os.read(source, CHUNK)
        except OSError:
            return
        if not chunk:
            return
        *lines, last = chunk.split(b"\n")
        for line in lines:
            whole = b"".join([*rest, line])
            rest.clear()
            if whole.strip():
                yield whole
        if last:
            rest.append(last)


@asynccontextmanager
async def transport(
    pipes: Pipes, answered: Callable[[types.RequestId, bool], None]
) -> AsyncIterator[tuple[Any, Writer]]:
    """The two streams that the SDK's server runs on."""
    writer = Writer(pipes.sink, answered)
    reader = Reader(pipes.source, answered)
    try:
        yield reader.stream, writer
    finally:
        reader.close()
        await writer.finish()
