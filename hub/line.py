"""What stands between a connection's rules and its socket: texts go both ways, and each side can make the other wait.

A `Line` carries texts to the client; the `End` is who hears what the client says. There are two lines: `hub.link`
writes frames straight to the socket, and `hub.plain` needs nothing but ASGI's `receive` and `send`. `hub.connection`
is the end of both and cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from hub.framing import text_frame


class Texts:
    """Some texts to be sent, in UTF-8. They are framed once, for however many lines they go out on."""

    __slots__ = ("_framed", "_texts")

    def __init__(self, texts: Iterable[bytes]) -> None:
        self._texts = tuple(texts)
        self._framed: bytes | None = None

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._texts)

    def framed(self) -> bytes:
        """All of them as WebSocket frames, one after another."""
        if self._framed is None:
            self._framed = b"".join(map(text_frame, self._texts))
        return self._framed


class End(Protocol):
    """Who is told what comes in, always from the event loop, never while it writes."""

    def heard(self, texts: list[bytes]) -> None:
        """The client said this, oldest first: all that one read of the socket brought, in UTF-8."""

    def heard_binary(self) -> None:
        """The client sent a binary message."""

    def drained(self) -> None:
        """The line has room again."""

    def stuck(self) -> None:
        """The client has taken nothing for as long as it may."""

    def lost(self, code: int) -> None:
        """It is over: the client said so with this close code, or 1006 when it said nothing (RFC 6455, 7.1.5)."""


class Line(Protocol):
    """One client's line. Nothing here waits or raises."""

    @property
    def room(self) -> bool:
        """Whether it takes more now. When not, `End.drained()` says when. What is written all the same is kept."""

    def write(self, texts: Texts) -> None:
        """Send texts, after all that was written before."""

    def hold(self) -> None:
        """Read no more; what was read already still comes."""

    def go_on(self) -> None:
        """Read again."""

    def close(self, code: int, reason: str) -> None:
        """Say goodbye after all that was written. The end hears nothing more."""
