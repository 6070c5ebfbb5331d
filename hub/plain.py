"""The plain line: nothing but ASGI's `receive` and `send`, for any server that does not offer `hubbub.link`.

Two tasks a connection, one message at a time each way. It is what a test client or another ASGI server gets; all rules
are the same, for they are in `hub.connection`, which is the end of this line as of the other.
"""

from __future__ import annotations

import asyncio
from collections import deque

import structlog
from starlette.types import Receive, Send

from hub.line import End, Texts

LAST_WORDS = 1.0  # seconds for a close frame to be taken

logger = structlog.get_logger("hubbub.plain")


class Plain:
    """A `Line` for `end`. A send that takes more than `patience` seconds means that the client is stuck."""

    def __init__(self, receive: Receive, send: Send, patience: float) -> None:
        self._receive = receive
        self._send = send
        self._patience = patience
        self._waiting: deque[Texts] = deque()
        self._bell = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._closing: tuple[int, str] | None = None
        self._lost = False

    @property
    def room(self) -> bool:
        """See `Line.room`: one write at a time."""
        return not self._waiting

    def write(self, texts: Texts) -> None:
        """See `Line.write`."""
        self._waiting.append(texts)
        self._bell.set()

    def hold(self) -> None:
        """See `Line.hold`."""
        self._may_read.clear()

    def go_on(self) -> None:
        """See `Line.go_on`."""
        self._may_read.set()

    def close(self, code: int, reason: str) -> None:
        """See `Line.close`."""
        self._closing = (code, reason)
        self._bell.set()

    async def run(self, end: End) -> None:
        """Carry texts both ways until either side ends it. What has yet to be sent is dropped if the client goes."""
        reading = asyncio.create_task(self._read(end))
        try:
            await self._write(end)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            self._part(end, 1006)  # whatever ended it

    async def _read(self, end: End) -> None:
        try:
            await self._read_on(end)
        finally:
            self._part(end, 1006)  # a server whose `receive` fails has lost the client

    async def _read_on(self, end: End) -> None:
        while True:
            await self._may_read.wait()
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                self._part(end, event.get("code") or 1005)
                return
            if self._closing is not None:
                continue
            if (text := event.get("text")) is None:
                end.heard_binary()
            else:
                end.heard([text.encode()])

    async def _write(self, end: End) -> None:
        while not self._lost:
            if self._waiting:
                await self._send_all(self._waiting[0], end)
                if self._waiting:
                    self._waiting.popleft()
                if not (self._waiting or self._closing or self._lost):
                    end.drained()
            elif self._closing is not None:
                await self._say_goodbye(*self._closing)
                return
            else:
                self._bell.clear()
                await self._bell.wait()

    async def _send_all(self, texts: Texts, end: End) -> None:
        for text in texts:
            try:
                async with asyncio.timeout(self._patience):
                    await self._send({"type": "websocket.send", "text": text.decode()})
            except TimeoutError:
                self._waiting.clear()
                end.stuck()
                return
            except OSError:
                self._part(end, 1006)
            if self._lost:
                return

    async def _say_goodbye(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(LAST_WORDS):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, TimeoutError, RuntimeError) as lost:
            logger.debug("close_not_sent", why=str(lost))

    def _part(self, end: End, code: int) -> None:
        if not (self._lost or self._closing):
            end.lost(code)
        self._lost = True
        self._bell.set()
