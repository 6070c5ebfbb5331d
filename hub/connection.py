"""One WebSocket: texts in, frames through the hub, texts out.

A connection has no task of its own: its line tells it what came in, the pump (`hub.fanout`) when to write. Frames are
taken in their order. Most of them are done with at once, above all a publish, which is handed to the journal; one that
has to wait for something (a subscription for the disk, a question for the database) gets a task for that long, and
what came behind it waits. So do readers of a full journal and of answers that pile up: the socket is not read, which is
how backpressure reaches a publisher.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

import structlog
from starlette.types import Receive, Scope, Send

from hub import frames, inquiry, wire
from hub.errors import (
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
    UnknownAttachment,
)
from hub.fanout import Fanout
from hub.limits import TokenBucket
from hub.line import Line, Texts
from hub.node import Node, shutting_down
from hub.plain import Plain
from hub.registry import Instance
from hub.session import Behind, Gap, Session
from hub.tokens import Identity
from hub.window import Run

logger = structlog.get_logger("hubbub.connection")

LINK = "hubbub.link"  # the ASGI extension that hands over the socket; see hub/link.py
MAX_ANSWERS = 1024  # answers waiting for the socket before the reader waits for it too
MAX_BAD_FRAMES = 100  # in a row; a client that only ever sends these is broken and is told so by a close

Later = Coroutine[Any, Any, None]


class Terms(NamedTuple):
    """What a connection is held to; seconds, and messages a second (0: no limit)."""

    hello_timeout: float
    slow_reader_timeout: float
    publish_rate: float
    max_unwelcomed: int


class Connections:
    """All open WebSockets of a hub, and which of them have not said hello yet."""

    def __init__(self, node: Node, terms: Terms, identify: Callable[[str | None, Scope], Identity]) -> None:
        self.node = node
        self.terms = terms
        self.identify = identify
        self.fanout = Fanout(node.now)
        self.open = 0
        self.unwelcomed: set[Connection] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI endpoint of `/ws`. Where the server hands over the socket, the connection goes on without it."""
        connect = await receive()
        assert connect["type"] == "websocket.connect"
        offered = scope.get("subprotocols", [])
        connection = Connection(self, scope)
        await send(
            {"type": "websocket.accept", "subprotocol": wire.SUBPROTOCOL if wire.SUBPROTOCOL in offered else None}
        )
        hand_over = scope.get("extensions", {}).get(LINK)
        if hand_over is not None:
            connection.begin(hand_over(connection, self.terms.slow_reader_timeout))
        else:
            line = Plain(receive, send, self.terms.slow_reader_timeout)
            connection.begin(line)
            await line.run(connection)

    def hurry(self) -> None:
        """The hub ends: whoever has not said hello by now is told so at once."""
        for each in list(self.unwelcomed):
            each.hello_is_late()


class Connection:
    """See the module. An `End` of its line, a `Listener` of its session, `Served` by the pump."""

    __slots__ = (
        "_all",
        "_answering",
        "_answers",
        "_bad_frames",
        "_bucket",
        "_drained",
        "_ending",
        "_fetching",
        "_gone",
        "_hello_timer",
        "_line",
        "_node",
        "_over",
        "_rest",
        "_scope",
        "_session",
        "_woken",
        "_work",
        "identity",
    )

    def __init__(self, all_: Connections, scope: Scope) -> None:
        self.identity: Identity  # from the hello on
        self._all = all_
        self._node = all_.node
        self._scope = scope  # of use until the hello
        self._line: Line
        self._session: Session | None = None
        self._hello_timer: TimerHandle | None = None
        self._bucket: TokenBucket | None = None
        self._bad_frames = 0
        self._work: asyncio.Task[None] | None = None  # what the frame that is being handled waits for
        self._rest: list[bytes] = []  # what came behind it
        self._fetching: asyncio.Task[None] | None = None  # what the session is given from the log
        self._answers: list[bytes] = []
        self._drained: asyncio.Event | None = None  # set when answers that piled up are written
        self._answering = False  # whether it is in the pump's queues
        self._woken = False
        self._ending: HubbubError | None = None  # why the hub ends it
        self._gone: str | None = None  # why the client is gone, while something it said is still being handled
        self._over = False

    # Beginning

    def begin(self, line: Line) -> None:
        """The line is up: the hello is next."""
        self._line = line
        self._all.open += 1
        terms, unwelcomed = self._all.terms, self._all.unwelcomed
        if len(unwelcomed) >= terms.max_unwelcomed:
            self._end(
                TooMany(
                    f"{len(unwelcomed)} connections have not said hello yet, and max_unwelcomed allows no more.",
                    "Try again in a few seconds.",
                )
            )
            return
        unwelcomed.add(self)
        self._hello_timer = asyncio.get_running_loop().call_later(terms.hello_timeout, self.hello_is_late)

    def hello_is_late(self) -> None:
        """Its time is over, or the hub's is."""
        late = HelloTimeout(f"No hello came within {self._all.terms.hello_timeout:g} s.", "Send it as the first frame.")
        self._end(shutting_down() if self._node.closing else late)

    def _hello_is_here(self) -> None:
        self._all.unwelcomed.discard(self)
        if self._hello_timer is not None:
            self._hello_timer.cancel()
            self._hello_timer = None

    async def _welcome(self, text: bytes) -> None:
        """Answer the first frame, which ought to be a hello."""
        ref: frames.Ref = None
        scope, self._scope = self._scope, {}
        try:
            hello = wire.decode(text)
            ref = getattr(hello, "ref", None)
            if not isinstance(hello, frames.Hello):
                raise HelloRequired("The first frame is a hello.", 'Send {"type":"hello","name":…,"token":…} first.')
            self.identity = self._all.identify(hello.token, scope)
            self.identity.require("observe" if hello.observe else "subscribe")
            if hello.name is not None:
                self.identity.may_act_as(hello.name)
            if hello.human:
                self.identity.require_person()
            session, welcome = await self._node.open(hello, self)
        except HubbubError as why:
            self._end(why, wire.ref_of(text) if ref is None else ref)
            return
        rate = self._all.terms.publish_rate
        if rate:
            self._bucket = TokenBucket(rate, max(1.0, rate))
        self._session = session
        if self._over:  # the client is gone meanwhile
            self._node.leave(session, self._gone or "the connection was lost")
            return
        self.tell(welcome)
        self.wake()

    # Reading

    def heard(self, texts: list[bytes]) -> None:
        """See `End.heard`."""
        if self._work is not None:
            self._rest += texts
        else:
            self._hear(texts)

    def heard_binary(self) -> None:
        """See `End.heard_binary`."""
        self._end(BinaryFrame("Binary frames mean nothing here.", "Send JSON in text frames."))

    def _hear(self, texts: list[bytes]) -> bool:
        """Handle one frame after another; returns whether all were, and none has to wait for something."""
        journal = self._node.journal
        try:
            for place, text in enumerate(texts, 1):
                later = self._handle(text)
                if later is None:
                    if journal.full:
                        later = journal.room()
                    elif len(self._answers) > MAX_ANSWERS:
                        later = self._room_for_answers()
                if later is not None:
                    self._rest = texts[place:]
                    self._line.hold()
                    self._work = asyncio.create_task(self._wait_for(later))
                    return False
                if self._over:
                    break
        except Exception as why:
            self._fault(why)
        return True

    async def _wait_for(self, later: Later) -> None:
        try:
            await later
        except Exception as why:
            self._fault(why)
        self._work = None
        rest, self._rest = self._rest, []
        if self._over or not self._hear(rest):
            return
        if self._gone is not None:
            self._leave(self._gone)
        else:
            self._line.go_on()

    async def _room_for_answers(self) -> None:
        self._drained = asyncio.Event()
        await self._drained.wait()
        self._drained = None

    def _handle(self, text: bytes) -> Later | None:
        """One frame; what is returned has to be awaited before the next."""
        session = self._session
        if session is None:
            self._hello_is_here()
            return self._welcome(text)
        frame = None
        try:
            frame = wire.decode(text)
            self._bad_frames = 0
            if isinstance(frame, frames.Publish):
                said = self._node.threaded(frame)
                if said is None:
                    return self._look_up_thread(frame)
                self._publish(said)
            elif isinstance(frame, frames.Received):
                self._node.received(session, frame.offset, frame.credit)
            elif isinstance(frame, frames.Read) and frame.ref is None:
                self._mark_read(session, frame)
            else:
                return self._answer(session, frame)
        except (InboxFull, UnknownAttachment) as why:
            assert isinstance(frame, frames.Publish)
            return self._earlier(frame, why)
        except HubbubError as why:
            self._refuse(why, text, frame)
        return None

    def _refuse(self, why: HubbubError, text: bytes, frame: frames.FromClient | None) -> None:
        if frame is not None:
            self.tell(wire.error(why, getattr(frame, "ref", None)))
            return
        self.tell(wire.error(why, wire.ref_of(text)))
        self._bad_frames += 1
        if self._bad_frames >= MAX_BAD_FRAMES:
            self._end(why)

    async def _look_up_thread(self, said: frames.Publish) -> None:
        try:
            said = await self._node.look_up_thread(said)
            self._publish(said)
        except (InboxFull, UnknownAttachment) as why:
            await self._earlier(said, why)
        except HubbubError as why:
            self.tell(wire.error(why, said.ref))

    async def _earlier(self, said: frames.Publish, why: HubbubError) -> None:
        """A retry is not refused because the inbox is full, which it may have filled, or an upload is forgotten."""
        try:
            earlier = await self._node.earlier(self._instance(), said)
        except HubbubError as failed:
            self.tell(wire.error(failed, said.ref))
        else:
            self.tell(wire.error(why, said.ref) if earlier is None else earlier)

    async def _answer(self, session: Session, frame: frames.FromClient) -> None:
        try:
            reply = await self._ask(session, frame)
            if reply is not None:
                self.tell(reply)
        except HubbubError as why:
            self.tell(wire.error(why, getattr(frame, "ref", None)))

    async def _ask(self, session: Session, frame: frames.FromClient) -> frames.Reply | None:
        node = self._node
        match frame:
            case frames.Read():
                self._mark_read(session, frame)
                await node.flush()
                return frames.Reply(ref=frame.ref, offset=self._instance().read)
            case frames.Subscribe():
                heard = await node.subscribe(self._instance(), frame.topic)
                return frames.Reply(ref=frame.ref, subscriptions=heard)
            case frames.Unsubscribe():
                heard = await node.unsubscribe(self._instance(), frame.topic)
                return frames.Reply(ref=frame.ref, subscriptions=heard)
            case frames.Presence():
                await node.tell(self._instance(), frame, session)
                if frame.ref is None:
                    return None
                return frames.Reply(ref=frame.ref, presence=inquiry.presence(node, self._instance()))
            case frames.Rename():
                self.identity.may_act_as(frame.name)
                await node.rename(self._instance(), frame.name)
                return frames.Reply(ref=frame.ref, name=self._instance().name)
            case frames.Instances():
                return frames.Reply(ref=frame.ref, instances=await inquiry.instances(node))
            case frames.History():
                return await self._history(frame)
            case frames.Status():
                return await self._status(frame)
            case _:
                raise SecondHello("This session has said hello already.", "Open another connection for another name.")

    def _publish(self, said: frames.Publish) -> None:
        self.identity.require("publish")
        if self._bucket is not None and (wait := self._bucket.take(self._node.now())) > 0:
            raise RateLimited(
                f"More than {self._all.terms.publish_rate:g} messages a second came from this session (publish_rate).",
                f"Try again in {wait:.1f} s.",
            )
        self._node.say(self._instance(), said, partial(self._said, said.ref))

    def _said(self, ref: frames.Ref, result: frames.Published | HubbubError) -> None:
        self.tell(wire.error(result, ref) if isinstance(result, HubbubError) else result)

    def _mark_read(self, session: Session, frame: frames.Read) -> None:
        instance = self._instance()
        self._node.received(session, frame.offset, None)
        self._node.read(instance, frame.offset, by=session)

    async def _history(self, frame: frames.History) -> frames.Reply:
        found, more = await inquiry.history(
            self._node,
            self._asker(),
            inquiry.Asked(
                with_=frame.with_,
                from_=frame.from_,
                to=frame.to,
                topic=frame.topic,
                thread=frame.thread,
                search=frame.search,
                since=None if frame.since is None else frame.since.timestamp(),
                until=None if frame.until is None else frame.until.timestamp(),
                limit=frame.limit,
                before=frame.before,
                after=frame.after,
            ),
        )
        return frames.Reply(ref=frame.ref, messages=[wire.raw(each) for each in found], more=more)

    async def _status(self, frame: frames.Status) -> frames.Reply:
        if frame.id is None:
            return frames.Reply(ref=frame.ref, status=await inquiry.totals(self._node))
        found = await inquiry.message(self._node, self._asker(), frame.id)
        return frames.Reply(ref=frame.ref, message=wire.raw(found.message), ladder=found.ladder, answer=found.answer)

    def _instance(self) -> Instance:
        if self._session is None or self._session.instance is None:
            raise Forbidden("An observer has no name to do this under.", "Say hello with a name.")
        return self._session.instance

    def _asker(self) -> Instance | None:
        assert self._session is not None
        return None if self._session.observer else self._session.instance

    # Writing

    def wake(self) -> None:
        """There is more for this session: the pump comes for it."""
        if not self._woken:
            self._woken = True
            self._all.fanout.wake(self)

    def tell(self, frame: frames.Frame) -> None:
        """Leave a frame for the pump."""
        if not self._over:
            self._answers.append(wire.encode(frame))
            self._ring()

    def finish(self, why: HubbubError) -> None:
        """The hub ends this session: the pump writes what is owed to the client, says why and closes."""
        self._ending = why
        self._ring()

    def _ring(self) -> None:
        if not self._answering:
            self._answering = True
            self._all.fanout.answer(self)

    def answer(self) -> None:
        """See `Served.answer`."""
        self._answering = False
        if self._over:
            return
        if self._ending is not None:
            self._end(self._ending)
        elif self._answers and self._line.room:
            self._write_answers()

    def _write_answers(self) -> None:
        answers, self._answers = self._answers, []
        self._line.write(Texts(answers))
        if self._drained is not None:
            self._drained.set()

    def push(self, now: float) -> None:
        """See `Served.push`."""
        self._woken = False
        session = self._session
        if self._over or session is None or self._fetching is not None or not self._line.room:
            return
        try:
            taken = self._node.hub.take(session, now)
            if taken is None:
                return
            if isinstance(taken, Behind):
                self._fetching = asyncio.create_task(self._fetch(session, taken))
            else:
                self._line.write(_encoded(taken))
                self._node.pushed()
        except Exception as why:
            self._fault(why)

    async def _fetch(self, session: Session, behind: Behind) -> None:
        """Give the session what has to be read from the log."""
        try:
            taken = await self._node.fetch(session, behind)
            self._fetching = None
            if self._over:
                return
            if taken is not None:
                self._line.write(_encoded(taken))
            self.wake()
        except HubbubError as why:
            self._end(why)
        except Exception as why:
            self._fault(why)

    def drained(self) -> None:
        """See `End.drained`."""
        if self._answers:
            self._ring()
        self.wake()

    # The end

    def stuck(self) -> None:
        """See `End.stuck`."""
        self._end(
            SlowReader(
                f"The socket took nothing for {self._all.terms.slow_reader_timeout:g} s (slow_reader_timeout).",
                "Connect again: what was not received comes again.",
            )
        )

    def lost(self, code: int) -> None:
        """See `End.lost`. What the client said before is heard all the same."""
        # 1005: no code was given; 1006: no close frame came (RFC 6455, 7.1.5)
        why = "the client left" if code in (1000, 1001, 1005) else f"the connection was lost ({code})"
        if self._work is not None and self._session is not None:
            self._gone = why
        else:
            self._leave(why)

    def _fault(self, why: Exception) -> None:
        self._node.fault("a connection", why)
        self._end(Unavailable("The hub met a fault of its own.", "Connect again: nothing is lost."))

    def _end(self, why: HubbubError, ref: frames.Ref = None) -> None:
        """Write what is owed to the client, say why, and close; a client that takes nothing is told the code alone."""
        if self._over:
            return
        if not isinstance(why, SlowReader):
            self._answers.append(wire.encode(wire.error(why, ref)))
            self._write_answers()
        self._line.close(why.close, _reason(why))
        self._leave(why.message)

    def _leave(self, reason: str) -> None:
        if self._over:
            return
        self._over = True
        self._gone = reason
        self._scope = {}
        self._answers = []
        self._all.open -= 1
        self._hello_is_here()
        if self._drained is not None:
            self._drained.set()
        if self._session is not None:
            self._node.leave(self._session, reason)


def _encoded(taken: Run | Gap) -> Texts:
    """What a session is given, as frames; a run is encoded once, for however many sessions are given it."""
    if isinstance(taken, Gap):
        return Texts([wire.encode(frames.Gap(from_=taken.first, to=taken.last))])
    encoded: Texts | None = taken.wire
    if encoded is None:
        encoded = taken.wire = Texts(wire.encode_message(message) for message in taken.messages)
    return encoded


def _reason(why: HubbubError) -> str:
    """A close frame's reason has at most 123 bytes (RFC 6455, 5.5)."""
    text: Any = why.message.encode()[:120]
    return str(text.decode(errors="ignore"))
