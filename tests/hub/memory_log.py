"""A Log in memory: as plain as can be, so that others can be compared with it, and fast for tests that need any Log."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from typing import Any

from msgspec import structs

from hub import fold
from hub.errors import StorageFailed
from hub.fold import AwaitedRow, Holding, HoldRow, InstanceRow, Scope, State, SubscriptionRow, TopicRow, WaitingRow
from hub.log import END, Age, Exchange, Fate, Party, Retention, Search, Span, Trimmed
from hub.message import Draft, Message
from hub.topic import INBOX, is_open, is_pattern, matches


def draft(number: int = 0, **parts: Any) -> Draft:
    """Some draft; `number` makes its id, its time and its body."""
    topic = parts.get("topic", "build")
    name = topic.removeprefix(INBOX)
    return Draft(
        **{
            "id": f"id-{number}",
            "sender": "bob",
            "origin": 1,
            "to": name if topic.startswith(INBOX) else f"#{topic}",
            "topic": topic,
            "body": f"message {number}",
            "at": 1_700_000_000.0 + number,
            "size": 100,
        }
        | parts
    )


def fact(number: int, topic: str, /, **data: Any) -> Draft:
    """What the hub tells."""
    return draft(number, id=f"fact-{number}", sender="$hub", origin=0, to="#" + topic, topic=topic, body="", data=data)


class MemoryLog:
    """`fail` makes the next append raise; `clock` is only for what has expired."""

    indexed: int | None = None

    def __init__(self, clock: Callable[[], float] = lambda: 1_700_000_000.0) -> None:
        self.messages: list[Message] = []
        self.head = 0
        self.trimmed: dict[str, int] = {}
        self.instances: dict[int, InstanceRow] = {}
        self.holdings: list[Holding] = []
        self.holds: dict[Scope, HoldRow] = {}
        self.subscriptions: dict[tuple[int, str], int] = {}
        self.fail: StorageFailed | None = None
        self.clock = clock

    async def append(self, drafts: Sequence[Draft]) -> list[Message]:
        if self.fail is not None:
            raise self.fail
        there = {(each.origin, each.id): each for each in self.messages}
        answers: list[Message] = []
        fresh: list[Message] = []
        for each in drafts:
            known = there.get(each.unless) if each.unless is not None else None
            if known is None and (known := there.get((each.origin, each.id))) is not None and not each.retry:
                raise StorageFailed("An id came twice.")
            if known is None:
                known = there[each.origin, each.id] = Message.of(each, self.head + len(fresh) + 1)
                fresh.append(known)
            answers.append(known)
        for message in fresh:
            self.head = message.offset
            self.messages.append(message)
            for change in fold.changes(message):
                self._fold(change)
        return answers

    def _fold(self, change: fold.Change) -> None:
        match change:
            case fold.Registered(origin, key, name, at, human):
                self.instances[origin] = InstanceRow(
                    origin=origin, name=name, registered_at=at, last_seen=at, received=0, read=0, human=human
                )
                self._hold(key, name, origin, origin, since=None)
                self._take_over(key, origin)
            case fold.Renamed():
                for each in self.holdings:
                    if each.key == change.old_key and each.origin == change.origin and each.until is None:
                        each.forwards_until = change.forwards_until
                self.instances[change.origin].name = change.name
                self._hold(change.key, change.name, change.origin, change.offset, since=change.offset)
                self._take_over(change.key, change.origin)
            case fold.Forgot(key, offset):
                for each in self.holdings:
                    if each.key == key and each.until is None and each.forwards_until is not None:
                        each.until = offset
            case fold.Gone(origin, offset):
                for each in self.holdings:
                    if each.origin == origin and each.until is None:
                        each.until = offset
                self.subscriptions = {key: since for key, since in self.subscriptions.items() if key[0] != origin}
                self.instances.pop(origin, None)
                self.holds = {scope: row for scope, row in self.holds.items() if scope.origin != origin}
            case fold.HoldBegan(scope, offset, at, by, reason):
                scope = self._whose(scope)
                if not scope.origin or scope.origin in self.instances:
                    row = HoldRow(scope=scope, since=offset, at=at, by=by, reason=reason)
                    self.holds.setdefault(scope, row)
            case fold.HoldEnded(scope):
                self.holds.pop(self._whose(scope), None)
            case fold.Seen(origin, at) | fold.Announced(origin, at):
                if origin in self.instances:
                    self.instances[origin].last_seen = at
            case fold.Subscribed(origin, pattern, since):
                self.subscriptions.setdefault((origin, pattern), since)
            case fold.Unsubscribed(origin, pattern):
                self.subscriptions.pop((origin, pattern), None)
            case fold.Moved(origin, received, read, at):
                row = self.instances.get(origin)
                if row is None:
                    return
                row.read = max(row.read, read)
                row.received = max(row.received, received, read)
                row.last_seen = max(row.last_seen, at)

    def _hold(self, key: str, name: str, origin: int, offset: int, since: int | None) -> None:
        for each in self.holdings:
            if each.key == key and each.until is None:
                if each.origin == origin:
                    each.name, each.forwards_until = name, None
                    return
                each.until = offset
        freed = max((each.until for each in self.holdings if each.key == key and each.until is not None), default=0)
        self.holdings.append(Holding(key=key, name=name, origin=origin, since=freed if since is None else since))

    def _whose(self, scope: Scope) -> Scope:
        """A hold of a name is its instance's, if it has one."""
        for each in self.holdings:
            if INBOX + each.key == scope.topic and each.until is None:
                return Scope(scope.kind, each.origin)
        return scope

    def _take_over(self, key: str, origin: int) -> None:
        row = self.holds.pop(Scope("queue", 0, INBOX + key), None)
        if row is not None:
            scope = Scope("queue", origin)
            self.holds.setdefault(scope, structs.replace(row, scope=scope))

    async def probe(self) -> None:
        if self.fail is not None:
            raise self.fail

    async def load(self) -> State:
        topics: dict[str, TopicRow] = {
            topic: TopicRow(topic=topic, messages=0, size=0, head=upto, trimmed=upto)
            for topic, upto in self.trimmed.items()
        }
        for each in self.messages:
            row = topics.setdefault(each.topic, TopicRow(topic=each.topic, messages=0, size=0, head=0, trimmed=0))
            row.messages += 1
            row.size += each.size
            row.head = each.offset
        return State(
            epoch="memory",
            head=self.head,
            floor=self.floor,
            instances=list(self.instances.values()),
            holdings=list(self.holdings),
            subscriptions=[
                SubscriptionRow(origin=origin, pattern=pattern, since=since)
                for (origin, pattern), since in self.subscriptions.items()
            ],
            topics=list(topics.values()),
            waiting=[
                WaitingRow(
                    topic=each.topic,
                    offset=each.offset,
                    size=each.size,
                    at=each.at,
                    expires_at=each.expires_at,
                    id=each.id if each.expires_at is not None else None,
                )
                for each in self.messages
                if each.topic.startswith(INBOX) and not self._is_over(each) and not self._was_read(each)
            ],
            held=[each for each in self._waiting() if not self._was_dropped(each)],
            dropped=[each for each in self._waiting() if self._was_dropped(each)],
            holds=list(self.holds.values()),
            awaited=[
                AwaitedRow(
                    answer_by=each.answer_by,
                    offset=each.offset,
                    id=each.id,
                    origin=each.origin,
                    to=each.to,
                    thread=each.thread,
                    preview=each.body[:80],
                )
                for each in self.messages
                if each.answer_by is not None and not self._is_answered(each)
            ],
        )

    def _is_answered(self, asked: Message) -> bool:
        """By somebody else, or it was told that nobody has."""
        return any(
            each.data["offset"] == asked.offset
            if each.topic == fold.UNANSWERED
            else each.origin != asked.origin and not each.topic.startswith("$")
            for each in self.messages
            if each.reply_to == asked.id
        )

    def _waiting(self) -> list[Message]:
        """The facts of messages that were held, and not sent since."""
        sent = {(each.origin, each.id) for each in self.messages}
        facts = [each for each in self.messages if fold.is_held(each.topic)]
        return [each for each in facts if (each.data["origin"], each.data["id"]) not in sent]

    def _was_dropped(self, held: Message) -> bool:
        return any(
            each.topic in (fold.DROPPED, fold.HOLD_DROPPED)
            and (each.data["origin"], each.reply_to) == (held.data["origin"], held.reply_to)
            for each in self.messages
        )

    def _is_over(self, message: Message) -> bool:
        """Whether it has expired, and that has been told."""
        told = any(each.topic == fold.EXPIRED and each.reply_to == message.id for each in self.messages)
        return told and message.expired(self.clock())

    def _was_read(self, message: Message) -> bool:
        return any(
            INBOX + each.key == message.topic
            and each.since < message.offset
            and (each.until is None or message.offset <= each.until)
            and (each.origin not in self.instances or self.instances[each.origin].read >= message.offset)
            for each in self.holdings
        )

    @property
    def floor(self) -> int:
        return self.messages[0].offset if self.messages else self.head + 1

    async def tail(self, count: int, size: int, upto: int = END) -> list[Message]:
        newest: list[Message] = []
        kept = [each for each in self.messages if each.offset <= upto]
        for each in reversed(kept[-count:] if count else []):
            size -= each.size
            if size < 0:
                break
            newest.insert(0, each)
        return newest

    async def read(self, spans: Sequence[Span], limit: int, size: int) -> list[Message]:
        return _bounded([each for each in self.messages if _within(each, spans)], limit, size)

    async def since(self, after: int, limit: int, size: int) -> list[Message]:
        return _bounded([each for each in self.messages if each.offset > after], limit, size)

    async def count(self, spans: Sequence[Span], besides: int, now: float) -> int:
        return sum(
            _within(each, spans) and not each.expired(now) and (each.origin != besides or each.topic.startswith(INBOX))
            for each in self.messages
        )

    async def search(self, wanted: Search) -> list[Message]:
        words = _words(wanted.text or "")
        if wanted.text is not None and not words:
            return []
        found = [
            each
            for each in (self.messages if wanted.forward else reversed(self.messages))
            if (wanted.before is None or each.offset < wanted.before)
            and each.offset > (wanted.after or 0)
            and (wanted.since is None or each.at >= wanted.since)
            and (wanted.until is None or each.at < wanted.until)
            and (wanted.origin is None or each.origin == wanted.origin)
            and (wanted.within is None or _within(each, wanted.within))
            and (wanted.about is None or (each.data or {}).get("origin") == wanted.about)
            and (wanted.hub_facts or not each.topic.startswith("$"))
            and (wanted.topic is None or _covers(wanted.topic, each.topic))
            and (wanted.thread is None or each.thread == wanted.thread)
            and (wanted.reply_to is None or each.reply_to == wanted.reply_to)
            and words <= _words(each.body)
            and all(_sees(party, each) for party in wanted.between or ())
            and (wanted.senders is None or each.origin in wanted.senders)
            and (wanted.seen_by is None or _sees(wanted.seen_by, each))
        ]
        return found[: wanted.limit]

    async def find(self, *ids: str) -> list[Message]:
        return [each for each in self.messages if each.id in ids]

    async def fates(self, ids: Collection[str]) -> list[Fate]:
        found: dict[tuple[str, int | None, int | None], Fate] = {}
        for each in self.messages:
            if each.reply_to is None or each.reply_to not in ids:
                continue
            if each.topic == fold.EXPIRED and each.data["origin"] is not None:
                fate = Fate(each.reply_to, each.data["origin"], each.at, expired=True, offset=each.data["offset"])
            elif each.topic.startswith("$"):
                continue
            else:
                fate = Fate(each.reply_to, each.origin, each.at)
            found.setdefault((fate.id, fate.origin, fate.offset), fate)
        return list(found.values())

    async def exchanges(self, origin: int, after: int, limit: int, upto: int = END) -> list[Exchange]:
        newest = [each for each in reversed(self.messages) if after < each.offset <= upto and each.origin == origin]
        found: list[Exchange] = []
        for asked in newest[:limit]:
            answers = [each for each in self._answers(asked.id, asked.offset) if each.offset <= upto]
            others = [each for each in answers if each.origin not in (0, origin)]
            for by in {each.origin: None for each in others} or {None: None}:
                first = next((each for each in others if each.origin == by), None)
                found.append(_exchange(asked, first))
        del found[10 * limit :]
        answered: set[int] = set()
        for answer in [each for each in newest if each.reply_to is not None][:limit]:
            for asked in self.messages:
                if (
                    asked.id == answer.reply_to
                    and asked.offset < answer.offset
                    and asked.origin not in (0, origin)
                    and asked.offset not in answered
                ):
                    answered.add(asked.offset)
                    mine = [each for each in self._answers(asked.id, asked.offset) if each.origin == origin]
                    found.append(_exchange(asked, mine[0]))
        return found

    def _answers(self, message_id: str, after: int) -> list[Message]:
        return [each for each in self.messages if each.reply_to == message_id and each.offset > after]

    async def oldest(self, topics: Collection[str]) -> dict[str, float]:
        return {each.topic: each.at for each in reversed(self.messages) if each.topic in topics}

    async def ages(self, after: int, limit: int) -> list[Age]:
        return [Age(each.offset, each.at, each.size) for each in self.messages if each.offset > after][:limit]

    async def trim(self, retention: Retention, now: float) -> Trimmed:
        doomed: list[Message] = []
        kept = sum(each.size for each in self.messages)
        for each in self.messages[:-1]:
            if not (each.at < now - retention.age or kept > retention.size):
                break
            doomed.append(each)
            kept -= each.size
        for each in self.messages[len(doomed) : -1]:
            if each.topic == fold.CURSORS:
                if each.at >= now - retention.facts_age:
                    break
                doomed.append(each)
        gone = {each.offset for each in doomed}
        self.messages = [each for each in self.messages if each.offset not in gone]
        topics = []
        for topic in dict.fromkeys(each.topic for each in doomed):
            mine = [each for each in doomed if each.topic == topic]
            self.trimmed[topic] = mine[-1].offset
            topics.append((topic, len(mine), sum(each.size for each in mine), mine[-1].offset))
        return Trimmed(self.floor, topics, more=False)

    async def close(self) -> None:
        pass


def _exchange(asked: Message, answer: Message | None) -> Exchange:
    return Exchange(
        asked.origin,
        asked.sender,
        asked.to,
        asked.topic,
        asked.at,
        answer and answer.origin,
        answer and answer.sender,
        answer and answer.at,
    )


def _bounded(messages: list[Message], limit: int, size: int) -> list[Message]:
    page: list[Message] = []
    for each in messages[:limit]:
        size -= each.size
        if page and size < 0:
            break
        page.append(each)
    return page


def _within(message: Message, spans: Sequence[Span]) -> bool:
    return any(span.topic == message.topic and span.after < message.offset <= span.upto for span in spans)


def _covers(pattern: str, topic: str) -> bool:
    return matches(pattern, topic) and (not is_pattern(pattern) or is_open(topic))


def _sees(party: Party, message: Message) -> bool:
    return (
        message.origin == party.origin
        or _within(message, party.spans)
        or any(_covers(pattern, message.topic) and since < message.offset for pattern, since in party.patterns)
    )


def _words(text: str) -> set[str]:
    plain = "".join(mark for mark in unicodedata.normalize("NFD", text) if unicodedata.category(mark) != "Mn")
    return set(re.findall(r"[^\W_]+", plain.lower()))
