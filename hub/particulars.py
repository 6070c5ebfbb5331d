"""What may be asked of one instance beside its row: its names and sessions, its queue, what it did, how it answers.

Of now and of then, as in `hub.inquiry`. Nothing here marks anything as read, and each answer costs a bounded amount:
the log is looked through for at most REACH places back, and the answer says how far that was.
"""

from __future__ import annotations

from typing import Any

from hub import activity, frames, inquiry, pace, wire
from hub.fold import JOINED, LEFT, PRESENCE, STARTED, STOPPED
from hub.inquiry import Scene
from hub.log import Search
from hub.message import Message
from hub.registry import Instance

REACH = 200_000  # places of the log that are looked through, from the newest back
FACTS = 500  # of each kind, in that
EXCHANGES = 2000  # messages that an instance said, and as many that it answered
HOUR = 3600.0


async def particulars(node: Scene, name: str) -> dict[str, Any]:
    """Who is called so: its row as in `inquiry.instances`, and what is too much for a row. Raises UnknownInstance.

    What was pushed to a session, and its credit, is None where the session is one that the log tells of.
    """
    instance = node.hub.instance(name)
    unsure = instance.origin in node.unsure
    return {
        "at": frames.moment(node.now()),
        **await inquiry.instance(node, instance, node.now()),
        "received": None if unsure else instance.received,
        "read": None if unsure else instance.read,
        "names": [
            {
                "name": each.name,
                "since": each.since,
                "until": each.until,
                "forwards_until": None if each.forwards_until is None else frames.moment(each.forwards_until),
            }
            for each in instance.holdings
        ],
        "clients": [
            {
                "client": each.client,
                "since": None if instance.origin in node.undated else frames.moment(each.joined_at),
                "observer": each.observer,
                "pushed": each.pushed if node.live else None,
                "received": each.received if node.live else None,
                "credit": each.credit if node.live else None,
            }
            for each in node.hub.sessions_of(instance)
        ],
        "subscriptions": [{"topic": topic, "since": since} for topic, since in sorted(instance.subscriptions.items())],
    }


async def queue(node: Scene, name: str, limit: int) -> dict[str, Any]:
    """The oldest messages that an instance has not read; None where that is not known. Raises UnknownInstance."""
    instance = node.hub.instance(name)
    if instance.origin in node.unsure:
        return {"messages": [], "more": None, "unread": None}
    found, more = await inquiry.unread(node, instance, limit)
    return {
        "messages": [wire.raw(each) for each in found],
        "more": more,
        "unread": await inquiry.unread_of(node, instance),
    }


async def doings(node: Scene, name: str, hours: float) -> dict[str, Any]:
    """What an instance did in the last `hours`, or since it is there: stretches of one state each, the oldest first.
    Raises UnknownInstance.

    The state `unknown` is where the facts that are kept, or are looked through, do not reach back so far.
    """
    instance = node.hub.instance(name)
    now = node.now()
    began = min(now, max(now - hours * HOUR, instance.registered_at))
    after = max(0, node.hub.head - REACH)
    facts, whole = await _facts(node, instance, after)
    standing = node.hub.standing(instance)
    found = activity.stretches(
        facts,
        began,
        now,
        before=activity.OFFLINE if node.attended and whole and after < instance.origin else activity.UNKNOWN,
        standing=(standing.state, standing.since) if node.attended else (activity.UNKNOWN, began),
    )
    activity.name_the_awaited(found, await node.log.exchanges(instance.origin, after, EXCHANGES), instance.origin)
    return {
        "since": frames.moment(began),
        "until": frames.moment(now),
        "stretches": [
            {
                "state": each.state,
                "since": frames.moment(each.begun),
                "until": frames.moment(each.ended),
                "asked": each.asked,
            }
            for each in found
        ],
    }


async def _facts(node: Scene, instance: Instance, after: int) -> tuple[list[Message], bool]:
    """What the log tells of an instance's presence past `after`, and whether that is all there was to tell.

    Where there is more of one kind than FACTS, what is older than those is left out of all: it would be half a story.
    """
    facts: list[Message] = []
    first = after
    me = instance.origin
    for topic, about in ((JOINED, me), (LEFT, me), (PRESENCE, me), (STARTED, None), (STOPPED, None)):
        found = await node.log.search(Search(topic=topic, about=about, after=after, limit=FACTS, hub_facts=True))
        if len(found) == FACTS:
            first = max(first, found[-1].offset - 1)
        facts += found
    facts = sorted((each for each in facts if each.offset > first), key=lambda each: each.offset)
    return facts, first == after and node.hub.floor <= instance.origin


async def replies(node: Scene, name: str) -> dict[str, Any]:
    """How quickly an instance answers each other one, and is answered: out of its newest EXCHANGES messages, and as
    many that it answered. Raises UnknownInstance."""
    instance = node.hub.instance(name)
    exchanges = await node.log.exchanges(instance.origin, max(0, node.hub.head - REACH), EXCHANGES)
    answered = [each for each in exchanges if each.answered_at is not None]
    known = node.hub.registry.instances
    return {
        "since": frames.moment(min(each.at for each in exchanges)) if exchanges else None,
        "exchanges": len(answered),
        "partners": [
            {
                "name": known[each.origin].name if each.origin in known else each.name,
                "answered": each.answered,
                "answers": each.answers,
            }
            for each in pace.partners(answered, instance.origin)
        ],
    }
