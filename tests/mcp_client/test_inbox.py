from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.frames import Gap, Message
from mcp_client.inbox import OVERHEAD, Inbox, Item, Unread

LARGEST = 1000


def message(offset: int, sender: str = "bob", body: str = "hi", reply_to: str | None = None) -> Message:
    return Message(
        offset=offset,
        id=f"id-{offset}",
        from_=sender,
        to="alice",
        topic="inbox.alice",
        thread=None,
        reply_to=reply_to,
        body=body,
        data=None,
        at=datetime(2026, 1, 2, tzinfo=UTC),
        attachments=None,
    )


def inbox(*offsets: int, **limits: Any) -> Inbox:
    made = Inbox(**limits)
    for offset in offsets:
        assert made.put(message(offset))
    return made


def offsets(items: list[Item]) -> list[int]:
    return [item.offset for item in items if isinstance(item, Message)]


def test_what_is_taken_is_not_shown_twice_and_is_read_once_it_went_out() -> None:
    box = inbox(1, 4, 9)
    assert offsets(box.take("a", 2)) == [1, 4]
    assert offsets(box.take("b", 9)) == [9]
    assert box.take("c", 9) == []
    assert box.handed("b") is None  # 1 and 4 are still on their way
    assert box.handed("a") == 9
    assert box.read == 9


def test_a_result_that_did_not_go_out_gives_its_messages_back_in_their_place() -> None:
    box = inbox(1, 2, 3)
    box.take("a", 2)
    assert offsets(box.take("b", 1)) == [3]
    assert box.give_back("a")
    assert not box.give_back("a")
    assert offsets(box.peek(9)) == [1, 2]
    assert box.handed("b") is None
    box.take("c", 9)
    assert box.handed("c") == 3


def test_peeking_changes_nothing() -> None:
    box = inbox(1, 2, 3)
    assert offsets(box.peek(2)) == [1, 2]
    assert offsets(box.peek(9)) == [1, 2, 3]
    assert box.handed("anybody") is None


def test_a_reply_that_ask_handed_out_early_is_not_shown_again_and_waits_to_be_marked_read() -> None:
    box = inbox(1, 2)
    box.await_reply("question")
    box.put(message(3, reply_to="question"))
    box.put(message(4))
    reply = box.take_reply("ask", "question")
    assert reply is not None
    assert reply.offset == 3
    assert box.handed("ask") is None
    assert offsets(box.take("check", 9)) == [1, 2, 4]
    assert box.handed("check") == 4


def test_a_reply_somebody_waits_for_is_kept_from_everybody_else() -> None:
    box = Inbox()
    box.await_reply("question")
    box.put(message(1, reply_to="question"))
    assert box.peek(9) == []
    assert box.unread() == Unread(0, [])
    assert not box.has_news()
    box.stop_awaiting("question")
    assert offsets(box.peek(9)) == [1]


def test_unread_names_each_sender_once_in_the_order_of_their_mail() -> None:
    box = Inbox()
    for offset, sender in enumerate(["carol", "bob", "carol", "dave"], 1):
        box.put(message(offset, sender))
    assert box.unread() == Unread(4, ["carol", "bob", "dave"])


def test_what_was_here_before_is_not_taken_in_again() -> None:
    box = inbox(1, 2)
    assert not box.put(message(2))
    assert not box.put(message(1))
    assert box.unread().messages == 2


def test_what_another_session_has_read_is_dropped() -> None:
    box = inbox(1, 2, 3)
    box.take("a", 1)
    box.read_elsewhere(2)
    assert offsets(box.peek(9)) == [3]
    assert not box.put(message(3))
    box.give_back("a")
    assert offsets(box.peek(9)) == [3]
    assert box.read == 2


def test_what_another_session_reads_before_it_arrives_here_is_not_shown() -> None:
    box = inbox(1)
    box.read_elsewhere(5)
    assert not box.put(message(4))
    assert box.put(message(6))
    assert offsets(box.peek(9)) == [6]


def test_a_gap_is_shown_in_its_place_and_counts_for_no_message() -> None:
    box = inbox(1)
    box.put_gap(Gap(from_=2, to=7))
    box.put(message(8))
    taken = box.take("a", 2)
    assert [type(item).__name__ for item in taken] == ["Message", "Gap", "Message"]
    assert box.unread() == Unread(0, [])
    assert box.handed("a") == 8


def test_after_another_database_the_old_is_still_shown_and_no_longer_confirmed() -> None:
    box = inbox(1, 2, 3)
    box.renumber()
    assert (box.last, box.read) == (0, 0)
    assert box.put(message(1, body="of the new one"))
    taken = box.take("a", 9)
    assert offsets(taken) == [1, 2, 3, 1]
    assert box.handed("a") == 1


@pytest.mark.parametrize(
    ("capacity", "size", "bodies", "credit"),
    [
        pytest.param(3, 10**6, [], 3, id="by number"),
        pytest.param(3, 10**6, ["a", "b"], 1, id="by number, two there"),
        pytest.param(3, 10**6, ["a", "b", "c"], 0, id="full by number"),
        pytest.param(99, 4 * (LARGEST + OVERHEAD), [], 4, id="by size"),
        pytest.param(99, 4 * (LARGEST + OVERHEAD), ["x" * LARGEST], 3, id="a large one there"),
        pytest.param(99, 4 * (LARGEST + OVERHEAD), ["x"], 3, id="a small one there leaves no room for a fourth large"),
        pytest.param(99, LARGEST, [], 0, id="too small for anything"),
    ],
)
def test_credit_is_what_fits_however_large_it_is(capacity: int, size: int, bodies: list[str], credit: int) -> None:
    box = Inbox(capacity=capacity, size=size, largest=LARGEST)
    for offset, body in enumerate(bodies, 1):
        box.put(message(offset, body=body))
    assert box.credit() == credit


def test_what_went_out_makes_room_again() -> None:
    box = inbox(1, 2, capacity=2)
    assert box.credit() == 0
    box.take("a", 1)
    assert box.credit() == 0
    box.handed("a")
    assert box.credit() == 1


class Buffer(RuleBasedStateMachine):
    """A hub that pushes within the credit, tools that take, deliver or fail: nothing is lost, doubled or too much."""

    def __init__(self) -> None:
        super().__init__()
        self.box = Inbox(capacity=5, size=6 * (LARGEST + OVERHEAD), largest=LARGEST)
        self.head = 0
        self.allowed = self.box.credit()
        self.pushed: list[int] = []
        self.out: dict[int, list[int]] = {}
        self.seen: list[int] = []
        self.elsewhere = 0
        self.claims = 0

    @precondition(lambda self: self.allowed > 0)
    @rule(skip=st.integers(1, 3), size=st.integers(0, LARGEST), reply=st.booleans())
    def push(self, skip: int, size: int, reply: bool) -> None:
        self.head += skip
        self.allowed -= 1
        if self.box.put(message(self.head, body="x" * size, reply_to="q" if reply else None)):
            self.pushed.append(self.head)

    @rule()
    def confirm(self) -> None:
        self.allowed = self.box.credit()

    @rule(limit=st.integers(1, 4))
    def take(self, limit: int) -> None:
        self.claims += 1
        self.out[self.claims] = offsets(self.box.take(self.claims, limit))

    @rule()
    def take_reply(self) -> None:
        self.claims += 1
        reply = self.box.take_reply(self.claims, "q")
        self.out[self.claims] = [reply.offset] if reply else []

    @rule(on=st.booleans())
    def await_replies(self, on: bool) -> None:
        (self.box.await_reply if on else self.box.stop_awaiting)("q")

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(sorted(self.out)))
        self.seen += self.out.pop(claim)
        self.box.handed(claim)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(sorted(self.out)))
        del self.out[claim]
        self.box.give_back(claim)

    @rule(data=st.data())
    def read_elsewhere(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(0, self.head))
        self.elsewhere = max(self.elsewhere, offset)
        self.box.read_elsewhere(offset)

    @invariant()
    def nothing_is_shown_twice(self) -> None:
        claimed = [offset for taken in self.out.values() for offset in taken]
        shown = self.seen + claimed + offsets(self.box.peek(99))
        assert len(shown) == len(set(shown))

    @invariant()
    def nothing_is_lost(self) -> None:
        kept_for_ask = [slot.offset for slot in self.box._slots.values() if slot.item is not None]
        claimed = [offset for taken in self.out.values() for offset in taken]
        here = set(self.seen) | set(claimed) | set(offsets(self.box.peek(99))) | set(kept_for_ask)
        assert {offset for offset in self.pushed if offset > self.elsewhere} <= here

    @invariant()
    def only_what_went_out_is_marked_read(self) -> None:
        unseen = [offset for offset in self.pushed if offset not in self.seen and offset > self.elsewhere]
        assert self.box.read < min(unseen, default=self.head + 1)

    @invariant()
    def it_never_holds_more_than_it_may(self) -> None:
        held = [slot for slot in self.box._slots.values() if slot.item is not None]
        assert self.box._messages == len(held)
        assert self.box._bytes == sum(slot.size for slot in held)
        assert len(held) + self.allowed <= self.box.capacity
        assert self.box._bytes + self.allowed * (LARGEST + OVERHEAD) <= self.box.size

    @invariant()
    def what_waits_is_in_order(self) -> None:
        waiting = offsets(self.box.peek(99))
        assert waiting == sorted(waiting)


TestBuffer = Buffer.TestCase
TestBuffer.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
