"""Instances, their names, subscriptions and cursors: the fold of the `$` topics, in memory.

Nothing here decides. `apply()` is told what the log holds, and the rest answers questions about it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from msgspec import structs

from hub import fold
from hub.fold import Holding, HoldRow, Scope, State
from hub.log import Party, Span
from hub.message import Message
from hub.topic import ALL, INBOX, Tree, is_open, is_pattern, matches

NAMED = 2000  # topics that are looked through, at most, for those that a search's wildcards mean


class Waiting(NamedTuple):
    """A direct message nobody has read yet."""

    offset: int
    size: int
    at: float
    expires_at: float | None
    id: str | None = None  # of one that can expire, to tell its sender


class Expired(NamedTuple):
    """A direct message whose time was over before it reached anybody's client."""

    name: str
    origin: int | None  # None: nobody had the name
    offset: int
    id: str


class Inbox:
    """What waits on one `inbox.<name>` topic, and how much of it: what the caps are about."""

    __slots__ = ("_soonest", "messages", "size")

    def __init__(self) -> None:
        self.messages: deque[Waiting] = deque()
        self.size = 0
        self._soonest = inf  # nothing here expires before that

    def add(self, waiting: Waiting) -> None:
        self.messages.append(waiting)
        self.size += waiting.size
        if waiting.expires_at is not None:
            self._soonest = min(self._soonest, waiting.expires_at)

    def drop(self, upto: int, after: int = 0) -> None:
        """Forget what lies in (after, upto]: it has been read, or is no longer kept."""
        earlier = []  # what an earlier holder of the name has not read
        while self.messages and self.messages[0].offset <= upto:
            oldest = self.messages.popleft()
            if oldest.offset <= after:
                earlier.append(oldest)
            else:
                self.size -= oldest.size
        self.messages.extendleft(reversed(earlier))

    def within(self, after: int, upto: int) -> Iterator[Waiting]:
        """What waits in (after, upto]."""
        return (each for each in self.messages if after < each.offset <= upto)

    def drop_expired(self, now: float) -> list[Waiting]:
        """Forget what has expired, and return it."""
        if now < self._soonest:
            return []
        kept = [each for each in self.messages if each.expires_at is None or each.expires_at > now]
        gone = [each for each in self.messages if each.expires_at is not None and each.expires_at <= now]
        self.messages = deque(kept)
        self.size = sum(each.size for each in kept)
        self._soonest = min((each.expires_at or inf for each in kept), default=inf)
        return gone


class Stock:
    """What is kept of one topic. `trimmed` is the newest offset of it that retention has removed."""

    __slots__ = ("head", "messages", "size", "trimmed")

    def __init__(self, messages: int = 0, size: int = 0, head: int = 0, trimmed: int = 0) -> None:
        self.messages = messages
        self.size = size
        self.head = head
        self.trimmed = trimmed


class Instance:
    """A named participant. It outlives its connections, and keeps its `origin` through every rename."""

    __slots__ = (
        *("activity", "activity_at", "holdings", "hops", "human", "last_seen", "name", "origin"),
        *("pushed", "read", "received", "registered_at", "subscriptions", "wakes"),
    )

    def __init__(
        self,
        *,
        origin: int,
        name: str,
        registered_at: float,
        last_seen: float,
        received: int,
        read: int,
        human: bool = False,
    ) -> None:
        self.origin = origin
        self.name = name
        self.registered_at = registered_at
        self.last_seen = last_seen
        self.received = received
        self.read = read
        self.human = human  # a person, who writes on the page or at a terminal
        self.pushed = received  # to any of its sessions; how far, no table has: after a restart it is pushed again
        self.holdings: list[Holding] = []
        self.subscriptions: dict[str, int] = {}  # pattern -> since
        self.activity: str | None = None  # this and the next three: what its session has told; None is not known
        self.activity_at = registered_at
        self.hops: tuple[str, ...] | None = None
        self.wakes: bool | None = None

    def __repr__(self) -> str:
        return f"<Instance {self.name} from {self.origin}, read {self.read}>"

    def announce(self, told: fold.Announced) -> None:
        """It is doing this now, and is reached so."""
        self.last_seen = max(self.last_seen, told.at)
        if self.activity != told.activity:
            self.activity, self.activity_at = told.activity, told.at
        self.hops, self.wakes = told.hops, told.wakes

    def hears(self) -> Iterator[str]:
        """Every topic and pattern on which messages reach this instance now."""
        yield ALL
        for holding in self.holdings:
            if holding.until is None:
                yield INBOX + holding.key
        yield from self.subscriptions


class Registry:
    """Who there is, what they are called, what they hear and how far they have read."""

    def __init__(self, state: State) -> None:
        self.instances: dict[int, Instance] = {}
        self.held: dict[str, Holding] = {}  # key -> who holds the name now, forwarding ones included
        self.freed: dict[str, int] = {}  # key -> the offset at which its last holder let go
        self.inboxes: dict[str, Inbox] = {}
        self.expired: list[Expired] = []  # not told yet
        self.topics: dict[str, Stock] = {}
        self._people: dict[int, Instance] = {}
        self.holds: dict[Scope, HoldRow] = {each.scope: each for each in state.holds}
        self._subscribers: Tree[int] = Tree()  # by their origins
        self._open: dict[str, Stock] = {}  # those of them that wildcards reach, the newest to be written to last
        self._written = ""  # the last of these
        for row in state.instances:
            instance = self.instances[row.origin] = Instance(
                origin=row.origin,
                name=row.name,
                registered_at=row.registered_at,
                last_seen=row.last_seen,
                received=row.received,
                read=row.read,
                human=row.human,
            )
            if row.human:
                self._people[row.origin] = instance
        for holding in state.holdings:
            if (holder := self.instances.get(holding.origin)) is not None:  # else it has been forgotten
                holder.holdings.append(holding)
            if holding.until is None:
                self.held[holding.key] = holding
            else:
                self.freed[holding.key] = max(self.freed.get(holding.key, 0), holding.until)
        for subscription in state.subscriptions:
            self._subscribe(self.instances[subscription.origin], subscription.pattern, subscription.since)
        for topic in state.topics:
            self.topics[topic.topic] = Stock(topic.messages, topic.size, topic.head, topic.trimmed)
        for topic in sorted(state.topics, key=lambda each: each.head):
            if is_open(topic.topic):
                self._open[topic.topic] = self.topics[topic.topic]
        for each in state.waiting:
            self._inbox(each.topic).add(Waiting(each.offset, each.size, each.at, each.expires_at, each.id))
        self.forget_holdings(state.floor)

    # What the log says

    def apply(self, message: Message) -> list[Instance]:
        """Take in one committed message; returns the instances for which what they hear has changed."""
        stock = self.topics.get(message.topic)
        if stock is None:
            stock = self.topics[message.topic] = Stock()
            if is_open(message.topic):
                self._open[message.topic] = stock
                self._written = message.topic
        elif message.topic != self._written and message.topic in self._open:
            self._open[message.topic] = self._open.pop(message.topic)
            self._written = message.topic
        stock.messages += 1
        stock.size += message.size
        stock.head = message.offset
        if message.topic.startswith(INBOX):
            holding = self.held.get(message.topic[len(INBOX) :])
            if holding is None or self.instances[holding.origin].read < message.offset:
                known_by = message.id if message.expires_at is not None else None
                self._inbox(message.topic).add(
                    Waiting(message.offset, message.size, message.at, message.expires_at, known_by)
                )
        if not message.topic.startswith("$"):
            return []
        changed: dict[int, Instance] = {}
        for change in fold.changes(message):
            if instance := self._change(change):
                changed[instance.origin] = instance
        return list(changed.values())

    def _change(self, change: fold.Change) -> Instance | None:
        match change:
            case fold.Moved():  # by far the most of them
                if (mover := self.instances.get(change.origin)) is not None:
                    mover.last_seen = max(mover.last_seen, change.at)
                    self.move(mover, change.received, change.read)
                return None
            case fold.Registered():
                return self._register(change)
            case fold.Forgot():
                holding = self.held.get(change.key)
                if holding is None or holding.forwards_until is None:
                    return None
                self._release(change.key, change.offset)
                return self.instances[holding.origin]
            case fold.HoldBegan() | fold.HoldEnded():
                self._hold_back(change)
                return None
            case _:
                instance = self.instances.get(change.origin)  # None: it has been forgotten
                return instance and self._alter(instance, change)

    def _hold_back(self, change: fold.HoldBegan | fold.HoldEnded) -> None:
        scope = change.scope
        if scope.topic.startswith(INBOX) and (holding := self.held.get(scope.topic[len(INBOX) :])) is not None:
            scope = Scope(scope.kind, holding.origin)  # a hold of a name is its instance's, if it has one
        if isinstance(change, fold.HoldEnded):
            self.holds.pop(scope, None)
        elif not scope.origin or scope.origin in self.instances:
            row = HoldRow(scope=scope, since=change.offset, at=change.at, by=change.by, reason=change.reason)
            self.holds.setdefault(scope, row)

    def _take_over_hold(self, instance: Instance, key: str) -> None:
        row = self.holds.pop(Scope("queue", 0, INBOX + key), None)
        if row is not None:
            scope = Scope("queue", instance.origin)
            self.holds.setdefault(scope, structs.replace(row, scope=scope))

    def _register(self, change: fold.Registered) -> Instance:
        instance = Instance(
            origin=change.origin,
            name=change.name,
            registered_at=change.at,
            last_seen=change.at,
            received=0,
            read=0,
            human=change.human,
        )
        self.instances[change.origin] = instance
        if change.human:
            self._people[change.origin] = instance
        self._release(change.key, change.origin)
        since = self.freed.get(change.key, 0)
        self._hold(instance, Holding(key=change.key, name=change.name, origin=change.origin, since=since))
        self._take_over_hold(instance, change.key)
        return instance

    def _alter(self, instance: Instance, change: fold.Change) -> Instance | None:
        """Apply what changes an instance that is there; returns it if it hears other topics than before."""
        match change:
            case fold.Renamed():
                self._rename(instance, change)
                self._take_over_hold(instance, change.key)
                return instance
            case fold.Gone():
                self._forget(instance, change.offset)
                return instance
            case fold.Seen():
                instance.last_seen = change.at
            case fold.Announced():
                instance.announce(change)
            case fold.Subscribed():
                self._subscribe(instance, change.pattern, change.since)
                return instance
            case fold.Unsubscribed():
                self._unsubscribe(instance, change.pattern)
                return instance
        return None

    def _rename(self, instance: Instance, change: fold.Renamed) -> None:
        if (old := self.held.get(change.old_key)) is not None and old.origin == change.origin:
            old.forwards_until = change.forwards_until
        instance.name = change.name
        mine = self.held.get(change.key)
        if mine is not None and mine.origin == change.origin:  # back to an earlier name, or other spelling
            mine.name, mine.forwards_until = change.name, None
        else:
            self._release(change.key, change.offset)
            since = change.offset
            self._hold(instance, Holding(key=change.key, name=change.name, origin=change.origin, since=since))

    def _forget(self, instance: Instance, offset: int) -> None:
        """It is no more: what waited for it waits for nobody, and its names begin anew with whoever takes them."""
        del self.instances[instance.origin]
        self._people.pop(instance.origin, None)
        self.holds = {scope: row for scope, row in self.holds.items() if scope.origin != instance.origin}
        for holding in instance.holdings:
            if inbox := self.inboxes.get(INBOX + holding.key):
                inbox.drop(offset if holding.until is None else min(offset, holding.until), holding.since)
                self._let_go_if_empty(INBOX + holding.key, inbox)
            if holding.until is None:
                self._release(holding.key, offset)
        for pattern in list(instance.subscriptions):
            self._unsubscribe(instance, pattern)

    def _subscribe(self, instance: Instance, pattern: str, since: int) -> None:
        instance.subscriptions.setdefault(pattern, since)
        self._subscribers.add(pattern, instance.origin)

    def _unsubscribe(self, instance: Instance, pattern: str) -> None:
        instance.subscriptions.pop(pattern, None)
        self._subscribers.remove(pattern, instance.origin)

    def hearers(self, topic: str) -> list[Instance]:
        """Who hears an open topic now, in the order in which they registered; the cost is not everybody's number."""
        return [self.instances[origin] for origin in sorted(self._subscribers.match(topic))]

    def move(self, instance: Instance, received: int, read: int) -> bool:
        """Advance an instance's cursors, which never go back; returns whether anything moved."""
        moved = False
        if read > instance.read:
            instance.read = read
            for holding in instance.holdings:
                if inbox := self.inboxes.get(INBOX + holding.key):
                    inbox.drop(read if holding.until is None else min(read, holding.until), holding.since)
                    self._let_go_if_empty(INBOX + holding.key, inbox)
            received = max(received, read)
            moved = True
        if received > instance.received:
            instance.received = received
            moved = True
        return moved

    def trimmed(self, topic: str, messages: int, size: int, newest: int) -> None:
        """Take in that retention removed so many messages of a topic, the newest of them at `newest`."""
        stock = self.topics.setdefault(topic, Stock())
        stock.messages -= messages
        stock.size -= size
        stock.trimmed = max(stock.trimmed, newest)
        if inbox := self.inboxes.get(topic):
            inbox.drop(newest)
            self._let_go_if_empty(topic, inbox)

    def _hold(self, instance: Instance, holding: Holding) -> None:
        instance.holdings.append(holding)
        self.held[holding.key] = holding

    def _release(self, key: str, offset: int) -> None:
        """Whoever holds a name holds it no longer."""
        if (holding := self.held.pop(key, None)) is not None:
            holding.until = self.freed[key] = offset

    def expire(self, topic: str, now: float) -> None:
        """Let go of what has expired in an inbox; what had not reached a client is noted in `expired`."""
        if inbox := self.inboxes.get(topic):
            for gone in inbox.drop_expired(now):
                holder = self._holder(topic, gone.offset)
                if gone.id is not None and (holder is None or holder.received < gone.offset):
                    name, origin = (holder.name, holder.origin) if holder else (topic.removeprefix(INBOX), None)
                    self.expired.append(Expired(name, origin, gone.offset, gone.id))
            self._let_go_if_empty(topic, inbox)

    def _holder(self, topic: str, offset: int) -> Instance | None:
        """Whose the message at `offset` of an inbox's topic is."""
        key = topic[len(INBOX) :]
        holding = self.held.get(key)
        if holding is not None and within(holding, offset):
            return self.instances[holding.origin]
        for instance in self.instances.values():
            if any(each.key == key and within(each, offset) for each in instance.holdings):
                return instance
        return None

    def forget_holdings(self, floor: int) -> None:
        """Let go of who had a name before `floor`, where the log has nothing left: renaming must not fill memory.

        A name for which something was removed before its holder read it stays: they have to be told of the gap.
        """
        if any(offset < floor for offset in self.freed.values()):
            self.freed = {key: offset for key, offset in self.freed.items() if offset >= floor}
            for instance in self.instances.values():
                instance.holdings = [
                    each
                    for each in instance.holdings
                    if each.until is None or each.until >= floor or self._lost_some(instance, each)
                ]

    def _lost_some(self, instance: Instance, holding: Holding) -> bool:
        stock = self.topics.get(INBOX + holding.key)
        past = holding.until is not None and instance.read >= holding.until
        return stock is not None and not past and stock.trimmed > max(instance.read, holding.since)

    def _let_go_if_empty(self, topic: str, inbox: Inbox) -> None:
        if not inbox.messages:
            del self.inboxes[topic]

    def _inbox(self, topic: str) -> Inbox:
        return self.inboxes.setdefault(topic, Inbox())

    # Questions

    def find(self, key: str) -> Instance | None:
        """Who is reached under this name now, be it by its own name or one that forwards."""
        holding = self.held.get(key)
        return self.instances[holding.origin] if holding else None

    def people(self) -> list[str]:
        """The current name of every instance that is a person."""
        return [instance.name for instance in self._people.values()]

    def names(self) -> list[str]:
        """The current name of every instance."""
        return [instance.name for instance in self.instances.values()]

    def recipients(self, message: Message) -> list[Instance]:
        """The instances that a message is for, as subscriptions stand now and reached back to it then."""
        if message.topic.startswith("$"):
            return []
        if message.topic.startswith(INBOX):
            key = message.topic[len(INBOX) :]
            return [
                instance
                for instance in self.instances.values()
                for holding in instance.holdings
                if holding.key == key and within(holding, message.offset)
            ]
        return [
            instance
            for instance in self.instances.values()
            if instance.origin != message.origin and hears_since(instance, message.topic) < message.offset
        ]

    def spans(self, instance: Instance, after: int, upto: int) -> list[Span]:
        """Where messages for this instance may lie between two offsets: exact topics that reach past `after`."""
        found: list[Span] = []
        for holding in instance.holdings:
            end = upto if holding.until is None else min(upto, holding.until)
            self._reach(found, INBOX + holding.key, max(after, holding.since), end)
        self._reach(found, ALL, max(after, instance.origin), upto)
        patterns: Tree[int] = Tree()
        wild = False
        for pattern, since in instance.subscriptions.items():
            if is_pattern(pattern):
                patterns.add(pattern, since)
                wild = True
        for topic in self._written_since(after) if wild else instance.subscriptions:
            sinces = [*patterns.match(topic)]
            if (exact := instance.subscriptions.get(topic)) is not None:
                sinces.append(exact)
            if sinces:
                self._reach(found, topic, max(after, min(sinces)), upto)
        return found

    def _written_since(self, after: int) -> Iterator[str]:
        """The topics that wildcards reach with anything past `after`: what it costs is what is new."""
        for topic, stock in reversed(self._open.items()):
            if stock.head <= after:
                return
            yield topic

    def _reach(self, found: list[Span], topic: str, after: int, upto: int) -> None:
        stock = self.topics.get(topic)
        if stock is not None and stock.head > after and upto > after:
            found.append(Span(topic, after, upto))

    def party(self, instance: Instance) -> Party:
        """This instance as a search knows it.

        What a wildcard covers stands all over the log, and would be looked for there message by message. So the topics
        that it means now are named instead, unless there are very many.
        """
        last = 2**63 - 1
        heard = instance.subscriptions
        if any(map(is_pattern, heard)) and len(self._open) <= NAMED:
            heard = {span.topic: span.after for span in self.spans(instance, 0, last) if is_open(span.topic)}
        return Party(
            origin=instance.origin,
            spans=tuple(
                Span(INBOX + holding.key, holding.since, last if holding.until is None else holding.until)
                for holding in instance.holdings
            ),
            patterns=((ALL, instance.origin), *heard.items()),
        )


def within(holding: Holding, offset: int) -> bool:
    """Whether the name was this holder's when the message at `offset` came."""
    return holding.since < offset and (holding.until is None or offset <= holding.until)


def hears(instance: Instance, topic: str) -> bool:
    """Whether an instance hears `all` or an open topic now."""
    return (
        topic == ALL
        or topic in instance.subscriptions
        or any(is_pattern(pattern) and matches(pattern, topic) for pattern in instance.subscriptions)
    )


def hears_since(instance: Instance, topic: str) -> int:
    """From which offset on an instance hears `all` or an open topic; the end of all offsets if it does not."""
    never = 2**63 - 1
    if topic == ALL:
        return instance.origin
    return min((since for pattern, since in instance.subscriptions.items() if matches(pattern, topic)), default=never)
