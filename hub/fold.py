"""What the hub tells, and what that changes: the `$` topics and their meaning in one place.

A fact is a draft on a `$` topic with its parts in `data`. `changes()` reads a committed fact back as changes of the
hub's tables. The registry applies them in memory, history in SQL in the transaction that holds the fact itself:
so the tables are always what the log says, and trimming old facts loses nothing.

| topic                  | data                                                                        |
|------------------------|-----------------------------------------------------------------------------|
| `$hub.started`         | `version`; every session that the log still shows is gone                   |
| `$hub.stopped`         | `reason`                                                                    |
| `$instance.registered` | `name`, `human` (true: a person); the fact's own offset is the instance's origin |
| `$instance.renamed`    | `origin`, `old`, `name`, `forwards_until` (seconds since 1970)              |
| `$instance.forgot`     | `name`: one that forwarded, and is free now; with `origin`: the whole instance |
| `$session.joined`      | `origin`, `name`, `client`, `number`, `sessions`                            |
| `$session.left`        | `origin`, `name`, `reason`, `number`, `sessions`                            |
| `$instance.presence`   | `origin`, `name`, `number`, `activity`, `hops`, `wakes`, `client`, `prompted` |
| `$subscription.added`  | `origin`, `name`, `topic`                                                   |
| `$subscription.removed`| `origin`, `name`, `topic`                                                   |
| `$message.expired`     | `origin` (null: nobody had the name), `name`, `offset`; `reply_to` is the message's id |
| `$message.unanswered`  | `origin`, `name` of the sender, `to`, `offset`, `answer_by`; `reply_to` is the message's id |
| `$loop.noticed`        | `names`, `messages`: agents that answer one another with nothing new        |
| `$loop.held`           | `origin`, `name`, `id` and all else of the message; `names`, `messages`     |
| `$loop.released`       | `origin`, `name`, `id` of the message, `held` (the fact's offset), `by`     |
| `$loop.dropped`        | the same                                                                    |
| `$hold.began`          | `origin` whose inbox it is, or 0 and `topic`; `queue` as people write it, `by`, `reason` |
| `$hold.ended`          | the same                                                                    |
| `$pause.began`         | `origin`, `name` of who is paused, `by`, `reason`                           |
| `$pause.ended`         | the same                                                                    |
| `$held.`               | and a topic: a message waits for a person: as `$loop.held`; `topic`, `reader`, `holds` |
| `$hold.released`       | as `$loop.released`, and `edited`: whether its body is another now          |
| `$hold.dropped`        | as `$loop.dropped`                                                          |
| `$queue.purged`        | `origin`, `name`; `after`, `upto`: the cursor's old place and its new one; `messages`, `by` |
| `$cursors`             | `moved`: a list of `{origin, name, pushed, received, read}`, joined over one tick |
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from msgspec import Struct

from hub import wire
from hub.message import OVERHEAD, Draft, Message
from hub.topic import HUB, name_key

STARTED = "$hub.started"
STOPPED = "$hub.stopped"
REGISTERED = "$instance.registered"
RENAMED = "$instance.renamed"
FORGOT = "$instance.forgot"
JOINED = "$session.joined"
LEFT = "$session.left"
PRESENCE = "$instance.presence"
SUBSCRIBED = "$subscription.added"
UNSUBSCRIBED = "$subscription.removed"
EXPIRED = "$message.expired"
UNANSWERED = "$message.unanswered"
NOTICED = "$loop.noticed"
HELD = "$loop.held"
RELEASED = "$loop.released"
DROPPED = "$loop.dropped"
HOLD_BEGAN = "$hold.began"
HOLD_ENDED = "$hold.ended"
PAUSE_BEGAN = "$pause.began"
PAUSE_ENDED = "$pause.ended"
HELD_ON = "$held."  # before the topic that a message would have gone to
HOLD_RELEASED = "$hold.released"
HOLD_DROPPED = "$hold.dropped"
PURGED = "$queue.purged"
CURSORS = "$cursors"


def is_held(topic: str) -> bool:
    """Whether what is on this topic are messages that wait for a person."""
    return topic == HELD or topic.startswith(HELD_ON)


def fact(fact_id: str, topic: str, told: dict[str, Any], line: str, now: float, *, about: str | None = None) -> Draft:
    """A draft in which the hub itself tells something; `line` says it to people, `about` is a message's id."""
    return Draft(
        id=fact_id,
        sender=HUB,
        origin=0,
        to="#" + topic,
        topic=topic,
        body=line,
        at=now,
        size=OVERHEAD + len(line) + wire.data_size(told),
        data=told,
        reply_to=about,
    )


class Registered(Struct, frozen=True):
    """A new instance. Its inbox begins at `since`: at 0, so that what waited for the name is its own, or after
    the last holder of the name let go."""

    origin: int
    key: str
    name: str
    at: float
    human: bool = False


class Renamed(Struct, frozen=True):
    """The instance is called `name` from `offset` on; messages to `old_key` still reach it until `forwards_until`.

    What came for `name` before is not its own: that lies before its cursor, and waits for whoever registers as `name`.
    """

    origin: int
    old_key: str
    key: str
    name: str
    offset: int
    forwards_until: float


class Forgot(Struct, frozen=True):
    """The name `key` belongs to nobody after `offset`, if it only forwards; a name that is in use stays."""

    key: str
    offset: int


class Gone(Struct, frozen=True):
    """The instance is no more; its names belong to nobody after `offset`, and its messages stay in the log."""

    origin: int
    offset: int


class Seen(Struct, frozen=True):
    """Somebody came or went."""

    origin: int
    at: float


class Announced(Struct, frozen=True):
    """What an agent is doing and how it is reached, as it has told; None is not known. Leaving ends it."""

    origin: int
    at: float
    activity: str | None = None
    hops: tuple[str, ...] | None = None
    wakes: bool | None = None


class Subscribed(Struct, frozen=True):
    origin: int
    pattern: str
    since: int


class Unsubscribed(Struct, frozen=True):
    origin: int
    pattern: str


class Moved(Struct, frozen=True):
    """How far an instance has received and read, at `at`. Both only grow."""

    origin: int
    received: int
    read: int
    at: float


class Scope(NamedTuple):
    """What is held: with the kind "queue" all that is sent to a topic, or to an instance whatever its name is then;
    with "sender" all that an instance sends. `origin` is 0 where `topic` says it."""

    kind: str
    origin: int
    topic: str = ""


class HoldBegan(Struct, frozen=True):
    """From `offset` on what falls within `scope` waits for a person, until `HoldEnded`. `by` None is the owner."""

    scope: Scope
    offset: int
    at: float
    by: str | None
    reason: str | None


class HoldEnded(Struct, frozen=True):
    scope: Scope


Change: TypeAlias = (
    Registered | Renamed | Forgot | Gone | Seen | Announced | Subscribed | Unsubscribed | Moved | HoldBegan | HoldEnded
)


def changes(message: Message) -> Iterator[Change]:
    """What a committed message changes; nothing for all that is not the hub's own fact."""
    if not message.topic.startswith("$"):
        return
    told: dict[str, Any] = message.data or {}
    match message.topic:
        case "$instance.registered":
            human = bool(told.get("human"))
            yield Registered(message.offset, name_key(told["name"]), told["name"], message.at, human)
        case "$instance.renamed":
            yield Renamed(
                told["origin"],
                name_key(told["old"]),
                name_key(told["name"]),
                told["name"],
                message.offset,
                told["forwards_until"],
            )
        case "$instance.forgot":
            offset = message.offset
            yield Gone(told["origin"], offset) if "origin" in told else Forgot(name_key(told["name"]), offset)
        case "$session.joined" | "$session.left":
            yield Seen(told["origin"], message.at)
            if told.get("sessions") == 0:
                yield Announced(told["origin"], message.at)
        case "$instance.presence":
            hops = told["hops"]
            yield Announced(
                told["origin"], message.at, told["activity"], None if hops is None else tuple(hops), told["wakes"]
            )
        case "$subscription.added":
            yield Subscribed(told["origin"], told["topic"], message.offset)
        case "$subscription.removed":
            yield Unsubscribed(told["origin"], told["topic"])
        case "$cursors":
            for each in told["moved"]:
                yield Moved(each["origin"], each["received"], each["read"], message.at)
        case _:
            yield from _deciding(message, told)


def _deciding(message: Message, told: dict[str, Any]) -> Iterator[Change]:
    """What a person has decided."""
    match message.topic:
        case "$hold.began" | "$pause.began":
            scope = scope_of(message.topic, told)
            yield HoldBegan(scope, message.offset, message.at, told["by"], told["reason"])
        case "$hold.ended" | "$pause.ended":
            yield HoldEnded(scope_of(message.topic, told))
        case "$queue.purged":
            yield Moved(told["origin"], told["upto"], told["upto"], message.at)


def scope_of(topic: str, told: dict[str, Any]) -> Scope:
    """What a fact about a hold, or a pause, is about."""
    if topic in (PAUSE_BEGAN, PAUSE_ENDED):
        return Scope("sender", told["origin"])
    return Scope("queue", told["origin"], "" if told["origin"] else told["topic"])


class Holding(Struct, kw_only=True):
    """An instance's hold on a name: its inbox is the messages on `inbox.<key>` in (since, until].

    `until` is None while it holds; `forwards_until` is set once it is called otherwise.
    """

    key: str
    name: str
    origin: int
    since: int
    until: int | None = None
    forwards_until: float | None = None


class InstanceRow(Struct, kw_only=True):
    """An instance as the tables keep it; times are seconds since 1970."""

    origin: int
    name: str
    registered_at: float
    last_seen: float
    received: int
    read: int
    human: bool = False


class HoldRow(Struct, kw_only=True):
    """A hold that has not ended; see `HoldBegan`. `since` is the offset of the fact."""

    scope: Scope
    since: int
    at: float
    by: str | None
    reason: str | None


class SubscriptionRow(Struct, kw_only=True):
    origin: int
    pattern: str
    since: int


class TopicRow(Struct, kw_only=True):
    """One topic's stock: what is kept of it, and how much of it retention has removed."""

    topic: str
    messages: int
    size: int
    head: int  # the newest offset it ever had
    trimmed: int  # the newest offset of it that is no longer kept; 0 if none


class WaitingRow(Struct, kw_only=True):
    """A direct message that nobody has read: what an inbox's caps count."""

    topic: str
    offset: int
    size: int
    at: float
    expires_at: float | None
    id: str | None = None  # of one that can expire


class AwaitedRow(Struct, kw_only=True, frozen=True):
    """A message whose sender wants an answer by a time, and that nobody has answered; `preview` is how it begins."""

    answer_by: float
    offset: int
    id: str
    origin: int
    to: str
    thread: str | None
    preview: str


class State(Struct, kw_only=True):
    """Everything the hub remembers, as it stands at `head`."""

    epoch: str
    head: int
    floor: int
    instances: list[InstanceRow]
    holdings: list[Holding]
    subscriptions: list[SubscriptionRow]
    topics: list[TopicRow]
    waiting: list[WaitingRow]
    held: list[Message] = []  # facts of messages that wait for a person
    dropped: list[Message] = []  # facts of those that a person has dropped
    holds: list[HoldRow] = []
    awaited: list[AwaitedRow] = []
