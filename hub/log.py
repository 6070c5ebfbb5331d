"""The Log: what every keeper of messages does, whatever it stands on. `tests/hub/test_log.py` holds them all to it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from hub.fold import State
from hub.message import Draft, Message

END = 2**63 - 1  # past every offset


class Span(NamedTuple):
    """The messages of one topic with `after` < offset <= `upto`."""

    topic: str
    after: int
    upto: int


class Search(Struct, kw_only=True, frozen=True):
    """Which old messages are wanted, newest first, or `forward`: oldest first. What is None does not narrow.

    `after` and `before` are places in the log, both excluded. `since` and `until` are seconds since 1970, the first
    included, the second not; they are compared with each message that the rest finds, since imported messages are older
    than their places. `seen_by` limits the answer to what one instance may see: in these spans, or of this origin.
    """

    after: int | None = None
    before: int | None = None
    forward: bool = False
    limit: int = 50
    topic: str | None = None  # a topic or a pattern
    thread: str | None = None
    reply_to: str | None = None
    text: str | None = None  # words, all of which the body has
    origin: int | None = None  # who sent it
    within: tuple[Span, ...] | None = None  # it lies in one of these
    about: int | None = None  # it is a fact with this `origin` in its data
    since: float | None = None
    until: float | None = None
    between: tuple[Party, ...] | None = None  # every one of these has sent or was sent it
    senders: tuple[int, ...] | None = None  # the origins that may have sent it
    seen_by: Party | None = None
    hub_facts: bool = False  # whether `$` topics are included


class Party(Struct, kw_only=True, frozen=True):
    """One instance in a search: what it sent (by `origin`), and what it can hear."""

    origin: int
    spans: tuple[Span, ...]  # exact topics: its inboxes
    patterns: tuple[tuple[str, int], ...] = ()  # (topic or pattern, since)


class Retention(Struct, kw_only=True, frozen=True):
    """What to keep: whatever is older than `age` seconds, or makes the log larger than `size` bytes, may go.

    `facts_age` is the time for `$cursors`, which would otherwise be most of the log.
    """

    age: float
    size: int
    facts_age: float


class Age(NamedTuple):
    """What retention looks at of one message: when it came, in seconds since 1970, and how large it is."""

    offset: int
    at: float
    size: int


class Fate(NamedTuple):
    """What became of the message `id` later: `origin` replied at `at`; or, if `expired`, it did not reach it in time.

    `offset` is that of the message that expired, since several senders may use one id; None of a reply, which names an
    id only.
    """

    id: str
    origin: int
    at: float
    expired: bool = False
    offset: int | None = None


class Trimmed(NamedTuple):
    """What one slice of trimming removed: (topic, messages, bytes, newest offset removed), and the new floor."""

    floor: int
    topics: list[tuple[str, int, int, int]]
    more: bool


class Exchange(NamedTuple):
    """A message and the first answer of one agent to it: by their origins, in seconds since 1970.

    The last three are None where nobody has answered.
    """

    asker: int
    asker_name: str
    to: str
    topic: str
    at: float
    answerer: int | None
    answerer_name: str | None
    answered_at: float | None


class Readable(Protocol):
    """What a log answers without changing."""

    @property
    def indexed(self) -> int | None:
        """Up to which offset texts are found by an index; what is newer is read through. None: there is no index."""

    async def read(self, spans: Sequence[Span], limit: int, size: int) -> list[Message]:
        """The oldest messages in these spans, in the log's order.

        At most `limit`; and at most `size` bytes, but always one if there is one.
        """

    async def since(self, after: int, limit: int, size: int) -> list[Message]:
        """The oldest messages of all topics past `after`, bounded as in `read`."""

    async def count(self, spans: Sequence[Span], besides: int, now: float) -> int:
        """How many messages lie in these spans.

        Expired ones do not count; nor, but for inboxes, those of origin `besides`.
        """

    async def search(self, wanted: Search) -> list[Message]:
        """Old messages, in the order asked for."""

    async def find(self, *ids: str) -> list[Message]:
        """The messages with these ids, in the log's order: of each, one a sender."""

    async def fates(self, ids: Collection[str]) -> list[Fate]:
        """Who has first replied to each of these messages and when, and for whom they expired."""

    async def exchanges(self, origin: int, after: int, limit: int, upto: int = END) -> list[Exchange]:
        """What one instance said past `after`, up to `upto`, with the first answers to it, and what it answered; its
        newest `limit` messages of each kind, and at most ten times as many answers."""

    async def oldest(self, topics: Collection[str]) -> dict[str, float]:
        """When the oldest kept message of each of these topics came, in seconds since 1970; of those that have one."""


class Log(Readable, Protocol):
    """An ordered, durable log with the hub's tables beside it."""

    async def append(self, drafts: Sequence[Draft]) -> list[Message]:
        """Store drafts in this order, all or none, and return them in the order given.

        A draft with `retry` whose origin and id the log already holds is not stored again: the message that is there
        stands in its place. On return everything is durable. Raises StorageFailed: then nothing was stored.
        """

    async def load(self) -> State:
        """The hub's tables as they stand."""

    async def tail(self, count: int, size: int, upto: int = END) -> list[Message]:
        """The newest messages up to an offset, oldest first: at most `count`, and at most `size` bytes of them."""

    async def ages(self, after: int, limit: int) -> list[Age]:
        """The oldest messages past `after`, as retention sees them: at most `limit`."""

    async def trim(self, retention: Retention, now: float) -> Trimmed:
        """Remove one slice of what may go."""

    async def probe(self) -> None:
        """Store something that changes nothing, as durably as a message. Raises StorageFailed."""

    async def close(self) -> None:
        """Finish what is under way and let go."""
