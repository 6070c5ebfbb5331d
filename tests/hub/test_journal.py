"""The journal: one batch after the other, nothing answered before it is durable, nobody left without an answer."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence

import pytest

from hub.errors import HubbubError, ShuttingDown, StorageFailed
from hub.journal import SLICE_EVERY, Journal
from hub.message import Draft, Message
from tests.hub.memory_log import MemoryLog, draft


class GatedLog(MemoryLog):
    """Each append waits until the test lets it go on. `batches` are the ids of each that was begun."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self.begun = asyncio.Semaphore(0)
        self.gate = asyncio.Semaphore(0)
        self.fault: BaseException | None = None

    async def append(self, drafts: Sequence[Draft]) -> list[Message]:
        self.batches.append([each.id for each in drafts])
        self.begun.release()
        await self.gate.acquire()
        if self.fault is not None:
            raise self.fault
        return await super().append(drafts)

    def open(self) -> None:
        for _ in range(1000):
            self.gate.release()


class Desk:
    """A journal with everything it calls written down in one list, in order."""

    def __init__(self, log: MemoryLog, **limits: int) -> None:
        self.log = log
        self.said: list[tuple[str, object]] = []
        self.facts: list[Draft] = []
        self.fault: Exception | None = None
        self.journal = Journal(log, commit=self.commit, failed=self.failed, facts=self.take_facts, **limits)
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.task = asyncio.create_task(self.journal.run())
        await asyncio.sleep(0)  # until it runs

    def commit(self, messages: list[Message]) -> None:
        self.said.append(("commit", [each.offset for each in messages]))
        if self.fault is not None:
            raise self.fault

    def failed(self, drafts: list[Draft]) -> None:
        self.said.append(("failed", [each.id for each in drafts]))

    def take_facts(self) -> list[Draft]:
        facts, self.facts = self.facts, []
        return facts

    def put(self, number: int, **parts: object) -> None:
        said = draft(number, **parts)
        self.journal.put(said, lambda outcome: self.said.append((said.id, outcome_of(outcome))))

    @property
    def answers(self) -> list[tuple[str, object]]:
        return [each for each in self.said if each[0].startswith("id-")]


def outcome_of(outcome: Message | HubbubError) -> object:
    return outcome.offset if isinstance(outcome, Message) else type(outcome)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk(MemoryLog())
    await desk.start()
    yield desk
    await stop(desk)


@pytest.fixture
async def gated() -> AsyncIterator[Desk]:
    desk = Desk(GatedLog())
    await desk.start()
    yield desk
    await stop(desk)


async def stop(desk: Desk) -> None:
    assert desk.task is not None
    desk.task.cancel()
    if isinstance(desk.log, GatedLog):
        desk.log.open()
    await asyncio.wait([desk.task], timeout=10)
    assert desk.task.done()
    if not desk.task.cancelled():
        desk.task.exception()


async def begun(desk: Desk) -> GatedLog:
    """Return when the next append has begun."""
    assert isinstance(desk.log, GatedLog)
    async with asyncio.timeout(10):
        await desk.log.begun.acquire()
    return desk.log


async def test_an_appended_draft_comes_back_as_its_message(desk: Desk) -> None:
    async with asyncio.timeout(10):
        message = await desk.journal.append(draft(1))
    assert message == Message.of(draft(1), 1)
    assert desk.log.messages == [message]


async def test_the_hub_hears_of_messages_before_their_senders_do_and_all_in_order(desk: Desk) -> None:
    for number in range(3):
        desk.put(number)
    async with asyncio.timeout(10):
        await desk.journal.drain()
    assert desk.said == [("commit", [1, 2, 3]), ("id-0", 1), ("id-1", 2), ("id-2", 3)]


async def test_drafts_gather_while_a_batch_is_written(gated: Desk) -> None:
    gated.put(0)
    log = await begun(gated)
    for number in range(1, 5):
        gated.put(number)
    log.open()
    async with asyncio.timeout(10):
        await gated.journal.drain()
    assert log.batches == [["id-0"], ["id-1", "id-2", "id-3", "id-4"]]


async def test_nothing_is_told_before_it_is_durable(gated: Desk) -> None:
    gated.put(1)
    log = await begun(gated)
    for _ in range(20):
        await asyncio.sleep(0)
    assert gated.said == []
    log.open()
    async with asyncio.timeout(10):
        await gated.journal.drain()
    assert gated.said == [("commit", [1]), ("id-1", 1)]


async def test_a_batch_is_bounded_by_count_and_by_bytes() -> None:
    log = GatedLog()
    log.open()
    desk = Desk(log, max_batch=3, max_batch_bytes=250)
    for number, size in enumerate([10, 10, 10, 10, 200, 100, 900, 10]):
        desk.put(number, size=size)
    await desk.start()
    async with asyncio.timeout(10):
        await desk.journal.drain()
    assert [len(batch) for batch in log.batches] == [3, 2, 1, 1, 1]
    assert [outcome for _, outcome in desk.answers] == list(range(1, 9))


async def test_a_retried_draft_is_answered_but_not_committed_again(desk: Desk) -> None:
    async with asyncio.timeout(10):
        await desk.journal.append(draft(1, retry=True))
        desk.said.clear()
        desk.put(2)
        desk.put(1, retry=True)
        desk.put(3, retry=True)
        desk.put(3, retry=True)
        await desk.journal.drain()
    assert desk.said == [
        ("failed", ["id-1", "id-3"]),
        ("commit", [2, 3]),
        ("id-2", 2),
        ("id-1", 1),
        ("id-3", 3),
        ("id-3", 3),
    ]


async def test_what_the_log_held_before_the_start_is_not_new() -> None:
    log = MemoryLog()
    await log.append([draft(1, retry=True), draft(2)])
    desk = Desk(log)
    await desk.start()
    desk.put(1, retry=True)
    async with asyncio.timeout(10):
        await desk.journal.drain()
    assert desk.said == [("failed", ["id-1"]), ("id-1", 1)]


async def test_a_failed_batch_is_told_to_each_and_the_next_one_is_tried(desk: Desk) -> None:
    desk.log.fail = StorageFailed("The disk is full.", "Free some.")
    desk.facts = [draft(9)]
    with pytest.raises(StorageFailed, match="full"):
        async with asyncio.timeout(10):
            await desk.journal.append(draft(1))
    assert desk.said == [("failed", ["id-1", "id-9"])]
    assert desk.journal.failing == "The disk is full. Free some."
    desk.log.fail = None
    async with asyncio.timeout(10):
        assert (await desk.journal.append(draft(2))).offset == 1
    assert desk.journal.failing is None


async def test_facts_go_with_the_batch_or_alone_after_a_nudge(desk: Desk) -> None:
    desk.facts = [draft(9)]
    async with asyncio.timeout(10):
        await desk.journal.append(draft(1))
        assert desk.said == [("commit", [1, 2])]
        desk.facts = [draft(10)]
        desk.journal.nudge()
        while len(desk.said) < 2:
            await asyncio.sleep(0)
    assert desk.said[1] == ("commit", [3])


async def test_a_nudge_for_nothing_writes_nothing(gated: Desk) -> None:
    gated.journal.nudge()
    gated.put(1)
    log = await begun(gated)
    log.open()
    gated.journal.nudge()
    async with asyncio.timeout(10):
        await gated.journal.drain()
    assert log.batches == [["id-1"]]


# Backpressure


async def test_a_full_journal_says_so_until_there_is_room() -> None:
    log = GatedLog()
    desk = Desk(log, max_waiting=2)
    assert not desk.journal.full
    desk.put(1)
    async with asyncio.timeout(10):
        await desk.journal.room()
    desk.put(2)
    assert desk.journal.full
    desk.put(3)  # still taken: what was read from a socket is not thrown away
    waiting = asyncio.create_task(desk.journal.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await desk.start()
    async with asyncio.timeout(10):
        await waiting
    assert not desk.journal.full
    log.open()
    async with asyncio.timeout(10):
        await desk.journal.drain()
    assert desk.answers == [("id-1", 1), ("id-2", 2), ("id-3", 3)]


async def test_a_journal_is_full_by_bytes_as_well() -> None:
    desk = Desk(MemoryLog(), max_bytes=150)
    desk.put(1, size=100)
    assert not desk.journal.full
    desk.put(2, size=100)
    assert desk.journal.full
    assert desk.journal.waiting == 2


# The end


async def test_drained_means_all_is_confirmed_and_more_is_refused(gated: Desk) -> None:
    for number in range(3):
        gated.put(number)
    draining = asyncio.create_task(gated.journal.drain())
    log = await begun(gated)
    assert gated.journal.draining
    gated.put(7)
    assert gated.said == [("failed", ["id-7"]), ("id-7", ShuttingDown)]
    assert not draining.done()
    gated.facts = [draft(8)]
    log.open()
    async with asyncio.timeout(10):
        await draining
    assert gated.answers[1:] == [("id-0", 1), ("id-1", 2), ("id-2", 3)]
    assert [each.id for each in gated.log.messages] == ["id-0", "id-1", "id-2", "id-8"]
    assert gated.task is not None
    async with asyncio.timeout(10):
        await gated.task
    with pytest.raises(ShuttingDown):
        await gated.journal.append(draft(9))


async def test_draining_ends_although_the_disk_fails(desk: Desk) -> None:
    desk.log.fail = StorageFailed("The disk is full.")
    desk.put(1)
    async with asyncio.timeout(10):
        await desk.journal.drain()
    assert desk.answers == [("id-1", StorageFailed)]


async def test_draining_a_journal_that_never_ran_refuses_what_waits() -> None:
    desk = Desk(MemoryLog())
    desk.put(1)
    async with asyncio.timeout(10):
        await desk.journal.drain()
    assert desk.said == [("failed", ["id-1"]), ("id-1", ShuttingDown)]


async def test_a_cancelled_journal_finishes_its_batch_and_refuses_the_rest(gated: Desk) -> None:
    gated.put(1)
    log = await begun(gated)
    gated.put(2)
    assert gated.task is not None
    gated.task.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert gated.said == []  # the transaction is under way: nobody knows yet what becomes of it
    log.open()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(10):
            await gated.task
    assert gated.said == [("commit", [1]), ("id-1", 1), ("failed", ["id-2"]), ("id-2", ShuttingDown)]
    async with asyncio.timeout(10):
        await gated.journal.room()


async def test_when_the_whole_loop_is_torn_down_everybody_is_answered(gated: Desk) -> None:
    gated.put(1)
    await begun(gated)
    assert gated.task is not None
    others = asyncio.all_tasks() - {asyncio.current_task(), gated.task}
    for task in others:
        if "_work" in repr(task.get_coro()):
            task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(10):
            await gated.task
    assert gated.answers == [("id-1", ShuttingDown)]


async def test_a_sender_who_gives_up_takes_nothing_back(gated: Desk) -> None:
    impatient = asyncio.create_task(gated.journal.append(draft(1)))
    log = await begun(gated)
    impatient.cancel()
    await asyncio.wait([impatient])
    log.open()
    async with asyncio.timeout(10):
        await gated.journal.drain()
    assert [each.id for each in log.messages] == ["id-1"]
    gc.collect()


# Faults of the program


async def test_a_fault_in_commit_ends_the_journal_loudly(desk: Desk) -> None:
    desk.fault = RuntimeError("a bug")
    desk.put(1)
    assert desk.task is not None
    with pytest.raises(RuntimeError, match="a bug"):
        async with asyncio.timeout(10):
            await desk.task
    assert desk.journal.failing is not None
    assert "RuntimeError: a bug" in desk.journal.failing
    assert desk.answers == [("id-1", ShuttingDown)]
    desk.put(2)
    assert desk.answers[1:] == [("id-2", ShuttingDown)]
    async with asyncio.timeout(10):
        await desk.journal.drain()


async def test_a_fault_in_an_answer_does_not_cost_others_theirs(desk: Desk) -> None:
    def answer(outcome: Message | HubbubError) -> None:
        raise RuntimeError("a bug")

    desk.journal.put(draft(1), answer)
    desk.put(2)
    assert desk.task is not None
    with pytest.raises(RuntimeError, match="a bug"):
        async with asyncio.timeout(10):
            await desk.task
    assert desk.answers == [("id-2", 2)]
    assert desk.journal.failing is not None


async def test_a_fault_in_the_log_ends_the_journal_and_answers_all(gated: Desk) -> None:
    gated.put(1)
    log = await begun(gated)
    gated.put(2)
    log.fault = KeyError("a bug")
    log.open()
    assert gated.task is not None
    with pytest.raises(KeyError):
        async with asyncio.timeout(10):
            await gated.task
    assert gated.answers == [("id-1", StorageFailed), ("id-2", ShuttingDown)]


# Maintenance


async def test_a_job_runs_in_slices_until_it_is_done(desk: Desk) -> None:
    done = asyncio.Event()
    slices = 0

    async def job() -> bool:
        nonlocal slices
        slices += 1
        if slices == 5:
            done.set()
        return slices < 5

    desk.journal.maintain("a job", job)
    desk.journal.maintain("a job", job)  # it is at it already
    async with asyncio.timeout(10):
        await done.wait()
        await desk.journal.append(draft(1))
    assert slices == 5


async def test_drafts_wait_for_one_slice_at_most(desk: Desk) -> None:
    first = asyncio.Event()
    gate = asyncio.Event()
    order: list[str] = []

    async def job() -> bool:
        order.append("slice")
        first.set()
        await gate.wait()
        return len(order) < 10

    desk.journal.maintain("a job", job)
    async with asyncio.timeout(10):
        await first.wait()
        desk.journal.put(draft(1), lambda _: order.append("draft"))
        gate.set()
        while "draft" not in order:
            await asyncio.sleep(0)
    assert order[:2] == ["slice", "draft"]


async def test_a_job_has_its_turn_although_drafts_never_end(desk: Desk) -> None:
    slices = asyncio.Event()
    batches = 0

    async def job() -> bool:
        slices.set()
        return False

    def again(_: object) -> None:
        nonlocal batches
        batches += 1
        if not slices.is_set():
            desk.journal.put(draft(batches), again)

    desk.journal.put(draft(), again)
    desk.journal.maintain("a job", job)
    async with asyncio.timeout(10):
        await slices.wait()
    assert 0 < batches <= SLICE_EVERY + 1


async def test_a_job_that_meets_a_full_disk_is_dropped_and_told(desk: Desk) -> None:
    ran = asyncio.Event()

    async def job() -> bool:
        ran.set()
        raise StorageFailed("The disk is full.")

    desk.journal.maintain("a job", job)
    async with asyncio.timeout(10):
        await ran.wait()
        while not desk.journal.troubles:
            await asyncio.sleep(0)
        assert (await desk.journal.append(draft(1))).offset == 1
    assert desk.journal.troubles == {"a job": "The disk is full."}
    assert desk.journal.failing is None


async def test_a_job_with_a_fault_is_told_and_tried_again_while_the_journal_goes_on(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    ran = asyncio.Event()
    faults = [KeyError("a bug"), KeyError("a bug")]

    async def job() -> bool:
        ran.set()
        if faults:
            raise faults.pop()
        return False

    async def run() -> None:
        ran.clear()
        desk.journal.maintain("a job", job)
        await ran.wait()

    async with asyncio.timeout(10):
        await run()
        while not desk.journal.troubles:
            await asyncio.sleep(0)
        assert desk.journal.troubles == {"a job": "KeyError: 'a bug'"}
        assert (await desk.journal.append(draft(1))).offset == 1
        await run()
        await run()
        while desk.journal.troubles:
            await asyncio.sleep(0)


# A log that fails, and is well again


async def test_a_log_that_failed_is_tried_again_although_nobody_writes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.journal.TRY_AGAIN", 0.001)
    tried = 0

    async def probe() -> None:
        nonlocal tried
        tried += 1
        if tried < 3:
            raise StorageFailed("The disk is still full.")

    monkeypatch.setattr(desk.log, "probe", probe)
    desk.log.fail = StorageFailed("The disk is full.")
    with pytest.raises(StorageFailed):
        await desk.journal.append(draft(1))
    assert desk.journal.failing is not None
    async with asyncio.timeout(10):
        while desk.journal.failing is not None:
            await asyncio.sleep(0.001)
    assert tried == 3


async def test_a_write_that_takes_long_can_be_seen(gated: Desk) -> None:
    assert gated.journal.stalled == 0
    gated.put(1)
    log = await begun(gated)
    before = gated.journal.stalled
    await asyncio.sleep(0.001)
    assert gated.journal.stalled > before
    log.open()
    async with asyncio.timeout(10):
        await gated.journal.settled()
    assert gated.journal.stalled == 0


async def test_settled_is_when_all_that_was_put_is_answered(gated: Desk) -> None:
    await asyncio.wait_for(gated.journal.settled(), 10)
    gated.put(1)
    log = await begun(gated)
    gated.put(2)
    settled = asyncio.create_task(gated.journal.settled())
    log.gate.release()
    await begun(gated)
    assert not settled.done()
    log.open()
    async with asyncio.timeout(10):
        await settled
    assert gated.answers == [("id-1", 1), ("id-2", 2)]
