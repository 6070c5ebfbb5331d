"""One WebSocket: text in, frames through the hub, text out.

Two coroutines a connection. The reader takes frames one by one; a publish it hands to the journal and goes on. It
waits when the journal is full or when its own answers pile up, which is how backpressure reaches a publisher. The
writer sends what was left for it, then whatever the session is given next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import structlog
from starlette.types import Message as Event
from starlette.types import Receive, Scope, Send

from hub import frames, inquiry, wire
from hub.errors import (
    BadRequest,
    BinaryFrame,
    Forbidden,
    HelloRequired,
    HelloTimeout,
    HubbubError,
    InboxFull,
    RateLimited,
    SecondHello,
    SlowReader,
    TooMany,
    Unavailable,
)
from hub.limits import TokenBucket
from hub.node import Node, shutting_down
from hub.registry import Instance
from hub.session import Gap, Session
from hub.tokens import Identity
from hub.window import Run

logger = structlog.get_logger("hubbub.connection")

MAX_ANSWERS = 1024  # answers waiting for the socket before the reader waits for it too
MAX_BAD_FRAMES = 100  # in a row; a client that only ever sends these is broken and is told so by a close


class Terms(NamedTuple):
    """What a connection is held to; seconds, and messages a second (0: no limit)."""

    hello_timeout: float
    slow_reader_timeout: float
    publish_rate: float
    max_unwelcomed: int


class Connections:
    """All open WebSockets of a hub, and how many of them have not said hello yet."""

    def __init__(self, node: Node, terms: Terms, identify: Callable[[str | None, Scope], Identity]) -> None:
        self.node = node
        self.terms = terms
        self.identify = identify
        self.unwelcomed = 0
        self.open = 0
        self.hellos: set[asyncio.Timeout] = set()  # for each that has yet to say hello, how long it may take

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI endpoint of `/ws`."""
        await Connection(self, scope, receive, send).run()

    def hurry(self) -> None:
        """The hub ends: whoever has not said hello by now is told so at once."""
        for each in self.hellos:
            each.reschedule(0)


class _Closed(Exception):
    """The other side is gone."""


class Connection:
    """See the module."""

    def __init__(self, all_: Connections, scope: Scope, receive: Receive, send: Send) -> None:
        self._all = all_
        self._node = all_.node
        self._scope = scope
        self._receive = receive
        self._send = send
        self._session: Session | None = None
        self._answers: deque[bytes] = deque()
        self._bell = asyncio.Event()
        self._drained = asyncio.Event()
        self._ending: HubbubError | None = None
        self._bucket: TokenBucket | None = None
        self._bad_frames = 0
        self.identity: Identity  # from the hello on

    async def run(self) -> None:
        """From the handshake to the close."""
        connect = await self._receive()
        assert connect["type"] == "websocket.connect"
        offered = self._scope.get("subprotocols", [])
        await self._send(
            {"type": "websocket.accept", "subprotocol": wire.SUBPROTOCOL if wire.SUBPROTOCOL in offered else None}
        )
        self._all.open += 1
        reason = "the connection was lost"
        try:
            if await self._welcome():
                await self._converse()
        except _Closed as gone:
            reason = str(gone) or reason
        except HubbubError as why:
            reason = why.message
            await self._end(why)
        except Exception as why:
            reason = "the hub met a fault of its own"
            self._node.fault("a connection", why)
            await self._end(Unavailable("The hub met a fault of its own.", "Connect again: nothing is lost."))
        finally:
            self._all.open -= 1
            if self._session is not None:
                self._node.leave(self._session, reason)

    # Hello

    async def _welcome(self) -> bool:
        """Wait for the hello and answer it; False when that ended the connection."""
        terms = self._all.terms
        if self._all.unwelcomed >= terms.max_unwelcomed:
            raise TooMany(
                f"{self._all.unwelcomed} connections have not said hello yet, and max_unwelcomed allows no more.",
                "Try again in a few seconds.",
            )
        self._all.unwelcomed += 1
        try:
            async with asyncio.timeout(terms.hello_timeout) as limit:
                self._all.hellos.add(limit)
                text = await self._text()
        except TimeoutError:
            if self._node.closing:
                raise shutting_down() from None
            raise HelloTimeout(
                f"No hello came within {terms.hello_timeout:g} s.", "Send it as the first frame."
            ) from None
        finally:
            self._all.unwelcomed -= 1
            self._all.hellos.discard(limit)
        ref: frames.Ref = None
        try:
            hello = wire.decode(text)
            ref = getattr(hello, "ref", None)
            if not isinstance(hello, frames.Hello):
                raise HelloRequired("The first frame is a hello.", 'Send {"type":"hello","name":…,"token":…} first.')
            self.identity = self._all.identify(hello.token, self._scope)
            self.identity.require("observe" if hello.observe else "subscribe")
            if hello.name is not None:
                self.identity.may_act_as(hello.name)
            self._session, welcome = await self._node.open(hello, self)
        except HubbubError as why:
            if ref is None:
                ref = wire.ref_of(text)
            await self._write(wire.encode(wire.error(why, ref)))
            await self._send({"type": "websocket.close", "code": why.close, "reason": _reason(why)})
            return False
        if terms.publish_rate:
            self._bucket = TokenBucket(terms.publish_rate, max(1.0, terms.publish_rate))
        await self._write(wire.encode(welcome))
        return True

    # Reading

    async def _converse(self) -> None:
        """Read and write until either side ends it."""
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._pump())
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, writing):
                task.cancel()
            results = await asyncio.gather(reading, writing, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _read(self) -> None:
        journal = self._node.journal
        while True:
            text = await self._text()
            try:
                frame = wire.decode(text)
            except BadRequest as why:
                self.tell(wire.error(why, wire.ref_of(text)))
                self._bad_frames += 1
                if self._bad_frames >= MAX_BAD_FRAMES:
                    raise
                continue
            self._bad_frames = 0
            try:
                await self._handle(frame)
            except HubbubError as why:
                self.tell(wire.error(why, getattr(frame, "ref", None)))
            if journal.full:
                await journal.room()
            while len(self._answers) > MAX_ANSWERS:
                self._drained.clear()
                await self._drained.wait()

    async def _text(self) -> str:
        event: Event = await self._receive()
        if event["type"] == "websocket.disconnect":
            # 1005: no code was given; 1006: no close frame came (RFC 6455, 7.1.5)
            code = event.get("code")
            raise _Closed("the client left" if code in (1000, 1001, 1005) else f"the connection was lost ({code})")
        text = event.get("text")
        if text is None:
            raise BinaryFrame("Binary frames mean nothing here.", "Send JSON in text frames.")
        return str(text)

    async def _handle(self, frame: frames.FromClient) -> None:
        session, node = self._session, self._node
        assert session is not None
        match frame:
            case frames.Publish():
                try:
                    self._publish(frame)
                except InboxFull:
                    if (earlier := await node.earlier(self._instance(), frame)) is None:
                        raise
                    self.tell(earlier)
            case frames.Received():
                node.received(session, frame.offset, frame.credit)
            case frames.Read():
                await self._mark_read(session, frame)
            case frames.Subscribe():
                heard = await node.subscribe(self._instance(), frame.topic)
                self.tell(frames.Reply(ref=frame.ref, subscriptions=heard))
            case frames.Unsubscribe():
                heard = await node.unsubscribe(self._instance(), frame.topic)
                self.tell(frames.Reply(ref=frame.ref, subscriptions=heard))
            case frames.Presence():
                await node.tell(self._instance(), frame, session)
                if frame.ref is not None:
                    how = inquiry.presence(node, self._instance())
                    self.tell(frames.Reply(ref=frame.ref, presence=how))
            case frames.Rename():
                self.identity.may_act_as(frame.name)
                await node.rename(self._instance(), frame.name)
                self.tell(frames.Reply(ref=frame.ref, name=self._instance().name))
            case frames.Instances() | frames.History() | frames.Status():
                await self._look_up(frame)
            case frames.Hello():
                raise SecondHello("This session has said hello already.", "Open another connection for another name.")

    async def _look_up(self, frame: frames.Instances | frames.History | frames.Status) -> None:
        match frame:
            case frames.Instances():
                self.tell(frames.Reply(ref=frame.ref, instances=await inquiry.instances(self._node)))
            case frames.History():
                await self._history(frame)
            case frames.Status():
                await self._status(frame)

    def _publish(self, said: frames.Publish) -> None:
        self.identity.require("publish")
        if self._bucket is not None and (wait := self._bucket.take(self._node.now())) > 0:
            raise RateLimited(
                f"More than {self._all.terms.publish_rate:g} messages a second came from this session (publish_rate).",
                f"Try again in {wait:.1f} s.",
            )

        def settled(result: frames.Published | HubbubError) -> None:
            self.tell(wire.error(result, said.ref) if isinstance(result, HubbubError) else result)

        self._node.say(self._instance(), said, settled)

    async def _mark_read(self, session: Session, frame: frames.Read) -> None:
        instance = self._instance()
        self._node.received(session, frame.offset, None)
        self._node.read(instance, frame.offset, by=session)
        if frame.ref is not None:
            await self._node.flush()
            self.tell(frames.Reply(ref=frame.ref, offset=instance.read))

    async def _history(self, frame: frames.History) -> None:
        found, more = await inquiry.history(
            self._node,
            self._asker(),
            inquiry.Asked(
                with_=frame.with_,
                topic=frame.topic,
                thread=frame.thread,
                search=frame.search,
                limit=frame.limit,
                before=frame.before,
            ),
        )
        self.tell(frames.Reply(ref=frame.ref, messages=[wire.raw(each) for each in found], more=more))

    async def _status(self, frame: frames.Status) -> None:
        if frame.id is None:
            self.tell(frames.Reply(ref=frame.ref, status=await inquiry.totals(self._node)))
        else:
            message, ladder = await inquiry.message(self._node, self._asker(), frame.id)
            self.tell(frames.Reply(ref=frame.ref, message=wire.raw(message), ladder=ladder))

    def _instance(self) -> Instance:
        if self._session is None or self._session.instance is None:
            raise Forbidden("An observer has no name to do this under.", "Say hello with a name.")
        return self._session.instance

    def _asker(self) -> Instance | None:
        assert self._session is not None
        return None if self._session.observer else self._session.instance

    # Writing

    def wake(self) -> None:
        """There is more for this session: the writer fetches it."""
        self._bell.set()

    def tell(self, frame: frames.Frame) -> None:
        """Leave a frame for the writer."""
        self._answers.append(wire.encode(frame))
        self._bell.set()

    def finish(self, why: HubbubError) -> None:
        """The hub ends this session: the writer says so and closes."""
        self._ending = why
        self._bell.set()

    async def _pump(self) -> None:
        session = self._session
        assert session is not None
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self._answers:
                await self._write(self._answers.popleft())
            self._drained.set()
            if self._ending is not None:
                raise self._ending
            taken = await self._node.next(session)
            if isinstance(taken, Gap):
                await self._write(wire.encode(frames.Gap(from_=taken.first, to=taken.last)))
            elif taken is not None:
                for text in _encoded(taken):
                    await self._write(text)

    async def _write(self, text: bytes) -> None:
        """Send one text frame. Raises SlowReader when the socket takes nothing for too long."""
        try:
            async with asyncio.timeout(self._all.terms.slow_reader_timeout):
                await self._send({"type": "websocket.send", "text": text.decode()})
        except TimeoutError:
            raise SlowReader(
                f"The socket took nothing for {self._all.terms.slow_reader_timeout:g} s (slow_reader_timeout).",
                "Connect again: what was not received comes again.",
            ) from None
        except OSError as why:
            raise _Closed("the connection was lost") from why

    async def _end(self, why: HubbubError) -> None:
        """Say why, as far as the socket still takes it, and close."""
        try:
            if not isinstance(why, SlowReader):
                await self._write(wire.encode(wire.error(why)))
            async with asyncio.timeout(1):
                await self._send({"type": "websocket.close", "code": why.close, "reason": _reason(why)})
        except (HubbubError, _Closed, OSError, TimeoutError, RuntimeError) as lost:
            logger.debug("close_not_sent", why=str(lost))


def _encoded(run: Run) -> list[bytes]:
    """The frames of a run: encoded once, for however many sessions are given it."""
    if run.wire is None:
        run.wire = [wire.encode_message(message) for message in run.messages]
    encoded: list[bytes] = run.wire
    return encoded


def _reason(why: HubbubError) -> str:
    """A close frame's reason has at most 123 bytes (RFC 6455, 5.5)."""
    text: Any = why.message.encode()[:120]
    return str(text.decode(errors="ignore"))
