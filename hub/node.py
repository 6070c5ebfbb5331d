"""One running hub: the core, the log under it, the journal between them, and a clock.

Connections and HTTP both stand on this. What it adds to the core is waiting: a register that returns when the log has
it, a `next()` that reads from disk for a session that fell behind, and the housekeeping that nobody asks for.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import structlog
import uuid_utils
from msgspec import UNSET, structs

from hub import fold, frames
from hub.errors import HubbubError, InboxFull, ReadOnly, ShuttingDown, StorageFailed, UnknownAttachment
from hub.fold import State
from hub.holds import Ending
from hub.hub import Hub, Limits
from hub.journal import Job, Journal
from hub.log import Log, Retention, Trimmed
from hub.message import Draft, Message
from hub.pages import Pages
from hub.posting import Uploaded, nothing_uploaded
from hub.pulse import Pulse
from hub.registry import Instance
from hub.session import Behind, Gap, Session
from hub.steady import Steady
from hub.tokens import Identity
from hub.topic import name_key
from hub.window import Run

HOUSEKEEPING = 5.0  # seconds between looks at what is due
STALLED = 5.0  # seconds after which a write or a page that does not come is said to hang
FAULT_SHOWN = 60.0  # seconds for which a fault that was got over makes the hub not ready
DISMISSED = 250  # sessions that are asked about in one turn of the event loop
STOP_SECONDS = 5.0  # for the log to take the last drafts, when the hub stops

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
    """See the module. `upkeep` names what the disk wants done behind the head; `uploaded` knows the files
    that messages may carry; `clock` gives seconds since 1970.

    `past`, `live`, `unsure` and `undated` are for `inquiry.Scene`: this is the present, and all of it is known."""

    past = False
    live = True
    unsure: frozenset[int] = frozenset()
    undated: frozenset[int] = frozenset()
    attended = True

    def __init__(
        self,
        log: Log,
        state: State,
        tail: list[Message],
        *,
        limits: Limits,
        retention: Retention,
        version: str,
        upkeep: Mapping[str, Job] | None = None,
        uploaded: Uploaded = nothing_uploaded,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
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
            uploaded=uploaded,
        )
        self.pulse = Pulse()
        self._people = self.hub.registry.people()
        self.journal = Journal(log, commit=self._commit, failed=self.hub.failed, facts=list)
        self._clock = clock
        self._monotonic = monotonic
        self._steady = Steady(tail[-1].at if tail else None, clock(), monotonic())
        self.retention = retention
        self._upkeep: dict[str, Job] = {"retention": self._trim, **(upkeep or {})}
        self._pages = Pages(log)
        self._trimming = asyncio.Lock()
        self._listeners: dict[int, Listener] = {}
        self._registering: dict[str, asyncio.Event] = {}
        self._saying: dict[tuple[int, str | None], asyncio.Future[None] | None] = {}  # under way; who waits for it
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._reading: dict[int, float] = {}  # session -> since when it waits for a page of the log, oldest first
        self._flushing: asyncio.TimerHandle | None = None
        self._cursors: asyncio.Future[None] | None = None  # the last movement that was put on the log
        self.broken: str | None = None
        self.concerns: list[Callable[[], str | None]] = []  # what else may be wrong, asked each time
        self.replay: str | None = None  # the file that is shown, where this is no hub that runs
        self._faults: dict[str, tuple[float, str]] = {}  # what was got over: where -> when, and what
        self._on_broken: Callable[[], None] = lambda: None

    def _commit(self, messages: Sequence[Message]) -> None:
        before = self.hub.counters.published
        self.hub.commit(messages)
        self.pulse.stored(self.hub.counters.published - before, self.now())
        if (people := self.hub.registry.people()) != self._people:
            self._people = people
            for listener in self._listeners.values():
                listener.tell(frames.People(names=people))

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock()

    def steady(self) -> float:
        """The same, for what cannot be undone: see `hub.steady`."""
        return self._steady.at(self._clock(), self._monotonic())

    # Life

    async def start(self, on_broken: Callable[[], None]) -> None:
        """Begin to write and to keep house. `on_broken` is called if a background task dies: then the hub must end."""
        self._on_broken = on_broken
        self.watch("journal", self.journal.run())
        self.watch("housekeeping", self._keep_house())
        started = {"version": self.version}
        line = f"hubbub {self.version} started"
        await self.journal.append(self.hub.fact(fold.STARTED, started, line, self.started_at))

    async def stop(self, reason: str = "shut down") -> None:
        """Confirm or refuse what is under way, tell every session, and write the last facts; the log stays open.

        From the call on nothing more is accepted. It takes STOP_SECONDS at most, and one write if that hangs.
        """
        self.closing = True
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self.journal.settled()  # so that each answer goes out before its connection is closed
                self._say_goodbye(reason)
                await self.journal.drain()
        for session in list(self.hub.sessions.values()):
            self._close(session, shutting_down())
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _say_goodbye(self, reason: str) -> None:
        for session in list(self.hub.sessions.values()):
            self._close(session, shutting_down())
            self.leave(session, "the hub shut down")
        for draft in self.hub.cursors(self.now(), at_once=True):
            self._put(draft)
        stopped = self.hub.fact(fold.STOPPED, {"reason": reason}, f"the hub stopped: {reason}", self.now())
        self._put(stopped)

    def problems(self) -> list[str]:
        """Why this hub is not ready; empty when it is."""
        found = []
        if self.broken is not None:
            found.append(self.broken)
        if self.journal.failing is not None:
            found.append(f"the log cannot be written: {self.journal.failing}")
        if (seconds := self.journal.stalled) > STALLED:
            found.append(f"the log has not answered for {seconds:.0f} s: the disk hangs")
        if (seconds := self._waited()) > STALLED:
            found.append(f"a reader has waited {seconds:.0f} s for the log: the disk hangs")
        found += [f"{job} failed, and is tried again: {why}" for job, why in self.journal.troubles.items()]
        found += [
            f"{where} failed a moment ago, and the hub went on: {why}"
            for where, (at, why) in self._faults.items()
            if abs(self.now() - at) < FAULT_SHOWN
        ]
        found += filter(None, (concern() for concern in self.concerns))
        if self.closing:
            found.append("shutting down")
        return found

    def tasks(self) -> dict[str, bool]:
        """The background tasks that run for as long as the hub does, and whether each still does."""
        return {name: not task.done() for name, task in self._tasks.items()}

    def upkeep(self) -> dict[str, str | None]:
        """What is done behind the head again and again, and why it failed where it did the last time."""
        return {name: self.journal.troubles.get(name) for name in self._upkeep}

    def fault(self, where: str, why: BaseException) -> None:
        """Something failed that the hub gets over: it is logged, and told as a problem for a minute."""
        logger.error("fault", where=where, exc_info=why)
        self._faults[where] = (self.now(), f"{type(why).__name__}: {why}")

    def watch(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a background task for as long as the hub runs. If it ends before, however, the hub does."""

        async def run() -> None:
            try:
                await work
                self._break(name, "it ended")
            except asyncio.CancelledError:
                self._break(name, "it was cancelled")
                raise
            except Exception as why:
                self._break(name, f"{type(why).__name__}: {why}", why)

        self._tasks[name] = asyncio.create_task(run(), name=f"hubbub {name}")

    def _break(self, name: str, what: str, why: BaseException | None = None) -> None:
        """End the hub, unless it is ending: one that only looks alive is worse than none."""
        if self.closing and why is None:
            return
        logger.error("task_died", task=name, what=what, exc_info=why)
        self.broken = self.broken or f"{name} died: {what}"
        self._on_broken()

    async def _keep_house(self) -> None:
        while True:
            for draft in self.hub.due(self.steady()):
                self._put(draft)
            for name, job in self._upkeep.items():
                self.journal.maintain(name, job)
            self._flush_later()  # what a log that failed has not taken
            self._pages.forget()
            await asyncio.sleep(HOUSEKEEPING)

    async def _trim(self) -> bool:
        return (await self._trim_slice(self.retention, self.steady())).more

    async def _trim_slice(self, retention: Retention, now: float) -> Trimmed:
        async with self._trimming:
            trimmed = await self.log.trim(retention, now)
            self.hub.trimmed(trimmed)
            self._pages.forget()
        return trimmed

    async def trim(self, retention: Retention) -> tuple[int, int]:
        """Remove at once what `retention` lets go; returns how many messages and bytes. Raises StorageFailed.

        It goes in slices between the journal's batches, as it does by itself: nobody who publishes waits for all of it.
        """
        removed = [0, 0]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def job() -> bool:
            try:
                trimmed = await self._trim_slice(retention, self.now())
            except BaseException as why:
                if not done.done():
                    done.set_exception(why if isinstance(why, HubbubError) else shutting_down())
                raise
            removed[0] += sum(messages for _, messages, _, _ in trimmed.topics)
            removed[1] += sum(size for _, _, size, _ in trimmed.topics)
            if not trimmed.more and not done.done():
                done.set_result(None)
            return trimmed.more

        self.accept()
        self.journal.maintain("a trim by hand", job)
        while not done.done():
            await asyncio.wait({done}, timeout=1.0)
            self.accept()  # a journal that has ended takes no more turns
        done.result()
        return removed[0], removed[1]

    # Coming and going

    async def open(self, hello: frames.Hello, listener: Listener) -> tuple[Session, frames.Welcome]:
        """A session for a hello. Raises what `Hub.join` does, ShuttingDown or StorageFailed."""
        if self.replay is None or hello.name is not None:
            self.accept()
        if hello.name is not None:
            await self._others_settled(name_key(hello.name))
        joining = self.hub.join(hello, self.now())
        if joining.register is not None:
            await self._settle(joining.key, joining.register)
        session, welcome, facts = self.hub.open(joining, self.now(), listener.wake)
        self._listeners[session.number] = listener
        for draft in facts:
            self._put(draft)
        return session, welcome

    def leave(self, session: Session, reason: str) -> None:
        """A session is over, whoever ended it."""
        self._listeners.pop(session.number, None)
        for draft in self.hub.leave(session, reason, self.now()):
            self._put(draft)

    async def dismiss(self, stays: Callable[[Identity], bool], why: HubbubError) -> None:
        """End the sessions of those who may not stay: their token was rotated, revoked, or has expired.

        Others have their turn now and then: to ask for ten thousand sessions takes a while.
        """
        for place, (number, listener) in enumerate(list(self._listeners.items()), 1):
            if place % DISMISSED == 0:
                await asyncio.sleep(0)
            session = self.hub.sessions.get(number)
            if session is not None and not stays(listener.identity):
                self._close(session, why)

    def _close(self, session: Session, why: HubbubError) -> None:
        if listener := self._listeners.pop(session.number, None):
            listener.finish(why)

    async def register(self, name: str, at: float | None = None, *, human: bool | None = None) -> Instance:
        """The instance of that name, made now if there is none. Raises BadName, TooMany or StorageFailed.

        `at` is when a new one is said to have been seen, if not now; `human` is as in `Hub.register`.
        """
        key = name_key(name)
        await self._others_settled(key)
        if self.hub.registry.find(key) is None or human is not None:
            self.accept()
            draft = self.hub.register(name, self.now() if at is None else at, human=human)
            if draft is not None:
                await self._settle(key, draft)
        return self.hub.instance(name)

    async def _others_settled(self, key: str) -> None:
        """Return when nobody else is about to hold the name: whether it is taken is known then."""
        while (under_way := self._registering.get(key)) is not None:
            await under_way.wait()

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

    async def rename(self, instance: Instance, name: str, forwards_until: float | None = None) -> None:
        """Give an instance another name; see `Hub.rename`. Raises NameTaken, BadName or StorageFailed."""
        self.accept()
        draft = self.hub.rename(instance, name, self.now(), forwards_until)
        if draft is not None:
            await self._settle(name_key(name), draft)

    async def forget(self, instance: Instance, *, unread: int) -> None:
        """Have an instance that nobody uses be no more; see `Hub.forget`. Raises NameTaken or StorageFailed."""
        self.accept()
        await self.journal.append(self.hub.forget(instance, self.now(), unread=unread))

    async def subscribe(self, instance: Instance, topic: str) -> list[str]:
        """Let an instance hear a topic; returns all that it hears. Raises BadTopic, TooMany or StorageFailed."""
        return await self._resubscribe(instance, self.hub.subscribe(instance, topic, self.now()))

    async def unsubscribe(self, instance: Instance, topic: str) -> list[str]:
        """The opposite."""
        return await self._resubscribe(instance, self.hub.unsubscribe(instance, topic, self.now()))

    async def _resubscribe(self, instance: Instance, draft: Draft | None) -> list[str]:
        if draft is not None:
            self.accept()
            await self.journal.append(draft)
        return sorted(instance.subscriptions)

    async def tell(self, instance: Instance, said: frames.Presence, by: Session | None = None) -> None:
        """Let everybody know what an agent is doing and how it is reached. Raises StorageFailed."""
        draft = self.hub.tell(instance, said, self.now(), by)
        if draft is not None:
            self.accept()
            await self.journal.append(draft)

    # Saying

    def say(
        self, sender: Instance, said: frames.Publish, answer: Callable[[frames.Published | HubbubError], None]
    ) -> None:
        """Publish; `answer` is called once it is on disk, or with why it is not. Raises what `Hub.publish` does."""
        self.accept()
        draft = self.hub.publish(sender, said, self._clock())
        if said.id is not None:
            self._saying.setdefault((sender.origin, said.id), None)
        self.journal.put(draft, partial(self._said, sender.origin, said, answer))

    def _said(
        self,
        origin: int,
        said: frames.Publish,
        answer: Callable[[frames.Published | HubbubError], None],
        result: Message | HubbubError,
    ) -> None:
        if said.id is not None and (waited_for := self._saying.pop((origin, said.id), None)) is not None:
            waited_for.set_result(None)
        answer(self.hub.published(said, result) if isinstance(result, Message) else result)

    def threaded(self, said: frames.Publish) -> frames.Publish | None:
        """A reply that names no thread belongs to that of what it answers; None where the log has to be asked."""
        if said.reply_to is None or said.thread is not None:
            return said
        thread = self.hub.threads.of(said.reply_to)
        if thread is UNSET:
            return None
        return said if thread is None else structs.replace(said, thread=thread)

    async def look_up_thread(self, said: frames.Publish) -> frames.Publish:
        """The same, by asking the log. Raises StorageFailed."""
        found = await self.log.find(said.reply_to) if said.reply_to is not None else []
        return structs.replace(said, thread=found[0].thread) if found and found[0].thread is not None else said

    async def publish(self, sender: Instance, said: frames.Publish) -> frames.Published:
        """The same, awaited; a reply is given its thread."""
        said = self.threaded(said) or await self.look_up_thread(said)
        answered: asyncio.Future[frames.Published] = asyncio.get_running_loop().create_future()

        def settle(result: frames.Published | HubbubError) -> None:
            if answered.done():
                return
            if isinstance(result, HubbubError):
                answered.set_exception(result)
            else:
                answered.set_result(result)

        try:
            self.say(sender, said, settle)
        except (InboxFull, UnknownAttachment):
            if (earlier := await self.earlier(sender, said)) is None:
                raise
            return earlier
        return await answered

    # What a person decides

    async def release(self, offset: int, by: str | None, body: str | None = None) -> Message:
        """Let a held message go, as if it were sent now; with `body` that stands in it. See `Holds.release`."""
        self.accept()
        message, _ = await self._append(*self.hub.holds.release(offset, by, self.now(), body))
        return message

    async def drop(self, offset: int, by: str | None) -> None:
        """Let a held message never be sent. Raises UnknownMessage or StorageFailed."""
        self.accept()
        await self.journal.append(self.hub.holds.drop(offset, by, self.now()))

    async def hold(self, to: str, by: str | None, reason: str | None) -> None:
        """Hold all that is sent to an instance, a `#topic` or `all`; see `Hub.hold`. Raises StorageFailed."""
        self.accept()
        await self.journal.append(self.hub.hold(to, by, reason, self.now()))

    async def unhold(self, to: str, by: str | None, *, drop: bool) -> Ending:
        """End that; see `Hub.unhold`. Raises what kept a message from being sent, after those before it were."""
        self.accept()
        return await self._end(self.hub.unhold(to, by, self.now(), drop=drop))

    async def pause(self, instance: Instance, by: str | None, reason: str | None) -> None:
        """Hold all that an agent sends; see `Hub.pause`. Raises StorageFailed."""
        self.accept()
        await self.journal.append(self.hub.pause(instance, by, reason, self.now()))

    async def resume(self, instance: Instance, by: str | None, *, drop: bool) -> Ending:
        """End that, as `unhold` does."""
        self.accept()
        return await self._end(self.hub.resume(instance, by, self.now(), drop=drop))

    async def purge(self, instance: Instance, by: str | None, *, messages: int) -> int:
        """Have an instance's cursor pass over all that is unread; returns how far it has read then."""
        self.accept()
        draft = self.hub.purge(instance, by, self.now(), messages=messages)
        await self.journal.append(draft)
        for session in self.hub.sessions_of(instance):
            if listener := self._listeners.get(session.number):
                listener.tell(frames.Read(offset=instance.read))
        return instance.read

    async def _end(self, ending: Ending) -> Ending:
        await self._append(*ending.drafts)
        if ending.why is not None:
            raise ending.why
        return ending

    async def _append(self, *drafts: Draft) -> list[Message]:
        """Hand them in before anybody else has a turn, so that nothing comes between them."""
        return await asyncio.gather(*[self.journal.hand_in(draft) for draft in drafts])

    async def earlier(self, sender: Instance, said: frames.Publish) -> frames.Published | None:
        """What was answered when this sender first said it under this id, if it did: a retry is not refused."""
        key = (sender.origin, said.id)
        if key in self._saying:  # on its way to the log: there it will be, or not
            waited_for = self._saying[key] or asyncio.get_running_loop().create_future()
            self._saying[key] = waited_for
            await asyncio.shield(waited_for)
        for message in await self.log.find(said.id) if said.id is not None else ():
            if message.origin == sender.origin:
                return self.hub.published(said, message)
        return None

    def accept(self) -> None:
        """Raise ShuttingDown once the hub is on its way out: what comes now would not be answered.

        Of a replay nothing can be changed: raises ReadOnly.
        """
        if self.replay is not None:
            raise read_only(self.replay)
        if self.closing:
            raise shutting_down()

    def _put(self, draft: Draft) -> None:
        """Put a fact on the log that nobody waits for."""

        def settled(result: Message | HubbubError) -> None:
            if isinstance(result, StorageFailed):
                logger.warning("fact_not_stored", topic=draft.topic, why=result.message)

        with contextlib.suppress(ShuttingDown):
            self.journal.put(draft, settled)

    # Reading

    def _waited(self) -> float:
        """Seconds for which a session has waited for a page of the log; 0 if none does."""
        since = next(iter(self._reading.values()), None)
        return 0.0 if since is None else self._monotonic() - since

    async def fetch(self, session: Session, behind: Behind) -> Run | Gap | None:
        """What comes next for a session that has fallen behind the window, as `Hub.take` said; None: take again."""
        self._reading[session.number] = self._monotonic()
        try:
            page = await self._pages.read(behind)
        finally:
            del self._reading[session.number]
        async with self._trimming:
            pass  # what a slice of trimming took from under the page is known to the hub before it is counted
        return self.hub.take_old(session, behind, page, self.now())

    async def next(self, session: Session) -> Run | Gap | None:
        """What comes next for a session, wherever it is."""
        while True:
            taken = self.hub.take(session, self.now())
            if not isinstance(taken, Behind):
                self._flush_later()
                return taken
            run = await self.fetch(session, taken)
            if run is not None:
                self._flush_later()
                return run

    def received(self, session: Session, offset: int, credit: int | None) -> None:
        """A client has everything up to `offset`."""
        outstanding = session.outstanding
        if outstanding.count and not session.observer and (oldest := outstanding.oldest) <= offset:
            self._time(session, oldest)
        self.hub.received(session, offset, credit)
        if self._flushing is None:
            self._flush_later()

    def _time(self, session: Session, offset: int) -> None:
        """Note how long a message took; what was said before the session began waited for that."""
        message = self.hub.window.find(offset)
        if message is not None and message.at >= session.joined_at:
            now = self.now()
            self.pulse.received(now - message.at, now)

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

    def pushed(self) -> None:
        """A session was given something, which moves a cursor: that is told within a tick."""
        if self._flushing is None:
            self._flush_later()

    def _flush_later(self) -> None:
        if self._flushing is None and self.hub.moved and not self.closing:
            wait = self.hub.cursors_wait(self.now())
            self._flushing = asyncio.get_running_loop().call_later(wait, self._flush_by_clock)

    def _flush_by_clock(self) -> None:
        try:
            self._flush_now()
        except Exception as why:  # nobody stands above a timer
            self._break("the writing of cursors", f"{type(why).__name__}: {why}", why)

    def _flush_now(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        for draft in self.hub.cursors(self.now(), at_once=True):
            stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            stored.add_done_callback(_look_at)
            self._cursors = stored
            self.journal.put(draft, partial(_settle, stored))


def read_only(file: str) -> ReadOnly:
    """What everybody is told who would change a replay."""
    return ReadOnly(
        f"This is a replay of {file}: nothing can be changed in it.", "hubbub open shows the hub that runs."
    )


def shutting_down() -> ShuttingDown:
    """What everybody is told of a hub that ends."""
    return ShuttingDown("The hub is shutting down.", "It is back in a moment: connect again after a second or two.")


def _settle(stored: asyncio.Future[None], result: Message | HubbubError) -> None:
    if isinstance(result, HubbubError):
        stored.set_exception(result)
    else:
        stored.set_result(None)


def _look_at(stored: asyncio.Future[None]) -> None:
    """Nobody may be waiting; a failure is in the log and in `problems()` all the same."""
    stored.exception()
