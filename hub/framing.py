"""WebSocket frames as bytes (RFC 6455, 5.2), as a server writes them: not masked, never in fragments."""

from __future__ import annotations

import struct

PING, PONG, CLOSE = 0x9, 0xA, 0x8
TEXT = 0x1

_MEDIUM = struct.Struct("!BBH")
_LARGE = struct.Struct("!BBQ")
_FINAL = 0x80  # the first byte's bit that says that no fragment follows


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame."""
    length = len(payload)
    if length < 126:
        return bytes((_FINAL | opcode, length)) + payload
    if length < 2**16:
        return _MEDIUM.pack(_FINAL | opcode, 126, length) + payload
    return _LARGE.pack(_FINAL | opcode, 127, length) + payload


def text_frame(payload: bytes) -> bytes:
    """A text message; `payload` is UTF-8."""
    length = len(payload)
    if 126 <= length < 2**16:  # as nearly all are
        return _MEDIUM.pack(_FINAL | TEXT, 126, length) + payload
    return frame(TEXT, payload)


def close_frame(code: int, reason: str) -> bytes:
    """A goodbye. Of the reason goes as much as a control frame has room for: 123 bytes (RFC 6455, 5.5)."""
    return frame(CLOSE, struct.pack("!H", code) + reason.encode()[:123].decode(errors="ignore").encode())
