"""The core against a model that knows nothing of windows, runs or hot topics: it remembers who heard what.

No duplicate, no reorder, no unannounced gap, nobody starved, and the tables are what the facts say.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule

from hub import frames
from hub.errors import HubbubError, NameTaken
from hub.fold import State
from hub.hub import Hub, Limits
from hub.log import Span, Trimmed
from hub.message import Draft, Message
from hub.registry import Registry
from hub.session import Behind, Gap, Session
from hub.topic import INBOX, is_open, matches

NAMES = ("alice", "Bob", "carol", "Dave")
TOPICS = ("build", "build.linux", "build.linux.failed", "chat")
PATTERNS = ("build", "build.*", "build.>", "*", "chat", ">")


def empty() -> State:
    return State(
        epoch="e", head=0, floor=1, instances=[], holdings=[], subscriptions=[], topics=[], waiting=[]
    )


@dataclass
class Reader:
    """What one session was given, and what it should have been."""

    session: Session
    start: int
    given: list[int] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    skipped: int = 0


class HubMachine(RuleBasedStateMachine):
    readers = Bundle("readers")

    def __init__(self) -> None:
        super().__init__()
        numbers = itertools.count(1)
        self.closed: list[Session] = []
        self.hub = Hub(
            empty(),
            limits=Limits(window_messages=5, window_bytes=4000, inbox_messages=8, inbox_bytes=8 * 300),
            new_id=lambda: f"id{next(numbers)}",
            new_secret=lambda: f"secret{next(numbers)}",
            close=lambda session, why: self.closed.append(session),
        )
        self.now = 1_000_000.0
        self.log: dict[int, Message] = {}  # what is kept
        self.ever: list[Message] = []
        self.pending: list[Draft] = []
        self.heard: dict[int, set[int]] = {}  # offset -> origins that heard it when it came
        self.live: list[Reader] = []

    # The journal's part

    def store(self, drafts: list[Draft]) -> list[Message]:
        messages = [Message.of(draft, self.hub.head + place) for place, draft in enumerate(drafts, 1)]
        for message in messages:
            self.log[message.offset] = message
            self.ever.append(message)
        self.hub.commit(messages)
        for message in messages:
            self.heard[message.offset] = {
                instance.origin
                for instance in self.hub.registry.instances.values()
                if self.hears(instance.origin, message)
            }
        return messages

    def hears(self, origin: int, message: Message) -> bool:
        instance = self.hub.registry.instances[origin]
        if message.topic.startswith(INBOX):  # what waited for a name is for whoever registers under it
            return any(
                INBOX + holding.key == message.topic
                and holding.since < message.offset
                and (holding.until is None or message.offset <= holding.until)
                for holding in instance.holdings
            )
        if message.topic.startswith("$") or message.offset <= instance.origin or message.origin == origin:
            return False
        if message.topic == "all":
            return True
        return any(
            since < message.offset and matches(pattern, message.topic)
            for pattern, since in instance.subscriptions.items()
        )

    def heard_by(self, origin: int, message: Message) -> bool:
        if message.topic.startswith(INBOX):
            return self.hears(origin, message)
        return origin in self.heard[message.offset]

    @rule()
    def commit(self) -> None:
        drafts, self.pending = self.pending, []
        self.store(drafts)

    @precondition(lambda self: self.pending)
    @rule()
    def commit_fails(self) -> None:
        drafts, self.pending = self.pending, []
        self.hub.failed(drafts)

    # What clients do

    @rule(
        target=readers,
        name=st.sampled_from(NAMES),
        credit=st.sampled_from([1, 2, 3, 100]),
        how=st.sampled_from(["plain", "share", "take_over"]),
    )
    def connect(self, name: str, credit: int, how: str) -> object:
        hello = frames.Hello(name=name, credit=credit, share=how == "share", take_over=how == "take_over")
        return self.open(hello)

    @rule(target=readers, credit=st.sampled_from([1, 3, 100]))
    def observe(self, credit: int) -> object:
        return self.open(frames.Hello(observe=True, credit=credit))

    @rule(target=readers, reader=consumes(readers), lost=st.integers(0, 3))
    def break_and_resume(self, reader: Reader, lost: int) -> object:
        """The client has all but the last few of what was pushed, and says so when it is back."""
        session = reader.session
        if session.number in self.hub.sessions:
            self.disconnect(reader)
        given = reader.given[: len(reader.given) - lost]
        resume = given[-1] if given else reader.start
        instance = session.instance
        if session.observer:
            return self.open(frames.Hello(observe=True, resume=resume, epoch="e", credit=100))
        assert instance is not None
        return self.open(frames.Hello(name=instance.name, resume=resume, epoch="e", credit=100, share=True))

    def open(self, hello: frames.Hello) -> object:
        try:
            joining = self.hub.join(hello, self.now)
        except NameTaken:
            return multiple()
        if joining.register is not None:
            self.store([joining.register])
        session, welcome, facts = self.hub.open(joining, self.now, lambda: None)
        self.live = [each for each in self.live if each.session not in self.closed]
        self.pending += facts
        assert welcome.head == self.hub.head
        reader = Reader(session, session.position)
        self.live.append(reader)
        return reader

    @rule(reader=consumes(readers))
    def disconnect(self, reader: Reader) -> None:
        self.pending += self.hub.leave(reader.session, "gone", self.now)
        self.live = [each for each in self.live if each is not reader]

    @rule(
        sender=st.sampled_from(NAMES),
        to=st.sampled_from([*NAMES, "ALICE", "nobody", "all", *("#" + topic for topic in TOPICS)]),
        body=st.sampled_from(["x", "y" * 900]),
    )
    def publish(self, sender: str, to: str, body: str) -> None:
        instance = self.hub.registry.find(sender.lower())
        if instance is None:
            return
        try:
            self.pending.append(self.hub.publish(instance, frames.Publish(to=to, body=body), self.now))
        except HubbubError as why:
            assert why.code == "inbox_full"

    @rule(name=st.sampled_from(NAMES), topic=st.sampled_from(PATTERNS), on=st.booleans())
    def subscribe(self, name: str, topic: str, on: bool) -> None:
        instance = self.hub.registry.find(name.lower())
        if instance is not None:
            change = self.hub.subscribe if on else self.hub.unsubscribe
            if (draft := change(instance, topic, self.now)) is not None:
                self.pending.append(draft)

    @rule(old=st.sampled_from(NAMES), new=st.sampled_from([*NAMES, "nobody", "Erin"]))
    def rename(self, old: str, new: str) -> None:
        instance = self.hub.registry.find(old.lower())
        if instance is None:
            return
        try:
            draft = self.hub.rename(instance, new, self.now)
        except NameTaken:
            return
        if draft is not None:
            self.store([*self.pending, draft])
            self.pending = []
            self.hub.release(new)
            assert instance.name == new

    @rule(seconds=st.sampled_from([1.0, 7201.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.store([*self.pending, *self.hub.due(self.now), *self.hub.cursors(self.now)])
        self.pending = []

    @rule(name=st.sampled_from(NAMES), back=st.integers(0, 3))
    def read(self, name: str, back: int) -> None:
        instance = self.hub.registry.find(name.lower())
        if instance is not None:
            before = instance.read
            self.hub.read(instance, max(0, self.hub.head - back))
            assert instance.read >= before
            for reader in self.live:
                if reader.session.instance is instance and not reader.session.observer:
                    reader.skipped = max(reader.skipped, instance.read)

    @rule(count=st.integers(1, 12))
    def trim(self, count: int) -> None:
        gone = [self.log.pop(offset) for offset in sorted(self.log)[: min(count, len(self.log) - 1)]]
        topics: dict[str, list[Message]] = {}
        for message in gone:
            topics.setdefault(message.topic, []).append(message)
        self.hub.trimmed(
            Trimmed(
                min(self.log, default=self.hub.head + 1),
                [(topic, len(each), sum(m.size for m in each), each[-1].offset) for topic, each in topics.items()],
                False,
            )
        )

    # The pump

    def step(self, reader: Reader) -> bool:
        session = reader.session
        taken = self.hub.take(session, self.now)
        if isinstance(taken, Behind):
            if taken.spans:
                page = [
                    message
                    for offset, message in sorted(self.log.items())
                    if any(s.topic == message.topic and s.after < offset <= s.upto for s in taken.spans)
                ]
            else:
                page = [m for offset, m in sorted(self.log.items()) if taken.after < offset <= taken.upto]
            run = self.hub.take_old(session, taken, page[: taken.limit], self.now)
            if run is None:
                return True
            taken = run
        if taken is None:
            return False
        if isinstance(taken, Gap):
            assert taken.last >= taken.first
            reader.gaps.append(taken)
            return True
        assert len(session.outstanding) <= session.credit
        for message in taken.messages:
            assert message.offset > reader.start
            assert not reader.given or message.offset > reader.given[-1], "a duplicate, or out of order"
            if not session.observer:
                assert self.heard_by(session.origin, message), "not for this reader"
            reader.given.append(message.offset)
        return True

    @rule(reader=readers)
    def take(self, reader: Reader) -> None:
        if reader.session.number in self.hub.sessions:
            self.step(reader)

    @rule(reader=readers, credit=st.sampled_from([None, None, 1, 4]))
    def received(self, reader: Reader, credit: int | None) -> None:
        if reader.session.number in self.hub.sessions and reader.given:
            self.hub.received(reader.session, reader.given[-1], credit)

    @rule()
    def everybody_catches_up(self) -> None:
        """With room to take it, each reader ends with all that is for it, or a gap that says what is not."""
        self.store(self.pending)
        self.pending = []
        for reader in self.live:
            self.hub.received(reader.session, self.hub.head, 10_000)
            for _ in range(100):
                if not self.step(reader):
                    break
            else:
                raise AssertionError("a reader never comes to rest")
            assert not reader.session.hot, "starved"
            self.check(reader)

    def check(self, reader: Reader) -> None:
        session, given = reader.session, set(reader.given)
        for message in self.ever:
            if message.offset <= max(reader.start, reader.skipped):
                continue
            if not session.observer:
                if not self.heard_by(session.origin, message):
                    continue
                heard = self.hub.registry.instances[session.origin].subscriptions
                if is_open(message.topic) and not any(
                    since < message.offset and matches(pattern, message.topic) for pattern, since in heard.items()
                ):
                    continue  # unsubscribed since: whether it still came is nobody's business
            if message.offset not in given:
                assert message.offset not in self.log, f"{message.topic} {message.offset} was lost"
                assert any(gap.first <= message.offset <= gap.last for gap in reader.gaps), "an unannounced gap"

    # What always holds

    @invariant()
    def unread_is_what_was_heard_and_not_read(self) -> None:
        for instance in self.hub.registry.instances.values():
            unread = self.hub.unread(instance, self.now)
            counted = unread.messages + sum(
                1
                for span in unread.behind
                for offset, message in self.log.items()
                if message.topic == span.topic and span.after < offset <= span.upto and message.origin != instance.origin
            )
            known = {message.offset for message in self.hub.window.newest(100)} | set(self.log)
            expected = [
                message.offset
                for message in self.ever
                if message.offset > instance.read
                and message.offset in known
                and self.hears(instance.origin, message)
                and not (message.topic.startswith(INBOX) and message.offset not in self.log)
                and not (message.expires_at is not None and message.expires_at <= self.now)
            ]
            assert counted == len(expected), (instance, counted, expected)

    @invariant()
    def the_window_is_bounded_and_whole(self) -> None:
        window = self.hub.window
        assert len(window) <= 5
        kept = [message.offset for message in window.newest(100)]
        assert kept == list(range(window.floor, window.head + 1)) or not kept

    @invariant()
    def nothing_is_reserved_but_what_is_under_way(self) -> None:
        under_way: dict[str, int] = {}
        for draft in self.pending:
            if draft.topic.startswith(INBOX):
                under_way[draft.topic] = under_way.get(draft.topic, 0) + 1
        assert {topic: count for topic, (count, _) in self.hub._reserved.items()} == under_way

    def teardown(self) -> None:
        """The registry is the fold of the facts: reading them again from the first gives the same."""
        again = Registry(empty())
        for message in self.ever:
            again.apply(message)
        live = self.hub.registry
        assert {key: holding.origin for key, holding in again.held.items()} == {
            key: holding.origin for key, holding in live.held.items()
        }
        for origin, instance in live.instances.items():
            other = again.instances[origin]
            assert (other.name, other.subscriptions) == (instance.name, instance.subscriptions)
            assert other.read <= instance.read  # the last tick's movements may not be on the log yet


HubMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.timeout(180)
class TestHub(HubMachine.TestCase):
    """Hypothesis drives it."""


