"""What every Log does: the one suite that all of them must pass.

A Log is added by adding how it is opened. `reopen` closes it and opens it again on what it has stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from hub import fold
from hub.errors import StorageFailed
from hub.fold import Scope
from hub.history import History
from hub.log import Exchange, Fate, Log, Party, Retention, Search, Span
from hub.message import Draft, Message
from hub.registry import Registry
from tests.hub.memory_log import MemoryLog, draft, fact

NOW = 1_700_000_000.0
END = 2**63 - 1
MUCH = 2**40


class Opening:
    """Opens a kind of Log, again and again on the same store."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind = kind
        self._path = folder / "hub" / "hubbub.db"
        self._memory = MemoryLog(clock=lambda: NOW)
        self.log: Log = self._memory

    async def open(self) -> Log:
        await self.log.close()
        if self._kind == "history":
            self.log = await History.open(self._path, clock=lambda: NOW)
        return self.log


@pytest.fixture(params=["history", "memory"])
async def opening(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opening]:
    opening = Opening(request.param, tmp_path)
    await opening.open()
    yield opening
    await opening.log.close()


@pytest.fixture
def log(opening: Opening) -> Log:
    return opening.log


@pytest.fixture
def reopen(opening: Opening) -> Callable[[], Awaitable[Log]]:
    return opening.open


def offsets(messages: list[Message]) -> list[int]:
    return [each.offset for each in messages]


async def fill(log: Log, *topics: str, **parts: Any) -> list[Message]:
    return await log.append([draft(number, topic=topic, **parts) for number, topic in enumerate(topics, start=1)])


# Appending


async def test_a_new_log_is_empty(log: Log) -> None:
    state = await log.load()
    assert (state.head, state.floor) == (0, 1)
    assert state.topics == state.waiting == state.instances == []
    assert await log.tail(10, MUCH) == await log.since(0, 10, MUCH) == await log.search(Search()) == []


async def test_offsets_count_from_one_without_holes(log: Log) -> None:
    assert offsets(await fill(log, "a", "b")) == [1, 2]
    assert offsets(await log.append([draft(3), draft(4)])) == [3, 4]
    assert (await log.load()).head == 4


async def test_appending_nothing_is_nothing(log: Log) -> None:
    assert await log.append([]) == []
    assert (await log.load()).head == 0


async def test_a_message_comes_back_as_it_was_said(log: Log, reopen: Callable[[], Awaitable[Log]]) -> None:
    said = draft(
        1,
        topic="inbox.alice",
        body='ein "Wort", \n\x00 und 🎈',
        data={"list": [1, 2.5, None, "ü"], "big": 2**53},
        thread="t",
        reply_to="r",
        attachments=[{"path": "/tmp/x", "size": 3}],
        expires_at=NOW + 1e6,
        answer_by=NOW + 5.5,
    )
    (stored,) = await log.append([said])
    assert stored == Message.of(said, 1)
    assert await log.tail(1, MUCH) == [stored]
    assert await (await reopen()).find("id-1") == [stored]


@pytest.mark.parametrize("data", [None, False, 0, "", [], {}, {"a": None}])
async def test_data_that_is_false_is_not_taken_for_none(log: Log, data: Any) -> None:
    await log.append([draft(1, data=data)])
    (stored,) = await log.tail(1, MUCH)
    assert stored.data == data
    assert type(stored.data) is type(data)


async def test_a_retried_draft_gives_the_message_that_is_there(log: Log, reopen: Callable[[], Awaitable[Log]]) -> None:
    first = await log.append([draft(1, retry=True), draft(2, retry=True)])
    again = await log.append([draft(2, retry=True, body="other", at=5.0), draft(3, retry=True), draft(1, retry=True)])
    assert again[0] == first[1]
    assert again[2] == first[0]
    assert again[1].offset == 3
    assert await (await reopen()).append([draft(1, retry=True)]) == [first[0]]


async def test_equal_retries_in_one_batch_are_one_message(log: Log) -> None:
    messages = await log.append([draft(1, retry=True), draft(2), draft(1, retry=True), draft(3)])
    assert offsets(messages) == [1, 2, 1, 3]
    assert len(await log.since(0, 10, MUCH)) == 3


async def test_a_batch_of_nothing_but_retries_adds_nothing(log: Log) -> None:
    await log.append([draft(1, retry=True)])
    assert offsets(await log.append([draft(1, retry=True), draft(1, retry=True)])) == [1, 1]
    assert (await log.load()).head == 1


async def test_the_same_id_of_two_senders_is_two_messages(log: Log) -> None:
    both = await log.append([draft(1, origin=1, retry=True), draft(1, origin=2, retry=True)])
    assert offsets(both) == [1, 2]
    assert await log.find("id-1") == both
    assert await log.find("id-2") == []


async def test_a_batch_is_stored_whole_or_not_at_all(log: Log) -> None:
    await log.append([draft(1)])
    with pytest.raises(StorageFailed):
        await log.append([draft(2), draft(1), draft(3)])
    assert (await log.load()).head == 1
    assert offsets(await log.append([draft(2)])) == [2]


# Reading


async def test_the_tail_is_the_newest_oldest_first(log: Log) -> None:
    await fill(log, *"aaaaa")
    assert offsets(await log.tail(3, MUCH)) == [3, 4, 5]
    assert offsets(await log.tail(9, 250)) == [4, 5]
    assert await log.tail(9, 99) == []
    assert await log.tail(0, MUCH) == []


async def test_since_goes_through_all_topics_in_order(log: Log) -> None:
    await fill(log, "a", "b", "$hub.stopped", "a")
    assert offsets(await log.since(1, 2, MUCH)) == [2, 3]
    assert offsets(await log.since(0, 10, 250)) == [1, 2]
    assert offsets(await log.since(2, 10, 1)) == [3]  # always one
    assert await log.since(4, 10, MUCH) == []


@pytest.mark.parametrize(
    ("spans", "limit", "size", "found"),
    [
        ([], 10, MUCH, []),
        ([Span("a", 0, END)], 10, MUCH, [1, 3, 5]),
        ([Span("a", 1, 3)], 10, MUCH, [3]),
        ([Span("a", 3, 3)], 10, MUCH, []),
        ([Span("b", 0, END), Span("a", 1, END)], 10, MUCH, [2, 3, 4, 5]),
        ([Span("b", 0, END), Span("a", 1, END)], 3, MUCH, [2, 3, 4]),
        ([Span("b", 0, END), Span("a", 1, END)], 10, 200, [2, 3]),
        ([Span("b", 0, END), Span("a", 1, END)], 10, 0, [2]),
        ([Span("a", 0, 3), Span("a", 1, END)], 10, MUCH, [1, 3, 5]),  # overlapping: each once
        ([Span("a", 0, 3), Span("a", 1, END)], 3, MUCH, [1, 3, 5]),  # and each counts once
        ([Span("none", 0, END)], 10, MUCH, []),
        ([Span("inbox.x' OR 1=1 --", 0, END)], 10, MUCH, []),
    ],
)
async def test_spans_are_merged_in_the_logs_order(
    log: Log, spans: list[Span], limit: int, size: int, found: list[int]
) -> None:
    await fill(log, "a", "b", "a", "b", "a", "c")
    assert offsets(await log.read(spans, limit, size)) == found


async def test_many_spans_are_read_at_once(log: Log) -> None:
    await log.append([draft(number, topic=f"t.{number % 700}") for number in range(2000)])
    spans = [Span(f"t.{number}", 100, END) for number in range(700)]
    assert offsets(await log.read(spans, 50, MUCH)) == list(range(101, 151))


async def test_count_leaves_out_the_expired_and_what_one_said_oneself(log: Log) -> None:
    await log.append(
        [
            draft(1, topic="a", origin=7),
            draft(2, topic="a", origin=8),
            draft(3, topic="a", origin=8, expires_at=NOW),
            draft(4, topic="inbox.x", origin=7),
            draft(5, topic="inbox.x", origin=8, expires_at=NOW + 1),
            draft(6, topic="b", origin=8),
        ]
    )
    spans = [Span("a", 0, END), Span("inbox.x", 0, END)]
    assert await log.count(spans, 7, NOW) == 3
    assert await log.count([*spans, Span("a", 1, END)], 7, NOW) == 3
    assert await log.count([Span("a", 2, END)], 7, NOW) == 0
    assert await log.count([], 7, NOW) == 0


async def test_reads_during_appends_see_whole_batches_in_order(log: Log) -> None:
    done = asyncio.Event()
    looks = 0

    async def look() -> None:
        nonlocal looks
        while not done.is_set():
            seen = offsets(await log.since(0, 10_000, MUCH))
            assert seen == list(range(1, len(seen) + 1))
            assert len(seen) % 10 == 0
            looks += 1
            await asyncio.sleep(0)

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(look())
        for batch in range(30):
            confirmed = await log.append([draft(batch * 10 + number) for number in range(10)])
            assert offsets(await log.tail(1, MUCH)) == [confirmed[-1].offset]
            await asyncio.sleep(0)
        done.set()
    assert looks


# Who answered whom


async def conversation(log: Log) -> None:
    await log.append(
        [
            draft(1, topic="inbox.bob", origin=10, sender="alice", body="a question"),
            draft(2, topic="inbox.alice", origin=20, sender="bob", reply_to="id-1"),
            draft(3, topic="inbox.alice", origin=20, sender="bob", reply_to="id-1", body="and again"),
            draft(4, topic="all", origin=10, sender="alice", body="to everybody"),
            draft(5, topic="inbox.alice", origin=20, sender="bob", reply_to="id-4"),
            draft(6, topic="inbox.alice", origin=30, sender="carol", reply_to="id-4"),
            draft(7, topic="inbox.carol", origin=10, sender="alice", reply_to="id-6"),
            draft(8, topic="inbox.carol", origin=10, sender="alice", reply_to="id-7", body="to herself"),
            draft(9, topic="$message.expired", origin=0, sender="$hub", reply_to="id-7"),
            draft(10, topic="inbox.alice", origin=30, sender="carol", reply_to="id-unknown"),
        ]
    )


def told(exchanges: list[Exchange]) -> list[tuple[str, float, str | None, float | None]]:
    return sorted(
        ((each.asker_name, each.at % 100, each.answerer_name, each.answered_at and each.answered_at % 100)
         for each in exchanges), key=str)  # fmt: skip


@pytest.mark.parametrize(
    ("origin", "after", "limit", "found"),
    [
        (10, 0, 50, [("alice", 1, "bob", 2), ("alice", 4, "bob", 5), ("alice", 4, "carol", 6), ("alice", 7, None, None),
                     ("alice", 8, None, None), ("carol", 6, "alice", 7)]),
        (20, 0, 50, [("alice", 1, "bob", 2), ("alice", 4, "bob", 5), ("bob", 2, None, None), ("bob", 3, None, None),
                     ("bob", 5, None, None)]),
        (10, 4, 50, [("alice", 7, None, None), ("alice", 8, None, None), ("carol", 6, "alice", 7)]),
        (10, 0, 1, [("alice", 8, None, None)]),
        (20, 0, 1, [("alice", 4, "bob", 5), ("bob", 5, None, None)]),
        (40, 0, 50, []),
    ],
)  # fmt: skip
async def test_exchanges_are_what_one_said_and_what_it_answered(
    log: Log, origin: int, after: int, limit: int, found: list[tuple[str, float, str | None, float | None]]
) -> None:
    await conversation(log)
    assert told(await log.exchanges(origin, after, limit)) == sorted(found, key=str)


async def test_the_oldest_of_each_topic_is_told(log: Log) -> None:
    await conversation(log)
    oldest = await log.oldest(["inbox.alice", "all", "nothing"])
    assert oldest == {"inbox.alice": 1_700_000_002.0, "all": 1_700_000_004.0}


# Searching

ALICE = Party(origin=10, spans=(Span("inbox.alice", 0, END),), patterns=(("all", 10), ("team.>", 3)))
BOB = Party(origin=20, spans=(Span("inbox.bob", 0, 6),), patterns=(("all", 20), ("build", 0)))


async def talk(log: Log) -> None:
    await log.append(
        [
            draft(1, topic="inbox.alice", origin=20, body="Ist der Build grün?", thread="t1"),
            draft(2, topic="inbox.bob", origin=10, body="Der build ist rot.", reply_to="id-1", thread="t1"),
            draft(3, topic="team.core", origin=30, body="too early for alice"),
            draft(4, topic="team.core", origin=30, body="a note to the team"),
            draft(5, topic="build", origin=30, body="build 42 failed: snake_case, C++"),
            draft(6, topic="all", origin=30, body="before both registered"),
            draft(7, topic="inbox.bob", origin=10, body="past bob's time"),
            draft(8, topic="inbox.carol", origin=30, body="for carol only"),
            draft(9, topic="team", origin=30, body="not below team"),
            fact(10, "$hub.started", version="1", origin=7),
            draft(11, topic="all", origin=20, body="bob tells all"),
        ]
    )


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Search(), [11, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (Search(hub_facts=True, limit=2), [11, 10]),
        (Search(limit=3), [11, 9, 8]),
        (Search(before=4), [3, 2, 1]),
        (Search(before=4, limit=1), [3]),
        (Search(topic="build"), [5]),
        (Search(topic="team.*"), [4, 3]),
        (Search(topic="team.>"), [4, 3]),
        (Search(topic="*"), [9, 5]),
        (Search(topic=">"), [9, 5, 4, 3]),  # wildcards reach open topics only
        (Search(topic="inbox.bob"), [7, 2]),
        (Search(topic="$hub.started"), []),
        (Search(topic="$hub.started", hub_facts=True), [10]),
        (Search(thread="t1"), [2, 1]),
        (Search(thread="t1", topic="inbox.bob"), [2]),
        (Search(reply_to="id-1"), [2]),
        (Search(reply_to="id-1", thread="t2"), []),
        (Search(seen_by=ALICE), [11, 7, 4, 2, 1]),
        (Search(seen_by=BOB), [11, 5, 2, 1]),
        (Search(seen_by=BOB, limit=2), [11, 5]),
        (Search(seen_by=BOB, before=5), [2, 1]),
        (Search(seen_by=BOB, topic="build"), [5]),
        (Search(between=(ALICE, BOB)), [11, 2, 1]),
        (Search(between=(BOB, ALICE), limit=2), [11, 2]),
        (Search(between=(ALICE,)), [11, 7, 4, 2, 1]),
        (Search(between=(ALICE,), seen_by=BOB), [11, 2, 1]),
        (Search(senders=(10,)), [7, 2]),
        (Search(senders=(10, 20)), [11, 7, 2, 1]),
        (Search(senders=()), []),
        (Search(senders=(20,), thread="t1"), [1]),
        (Search(senders=(10, 20), between=(ALICE, BOB), limit=2), [11, 2]),
        (Search(senders=(30,), between=(ALICE,)), [4]),
        (Search(senders=(20,), text="build"), [1]),
        (Search(text="build"), [5, 2, 1]),
        (Search(text="BUILD der"), [2, 1]),
        (Search(text="grun"), [1]),
        (Search(text="GRÜN"), [1]),
        (Search(text="snake"), [5]),
        (Search(text="42"), [5]),
        (Search(text="buil"), []),
        (Search(text="build", before=5), [2, 1]),
        (Search(text="build", limit=1), [5]),
        (Search(text="build", seen_by=BOB, thread="t1"), [2, 1]),
        (Search(text="tell OR build"), []),
        (Search(text="build NOT red"), []),
        (Search(text="registered NEAR both"), []),
        (Search(text='"build" der*'), [2, 1]),
        (Search(after=8), [11, 9]),
        (Search(after=3, before=6), [5, 4]),
        (Search(forward=True, limit=3), [1, 2, 3]),
        (Search(forward=True, after=8), [9, 11]),
        (Search(forward=True, thread="t1", after=1), [2]),
        (Search(forward=True, text="build"), [1, 2, 5]),
        (Search(forward=True, text="build", limit=1), [1]),
        (Search(forward=True, text="build", after=1, limit=1), [2]),
        (Search(forward=True, between=(ALICE, BOB)), [1, 2, 11]),
        (Search(origin=20), [11, 1]),
        (Search(origin=20, topic="all"), [11]),
        (Search(origin=20, text="build"), [1]),
        (Search(origin=30, topic="team.*", limit=1), [4]),
        (Search(within=(Span("inbox.bob", 0, 6), Span("inbox.carol", 0, END))), [8, 2]),
        (Search(within=(Span("inbox.bob", 0, END),), origin=10, before=7), [2]),
        (Search(within=(Span("inbox.bob", 0, END),), topic="inbox.bob", thread="t1"), [2]),
        (Search(within=(Span("inbox.bob", 0, END), Span("build", 4, END)), topic="build"), [5]),
        (Search(within=(Span("inbox.bob", 0, END),), text="rot", seen_by=ALICE), [2]),
        (Search(within=()), []),
        (Search(within=(), topic="build"), []),
        (Search(within=(*(Span(f"no.{each}", 0, END) for each in range(40)), Span("build", 0, END))), [5]),
        (Search(since=1_700_000_009.0), [11, 9]),
        (Search(until=1_700_000_003.0), [2, 1]),
        (Search(since=1_700_000_002.0, until=1_700_000_004.0), [3, 2]),
        (Search(since=1_700_000_002.0, text="build"), [5, 2]),
        (Search(about=7, hub_facts=True), [10]),
        (Search(about=7, hub_facts=True, topic="$hub.started"), [10]),
        (Search(about=8, hub_facts=True), []),
    ],
    ids=repr,
)
async def test_a_search_finds_what_it_wants_in_the_order_it_wants(
    log: Log, wanted: Search, found: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    await talk(log)
    assert offsets(await log.search(wanted)) == found
    if isinstance(log, History):  # the same with the index half made, and whole
        monkeypatch.setattr("hub.upkeep.INDEX_ROWS", 6)
        assert await log.index_slice()
        assert offsets(await log.search(wanted)) == found
        assert not await log.index_slice()
        assert offsets(await log.search(wanted)) == found


async def test_what_became_of_messages_is_who_first_replied_and_for_whom_they_expired(log: Log) -> None:
    a, b = await log.append([draft(1, topic="inbox.bob", origin=10), draft(2, topic="inbox.bob", origin=20)])
    replies = await log.append([draft(number, origin=origin, reply_to="id-1", body="x")
                                for number, origin in ((3, 20), (4, 20), (5, 30))])  # fmt: skip
    told = [{"origin": 20, "name": "bob", "offset": b.offset}, {"origin": None, "name": "ghost", "offset": a.offset}]
    expired = await log.append([structs.replace(fact(number, fold.EXPIRED, **each), reply_to=f"id-{number - 4}")
                                for number, each in zip((6, 7), told, strict=True)])  # fmt: skip
    await log.append([structs.replace(fact(8, "$loop.held", origin=10), reply_to="id-1")])
    assert set(await log.fates(["id-1", "id-2", "id-3"])) == {
        Fate("id-1", 20, replies[0].at),
        Fate("id-1", 30, replies[2].at),
        Fate("id-2", 20, expired[0].at, expired=True, offset=b.offset),
    }
    assert await log.fates([]) == []


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "'",
        "''; DROP TABLE messages; --",
        "*",
        "(",
        ")",
        "NEAR(",
        "body:x",
        "^x",
        "a AND",
        "AND OR NOT",
        "-x",
        "{a b}:c",
        "\x00",
        "x\x00y",
        "%",
        "_",
        "\\",
        "??",
        "",
        " ",
        "ﬁ ½ Ⅷ",
        "🎈",
        "İı",
        "x" * 5000,
        "word " * 3000,
        " ".join(f"w{number}" for number in range(2000)),
        "\u0301",
    ],
    ids=lambda text: repr(text[:20]),
)
async def test_hostile_words_are_only_words(log: Log, text: str) -> None:
    await talk(log)
    await log.append([draft(20, body="x y a b c word " + text)])
    if isinstance(log, History):
        before = offsets(await log.search(Search(text=text)))
        while await log.index_slice():
            pass
        assert offsets(await log.search(Search(text=text))) == before
    found = offsets(await log.search(Search(text=text)))
    assert found == ([12] if any(mark.isalnum() for mark in text) else [])
    assert len(await log.since(0, 50, MUCH)) == 12


# The tables


async def test_the_tables_are_what_the_facts_say(log: Log, reopen: Callable[[], Awaitable[Log]]) -> None:
    await log.append(
        [
            draft(1, topic="inbox.carol"),  # 1: waits for a name nobody has yet
            fact(2, "$instance.registered", name="Alice"),  # 2
            fact(3, "$instance.registered", name="Bob"),  # 3
            fact(4, "$session.joined", origin=2, name="Alice", client=None, sessions=1),
            fact(5, "$subscription.added", origin=2, name="Alice", topic="build.>"),
            fact(6, "$subscription.added", origin=2, name="Alice", topic="news"),
            fact(7, "$subscription.added", origin=2, name="Alice", topic="build.>"),
            fact(8, "$subscription.removed", origin=2, name="Alice", topic="news"),
            draft(9, topic="inbox.alice"),  # 9: read
            draft(10, topic="inbox.alice"),  # 10: unread
            draft(11, topic="inbox.alice", expires_at=NOW - 1),  # 11: expired
            fact(12, "$cursors", moved=[{"origin": 2, "name": "Alice", "received": 8, "read": 9}]),
            fact(13, "$cursors", moved=[{"origin": 2, "name": "Alice", "received": 3, "read": 4}]),
            fact(14, "$instance.renamed", origin=2, old="Alice", name="Anna", forwards_until=NOW + 7200),
            draft(15, topic="inbox.alice"),  # 15: unread, through the name that forwards
            fact(16, "$instance.forgot", name="Alice"),
            draft(17, topic="inbox.alice"),  # 17: waits for the next Alice
            fact(18, "$instance.registered", name="ALICE"),  # 18
            fact(19, "$instance.renamed", origin=3, old="Bob", name="Carol", forwards_until=NOW + 7200),
            draft(20, topic="inbox.carol"),  # 20
            fact(21, "$instance.renamed", origin=3, old="Carol", name="bob", forwards_until=NOW + 7200),
        ]
    )
    log = await reopen()
    state = await log.load()
    assert [(each.origin, each.name, each.read, each.received) for each in state.instances] == [
        (2, "Anna", 9, 9),
        (3, "bob", 0, 0),
        (18, "ALICE", 0, 0),
    ]
    assert state.instances[0].registered_at == NOW + 2
    assert state.instances[0].last_seen == NOW + 13
    assert [(each.key, each.name, each.origin, each.since, each.until) for each in state.holdings] == [
        ("alice", "Alice", 2, 0, 16),
        ("bob", "bob", 3, 0, None),
        ("anna", "Anna", 2, 14, None),
        ("alice", "ALICE", 18, 16, None),
        ("carol", "Carol", 3, 19, None),
    ]
    assert [each.forwards_until for each in state.holdings] == [NOW + 7200, None, None, None, NOW + 7200]
    assert [(each.origin, each.pattern, each.since) for each in state.subscriptions] == [(2, "build.>", 5)]
    assert [each.offset for each in state.waiting] == [1, 10, 11, 15, 17, 20]
    assert (state.waiting[1].topic, state.waiting[1].size, state.waiting[1].at) == ("inbox.alice", 100, NOW + 10)


async def test_whoever_takes_a_name_that_forwards_ends_the_forwarding(log: Log) -> None:
    await log.append(
        [
            fact(1, "$instance.registered", name="alice"),
            fact(2, "$instance.renamed", origin=1, old="alice", name="anna", forwards_until=NOW + 7200),
            fact(3, "$instance.registered", name="alice"),
        ]
    )
    held = {(each.key, each.origin): (each.since, each.until) for each in (await log.load()).holdings}
    assert held == {("alice", 1): (0, 3), ("anna", 1): (2, None), ("alice", 3): (3, None)}


async def test_a_name_in_use_is_not_forgotten(log: Log) -> None:
    await log.append([fact(1, "$instance.registered", name="alice"), fact(2, "$instance.forgot", name="alice")])
    assert [(each.key, each.until) for each in (await log.load()).holdings] == [("alice", None)]


async def test_topics_have_their_stock(log: Log) -> None:
    await fill(log, "a", "b", "a")
    topics = {each.topic: (each.messages, each.size, each.head, each.trimmed) for each in (await log.load()).topics}
    assert topics == {"a": (2, 200, 3, 0), "b": (1, 100, 2, 0)}


# Trimming


async def trim(log: Log, *, age: float = 1e9, size: int = MUCH, facts_age: float = 1e9, now: float = NOW) -> set[int]:
    """Trim until nothing more may go; returns what went, and checks what is said of it."""
    before = {each.offset: each for each in await log.since(0, 100_000, MUCH)}
    told: dict[str, tuple[int, int, int]] = {}
    while True:
        trimmed = await log.trim(Retention(age=age, size=size, facts_age=facts_age), now)
        for topic, messages, together, newest in trimmed.topics:
            had = told.get(topic, (0, 0, 0))
            told[topic] = (had[0] + messages, had[1] + together, max(had[2], newest))
        if not trimmed.more:
            break
    left = offsets(await log.since(0, 100_000, MUCH))
    gone = [each for offset, each in before.items() if offset not in set(left)]
    really: dict[str, tuple[int, int, int]] = {}
    for each in gone:
        had = really.get(each.topic, (0, 0, 0))
        really[each.topic] = (had[0] + 1, had[1] + each.size, each.offset)
    assert told == really
    state = await log.load()
    assert trimmed.floor == state.floor == left[0]
    assert {each.topic: each.trimmed for each in state.topics if each.trimmed}.items() >= {
        topic: sums[2] for topic, sums in really.items()
    }.items()
    return set(offsets(gone))


async def test_what_is_too_old_goes(log: Log) -> None:
    await fill(log, *"aabab")  # said at NOW + 1 … NOW + 5
    assert await trim(log, age=10, now=NOW + 13.5) == {1, 2, 3}
    assert await trim(log, age=10, now=NOW + 13.5) == set()


async def test_what_is_too_much_goes_from_the_old_end(log: Log) -> None:
    await fill(log, *"aabab")
    assert await trim(log, size=250) == {1, 2, 3}
    assert await trim(log, size=250) == set()


async def test_a_topic_that_is_gone_keeps_its_mark(log: Log, reopen: Callable[[], Awaitable[Log]]) -> None:
    await fill(log, "gone", "a", "gone", "a")
    await trim(log, size=100)
    topics = {each.topic: (each.messages, each.head, each.trimmed) for each in (await (await reopen()).load()).topics}
    assert topics == {"gone": (0, 3, 3), "a": (1, 4, 2)}


async def test_the_newest_message_stays(log: Log) -> None:
    await fill(log, *"aaa")
    assert await trim(log, age=0, size=0, facts_age=0, now=NOW + 1e6) == {1, 2}


async def test_cursors_go_wherever_they_stand(log: Log) -> None:
    await log.append(
        [
            draft(1),
            fact(2, "$cursors", moved=[]),
            draft(3),
            fact(4, "$cursors", moved=[]),
            fact(5, "$hub.started", version="1"),
            fact(6, "$cursors", moved=[]),
        ]
    )
    assert await trim(log, facts_age=10, now=NOW + 15.5) == {2, 4}
    assert await trim(log, facts_age=10, now=NOW + 100) == set()  # 6 is the newest


async def test_offsets_never_come_back(log: Log, reopen: Callable[[], Awaitable[Log]]) -> None:
    await fill(log, *"aaaa")
    await trim(log, size=0)
    log = await reopen()
    assert offsets(await log.append([draft(9)])) == [5]
    await trim(log, size=0)
    log = await reopen()
    assert (await log.load()).head == 5
    assert offsets(await log.append([draft(10)])) == [6]


async def test_much_is_trimmed_in_slices(log: Log) -> None:
    await log.append([draft(number, size=10) for number in range(1700)])
    first = await log.trim(Retention(age=1e9, size=100, facts_age=1e9), NOW)
    if isinstance(log, History):
        assert first.more
        assert first.topics == [("build", 500, 5000, 500)]
    await trim(log, size=100)
    assert offsets(await log.since(0, 100, MUCH)) == list(range(1691, 1701))


async def test_an_id_is_free_again_once_its_message_is_gone(log: Log) -> None:
    await log.append([draft(1, retry=True), draft(2)])
    await trim(log, size=0)
    assert offsets(await log.append([draft(1, retry=True)])) == [3]


async def test_trimmed_messages_are_not_found(log: Log) -> None:
    await log.append([draft(1, body="old word"), draft(2, body="new word")])
    if isinstance(log, History):
        assert not await log.index_slice()
    await trim(log, size=100)
    assert offsets(await log.search(Search(text="word"))) == [2]
    assert await log.search(Search(text="old")) == []


async def test_a_forgotten_instance_is_gone_and_whoever_takes_its_name_begins_anew(
    log: Log, reopen: Callable[[], Awaitable[Log]]
) -> None:
    await log.append([fact(1, "$instance.registered", name="Alice")])
    await log.append([fact(2, "$subscription.added", origin=1, name="Alice", topic="build")])
    await log.append([draft(3, topic="inbox.alice")])
    await log.append([fact(4, "$instance.forgot", origin=1, name="Alice")])
    late = [fact(5, "$session.left", origin=1, name="Alice", reason="late", sessions=0)]
    moved = [{"origin": 1, "name": "Alice", "pushed": 3, "received": 3, "read": 3}]
    await log.append([*late, fact(6, "$cursors", moved=moved), fact(7, "$instance.registered", name="alice")])
    for state in (await log.load(), await (await reopen()).load()):
        assert [each.origin for each in state.instances] == [7]
        assert state.subscriptions == []
        assert [(each.origin, each.since, each.until) for each in state.holdings] == [(1, 0, 4), (7, 4, None)]
        assert state.waiting == [], "what waited for it waits for nobody"


async def test_what_wants_an_answer_by_a_time_is_known_until_it_has_one_or_that_was_told(
    log: Log, reopen: Callable[[], Awaitable[Log]]
) -> None:
    asked = [draft(number, topic="inbox.alice", thread="t", answer_by=NOW + number) for number in range(1, 7)]
    await log.append([*asked, draft(7)])
    await log.append(
        [
            draft(11, id="a", origin=2, reply_to="id-1"),  # answered
            draft(12, id="b", origin=1, reply_to="id-2"),  # by the one who asked: no answer
            structs.replace(fact(13, "$message.unanswered", offset=3), reply_to="id-3"),
            structs.replace(fact(14, "$message.unanswered", offset=1), reply_to="id-4"),  # about another of that id
            structs.replace(fact(15, "$message.expired", offset=5, origin=None), reply_to="id-5"),
        ]
    )
    for state in (await log.load(), await (await reopen()).load()):
        assert [each.offset for each in state.awaited] == [2, 4, 5, 6]
        first = state.awaited[0]
        assert (first.answer_by, first.id, first.origin, first.to) == (NOW + 2, "id-2", 1, "alice")
        assert (first.thread, first.preview) == ("t", "message 2")


async def test_what_is_held_is_known_until_it_is_decided_or_sent(
    log: Log, reopen: Callable[[], Awaitable[Log]]
) -> None:
    def held(number: int) -> Draft:
        return fact(number, "$loop.held", origin=1, id=f"m{number}", name="bob")

    await log.append([structs.replace(held(number), reply_to=f"m{number}") for number in range(1, 5)])
    decided = [("$loop.released", 1, 1), ("$loop.dropped", 2, 1), ("$hold.dropped", 4, 2)]
    await log.append(
        [
            structs.replace(fact(10 + number, topic, held=number, origin=origin), reply_to=f"m{number}")
            for topic, number, origin in decided
        ]
    )
    await log.append([draft(20, id="m3", origin=1), draft(21, id="m4", origin=2)])
    for state in (await log.load(), await (await reopen()).load()):
        held = [each.offset for each in state.held]
        assert held == [1, 4], "only what was sent is released; another sender's message of that id is another message"
        assert [each.offset for each in state.dropped] == [2]


async def test_a_draft_is_stored_unless_the_log_has_the_message_that_it_names(
    log: Log, reopen: Callable[[], Awaitable[Log]]
) -> None:
    (sent,) = await log.append([draft(1, origin=1, id="m", retry=True)])
    held = fact(2, "$held.inbox.bob", origin=1, id="m")
    assert await log.append([structs.replace(held, unless=(1, "m"))]) == [sent]
    both = await log.append([draft(3, origin=1, id="n"), structs.replace(held, unless=(1, "n"))])
    assert offsets(both) == [2, 2], "also one of the same batch"
    (stored,) = await log.append([structs.replace(held, unless=(2, "m"), retry=True)])
    assert stored.topic == "$held.inbox.bob"
    assert await (await reopen()).append([structs.replace(held, unless=(2, "m"), retry=True)]) == [stored]


async def test_people_and_holds_are_in_the_tables(log: Log, reopen: Callable[[], Awaitable[Log]]) -> None:
    def stop(number: int, kind: str, what: str, origin: int, topic: str = "") -> Draft:
        return fact(number, f"${kind}.{what}", origin=origin, topic=topic, name="x", queue="x", by="kay", reason="r")

    await log.append([fact(1, "$instance.registered", name="kay", human=True)])
    await log.append([fact(2, "$instance.registered", name="bob"), fact(3, "$instance.registered", name="eve")])
    await log.append(
        [
            *(stop(4, "hold", "began", 2), stop(5, "pause", "began", 2), stop(6, "hold", "began", 0, "build")),
            *(stop(7, "hold", "began", 0, "inbox.dave"), stop(8, "hold", "began", 0, "inbox.erin")),
            *(stop(9, "hold", "began", 0, "inbox.bob"), stop(10, "pause", "began", 99), stop(11, "hold", "began", 3)),
            fact(12, "$instance.registered", name="dave"),
            fact(13, "$instance.renamed", origin=2, old="bob", name="erin", forwards_until=1.0),
            *(stop(14, "hold", "ended", 0, "build"), stop(15, "hold", "ended", 0, "nothing")),
            fact(16, "$instance.forgot", name="eve", origin=3),
            stop(17, "hold", "began", 0, "all"),
        ]
    )
    for state in (await log.load(), await (await reopen()).load()):
        assert [each.name for each in state.instances if each.human] == ["kay"]
        found = sorted((each.scope, each.since, each.by, each.reason) for each in state.holds)
        assert found == [
            (Scope("queue", 0, "all"), 17, "kay", "r"),
            (Scope("queue", 2), 4, "kay", "r"),
            (Scope("queue", 12), 7, "kay", "r"),
            (Scope("sender", 2), 5, "kay", "r"),
        ]
        assert Registry(state).holds == {each.scope: each for each in state.holds}
