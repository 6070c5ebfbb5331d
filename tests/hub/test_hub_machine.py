"""The core against a model that knows nothing of windows, runs, hot topics or the registry.

The model folds the facts itself, in the plainest way, and remembers who heard what. Held against it are the invariants
of tests/invariants.py, and what only the core can know: nobody starved, caps kept, spans and names where they belong.
tests/hub/test_the_tests.py plants faults in the core and checks that this finds them.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TypeAlias

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from hub import frames
from hub.errors import BadValue, InboxFull, NameTaken, TooMany
from hub.fold import UNANSWERED, State
from hub.hub import Hub, Limits
from hub.log import Trimmed
from hub.message import Draft, Message
from hub.registry import Registry
from hub.session import Behind, Gap, Session
from hub.topic import INBOX, address, is_open, matches
from hub.window import Run
from tests.invariants import MISFOLDED, MISTOLD, OVERDRAWN, STALE, Heard, hold

NAMES = ("alice", "Bob", "carol", "Dave")
TOPICS = ("build", "build.linux", "build.linux.failed", "chat")
PATTERNS = ("build", "build.*", "build.>", "chat", ">")
WINDOW = 5
SESSIONS = 4
INBOX_MESSAGES = 5


def empty() -> State:
    return State(epoch="e", head=0, floor=1, instances=[], holdings=[], subscriptions=[], topics=[], waiting=[])


Stop: TypeAlias = tuple[str, int | str]  # ("queue", the origin of its reader or its topic), ("sender", an origin)
WANTED = -1.0  # said so: an answer is wanted within 5 s
Said: TypeAlias = tuple[str, str, tuple[int, float | None]]  # sender, to, how often and how: long, for 5 s, or WANTED


def conversation(*to: str) -> st.SearchStrategy[list[Said]]:
    """A few things that are said; what is said to `+topic` is that one subscribes to it, or does so no longer."""
    said = st.tuples(
        st.sampled_from(NAMES[:3]),
        st.sampled_from(to),
        st.sampled_from([(1, None), (1, None), (4, None), (1, 900), (1, 5.0), (1, WANTED)]),
    )
    return st.lists(said, min_size=1, max_size=5)


@dataclass
class Hold:
    """The model's idea of who has a name: from after `since` up to `until`."""

    key: str
    since: int
    until: int | None = None


@dataclass
class Person:
    """The model's idea of an instance."""

    origin: int
    name: str
    holds: list[Hold]
    subscribed: dict[str, int] = field(default_factory=dict)
    read: int = 0

    def covers(self, message: Message) -> bool:
        """Whether a message is on a topic of this one's, as things stand now."""
        if message.topic.startswith(INBOX):
            return any(
                INBOX + hold.key == message.topic
                and hold.since < message.offset
                and (hold.until is None or message.offset <= hold.until)
                for hold in self.holds
            )
        if message.topic == "all":
            return self.origin < message.offset
        return is_open(message.topic) and any(
            since < message.offset and matches(pattern, message.topic) for pattern, since in self.subscribed.items()
        )

    def hears(self, message: Message) -> bool:
        """Whether it is for this one: nobody is sent their own words, but for a note to oneself."""
        return self.covers(message) and (message.origin != self.origin or message.topic.startswith(INBOX))


@dataclass
class Reader:
    """What one session was given, and what it should have been."""

    session: Session
    person: Person | None  # None: an observer
    heard: Heard
    credit: int
    confirmed: int = 0

    @property
    def given(self) -> list[int]:
        return self.heard.given

    @property
    def on_the_way(self) -> int:
        return sum(1 for offset in self.given if offset > self.confirmed)


class HubMachine(RuleBasedStateMachine):
    readers = Bundle("readers")

    def __init__(self) -> None:
        super().__init__()
        numbers = itertools.count(1)
        self.closed: list[Session] = []
        self.hub = Hub(
            empty(),
            limits=Limits(
                window_messages=WINDOW,
                window_bytes=4000,
                inbox_messages=INBOX_MESSAGES,
                inbox_bytes=8 * 300,
                max_sessions_per_name=SESSIONS,
            ),
            new_id=lambda: f"id{next(numbers)}",
            new_secret=lambda: f"secret{next(numbers)}",
            close=lambda session, why: self.closed.append(session),
        )
        self.now = 1_000_000.0
        self.log: dict[int, Message] = {}  # what is kept
        self.ever: list[Message] = []
        self.pending: list[Draft] = []
        self.people: dict[int, Person] = {}
        self.freed: dict[str, int] = {}
        self.heard: dict[int, set[int]] = {}  # offset -> origins that heard it when it came
        self.live: list[Reader] = []
        self.stops: set[Stop] = set()
        self.held: dict[tuple[int, str], Message] = {}  # by origin and id: the fact of what waits for a person
        self.dropped: dict[tuple[int, str], Message] = {}
        self.wanted: dict[int, Message] = {}  # offset -> what wants an answer by a time: not answered, not told of
        self.looked_at: object = None

    # The journal's part

    def store(self, *drafts: Draft) -> list[Message]:
        """Commit what is pending and these, as one transaction; returns the messages of these."""
        batch, self.pending = [*self.pending, *drafts], []
        messages = [Message.of(draft, self.hub.head + place) for place, draft in enumerate(batch, 1)]
        self.hub.commit(messages)
        for message in messages:
            self.log[message.offset] = message
            self.ever.append(message)
            self.fold(message)
            self.heard[message.offset] = {each.origin for each in self.people.values() if each.hears(message)}
        return messages[len(messages) - len(drafts) :]

    def fold(self, message: Message) -> None:
        told = message.data or {}
        if message.answer_by is not None:
            self.wanted[message.offset] = message
        if message.reply_to is not None and not message.topic.startswith("$"):
            for asked in [each for each in self.wanted.values() if each.id == message.reply_to]:
                if asked.origin != message.origin:
                    del self.wanted[asked.offset]
        self.fold_stops(message)
        match message.topic:
            case "$message.unanswered":
                self.wanted.pop(told["offset"], None)
            case "$instance.registered":
                key = told["name"].lower()
                hold = Hold(key, self.freed.get(key, 0))
                self.people[message.offset] = Person(message.offset, told["name"], [hold])
                self.take_over(key, message.offset)
            case "$instance.renamed":
                person, key = self.people[told["origin"]], told["name"].lower()
                person.name = told["name"]
                if not any(hold.key == key and hold.until is None for hold in person.holds):
                    person.holds.append(Hold(key, message.offset))
                self.take_over(key, person.origin)
            case "$instance.forgot":
                if (person := self.person(told["name"])) is not None:
                    for hold in person.holds:
                        if hold.key == told["name"].lower() and hold.until is None:
                            hold.until = self.freed[hold.key] = message.offset
            case "$subscription.added":
                self.people[told["origin"]].subscribed.setdefault(told["topic"], message.offset)
            case "$subscription.removed":
                self.people[told["origin"]].subscribed.pop(told["topic"], None)

    def fold_stops(self, message: Message) -> None:
        told, key = message.data or {}, (message.origin, message.id)
        if message.topic.startswith("$held."):
            self.held[told["origin"], told["id"]] = message
        elif message.topic == "$hold.dropped":
            fact = self.held.pop((told["origin"], told["id"]), None)
            if fact is not None:
                self.dropped[told["origin"], told["id"]] = fact
        elif message.topic == "$queue.purged":
            person = self.people[told["origin"]]
            person.read = max(person.read, told["upto"])
            for reader in self.live:
                if reader.person is person:
                    reader.heard.excuse(person.read)
        elif not message.topic.startswith("$"):
            self.held.pop(key, None)
        else:
            self.stops = self.after(self.stops, message)

    def after(self, stops: set[Stop], fact: Draft | Message) -> set[Stop]:
        """What is held and paused after such a fact."""
        told = fact.data or {}
        match fact.topic:
            case "$hold.began":
                return stops | {self.queue(told["topic"], told["origin"])}
            case "$hold.ended":
                return stops - {self.queue(told["topic"], told["origin"])}
            case "$pause.began":
                return stops | {("sender", told["origin"])}
            case "$pause.ended":
                return stops - {("sender", told["origin"])}
        return stops

    def queue(self, topic: str, origin: int = 0) -> Stop:
        """A queue is its reader's, whatever that one is called, or else a topic's."""
        if not origin and topic.startswith(INBOX) and (person := self.person(topic[len(INBOX) :])) is not None:
            origin = person.origin
        return ("queue", origin or topic)

    def take_over(self, key: str, origin: int) -> None:
        if ("queue", INBOX + key) in self.stops:
            self.stops = self.stops - {("queue", INBOX + key)} | {("queue", origin)}

    @property
    def in_force(self) -> set[Stop]:
        """Also what is only on its way to the log."""
        stops = self.stops
        for draft in self.pending:
            stops = self.after(stops, draft)
        return stops

    def is_stopped(self, origin: int, topic: str) -> bool:
        return bool({("sender", origin), self.queue(topic), ("queue", topic)} & self.in_force)

    def person(self, name: str) -> Person | None:
        """Who is reached under a name now."""
        return next(
            (
                each
                for each in self.people.values()
                for hold in each.holds
                if hold.key == name.lower() and hold.until is None
            ),
            None,
        )

    @initialize(
        target=readers,
        credits=st.lists(st.sampled_from([1, 2, 4, 100]), min_size=3, max_size=3),
        heard=st.lists(st.tuples(st.sampled_from(NAMES[:3]), st.sampled_from(PATTERNS)), min_size=2, max_size=5),
        watched=st.booleans(),
    )
    def begin(self, credits: list[int], heard: list[tuple[str, str]], watched: bool) -> object:
        """Three of the four are there from the start: Hypothesis leaves out rules, and with nobody nothing happens."""
        readers = [
            self.open(frames.Hello(name=name, credit=credit)) for name, credit in zip(NAMES, credits, strict=False)
        ]
        for name, topic in heard:
            self.subscribe(name, topic, True, True)
        self.store()
        if watched:
            readers.append(self.connect("alice", credits[0], "observe"))
        return multiple(*readers)

    @rule(fails=st.sampled_from([False, False, True]))
    def commit(self, fails: bool) -> None:
        if fails:
            drafts, self.pending = self.pending, []
            self.hub.failed(drafts)
        else:
            self.store()

    # What clients do

    @rule(
        target=readers,
        name=st.sampled_from([*NAMES, None]),
        credit=st.sampled_from([1, 2, 3, 100]),
        how=st.sampled_from(["plain", "share", "take_over", "observe"]),
    )
    def connect(self, name: str | None, credit: int, how: str) -> object:
        """An observer may have a name too: it is then one of the instance's sessions, and reads everything."""
        observe = how == "observe" or name is None
        share = how in ("share", "observe")
        return self.open(
            frames.Hello(name=name, credit=credit, share=share, take_over=how == "take_over", observe=observe)
        )

    @rule(target=readers, reader=consumes(readers), lost=st.integers(0, 3))
    def break_and_resume(self, reader: Reader, lost: int) -> object:
        """The client has all but the last few of what was pushed, and says so when it is back."""
        session = reader.session
        if session.number in self.hub.sessions:
            self.disconnect(reader)
        given = reader.given[: len(reader.given) - lost]
        resume = given[-1] if given else reader.heard.after
        name = session.instance.name if session.instance else None
        return self.open(
            frames.Hello(name=name, observe=session.observer, resume=resume, epoch="e", credit=100, share=True)
        )

    def open(self, hello: frames.Hello) -> object:
        known = self.person(hello.name) if hello.name else None
        try:
            joining = self.hub.join(hello, self.now)
        except NameTaken:
            assert known is not None
            assert not hello.share
            assert not hello.take_over
            assert self.sessions_of(known) > 0
            return multiple()
        except TooMany:
            assert known is not None
            assert self.sessions_of(known) == SESSIONS
            return multiple()
        assert (joining.register is None) == (hello.name is None or known is not None)
        if joining.register is not None:
            self.store(joining.register)
        session, welcome, facts = self.hub.open(joining, self.now, lambda: None)
        self.live = [each for each in self.live if each.session not in self.closed]
        self.pending += facts
        person = self.person(hello.name) if hello.name else None
        start = hello.resume
        if hello.observe:
            start = self.hub.head if start is None else start
        else:
            assert person is not None
            start = max(start or 0, person.read)
        assert welcome.head == self.hub.head
        assert welcome.name == (person.name if person else None)
        reader = Reader(session, None if hello.observe else person, Heard(start), hello.credit)
        self.live.append(reader)
        return reader

    def sessions_of(self, person: Person) -> int:
        return sum(
            1
            for each in self.live
            if each.session.instance is not None and each.session.instance.origin == person.origin
        )

    @rule(reader=consumes(readers))
    def disconnect(self, reader: Reader) -> None:
        self.pending += self.hub.leave(reader.session, "gone", self.now)
        self.live = [each for each in self.live if each is not reader]

    # Three rules for one thing: Hypothesis leaves rules out of each story, and without talk there is none.

    @rule(said=conversation(*NAMES, "ALICE", "nobody"), at_once=st.booleans())
    def talk_to_one(self, said: list[Said], at_once: bool) -> None:
        self.talk(said, at_once)

    @rule(said=conversation("all", "#chat", "#chat", "+chat", "+chat", "+build.*"), at_once=st.booleans())
    def talk_to_many(self, said: list[Said], at_once: bool) -> None:
        self.talk(said, at_once)

    @rule(said=conversation(*NAMES, "all", *("#" + topic for topic in TOPICS)), at_once=st.booleans())
    def talk_at_random(self, said: list[Said], at_once: bool) -> None:
        self.talk(said, at_once)

    def talk(self, said: list[Said], at_once: bool) -> None:
        for sender, to, (times, how) in said:
            instance = self.hub.registry.find(sender.lower())
            if instance is None:
                continue
            if to.startswith("+"):
                self.subscribe(sender, to[1:], to[1:] not in instance.subscriptions, False)
                continue
            body = "x" * 900 if how == 900 else "x"
            for _ in range(times):
                try:
                    draft = self.hub.publish(
                        instance,
                        frames.Publish(
                            to=to,
                            body=body,
                            ttl=5.0 if how == 5.0 else None,
                            answer_by=5.0 if how == WANTED else None,
                        ),
                        self.now,
                    )
                except InboxFull:
                    stopped = self.is_stopped(instance.origin, to[1:] if to.startswith("#") else to.lower())
                    assert stopped or not (to.startswith("#") or to == "all")
                    continue
                self.said(instance.origin, instance.name, draft)
        if at_once:
            self.store()

    def said(self, origin: int, name: str, draft: Draft) -> None:
        """It is held exactly where something is, or is about to be, that holds it."""
        held = draft.topic.startswith("$held.")
        topic = draft.topic.removeprefix("$held.")
        assert held == self.is_stopped(origin, topic), (draft, self.in_force)
        whose = (draft.data["name"], draft.data["origin"]) if held else (draft.sender, draft.origin)
        assert whose == (name, origin)
        self.pending.append(draft)

    # What people decide

    @rule(
        what=st.sampled_from(["alice", "alice", "Bob", "nobody", "#chat", "all", "|alice", "|alice", "|Bob"]),
        begins=st.booleans(),
        drop=st.sampled_from([False, False, True]),
        at_once=st.booleans(),
    )
    def stop(self, what: str, begins: bool, drop: bool, at_once: bool) -> None:
        """Hold a queue or pause an agent, or end that: then what waited for it alone goes on its way, in its order."""
        hub, now = self.hub, self.now
        try:
            if what.startswith("|"):
                instance = hub.registry.find(what[1:].lower())
                if instance is None:
                    return
                scope: Stop = ("sender", instance.origin)
                done = hub.pause(instance, "kay", None, now) if begins else hub.resume(instance, None, now, drop=drop)
            else:
                scope = self.queue(address(what).topic)
                done = hub.hold(what, "kay", None, now) if begins else hub.unhold(what, None, now, drop=drop)
        except BadValue:
            assert begins == (scope in self.in_force)
            return
        if isinstance(done, Draft):
            self.pending.append(done)
        else:
            order = [each.id for each in done.drafts if not each.topic.startswith("$")]
            waiting = [*self.held.values(), *(each for each in self.pending if each.topic.startswith("$held."))]
            assert order == [each.data["id"] for each in waiting if each.data["id"] in order]
            assert not (drop and order)
            self.pending += done.drafts
            if done.why is None:
                assert scope not in self.in_force
        if at_once:
            self.store()

    @rule(which=st.integers(0, 9), how=st.sampled_from(["release", "edit", "drop"]), at_once=st.booleans())
    def decide(self, which: int, how: str, at_once: bool) -> None:
        if not self.held:
            return
        fact = list(self.held.values())[which % len(self.held)]
        try:
            if how == "drop":
                self.pending.append(self.hub.holds.drop(fact.offset, "kay", self.now))
            else:
                drafts = self.hub.holds.release(fact.offset, "kay", self.now, "y" if how == "edit" else None)
                assert (drafts[0].id, drafts[0].origin) == (fact.data["id"], fact.data["origin"])
                assert drafts[0].body.startswith("y" if how == "edit" else fact.data["body"])
                self.pending += drafts
        except InboxFull:
            return
        except BadValue:
            assert fact.data["expires_at"] <= self.now
            return
        # Whatever is decided a second time before the log has the first changes nothing.
        self.store() if at_once or how == "drop" else self.settle(fact)

    def settle(self, fact: Message) -> None:
        self.store()
        assert (fact.data["origin"], fact.data["id"]) not in self.held

    @rule(name=st.sampled_from(NAMES[:3]))
    def purge(self, name: str) -> None:
        if (instance := self.hub.registry.find(name.lower())) is not None:
            self.pending.append(self.hub.purge(instance, "kay", self.now, messages=0))
            self.store()
            assert instance.read == self.people[instance.origin].read

    @rule(which=st.integers(0, 9))
    def say_again(self, which: int) -> None:
        """What was held or dropped and is said again under its id is answered with the same fact."""
        decided = [*self.held.values(), *self.dropped.values()]
        if decided:
            fact = decided[which % len(decided)]
            instance = self.hub.registry.instances[fact.data["origin"]]
            again = frames.Publish(to=fact.data["to"], body="again", id=fact.data["id"])
            assert self.hub.publish(instance, again, self.now).id == fact.id

    @rule(name=st.sampled_from(NAMES[:3]), which=st.integers(0, 9), at_once=st.booleans())
    def answer(self, name: str, which: int, at_once: bool) -> None:
        """Also by the one who asked, which is no answer."""
        instance = self.hub.registry.find(name.lower())
        if instance is None or not self.wanted:
            return
        asked = list(self.wanted.values())[which % len(self.wanted)]
        try:
            said = frames.Publish(to="#chat", body="x", reply_to=asked.id)
            self.said(instance.origin, instance.name, self.hub.publish(instance, said, self.now))
        except TooMany:
            return
        except InboxFull:
            assert self.is_stopped(instance.origin, "chat")
            return
        if at_once:
            self.store()

    @rule(name=st.sampled_from(NAMES), topic=st.sampled_from(PATTERNS), on=st.booleans(), at_once=st.booleans())
    def subscribe(self, name: str, topic: str, on: bool, at_once: bool) -> None:
        instance = self.hub.registry.find(name.lower())
        if instance is not None:
            change = self.hub.subscribe if on else self.hub.unsubscribe
            if (draft := change(instance, topic, self.now)) is not None:
                self.pending.append(draft)
                if at_once:
                    self.store()

    @rule(
        old=st.sampled_from(NAMES[:3]),
        new=st.sampled_from(["alice", "ALICE", "Dave", "Erin", "nobody"]),
        later=st.booleans(),
    )
    def rename(self, old: str, new: str, later: bool) -> None:
        instance = self.hub.registry.find(old.lower())
        if instance is None:
            return
        try:
            draft = self.hub.rename(instance, new, self.now)
        except NameTaken:
            return
        if draft is not None:
            self.store(draft)
        assert instance.name == new
        if later:
            self.time_passes(7201.0)

    @rule(seconds=st.sampled_from([1.0, 10.0, 7201.0, 7201.0]), fails=st.sampled_from([False, False, False, True]))
    def time_passes(self, seconds: float, fails: bool = False) -> None:
        self.now += seconds
        due = [*self.hub.due(self.now), *self.hub.cursors(self.now)]
        told = sorted(each.data["offset"] for each in due if each.topic == UNANSWERED)
        over = sorted(
            offset for offset, each in self.wanted.items() if each.answer_by is not None and each.answer_by <= self.now
        )
        hold([(MISTOLD, f"told of {told}, and unanswered are {over}")] if told != over else [])
        if fails:
            self.hub.failed(due)
        else:
            self.store(*due)

    @rule(name=st.sampled_from(NAMES), back=st.sampled_from([0, 4, 9, 14]))
    def read(self, name: str, back: int) -> None:
        instance = self.hub.registry.find(name.lower())
        if instance is not None:
            offset = max(0, self.hub.head - back)
            self.hub.read(instance, offset)
            person = self.people[instance.origin]
            person.read = max(person.read, offset)
            for reader in self.live:
                if reader.person is person:
                    reader.heard.excuse(person.read)

    @rule(count=st.sampled_from([1, 3, 7, 20]))
    def trim(self, count: int) -> None:
        gone = [self.log.pop(offset) for offset in sorted(self.log)[: min(count, len(self.log) - 1)]]
        topics: dict[str, list[Message]] = {}
        for message in gone:
            self.wanted.pop(message.offset, None)
            topics.setdefault(message.topic, []).append(message)
        # What retention took waits for nobody, and is new when it is said again.
        self.held, self.dropped = (
            {key: fact for key, fact in facts.items() if fact.offset in self.log} for facts in (self.held, self.dropped)
        )
        self.hub.trimmed(
            Trimmed(
                min(self.log, default=self.hub.head + 1),
                [(topic, len(each), sum(m.size for m in each), each[-1].offset) for topic, each in topics.items()],
                False,
            )
        )

    # The pump

    def step(self, reader: Reader) -> bool:
        """Give a session what comes next; returns whether there may be more."""
        session = reader.session
        taken: Run | Gap | Behind | None = self.hub.take(session, self.now)
        if isinstance(taken, Behind):
            if taken.spans:
                page = [
                    message
                    for offset, message in sorted(self.log.items())
                    if any(s.topic == message.topic and s.after < offset <= s.upto for s in taken.spans)
                ]
            else:
                page = [m for offset, m in sorted(self.log.items()) if taken.after < offset <= taken.upto]
            taken = self.hub.take_old(session, taken, Run(page[: taken.limit], complete=False), self.now)
            if taken is None:
                return True
        if taken is None:
            return False
        if isinstance(taken, Gap):
            assert taken.last >= taken.first
            needed = any(
                taken.first <= each.offset <= taken.last
                and each.offset not in self.log
                and (reader.person is None or each.topic in session.hot)
                for each in self.ever
            )
            # Of a name that has passed on it is only known that something was removed, be it past its time.
            needed = needed or any(
                span.upto == taken.last < self.hub.registry.topics[span.topic].trimmed for span in session.hot.values()
            )
            hold(reader.heard.be_told(taken.first, taken.last, needed=needed))
            return True
        for message in taken.messages:
            meant = reader.person is None or reader.person.hears(message)
            hold(reader.heard.take(message.offset, there=message.offset in self.heard, meant=meant))
            if reader.person is not None and message.expired(self.now):
                hold([(STALE, f"at {message.offset}")])
        if reader.on_the_way > reader.credit:
            hold([(OVERDRAWN, f"{reader.on_the_way} on the way, for {reader.credit}")])
        return True

    @rule(
        reader=readers,
        rounds=st.lists(st.tuples(st.integers(1, 2), st.integers(0, 3)), min_size=1, max_size=3),
        credit=st.sampled_from([None, None, None, 1, 4]),
    )
    def go_on(self, reader: Reader, rounds: list[tuple[int, int]], credit: int | None) -> None:
        """A client takes what comes, and says now and then up to where it has it."""
        for takes, back in rounds:
            for _ in range(takes):
                if reader.session.number in self.hub.sessions:
                    self.step(reader)
            if reader.session.number in self.hub.sessions and len(reader.given) > back:
                self.confirm(reader, reader.given[-1 - back], credit)

    def confirm(self, reader: Reader, offset: int, credit: int | None) -> None:
        self.hub.received(reader.session, offset, credit)
        reader.confirmed = max(reader.confirmed, offset)
        reader.credit = reader.credit if credit is None else credit

    @rule()
    def everybody_catches_up(self) -> None:
        """With room to take it, each reader ends with all that is for it, or a gap that says what is not."""
        self.store()
        for reader in self.live:
            credit = reader.credit
            self.confirm(reader, self.hub.head, 10_000)
            for _ in range(100):
                if not self.step(reader):
                    break
            else:
                raise AssertionError("a reader never comes to rest")
            assert not reader.session.hot, "starved"
            self.check(reader)
            self.confirm(reader, self.hub.head, credit)
            if reader.person is not None:
                assert self.hub.registry.instances[reader.person.origin].received >= max([0, *reader.given])

    def check(self, reader: Reader) -> None:
        for message in self.ever:
            # Unsubscribed since: whether it still came is nobody's business.
            if reader.person is None or (
                reader.person.origin in self.heard[message.offset]
                and reader.person.hears(message)
                and not message.expired(self.now)
            ):
                hold(reader.heard.lacks(message.offset, kept=message.offset in self.log))

    # What always holds

    @invariant()
    def all_is_well(self) -> None:
        stands = (len(self.ever), len(self.log), self.now, sum(each.read for each in self.people.values()))
        if stands != self.looked_at:  # what merely takes changes nothing of this
            self.looked_at = stands
            self.names_lead_where_the_facts_say()
            self.unread_is_what_was_heard_and_not_read()
            self.spans_are_where_what_is_heard_lies()
            self.an_inbox_keeps_its_cap()
            self.the_window_is_bounded_and_whole()
            self.what_waits_for_a_person_is_what_the_facts_say()
        self.nothing_is_reserved_but_what_is_under_way()

    def names_lead_where_the_facts_say(self) -> None:
        registry = self.hub.registry
        keys = {hold.key for person in self.people.values() for hold in person.holds}
        for key in keys | {name.lower() for name in NAMES}:
            person, found = self.person(key), registry.find(key)
            assert (person.origin if person else None) == (found.origin if found else None), key
        for person in self.people.values():
            instance = registry.instances[person.origin]
            assert (instance.name, instance.subscriptions, instance.read) == (
                person.name,
                person.subscribed,
                person.read,
            )

    def unread_is_what_was_heard_and_not_read(self) -> None:
        in_memory = {message.offset for message in self.hub.window.newest(100)}
        for person in self.people.values():
            unread = self.hub.unread(self.hub.registry.instances[person.origin], self.now)
            counted = unread.messages + sum(
                1
                for span in unread.behind
                for offset, message in self.log.items()
                if message.topic == span.topic
                and span.after < offset <= span.upto
                and message.origin != person.origin
                and not message.expired(self.now)
            )
            expected = [
                message.offset
                for message in self.ever
                if message.offset > person.read
                and (
                    message.offset in self.log or (message.offset in in_memory and not message.topic.startswith(INBOX))
                )
                and person.hears(message)
                and not message.expired(self.now)
            ]
            assert counted == len(expected), (person, counted, expected)

    def spans_are_where_what_is_heard_lies(self) -> None:
        for person in self.people.values():
            spans = self.hub.registry.spans(self.hub.registry.instances[person.origin], 0, self.hub.head)
            for message in self.log.values():
                covered = any(
                    span.topic == message.topic and span.after < message.offset <= span.upto for span in spans
                )
                assert covered == person.covers(message), (person, message)

    def an_inbox_keeps_its_cap(self) -> None:
        for topic, inbox in self.hub.registry.inboxes.items():
            assert 0 < len(inbox.messages) <= INBOX_MESSAGES, topic
            assert inbox.size == sum(each.size for each in inbox.messages) <= 8 * 300

    def the_window_is_bounded_and_whole(self) -> None:
        window = self.hub.window
        assert len(window) <= WINDOW
        kept = [message.offset for message in window.newest(100)]
        assert kept == list(range(window.floor, window.head + 1)) or not kept

    def what_waits_for_a_person_is_what_the_facts_say(self) -> None:
        holds = self.hub.holds
        kept = list(self.held.values())
        assert list(holds.held.values()) == kept
        assert {
            ("sender" if scope.kind == "sender" else "queue", scope.origin or scope.topic)
            for scope in self.hub.registry.holds
        } == self.stops
        if not self.pending:
            for fact in kept:
                assert self.is_stopped(fact.data["origin"], fact.data["topic"]) or (
                    ("queue", fact.data["reader"]) in self.stops or fact.data["reader"] is None
                ), fact

    def nothing_is_reserved_but_what_is_under_way(self) -> None:
        under_way: dict[str, tuple[int, int]] = {}
        for draft in self.pending:
            if draft.topic.startswith(INBOX):
                count, size = under_way.get(draft.topic, (0, 0))
                under_way[draft.topic] = (count + 1, size + draft.size)
        assert self.hub._posting.under_way == under_way
        waiting = Counter(fact.data["topic"] for fact in self.hub.holds.held.values())
        waiting.update(draft.data["topic"] for draft in self.pending if draft.topic.startswith("$held."))
        assert {topic: count for topic, (count, _) in self.hub.holds._room.items()} == waiting

    def teardown(self) -> None:
        """All comes to rest; and the registry is the fold of the facts: read again, they give the same."""
        self.everybody_catches_up()
        again = Registry(empty())
        for message in self.ever:
            again.apply(message)
        live = self.hub.registry
        if again.holds != live.holds:
            hold([(MISFOLDED, f"holds {again.holds}, and are {live.holds}")])
        names = [{key: holding.origin for key, holding in each.held.items()} for each in (again, live)]
        if names[0] != names[1]:
            hold([(MISFOLDED, f"names {names[0]}, and are {names[1]}")])
        for origin, instance in live.instances.items():
            other = again.instances[origin]
            # Read: the last tick's movements may not be on the log yet.
            if (other.name, other.subscriptions) != (
                instance.name,
                instance.subscriptions,
            ) or other.read > instance.read:
                hold([(MISFOLDED, f"{other}, and is {instance}")])


HubMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


class TestHub(HubMachine.TestCase):
    """Hypothesis drives it."""
