"""Which thread a message belongs to, for as long as an answer to it is likely: so that a reply finds its thread.

A reply that names no thread belongs to the thread of what it answers. The newest messages are known here; for older
ones whoever publishes asks the log.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec import UNSET, UnsetType

from hub.message import Message

KEPT = 4096  # messages; an older one costs its answer one question to the log


class Threads:
    """The threads of the newest messages, by their ids."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, str | None] = OrderedDict()

    def note(self, message: Message) -> None:
        """A message is on the log."""
        self._by_id[message.id] = message.thread
        if len(self._by_id) > KEPT:
            self._by_id.popitem(last=False)

    def of(self, message_id: str) -> str | UnsetType | None:
        """The thread of a message, None if it has none; UNSET where that has to be looked up."""
        return self._by_id.get(message_id, UNSET)
