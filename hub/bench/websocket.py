"""The little of RFC 6455 that a load generator needs: the upgrade, frames with a mask of zeros, and where one ends."""

from __future__ import annotations

import struct

from hub.bench.dialect import Refused
from hub.bench.wire import Wire

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame. The mask is there, as section 5.3 demands, and is zeros: the server unmasks all the same."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65_536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    return head + b"\0\0\0\0" + payload


def head(data: bytes, start: int = 0) -> int:
    """How many bytes of a server's frame stand before its payload."""
    return {126: 4, 127: 10}.get(data[start + 1] & 0x7F, 2)


def end(data: bytes, start: int) -> int:
    """Where a server's frame ends; 0 if more bytes are needed to know."""
    have = len(data) - start
    if have < 2:
        return 0
    size = data[start + 1] & 0x7F
    before = head(data, start)
    if have < before:
        return 0
    if before > 2:
        size = int.from_bytes(data[start + 2 : start + before], "big")
    return start + before + size if have >= before + size else 0


def payload(unit: bytes) -> bytes:
    """What a server's frame says."""
    return unit[head(unit) :]


def pong(unit: bytes) -> bytes | None:
    """The answer to a ping; None to anything else. Raises Refused for a close."""
    opcode = unit[0] & 0x0F
    if opcode == CLOSE:
        raise Refused(f"the server closes: {payload(unit)!r}")
    return frame(PONG, payload(unit)) if opcode == PING else None


async def upgrade(wire: Wire, path: str, host: str, subprotocol: str | None = None) -> None:
    """The opening handshake. Raises Refused."""
    wanted = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    wire.send(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{wanted}\r\n".encode()
    )
    said = await wire.until(b"\r\n\r\n")
    if b" 101 " not in said.split(b"\r\n", 1)[0]:
        raise Refused(f"no upgrade: {said.decode(errors='replace')}")
