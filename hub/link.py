"""The fast line: one accepted WebSocket, straight on its socket.

Once a WebSocket is accepted, uvicorn's protocol hands its transport over to a `Link`, and everything that served the
handshake is let go of: the app's task, the request, the parser. What is left is this object, which keeps what RFC 6455
asks of a server and no more, so that an idle client costs little memory and a busy one few steps:

- in: all whole text frames of one read are cut out in one loop and handed over at once, and a pong is looked at there.
  Whatever else comes (a ping, a goodbye, a fragment, a fault) goes to the parser of the `websockets` library, which
  knows all the rules;
- out: frames that were made elsewhere, once for all who are sent them, go to the transport in one write;
- keepalive: all links share two timers (`Rota`), one for the next ping and one for the pong that is due.

What bounds it is in `hub.protocol.Bounds`; `End` in `hub.line` is who hears of it.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle, Transport
from collections import Counter, deque
from collections.abc import Callable
from itertools import count
from typing import Any, cast

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Protocol, Side, State

from hub.framing import PING, close_frame, frame
from hub.line import End, Texts
from hub.sockets import reset

try:
    from websockets.speedups import apply_mask
except ImportError:  # a build without its C part
    from websockets.utils import apply_mask

CLOSE_TIMEOUT = 10.0  # seconds for a client to answer a goodbye
SPARED = 1.0  # seconds more for a pong that may lie in the socket unread, because the loop was held up

_FINAL_TEXT = 0x81  # a first byte: a text message, whole
_PONG = 0x8A  # the same of a pong; it may stand between the fragments of a message (RFC 6455, 5.4)
_MASKED = 0x80
_CONTROL = 0x08
_MAX_CONTROL = 125  # bytes of a control frame (RFC 6455, 5.5)


class Rota:
    """One timer for all that wait equally long: whoever begins first is first, so a queue holds them in order."""

    __slots__ = ("_handle", "_loop", "_seconds", "_then", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, then: Callable[[Link, bytes], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._then = then
        self._waiting: deque[tuple[float, Link, bytes]] = deque()
        self._handle: TimerHandle | None = None

    def add(self, link: Link, about: bytes = b"") -> None:
        """Call `then(link, about)` after the time."""
        self._waiting.append((self._loop.time() + self._seconds, link, about))
        if self._handle is None:
            self._handle = self._loop.call_at(self._waiting[0][0], self._ring)

    def _ring(self) -> None:
        now = self._loop.time() + 0.001  # timers ring by the millisecond
        try:
            while self._waiting and self._waiting[0][0] <= now:
                _, link, about = self._waiting.popleft()
                self._then(link, about)
        finally:  # one link's fault must not end the keepalive of all
            self._handle = self._loop.call_at(self._waiting[0][0], self._ring) if self._waiting else None


class Links:
    """What all links of a server share. Sizes are bytes, times seconds; `ping_interval` None: no pings."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connections: set[Any],
        counts: Counter[str],
        *,
        max_size: int,
        linger: float,
        ping_interval: float | None,
        ping_timeout: float | None,
    ) -> None:
        self.loop = loop
        self.connections = connections
        self.counts = counts
        self.max_size = max_size
        self.linger = linger
        self.pings = Rota(loop, ping_interval, lambda link, _: link.ping()) if ping_interval else None
        self.pongs = Rota(loop, ping_timeout, Link.pong_is_late) if ping_timeout is not None else None
        self.numbers = count()


class Link(asyncio.Protocol):
    """See the module; a `Line` for `end`. A client that takes nothing for `patience` seconds is `stuck`."""

    __slots__ = (
        "_end",
        "_fragments",
        "_held",
        "_of",
        "_over",
        "_parser",
        "_patience",
        "_ping",
        "_said_goodbye",
        "_spared",
        "_tail",
        "_timer",
        "_waiting",
        "room",
        "transport",
    )

    def __init__(self, of: Links, transport: Transport, end: End, patience: float) -> None:
        self.transport = transport
        self.room = True
        self._of = of
        self._end: End | None = end  # None once it has heard the last
        self._patience = patience
        self._tail: bytearray | None = None  # the beginning of a frame whose rest is still to come
        self._parser: Protocol | None = None  # while something is under way that is not a whole text frame
        self._fragments: list[bytes] | None = None  # of a message that comes in pieces
        self._held = False
        self._said_goodbye = False  # a close frame is out; what still comes is not listened to
        self._over = False  # nothing that comes is even read
        self._ping: bytes | None = None  # what the pong must echo
        self._spared = False
        self._timer: TimerHandle | None = None  # of a client that takes nothing; then of the end
        self._waiting = 0  # bytes in the transport's buffer when last looked at
        of.connections.add(self)
        if of.pings is not None:
            of.pings.add(self)

    # Out

    def write(self, texts: Texts) -> None:
        """See `Line.write`."""
        transport = self.transport
        if not transport.is_closing():  # uvloop raises where asyncio only drops
            transport.write(texts.framed())

    def pause_writing(self) -> None:
        """The transport's buffer is over its bound."""
        self.room = False
        if not self._said_goodbye:
            self._watch()

    def resume_writing(self) -> None:
        """Most of it was taken."""
        self.room = True
        if self._said_goodbye:
            return
        self._set_timer(None)
        if self._end is not None:
            self._end.drained()

    def _watch(self) -> None:
        self._waiting = self.transport.get_write_buffer_size()
        self._set_timer(self._patience, self._look)

    def _look(self) -> None:
        if self.transport.get_write_buffer_size() < self._waiting:
            self._watch()
        elif self._end is not None:
            self._end.stuck()

    def close(self, code: int, reason: str) -> None:
        """See `Line.close`. A client that takes nothing is given `linger` to begin, then it is cut off."""
        self._end = None
        if self._said_goodbye or self.transport.is_closing():
            return
        self._said_goodbye = True
        self.transport.write(close_frame(code, reason))
        self.go_on()
        if self.room:
            self._set_timer(CLOSE_TIMEOUT, self._hang_up)
        else:
            self._of.counts["closed_unread"] += 1
            self._set_timer(self._of.linger, self._reset)

    def shutdown(self) -> None:
        """The server ends, and asks all that is still connected to."""
        if not self._said_goodbye and not self.transport.is_closing():
            self._said_goodbye = True
            self.transport.write(close_frame(CloseCode.SERVICE_RESTART, ""))
            self._tell_lost(CloseCode.SERVICE_RESTART)
        self._hang_up()

    def _hang_up(self) -> None:
        """Close the socket; if the client does not take what still waits for it, cut it off."""
        self._over = True
        self.transport.close()
        self._set_timer(self._of.linger, self._reset)

    def _reset(self) -> None:
        reset(self.transport)

    def _set_timer(self, seconds: float | None, then: Callable[[], None] | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None or then is None else self._of.loop.call_later(seconds, then)

    # In

    def hold(self) -> None:
        """See `Line.hold`."""
        if not self._held and not self.transport.is_closing():
            self._held = True
            self.transport.pause_reading()

    def go_on(self) -> None:
        """See `Line.go_on`."""
        if self._held and not self.transport.is_closing():
            self._held = False
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """One read: hand over all texts in it."""
        if self._over:
            return
        came: bytes | bytearray = data
        if self._tail is not None:
            self._tail += data
            came = self._tail
        texts: list[bytes] = []
        rest = self._cut(came, texts)
        self._tail = (rest if isinstance(rest, bytearray) else bytearray(rest)) if rest else None
        self._hand_over(texts)

    def _cut(self, data: bytes | bytearray, texts: list[bytes]) -> bytes | bytearray:
        """Add the texts of all whole frames to `texts`; returns what is left, the beginning of the next."""
        place, end = 0, len(data)
        while end - place >= 2 and not self._over:
            first, second = data[place], data[place + 1]
            length = second & 0x7F
            begin = place + 6  # two bytes of header, four of mask
            if length >= 126:
                wide = 2 if length == 126 else 8
                begin += wide
                if end < begin:
                    break
                length = int.from_bytes(data[place + 2 : place + 2 + wide])
            if second < _MASKED or length > self._of.max_size:
                self._parse(data[place:], texts)  # it will say what is wrong with it
                return b""
            if first & _CONTROL and length > _MAX_CONTROL:
                self._fail(CloseCode.PROTOCOL_ERROR, "control frame too long", texts)
                return b""
            if end < begin + length:
                break
            if first == _FINAL_TEXT and self._parser is None:
                text = apply_mask(data[begin : begin + length], data[begin - 4 : begin])
                if text.isascii() or _is_utf8(text):
                    texts.append(text)
                else:
                    self._fail(CloseCode.INVALID_DATA, "the text is not UTF-8", texts)
            elif first == _PONG:  # ten thousand idle clients send five hundred a second
                self._answered(apply_mask(data[begin : begin + length], data[begin - 4 : begin]))
            else:
                self._parse(data[place : begin + length], texts)
            place = begin + length
        return data[place:] if place else data

    def _hand_over(self, texts: list[bytes]) -> None:
        """What was cut out so far is heard before whatever comes behind it."""
        if texts and self._end is not None:
            self._end.heard(texts.copy())
            texts.clear()

    # In: whatever is not a whole text frame

    def _parse(self, data: bytes | bytearray, texts: list[bytes]) -> None:
        """Have `websockets` look at one whole frame, or at the beginning of one that can be none."""
        parser = self._parser
        if parser is None:
            parser = self._parser = Protocol(Side.SERVER, max_size=self._of.max_size)
        parser.receive_data(data)
        for event in parser.events_received():
            self._take(cast(Frame, event), texts)
        if self._over:
            return
        answer = b"".join(parser.data_to_send())
        if parser.parser_exc is not None:
            self._break(answer, parser, texts)
            return
        if answer and not self._said_goodbye and not self.transport.is_closing():
            self.transport.write(answer)
        if parser.state is not State.OPEN:  # the client's goodbye
            self._hand_over(texts)
            assert parser.close_rcvd is not None
            self._tell_lost(parser.close_rcvd.code)
            self._said_goodbye = True
            self._hang_up()
        elif parser.current_size is None:  # no message in fragments is under way
            self._parser = None

    def _take(self, event: Frame, texts: list[bytes]) -> None:
        if event.opcode is Opcode.BINARY:
            self._hand_over(texts)
            if self._end is not None:
                self._end.heard_binary()
        elif event.opcode is Opcode.TEXT:
            self._fragments = [bytes(event.data)]
        elif event.opcode is Opcode.CONT and self._fragments is not None:
            self._fragments.append(bytes(event.data))
        else:
            return
        if event.fin and self._fragments is not None and event.opcode in (Opcode.TEXT, Opcode.CONT):
            text, self._fragments = b"".join(self._fragments), None
            if _is_utf8(text):
                texts.append(text)
            else:
                self._fail(CloseCode.INVALID_DATA, "the text is not UTF-8", texts)

    def _fail(self, code: int, reason: str, texts: list[bytes]) -> None:
        parser = self._parser = self._parser or Protocol(Side.SERVER)
        parser.fail(code, reason)
        self._break(b"".join(parser.data_to_send()), parser, texts)

    def _break(self, answer: bytes, parser: Protocol, texts: list[bytes]) -> None:
        """The client broke the protocol. Say so, and read on a moment: to close over unread bytes would make the
        system reset the connection, and the client might never see what was said (RFC 9112, 9.6, is about the same)."""
        self._of.counts["broken_frame"] += 1
        self._over = True
        self._hand_over(texts)
        told = parser.close_sent
        self._tell_lost(told.code if told else CloseCode.ABNORMAL_CLOSURE)
        if self.transport.is_closing():
            return
        if not self._said_goodbye:
            self.transport.write(answer)
        self._said_goodbye = True
        self.go_on()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._set_timer(self._of.linger, self._hang_up)

    def _tell_lost(self, code: int) -> None:
        end, self._end = self._end, None
        if end is not None:
            end.lost(code)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._over = True
        self._set_timer(None)
        self._of.connections.discard(self)
        self._parser = self._tail = None
        self._tell_lost(CloseCode.ABNORMAL_CLOSURE)

    # Keepalive

    def ping(self) -> None:
        """It is time to see whether somebody is there."""
        if self._said_goodbye or self._over or self.transport.is_closing():
            return
        self._ping = (next(self._of.numbers) & 0xFFFFFFFF).to_bytes(4)
        self.transport.write(frame(PING, self._ping))
        if self._of.pongs is not None:
            self._of.pongs.add(self, self._ping)
        elif self._of.pings is not None:
            self._of.pings.add(self)

    def _answered(self, pong: bytes) -> None:
        """The client has sent a pong, maybe one that nobody asked for (RFC 6455, 5.5.3)."""
        if self._ping is not None and pong == self._ping:
            self._ping, self._spared = None, False
            if self._of.pings is not None and self._of.pongs is not None:
                self._of.pings.add(self)

    def pong_is_late(self, ping: bytes) -> None:
        """The time to answer this ping is over."""
        if ping != self._ping or self._said_goodbye or self._over or self.transport.is_closing():
            return
        assert self._of.pongs is not None
        # The pong may lie in the socket, unread: while the hub reads nothing, and when the loop was held up for so long
        # that this timer comes before what arrived meanwhile.
        if self._held:
            self._of.pongs.add(self, ping)
        elif not self._spared:
            self._spared = True
            self._of.loop.call_later(SPARED, self.pong_is_late, ping)
        else:
            self._of.counts["ping_timeout"] += 1
            self._over = self._said_goodbye = True
            self.transport.write(close_frame(CloseCode.INTERNAL_ERROR, "keepalive ping timeout"))
            self._tell_lost(CloseCode.ABNORMAL_CLOSURE)
            self._set_timer(self._of.linger, self._reset)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
