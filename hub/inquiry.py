"""What may be asked of a hub: the same answers over WebSocket, over HTTP and on the dashboard, of now and of then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import structs

from hub import frames, wire
from hub.errors import UnknownMessage
from hub.fold import CURSORS, DROPPED, EXPIRED, HOLD_DROPPED, PRESENCE, PURGED, Scope, is_held
from hub.holds import written
from hub.hub import Hub
from hub.log import END, Party, Readable, Search, Span
from hub.message import Message
from hub.milestones import RUNGS, Milestones
from hub.registry import Instance
from hub.topic import INBOX, address, name_key, pattern_key

RECENT = 100  # messages on the dashboard's first page
MAX_ANSWER = 2**20  # bytes of messages in one answer, or the largest body if that is more
CHUNK = 16  # messages read at once where each may be as large as messages get
BOUNCES = 200  # facts of messages that expired unread
PAGE = 256  # movements of cursors read at once
MAX_MOVEMENTS = 40_000  # looked through for when a message was read: as many as an hour has at most
ROUNDING = 0.5e-6  # seconds by which the time that JSON shows of a message may lie after its own


class Scene(Protocol):
    """A hub at one moment: as it runs (`hub.node`), or as it was (`hub.past`). `now()` is in seconds since 1970.

    `unsure` are the origins of which nobody knows how far they had read, `undated` those of which nobody knows since
    when they were here. `version` and `started_at` are None where the log does not go back to the start. If not
    `attended`, nobody knows who was here; if not `live`, the sessions are those that the log tells of, and nobody knows
    what had been pushed to them.
    """

    @property
    def hub(self) -> Hub: ...
    @property
    def log(self) -> Readable: ...
    @property
    def version(self) -> str | None: ...
    @property
    def started_at(self) -> float | None: ...
    @property
    def past(self) -> bool: ...
    @property
    def live(self) -> bool: ...
    @property
    def unsure(self) -> frozenset[int]: ...
    @property
    def attended(self) -> bool: ...
    @property
    def undated(self) -> frozenset[int]: ...
    def now(self) -> float: ...
    def problems(self) -> list[str]: ...


class Asked(msgspec.Struct, kw_only=True):
    """Which old messages are wanted; see `frames.History`."""

    with_: str | None = None  # a name; or two with a comma between: what one of them said and the other was sent
    from_: str | None = None
    to: str | None = None
    topic: str | None = None
    thread: str | None = None
    reply_to: str | None = None
    search: str | None = None
    since: float | None = None
    until: float | None = None
    limit: int = 50
    before: int | None = None
    after: int | None = None


async def history(node: Scene, asker: Instance | None, asked: Asked) -> tuple[list[Message], bool]:
    """A page of old messages, oldest first, and whether there is another: an older one, or with `after` a newer one.

    It holds at most `limit` messages and, but for its first to be found, MAX_ANSWER bytes: an answer is one frame.
    `asker` None sees everything; an instance what it sent or could hear. Raises UnknownInstance, BadName, BadTopic.
    """
    parties: list[Party] = []
    senders: tuple[int, ...] | None = None
    if asked.with_ is not None:
        parties = [node.hub.registry.party(node.hub.instance(name)) for name in asked.with_.split(",", 1)]
        if len(parties) > 1:
            senders = tuple(each.origin for each in parties)
        if asker is not None:
            parties.append(node.hub.registry.party(asker))
    return await _page(
        node,
        Search(
            after=asked.after,
            before=asked.before,
            forward=asked.after is not None,
            limit=asked.limit,
            origin=None if asked.from_ is None else node.hub.instance(asked.from_).origin,
            within=None if asked.to is None else _addressed(node, asked.to),
            since=None if asked.since is None else asked.since - ROUNDING,
            until=None if asked.until is None else asked.until - ROUNDING,
            topic=_topic(asked.topic, asker),
            thread=asked.thread,
            reply_to=asked.reply_to,
            text=asked.search or None,
            between=tuple(parties) or None,
            senders=senders,
            seen_by=node.hub.registry.party(asker) if asker else None,
            hub_facts=asked.topic is not None and asked.topic.startswith("$") and asker is None,
        ),
    )


async def _page(node: Scene, wanted: Search) -> tuple[list[Message], bool]:
    """The first messages that a search finds, put oldest first, and whether it finds more."""
    found: list[Message] = []
    way = 1 if wanted.forward else -1
    size = 0
    while True:
        limit = min(CHUNK, wanted.limit + 1 - len(found))
        chunk = await node.log.search(structs.replace(wanted, limit=limit))
        for message in chunk:
            size += message.size
            if len(found) == wanted.limit or (found and size > _most(node)):
                return found[::way], True
            found.append(message)
        if len(chunk) < limit:
            return found[::way], False
        last = chunk[-1].offset
        wanted = structs.replace(wanted, after=last) if wanted.forward else structs.replace(wanted, before=last)


def _addressed(node: Scene, to: str) -> tuple[Span, ...]:
    """Where messages lie that were sent to this: all that is an instance's by any of its names, or one topic."""
    found = address(to)
    if found.name is not None and (instance := node.hub.registry.find(name_key(found.name))) is not None:
        return node.hub.registry.party(instance).spans
    if found.name is not None and found.topic not in node.hub.registry.topics:
        node.hub.instance(found.name)  # nobody has this name, and nothing waits for it: it says so
    return (Span(found.topic, 0, END),)


def _topic(topic: str | None, asker: Instance | None) -> str | None:
    if topic is None:
        return None
    bare = topic.removeprefix("#").lower()
    if bare == "all" or bare.startswith(INBOX) or (bare.startswith("$") and asker is None):
        return bare
    return pattern_key(topic)


async def unread(node: Scene, instance: Instance, limit: int) -> tuple[list[Message], bool]:
    """The oldest messages an instance has not read, and whether there are more. Nothing counts as read by it.

    At most `limit` messages and, but for the first, MAX_ANSWER bytes.
    """
    found: list[Message] = []
    size = 0
    after, now = instance.read, node.now()
    node.hub.expire(instance, now)
    while spans := node.hub.registry.spans(instance, after, node.hub.head):
        page = await node.log.read(spans, limit + 1, _most(node))
        if not page:
            break
        for message in page:
            if message.expired(now) or _own(instance, message):
                continue
            size += message.size
            if len(found) == limit or (found and size > _most(node)):
                return found, True
            found.append(message)
        after = page[-1].offset
    return found, False


def _most(node: Scene) -> int:
    return max(MAX_ANSWER, node.hub.limits.max_body)


def _own(instance: Instance, message: Message) -> bool:
    return message.origin == instance.origin and not message.topic.startswith(INBOX)


class Found(NamedTuple):
    """A message, where it is for each recipient, and what became of the wish for an answer, where there is one."""

    message: Message
    ladder: list[frames.Step]
    answer: frames.Answer | None

    def told(self) -> dict[str, Any]:
        """What GET /messages/ID gives."""
        answer = {"answer": self.answer} if self.answer else {}
        return {"message": wire.raw(self.message), "ladder": self.ladder, **answer}


async def message(node: Scene, asker: Instance | None, message_id: str) -> Found:
    """One message, and all that is known of it. Raises UnknownMessage, also for what the asker may not see.

    What is no message's id and a whole number is taken for an offset.
    """
    found = await node.log.find(message_id) or await _at(node, message_id)
    if asker is not None:
        own = [each for each in found if each.origin == asker.origin]
        found = own or [each for each in found if asker in node.hub.registry.recipients(each)]
    if not found and (kept := await _held(node, asker, message_id)) is not None:
        return kept
    if not found:
        raise UnknownMessage(
            f"There was no message {message_id[:40]!r} at that moment."
            if node.past
            else f"There is no message {message_id[:40]!r} that you sent or were sent.",
            "It may have come later, or be older than the log goes back."
            if node.past
            else "It may be older than the log goes back; `hubbub history` shows what is kept.",
        )
    chosen = found[0]
    fates = await _fates(node, [chosen])
    ladder = _ladder(node, chosen, fates, await _purges(node, [chosen]), await _times(node, chosen))
    return Found(chosen, ladder, _answer(chosen, fates.answered.get(chosen.id, {}), node.now()))


async def ladders(node: Scene, messages: Sequence[Message]) -> list[list[frames.Step]]:
    """Where each of these messages is for each recipient, without the times."""
    fates = await _fates(node, messages)
    purges = await _purges(node, messages)
    return [_ladder(node, each, fates, purges) for each in messages]


class _Fates(NamedTuple):
    """Who has answered, by the message's id, and when first; and for whom a message expired, by its id and offset."""

    answered: dict[str, dict[int, float]]
    expired: dict[tuple[str, int | None], set[int]]


async def _fates(node: Scene, messages: Sequence[Message]) -> _Fates:
    found = _Fates({}, {})
    for fate in await node.log.fates([each.id for each in messages]):
        if fate.expired:
            found.expired.setdefault((fate.id, fate.offset), set()).add(fate.origin)
        else:
            found.answered.setdefault(fate.id, {})[fate.origin] = fate.at
    return found


async def states(node: Scene, messages: Sequence[Message]) -> dict[int, list[dict[str, str]]]:
    """The state of each of these messages, by its offset, for each recipient."""
    return {
        message.offset: [{"name": each.name, "state": each.state} for each in ladder]
        for message, ladder in zip(messages, await ladders(node, messages), strict=True)
    }


def _ladder(
    node: Scene,
    message: Message,
    fates: _Fates,
    purges: Sequence[Message],
    times: Mapping[tuple[int, str], float] | None = None,
) -> list[frames.Step]:
    """`times` is a `Milestones.at`."""
    purged = _purged(message, purges)
    expired = fates.expired.get((message.id, message.offset), set())
    return node.hub.ladder(
        message,
        fates.answered.get(message.id, {}),
        node.now(),
        expired,
        times,
        purged=purged,
        unknown={} if node.live else _unknown(node, message),
    )


def _unknown(node: Scene, message: Message) -> dict[int, tuple[str, ...]]:
    """The rungs of which nobody knows whether the message had come so far, by the recipients' origins."""
    found: dict[int, tuple[str, ...]] = {}
    for each in node.hub.registry.recipients(message):
        if each.origin in node.unsure:
            found[each.origin] = RUNGS
        elif each.received < message.offset and (not node.attended or node.hub.sessions_of(each)):
            found[each.origin] = RUNGS[:1]
    return found


def _answer(message: Message, answered: dict[int, float], now: float) -> frames.Answer | None:
    """Of all who have answered the first counts, whoever it is but the sender."""
    if message.answer_by is None:
        return None
    first = min((at for origin, at in answered.items() if origin != message.origin), default=None)
    if first is None:
        state = "open" if now < message.answer_by else "missed"
    else:
        state = "answered" if first <= message.answer_by else "late"
    by = frames.moment(message.answer_by)
    return frames.Answer(by=by, state=state, at=None if first is None else frames.moment(first))


async def _at(node: Scene, offset: str) -> list[Message]:
    """The message at an offset, if the text is one and the log has something there."""
    if not (offset.isascii() and offset.isdigit() and len(offset) < 19):
        return []
    found = await node.log.since(int(offset) - 1, 1, MAX_ANSWER)
    return found if found and found[0].offset == int(offset) else []


async def _held(node: Scene, asker: Instance | None, message_id: str) -> Found | None:
    """A message that is not in the log as one, since it was held; only its sender and observers know of it."""
    facts = await node.log.search(Search(reply_to=message_id, limit=CHUNK, hub_facts=True))
    dropped_at = {
        each.data["origin"]: frames.moment(each.at) for each in facts if each.topic in (DROPPED, HOLD_DROPPED)
    }
    for fact in facts:
        if not is_held(fact.topic):
            continue
        kept = fact.data
        if asker is not None and kept["origin"] != asker.origin:
            continue
        message = structs.replace(
            fact,
            id=kept["id"],
            sender=kept["name"],
            origin=kept["origin"],
            to=kept["to"],
            body=kept["body"],
            data=kept["data"],
            thread=kept["thread"],
            reply_to=kept["reply_to"],
            answer_by=kept.get("answer_by"),
        )
        state = "held" if fact.offset in node.hub.holds.held else "dropped"
        times: dict[str, datetime | None] = {"held": frames.moment(fact.at)}
        if state == "dropped":
            times[state] = dropped_at.get(kept["origin"])
        return Found(message, [frames.Step(name=kept["to"], state=state, at=times[state], times=times)], None)
    return None


async def _times(node: Scene, message: Message) -> dict[tuple[int, str], float]:
    """When the recipients' cursors passed a message, as far as the log shows it within MAX_MOVEMENTS facts."""
    stock = node.hub.registry.topics.get(CURSORS)
    milestones = Milestones(message.offset, node.hub.reached(message), stock.trimmed if stock else 0)
    after = message.offset
    for _ in range(0, MAX_MOVEMENTS, PAGE):
        if milestones.complete:
            break
        page = await node.log.read([Span(CURSORS, after, node.hub.head)], PAGE, MAX_ANSWER)
        if not page:
            break
        milestones.learn(page)
        after = page[-1].offset
    return milestones.at


async def _purges(node: Scene, messages: Sequence[Message]) -> list[Message]:
    """The facts of queues that were purged since the oldest of these messages; there are few."""
    if not messages or PURGED not in node.hub.registry.topics:
        return []
    oldest = min(each.offset for each in messages)
    return await node.log.read([Span(PURGED, oldest, node.hub.head)], PAGE, MAX_ANSWER)


def _purged(message: Message, purges: Sequence[Message]) -> dict[int, float]:
    """The origins whose queue was purged with this message in it unread, and when."""
    return {fact.data["origin"]: fact.at for fact in purges if fact.data["after"] < message.offset <= fact.data["upto"]}


async def instances(node: Scene) -> list[dict[str, Any]]:
    """Everybody who has registered, online ones first, then by name."""
    now = node.now()
    everybody = list(node.hub.registry.instances.values())  # more may register while the log is asked
    rows = [await instance(node, each, now) for each in everybody]
    return sorted(rows, key=lambda row: (not row["online"], str(row["name"]).lower()))


async def instance(node: Scene, asked: Instance, now: float) -> dict[str, Any]:
    """One instance in a row."""
    live = node.hub.sessions_of(asked)
    count, oldest_at = await unread_count(node, asked, now)
    return {
        "name": asked.name,
        "human": asked.human,
        "held": Scope("queue", asked.origin) in node.hub.registry.holds,
        "paused": Scope("sender", asked.origin) in node.hub.registry.holds,
        "online": bool(live) if node.attended else None,
        "sessions": len(live),
        "unread": None if asked.origin in node.unsure else count,
        "last_seen": frames.moment(now if live else asked.last_seen) if node.attended or not node.past else None,
        **presence(node, asked),
        "oldest_unread_at": None if oldest_at is None or asked.origin in node.unsure else frames.moment(oldest_at),
        "registered_at": None if asked.origin < 0 else frames.moment(asked.registered_at),  # one that a file names only
        "topics": sorted(asked.subscriptions),
        "also": also(asked),
    }


def also(instance: Instance) -> list[str]:
    """Its earlier names that still lead to it."""
    return [each.name for each in instance.holdings if each.until is None and each.forwards_until]


def presence(node: Scene, instance: Instance) -> dict[str, Any]:
    """How an instance is, since when, and whether a message would wake it; what is not known is null."""
    standing = node.hub.standing(instance)
    return {
        "state": standing.state if node.attended else "unknown",
        "since": None if not node.attended or instance.origin in node.undated else frames.moment(standing.since),
        "hops": None if instance.hops is None else list(instance.hops),
        "wakes": instance.wakes,
        "client": node.hub.client_of(instance),
    }


async def unread_count(node: Scene, instance: Instance, now: float) -> tuple[int, float | None]:
    """How many messages an instance has not read, and when the oldest of them came."""
    known = node.hub.unread(instance, now)
    older = await node.log.count(known.behind, instance.origin, now) if known.behind else 0
    if not older:
        return known.messages, known.oldest_at
    oldest_at = await _oldest(node, instance, known.behind, now)
    both = [each for each in (oldest_at, known.oldest_at) if each is not None]
    return known.messages + older, min(both, default=None)


async def _oldest(node: Scene, instance: Instance, spans: Sequence[Span], now: float) -> float | None:
    """When the first of these messages came that the instance has to read; None if they have gone meanwhile."""
    while spans:
        page = await node.log.read(spans, PAGE, MAX_ANSWER)
        for message in page:
            if not (message.expired(now) or _own(instance, message)):
                return message.at
        if not page:
            break
        after = page[-1].offset
        spans = [each._replace(after=max(each.after, after)) for each in spans if each.upto > after]
    return None


async def unread_of(node: Scene, instance: Instance) -> int:
    """How many messages an instance has not read."""
    count, _ = await unread_count(node, instance, node.now())
    return count


def held(node: Scene) -> list[dict[str, Any]]:
    """The messages that wait for a person, the oldest first, and why: the loop that each is part of, or the holds."""
    return [
        {
            "offset": fact.offset,
            "at": frames.moment(fact.at),
            "id": fact.data["id"],
            "from": fact.data["name"],
            "to": fact.data["to"],
            "thread": fact.data["thread"],
            "reply_to": fact.data["reply_to"],
            "body": fact.data["body"],
            "data": fact.data["data"],
            "names": fact.data.get("names"),
            "messages": fact.data.get("messages"),
            "holds": fact.data.get("holds"),
        }
        for fact in node.hub.holds.held.values()
    ]


def stopped(node: Scene) -> dict[str, list[dict[str, Any]]]:
    """The queues that are held and the agents that are paused, the oldest first; `messages` is how many wait."""
    found: dict[str, list[dict[str, Any]]] = {"holds": [], "paused": []}
    for row in node.hub.registry.holds.values():
        instance = node.hub.registry.instances.get(row.scope.origin)
        shown = instance.name if instance is not None else written(row.scope.topic)
        about = {
            "by": row.by,
            "at": frames.moment(row.at),
            "reason": row.reason,
            "messages": node.hub.holds.waiting(row.scope),
        }
        if row.scope.kind == "sender":
            found["paused"].append({"name": shown, **about})
        else:
            found["holds"].append({"queue": shown, **about})
    return found


def senders(node: Scene, messages: Sequence[Message]) -> dict[int, str]:
    """What those are called by now who said these messages under another name, by the messages' offsets."""
    known = node.hub.registry.instances
    return {
        each.offset: known[each.origin].name
        for each in messages
        if each.origin in known and known[each.origin].name != each.sender
    }


def parties(node: Scene) -> list[dict[str, Any]]:
    """Everybody with the earlier names that lead to them, and what they hear: it says who is sent what."""
    return [
        {"name": each.name, "also": also(each), "topics": sorted(each.subscriptions)}
        for each in sorted(node.hub.registry.instances.values(), key=lambda each: each.name.lower())
    ]


async def topics(node: Scene) -> list[dict[str, Any]]:
    """What is kept of each topic, and how far behind each of its readers is; the hub's own facts are left out."""
    hub = node.hub
    readers: dict[str, dict[str, Backlog]] = {}  # topic -> instance -> its backlog
    for instance in list(hub.registry.instances.values()):  # more may register while the log is asked
        for span in hub.registry.spans(instance, 0, hub.head):
            readers.setdefault(span.topic, {})[instance.name] = Backlog()
        for span in hub.registry.spans(instance, instance.read, hub.head):
            known = readers.setdefault(span.topic, {}).get(instance.name, Backlog())
            readers[span.topic][instance.name] = known.and_then(await _backlog(node, instance, span))
    for topic, inbox in hub.registry.inboxes.items():
        if topic not in readers:  # it waits for a name that nobody has registered
            waiting = [each.at for each in inbox.messages if each.expires_at is None or each.expires_at > node.now()]
            readers[topic] = {topic.removeprefix(INBOX): Backlog(len(waiting), min(waiting, default=None))}
    bounced = await _bounced(node)
    unsure = {hub.registry.instances[each].name for each in node.unsure if each in hub.registry.instances}
    return [
        {
            "topic": topic,
            # What retention has taken since may have been there then.
            "messages": None if node.past and stock.trimmed else stock.messages,
            "bytes": None if node.past and stock.trimmed else stock.size,
            "head": stock.head,
            "bounced": bounced[topic],
            "readers": [
                {
                    "name": name,
                    "backlog": None if name in unsure else backlog.messages,
                    "oldest_at": None if name in unsure else _moment(backlog.oldest_at),
                }
                for name, backlog in sorted(
                    readers.get(topic, {}).items(), key=lambda each: (-each[1].messages, each[0])
                )
            ],
        }
        for topic, stock in sorted(hub.registry.topics.items())
        if not topic.startswith("$") and (stock.messages or topic in readers)
    ]


class Backlog(NamedTuple):
    """What an instance is yet to read of a topic, and when the oldest of it came."""

    messages: int = 0
    oldest_at: float | None = None

    def and_then(self, later: Backlog) -> Backlog:
        """With what comes after it in the log."""
        oldest_at = self.oldest_at if self.messages else later.oldest_at
        return Backlog(self.messages + later.messages, oldest_at)


async def _backlog(node: Scene, instance: Instance, span: Span) -> Backlog:
    """What an instance is yet to read of a span: from the window, and from the log how much is older."""
    hub, now = node.hub, node.now()
    here = Backlog(*hub.window.count(span, instance.origin, now))
    if span.after + 1 >= hub.window.floor:
        return here
    older = span._replace(upto=min(span.upto, hub.window.floor - 1))
    count = await node.log.count([older], instance.origin, now)
    return Backlog(count, await _oldest(node, instance, [older], now) if count else None).and_then(here)


async def _bounced(node: Scene) -> Counter[str]:
    """How many messages to each inbox expired unread within the last hour, of the last BOUNCES that did at all."""
    facts = await node.log.search(Search(topic=EXPIRED, hub_facts=True, limit=BOUNCES))
    late = node.now() - 3600
    return Counter(INBOX + fact.data["name"].lower() for fact in facts if fact.at > late)


def _moment(at: float | None) -> datetime | None:
    return None if at is None else frames.moment(at)


async def totals(node: Scene) -> dict[str, Any]:
    """The hub in a few numbers."""
    now = node.now()
    everybody = list(node.hub.registry.instances.values())  # more may register while the log is asked
    counts = [await unread_count(node, instance, now) for instance in everybody]
    unsure = any(instance.origin in node.unsure for instance in everybody)
    return _totals(node, None if unsure else sum(count for count, _ in counts))


def standing(node: Scene) -> dict[str, Any]:
    """What the hub knows of itself without counting anything."""
    return {
        "version": node.version,
        "epoch": node.hub.epoch,
        "head": node.hub.head,
        "floor": node.hub.floor,
        "indexed": node.log.indexed,
        "started_at": None if node.started_at is None else frames.moment(node.started_at),
        "problems": node.problems(),
        "held": len(node.hub.holds.held),
        "holds": sum(scope.kind == "queue" for scope in node.hub.registry.holds),
        "paused": sum(scope.kind == "sender" for scope in node.hub.registry.holds),
    }


def _totals(node: Scene, unread: int | None) -> dict[str, Any]:
    hub = node.hub
    return {
        **standing(node),
        "instances": len(hub.registry.instances),
        "online": sum(1 for each in hub.registry.instances.values() if hub.sessions_of(each))
        if node.attended
        else None,
        "unread": unread,
    }


async def snapshot(node: Scene, messages: int = RECENT) -> dict[str, Any]:
    """What the dashboard's first page shows, with so many of the newest messages but the facts that are too many."""
    newest = [each for each in node.hub.window.newest(10 * RECENT) if each.topic not in (CURSORS, PRESENCE)]
    recent = newest[-messages:] if messages else []
    everybody = await instances(node)
    unread = [row["unread"] for row in everybody]
    return {
        "at": frames.moment(node.now()),
        "hub": _totals(node, None if None in unread else sum(unread)),
        "instances": everybody,
        "topics": await topics(node),
        "held": held(node),
        **stopped(node),
        "recent": [wire.raw(each) for each in recent],
    }
