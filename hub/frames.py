"""What both sides say over the WebSocket: one struct a verb. `type` tells them apart on the wire.

`ref` is the client's own number (or text) for a request; whatever answers it echoes it.
Offsets are places in the log, counted from 1. Times are RFC 3339 in UTC. Sizes are bytes, spans are seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from hub.message import Message as LogMessage

Ref: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | Annotated[str, Meta(max_length=64)] | None
Offset: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Credit: TypeAlias = Annotated[int, Meta(ge=0, le=65_536)]

Activity: TypeAlias = Literal["working", "waiting", "idle"]
Hop: TypeAlias = Annotated[str, Meta(min_length=1, max_length=32, pattern="^[a-z0-9-]+$")]

Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]

DEFAULT_CREDIT = 256


class Frame(Struct, tag_field="type", kw_only=True, omit_defaults=True):
    """Base of all frames. Unknown fields are ignored, so that a newer peer can say more."""


class Attachment(Struct, kw_only=True):
    """A file that a message carries; it was uploaded before (docs/http.md). `name` is the sender's word for it, and
    nobody's path; `size` is bytes."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    name: Annotated[str, Meta(min_length=1, max_length=255)]
    media_type: Annotated[
        str, Meta(max_length=127, pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$")  # RFC 6838, 4.2
    ] = "application/octet-stream"


Attachments: TypeAlias = Annotated[list[Attachment], Meta(max_length=16)]


# From the client


class Hello(Frame, tag="hello", kw_only=True):
    """The first frame: who is there. Answered by `welcome`, or by `error` and a close."""

    ref: Ref = None
    name: str | None = None  # needed unless `observe`
    token: str | None = None  # may come as `Authorization: Bearer` instead
    resume: Offset | None = None  # the last offset this client has; what follows is sent
    epoch: str | None = None  # the numbering that `resume` is of
    credit: Credit = DEFAULT_CREDIT  # how many messages may be on the way before `received`
    client: str | None = None  # what the client calls itself, "codex/0.169"; shown, never trusted
    observe: bool = False  # a reader of everything, `$` topics included; has no inbox and no cursor
    session: str | None = None  # from an earlier `welcome`: takes that session's place
    take_over: bool = False  # take the name from whatever live session has it
    share: bool = False  # join the live session of this name: both are sent what comes
    human: bool = False  # a person, not an agent: needs the scope admin, and a name of one's own


class Publish(Frame, tag="publish", kw_only=True):
    """Say something. Answered by `published` once it is on disk, or by `error`: then nobody saw it."""

    ref: Ref = None
    to: str  # an instance's name, `#topic`, or `all`
    body: str
    data: Any = None  # any JSON beside the text
    thread: str | None = None  # what belongs together
    reply_to: str | None = None  # the id of the message this answers
    ttl: float | None = None  # seconds until it is no longer worth delivering
    answer_by: float | str | None = None  # an answer is wanted by then: seconds from now, "30m", or RFC 3339
    id: str | None = None  # makes it idempotent: the same id gives the same offset again
    attachments: Attachments | None = None  # files, which this instance has uploaded


class Subscribe(Frame, tag="subscribe", kw_only=True):
    """Hear a topic from now on. `*` stands for one word, a final `>` for all that follow."""

    ref: Ref = None
    topic: str


class Unsubscribe(Frame, tag="unsubscribe", kw_only=True):
    """Stop hearing a topic or pattern, named as it was subscribed."""

    ref: Ref = None
    topic: str


class Received(Frame, tag="received", kw_only=True):
    """The client has everything up to `offset`: frees credit, and grants another amount if `credit` is given."""

    offset: Offset
    credit: Credit | None = None


class Read(Frame, tag="read", kw_only=True):
    """The model was handed everything up to `offset`; it is unread no longer.

    From the client with a `ref` it is answered by `reply` once it is on disk. From the hub it says that another
    session of the same instance has read that far.
    """

    ref: Ref = None
    offset: Offset


class Presence(Frame, tag="presence", kw_only=True):
    """What this agent is doing, and how a message gets to its model. With a `ref` it is answered by `reply`.

    What is left out stays as it was; null says that it is not known. It holds until the session ends.
    """

    ref: Ref = None
    activity: Activity | UnsetType | None = UNSET  # at work, in a tool call that waits for messages, or neither
    hops: Annotated[list[Hop], Meta(max_length=16)] | UnsetType | None = UNSET  # by name, the best first; only shown
    wakes: bool | UnsetType | None = UNSET  # whether one of these hops wakes it when it is idle
    client: str | UnsetType = UNSET  # as in `hello`, where it was not known yet
    prompted: bool = False  # its user has just spoken to it: what it says next follows from that


class Rename(Frame, tag="rename", kw_only=True):
    """Take another name; queue, history and session stay, and the old name forwards for two hours."""

    ref: Ref = None
    name: str


class Instances(Frame, tag="instances", kw_only=True):
    """Ask who there is."""

    ref: Ref = None


class History(Frame, tag="history", kw_only=True):
    """Ask for old messages this session may see, newest page first; `before` turns to the page further back.

    With `after` they come from there on, oldest page first.
    """

    ref: Ref = None
    with_: str | None = field(default=None, name="with")
    from_: str | None = field(default=None, name="from")  # what this instance sent, by whichever of its names
    to: str | None = None  # what was sent to this name, `#topic` or `all`
    topic: str | None = None
    thread: str | None = None
    search: str | None = None  # words, all of which the body has
    since: Moment | None = None  # not older than this
    until: Moment | None = None  # older than this
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    before: Offset | None = None
    after: Offset | None = None


class Status(Frame, tag="status", kw_only=True):
    """Ask where a message is for each recipient; without `id`, ask about the hub."""

    ref: Ref = None
    id: str | None = None


# From the hub


class Welcome(Frame, tag="welcome", kw_only=True):
    """The answer to `hello`; messages follow."""

    ref: Ref = None
    name: str | None  # as it is spelled
    session: str | None  # secret: with it a reconnect takes its own place back
    epoch: str
    head: int
    floor: int  # the oldest offset that is kept
    read: int  # how far this instance has read
    resumed: bool  # whether `resume` held; if not, delivery begins after `read`
    unread: int | None  # null: more than can be counted at once
    credit: int
    max_body: int
    version: str
    people: list[str] = []  # the names that are persons', all others are agents'; `people` tells when that changes


class People(Frame, tag="people", kw_only=True):
    """These names, and no others, are persons' from now on."""

    names: list[str]


class Message(Frame, tag="message", kw_only=True, omit_defaults=False):
    """A message, the same everywhere: absent parts are null. `answer_by` is there only where the sender wants that."""

    offset: int
    id: str
    from_: str = field(name="from")
    to: str
    topic: str
    thread: str | None
    reply_to: str | None
    body: str
    data: Any
    at: datetime
    attachments: list[dict[str, Any]] | None
    answer_by: datetime | UnsetType = UNSET

    @classmethod
    def of(cls, message: LogMessage) -> Message:
        return cls(
            offset=message.offset,
            id=message.id,
            from_=message.sender,
            to=message.to,
            topic=message.topic,
            thread=message.thread,
            reply_to=message.reply_to,
            body=message.body,
            data=message.data,
            at=moment(message.at),
            attachments=message.attachments,
            answer_by=UNSET if message.answer_by is None else moment(message.answer_by),
        )


class Recipient(Struct, kw_only=True, omit_defaults=True):
    """One recipient of a message that was just accepted."""

    name: str
    state: str  # accepted; or held, or dropped
    online: bool = field(default=False)
    known: bool = True  # false: has never registered; the message waits
    near: list[str] = []  # known names that may have been meant
    activity: str | None = None  # what it is doing, where that is known
    wakes: bool | None = None  # whether the message wakes it when it is idle, where that is known


class Published(Frame, tag="published", kw_only=True):
    """The message is on disk at `offset`. For a topic or `all`, `to` names at most 20 of its `recipients`."""

    ref: Ref = None
    id: str
    offset: int
    to: list[Recipient]
    recipients: int = 1
    answer_by: datetime | None = None  # as the hub understood it
    hint: str | None = None


class Step(Struct, kw_only=True):
    """Where a message is for one recipient, and since when. What is not known is null."""

    name: str
    state: str  # accepted, pushed, received, read, answered, expired, purged; held, dropped; unknown
    at: datetime | None = None
    times: dict[str, datetime | None] = {}  # each rung it has reached, and when; one that is not here it has not
    online: bool = False
    unknown: list[str] | UnsetType = UNSET  # rungs of which nobody knows whether it had come so far


class Answer(Struct, kw_only=True):
    """What became of the wish for an answer by a time: `open`, `answered`, `missed`, or answered after all, `late`."""

    by: datetime
    state: str
    at: datetime | None = None  # when the first answer came


class Reply(Frame, tag="reply", kw_only=True):
    """The answer to any other request: the part that was asked for is there, the others are not."""

    ref: Ref = None
    name: str | None = None
    offset: int | None = None
    subscriptions: list[str] | None = None
    instances: list[dict[str, Any]] | None = None
    messages: list[msgspec.Raw] | None = None
    message: Any = None  # one message; encoded from Raw, which msgspec does not read in a union
    ladder: list[Step] | None = None
    answer: Answer | None = None  # beside the ladder, where the message's sender wants one by a time
    status: dict[str, Any] | None = None
    presence: dict[str, Any] | None = None
    more: bool | None = None  # whether there is an older page


class Gap(Frame, tag="gap", kw_only=True):
    """Messages for this reader between these two offsets, both included, are no longer kept."""

    from_: int = field(name="from")
    to: int


class Error(Frame, tag="error", kw_only=True):
    """What went wrong. With a `ref`, that request did nothing; a close may follow."""

    ref: Ref = None
    code: str
    message: str
    hint: str | None = None


FromClient: TypeAlias = (
    Hello | Publish | Subscribe | Unsubscribe | Received | Read | Presence | Rename | Instances | History | Status
)
FromHub: TypeAlias = Welcome | Message | Published | Reply | Read | People | Gap | Error


class MessageJson(Struct, kw_only=True):
    """A message in JSON wherever it is not a frame: HTTP, the command line, exports."""

    offset: int
    id: str
    from_: str = field(name="from")
    to: str
    topic: str
    thread: str | None
    reply_to: str | None
    body: str
    data: Any
    at: datetime
    attachments: list[dict[str, Any]] | None
    answer_by: datetime | UnsetType = UNSET

    @classmethod
    def of(cls, message: LogMessage) -> MessageJson:
        return cls(**parts(message))


def parts(message: LogMessage) -> dict[str, Any]:
    """The public fields of a message, in the order in which people read them."""
    return {
        "offset": message.offset,
        "id": message.id,
        "from_": message.sender,
        "to": message.to,
        "topic": message.topic,
        "thread": message.thread,
        "reply_to": message.reply_to,
        "body": message.body,
        "data": message.data,
        "at": moment(message.at),
        "attachments": message.attachments,
        "answer_by": UNSET if message.answer_by is None else moment(message.answer_by),
    }


def moment(at: float) -> datetime:
    """Seconds since 1970 as the time that JSON shows."""
    return datetime.fromtimestamp(at, UTC)
