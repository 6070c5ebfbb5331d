"""One reader: position, credit, what is given next, what is behind the window, and gaps."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hub.log import END, Span
from hub.message import Message
from hub.registry import Instance, Stock
from hub.session import MAX_PAGE, Behind, Gap, Hot, Session
from hub.window import Run, Window
from tests.hub.core import NOW, Core, message

ME = 5  # the session's origin


class Reading:
    """A session on topic `a` with a window before it."""

    def __init__(
        self,
        messages: Sequence[Message] = (),
        *,
        position: int = 0,
        credit: int = 100,
        observer: bool = False,
        window: int = 1000,
        head: int = 0,
    ) -> None:
        self.wakes = 0
        me = Instance(origin=ME, name="me", registered_at=NOW, last_seen=NOW, received=0, read=0)
        self.session = Session(
            1,
            me,
            observer=observer,
            position=position,
            credit=credit,
            secret="s",
            client=None,
            joined_at=NOW,
            wake=self._wake,
        )
        self.window = Window(head, max_messages=window, max_size=10**9)
        self.stock = {"a": Stock(head=1000)}
        self.floor = 1
        self.commit(*messages)

    def _wake(self) -> None:
        self.wakes += 1

    def commit(self, *messages: Message) -> None:
        before = self.window.head
        self.window.extend(messages)
        for topic in {each.topic for each in messages}:
            self.session.heat(Hot(Span(topic, before, END)), before)

    def take(self, now: float = NOW) -> list[int] | Gap | Behind | None:
        taken = self.session.take(self.window, self.stock, self.floor, now)
        return taken.offsets if isinstance(taken, Run) else taken

    def take_old(self, behind: Behind, *messages: Message, now: float = NOW) -> list[int] | Gap | None:
        taken = self.session.take_old(behind, Run(messages, complete=False), self.stock, self.floor, now)
        return taken.offsets if isinstance(taken, Run) else taken


def a(*offsets: int, origin: int = 1, expires_at: float | None = None) -> list[Message]:
    return [message(offset, "a", origin=origin, expires_at=expires_at) for offset in offsets]


def test_what_comes_is_given_once_and_in_order() -> None:
    reading = Reading(a(1, 2, 3))
    assert reading.take() == [1, 2, 3]
    assert reading.take() is None
    reading.commit(*a(4))
    assert reading.take() == [4]
    assert (reading.session.position, reading.session.pushed) == (4, 4)


def test_a_session_is_woken_once_until_it_takes() -> None:
    reading = Reading()
    reading.commit(*a(1))
    reading.commit(*a(2))
    assert reading.wakes == 1
    reading.take()
    reading.commit(*a(3))
    assert reading.wakes == 2


def test_no_more_is_given_than_there_is_credit_for() -> None:
    reading = Reading(a(1, 2, 3, 4, 5), credit=2)
    assert reading.take() == [1, 2]
    assert reading.take() is None
    reading.session.confirm(1, None)
    assert reading.take() == [3]
    reading.session.confirm(3, 10)
    assert reading.take() == [4, 5]


@pytest.mark.parametrize(("credit", "given"), [(0, None), (1, [1])])
def test_credit_may_be_none_at_all(credit: int, given: list[int] | None) -> None:
    assert Reading(a(1, 2), credit=credit).take() == given


def test_credit_that_was_lowered_counts_what_is_on_the_way() -> None:
    reading = Reading(a(1, 2, 3, 4), credit=3)
    assert reading.take() == [1, 2, 3]
    reading.session.confirm(1, 1)
    assert reading.session.room == -1
    assert reading.take() is None
    reading.session.confirm(3, None)
    assert reading.take() == [4]


def test_a_confirmation_wakes_whoever_waited_for_credit() -> None:
    reading = Reading(a(1, 2), credit=1)
    assert reading.take() == [1]
    assert reading.take() is None
    before = reading.wakes
    reading.session.confirm(1, None)
    assert reading.wakes == before + 1


@pytest.mark.parametrize(
    ("offset", "received", "left"),
    [
        pytest.param(2, 2, 1, id="the first two"),
        pytest.param(3, 3, 0, id="all"),
        pytest.param(99, 3, 0, id="what was never pushed is not received"),
        pytest.param(0, 0, 3, id="nothing"),
    ],
)
def test_received_is_what_was_pushed_and_confirmed(offset: int, received: int, left: int) -> None:
    reading = Reading(a(1, 2, 3))
    reading.take()
    reading.session.confirm(offset, None)
    assert (reading.session.received, reading.session.outstanding.count) == (received, left)


def test_received_never_goes_back() -> None:
    reading = Reading(a(1, 2, 3))
    reading.take()
    reading.session.confirm(3, None)
    reading.session.confirm(1, None)
    assert reading.session.received == 3


def test_own_words_are_not_echoed_but_those_to_oneself_are() -> None:
    reading = Reading([*a(1, origin=ME), message(2, "inbox.me", origin=ME), *a(3)])
    assert reading.take() == [2, 3]


def test_own_words_alone_are_passed_over() -> None:
    reading = Reading(a(1, 2, origin=ME))
    assert reading.take() is None
    assert reading.session.position == 2
    assert not reading.session.hot


@pytest.mark.parametrize(("now", "given"), [(NOW, [1, 2]), (NOW + 5, [2]), (NOW + 6, [2])])
def test_what_has_expired_is_not_given(now: float, given: list[int]) -> None:
    reading = Reading([*a(1, expires_at=NOW + 5), *a(2)])
    assert reading.take(now) == given


def test_an_observer_is_given_everything() -> None:
    reading = Reading([*a(1, origin=ME, expires_at=1.0), message(2, "$cursors", origin=0)], observer=True)
    assert reading.take() == [1, 2]
    assert reading.take() is None


def test_a_topic_is_heard_from_where_it_was_heated() -> None:
    """What is on the topic before that was for others."""
    reading = Reading()
    reading.window.extend(a(1, 2))
    reading.session.heat(Hot(Span("a", 2, END)), 2)
    assert reading.session.position == 2
    reading.window.extend(a(3))
    assert reading.take() == [3]


def test_a_span_that_has_an_end_is_given_up_to_it() -> None:
    """A name that was let go: what came later under it is somebody else's."""
    reading = Reading()
    reading.window.extend(a(1, 2, 3))
    reading.session.hot = Hot(Span("a", 0, 2))
    assert reading.take() == [1, 2]
    assert reading.take() is None


def test_a_name_taken_back_is_heard_again() -> None:
    reading = Reading(credit=0)
    reading.window.extend(a(1, expires_at=NOW - 1))
    reading.session.hot = Hot(Span("a", 0, 1))
    reading.commit(*a(2, 3))
    reading.session.confirm(0, 10)
    assert reading.take() == [2, 3]


def test_what_was_read_elsewhere_is_not_pushed() -> None:
    reading = Reading(a(1, 2, 3), credit=1)
    assert reading.take() == [1]
    reading.session.skip(2)
    reading.session.confirm(1, None)
    assert reading.take() == [3]


def test_topics_that_are_heard_no_more_are_dropped() -> None:
    reading = Reading([*a(1), message(2, "b")])
    reading.session.keep_hot([Span("b", 0, END), Span("c", 0, END)])
    assert list(reading.session.hot) == ["b"]
    assert reading.take() == [2]


# Behind the window


def test_whoever_stands_before_the_window_is_told_what_to_read() -> None:
    reading = Reading(window=2)
    reading.session.hot = Hot(Span("a", 1, END))
    reading.window.extend(a(1, 2, 3, 4, 5))
    behind = reading.take()
    assert behind == Behind((Span("a", 1, 3),), 0, 3, 128)
    assert reading.take_old(behind, *a(2, 3)) == [2, 3]
    # Only the next look shows that the page was the last of them.
    again = reading.take()
    assert again == [4, 5]


def test_a_page_is_no_larger_than_the_credit_s_power_of_two_or_its_bound() -> None:
    for credit, limit in ((3, 4), (4, 4), (10_000, MAX_PAGE)):
        reading = Reading(credit=credit, window=1)
        reading.session.hot = Hot(Span("a", 0, END))
        reading.window.extend(a(*range(1, 1000)))
        behind = reading.take()
        assert isinstance(behind, Behind)
        assert behind.limit == limit


def test_an_empty_page_leads_back_to_the_window() -> None:
    reading = Reading(window=1)
    reading.session.hot = Hot(Span("a", 0, END))
    reading.window.extend(a(1, 2))
    behind = reading.take()
    assert isinstance(behind, Behind)
    assert reading.take_old(behind) is None
    assert reading.take() == [2]


def test_a_page_of_what_is_not_given_is_passed_over() -> None:
    reading = Reading(window=1)
    reading.session.hot = Hot(Span("a", 0, END))
    reading.window.extend(a(1, 2, 3))
    behind = reading.take()
    assert isinstance(behind, Behind)
    assert reading.take_old(behind, *a(1, origin=ME), *a(2, expires_at=1.0)) is None
    assert reading.session.position == 2
    assert reading.take() == [3]


def test_what_lies_before_the_window_and_is_not_for_it_is_not_read() -> None:
    reading = Reading(window=1)
    reading.session.hot = Hot(Span("a", 2, END))
    reading.window.extend(a(1, 2, 3))
    assert reading.take() == [3]


def test_credit_withdrawn_while_the_log_was_read_is_heeded() -> None:
    reading = Reading(window=1)
    reading.session.hot = Hot(Span("a", 0, END))
    reading.window.extend(a(1, 2, 3))
    behind = reading.take()
    assert isinstance(behind, Behind)
    reading.session.confirm(0, 0)
    assert reading.take_old(behind, *a(1, 2)) is None
    assert reading.session.position == 0
    reading.session.confirm(0, 1)
    behind = reading.take()
    assert isinstance(behind, Behind)
    assert reading.take_old(behind, *a(1)) == [1]


def test_what_was_read_elsewhere_while_the_log_was_read_is_not_pushed() -> None:
    reading = Reading(window=1)
    reading.session.hot = Hot(Span("a", 0, END))
    reading.window.extend(a(1, 2, 3))
    behind = reading.take()
    assert isinstance(behind, Behind)
    reading.session.skip(1)
    assert reading.take_old(behind, *a(1, 2)) == [2]


def test_an_observer_reads_all_topics_from_the_log() -> None:
    reading = Reading(observer=True, window=1)
    reading.window.extend(a(1, 2, 3))
    assert reading.take() == Behind((), 0, 2, 128)


# Gaps


def test_a_gap_says_what_is_kept_no_more() -> None:
    reading = Reading(window=2)
    reading.session.hot = Hot(Span("a", 0, END))
    reading.window.extend(a(*range(1, 11)))
    reading.stock["a"].trimmed, reading.floor = 4, 6
    assert reading.take() == Gap(1, 4)
    assert reading.take() == Behind((Span("a", 4, 8),), 4, 8, 128)


@pytest.mark.parametrize(
    ("position", "since", "trimmed", "gap"),
    [
        pytest.param(0, 0, 0, None, id="nothing was trimmed"),
        pytest.param(4, 0, 4, None, id="only what it has"),
        pytest.param(3, 0, 4, Gap(4, 4), id="one more than it has"),
        pytest.param(0, 4, 4, None, id="only what came before it subscribed"),
        pytest.param(0, 3, 4, Gap(1, 4), id="one that came after it subscribed"),
    ],
)
def test_there_is_a_gap_exactly_when_something_for_it_was_trimmed(
    position: int, since: int, trimmed: int, gap: Gap | None
) -> None:
    reading = Reading(position=position, window=1)
    reading.session.hot = Hot(Span("a", since, END))
    reading.window.extend(a(*range(1, 11)))
    reading.stock["a"].trimmed, reading.floor = trimmed, trimmed + 1
    taken = reading.take()
    assert (taken if isinstance(taken, Gap) else None) == gap


def test_what_was_trimmed_of_other_topics_is_no_gap() -> None:
    reading = Reading(window=1)
    reading.session.hot = Hot(Span("a", 0, END))
    reading.window.extend(a(*range(1, 11)))
    reading.stock["b"], reading.floor = Stock(trimmed=4), 5
    assert isinstance(reading.take(), Behind)


def test_what_is_trimmed_but_in_the_window_is_no_gap() -> None:
    reading = Reading(a(1, 2, 3))
    reading.stock["a"].trimmed, reading.floor = 2, 3
    assert reading.take() == [1, 2, 3]


def test_what_is_trimmed_while_it_is_being_read_is_a_gap() -> None:
    reading = Reading(window=1)
    reading.session.hot = Hot(Span("a", 0, END))
    reading.window.extend(a(*range(1, 11)))
    behind = reading.take()
    assert isinstance(behind, Behind)
    reading.stock["a"].trimmed, reading.floor = 6, 7
    assert reading.take_old(behind, *a(7, 8, 9)) == Gap(1, 6)
    behind = reading.take()
    assert isinstance(behind, Behind)
    assert reading.take_old(behind, *a(7, 8, 9)) == [7, 8, 9]


@pytest.mark.parametrize(
    ("position", "floor", "gap"), [(0, 1, None), (3, 4, None), (0, 4, Gap(1, 3)), (2, 4, Gap(3, 3))]
)
def test_an_observer_has_a_gap_where_the_log_begins_later(position: int, floor: int, gap: Gap | None) -> None:
    reading = Reading(observer=True, position=position, window=1)
    reading.window.extend(a(*range(1, 11)))
    reading.floor = floor
    taken = reading.take()
    assert (taken if isinstance(taken, Gap) else None) == gap


def test_a_session_shows_itself() -> None:
    assert repr(Reading(a(1)).session) == "<Session 1 of me at 0, hot ['a']>"


def test_readers_alike_are_given_the_very_same_run_and_one_of_them_none_of_its_own_words() -> None:
    core = Core()
    alice, bob, carol = (core.session(name) for name in ("alice", "bob", "carol"))
    for each in (alice, bob, carol):
        core.subscribe(each.instance, "a")
    for each in (alice, bob, carol):
        core.step(each)
    said = core.say(carol, "#a")
    assert alice.hot is bob.hot is carol.hot
    first, second, own = (core.hub.take(each, core.now) for each in (alice, bob, carol))
    assert isinstance(first, Run)
    assert first.messages == [said]
    assert second is first
    assert own is None
    assert alice.position == bob.position == carol.position == core.hub.head
    later = core.say(carol, "#a")
    alice.skip(later.offset)
    assert core.hub.take(alice, core.now) is None
    taken = core.hub.take(bob, core.now)
    assert isinstance(taken, Run)
    assert taken.messages == [later]


def test_what_one_reader_was_given_is_not_all_for_the_next_once_more_has_come() -> None:
    core = Core()
    alice, bob, carol = (core.session(name) for name in ("alice", "bob", "carol"))
    for each in (alice, bob):
        core.subscribe(each.instance, "a")
    early = core.say(carol, "#a")
    assert core.hub.take(alice, core.now).messages == [early]
    later = core.say(carol, "#a")
    assert core.hub.take(bob, core.now).messages == [early, later]
    assert core.hub.take(alice, core.now).messages == [later]
