"""What may be asked of a running hub: the same answers over WebSocket, over HTTP and on the dashboard."""

from __future__ import annotations

from typing import Any

import msgspec

from hub import frames, wire
from hub.errors import UnknownMessage
from hub.log import Party, Search
from hub.message import Message
from hub.node import Node
from hub.registry import Instance
from hub.topic import is_open, pattern_key

RECENT = 100  # messages on the dashboard's first page


class Asked(msgspec.Struct, kw_only=True):
    """Which old messages are wanted; see `frames.History`."""

    with_: str | None = None
    topic: str | None = None
    thread: str | None = None
    reply_to: str | None = None
    search: str | None = None
    limit: int = 50
    before: int | None = None


async def history(node: Node, asker: Instance | None, asked: Asked) -> tuple[list[Message], bool]:
    """A page of old messages, oldest first, and whether there is an older page.

    `asker` None sees everything; an instance what it sent or could hear. Raises UnknownInstance, BadTopic.
    """
    parties: list[Party] = []
    if asked.with_ is not None:
        parties.append(node.hub.registry.party(node.hub.instance(asked.with_)))
        if asker is not None:
            parties.append(node.hub.registry.party(asker))
    found = await node.log.search(
        Search(
            before=asked.before,
            limit=asked.limit + 1,
            topic=_topic(asked.topic, asker),
            thread=asked.thread,
            reply_to=asked.reply_to,
            text=asked.search or None,
            between=tuple(parties) or None,
            seen_by=node.hub.registry.party(asker) if asker else None,
            hub_facts=asked.topic is not None and asked.topic.startswith("$") and asker is None,
        )
    )
    more = len(found) > asked.limit
    return found[: asked.limit][::-1], more


def _topic(topic: str | None, asker: Instance | None) -> str | None:
    if topic is None:
        return None
    bare = topic.removeprefix("#").lower()
    if bare == "all" or bare.startswith("inbox.") or (bare.startswith("$") and asker is None):
        return bare
    return pattern_key(topic)


async def unread(node: Node, instance: Instance, limit: int) -> tuple[list[Message], bool]:
    """The oldest messages an instance has not read, and whether there are more. Nothing counts as read by it."""
    found: list[Message] = []
    after, now = instance.read, node.now()
    while len(found) <= limit:
        spans = node.hub.registry.spans(instance, after, node.hub.head)
        page = await node.log.read(spans, limit + 1, 64 * 2**20) if spans else []
        if not page:
            break
        found += [message for message in page if not message.expired(now) and not _own(instance, message)]
        after = page[-1].offset
    return found[:limit], len(found) > limit


def _own(instance: Instance, message: Message) -> bool:
    return message.origin == instance.origin and not message.topic.startswith("inbox.")


async def message(node: Node, asker: Instance | None, message_id: str) -> tuple[Message, list[frames.Step]]:
    """One message and where it is for each recipient. Raises UnknownMessage, also for what the asker may not see."""
    found = await node.log.find(message_id)
    if asker is not None:
        own = [each for each in found if each.origin == asker.origin]
        found = own or [each for each in found if asker in node.hub.registry.recipients(each)]
    if not found:
        raise UnknownMessage(
            f"There is no message {message_id[:40]!r} that you sent or were sent.",
            "It may be older than the log goes back; `hubbub history` shows what is kept.",
        )
    chosen = found[0]
    replies = await node.log.search(Search(reply_to=chosen.id, limit=1000))
    answered = {reply.origin: reply.at for reply in replies}
    return chosen, node.hub.ladder(chosen, answered, node.now())


async def instances(node: Node) -> list[dict[str, Any]]:
    """Everybody who has registered, online ones first, then by name."""
    now = node.now()
    rows = []
    for instance in node.hub.registry.instances.values():
        live = node.hub.sessions_of(instance)
        count, oldest_at = await _unread_count(node, instance, now)
        rows.append(
            {
                "name": instance.name,
                "online": bool(live),
                "sessions": len(live),
                "unread": count,
                "last_seen": frames.moment(now if live else instance.last_seen),
                "oldest_unread_at": frames.moment(oldest_at) if oldest_at is not None else None,
                "registered_at": frames.moment(instance.registered_at),
                "client": live[-1].client if live else None,
                "topics": sorted(instance.subscriptions),
                "also": [each.name for each in instance.holdings if each.until is None and each.forwards_until],
            }
        )
    return sorted(rows, key=lambda row: (not row["online"], str(row["name"]).lower()))


async def _unread_count(node: Node, instance: Instance, now: float) -> tuple[int, float | None]:
    known = node.hub.unread(instance, now)
    older = await node.log.count(known.behind, instance.origin, now) if known.behind else 0
    return known.messages + older, known.oldest_at


async def topics(node: Node) -> list[dict[str, Any]]:
    """What is kept of each topic, and how far behind each of its readers is; the hub's own facts are left out."""
    hub, now = node.hub, node.now()
    readers: dict[str, list[dict[str, Any]]] = {}
    for instance in hub.registry.instances.values():
        for span in hub.registry.spans(instance, 0, hub.head):
            readers.setdefault(span.topic, []).append(
                {"name": instance.name, "backlog": await _backlog(node, instance, span.topic, span.after, now)}
            )
    return [
        {
            "topic": topic,
            "messages": stock.messages,
            "bytes": stock.size,
            "head": stock.head,
            "readers": sorted(readers.get(topic, []), key=lambda reader: (-reader["backlog"], reader["name"])),
        }
        for topic, stock in sorted(hub.registry.topics.items())
        if not topic.startswith("$") and (stock.messages or topic in readers)
    ]


async def _backlog(node: Node, instance: Instance, topic: str, since: int, now: float) -> int:
    hub = node.hub
    own = -1 if not is_open(topic) and topic != "all" else instance.origin
    spans = [span for span in hub.registry.spans(instance, max(instance.read, since), hub.head) if span.topic == topic]
    if not spans:
        return 0
    span = spans[0]
    count = sum(
        1 for each in hub.window.lane(topic, span.after, span.upto) if each.origin != own and not each.expired(now)
    )
    if span.after + 1 < hub.window.floor:
        older = span._replace(upto=min(span.upto, hub.window.floor - 1))
        count += await node.log.count([older], instance.origin, now)
    return count


async def totals(node: Node) -> dict[str, Any]:
    """The hub in a few numbers."""
    hub, now = node.hub, node.now()
    counts = [await _unread_count(node, instance, now) for instance in hub.registry.instances.values()]
    return {
        "version": node.version,
        "epoch": hub.epoch,
        "head": hub.head,
        "floor": hub.floor,
        "instances": len(hub.registry.instances),
        "online": sum(1 for each in hub.registry.instances.values() if hub.sessions_of(each)),
        "unread": sum(count for count, _ in counts),
        "started_at": frames.moment(node.started_at),
        "problems": node.problems(),
    }


async def snapshot(node: Node) -> dict[str, Any]:
    """What the dashboard's first page shows."""
    recent = [each for each in node.hub.window.newest(10 * RECENT) if each.topic != "$cursors"][-RECENT:]
    return {
        "at": frames.moment(node.now()),
        "hub": await totals(node),
        "instances": await instances(node),
        "topics": await topics(node),
        "recent": [wire.raw(each) for each in recent],
    }
