"""A connection to the hub that comes back by itself: everything of `hub.client` but what one says on it.

The first connection either stands or raises. After that a break is mended in the background: reconnect with exponential
backoff, resume after the last message that is here, drop what was here already, and send again what the hub had not
answered, a publish under the same id, so that it is stored once. It gives up only where the hub says that trying again
won't help (close codes 4500-4999); then everybody who waits gets the typed error.

The socket is always read; what bounds memory is credit: the hub pushes at most so many messages past the last
`received`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random as random_module
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, TypeAlias

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from hub import frames, wire
from hub.attempt import Refused, dial, greet
from hub.errors import BadFrame, BadValue, HubbubError, ShuttingDown, Unavailable, Unreachable
from hub.reconnect import Backoff, from_close, lasting, typed
from hub.request import Place, origin

State: TypeAlias = Literal["connecting", "online", "offline", "closed"]
Event: TypeAlias = frames.Message | frames.Gap | frames.Read | frames.Welcome
Asking: TypeAlias = (
    frames.Publish
    | frames.Subscribe
    | frames.Unsubscribe
    | frames.Read
    | frames.Rename
    | frames.Instances
    | frames.History
    | frames.Status
)
Sleep: TypeAlias = Callable[[float], Awaitable[None]]

Locate: TypeAlias = Callable[[], Awaitable[Place]]

# A body of 1 MiB takes up to six times as much in JSON (each control character is six), and a page of history more.
MAX_FRAME = 64 * 1024 * 1024
LIMIT = 30.0  # seconds that a request may take, reconnecting included
KEEPALIVE = (10.0, 10.0)  # seconds between pings, and for the answer: a dead peer is noticed in 20 and closed in 23

log = logging.getLogger(__name__)


class _Request(NamedTuple):
    frame: Asking
    text: bytes
    answer: asyncio.Future[Any]


class Lifeline:
    """See the module; the settings are told at `hub.client.Client`."""

    def __init__(
        self,
        url: str,
        token: str | None,
        name: str | None = None,
        *,
        credit: int | Callable[[], int] = frames.DEFAULT_CREDIT,
        client: str | None = None,
        observe: bool = False,
        take_over: bool = False,
        share: bool = False,
        human: bool = False,
        confirm: bool = True,
        on_state: Callable[[State, HubbubError | None], None] | None = None,
        locate: Locate | None = None,
        tls_cert: Path | None = None,
        limit: float = LIMIT,
        max_frame: int = MAX_FRAME,
        keepalive: tuple[float, float] = KEEPALIVE,
        random: Callable[[], float] = random_module.random,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.url = origin(url).websocket
        self.name = name
        self.state: State = "offline"
        self.welcome: frames.Welcome | None = None
        self.people: frozenset[str] = frozenset()  # the names, in small letters, that are persons' and no agents'
        self.last = 0  # the newest offset this client has, in the numbering of `epoch`
        self.gaps = 0  # how many were announced
        self._token = token
        self._tls_cert = tls_cert
        self._credit = credit if callable(credit) else lambda: credit
        self._client = client
        self._observe = observe
        self._take_over = take_over
        self._share = share
        self._human = human
        self._confirm = confirm
        self._on_state = on_state
        self._locate = locate
        self._limit = limit
        self._max_frame = max_frame
        self._keepalive = keepalive
        self._sleep = sleep
        self._backoff = Backoff(random)
        self._life: asyncio.Task[None] | None = None
        self._socket: ClientConnection | None = None
        self._session: str | None = None
        self._epoch: str | None = None
        self._numbering = 0  # counts epochs, so that an old event is told from a new one
        self._ended: HubbubError | None = None
        self._closing = False
        self._said: HubbubError | None = None  # an error frame that named no request: why a close follows
        self._refs = 0
        self._pending: dict[int, _Request] = {}
        self._unsent: deque[int] = deque()
        self._asked: dict[str, asyncio.Future[frames.Message]] = {}  # questions, by id
        self._marking: asyncio.Future[Any] | None = None  # a `read` that nobody waits for
        self._grant: frames.Received | None = None
        self._presence = frames.Presence()
        self._presence_due = False
        self._events: deque[tuple[int, Event]] = deque()
        self._queued = 0  # messages among `_events`
        self._carried = 0  # of these, how many an earlier connection brought: this one's credit doesn't count them
        self._arrived = asyncio.Event()
        self._something_to_send = asyncio.Event()

    @property
    def place(self) -> Place:
        """Where the hub is, for requests beside this connection."""
        return Place(self.url, self._token, self._tls_cert)

    # Life

    async def start(self) -> Self:
        """Connect. Raises Unreachable, or whatever typed error the hub refuses with."""
        if self._life is not None:
            raise RuntimeError("A client is started once.")
        self._set(state="connecting")
        try:
            socket = await self._open()
        except Refused as refused:
            self._end(refused.why)
            raise refused.why from None
        self._life = asyncio.create_task(self._live(socket), name=f"hub client {self.name}")
        return self

    async def close(self) -> None:
        """Leave. Requests under way raise Unavailable; iterating ends."""
        life, self._life = self._life, None
        self._closing = True
        self._end(Unavailable("The client was closed."))
        if life is not None:
            life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await life
        if self._socket is not None:
            await self._socket.close()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # What arrives

    async def events(self) -> AsyncIterator[Event]:
        """All that arrives, in order, for one consumer.

        Beside each `Message`: a `Gap` where messages for this reader are no longer kept, a `Read` where another
        session of this name has read that far, and a `Welcome` for each connection (`resumed`, and an `epoch` that
        differs when the hub's database is another one). Iterating over the client itself gives the messages only.
        Ends after `close()`. Raises the typed error that ended the connection for good.
        """
        while True:
            while self._events:
                numbering, event = self._events.popleft()
                if isinstance(event, frames.Message):
                    self._queued -= 1
                    self._carried = max(0, self._carried - 1)
                    if self._confirm and numbering == self._numbering:
                        self.received(event.offset)
                yield event
            if self._ended is not None:
                if self._closing:
                    return
                raise self._ended
            self._arrived.clear()
            await self._arrived.wait()

    def received(self, offset: int, credit: int | None = None) -> None:
        """Tell the hub that this client has everything up to `offset`, and may be sent `credit` messages past it.

        Without `credit` it is the client's own. Nothing to wait for: it goes out with the next write.
        """
        room = max(0, (self._credit() if credit is None else credit) - self._carried)
        self._grant = frames.Received(offset=offset, credit=room)
        self._something_to_send.set()

    # Requests

    def _ask(self, frame: Asking) -> asyncio.Future[Any]:
        """Queue a request; it stays queued until it is answered, over however many connections."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._ended is not None:
            answer.set_exception(self._ended)
            return answer
        self._refs += 1
        ref = frame.ref = self._refs
        with json_only():
            text = wire.encode(frame)

        def forget(_: asyncio.Future[Any]) -> None:
            self._pending.pop(ref, None)

        self._pending[ref] = _Request(frame, text, answer)
        answer.add_done_callback(forget)
        self._unsent.append(ref)
        self._something_to_send.set()
        return answer

    async def _answer(self, answer: asyncio.Future[Any], limit: float | None = None) -> Any:
        limit = self._limit if limit is None else limit
        try:
            async with asyncio.timeout(limit):
                return await answer
        except TimeoutError:
            raise Unreachable(
                f"The hub at {self.url} did not answer within {limit:g} s.", "See how it is with `hubbub status`."
            ) from None

    # The connection

    def _set(self, state: State, error: HubbubError | None = None) -> None:
        if state == self.state:
            return
        self.state = state
        if self._on_state is not None:
            self._on_state(state, error)

    def _end(self, why: HubbubError) -> None:
        """For good: everybody who waits is told."""
        if self._ended is None:
            self._ended = why
        for request in list(self._pending.values()):
            if not request.answer.done():
                request.answer.set_exception(self._ended)
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(self._ended)
                look_away(asked)
        self._set("closed", self._ended)
        self._arrived.set()

    async def _live(self, socket: ClientConnection) -> None:
        try:
            while True:
                broken = await self._serve(socket)
                while True:
                    if broken.final:
                        self._end(broken.why)
                        return
                    log.info("%s is not connected: %s", self.name, broken.why)
                    self._set("offline", broken.why)
                    await self._sleep(self._backoff.next())
                    self._set("connecting")
                    try:
                        socket = await self._open()
                        break
                    except Refused as refused:
                        broken = refused
        except Exception as why:
            log.exception("the connection's task failed")
            self._end(HubbubError(f"The client failed: {why!r}."))

    async def _open(self) -> ClientConnection:
        """One attempt, up to and with `welcome`. Raises Refused."""
        try:
            if self._locate is not None:
                place = await self._locate()
                self.url, self._token, self._tls_cert = origin(place.url).websocket, place.token, place.tls_cert
        except HubbubError as why:
            raise Refused(why, final=lasting(why)) from None
        socket = await dial(self.place, keepalive=self._keepalive, max_frame=self._max_frame)
        hello = frames.Hello(
            name=None if self._observe else self.name,
            resume=self.last if self._epoch else None,
            epoch=self._epoch,
            credit=max(0, self._credit() - self._queued),
            client=self._client,
            observe=self._observe,
            session=self._session,
            take_over=self._take_over,
            share=self._share,
            human=self._human,
        )
        try:
            welcome = await greet(socket, self.url, hello)
        except BaseException:
            await socket.close()
            raise
        self._welcomed(welcome, socket)
        return socket

    def _welcomed(self, welcome: frames.Welcome, socket: ClientConnection) -> None:
        if welcome.epoch != self._epoch:
            if self._epoch is not None:
                self._renumber()
            # Where delivery begins: a break before the first message must not turn it into the beginning of the log.
            self.last = welcome.head if self._observe else welcome.read
        self._epoch = welcome.epoch
        self._session = welcome.session
        self._take_over = False  # only the first time: two that take over would do it for ever
        self._carried = self._queued
        self._socket = socket
        self.welcome = welcome
        self.people = frozenset(name.lower() for name in welcome.people)
        self._backoff.reset()
        if not self._observe:
            self._renamed(welcome.name)
        self._unsent = deque(self._pending)
        self._presence_due = self._presence != frames.Presence()
        self._something_to_send.set()
        self._put(welcome)
        self._set("online")

    def _renumber(self) -> None:
        """Another database: offsets of the old one mean nothing in it."""
        self._numbering += 1
        self.last = 0
        self._grant = None
        for request in list(self._pending.values()):
            if isinstance(request.frame, frames.Read) and not request.answer.done():
                request.answer.set_exception(Unavailable("The hub has another database; what was read there is gone."))

    def _renamed(self, name: str | None) -> None:
        """A rename whose answer was lost in the break shows in the welcome."""
        self.name = name or self.name
        for request in list(self._pending.values()):
            wanted = request.frame.name if isinstance(request.frame, frames.Rename) else None
            if wanted and name and wanted.lower() == name.lower() and not request.answer.done():
                request.answer.set_result(frames.Reply(name=name))

    async def _serve(self, socket: ClientConnection) -> Refused:
        """Read until the connection breaks, and say why it did."""
        self._said = None
        pump = asyncio.create_task(self._pump(socket), name=f"hub client {self.name} writes")
        try:
            while True:
                self._take(await socket.recv(decode=False))
        except ConnectionClosed:
            return self._broken(socket)
        except BadFrame as bad:
            await socket.close(1002)
            return Refused(bad, final=False)
        finally:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump

    def _broken(self, socket: ClientConnection) -> Refused:
        code = socket.close_code
        why = self._said or from_close(code, socket.close_reason or "")
        return Refused(why, final=code is not None and lasting(why, code))

    async def _pump(self, socket: ClientConnection) -> None:
        """The only writer: requests in the order they were made, and the newest `received`.

        If it fails, the connection ends with it: one that can only hear would look like a good one.
        """
        try:
            while True:
                await self._something_to_send.wait()
                self._something_to_send.clear()
                while self._unsent:
                    request = self._pending.get(self._unsent.popleft())
                    if request is not None:
                        await socket.send(request.text, text=True)
                if self._presence_due:
                    self._presence_due = False
                    text = wire.encode(self._presence)
                    self._presence.prompted = False
                    await socket.send(text, text=True)
                grant, self._grant = self._grant, None
                if grant is not None:
                    await socket.send(wire.encode(grant), text=True)
        except ConnectionClosed:
            return
        except Exception:
            await socket.close(1011)
            raise

    def _take(self, text: bytes) -> None:
        match wire.decode_from_hub(text):
            case frames.Message() as message:
                if message.offset <= self.last:
                    self.received(message.offset)  # it counts against the credit, though it was here before
                    return
                self.last = message.offset
                self._queued += 1
                self._answered(message)
                self._put(message)
            case frames.Gap() as gap:
                self.gaps += 1
                self.last = max(self.last, gap.to)
                log.warning("messages %d to %d for %s are no longer kept", gap.from_, gap.to, self.name)
                self._put(gap)
            case frames.Read() as read:
                self._put(read)
            case frames.People() as told:
                self.people = frozenset(name.lower() for name in told.names)
            case frames.Published() | frames.Reply() as reply:
                self._resolve(reply.ref, reply)
            case frames.Error() as error:
                self._refuse(error)
            case _:
                pass

    def _answered(self, message: frames.Message) -> None:
        answer = self._asked.get(message.reply_to) if message.reply_to is not None else None
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _put(self, event: Event) -> None:
        if isinstance(event, frames.Read) and self._events and isinstance(self._events[-1][1], frames.Read):
            self._events.pop()
        self._events.append((self._numbering, event))
        self._arrived.set()

    def _resolve(self, ref: frames.Ref, reply: frames.Published | frames.Reply) -> None:
        request = self._pending.get(ref) if isinstance(ref, int) else None
        if request is None or request.answer.done():
            return
        if isinstance(request.frame, frames.Publish) is isinstance(reply, frames.Published):
            request.answer.set_result(reply)
        else:
            request.answer.set_exception(BadFrame("The hub's answer does not fit the request."))

    def _refuse(self, error: frames.Error) -> None:
        why = typed(error.code, error.message, error.hint)
        request = self._pending.get(error.ref) if isinstance(error.ref, int) else None
        if request is None:
            self._said = why
        elif not isinstance(why, ShuttingDown) and not request.answer.done():
            # What a hub that is going away refuses is asked of the next one.
            request.answer.set_exception(why)


@contextlib.contextmanager
def json_only() -> Iterator[None]:
    try:
        yield
    except (TypeError, ValueError, RecursionError) as why:  # a lone surrogate is a ValueError
        raise BadValue(f"This cannot be written as JSON: {why}.") from None


def look_away(answer: asyncio.Future[Any]) -> None:
    """Nobody waits for this answer; without this the loop would report its error as never retrieved."""
    if not answer.cancelled():
        answer.exception()
