"""The hub: decides what may be said, takes in what the log holds, and wakes whoever has something to read.

Pure and synchronous; time is an argument, in seconds since 1970. What has to become durable leaves as a Draft and
comes back through `commit()`. A publish, traced:

    hub.publish(...)   checks it, makes a Draft        -> the journal stores it
    hub.commit(...)    window grows, facts are folded, sessions are woken
    hub.take(session)  what comes next for one reader   -> the connection writes it
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import Struct

from hub import fold, frames
from hub.attendance import Attendance
from hub.bounds import Limits
from hub.cursors import Cursors
from hub.deadlines import Deadlines
from hub.errors import BadValue, HubbubError, NameTaken, TakenOver, TooMany, UnknownInstance
from hub.fold import AwaitedRow, Scope, State
from hub.holds import OWNER, Ending, Holds, why_held
from hub.log import END, Span, Trimmed
from hub.loops import Loops, told
from hub.message import Draft, Message
from hub.naming import Naming
from hub.posting import Posting, Uploaded, nothing_uploaded
from hub.presence import Presence, Standing, printable
from hub.receipts import Receipts
from hub.registry import Instance, Registry
from hub.router import Router
from hub.session import Behind, Gap, Hot, Session
from hub.threads import Threads
from hub.topic import INBOX, name_key, pattern_key
from hub.window import Run, Window

__all__ = ["Counters", "Hub", "Joining", "Limits", "Unread"]


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
        uploaded: Uploaded = nothing_uploaded,
    ) -> None:
        self.limits = limits or Limits()
        self.epoch = state.epoch
        self.floor = state.floor
        self.registry = Registry(state)
        self.window = Window(state.head, max_messages=self.limits.window_messages, max_size=self.limits.window_bytes)
        self.window.load(tail)
        self.router = Router()
        self.counters = Counters()
        self._presence = Presence()
        self._posting = Posting(self.registry, self.limits, new_id, uploaded)
        self._naming = Naming(self.registry, self._presence, self._posting, self.limits)
        self._receipts = Receipts(self.registry, self._presence)
        self.threads = Threads()
        self.loops = Loops(self.registry, self.limits.loop_bound)
        self.holds = Holds(self.registry, self._posting, self.limits, state)
        self.deadlines = Deadlines(state.awaited)
        for each in tail:
            self._trace(each)
        self._cursors = Cursors(self.registry, self.limits.cursor_tick)
        self._ending: set[str] = set()  # names that stop forwarding, once the log has it
        self._new_id = new_id
        self._new_secret = new_secret
        self._close = close
        self._last_number = 0

    @property
    def head(self) -> int:
        """The newest offset."""
        return self.window.head

    @property
    def sessions(self) -> dict[int, Session]:
        """All live sessions, by their numbers."""
        return self._presence.sessions

    @property
    def observers(self) -> dict[int, Session]:
        """Those of them that read everything."""
        return self._presence.observers

    # Coming and going

    def join(self, hello: frames.Hello, now: float) -> Joining:
        """Check a hello and claim its name. Raises BadName, NameTaken, TooMany or BadValue.

        With `register`, the name is claimed until that fact comes back through `commit()` or `failed()`.
        """
        if hello.name is None:
            if not hello.observe:
                raise BadValue("A hello names the instance it is for.", 'Add "name", or "observe": true to only watch.')
            return Joining(hello, None, None, ())
        key = name_key(hello.name)
        instance = self.registry.find(key)
        live = self._presence.of(instance) if instance else []
        replaces: tuple[Session, ...] = ()
        if self._naming.claimed(key):
            raise self._naming.taken(hello.name)
        if hello.session is not None and any(each.secret == hello.session for each in live):
            replaces = tuple(each for each in live if each.secret == hello.session)
        elif live and hello.take_over:
            replaces = tuple(live)
        elif live and not hello.share:
            raise self._naming.taken(hello.name)
        elif len(live) >= self.limits.max_sessions_per_name:
            raise TooMany(
                f"{hello.name} has {len(live)} live sessions, and max_sessions_per_name allows no more.",
                "Close one, or raise the setting.",
            )
        self._check_kind(instance, hello.human, observe=hello.observe)
        register = self._registering(key, hello.name, now, human=hello.human) if instance is None else None
        return Joining(hello, key, register, replaces)

    def open(
        self, joining: Joining, now: float, wake: Callable[[], None]
    ) -> tuple[Session, frames.Welcome, list[Draft]]:
        """Make the session: what to answer, and the facts to put on the log.

        `wake` is called whenever `take()` has more. Raises UnknownInstance, or NameTaken if somebody was quicker.
        """
        hello = joining.hello
        instance = None
        if joining.key is not None:
            instance = self.registry.find(joining.key)
            if instance is None:
                raise UnknownInstance(f"{hello.name} went away while it was being registered.", "Try again.")
        facts: list[Draft] = []
        replaces = joining.replaces
        if instance is not None:
            others = [each for each in self._presence.of(instance) if each not in replaces]
            if others and hello.take_over:
                replaces = (*replaces, *others)
            elif others and not (hello.share or replaces):
                raise self._naming.taken(instance.name)
        for old in replaces:
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
            client=printable(hello.client),
            joined_at=now,
            wake=wake,
        )
        self._presence.add(session)
        self._receipts.forget()
        if instance is not None:
            instance.last_seen = max(instance.last_seen, now)
            told = {
                "origin": instance.origin,
                "name": instance.name,
                "client": session.client,
                "number": session.number,
                "sessions": len(self.sessions_of(instance)),
            }
            facts.append(self.fact(fold.JOINED, told, f"{instance.name} joined", now))
            if not hello.observe:
                self.router.route(session, set(instance.hears()))
                session.hot = Hot(*self.registry.spans(instance, position, END))
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
            people=self.registry.people(),
        )
        return session, welcome, facts

    def attend(self, there: Attendance, now: float) -> None:
        """Have those be here who were: this hub stands for an earlier moment, `now`. They are given nothing."""
        for each in there.sessions:
            instance = self.registry.instances.get(each.origin)
            if instance is not None:
                self._presence.add(
                    Session(
                        each.number,
                        instance,
                        observer=False,
                        position=0,  # what was pushed to it is in no log
                        credit=0,
                        secret=None,
                        client=each.client,
                        joined_at=each.joined_at or now,
                        wake=lambda: None,
                    )
                )
        for origin, said in there.telling.items():
            if (instance := self.registry.instances.get(origin)) is not None:
                instance.announce(fold.Announced(origin, said.at, said.activity, said.hops, said.wakes))
                if said.number is not None:
                    self._presence.speaks(instance, said.number)

    def leave(self, session: Session, reason: str, now: float) -> list[Draft]:
        """A session is over; leaving twice is leaving once. Returns the fact to put on the log."""
        if not self._presence.remove(session):
            return []
        self._receipts.forget()
        self.router.route(session, set())
        instance = session.instance
        if instance is None:
            return []
        instance.last_seen = max(instance.last_seen, now)
        told = {
            "origin": instance.origin,
            "name": instance.name,
            "reason": reason,
            "number": session.number,
            "sessions": len(self.sessions_of(instance)),
        }
        facts = [self.fact(fold.LEFT, told, f"{instance.name} left: {reason}", now)]
        if (silenced := self._presence.silence(session)) is not None:
            facts.append(self.fact(fold.PRESENCE, silenced, f"what {instance.name} does is not known", now))
        return facts

    def tell(self, instance: Instance, said: frames.Presence, now: float, by: Session | None = None) -> Draft | None:
        """What an agent is doing and how it is reached; None where that is no news, or it has no session.

        `by` is the session that says it, if one does.
        """
        told = self._presence.tell(instance, said, by)
        if told is None:
            return None
        return self.fact(fold.PRESENCE, told, f"{instance.name} is {told['activity'] or 'online'}", now)

    def seen(self, instance: Instance, now: float) -> None:
        """An instance has shown itself, without a session."""
        instance.last_seen = max(instance.last_seen, now)

    def register(self, name: str, now: float, *, human: bool | None = None) -> Draft | None:
        """Claim a name without a session; None when it is registered already. `human` says that it is a person's.

        Raises NameTaken where the name is an agent's and should be a person's, or the other way round; None minds not.
        """
        key = name_key(name)
        found = self.registry.find(key)
        if human is not None:
            self._check_kind(found, human)
        return None if found else self._registering(key, name, now, human=bool(human))

    def _check_kind(self, instance: Instance | None, human: bool, *, observe: bool = False) -> None:
        """Nobody speaks under a person's name by mistake, and no person under an agent's. Raises NameTaken."""
        if instance is None or instance.human == human or observe:
            return
        if instance.human:
            raise NameTaken(
                f"{instance.name} is a person's name.", "Take another name; a person says so (hubbub send --human)."
            )
        raise NameTaken(f"{instance.name} is an agent's name.", "A person has a name of their own: choose another.")

    def rename(self, instance: Instance, name: str, now: float, forwards_until: float | None = None) -> Draft | None:
        """Take another name; None when it is that already. Raises BadName, NameTaken or TooMany.

        The old name forwards for `forward_for`, or until then.
        """
        if name == instance.name:
            return None
        self._naming.claim_other(instance, name, now)
        told = {
            "origin": instance.origin,
            "old": instance.name,
            "name": name,
            "forwards_until": now + self.limits.forward_for if forwards_until is None else forwards_until,
        }
        return self.fact(fold.RENAMED, told, f"{instance.name} is called {name} now", now)

    def forget(self, instance: Instance, now: float, *, unread: int) -> Draft:
        """Have an instance be no more: nobody uses it. Its messages stay in the log.

        `unread` is how much waits for it, as far as whoever asks would mind. Raises NameTaken where it is in use.
        """
        if self._presence.online(instance):
            raise NameTaken(f"{instance.name} is online: a live session has the name.", "End that session first.")
        if unread:
            waits = f"{unread} unread {'messages wait' if unread > 1 else 'message waits'}"
            raise NameTaken(f"{waits} for {instance.name}.", "With --force (force=1) they are given up.")
        if any(self._naming.claimed(holding.key) for holding in instance.holdings):
            raise NameTaken(f"{instance.name} is being renamed or forgotten just now.", "Try again in a moment.")
        self._naming.claim_last(instance)
        told = {"origin": instance.origin, "name": instance.name}
        return self.fact(fold.FORGOT, told, f"{instance.name} is forgotten", now)

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

        Where it would keep agents going round with nothing new, the Draft is the fact that it is held (`hub.loops`).

        Raises BadName, BadTopic, BadValue, TooLarge, InboxFull or TooMany; then nothing has happened. Every Draft
        comes back through `commit()` or `failed()`.
        """
        try:
            if said.id is not None and (held := self.holds.told(sender.origin, said.id)) is not None:
                return held
            draft = self._posting.draft(sender, said, now)
            over = self.holds.over(sender, draft)
            loop = None if over else self.loops.judge(sender, draft)
            if not over and loop is None:
                return draft
            self._give_up_room(draft)
            if loop is not None:
                return self.holds.keep(draft, told(loop, self.registry), fold.HELD, now)
            return self.holds.keep(draft, why_held(over), fold.HELD_ON + draft.topic, now)
        except HubbubError:
            self.counters.refused += 1
            raise

    def _give_up_room(self, draft: Draft) -> None:
        if draft.topic.startswith(INBOX):
            self._posting.settle(draft.topic, draft.size)

    def hold(self, to: str, by: str | None, reason: str | None, now: float) -> Draft:
        """What holds all that is sent to an instance, a `#topic` or `all` from now on.

        Raises BadName, BadTopic, and BadValue where it is held already.
        """
        scope, shown = self.holds.queue(to)
        return self.holds.begin(scope, shown, by, reason, now=now)

    def unhold(self, to: str, by: str | None, now: float, *, drop: bool) -> Ending:
        """What ends that, and lets go what waits for it; with `drop` that is never sent. Raises as `hold`."""
        scope, shown = self.holds.queue(to)
        return self.holds.end(scope, shown, by, now=now, drop=drop)

    def pause(self, instance: Instance, by: str | None, reason: str | None, now: float) -> Draft:
        """What holds all that an agent sends from now on. Raises BadValue for a person, and where it is paused."""
        if instance.human:
            raise BadValue(f"{instance.name} is a person: only an agent can be paused.")
        scope = Scope("sender", instance.origin)
        return self.holds.begin(scope, instance.name, by, reason, now=now)

    def resume(self, instance: Instance, by: str | None, now: float, *, drop: bool) -> Ending:
        """What ends that, as `unhold` does."""
        scope = Scope("sender", instance.origin)
        return self.holds.end(scope, instance.name, by, now=now, drop=drop)

    def purge(self, instance: Instance, by: str | None, now: float, *, messages: int) -> Draft:
        """What has an instance's cursor pass over all that is unread, of which there are so many `messages`."""
        what = {"origin": instance.origin, "name": instance.name, "after": instance.read, "upto": self.head}
        line = f"{messages} unread of {instance.name} were purged by {by or OWNER}"
        return self.fact(fold.PURGED, {**what, "messages": messages, "by": by}, line, now)

    def bring(self, sender: Instance, said: frames.Publish, now: float, *, capped: bool) -> Draft:
        """Check a message from elsewhere and make it a Draft; said long ago, it is no loop. Raises as `publish`.

        What its recipient has read there takes no room in the inbox here: that is not `capped`.
        """
        return self._posting.draft(sender, said, now, capped=capped)

    def published(self, said: frames.Publish, message: Message) -> frames.Published:
        """What the sender is told of a message that is on disk."""
        if fold.is_held(message.topic):
            return self._receipts.held(said, message, dropped=self.holds.was_dropped(message))
        published = self._receipts.published(said, message)
        if published.hint is None and (loop := self.loops.warning(message)) is not None:
            published.hint = (
                f"This is message {loop.messages} in a row that brings nothing new; after {self.loops.bound} the hub "
                "holds them (loop_bound). If there is nothing to add, let it rest."
            )
        return published

    def fact(self, topic: str, told: dict[str, Any], line: str, now: float, about: str | None = None) -> Draft:
        """A draft in which the hub itself tells something; `about` is the id of the message it is about."""
        return fold.fact(self._new_id(), topic, told, line, now, about=about)

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
                self._receipts.changed(message.topic, message.data)
                for instance in changed:
                    self._rewire(instance)
            if message.topic.startswith("$"):
                self._receipts.forget()
                self._settled(message.topic, message.data)
            else:
                self.counters.published += 1
            self._trace(message)
            self.deadlines.note(message)
            if message.topic.startswith(INBOX):
                self._posting.settle(message.topic, message.size)
        self._heat(topics, before)
        for observer in self.observers.values():
            observer.rouse()

    def _trace(self, message: Message) -> None:
        """Note what answers to a message will need: its thread, and the chain that it is part of."""
        released = self.holds.note(message)
        if not message.topic.startswith("$"):
            self.threads.note(message)
            self.loops.note(message, released=released)
            return
        match message.topic:
            case fold.PURGED:
                self._purged(message.data)
            case fold.PRESENCE if message.data["prompted"]:
                self.loops.prompt(message.data["origin"], message.offset)

    def _purged(self, told: dict[str, Any]) -> None:
        if (instance := self.registry.instances.get(told["origin"])) is not None:
            for session in self.sessions_of(instance):
                if not session.observer:
                    session.skip(told["upto"])

    def _heat(self, topics: dict[str, None], before: int) -> None:
        for topic in topics:
            if sessions := self.router.match(topic):
                alone = Hot(Span(topic, before, END))
                for session in sessions:
                    session.heat(alone, before)

    def _rewire(self, instance: Instance) -> None:
        """An instance hears other topics than before: let its sessions hear them too, and what they left no more."""
        for session in self.sessions_of(instance):
            if not session.observer:
                self.router.route(session, set(instance.hears()))
                if session.hot:
                    session.keep_hot(self.registry.spans(instance, session.position, END))

    def _settled(self, topic: str, told: dict[str, Any]) -> None:
        """A fact is on the log, or will never be: what was kept for it is free."""
        if topic in (fold.REGISTERED, fold.RENAMED):
            self._naming.release(name_key(told["name"]))
        elif topic == fold.FORGOT:
            key = name_key(told["name"])
            self._ending.discard(key)
            if "origin" in told:
                self._naming.release(key)

    def failed(self, drafts: Iterable[Draft]) -> None:
        """These drafts were not stored: or were there already, which for what was reserved is the same."""
        for draft in drafts:
            if draft.topic.startswith(INBOX):
                self._posting.settle(draft.topic, draft.size)
            elif draft.topic == fold.CURSORS:
                self._cursors.again(draft.data["moved"])
            elif draft.topic == fold.PRESENCE:
                self._presence.untell(draft.data["origin"])
            elif draft.topic == fold.UNANSWERED:
                self.deadlines.again(draft.reply_to, draft.data["offset"])
            else:
                self.holds.failed(draft)
                self._settled(draft.topic, draft.data)

    def trimmed(self, trimmed: Trimmed) -> None:
        """Take in that retention removed something."""
        self.floor = max(self.floor, trimmed.floor)
        for topic, messages, size, newest in trimmed.topics:
            self.registry.trimmed(topic, messages, size, newest)
        self.registry.forget_holdings(min(self.floor, self.window.floor))
        self.deadlines.trimmed(self.floor)
        self.holds.trimmed(self.floor)

    def due(self, now: float) -> list[Draft]:
        """Facts whose time has come: names that stop forwarding, messages that expired before they reached anybody,
        or were not answered by the time that their senders want; of the last, a word to these senders too.

        What is on its way to the log is not told again.
        """
        for topic in list(self.registry.inboxes):
            self.registry.expire(topic, now)
        expired, self.registry.expired = self.registry.expired, []
        over = [
            holding
            for holding in self.registry.held.values()
            if holding.forwards_until is not None
            and holding.forwards_until <= now
            and holding.key not in self._ending
            and not self._naming.claimed(holding.key)
        ]
        self._ending.update(holding.key for holding in over)
        noticed, self.loops.noticed = self.loops.noticed, []
        return (
            [self.fact(fold.NOTICED, (what := told(each, self.registry)), _noticed(what), now) for each in noticed]
            + [
                self.fact(fold.FORGOT, {"name": holding.name}, f"{holding.name} forwards no longer", now)
                for holding in over
            ]
            + [
                self.fact(
                    fold.EXPIRED,
                    {"origin": each.origin, "name": each.name, "offset": each.offset},
                    f"message {each.offset} for {each.name} expired",
                    now,
                    about=each.id,
                )
                for each in expired
            ]
            + [draft for each in self.deadlines.due(now) for draft in self._unanswered(each, now)]
        )

    def _unanswered(self, asked: AwaitedRow, now: float) -> list[Draft]:
        """The word to the sender, and then the fact: after a crash between the two the word is found to be there."""
        by = f"{frames.moment(asked.answer_by):%Y-%m-%dT%H:%M:%SZ}"
        sender = self.registry.instances.get(asked.origin)
        told = {
            "origin": asked.origin,
            "name": sender.name if sender else None,
            "to": asked.to,
            "offset": asked.offset,
            "answer_by": asked.answer_by,
        }
        line = f"nobody has answered message {asked.offset} to {asked.to} by {by}"
        fact = self.fact(fold.UNANSWERED, told, line, now, about=asked.id)
        if sender is None:
            return [fact]
        body = (
            f"No answer to your message {asked.id} to {asked.to} has come; you wanted one by {by}. It began: "
            f"{asked.preview!r}. status with its id says how far it came; a late answer comes like any message."
        )
        data = {"unanswered": {"id": asked.id, "to": asked.to, "answer_by": by}}
        word = self._posting.word(
            frames.Publish(to=sender.name, body=body, data=data, thread=asked.thread, id=f"unanswered-{asked.offset}"),
            now,
        )
        return [fact] if word is None else [word, fact]

    # Reading

    def take(self, session: Session, now: float) -> Run | Gap | Behind | None:
        """What comes next for a session; see `Session.take`."""
        taken: Run | Gap | Behind | None = session.take_alike(self.window)  # nothing in it expires
        if taken is None:
            registry = self.registry
            for topic in session.hot:
                if topic in registry.inboxes:
                    registry.expire(topic, now)  # it is noted before a cursor passes over it
            taken = session.take(self.window, registry.topics, self.floor, now)
        if isinstance(taken, Run):
            self._pushed(session, taken)
        elif isinstance(taken, Gap):
            self.counters.gaps += 1
        return taken

    def take_old(self, session: Session, behind: Behind, page: Run, now: float) -> Run | Gap | None:
        """What was read from the log for a session that had fallen behind the window; see `Session.take_old`."""
        taken = session.take_old(behind, page, self.registry.topics, self.floor, now)
        if isinstance(taken, Run):
            self._pushed(session, taken)
        elif isinstance(taken, Gap):
            self.counters.gaps += 1
        return taken

    def _pushed(self, session: Session, run: Run) -> None:
        self.counters.pushed += len(run.offsets)
        if session.instance is not None and not session.observer:
            self._cursors.push(session.instance, session.pushed)

    def expire(self, instance: Instance, now: float) -> None:
        """Note what has expired in an instance's inboxes."""
        for holding in instance.holdings:
            self.registry.expire(INBOX + holding.key, now)

    def received(self, session: Session, offset: int, credit: int | None) -> None:
        """A session's client has everything up to `offset`."""
        session.confirm(offset, credit)
        if session.instance is not None and not session.observer:
            self._cursors.move(session.instance, session.received, 0)

    def read(self, instance: Instance, offset: int) -> list[Session]:
        """An instance has read up to `offset`, which cannot be past the head; returns its sessions, to be told."""
        offset = min(offset, self.head)
        if not self._cursors.move(instance, offset, offset):
            return []
        sessions = self.sessions_of(instance)
        for session in sessions:
            if not session.observer:
                session.skip(offset)
        return sessions

    @property
    def moved(self) -> bool:
        """Whether cursors have moved that the log does not show yet."""
        return bool(self._cursors)

    def cursors_wait(self, now: float) -> float:
        """Seconds until movements of cursors are to be told; see `Cursors.wait`."""
        return self._cursors.wait(now)

    def cursors(self, now: float, *, at_once: bool = False) -> list[Draft]:
        """All movements of cursors since the last time as one fact, at most once a tick unless `at_once`."""
        told = self._cursors.due(now, at_once=at_once)
        if not told:
            return []
        line = f"{told[0]['name']} read up to {told[0]['read']}" if len(told) == 1 else f"{len(told)} cursors moved"
        return [self.fact(fold.CURSORS, {"moved": told}, line, now)]

    # Questions

    def instance(self, name: str) -> Instance:
        """Who is called so now. Raises BadName or UnknownInstance, with near matches."""
        found = self.registry.find(name_key(name))
        if found is None:
            known = self._receipts.near(name)
            raise UnknownInstance(
                f"Nobody called {name} has registered.",
                f"Did you mean {' or '.join(known)}?" if known else "`hubbub ls` shows who has.",
            )
        return found

    def sessions_of(self, instance: Instance) -> list[Session]:
        """Its live sessions."""
        return self._presence.of(instance)

    def standing(self, instance: Instance) -> Standing:
        """How an instance is, and since when."""
        return self._presence.standing(instance)

    def client_of(self, instance: Instance) -> str | None:
        """What its client calls itself."""
        return self._presence.client(instance)

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
            here, first_at = self.window.count(span, instance.origin, now)
            count += here
            if first_at is not None:
                oldest_at = first_at if oldest_at is None else min(oldest_at, first_at)
        return Unread(count, oldest_at, tuple(behind))

    def reached(self, message: Message) -> dict[int, set[str]]:
        """The rungs of the ladder that cursors have carried a message to, for each recipient's origin."""
        return self._receipts.reached(message)

    def nothing_unread_before(self, instance: Instance, offset: int, now: float) -> bool:
        """Whether an instance's cursor may move to the message at `offset` without passing over anything unread.

        False also where only the log could tell, because that lies before the window.
        """
        for holding in instance.holdings:
            inbox = self.registry.inboxes.get(INBOX + holding.key)
            after, upto = max(holding.since, instance.read), min(holding.until or END, offset - 1)
            for waiting in inbox.messages if inbox else ():  # in the log's order
                if waiting.offset > upto:
                    break
                if waiting.offset > after and (waiting.expires_at is None or waiting.expires_at > now):
                    return False
        for span in self.registry.spans(instance, instance.read, offset - 1):
            if span.topic.startswith(INBOX):
                continue
            if span.after + 1 < self.window.floor or self.window.count(span, instance.origin, now)[0]:
                return False
        return True

    def ladder(
        self,
        message: Message,
        answered: dict[int, float],
        now: float,
        expired: Set[int] = frozenset(),
        times: Mapping[tuple[int, str], float] | None = None,
        *,
        purged: Mapping[int, float] | None = None,
        unknown: Mapping[int, tuple[str, ...]] | None = None,
    ) -> list[frames.Step]:
        """Where a message is for each recipient; see `Receipts.ladder`."""
        return self._receipts.ladder(
            message, answered, now, expired, times or {}, purged=purged or {}, unknown=unknown or {}
        )

    # Inside

    def _registering(self, key: str, name: str, now: float, *, human: bool = False) -> Draft:
        self._naming.claim_new(key, name)
        if human:
            return self.fact(fold.REGISTERED, {"name": name, "human": True}, f"{name}, a person, registered", now)
        return self.fact(fold.REGISTERED, {"name": name}, f"{name} registered", now)


def _noticed(what: dict[str, Any]) -> str:
    return f"{', '.join(what['names'])}: {what['messages']} messages in a row with nothing new"


@lru_cache(maxsize=1)
def _version() -> str:
    from hub import __version__

    return __version__
