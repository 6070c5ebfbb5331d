"""What may be said: the checks that make a publish a Draft, and the caps of inboxes.

A direct message counts against its inbox from the moment it is accepted as a Draft, not from when it is on disk: else a
burst would pass the cap while it is being written.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

from msgspec import structs

from hub import frames, wire
from hub.bounds import MAX_DEPTH, MAX_ID, MAX_TTL, Limits
from hub.deadlines import deadline
from hub.errors import BadValue, InboxFull, TooLarge, TooMany, UnknownAttachment
from hub.message import OVERHEAD, Draft
from hub.registry import Instance, Registry
from hub.topic import HUB, INBOX, Address, address, name_key

Uploaded: TypeAlias = Callable[[int, str], int | None]  # the size of a file that an origin has uploaded


def nothing_uploaded(_origin: int, _sha256: str) -> int | None:
    """A hub that keeps no files."""
    return None


class Posting:
    """Makes Drafts, and keeps count of the direct messages among them until they are settled."""

    def __init__(self, registry: Registry, limits: Limits, new_id: Callable[[], str], uploaded: Uploaded) -> None:
        self._registry = registry
        self._uploaded = uploaded
        self._limits = limits
        self.new_id = new_id
        self.under_way: dict[str, tuple[int, int]] = {}  # inbox -> messages and bytes not settled yet

    def draft(
        self,
        sender: Instance,
        said: frames.Publish,
        now: float,
        *,
        capped: bool = True,
        carried: list[dict[str, Any]] | None = None,
    ) -> Draft:
        """See `Hub.publish`. `carried` are files that a message which was held has named already."""
        goes = _address(said.to)
        to, topic = goes.to, goes.topic
        attachments = carried or (self._attachments(sender, said.attachments) if said.attachments else None)
        size = self._size(said) + OVERHEAD
        if attachments:
            size += wire.data_size(attachments)
        if said.id is not None or said.thread is not None or said.reply_to is not None:
            _check_words(said)
        expires_at = None
        if said.ttl is not None:
            if not 0 < said.ttl <= MAX_TTL:
                raise BadValue(f"ttl is a number of seconds above 0 and at most ten years, not {said.ttl}.")
            expires_at = now + said.ttl
        answer_by = None if said.answer_by is None else deadline(said.answer_by, now)
        recipient = None
        if goes.name is not None:
            recipient = self._registry.find(topic[len(INBOX) :])
            if recipient is not None:
                to = recipient.name
                topic = INBOX + name_key(to)
            elif expires_at is None:
                expires_at = now + self._limits.unknown_ttl
        if recipient is None:  # a registered instance can be written to whatever the number of topics
            self._room_for_topic(topic)
        if goes.name is not None:
            if capped:
                self._check_room(topic, to, size, now)
            self._reserve(topic, size)
        return Draft(
            id=said.id or self.new_id(),
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
            attachments=attachments,
            expires_at=expires_at,
            answer_by=answer_by,
            retry=said.id is not None,
        )

    def word(self, said: frames.Publish, now: float) -> Draft | None:
        """What the hub itself says to one agent, who is registered, as a message; None where its inbox is full. Said
        again under the same id, it is stored once."""
        topic = INBOX + name_key(said.to)
        size = self._size(said) + OVERHEAD
        if self._full(topic, size):
            return None
        self._reserve(topic, size)
        return Draft(
            id=said.id or self.new_id(),
            sender=HUB,
            origin=0,
            to=said.to,
            topic=topic,
            body=said.body,
            at=now,
            size=size,
            data=said.data,
            thread=said.thread,
            retry=True,
        )

    def _reserve(self, topic: str, size: int) -> None:
        messages, together = self.under_way.get(topic, (0, 0))
        self.under_way[topic] = (messages + 1, together + size)

    def settle(self, topic: str, size: int) -> None:
        """A direct message is on the log now, or will never be."""
        messages, together = self.under_way.get(topic, (0, 0))
        if messages <= 1:
            self.under_way.pop(topic, None)
        else:
            self.under_way[topic] = (messages - 1, together - size)

    def waiting(self, topic: str, now: float) -> int:
        """Direct messages that nobody has read, or that are still on their way to the log."""
        self._registry.expire(topic, now)
        inbox = self._registry.inboxes.get(topic)
        return (len(inbox.messages) if inbox else 0) + self.under_way.get(topic, (0, 0))[0]

    def _size(self, said: frames.Publish) -> int:
        most = self._limits.max_body
        body = len(said.body) if said.body.isascii() else len(said.body.encode())
        if body > most:
            raise TooLarge(
                f"The body has {body:,} bytes, and max_body allows {most:,}.",
                "Send it in parts, or as a file that the other can read.",
            )
        if said.data is None:
            return body
        data = data_size(said.data)
        if body + data > most:
            raise TooLarge(
                f"The body and the data, which has {data:,} bytes as JSON, are {body + data:,} bytes together; "
                f"max_body allows {most:,}.",
                "Send it in parts, or as a file that the other can read.",
            )
        return body + data

    def _attachments(self, sender: Instance, named: list[frames.Attachment]) -> list[dict[str, Any]]:
        """The files as the message has them: each is on the disk, and the sender had it in hand."""
        for each in named:
            size = self._uploaded(sender.origin, each.sha256)
            if size is None:
                raise UnknownAttachment(
                    f"{sender.name} has uploaded no file with the SHA-256 {each.sha256} ({each.name[:40]!r}) lately.",
                    f"PUT it to /api/v1/attachments/{each.sha256} first; hubbub send --file does both.",
                )
            if size != each.size:
                raise BadValue(f"The file {each.name[:40]!r} has {size:,} bytes, not {each.size:,}.")
        return [structs.asdict(each) for each in named]

    def _room_for_topic(self, topic: str) -> None:
        topics = self._registry.topics
        if topic not in topics and len(topics) >= self._limits.max_topics:
            raise TooMany(
                f"The log has {len(topics):,} topics, and max_topics allows no more.",
                "Use fewer topics, or raise the setting.",
            )

    def _check_room(self, topic: str, to: str, size: int, now: float) -> None:
        if self._full(topic, size):
            self._registry.expire(topic, now)
        if self._full(topic, size):
            inbox = self._registry.inboxes.get(topic)
            raise InboxFull(
                f"{to}'s inbox is full: {len(inbox.messages) if inbox else 0:,} unread messages, "
                f"{(inbox.size if inbox else 0):,} bytes (inbox_messages allows {self._limits.inbox_messages:,}, "
                f"inbox_bytes {self._limits.inbox_bytes:,}). The message was not accepted.",
                f"Try again when {to} has read some.",
            )

    def _full(self, topic: str, size: int) -> bool:
        inbox = self._registry.inboxes.get(topic)
        have, filled = (len(inbox.messages), inbox.size) if inbox else (0, 0)
        messages, together = self.under_way.get(topic, (0, 0))
        return have + messages >= self._limits.inbox_messages or filled + together + size > self._limits.inbox_bytes


def _check_words(said: frames.Publish) -> None:
    for what, text in (("id", said.id), ("thread", said.thread), ("reply_to", said.reply_to)):
        if text is not None and not (0 < len(text) <= MAX_ID and text.isprintable()):
            raise BadValue(f"{what} is 1 to {MAX_ID} printable characters; this one is {text[:40]!r}.")


def data_size(data: Any) -> int:
    """Bytes of a message's `data` in JSON; 0 for none. Raises BadValue for more than MAX_DEPTH levels.

    Whoever reads the frame around it, or the page around that, would else be the one to find it too deep.
    """
    try:
        encoded = wire.data_json(data)
    except RecursionError:
        raise _too_deep() from None
    if encoded.count(b"[") + encoded.count(b"{") > MAX_DEPTH:
        level = [data]
        for _ in range(MAX_DEPTH):
            level = [
                part
                for whole in level
                if isinstance(whole, dict | list)
                for part in (whole.values() if isinstance(whole, dict) else whole)
                if isinstance(part, dict | list)
            ]
            if not level:
                break
        else:
            raise _too_deep()
    return len(encoded)


def _too_deep() -> BadValue:
    return BadValue(f"The data is nested more than {MAX_DEPTH} levels deep.", "Send it as text in the body.")


@lru_cache(maxsize=4096)
def _address(to: str) -> Address:
    return address(to)
