"""What the event loop's transports do not do of themselves: small frames at once, and an end that leaves nothing."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from contextlib import suppress

if sys.platform == "linux":
    import fcntl
    import termios

_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


def no_delay(transport: asyncio.BaseTransport) -> None:
    """Send small frames at once. Both event loops do so of themselves today; a push hub stands and falls with it."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def reset(transport: asyncio.Transport) -> None:
    """End the connection, the system's part of it too: what a peer does not take would stay there for minutes,
    some megabytes for each (SO_LINGER in socket(7)). A peer that has taken everything sees a common end."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None and (transport.get_write_buffer_size() or _untaken(sock)):
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def _untaken(sock: socket.socket) -> bool:
    """Whether the system still holds something that the peer has not taken, as far as it tells."""
    if sys.platform != "linux":
        return False
    waiting = bytearray(4)
    try:
        fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, waiting)  # SIOCOUTQ in tcp(7)
    except OSError:
        return False
    return any(waiting)
