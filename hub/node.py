"""One running hub: the core, the log under it, the journal between them, and a clock.

Connections and HTTP both stand on this. What it adds to the core is waiting: a register that returns when the log has
it, a `next()` that reads from disk for a session that fell behind, and the housekeeping that nobody asks for.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Protocol

import structlog
import uuid_utils

from hub import fold, frames
from hub.errors import HubbubError, ShuttingDown, StorageFailed
from hub.fold import State
from hub.hub import Hub, Limits
from hub.journal import Job, Journal
from hub.log import Log, Retention
from hub.message import Draft, Message
from hub.registry import Instance
from hub.session import Behind, Gap, Session
from hub.tokens import Identity
from hub.topic import name_key
from hub.window import Run

HOUSEKEEPING = 5.0  # seconds between looks at what is due
MAX_PAGE_SIZE = 4 * 2**20  # bytes read from the log at once for one session

logger = structlog.get_logger("hubbub.node")


class Listener(Protocol):
    """What stands at the other end of a session: a WebSocket, an event stream. `identity` is who opened it."""

    identity: Identity

    def wake(self) -> None:
        """There is more: call `Node.next()`."""

    def tell(self, frame: frames.Frame) -> None:
        """Something beside the messages."""

    def finish(self, why: HubbubError) -> None:
        """The hub has ended the session."""


class Node:
    """See the module. `upkeep` is what the log wants done behind the head; `clock` gives seconds since 1970."""

    def __init__(
        self,
        log: Log,
        state: State,
        tail: list[Message],
        *,
        limits: Limits,
        retention: Retention,
        version: str,
        upkeep: Sequence[Job] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.log = log
        self.version = version
        self.started_at = clock()
        self.closing = False
        self.hub = Hub(
            state,
            tail,
            limits=limits,
            new_id=lambda: str(uuid_utils.uuid7()),
            new_secret=lambda: secrets.token_urlsafe(24),
            close=self._close,
        )
        self.journal = Journal(log, commit=self.hub.commit, failed=self.hub.failed, facts=list)
        self._clock = clock
        self._retention = retention
        self._upkeep = (self._trim, *upkeep)
        self._listeners: dict[int, Listener] = {}
        self._registering: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._flushing: asyncio.TimerHandle | None = None
        self._cursors: asyncio.Future[None] | None = None  # the last movement that was put on the log
        self.broken: str | None = None
        self._on_broken: Callable[[], None] = lambda: None

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock()

    # Life

    async def start(self, on_broken: Callable[[], None]) -> None:
        """Begin to write and to keep house. `on_broken` is called if a background task dies: then the hub must end."""
        self._on_broken = on_broken
        self.watch("journal", self.journal.run())
        self.watch("housekeeping", self._keep_house())
        await self.journal.append(self._told(fold.STARTED, {"version": self.version}, f"hubbub {self.version} started"))

    async def stop(self, reason: str = "shut down") -> None:
        """Tell every session, confirm or refuse what is under way, and let go of the log."""
        self.closing = True
        if self._flushing is not None:
            self._flushing.cancel()
        for number in list(self._listeners):
            session = self.hub.sessions.get(number)
            if session is not None:
                self._close(session, ShuttingDown("The hub is shutting down.", "It is back soon: connect again."))
                self.leave(session, "the hub shut down")
        for draft in self.hub.cursors(self.now(), at_once=True):
            self._put(draft)
        self._put(self._told(fold.STOPPED, {"reason": reason}, f"the hub stopped: {reason}"))
        if self.broken is None:
            await self.journal.drain()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self.log.close()

    def problems(self) -> list[str]:
        """Why this hub is not ready; empty when it is."""
        found = []
        if self.broken is not None:
            found.append(self.broken)
        if self.journal.failing is not None:
            found.append(f"the log cannot be written: {self.journal.failing}")
        if self.closing:
            found.append("shutting down")
        return found

    def watch(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a background task for as long as the hub runs. If it dies, the hub ends."""

        async def run() -> None:
            try:
                await work
            except asyncio.CancelledError:
                raise
            except Exception as why:  # the process ends on it: a hub that only looks alive is worse
                logger.exception("task_died", task=name)
                self.broken = f"{name} died: {type(why).__name__}: {why}"
                self._on_broken()

        self._tasks[name] = asyncio.create_task(run(), name=f"hubbub {name}")

    async def _keep_house(self) -> None:
        while True:
            for draft in self.hub.due(self.now()):
                self._put(draft)
            for job in self._upkeep:
                self.journal.maintain(job)
            await asyncio.sleep(HOUSEKEEPING)

    async def _trim(self) -> bool:
        trimmed = await self.log.trim(self._retention, self.now())
        self.hub.trimmed(trimmed)
        return trimmed.more

    # Coming and going

    async def open(self, hello: frames.Hello, listener: Listener) -> tuple[Session, frames.Welcome]:
        """A session for a hello. Raises what `Hub.join` does, ShuttingDown or StorageFailed."""
        if self.closing:
            raise ShuttingDown("The hub is shutting down.", "It is back soon: connect again.")
        joining = self.hub.join(hello, self.now())
        try:
            if joining.register is not None:
                await self._settle(joining.key, joining.register)
            session, welcome, facts = self.hub.open(joining, self.now(), listener.wake)
        except BaseException:
            self.hub.abandon(joining)
            raise
        self._listeners[session.number] = listener
        for draft in facts:
            self._put(draft)
        return session, welcome

    def leave(self, session: Session, reason: str) -> None:
        """A session is over, whoever ended it."""
        self._listeners.pop(session.number, None)
        for draft in self.hub.leave(session, reason, self.now()):
            self._put(draft)

    def dismiss(self, stays: Callable[[Identity], bool], why: HubbubError) -> None:
        """End the sessions of those who may not stay: their token was rotated, revoked, or has expired."""
        for number, listener in list(self._listeners.items()):
            session = self.hub.sessions.get(number)
            if session is not None and not stays(listener.identity):
                self._close(session, why)

    def _close(self, session: Session, why: HubbubError) -> None:
        if listener := self._listeners.pop(session.number, None):
            listener.finish(why)

    async def register(self, name: str) -> Instance:
        """The instance of that name, made now if there is none. Raises BadName, TooMany or StorageFailed."""
        key = name_key(name)
        while (under_way := self._registering.get(key)) is not None:
            await under_way.wait()
        found = self.hub.registry.find(key)
        if found is None:
            draft = self.hub.register(name, self.now())
            if draft is not None:
                try:
                    await self._settle(key, draft)
                finally:
                    self.hub.release(name)
        return self.hub.instance(name)

    async def _settle(self, key: str | None, draft: Draft) -> None:
        """Commit what claims a name, and let others wait for it who want the same."""
        settled = asyncio.Event()
        if key is not None:
            self._registering[key] = settled
        try:
            await self.journal.append(draft)
        finally:
            settled.set()
            if key is not None and self._registering.get(key) is settled:
                del self._registering[key]

    async def rename(self, instance: Instance, name: str) -> None:
        """Give an instance another name. Raises NameTaken, BadName or StorageFailed."""
        draft = self.hub.rename(instance, name, self.now())
        if draft is not None:
            try:
                await self._settle(name_key(name), draft)
            finally:
                self.hub.release(name)

    async def subscribe(self, instance: Instance, topic: str) -> list[str]:
        """Let an instance hear a topic; returns all that it hears. Raises BadTopic, TooMany or StorageFailed."""
        return await self._resubscribe(instance, self.hub.subscribe(instance, topic, self.now()))

    async def unsubscribe(self, instance: Instance, topic: str) -> list[str]:
        """The opposite."""
        return await self._resubscribe(instance, self.hub.unsubscribe(instance, topic, self.now()))

    async def _resubscribe(self, instance: Instance, draft: Draft | None) -> list[str]:
        if draft is not None:
            await self.journal.append(draft)
        return sorted(instance.subscriptions)

    # Saying

    def say(
        self, sender: Instance, said: frames.Publish, answer: Callable[[frames.Published | HubbubError], None]
    ) -> None:
        """Publish; `answer` is called once it is on disk, or with why it is not. Raises what `Hub.publish` does."""

        def settled(result: Message | HubbubError) -> None:
            if isinstance(result, Message):
                answer(self.hub.published(said, result, self.now()))
            else:
                answer(result)

        self.journal.put(self.hub.publish(sender, said, self.now()), settled)

    async def publish(self, sender: Instance, said: frames.Publish) -> frames.Published:
        """The same, awaited."""
        answered: asyncio.Future[frames.Published] = asyncio.get_running_loop().create_future()

        def settle(result: frames.Published | HubbubError) -> None:
            if answered.done():
                return
            if isinstance(result, HubbubError):
                answered.set_exception(result)
            else:
                answered.set_result(result)

        self.say(sender, said, settle)
        return await answered

    def _put(self, draft: Draft) -> None:
        """Put a fact on the log that nobody waits for."""

        def settled(result: Message | HubbubError) -> None:
            if isinstance(result, StorageFailed):
                logger.warning("fact_not_stored", topic=draft.topic, why=result.message)

        with contextlib.suppress(ShuttingDown):
            self.journal.put(draft, settled)

    def _told(self, topic: str, told: dict[str, Any], line: str) -> Draft:
        return self.hub.fact(topic, told, line, self.now())

    # Reading

    async def next(self, session: Session) -> Run | Gap | None:
        """What comes next for a session, from the window or, where it has fallen behind that, from the log."""
        while True:
            taken = self.hub.take(session, self.now())
            if not isinstance(taken, Behind):
                return taken
            if taken.spans:
                page = await self.log.read(taken.spans, taken.limit, MAX_PAGE_SIZE)
            else:
                page = await self.log.since(taken.after, taken.limit, MAX_PAGE_SIZE)
                page = [message for message in page if message.offset <= taken.upto]
            run = self.hub.take_old(session, taken, page, self.now())
            if run is not None:
                return run

    def received(self, session: Session, offset: int, credit: int | None) -> None:
        """A client has everything up to `offset`."""
        self.hub.received(session, offset, credit)
        self._flush_later()

    def read(self, instance: Instance, offset: int, by: Session | None = None) -> None:
        """An instance has read up to `offset`; its sessions but `by` are told. On disk within a tick."""
        for session in self.hub.read(instance, offset):
            if session is not by and (listener := self._listeners.get(session.number)):
                listener.tell(frames.Read(offset=instance.read))
        self._flush_later()

    async def flush(self) -> None:
        """Have every movement of a cursor so far on disk. Raises StorageFailed."""
        self._flush_now()
        if self._cursors is not None:
            await asyncio.shield(self._cursors)

    def _flush_later(self) -> None:
        if self.hub.moved and self._flushing is None and not self.closing:
            self._flushing = asyncio.get_running_loop().call_later(self.hub.limits.cursor_tick, self._flush_now)

    def _flush_now(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        for draft in self.hub.cursors(self.now(), at_once=True):
            stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            stored.add_done_callback(_look_at)
            self._cursors = stored
            self.journal.put(draft, partial(_settle, stored))


def _settle(stored: asyncio.Future[None], result: Message | HubbubError) -> None:
    if isinstance(result, HubbubError):
        stored.set_exception(result)
    else:
        stored.set_result(None)


def _look_at(stored: asyncio.Future[None]) -> None:
    """Nobody may be waiting; a failure is in the log and in `problems()` all the same."""
    stored.exception()
