"""How a server is spoken to, as far as the load generator needs it: what to say, and where a unit of its answer ends.

A unit is what the server sends at once: a frame, a reply. One that carries a message has that message's number in it,
ten digits between two at-signs, since it stands in the body of every message that is published here.
"""

from __future__ import annotations

import re
from typing import Protocol

from hub.bench.wire import Wire

NUMBER = re.compile(rb"@(\d{10})@")
BLANK = b"@0000000000@"  # where the number goes, in what a dialect makes ready to publish


class Refused(Exception):
    """The server would not do what was asked."""


class Dialect(Protocol):
    """One server's language. Pure but for the two ways in, which wait for the server's answers."""

    confirms: bool = True  # whether a publish is answered
    received_every: int = 0  # after so many messages a subscriber says that it has them; 0: never

    async def subscriber(self, wire: Wire, number: int, topic: str) -> None:
        """Let a new connection hear `topic`; returns once the server has said that it does."""

    async def publisher(self, wire: Wire, number: int) -> None:
        """Let a new connection publish."""

    def message(self, topic: str, body: bytes) -> bytes:
        """What publishes `body` to `topic`, with BLANK in it wherever the message's number goes."""

    def end(self, data: bytes, start: int) -> int:
        """Where the unit ends that begins at `start`; 0 if more bytes are needed to know."""

    def confirmed(self, unit: bytes) -> bool:
        """Whether this unit, sent to a publisher, says that a message was taken. Raises Refused if it says no."""
        return False

    def reply(self, unit: bytes) -> bytes | None:
        """What a unit without a message wants to hear back, such as the answer to a ping."""
        return None

    def received(self, unit: bytes) -> bytes:
        """What a subscriber says that has everything up to this message."""
        return b""
