"""The hub's side of a TCP connection: uvicorn's two protocols, with an end to everything that a peer can leave undone.

As they come, a half-sent header may stay for ever, a body may stop midway, and a peer that reads nothing keeps its
connection whatever is decided about it. Here each of these has a bound, and each bound a name in `Bounds`.
Only what uvicorn lets be overridden is overridden; a newer uvicorn that renames it fails the tests beside this file.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle, Transport
from collections import Counter, deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import msgspec
import uvicorn
from msgspec import Struct
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode
from websockets.http11 import Request
from websockets.protocol import State

from hub.line import End
from hub.link import Link, Links
from hub.sockets import no_delay, reset

MIB = 2**20
LINK = "hubbub.link"  # the ASGI extension by which an accepted WebSocket is handed over


class Bounds(Struct, frozen=True, kw_only=True):
    """How long and how much, for one connection each; all but `connections`. Sizes are bytes, times seconds."""

    connections: int = 10_000
    header_seconds: float = 10.0  # from the connection, or from a request's first byte, to its header's end
    header_bytes: int = 32 * 1024
    header_count: int = 100
    body_seconds: float = 10.0  # in each such span, a body that is still coming has to bring `body_bytes`
    body_bytes: int = 1024
    handshake_seconds: float = 10.0  # for the app to accept or refuse a WebSocket
    stalled_seconds: float = 30.0  # a peer that takes nothing of what waits for it; the hub's own limits come first
    linger_seconds: float = 2.0  # for the last words to arrive, once the hub is done with a connection


class ServerConfig(uvicorn.Config):
    """uvicorn's configuration with the protocols of this module, and what the hub wants of them.

    No permessage-deflate (it costs memory on each connection, and a small frame can unpack to a huge one);
    pings every 10 s with 15 s to answer, so that a dead peer is noticed within 30 s; no trust in X-Forwarded-*
    headers, which any local program can write. `more` is uvicorn's, and overrides.
    `counts` says how often each bound was hit: for metrics.
    """

    def __init__(self, app: Any, bounds: Bounds | None = None, **more: Any) -> None:
        self.bounds = bounds or Bounds()
        self.counts: Counter[str] = Counter()
        self.queue = Queue()
        self._links: Links | None = None
        wanted: dict[str, Any] = {
            "http": HttpProtocol,
            "ws": WebSocketProtocol,
            "ws_max_size": 8 * MIB,
            "ws_per_message_deflate": False,
            "ws_ping_interval": 10.0,
            "ws_ping_timeout": 15.0,
            "proxy_headers": False,
            "server_header": False,
        }
        super().__init__(app, **wanted | more)

    def links(self, loop: asyncio.AbstractEventLoop, connections: set[Any]) -> Links:
        """What all links of this server share."""
        if self._links is None:
            self._links = Links(
                loop,
                connections,
                self.counts,
                max_size=self.ws_max_size,
                linger=self.bounds.linger_seconds,
                ping_interval=self.ws_ping_interval,
                ping_timeout=self.ws_ping_timeout,
            )
        return self._links


class _Timer:
    """A timer that is started once: while it runs, starting it changes nothing."""

    __slots__ = ("_handle",)

    def __init__(self) -> None:
        self._handle: TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop, seconds: float, then: Callable[[], None]) -> None:
        if self._handle is None:
            self._handle = loop.call_later(seconds, self._ring, then)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self, then: Callable[[], None]) -> None:
        self._handle = None
        then()


class Queue:
    """Where WebSockets wait to be let in, a few each time the event loop comes round.

    A handshake costs about as much as a hundred messages. When thousands come at once, as after a restart, letting
    them in as they come would keep everybody else waiting until the last of them is through.
    """

    AT_ONCE = 8

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._turning = False

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, loop: asyncio.AbstractEventLoop, enter: Callable[[], None]) -> None:
        """Have `enter` called when it is its turn: soon, if nobody waits."""
        self._waiting.append(enter)
        if not self._turning:
            self._turning = True
            loop.call_soon(self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        # What an earlier one has caused to be done comes before the next few: call_soon is a queue too.
        try:
            for _ in range(min(self.AT_ONCE, len(self._waiting))):
                self._waiting.popleft()()
        finally:  # one that fails is not in the way of those behind it
            self._turning = bool(self._waiting)
            if self._turning:
                loop.call_soon(self._turn, loop)


class _Bounded:
    """What both protocols share: the clock of a peer that takes nothing, and the cut at the end."""

    config: uvicorn.Config
    loop: asyncio.AbstractEventLoop
    transport: Transport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stalled = _Timer()
        self._cut = _Timer()
        self._waiting = 0  # bytes in the transport's buffer when last looked at

    @property
    def bounds(self) -> Bounds:
        return cast(ServerConfig, self.config).bounds

    def count(self, what: str) -> None:
        cast(ServerConfig, self.config).counts[what] += 1

    def watch_writing(self) -> None:
        """From now on the peer must take some of what waits for it, every `stalled_seconds`."""
        self._waiting = self.transport.get_write_buffer_size()
        self._stalled.start(self.loop, self.bounds.stalled_seconds, self._check_writing)

    def _check_writing(self) -> None:
        if self.transport.get_write_buffer_size() < self._waiting:
            self.watch_writing()
        else:
            self.count("stalled")
            self.reset()

    def cut_in(self, seconds: float, *, reset: bool = False) -> None:
        """End the connection then if it has not ended by itself: `close` alone waits for the peer to take all."""
        self._cut.start(self.loop, seconds, self.reset if reset else self.transport.abort)

    def reset(self) -> None:
        reset(self.transport)


class HttpProtocol(_Bounded, HttpToolsProtocol):
    """HTTP/1.1, bounded: connections, a header's time and size, a body's pace."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._header_timer = _Timer()
        self._body_timer = _Timer()
        self._in_header = False
        self._in_body = False
        self._header_read = 0  # bytes, from the second read of a header on
        self._body_read = 0  # bytes, since last looked at
        self._over = False  # refused, and what still comes is dropped; or handed on to the other protocol

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        no_delay(transport)
        if len(self.connections) > self.bounds.connections:
            self.count("too_many_connections")
            self._say(503, "too_many", "This hub has as many connections as it may.", "Raise max_connections.")
            transport.close()
            return
        self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._over:
            was_in_header = self._in_header
            super().data_received(data)
            self._look_after(len(data) if was_in_header else 0)

    def _look_after(self, more_header: int) -> None:
        """After a read, see to it that what is expected next has a bound."""
        if self._over or self.transport.is_closing():
            return
        if self._in_header:
            self._header_read += more_header
            if self._header_read > self.bounds.header_bytes:
                self._refuse_header()
                return
        if self._in_body:
            self._await_body()
        elif self._in_header or not self._answering():
            self._await_header()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_header = True
        self._header_read = 0

    def on_headers_complete(self) -> None:
        self._in_header = False
        self._header_timer.stop()
        if self._over:
            return
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)  # ": " and CRLF
        if size > self.bounds.header_bytes or len(self.headers) > self.bounds.header_count:
            self._refuse_header()
            return
        self._in_body = True
        self._body_read = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_read += len(body)
        if not self._over:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._body_timer.stop()
        if not self._over:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self.cut_in(self.bounds.stalled_seconds)

    def handle_websocket_upgrade(self) -> None:
        if not self._over:
            self._over = True
            self._stop_timers()
            if self.transport.is_reading():
                self.transport.pause_reading()  # nothing may come before the handshake is answered (RFC 6455, 4.1)
            cast(ServerConfig, self.config).queue.join(self.loop, self._enter)

    def _enter(self) -> None:
        if not self.transport.is_closing():
            super().handle_websocket_upgrade()
            if not self.transport.is_closing() and not self.transport.is_reading():
                self.transport.resume_reading()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "bad_request", msg, "The hub speaks HTTP/1.1 and WebSocket.")

    def shutdown(self) -> None:
        if self._over:
            self.transport.close()
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.watch_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled.stop()

    def _answering(self) -> bool:
        cycle = cast(RequestResponseCycle | None, self.cycle)  # None before the first request
        return cycle is not None and not cycle.response_complete

    def _await_header(self) -> None:
        self._header_timer.start(self.loop, self.bounds.header_seconds, self._header_is_late)

    def _header_is_late(self) -> None:
        if self._answering():
            self._await_header()  # an answer is still under way; the request behind it can wait
            return
        self.count("header_timeout")
        if self._in_header:
            seconds = f"{self.bounds.header_seconds:g}"
            self._refuse(408, "header_timeout", f"The request's header was not there after {seconds} s.", None)
        else:
            self.transport.close()  # nothing was asked

    def _refuse_header(self) -> None:
        self.count("header_too_large")
        limit = f"{self.bounds.header_bytes} bytes and {self.bounds.header_count} lines"
        self._refuse(431, "too_large", f"The request's header is over the limit of {limit}.", None)

    def _await_body(self) -> None:
        self._body_timer.start(self.loop, self.bounds.body_seconds, self._check_body)

    def _check_body(self) -> None:
        brought, self._body_read = self._body_read, 0
        if self.flow.read_paused or brought >= self.bounds.body_bytes:
            self._await_body()
            return
        self.count("body_timeout")
        self._refuse(408, "body_timeout", "The request's body stopped coming.", "Send it again.")

    def _refuse(self, status: int, code: str, message: str, hint: str | None) -> None:
        """Say why, and hang up; but go on reading a moment: to close over unread bytes would make the system reset
        the connection, and the peer might never see what was said (RFC 9112 §9.6)."""
        self._over = True
        self._stop_timers()
        if self._answering():
            self.cycle.disconnected = True  # what the app still says goes nowhere
            self.cycle.message_event.set()
            if self.cycle.response_started or self.pipeline:
                self.transport.abort()  # part of another answer is out: no more could be understood
                return
        self.flow.resume_reading()
        self._say(status, code, message, hint)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.cut_in(self.bounds.linger_seconds)

    def _stop_timers(self) -> None:
        for timer in (self._header_timer, self._body_timer, self._stalled, self._cut):
            timer.stop()

    def _say(self, status: int, code: str, message: str, hint: str | None) -> None:
        body = msgspec.json.encode({"code": code, "message": message, "hint": hint})
        self.transport.write(
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
            + body
        )


class WebSocketProtocol(_Bounded, WebSocketsSansIOProtocol):
    """WebSocket, bounded: the handshake's time, a dead peer's end, the last words of a broken connection."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._handshake = _Timer()
        self._spared: bytes | None = None  # the ping whose time is up, and which was given a little more
        self._failed = False  # the peer broke the protocol, and was told; what still comes is dropped

    def extensions(self) -> dict[str, Any]:
        """What this connection offers the app in `scope["extensions"]`, besides uvicorn's own: `hubbub.link` is
        `hand_over`. The app goes without what is not there."""
        return {LINK: self.hand_over}

    def hand_over(self, end: End, patience: float) -> Link:
        """Let a `Link` have the socket of an accepted WebSocket from now on; the app has nothing more to do here and
        returns. To be called before anything else runs: what came in meanwhile would be lost."""
        assert self.handshake_complete
        assert not self.close_sent
        self.stop_keepalive()
        self.connections.discard(self)
        link = Link(cast(ServerConfig, self.config).links(self.loop, self.connections), self.transport, end, patience)
        self.transport.set_protocol(link)
        self.disconnected = True
        self.close_timer = self.loop.call_later(0, _nothing)  # where there is one, uvicorn does not close the socket
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        no_delay(transport)
        self._handshake.start(self.loop, self.bounds.handshake_seconds, self._handshake_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._handshake, self._stalled, self._cut):
            timer.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._failed:
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # A header line over websockets' own limit: it has an answer ready, which uvicorn does not send.
            self._failed = True
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            # The app runs from the loop's next turn on: it sees them.
            cast(dict[str, Any], self.scope["extensions"]).update(self.extensions())

    async def send(self, message: ASGISendEvent) -> None:
        stuck = message["type"] == "websocket.close" and not self.writable.is_set()
        if stuck:
            self.writable.set()  # nothing follows it: there is no more to hold back for a peer that takes nothing
        await super().send(message)
        if stuck:
            self.count("closed_unread")
            self.cut_in(self.bounds.linger_seconds, reset=True)

    def start_keepalive(self) -> None:
        self._handshake.stop()  # accepted
        super().start_keepalive()

    def keepalive_timeout(self) -> None:
        if self.close_sent or self.transport.is_closing():
            return
        patience = self.ping_timeout or 0.0
        if self.read_paused or self._spared != self.pending_ping_payload:
            # The pong may lie in the socket, unread: while the hub reads nothing, and when the loop was held up for so
            # long that this timer comes before what arrived meanwhile.
            if not self.read_paused:
                self._spared, patience = self.pending_ping_payload, min(1.0, patience)
            self.pong_timer = self.loop.call_later(patience, self.keepalive_timeout)
            return
        self.stop_keepalive()
        self.conn.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.count("ping_timeout")
        self._part(1006, "keepalive ping timeout")
        # As in handle_parser_exception: where this timer is, uvicorn leaves the closing to it.
        self.close_timer = self.loop.call_later(self.bounds.linger_seconds, self.reset)

    def shutdown(self) -> None:
        if self.handshake_complete and not self.close_sent and self.conn.state is not State.OPEN:
            # The peer has said goodbye and takes no answer. uvicorn would say it too, which websockets refuses to do:
            # that would end the whole server's shutdown.
            self.stop_keepalive()
            self.transport.close()
            return
        super().shutdown()

    def handle_parser_exception(self) -> None:
        """A frame too large, or one that is none: say so in the close frame, and read on a moment, as in
        HttpProtocol, so that it arrives."""
        self.count("broken_frame")
        self._failed = True
        told = self.conn.close_sent
        self._part(told.code if told else 1006, told.reason if told else "")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        # uvicorn leaves the closing to this timer where there is one, also when the app returns.
        self.close_timer = self.loop.call_later(self.bounds.linger_seconds, self.transport.close)
        self.cut_in(2 * self.bounds.linger_seconds)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        if not self.disconnected or self._failed:
            closing = self.transport.is_closing()
            self.cut_in(self.bounds.linger_seconds + (0 if closing else self.close_timeout))

    def pause_writing(self) -> None:
        super().pause_writing()
        self.watch_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled.stop()

    def _part(self, code: int, reason: str) -> None:
        """Tell the app that the peer is gone, before the socket is: what it still sends raises, as after any end."""
        self.disconnected = True
        self.writable.set()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})

    def _handshake_is_late(self) -> None:
        if self.handshake_complete or self.transport.is_closing():
            return
        self.count("handshake_timeout")
        self.send_500_response()
        self.transport.close()
        self.cut_in(self.bounds.linger_seconds)


def _nothing() -> None:
    """A timer that only has to be there."""
