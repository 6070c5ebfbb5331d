"""What waits for a person: messages that the loop guard or a person holds, and what becomes of them.

docs/taking-part.md says what may be held and what each verb does. A message that is held becomes a fact on a topic of
its own, with all of it in `data`. Nobody is given it. To release it is to publish the message, under its own id: so
that is all that ends its waiting, and a crash at any moment leaves it either held or sent. To drop it is a fact.

Which queues are held and who is paused is folded by the registry (`Registry.holds`). Here is what a hub has to know
besides: the messages that wait, and which of all this is on its way to the log. A hold is in force from the moment its
fact is handed in, and over from the moment its end is: whatever is judged later comes later in the log.

Pure: told what the log holds, in its order.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NamedTuple

from msgspec import structs

from hub import fold, frames
from hub.bounds import Limits
from hub.errors import BadValue, HubbubError, InboxFull, UnknownInstance, UnknownMessage
from hub.fold import HoldRow, Scope
from hub.message import Draft, Message
from hub.posting import Posting
from hub.registry import Instance, Registry
from hub.topic import ALL, INBOX, address

OWNER = "the owner"  # who decided, where no name was given
DROPPED = 4096  # dropped messages whose sender is still told so when it sends them again
MAX_REASON = 200  # characters

_Key = tuple[int, str]  # a message's origin and id


class Ending(NamedTuple):
    """What ends a hold: drafts in the order in which they are to be stored, and how many messages that lets go.

    `why` is what kept the rest from being sent: then they wait on, and so does the hold.
    """

    drafts: list[Draft]
    released: int
    dropped: int
    why: HubbubError | None


class Holds:
    """See the module. `held` are the facts of messages that nobody has decided on, by offset."""

    def __init__(self, registry: Registry, posting: Posting, limits: Limits, state: fold.State) -> None:
        self.held: dict[int, Message] = {}
        self._registry = registry
        self._posting = posting
        self._limits = limits
        self._offsets: dict[_Key, int] = {}
        self._dropped: OrderedDict[_Key, Message] = OrderedDict()
        self._under_way: dict[_Key, Draft] = {}  # facts of held messages that the log does not have yet
        self._coming: dict[Scope, tuple[str, HoldRow | None]] = {}  # the newest fact under way, by its id
        self._room: dict[str, tuple[int, int]] = {}  # topic -> messages that wait on their way to it, and bytes
        for each in state.held:
            self._take_in(each)
        for each in state.dropped:
            self._remember(each)

    # Holding

    def told(self, origin: int, message_id: str) -> Draft | None:
        """The fact that this message is held, or was dropped, as it is on the log or on its way; None for any other."""
        key = (origin, message_id)
        if (under_way := self._under_way.get(key)) is not None:
            return under_way
        offset = self._offsets.get(key)
        fact = self._dropped.get(key) if offset is None else self.held[offset]
        return None if fact is None else _again(fact)

    def was_dropped(self, fact: Message) -> bool:
        """Whether a person has dropped the message of this fact."""
        return fact.data is not None and (fact.data["origin"], fact.data["id"]) in self._dropped

    def over(self, sender: Instance, draft: Draft) -> list[HoldRow]:
        """The holds that a draft falls under. What a person says falls under none."""
        if sender.human or not (self._registry.holds or self._coming):
            return []
        scopes = self._scopes(draft.origin, draft.topic)
        return [row for scope in scopes if (row := self.standing(scope)) is not None]

    def standing(self, scope: Scope) -> HoldRow | None:
        """The hold on this, also if it is still on its way to the log."""
        coming = self._coming.get(scope)
        return self._registry.holds.get(scope) if coming is None else coming[1]

    def keep(self, draft: Draft, why: dict[str, Any], topic: str, now: float) -> Draft:
        """The fact that a message is held instead of sent; `why` goes into it. Raises InboxFull if too many wait."""
        waiting, together = self._room.get(draft.topic, (0, 0))
        if waiting >= self._limits.inbox_messages or together + draft.size > self._limits.inbox_bytes:
            raise InboxFull(
                f"{waiting:,} messages to {draft.to} are held ({together:,} bytes), and wait for a person "
                "(inbox_messages, inbox_bytes). The message was not accepted.",
                "Try again when a person has decided on some: hubbub held",
            )
        reader = self._reader(draft.topic)
        whole = {
            "origin": draft.origin,
            "name": draft.sender,
            "id": draft.id,
            "to": draft.to,
            "topic": draft.topic,
            "reader": reader.origin if reader is not None else None,
            "thread": draft.thread,
            "reply_to": draft.reply_to,
            "body": draft.body,
            "data": draft.data,
            "expires_at": draft.expires_at,
            "answer_by": draft.answer_by,
            **why,
        }
        line = f"a message from {draft.sender} to {draft.to} is held"
        # One fact a message, whatever is retried and whenever: its id follows from the message's.
        fact = fold.fact(f"held-{draft.origin}-{draft.id}", topic, whole, line, now, about=draft.id)
        fact = structs.replace(
            fact,
            attachments=draft.attachments,  # the files are kept while a message names them
            retry=True,
            unless=(draft.origin, draft.id) if draft.retry else None,
        )
        self._under_way[draft.origin, draft.id] = fact
        self._room[draft.topic] = (waiting + 1, together + fact.size)
        return fact

    # Beginning and ending

    def queue(self, to: str) -> tuple[Scope, str]:
        """What `to` names as a queue, and how it is written: an instance's name, a `#topic`, or `all`.

        Raises BadName or BadTopic.
        """
        goes = address(to)
        reader = self._reader(goes.topic)
        if reader is not None:
            return Scope("queue", reader.origin), reader.name
        return Scope("queue", 0, goes.topic), goes.to

    def begin(self, scope: Scope, shown: str, by: str | None, reason: str | None, *, now: float) -> Draft:
        """The fact that begins a hold. Raises BadValue where there is one."""
        if self.standing(scope) is not None:
            what = f"{shown} is paused" if scope.kind == "sender" else f"What is sent to {shown} is held"
            raise BadValue(f"{what} already.", "hubbub held shows it.")
        if reason is not None and not (0 < len(reason) <= MAX_REASON and reason.isprintable()):
            raise BadValue(f"A reason is 1 to {MAX_REASON} printable characters.")
        line = f"{shown} was paused" if scope.kind == "sender" else f"what is sent to {shown} is held from now on"
        fact_id = self._posting.new_id()
        draft = fold.fact(fact_id, _began(scope), _said(scope, shown, by, reason), f"{line}, by {by or OWNER}", now)
        row = HoldRow(scope=scope, since=0, at=now, by=by, reason=reason)
        self._coming[scope] = (fact_id, row)
        return draft

    def end(self, scope: Scope, shown: str, by: str | None, *, now: float, drop: bool) -> Ending:
        """What ends a hold, and before that what lets go whatever waits for it alone, in its order.

        Raises BadValue where there is none.
        """
        row = self.standing(scope)
        if row is None:
            what = f"{shown} is not paused" if scope.kind == "sender" else f"What is sent to {shown} is not held"
            raise BadValue(f"{what}.", "hubbub held shows what is.")
        drafts: list[Draft] = []
        released = dropped = 0
        why: HubbubError | None = None
        for fact in self._waiting_for(scope):
            try:
                if drop or _is_over(fact, now):
                    drafts.append(self._decided(fact, _dropping(fact.topic), by, now))
                    dropped += 1
                else:
                    drafts += self._sent(fact, by, now, None)
                    released += 1
            except HubbubError as refused:
                why = refused
                break
        if why is None:
            line = f"{shown} was resumed" if scope.kind == "sender" else f"what is sent to {shown} is held no longer"
            told = _said(scope, shown, by, row.reason)
            fact_id = self._posting.new_id()
            drafts.append(fold.fact(fact_id, _ended(scope), told, f"{line}, by {by or OWNER}", now))
            self._coming[scope] = (fact_id, None)
        return Ending(drafts, released, dropped, why)

    # Deciding on one

    def release(self, offset: int, by: str | None, now: float, body: str | None = None) -> tuple[Draft, Draft]:
        """What lets a held message go: the message, then the fact. With `body` that stands in it instead, and says so.

        Raises UnknownMessage, BadValue, and what `Hub.publish` does.
        """
        return self._sent(self.find(offset), by, now, body)

    def drop(self, offset: int, by: str | None, now: float) -> Draft:
        """What says that a held message will never be sent. Raises UnknownMessage."""
        fact = self.find(offset)
        return self._decided(fact, _dropping(fact.topic), by, now)

    def find(self, offset: int) -> Message:
        """The fact of a held message. Raises UnknownMessage."""
        held = self.held.get(offset)
        if held is None:
            raise UnknownMessage(f"No message is held at {offset}.", "`hubbub held` lists those that are.")
        return held

    def waiting(self, scope: Scope) -> int:
        """How many messages a hold keeps waiting."""
        return sum(scope in self._scopes_of(fact) for fact in self.held.values() if fact.topic != fold.HELD)

    # What the log says

    def note(self, message: Message) -> bool:
        """Something is on the log: a message that was said, or a fact about holding; returns whether it was held."""
        topic = message.topic
        if not topic.startswith("$"):
            return bool(self._offsets) and self._let_go((message.origin, message.id)) is not None
        if fold.is_held(topic):
            self._take_in(message)
        elif topic in (fold.DROPPED, fold.HOLD_DROPPED):
            fact = self._let_go((message.data["origin"], message.data["id"]))
            if fact is not None:
                self._remember(fact)
        elif topic in (fold.HOLD_BEGAN, fold.HOLD_ENDED, fold.PAUSE_BEGAN, fold.PAUSE_ENDED):
            self._came(topic, message.data, message.id)
        return False

    def failed(self, draft: Draft) -> None:
        """A draft was not stored, or the log had it already."""
        if fold.is_held(draft.topic):
            key = (draft.data["origin"], draft.data["id"])
            if self._under_way.pop(key, None) is not None:
                self._make_room(draft)
        elif draft.topic in (fold.HOLD_BEGAN, fold.HOLD_ENDED, fold.PAUSE_BEGAN, fold.PAUSE_ENDED):
            self._came(draft.topic, draft.data, draft.id)

    def trimmed(self, floor: int) -> None:
        """What retention took waits no longer."""
        for fact in [each for each in self.held.values() if each.offset < floor]:
            self._let_go((fact.data["origin"], fact.data["id"]))
        for key in [key for key, each in self._dropped.items() if each.offset < floor]:
            del self._dropped[key]

    # Inside

    def _came(self, topic: str, told: dict[str, Any], fact_id: str) -> None:
        scope = fold.scope_of(topic, told)
        if self._coming.get(scope, ("",))[0] == fact_id:
            del self._coming[scope]

    def _take_in(self, fact: Message) -> None:
        if fact.offset in self.held:  # a start goes through the tail again
            return
        key = (fact.data["origin"], fact.data["id"])
        if self._under_way.pop(key, None) is None:
            waiting, together = self._room.get(_topic(fact), (0, 0))
            self._room[_topic(fact)] = (waiting + 1, together + fact.size)
        self.held[fact.offset] = fact
        self._offsets[key] = fact.offset

    def _let_go(self, key: _Key) -> Message | None:
        offset = self._offsets.pop(key, None)
        if offset is None:
            return None
        fact = self.held.pop(offset)
        self._make_room(fact)
        return fact

    def _make_room(self, fact: Draft | Message) -> None:
        waiting, together = self._room.get(_topic(fact), (1, 0))
        if waiting > 1:
            self._room[_topic(fact)] = (waiting - 1, together - fact.size)
        else:
            self._room.pop(_topic(fact), None)

    def _remember(self, fact: Message) -> None:
        """Its sender may send it again, to be told the same: that takes none of what it said."""
        told = {**fact.data, "body": "", "data": None}
        self._dropped[told["origin"], told["id"]] = structs.replace(fact, data=told, attachments=None)
        if len(self._dropped) > DROPPED:
            self._dropped.popitem(last=False)

    def _waiting_for(self, scope: Scope) -> list[Draft | Message]:
        """The facts of what waits for this hold and no other, those on their way to the log last."""
        facts: Iterable[Draft | Message] = (*self.held.values(), *self._under_way.values())
        return [
            fact
            for fact in facts
            if fact.topic != fold.HELD
            and scope in (scopes := self._scopes_of(fact))
            and not any(other != scope and self.standing(other) is not None for other in scopes)
        ]

    def _scopes_of(self, fact: Draft | Message) -> list[Scope]:
        """What a held message falls under now, whatever its reader is called by now."""
        kept = fact.data
        scopes = self._scopes(kept["origin"], kept["topic"])
        if kept["reader"] is not None:
            scopes = [*scopes[:2], Scope("queue", kept["reader"])]
        return scopes

    def _scopes(self, origin: int, topic: str) -> list[Scope]:
        scopes = [Scope("sender", origin), Scope("queue", 0, topic)]
        reader = self._reader(topic)
        return scopes if reader is None else [*scopes, Scope("queue", reader.origin)]

    def _reader(self, topic: str) -> Instance | None:
        return self._registry.find(topic[len(INBOX) :]) if topic.startswith(INBOX) else None

    def _sent(self, fact: Draft | Message, by: str | None, now: float, body: str | None) -> tuple[Draft, Draft]:
        kept = fact.data
        if _is_over(fact, now):
            raise BadValue("The time of that message (its ttl) was over while it was held.", "It can only be dropped.")
        sender = self._registry.instances.get(kept["origin"])
        if sender is None:
            raise UnknownInstance(f"{kept['name']}, who sent that message, has been forgotten.", "It can be dropped.")
        reader = self._registry.instances.get(kept.get("reader") or 0)
        edited = body is not None and body != kept["body"]
        wanted = kept.get("answer_by")
        said = frames.Publish(
            to=kept["to"] if reader is None else reader.name,
            body=f"{body}\n\n[Edited by {by or OWNER} before it was released.]" if edited else kept["body"],
            data=kept["data"],
            thread=kept["thread"],
            reply_to=kept["reply_to"],
            ttl=None if kept["expires_at"] is None else kept["expires_at"] - now,
            answer_by=wanted - now if wanted is not None and wanted > now else None,
            id=kept["id"],
        )
        draft = self._posting.draft(sender, said, now, carried=fact.attachments)
        releasing = fold.RELEASED if fact.topic == fold.HELD else fold.HOLD_RELEASED
        return draft, self._decided(fact, releasing, by, now, edited=edited)

    def _decided(
        self, fact: Draft | Message, topic: str, by: str | None, now: float, *, edited: bool | None = None
    ) -> Draft:
        kept = fact.data
        # What is on its way to the log has no offset yet, and its sender no answer.
        held = fact.offset if isinstance(fact, Message) else None
        told = {"origin": kept["origin"], "name": kept["name"], "id": kept["id"], "held": held, "by": by}
        if edited is not None:
            told["edited"] = edited
        done = "dropped" if edited is None else "edited and released" if edited else "released"
        line = f"the held message from {kept['name']} was {done} by {by or OWNER}"
        return fold.fact(self._posting.new_id(), topic, told, line, now, about=kept["id"])


def _again(held: Message) -> Draft:
    """The fact that is on the log already: whoever stores it is answered with that one."""
    parts = {name: getattr(held, name) for name in Message.__struct_fields__ if name != "offset"}
    return Draft(**parts, retry=True)


def _topic(fact: Draft | Message) -> str:
    """Where a held message would have gone."""
    kept = fact.data
    return str(kept["topic"]) if "topic" in kept else address(kept["to"]).topic


def _is_over(fact: Draft | Message, now: float) -> bool:
    expires_at = fact.data["expires_at"]
    return expires_at is not None and expires_at <= now


def _dropping(topic: str) -> str:
    return fold.DROPPED if topic == fold.HELD else fold.HOLD_DROPPED


def _began(scope: Scope) -> str:
    return fold.PAUSE_BEGAN if scope.kind == "sender" else fold.HOLD_BEGAN


def _ended(scope: Scope) -> str:
    return fold.PAUSE_ENDED if scope.kind == "sender" else fold.HOLD_ENDED


def _said(scope: Scope, shown: str, by: str | None, reason: str | None) -> dict[str, Any]:
    if scope.kind == "sender":
        return {"origin": scope.origin, "name": shown, "by": by, "reason": reason}
    return {"origin": scope.origin, "topic": scope.topic, "queue": shown, "by": by, "reason": reason}


def why_held(over: list[HoldRow]) -> dict[str, Any]:
    """Why a message is held, as its fact tells it."""
    return {"holds": [{"kind": each.scope.kind, "by": each.by, "reason": each.reason} for each in over]}


def written(topic: str) -> str:
    """A topic as people write it: a name, `all`, or `#topic`."""
    if topic.startswith(INBOX):
        return topic[len(INBOX) :]
    return topic if topic == ALL else f"#{topic}"
