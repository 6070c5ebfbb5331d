"""What leaves the hub: its messages a page at a time, with what another hub needs to take them in.

A line is the message's JSON, as everywhere, and beside it: `expires_at`; `unread`, the names for whom it is unread;
`sender` and `recipient`, what those two are called now (`from` and `to` are their names of then; null: nobody has it).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from hub import frames
from hub.message import Message
from hub.node import Node
from hub.registry import Instance, hears_since, within
from hub.topic import INBOX

VERSION = 1
PAGE_MESSAGES = 500
PAGE_BYTES = 2 * 2**20


class Wanted(Struct, kw_only=True):
    """Which messages; what is None does not narrow. Times are seconds since 1970: `since` is in, `until` is not."""

    thread: str | None = None
    with_: Instance | None = None
    since: float | None = None
    until: float | None = None
    facts: bool = False  # whether what the hub told is wanted too, so that the past can be shown from it


class Line(frames.MessageJson, kw_only=True):
    """A message as it is exported."""

    expires_at: datetime | None
    sender: str | None
    recipient: str | None
    unread: list[str]
    origin: int | UnsetType = UNSET  # who said it, whatever it was called; with facts only, where 0 is the hub


def heading(node: Node) -> dict[str, Any]:
    """The first line: whose log this is, and who there is."""
    return {
        "hubbub": "export",
        "version": VERSION,
        "at": frames.moment(node.now()),
        "epoch": node.hub.epoch,
        "head": node.hub.head,
        "instances": [
            {
                "name": each.name,
                "last_seen": frames.moment(node.now() if node.hub.sessions_of(each) else each.last_seen),
                "topics": sorted(each.subscriptions),
            }
            for each in node.hub.registry.instances.values()
        ],
    }


async def page(node: Node, after: int, upto: int, wanted: Wanted) -> tuple[list[Line], int | None]:
    """The lines past `after`, and where the next page begins; None after the last. Raises StorageFailed."""
    found = await node.log.since(after, PAGE_MESSAGES, PAGE_BYTES)
    lines = [
        _line(node, message, wanted.facts)
        for message in found
        if message.offset <= upto and (message.origin or wanted.facts) and _fits(message, wanted)
    ]
    last = found[-1].offset if found else upto
    return lines, last if last < upto else None


def _fits(message: Message, wanted: Wanted) -> bool:
    return (
        (wanted.thread is None or message.thread == wanted.thread)
        and (wanted.since is None or message.at >= wanted.since)
        and (wanted.until is None or message.at < wanted.until)
        and (wanted.with_ is None or message.origin == wanted.with_.origin or _hears(wanted.with_, message))
    )


def _hears(instance: Instance, message: Message) -> bool:
    """Whether a message was for an instance."""
    if message.topic.startswith(INBOX):
        key = message.topic.removeprefix(INBOX)
        return any(each.key == key and within(each, message.offset) for each in instance.holdings)
    return instance.origin != message.origin and hears_since(instance, message.topic) < message.offset


def _line(node: Node, message: Message, with_origin: bool) -> Line:
    registry = node.hub.registry
    sender = registry.instances.get(message.origin)
    recipient = None
    if message.topic.startswith(INBOX):
        holding = registry.held.get(message.topic.removeprefix(INBOX))
        if holding is not None and within(holding, message.offset):
            holders = [registry.instances[holding.origin]]
        else:
            holders = registry.recipients(message)
        recipient = holders[0].name if holders else None
        unread = [each.name for each in holders if each.read < message.offset] if holders else [message.to]
    else:
        behind = (each for each in registry.instances.values() if each.read < message.offset)
        unread = [each.name for each in behind if _hears(each, message)]
    return Line(
        **frames.parts(message),
        expires_at=None if message.expires_at is None else frames.moment(message.expires_at),
        sender=sender.name if sender else None,
        recipient=recipient,
        unread=unread,
        origin=message.origin if with_origin else UNSET,
    )
