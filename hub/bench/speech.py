"""The hub's own protocol, for the load generator: see docs/protocol.md."""

from __future__ import annotations

import msgspec

from hub import frames
from hub.bench import websocket
from hub.bench.dialect import BLANK, Dialect, Refused
from hub.bench.wire import Wire
from hub.wire import decode_from_hub, encode


class Hubbub(Dialect):
    """`host` is host and port; `token` the owner's."""

    received_every = frames.DEFAULT_CREDIT // 2

    def __init__(self, host: str, token: str) -> None:
        self._host = host
        self._token = token

    async def subscriber(self, wire: Wire, number: int, topic: str) -> None:
        await self._hello(wire, f"s{number}")
        wire.send(_said(frames.Subscribe(ref=1, topic=topic)))
        _check(await _answer(wire))

    async def publisher(self, wire: Wire, number: int) -> None:
        await self._hello(wire, f"p{number}")

    async def _hello(self, wire: Wire, name: str) -> None:
        await websocket.upgrade(wire, "/ws", self._host, "hubbub.v1")
        wire.send(_said(frames.Hello(name=name, token=self._token)))
        _check(await _answer(wire))

    def message(self, topic: str, body: bytes) -> bytes:
        return _said(frames.Publish(ref=BLANK[1:-1].decode(), to=f"#{topic}", body=(BLANK + body).decode()))

    def end(self, data: bytes, start: int) -> int:
        return websocket.end(data, start)

    def confirmed(self, unit: bytes) -> bool:
        if b'"type":"error"' in unit:
            _check(websocket.payload(unit))
        return b'"type":"published"' in unit

    def reply(self, unit: bytes) -> bytes | None:
        return websocket.pong(unit)

    def received(self, unit: bytes) -> bytes:
        message = decode_from_hub(websocket.payload(unit))
        assert isinstance(message, frames.Message)
        return _said(frames.Received(offset=message.offset))


def _said(frame: frames.Frame) -> bytes:
    return websocket.frame(websocket.TEXT, encode(frame))


async def _answer(connection: Wire) -> bytes:
    """The next frame that is no ping."""
    while True:
        unit = await connection.unit(websocket.end)
        if (pong := websocket.pong(unit)) is None:
            return websocket.payload(unit)
        connection.send(pong)


def _check(text: bytes) -> None:
    """Raises Refused where the hub says no."""
    told = msgspec.json.decode(text)
    if told["type"] == "error":
        raise Refused(f"{told['code']}: {told['message']} {told.get('hint') or ''}".rstrip())
