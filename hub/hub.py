"""The hub: decides what may be said, takes in what the log holds, and wakes whoever has something to read.

Pure and synchronous; time is an argument, in seconds since 1970. What has to become durable leaves as a Draft and
comes back through `commit()`. A publish, traced:

    hub.publish(...)   checks it, makes a Draft        -> the journal stores it
    hub.commit(...)    window grows, facts are folded, sessions are woken
    hub.take(session)  what comes next for one reader   -> the connection writes it
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import Struct

from hub import fold, frames, wire
from hub.errors import (
    BadValue,
    HubbubError,
    InboxFull,
    NameTaken,
    TakenOver,
    TooLarge,
    TooMany,
    UnknownInstance,
)
from hub.fold import State
from hub.log import Span, Trimmed
from hub.message import Draft, Message
from hub.registry import Instance, Registry, hears_since
from hub.router import Router
from hub.session import END, Behind, Gap, Session
from hub.topic import HUB, INBOX, MAX_NAME, Address, address, name_key, near, pattern_key
from hub.window import Run, Window

OVERHEAD = 256  # bytes added to a message's size for the row, the index entries and the memory around it
MAX_TTL = 10 * 365 * 86_400.0
SHOWN_RECIPIENTS = 20


class Limits(Struct, kw_only=True, frozen=True):
    """What the hub bears before it says no. Sizes in bytes, spans in seconds; each is a setting of the same name."""

    max_body: int = 2**20
    max_instances: int = 10_000
    max_sessions_per_name: int = 8
    max_subscriptions: int = 1000
    max_topics: int = 100_000
    inbox_messages: int = 10_000
    inbox_bytes: int = 64 * 2**20
    window_messages: int = 10_000
    window_bytes: int = 64 * 2**20
    unknown_ttl: float = 7 * 86_400.0
    forward_for: float = 2 * 3600.0
    cursor_tick: float = 0.1


class Joining(NamedTuple):
    """A hello that was found in order. With `register`, that fact has to be committed before `open()`."""

    hello: frames.Hello
    key: str | None
    register: Draft | None
    replaces: tuple[Session, ...]


class Unread(NamedTuple):
    """What an instance has not read: as far as the window knows, and where the log has to be asked for the rest."""

    messages: int
    oldest_at: float | None
    behind: tuple[Span, ...]


class Counters(Struct):
    """What has happened since the hub started."""

    published: int = 0
    pushed: int = 0
    duplicates: int = 0
    refused: int = 0
    gaps: int = 0
    sessions: int = 0


class Hub:
    """All of the hub's state that is not on disk.

    `new_id` makes ids that sort by time, `new_secret` unguessable text, `close` is told of sessions that must end.
    """

    def __init__(
        self,
        state: State,
        tail: Sequence[Message] = (),
        *,
        limits: Limits | None = None,
        new_id: Callable[[], str],
        new_secret: Callable[[], str],
        close: Callable[[Session, HubbubError], None],
    ) -> None:
        self.limits = limits or Limits()
        self.epoch = state.epoch
        self.floor = state.floor
        self.registry = Registry(state)
        self.window = Window(state.head, max_messages=self.limits.window_messages, max_size=self.limits.window_bytes)
        self.window.load(tail)
        self.router = Router()
        self.counters = Counters()
        self.sessions: dict[int, Session] = {}
        self.observers: dict[int, Session] = {}
        self._of: dict[int, list[Session]] = {}  # origin -> its live sessions
        self._claimed: set[str] = set()  # names that somebody is about to hold
        self._reserved: dict[str, tuple[int, int]] = {}  # inbox -> messages and bytes under way to it
        self._moved: dict[int, Instance] = {}  # cursors that moved since the last `$cursors`
        self._moved_at = 0.0
        self._audience: dict[str, tuple[list[frames.Recipient], int]] = {}
        self._new_id = new_id
        self._new_secret = new_secret
        self._close = close
        self._last_number = 0

    @property
    def head(self) -> int:
        """The newest offset."""
        return self.window.head

    # Coming and going

    def join(self, hello: frames.Hello, now: float) -> Joining:
        """Check a hello and claim its name. Raises BadName, NameTaken, TooMany or BadValue.

        Every Joining ends in `open()` or `abandon()`.
        """
        if hello.name is None:
            if not hello.observe:
                raise BadValue("A hello names the instance it is for.", 'Add "name", or "observe": true to only watch.')
            return Joining(hello, None, None, ())
        key = name_key(hello.name)
        instance = self.registry.find(key)
        live = self._of.get(instance.origin, []) if instance else []
        replaces: tuple[Session, ...] = ()
        if key in self._claimed:
            raise self._taken(hello.name)
        if hello.session is not None and any(each.secret == hello.session for each in live):
            replaces = tuple(each for each in live if each.secret == hello.session)
        elif live and hello.take_over:
            replaces = tuple(live)
        elif live and not hello.share:
            raise self._taken(instance.name if instance else hello.name)
        elif len(live) >= self.limits.max_sessions_per_name:
            raise TooMany(
                f"{hello.name} has {len(live)} live sessions, and max_sessions_per_name allows no more.",
                "Close one, or raise the setting.",
            )
        register = None
        if instance is None:
            register = self._registering(key, hello.name, now)
        return Joining(hello, key, register, replaces)

    def open(
        self, joining: Joining, now: float, wake: Callable[[], None]
    ) -> tuple[Session, frames.Welcome, list[Draft]]:
        """Make the session: what to answer, and the facts to put on the log.

        `wake` is called whenever `take()` has more. Raises UnknownInstance.
        """
        hello = joining.hello
        instance = None
        self.abandon(joining)
        if joining.key is not None:
            instance = self.registry.find(joining.key)
            if instance is None:
                raise UnknownInstance(f"{hello.name} went away while it was being registered.", "Try again.")
        facts: list[Draft] = []
        for old in joining.replaces:
            self._close(old, TakenOver("This session's place was taken by another with the same name."))
            facts += self.leave(old, "taken over", now)
        resumed = hello.resume is not None and hello.epoch in (None, self.epoch) and hello.resume <= self.head
        position = hello.resume if resumed and hello.resume is not None else None
        if instance is not None and not hello.observe:
            position = instance.read if position is None else max(position, instance.read)
        elif position is None:
            position = self.head
        self._last_number += 1
        self.counters.sessions += 1
        session = Session(
            self._last_number,
            instance,
            observer=hello.observe,
            position=position,
            credit=hello.credit,
            secret=self._new_secret() if instance else None,
            client=hello.client[:64] if hello.client else None,
            joined_at=now,
            wake=wake,
        )
        self.sessions[session.number] = session
        if hello.observe:
            self.observers[session.number] = session
        if instance is not None:
            live = self._of.setdefault(instance.origin, [])
            live.append(session)
            instance.last_seen = max(instance.last_seen, now)
            told = {"origin": instance.origin, "name": instance.name, "client": session.client, "sessions": len(live)}
            facts.append(self.fact(fold.JOINED, told, f"{instance.name} joined", now))
            self._audience.clear()
            if not hello.observe:
                self.router.route(session, set(instance.hears()))
                for span in self.registry.spans(instance, position, END):
                    session.hot[span.topic] = span
        if session.hot or hello.observe:
            session.rouse()
        unread = self.unread(instance, now) if instance else Unread(0, None, ())
        welcome = frames.Welcome(
            ref=hello.ref,
            name=instance.name if instance else None,
            session=session.secret,
            epoch=self.epoch,
            head=self.head,
            floor=self.floor,
            read=instance.read if instance else position,
            resumed=resumed,
            unread=None if unread.behind else unread.messages,
            credit=hello.credit,
            max_body=self.limits.max_body,
            version=_version(),
        )
        return session, welcome, facts

    def abandon(self, joining: Joining) -> None:
        """A hello is done with, or came to nothing: what it claimed is free again."""
        if joining.key is not None and joining.register is not None:
            self._claimed.discard(joining.key)

    def leave(self, session: Session, reason: str, now: float) -> list[Draft]:
        """A session is over; leaving twice is leaving once. Returns the fact to put on the log."""
        if self.sessions.pop(session.number, None) is None:
            return []
        self.observers.pop(session.number, None)
        self.router.route(session, set())
        instance = session.instance
        if instance is None:
            return []
        live = self._of[instance.origin]
        live.remove(session)
        if not live:
            del self._of[instance.origin]
        instance.last_seen = max(instance.last_seen, now)
        self._audience.clear()
        told = {"origin": instance.origin, "name": instance.name, "reason": reason, "sessions": len(live)}
        return [self.fact(fold.LEFT, told, f"{instance.name} left: {reason}", now)]

    def register(self, name: str, now: float) -> Draft | None:
        """Claim a name without a session; None when it is registered already. End with `release()`."""
        key = name_key(name)
        return None if self.registry.find(key) else self._registering(key, name, now)

    def release(self, name: str) -> None:
        """What was claimed is held now, or given up."""
        self._claimed.discard(name_key(name))

    def rename(self, instance: Instance, name: str, now: float) -> Draft | None:
        """Take another name; None when it is that already. Raises NameTaken or BadName. End with `release()`."""
        if name == instance.name:
            return None
        key = name_key(name)
        holding = self.registry.held.get(key)
        if key in self._claimed or (holding and holding.origin != instance.origin):
            raise self._taken(name)
        if holding is None and (waiting := self._waiting(INBOX + key, now)):
            # They lie before this instance's cursor, which never goes back: only a new reader finds them.
            raise NameTaken(
                f"{waiting} {'messages wait' if waiting > 1 else 'message waits'} for whoever registers as {name}.",
                "Register under that name instead, or choose another.",
            )
        self._claimed.add(key)
        told = {
            "origin": instance.origin,
            "old": instance.name,
            "name": name,
            "forwards_until": now + self.limits.forward_for,
        }
        return self.fact(fold.RENAMED, told, f"{instance.name} is called {name} now", now)

    def subscribe(self, instance: Instance, topic: str, now: float) -> Draft | None:
        """Hear a topic from now on; None when it is heard already. Raises BadTopic or TooMany."""
        pattern = pattern_key(topic)
        if pattern in instance.subscriptions:
            return None
        if len(instance.subscriptions) >= self.limits.max_subscriptions:
            raise TooMany(
                f"{instance.name} has {len(instance.subscriptions)} subscriptions; max_subscriptions allows no more.",
                "Unsubscribe from some, or use a wildcard: build.> covers all that begins with build.",
            )
        told = {"origin": instance.origin, "name": instance.name, "topic": pattern}
        return self.fact(fold.SUBSCRIBED, told, f"{instance.name} subscribed to {pattern}", now)

    def unsubscribe(self, instance: Instance, topic: str, now: float) -> Draft | None:
        """Stop hearing a topic or pattern; None when it is not subscribed. Raises BadTopic."""
        pattern = pattern_key(topic)
        if pattern not in instance.subscriptions:
            return None
        told = {"origin": instance.origin, "name": instance.name, "topic": pattern}
        return self.fact(fold.UNSUBSCRIBED, told, f"{instance.name} unsubscribed from {pattern}", now)

    # Saying

    def publish(self, sender: Instance, said: frames.Publish, now: float) -> Draft:
        """Check a publish and make it a Draft. The sender is the session's: the frame has no say in it.

        Raises BadName, BadTopic, BadValue, TooLarge, InboxFull or TooMany; then nothing has happened. Every Draft
        comes back through `commit()` or `failed()`.
        """
        try:
            return self._draft(sender, said, now)
        except HubbubError:
            self.counters.refused += 1
            raise

    def _draft(self, sender: Instance, said: frames.Publish, now: float) -> Draft:
        goes = _address(said.to)
        to, topic = goes.to, goes.topic
        length = len(said.body) if said.body.isascii() else len(said.body.encode())
        if length > self.limits.max_body:
            raise TooLarge(
                f"The body has {length:,} bytes, and max_body allows {self.limits.max_body:,}.",
                "Send it in parts, or as a file that the other can read.",
            )
        extra = wire.data_size(said.data)
        if extra > self.limits.max_body:
            raise TooLarge(f"The data has {extra:,} bytes as JSON, and max_body allows {self.limits.max_body:,}.")
        for what, text in (("id", said.id), ("thread", said.thread), ("reply_to", said.reply_to)):
            if text is not None and not (0 < len(text) <= 128 and text.isprintable()):
                raise BadValue(f"{what} is 1 to 128 printable characters; this one is {text[:40]!r}.")
        expires_at = None
        if said.ttl is not None:
            if not 0 < said.ttl <= MAX_TTL:
                raise BadValue(f"ttl is a number of seconds above 0 and at most ten years, not {said.ttl}.")
            expires_at = now + said.ttl
        size = length + extra + OVERHEAD
        if goes.name is not None:
            holding = self.registry.held.get(topic[len(INBOX) :])
            if holding is None:
                if expires_at is None:
                    expires_at = now + self.limits.unknown_ttl
            else:
                to = self.registry.instances[holding.origin].name
                topic = INBOX + name_key(to)
        if topic not in self.registry.topics and len(self.registry.topics) >= self.limits.max_topics:
            raise TooMany(
                f"The log has {len(self.registry.topics):,} topics, and max_topics allows no more.",
                "Use fewer topics, or raise the setting.",
            )
        if goes.name is not None:
            self._reserve(topic, to, size, now)
        return Draft(
            id=said.id or self._new_id(),
            sender=sender.name,
            origin=sender.origin,
            to=to,
            topic=topic,
            body=said.body,
            at=now,
            size=size,
            data=said.data,
            thread=said.thread,
            reply_to=said.reply_to,
            expires_at=expires_at,
            retry=said.id is not None,
        )

    def published(self, said: frames.Publish, message: Message, now: float) -> frames.Published:
        """What the sender is told of a message that is on disk."""
        if message.topic.startswith(INBOX):
            to, hint = self._direct(said.to, message)
            return frames.Published(ref=said.ref, id=message.id, offset=message.offset, to=[to], hint=hint)
        to_all, count = self._hearers(message)
        hint = None if count else f"Nobody hears {message.to} yet; whoever subscribes later finds it in the history."
        return frames.Published(
            ref=said.ref, id=message.id, offset=message.offset, to=to_all, recipients=count, hint=hint
        )

    def _direct(self, meant: str, message: Message) -> tuple[frames.Recipient, str | None]:
        instance = self.registry.find(message.topic[len(INBOX) :])
        if instance is None:
            known = near(message.to, self.registry.names())
            days = (message.expires_at or message.at) - message.at
            hint = f"Nobody called {message.to} has ever registered; the message waits {_span(days)} for them."
            if known:
                hint += f" Did you mean {' or '.join(known)}?"
            return frames.Recipient(name=message.to, state="accepted", known=False, near=known), hint
        forwarded: str | None = None
        if meant.lower() != instance.name.lower():
            forwarded = f"{meant} is called {instance.name} now; the message was forwarded."
        online = instance.origin in self._of
        return frames.Recipient(name=instance.name, state="accepted", online=online), forwarded

    def _hearers(self, message: Message) -> tuple[list[frames.Recipient], int]:
        """Who hears a topic: kept from one publish to the next, since it changes far less often."""
        known = self._audience.get(message.topic)
        if known is None:
            hearing = [
                instance
                for instance in self.registry.instances.values()
                if hears_since(instance, message.topic) < message.offset
            ]
            shown = [
                frames.Recipient(name=instance.name, state="accepted", online=instance.origin in self._of)
                for instance in hearing[: SHOWN_RECIPIENTS + 1]
            ]
            if len(self._audience) >= 10_000:  # bounded, whatever topics come
                self._audience.clear()
            known = self._audience[message.topic] = (shown, len(hearing))
        shown, count = known
        mine = self.registry.instances.get(message.origin)
        if mine is not None and hears_since(mine, message.topic) < message.offset:
            count -= 1
            shown = [each for each in shown if each.name != mine.name]
        return shown[:SHOWN_RECIPIENTS], count

    def fact(self, topic: str, told: dict[str, Any], line: str, now: float) -> Draft:
        """A draft in which the hub itself tells something."""
        size = OVERHEAD + len(line) + wire.data_size(told)
        return Draft(
            id=self._new_id(),
            sender=HUB,
            origin=0,
            to="#" + topic,
            topic=topic,
            body=line,
            at=now,
            size=size,
            data=told,
        )

    # What the log says

    def commit(self, messages: Sequence[Message]) -> None:
        """Take in what is durable now, in the log's order, and wake whoever has something to read."""
        if not messages:
            return
        before = self.head
        self.window.extend(messages)
        topics: dict[str, None] = {}
        for message in messages:
            topics[message.topic] = None
            if changed := self.registry.apply(message):
                # What came before in this batch is for those who heard it then.
                self._heat(topics, before)
                topics, before = {}, message.offset
                for instance in changed:
                    self._rewire(instance)
            if message.topic.startswith(INBOX):
                self._unreserve(message.topic, message.size)
            if message.topic.startswith("$"):
                self._audience.clear()
            else:
                self.counters.published += 1
        self._heat(topics, before)
        for observer in self.observers.values():
            observer.rouse()

    def _heat(self, topics: dict[str, None], before: int) -> None:
        for topic in topics:
            if sessions := self.router.match(topic):
                span = Span(topic, before, END)
                for session in sessions:
                    session.heat(span, before)

    def failed(self, drafts: Iterable[Draft]) -> None:
        """These drafts were not stored: or were there already, which for what was reserved is the same."""
        for draft in drafts:
            if draft.topic.startswith(INBOX):
                self._unreserve(draft.topic, draft.size)
            if draft.topic == fold.CURSORS:
                for each in draft.data["moved"]:
                    instance = self.registry.instances[each["origin"]]
                    self._moved[instance.origin] = instance

    def trimmed(self, trimmed: Trimmed) -> None:
        """Take in that retention removed something."""
        self.floor = max(self.floor, trimmed.floor)
        for topic, messages, size, newest in trimmed.topics:
            self.registry.trimmed(topic, messages, size, newest)

    def due(self, now: float) -> list[Draft]:
        """Facts whose time has come: names that stop forwarding."""
        return [
            self.fact(fold.FORGOT, {"name": holding.name}, f"{holding.name} forwards no longer", now)
            for holding in self.registry.held.values()
            if holding.forwards_until is not None and holding.forwards_until <= now
        ]

    # Reading

    def take(self, session: Session, now: float) -> Run | Gap | Behind | None:
        """What comes next for a session; see `Session.take`."""
        taken = session.take(self.window, self.registry.topics, self.floor, now)
        if isinstance(taken, Run):
            self.counters.pushed += len(taken)
        elif isinstance(taken, Gap):
            self.counters.gaps += 1
        return taken

    def take_old(self, session: Session, behind: Behind, messages: Sequence[Message], now: float) -> Run | None:
        """What was read from the log for a session that had fallen behind the window."""
        run = session.take_old(behind, messages, now)
        if run is not None:
            self.counters.pushed += len(run)
        return run

    def received(self, session: Session, offset: int, credit: int | None) -> None:
        """A session's client has everything up to `offset`."""
        session.confirm(offset, credit)
        if session.instance is not None and not session.observer:
            self._move(session.instance, session.received, 0)

    def read(self, instance: Instance, offset: int) -> list[Session]:
        """An instance has read up to `offset`, which cannot be past the head; returns its sessions, to be told."""
        offset = min(offset, self.head)
        if not self._move(instance, offset, offset):
            return []
        sessions = self._of.get(instance.origin, [])
        for session in sessions:
            session.skip(offset)
        return sessions

    def _move(self, instance: Instance, received: int, read: int) -> bool:
        moved = self.registry.move(instance, received, read)
        if moved:
            self._moved[instance.origin] = instance
        return moved

    @property
    def moved(self) -> bool:
        """Whether cursors have moved that the log does not show yet."""
        return bool(self._moved)

    def cursors(self, now: float, *, at_once: bool = False) -> list[Draft]:
        """All movements of cursors since the last time as one fact, at most once a tick unless `at_once`."""
        if not self._moved or not (at_once or now - self._moved_at >= self.limits.cursor_tick or now < self._moved_at):
            return []
        told = [
            {"origin": each.origin, "name": each.name, "received": each.received, "read": each.read}
            for each in self._moved.values()
        ]
        self._moved.clear()
        self._moved_at = now
        line = f"{told[0]['name']} read up to {told[0]['read']}" if len(told) == 1 else f"{len(told)} cursors moved"
        return [self.fact(fold.CURSORS, {"moved": told}, line, now)]

    # Questions

    def instance(self, name: str) -> Instance:
        """Who is called so now. Raises BadName or UnknownInstance, with near matches."""
        found = self.registry.find(name_key(name))
        if found is None:
            known = near(name, self.registry.names())
            raise UnknownInstance(
                f"Nobody called {name} has registered.",
                f"Did you mean {' or '.join(known)}?" if known else "`hubbub ls` shows who has.",
            )
        return found

    def sessions_of(self, instance: Instance) -> list[Session]:
        """Its live sessions."""
        return self._of.get(instance.origin, [])

    def unread(self, instance: Instance, now: float) -> Unread:
        """What an instance has not read yet."""
        count = 0
        oldest_at: float | None = None
        for holding in instance.holdings:
            if inbox := self.registry.inboxes.get(INBOX + holding.key):
                for waiting in inbox.within(max(holding.since, instance.read), holding.until or END):
                    if waiting.expires_at is None or waiting.expires_at > now:
                        count += 1
                        oldest_at = waiting.at if oldest_at is None else min(oldest_at, waiting.at)
        behind: list[Span] = []
        for span in self.registry.spans(instance, instance.read, END):
            if span.topic.startswith(INBOX):
                continue
            if span.after + 1 < self.window.floor:
                behind.append(Span(span.topic, span.after, self.window.floor - 1))
            for message in self.window.lane(span.topic, span.after, span.upto):
                if message.origin != instance.origin and not message.expired(now):
                    count += 1
                    oldest_at = message.at if oldest_at is None else min(oldest_at, message.at)
        return Unread(count, oldest_at, tuple(behind))

    def ladder(self, message: Message, answered: dict[int, float], now: float) -> list[frames.Step]:
        """Where a message is for each recipient. `answered` says which origins have replied to it, and when."""
        steps: list[frames.Step] = []
        for instance in self.registry.recipients(message):
            live = self._of.get(instance.origin, [])
            at: datetime | None = None
            if instance.origin in answered:
                state, at = "answered", frames.moment(answered[instance.origin])
            elif instance.read >= message.offset:
                state = "read"
            elif instance.received >= message.offset:
                state = "received"
            elif any(each.pushed >= message.offset for each in live):
                state = "pushed"
            elif message.expired(now):
                state, at = "expired", frames.moment(message.expires_at or now)
            else:
                state, at = "accepted", frames.moment(message.at)
            steps.append(frames.Step(name=instance.name, state=state, at=at, online=bool(live)))
        if not steps and message.topic.startswith(INBOX):
            state = "expired" if message.expired(now) else "accepted"
            steps.append(frames.Step(name=message.to, state=state, at=frames.moment(message.at)))
        return steps

    # Inside

    def _rewire(self, instance: Instance) -> None:
        for session in self._of.get(instance.origin, []):
            if not session.observer:
                self.router.route(session, set(instance.hears()))

    def _registering(self, key: str, name: str, now: float) -> Draft:
        if key in self._claimed:
            raise self._taken(name)
        if len(self.registry.instances) >= self.limits.max_instances:
            raise TooMany(
                f"The hub has {len(self.registry.instances):,} instances, and max_instances allows no more.",
                "Use a name that exists (`hubbub ls`), or raise the setting.",
            )
        self._claimed.add(key)
        return self.fact(fold.REGISTERED, {"name": name}, f"{name} registered", now)

    def _taken(self, name: str) -> NameTaken:
        taken = {each.lower() for each in self.registry.names()} | self._claimed
        number = 2
        while (free := f"{name[: MAX_NAME - len(str(number)) - 1]}-{number}").lower() in taken:
            number += 1
        holder = self.registry.find(name.lower())
        if holder is None:
            why = f"{name} is being registered by somebody else."
        elif holder.name.lower() != name.lower():
            why = f"{name} is taken: it forwards to {holder.name}, who was called so until lately."
        else:
            why = f"{name} is taken{' by a live session' if holder.origin in self._of else ''}."
        return NameTaken(why, f"{free} is free. A hello with take_over takes a live session's place.")

    def _reserve(self, topic: str, to: str, size: int, now: float) -> None:
        inbox = self.registry.inboxes.get(topic)
        messages, under_way = self._reserved.get(topic, (0, 0))
        if self._full(topic, messages, under_way + size) and inbox is not None:
            inbox.drop_expired(now)
        if self._full(topic, messages, under_way + size):
            raise InboxFull(
                f"{to}'s inbox is full: {len(inbox.messages) if inbox else 0:,} unread messages, "
                f"{(inbox.size if inbox else 0):,} bytes (inbox_messages allows {self.limits.inbox_messages:,}, "
                f"inbox_bytes {self.limits.inbox_bytes:,}). The message was not accepted.",
                f"Try again when {to} has read some.",
            )
        self._reserved[topic] = (messages + 1, under_way + size)

    def _waiting(self, topic: str, now: float) -> int:
        """Messages for a name, unread or still on their way to the log."""
        inbox = self.registry.inboxes.get(topic)
        if inbox is not None:
            inbox.drop_expired(now)
        return (len(inbox.messages) if inbox else 0) + self._reserved.get(topic, (0, 0))[0]

    def _full(self, topic: str, messages: int, size: int) -> bool:
        inbox = self.registry.inboxes.get(topic)
        have, filled = (len(inbox.messages), inbox.size) if inbox else (0, 0)
        return have + messages >= self.limits.inbox_messages or filled + size > self.limits.inbox_bytes

    def _unreserve(self, topic: str, size: int) -> None:
        messages, under_way = self._reserved.get(topic, (0, 0))
        if messages <= 1:
            self._reserved.pop(topic, None)
        else:
            self._reserved[topic] = (messages - 1, under_way - size)


@lru_cache(maxsize=4096)
def _address(to: str) -> Address:
    return address(to)


@lru_cache(maxsize=1)
def _version() -> str:
    from hub import __version__

    return __version__


def _span(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = round(seconds / length)
            return f"{number} {unit}{'s' if number != 1 else ''}"
    return f"{seconds:g} s"
