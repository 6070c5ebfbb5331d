"""The buffer between the hub's pushes and the model's reading. Pure: no clock, no socket.

A message waits here until a tool's result takes it. Taking claims it for that request; when the result has really been
written it is *handed*, and only then may it be confirmed to the hub as read. A result that never went out gives its
messages back. The hub's read mark is one offset, so a reply that `ask` handed out early stays as an empty marker
until all before it is handed too.

What does not fit stays in the hub: `credit()` says how many more messages may be sent, so that neither `capacity`
messages nor `size` bytes are ever exceeded, however large they turn out to be (up to `largest` each).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from hub import wire
from hub.frames import Gap, Message

OVERHEAD = 512  # bytes counted for a message beside its body and data
CAPACITY = 1000
SIZE = 32 * 2**20
LARGEST = 2**20

Item: TypeAlias = Message | Gap


class Unread(NamedTuple):
    """How many messages wait, and from whom, each sender once, in the order of their first message."""

    messages: int
    senders: list[str]


@dataclass(slots=True)
class _Slot:
    offset: int
    numbering: int
    item: Item | None  # None once it is handed
    size: int
    claim: Hashable = None


class Inbox:
    """Messages in the log's order. `largest` is the hub's limit for one message, in bytes."""

    def __init__(self, *, capacity: int = CAPACITY, size: int = SIZE, largest: int = LARGEST) -> None:
        self.capacity = capacity
        self.size = size
        self.largest = largest
        self.last = 0  # the newest offset that was put here
        self.read = 0  # everything up to here is handed: what the hub may be told
        self._slots: dict[tuple[int, int], _Slot] = {}
        self._numbering = 0
        self._messages = 0
        self._bytes = 0
        self._awaited: set[str] = set()

    def put(self, message: Message) -> bool:
        """Take in what the hub pushed; False for what was here before or is read already."""
        if message.offset <= self.last:
            return False
        self.last = message.offset
        if message.offset <= self.read:
            return False
        size = OVERHEAD + len(message.body.encode("utf-8", "surrogatepass")) + wire.data_size(message.data)
        self._add(_Slot(message.offset, self._numbering, message, size))
        self._messages += 1
        self._bytes += size
        return True

    def put_gap(self, gap: Gap) -> None:
        """Note in its place that messages are no longer kept."""
        self.last = max(self.last, gap.to)
        self._add(_Slot(gap.to, self._numbering, gap, 0))

    def credit(self) -> int:
        """How many messages past `last` fit."""
        room = (self.size - self._bytes) // (self.largest + OVERHEAD)
        return max(0, min(self.capacity - self._messages, room))

    def unread(self) -> Unread:
        """What `take` would give, were there no limit."""
        waiting = [item for item in self._waiting() if isinstance(item.item, Message)]
        return Unread(len(waiting), list(dict.fromkeys(_sender(slot) for slot in waiting)))

    def has_news(self) -> bool:
        """Whether `take` would give anything."""
        return next(self._waiting(), None) is not None

    def peek(self, limit: int) -> list[Item]:
        """The oldest that wait, up to `limit` messages and the gaps among them; nothing changes."""
        return [slot.item for slot in self._first(limit) if slot.item is not None]

    def take(self, claim: Hashable, limit: int) -> list[Item]:
        """As `peek`, and claim them: they are shown to nobody else unless they are given back."""
        taken = list(self._first(limit))
        for slot in taken:
            slot.claim = claim
        return [slot.item for slot in taken if slot.item is not None]

    def take_these(self, claim: Hashable, wanted: Callable[[Item], bool]) -> list[Item]:
        """Claim those of what waits that are `wanted`; the read mark passes them once all before them are handed."""
        taken = [slot for slot in self._waiting() if slot.item is not None and wanted(slot.item)]
        for slot in taken:
            slot.claim = claim
        return [slot.item for slot in taken if slot.item is not None]

    def held(self) -> list[Item]:
        """All that is not handed yet, claimed or not."""
        return [slot.item for slot in self._slots.values() if slot.item is not None]

    def await_reply(self, message_id: str) -> None:
        """Keep replies to this message for `take_reply`."""
        self._awaited.add(message_id)

    def stop_awaiting(self, message_id: str) -> None:
        """Replies to it are mail like any other again."""
        self._awaited.discard(message_id)

    def take_reply(self, claim: Hashable, message_id: str) -> Message | None:
        """Claim the first reply to this message, before whatever waits in front of it."""
        for slot in self._slots.values():
            if slot.claim is None and isinstance(slot.item, Message) and slot.item.reply_to == message_id:
                slot.claim = claim
                return slot.item
        return None

    def handed(self, claim: Hashable) -> int | None:
        """What was claimed so has gone out; the new read mark, or None if that did not move."""
        for slot in self._slots.values():
            if slot.claim is not None and slot.claim == claim:
                self._empty(slot)
        return self._advance()

    def give_back(self, claim: Hashable) -> bool:
        """What was claimed so did not go out after all; whether there was any."""
        found = [slot for slot in self._slots.values() if slot.claim is not None and slot.claim == claim]
        for slot in found:
            slot.claim = None
            if slot.numbering == self._numbering and slot.offset <= self.read:
                self._empty(slot)  # read by another session meanwhile
        self._advance()
        return bool(found)

    def read_elsewhere(self, offset: int) -> None:
        """Another session of this name has handed over everything up to `offset`."""
        for slot in self._slots.values():
            if slot.numbering == self._numbering and slot.offset <= offset and slot.claim is None:
                self._empty(slot)
        self.read = max(self.read, offset)
        self._advance()

    def renumber(self) -> None:
        """The hub has another database: its offsets begin anew, and what waits here can no longer be confirmed."""
        self._numbering += 1
        self.last = self.read = 0

    def _add(self, slot: _Slot) -> None:
        self._slots[(slot.numbering, slot.offset)] = slot

    def _waiting(self) -> Iterator[_Slot]:
        for slot in self._slots.values():
            if slot.claim is None and slot.item is not None and not self._is_awaited(slot.item):
                yield slot

    def _is_awaited(self, item: Item) -> bool:
        return isinstance(item, Message) and item.reply_to is not None and item.reply_to in self._awaited

    def _first(self, limit: int) -> Iterator[_Slot]:
        for slot in self._waiting():
            if isinstance(slot.item, Message):
                if limit <= 0:
                    return
                limit -= 1
            yield slot

    def _empty(self, slot: _Slot) -> None:
        if isinstance(slot.item, Message):
            self._messages -= 1
            self._bytes -= slot.size
        slot.item = slot.claim = None

    def _advance(self) -> int | None:
        before = self.read
        while self._slots:
            key, slot = next(iter(self._slots.items()))
            if slot.item is not None:
                break
            del self._slots[key]
            if slot.numbering == self._numbering:
                self.read = max(self.read, slot.offset)
        return self.read if self.read > before else None


def _sender(slot: _Slot) -> str:
    assert isinstance(slot.item, Message)
    return slot.item.from_
