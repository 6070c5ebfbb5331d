"""What is said: a draft before the log has it, a message once it does."""

from __future__ import annotations

from typing import Any

import msgspec

OVERHEAD = 256  # bytes in a message's size for the row, the index entries and the memory around it


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A message that has no place in the log yet. The hub checked it; nobody has seen it.

    `at` and `expires_at` are seconds since 1970 in UTC. `size` is bytes: the body in UTF-8, the data in JSON, OVERHEAD.
    `origin` is the sender's identity: the offset at which it registered, which no rename changes; 0 is the hub.
    `id` is unique for one origin; with `retry` the sender made it and may send it again, to be answered with
    the same offset. `answer_by` is until when the sender wants an answer, in seconds since 1970.
    With `unless`, an origin and an id, it is stored only if the log has no such message; if it has,
    that one is the answer.
    """

    id: str
    sender: str
    origin: int
    to: str
    topic: str
    body: str
    at: float
    size: int
    data: Any = None
    thread: str | None = None
    reply_to: str | None = None
    attachments: list[dict[str, Any]] | None = None
    expires_at: float | None = None
    answer_by: float | None = None
    retry: bool = False
    unless: tuple[int, str] | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What the log holds, and never changes again. The fields are a draft's; `offset` is its place."""

    offset: int
    id: str
    sender: str
    origin: int
    to: str
    topic: str
    body: str
    at: float
    size: int
    data: Any = None
    thread: str | None = None
    reply_to: str | None = None
    attachments: list[dict[str, Any]] | None = None
    expires_at: float | None = None
    answer_by: float | None = None

    @classmethod
    def of(cls, draft: Draft, offset: int) -> Message:
        return cls(
            offset=offset,
            id=draft.id,
            sender=draft.sender,
            origin=draft.origin,
            to=draft.to,
            topic=draft.topic,
            body=draft.body,
            at=draft.at,
            size=draft.size,
            data=draft.data,
            thread=draft.thread,
            reply_to=draft.reply_to,
            attachments=draft.attachments,
            expires_at=draft.expires_at,
            answer_by=draft.answer_by,
        )

    def expired(self, now: float) -> bool:
        """Whether its time is over: then it is kept as history, but delivered to nobody any more."""
        return self.expires_at is not None and self.expires_at <= now
