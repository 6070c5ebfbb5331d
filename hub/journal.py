"""The journal: the one task that writes the log.

While a batch of drafts is being written the next ones gather; then they are a batch: that is the group commit, and
nothing waits on purpose. For each batch, in this order: `append` makes it durable, `commit` tells the hub what is new,
and each draft's answer is called. So nothing is seen or confirmed that is not on disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import structlog

from hub.errors import HubbubError, ShuttingDown, StorageFailed
from hub.log import Log
from hub.message import Draft, Message

logger = structlog.get_logger("hubbub.journal")

Answer: TypeAlias = Callable[[Message | HubbubError], None]
Job: TypeAlias = Callable[[], Awaitable[bool]]

SLICE_EVERY = 16  # batches without a pause after which maintenance has a turn all the same
TRY_AGAIN = 1.0  # seconds between two looks at a log that failed, where no draft comes to find out


class Journal:
    """Takes drafts from everybody and writes them in batches.

    `commit` is called with the new messages of a batch in the log's order, each once. `failed` is called with the
    drafts that became no new message: of a batch that could not be stored, refused at the end, or retried drafts that
    the log already held. Every draft comes back through one of the two, and then through its answer, if it has one.
    `facts` is asked before each batch for what the hub itself has to tell by then.

    `max_waiting` drafts or `max_bytes` of them make the journal `full`: a caller that heeds it stops reading its
    socket until `room()`; nothing is refused for it. `max_batch` and `max_batch_bytes` bound one transaction.
    """

    def __init__(
        self,
        log: Log,
        *,
        commit: Callable[[list[Message]], None],
        failed: Callable[[list[Draft]], None],
        facts: Callable[[], list[Draft]],
        max_waiting: int = 4096,
        max_bytes: int = 64 * 2**20,
        max_batch: int = 1024,
        max_batch_bytes: int = 8 * 2**20,
    ) -> None:
        self._log = log
        self._commit = commit
        self._failed = failed
        self._facts = facts
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._max_batch = max_batch
        self._max_batch_bytes = max_batch_bytes
        self._waiting: deque[tuple[Draft, Answer]] = deque()
        self._bytes = 0
        self._head: int | None = None
        self._jobs: deque[tuple[str, Job]] = deque()
        self._batches = 0  # since maintenance last had a turn
        self._nudged = False
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._running = False
        self._storing = False  # a batch is under way
        self._stopping = False  # no more is begun after it
        self._ended = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._writing_since: float | None = None
        self.draining = False
        self.failing: str | None = None  # why the last write failed
        self.troubles: dict[str, str] = {}  # job -> why its last slice failed

    # For everybody

    def put(self, draft: Draft, answer: Answer) -> None:
        """Hand in a draft. `answer` is called once, with its Message when that is durable, or with what went wrong.

        It is called from the journal's task, or at once with ShuttingDown after `drain()`. It must not raise.
        """
        if self.draining or self._ended.is_set():
            self._failed([draft])
            answer(_shutting_down())
            return
        self._waiting.append((draft, answer))
        self._settled.clear()
        self._bytes += draft.size
        if self.full:
            self._room.clear()
        self._wake.set()

    async def append(self, draft: Draft) -> Message:
        """Hand in a draft and wait until it is durable. Raises StorageFailed or ShuttingDown.

        To be cancelled here takes nothing back: the draft is written all the same.
        """
        return await self.hand_in(draft)

    def hand_in(self, draft: Draft) -> asyncio.Future[Message]:
        """The same, at once: what is handed in one after the other is stored so, and nothing comes between."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def answer(outcome: Message | HubbubError) -> None:
            if future.done():
                return
            if isinstance(outcome, HubbubError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.put(draft, answer)
        return future

    @property
    def waiting(self) -> int:
        """How many drafts wait for the next batch."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether so much waits that whoever hands in drafts should pause."""
        return len(self._waiting) >= self._max_waiting or self._bytes >= self._max_bytes

    async def room(self) -> None:
        """Return when the journal is not full."""
        await self._room.wait()

    def nudge(self) -> None:
        """Ask `facts` soon, also if no draft comes."""
        self._nudged = True
        self._wake.set()

    @property
    def stalled(self) -> float:
        """Seconds that the write or the slice of maintenance under way has taken; 0 if none is."""
        since = self._writing_since
        return 0.0 if since is None else asyncio.get_running_loop().time() - since

    async def settled(self) -> None:
        """Return when everything put so far is confirmed or refused: at once if nothing waits."""
        await self._settled.wait()

    def maintain(self, name: str, job: Job) -> None:
        """Run `job` in slices between batches until it returns False. A job that is at it already is not added again.

        Drafts that wait are delayed by one slice at most. A slice that raises ends the job for this time, whatever it
        raises; why stands in `troubles` under its name until a later slice is good.
        """
        if (name, job) not in self._jobs:
            self._jobs.append((name, job))
            self._wake.set()

    async def drain(self) -> None:
        """Return when everything put so far is confirmed or refused, and so are the last facts; `run()` ends with that.

        From the call on `draining` is true, and what is put is refused with ShuttingDown.
        """
        self.draining = True
        self._wake.set()
        if self._running:
            await self._ended.wait()
        else:
            self._refuse_waiting()

    # The task

    async def run(self) -> None:
        """Write what comes, until `drain()` or cancellation; no draft is left without an answer.

        What `commit`, `failed`, `facts` or an answer raises is a fault of the program: it is noted in `failing` and
        raised from here, after everything that waits was refused.
        """
        self._running = True
        work = asyncio.create_task(self._work(), name="hubbub journal, writing")
        try:
            await self._outlive(work)
        except asyncio.CancelledError:
            raise
        except BaseException as why:
            self.failing = f"The journal ended: {type(why).__name__}: {why}"
            raise
        finally:
            self._running = False
            self._jobs.clear()
            try:
                self._refuse_waiting()
            finally:
                self._room.set()
                self._settled.set()
                self._ended.set()

    async def _outlive(self, work: asyncio.Task[None]) -> None:
        """Wait for the work. A cancellation stops it, but not within a batch: its drafts are owed an answer."""
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError:
                self._stopping = True
                if not self._storing:
                    work.cancel()
        if work.cancelled() or (self._stopping and work.exception() is None):
            raise asyncio.CancelledError
        work.result()

    async def _work(self) -> None:
        while not self._stopping and await self._turn():
            pass

    async def _turn(self) -> bool:
        """Write one batch, or do one slice of maintenance, or wait; returns whether there is a next turn."""
        if self.draining:
            stored = await self._batch()
            return stored or bool(self._waiting)
        idle = not (self._waiting or self._nudged)
        if self._jobs and (idle or self._batches >= SLICE_EVERY):
            self._batches = 0
            await self._slice()
        elif idle:
            self._wake.clear()
            await self._rest()
        else:
            self._batches += 1
            await self._batch()
            if not self._waiting:
                self._settled.set()
        return True

    async def _rest(self) -> None:
        """Wait for something to do; a log that failed is tried meanwhile, so that it is known when it is well again."""
        if not self.failing:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout(TRY_AGAIN):
                await self._wake.wait()
        except TimeoutError:
            self._writing_since = asyncio.get_running_loop().time()
            try:
                await self._log.probe()
            except HubbubError as why:
                self.failing = str(why)
            else:
                self.failing = None
            finally:
                self._writing_since = None

    async def _batch(self) -> bool:
        """Write what waits and what the hub has to tell; returns whether there was something, and it is stored."""
        self._nudged = False
        taken = self._take()
        drafts = [draft for draft, _ in taken]
        try:
            drafts += self._facts()
        except BaseException:
            self._refuse(taken)
            raise
        if not drafts:
            return False
        self._storing = True
        self._writing_since = asyncio.get_running_loop().time()
        try:
            if self._head is None:
                newest = await self._log.tail(1, 2**62)
                self._head = newest[0].offset if newest else 0
            messages = await self._log.append(drafts)
        except asyncio.CancelledError:  # the whole loop is being torn down
            self._refuse(taken, _unknown(), drafts)
            raise
        except HubbubError as why:
            self.failing = str(why)
            self._refuse(taken, why, drafts)
            return False
        except BaseException:
            self._refuse(taken, StorageFailed("The hub met a fault of its own; nothing was stored."), drafts)
            raise
        finally:
            self._storing = False
            self._writing_since = None
        self._settle(taken, drafts, messages)
        return True

    def _settle(self, taken: list[tuple[Draft, Answer]], drafts: list[Draft], messages: list[Message]) -> None:
        """Tell the hub and each sender that a batch is stored."""
        head = self._head
        assert head is not None
        fresh: list[Message] = []
        stale: list[Draft] = []
        for draft, message in zip(drafts, messages, strict=True):
            if message.offset > head:
                head = message.offset
                fresh.append(message)
            else:
                stale.append(draft)
        self._head = head
        self.failing = None
        try:
            if stale:
                self._failed(stale)
            if fresh:
                self._commit(fresh)
        except BaseException:
            self._answer([(answer, _unknown()) for _, answer in taken])
            raise
        self._answer([(answer, message) for (_, answer), message in zip(taken, messages, strict=False)])

    def _take(self) -> list[tuple[Draft, Answer]]:
        """The next drafts in the order in which they came, one at least if there is one."""
        taken: list[tuple[Draft, Answer]] = []
        size = 0
        while self._waiting and len(taken) < self._max_batch:
            following = self._waiting[0][0].size
            if taken and size + following > self._max_batch_bytes:
                break
            size += following
            taken.append(self._waiting.popleft())
        self._bytes -= size
        if not self.full:
            self._room.set()
        return taken

    async def _slice(self) -> None:
        name, job = self._jobs.popleft()
        self._writing_since = asyncio.get_running_loop().time()
        try:
            more = await job()
        except HubbubError as why:
            self.troubles[name] = str(why)
            return
        except Exception as why:
            # Whoever publishes needs none of this; what it neglects is told, and tried again the next time.
            if name not in self.troubles:
                logger.exception("upkeep_failed", job=name)
            self.troubles[name] = f"{type(why).__name__}: {why}"
            return
        finally:
            self._writing_since = None
        self.troubles.pop(name, None)
        if more and (name, job) not in self._jobs:
            self._jobs.append((name, job))
        await asyncio.sleep(0)  # a job that never waits must not keep everybody else from running

    def _refuse_waiting(self) -> None:
        waiting, self._waiting = list(self._waiting), deque()
        self._bytes = 0
        self._refuse(waiting)

    def _refuse(
        self, taken: list[tuple[Draft, Answer]], why: HubbubError | None = None, drafts: list[Draft] | None = None
    ) -> None:
        """Answer drafts that were not stored; `drafts` has them and the facts that were with them."""
        lost = [draft for draft, _ in taken] if drafts is None else drafts
        try:
            if lost:
                self._failed(lost)
        finally:
            self._answer([(answer, why or _shutting_down()) for _, answer in taken])

    def _answer(self, outcomes: list[tuple[Answer, Message | HubbubError]]) -> None:
        """Call every answer, also if one raises; then raise what the first of them raised."""
        fault: BaseException | None = None
        for answer, outcome in outcomes:
            try:
                answer(outcome)
            except BaseException as why:
                fault = fault or why
        if fault is not None:
            raise fault


def _shutting_down() -> ShuttingDown:
    return ShuttingDown("The hub is shutting down; the message was not stored.", "Send it again when the hub is back.")


def _unknown() -> ShuttingDown:
    return ShuttingDown(
        "The hub was stopped while the message was being stored: it may be there or not.",
        "Send it again under the same id: then it is there once.",
    )
