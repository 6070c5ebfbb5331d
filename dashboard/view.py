"""What a page shows: a snapshot and a filter in, rows of finished words out. Pure; the time comes with the snapshot.

`static/view.js` says the same in the browser, where it goes on from the first page; a test holds the two to each other.
A snapshot is the JSON of `GET /api/v1/snapshot`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import tzinfo
from typing import Any, TypeAlias

from msgspec import Struct

from dashboard import links
from dashboard.held import why_held
from dashboard.name import Name, named
from dashboard.words import ago, clock, count, hue, instant, plural, size, span, visible
from hub.topic import ALL, INBOX, matches

Snapshot: TypeAlias = dict[str, Any]

TOO_LONG = 5 * 60_000  # milliseconds after which an unread message has waited too long
BODY_SHOWN = 4_000  # characters of a body that the page holds; the rest is one link away
PREVIEW = 280  # characters before a message is unfolded
PREVIEW_LINES = 3
QUEUES_SHOWN = 10
READERS_SHOWN = 6
HELD_SHOWN = 5
QUIET = ("$cursors", "$instance.presence")  # facts that are too many for the flow: the tables show what they say
UNKNOWN = "unknown"
ELSEWHERE = "not in this replay"  # of a file whose bytes an export was not given
INSTANCES_SHOWN = 20  # above that, those that are offline with nothing unread are folded


class Filter(Struct, frozen=True, kw_only=True):
    """Which messages the flow shows; it stands in the page's address, so that a link shows the same."""

    with_: str = ""
    topic: str = ""
    thread: str = ""
    facts: bool = True
    at: str = ""  # the moment that is shown, where it is not the present

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filter:
        """Read it from an address; what makes no sense there narrows to nothing rather than failing."""
        return cls(
            with_=query.get("with", "").strip(_BLANK),
            topic=query.get("topic", "").strip(_BLANK).removeprefix("#").lower(),
            thread=visible(query.get("thread", "")).strip(_BLANK),
            facts=query.get("facts") != "0",
            at=query.get("at", "").strip(_BLANK),
        )

    def link(self, **change: str | bool) -> str:
        """The address of this filter with something changed."""
        parts = {
            "with_": self.with_,
            "topic": self.topic,
            "thread": self.thread,
            "facts": self.facts,
            "at": self.at,
        } | change
        told = [(key.rstrip("_"), parts[key]) for key in ("with_", "topic", "thread", "at") if parts[key]]
        if not parts["facts"]:
            told.append(("facts", "0"))
        return "?" + "&".join(f"{key}={links.escaped(str(value))}" for key, value in told)

    @property
    def narrows(self) -> bool:
        return bool(self.with_ or self.topic or self.thread)

    def shows(self, entry: Entry) -> bool:
        """Whether a message is one of those asked for."""
        if entry.fact is not None:
            if not self.facts or self.topic or self.thread:
                return False
            return not self.with_ or entry.about.lower() == self.with_.lower()
        if self.with_:
            name = self.with_.lower()
            if name not in (entry.sender.lower(), entry.to.lower()) and entry.topic != INBOX + name:
                return False
        if self.topic and not matches(self.topic, entry.topic):
            return False
        return not self.thread or entry.thread == self.thread


class File(Struct, frozen=True, kw_only=True):
    """A file that a message carries, in words; `link` is "" where it cannot be fetched."""

    text: str
    link: str


class Entry(Struct, frozen=True, kw_only=True):
    """One message as the flow holds it: bounded in size, in words that do not change with the time."""

    offset: int
    id: str
    link: str  # its own page
    at: int
    sent: str
    sender: str
    sender_hue: int
    sender_link: str
    to: str
    to_kind: str  # `name`, `topic` or `all`
    to_hue: int
    to_link: str
    topic: str
    topic_link: str
    thread: str | None
    thread_link: str
    reply_to: str | None
    reply_link: str
    preview: str
    body: str
    long: bool  # whether the preview leaves something out
    whole: bool  # whether `body` is all of it
    size: str
    data: str | None
    files: list[File]
    answer_by: str | None = None  # until when the sender wants an answer
    fact: str | None = None  # what the hub tells, in words; such an entry shows nothing else
    about: str = ""  # the instance that the fact is about
    about_hue: int = 0
    about_link: str = ""


class FlowRow(Struct, frozen=True, kw_only=True):
    entry: Entry
    clock: str
    answers: int | None  # the offset of the message it answers, if that is on the page
    thread_link: str
    wanted: str = ""  # until when an answer is wanted, as a clock shows it


class InstanceRow(Struct, frozen=True, kw_only=True):
    who: Name
    online: bool
    state: str
    unread: str
    waiting: bool
    oldest: str
    late: bool
    seen: str
    seen_at: str
    client: str
    hops: str  # how a message gets to its model, the best way first
    topics: list[str]
    step: str  # where a person steps in


class HeldRow(Struct, frozen=True, kw_only=True):
    """A message that the loop guard holds, and what a person has to know to decide."""

    offset: int
    sender: str
    sender_hue: int
    to: str
    why: str
    preview: str
    command: str


class ReaderCell(Struct, frozen=True, kw_only=True):
    who: Name
    backlog: str
    behind: bool


class QueueRow(Struct, frozen=True, kw_only=True):
    topic: str
    link: str
    prefix: str  # `inbox.`, where the rest is a name
    rest: str
    rest_hue: int
    backlog: str  # of the reader furthest behind
    waiting: bool
    oldest: str  # how long the oldest message waits that somebody has not read
    late: bool
    marks: str  # what is wrong with it
    messages: str
    size: str
    readers: list[ReaderCell]
    more_readers: list[ReaderCell]
    more: str  # what the folded readers amount to
    step: str  # where a person holds it; "" where there is nothing to hold


class Total(Struct, frozen=True, kw_only=True):
    label: str
    value: str
    note: str
    late: bool = False


class Choice(Struct, frozen=True, kw_only=True):
    value: str
    chosen: bool


class Overview(Struct, frozen=True, kw_only=True):
    title: str
    problems: list[str]  # why the hub is not ready
    notices: list[str]  # what else a person must be told
    held: list[HeldRow]
    held_more: str  # what is held beside those shown
    totals: list[Total]
    instances: list[InstanceRow]
    more_instances: list[InstanceRow]
    instances_folded: str
    queues: list[QueueRow]
    more_queues: list[QueueRow]
    queues_folded: str
    empty: bool  # nobody has ever been here
    names: list[Choice]
    topics: list[Choice]
    queue_names: list[str]  # whoever and whatever can be written to
    write_to: str  # whom what is shown is about
    thread: str
    at: str  # the moment, where it is not the present
    without_thread: str
    clear: str
    conversation: str  # the address of the same as a conversation
    narrows: bool
    facts: bool
    facts_link: str


def overview(snapshot: Snapshot, chosen: Filter, *, now: int | None = None) -> Overview:
    """The first page but for its flow. `now` is in milliseconds since 1970; None is the snapshot's own moment."""
    moment = instant(snapshot["at"]) if now is None else now
    hub, instances = snapshot["hub"], snapshot["instances"]
    rows = [_instance(each, moment) for each in sorted(instances, key=_here_first)]
    folded = [row for row in rows if not row.online and not row.waiting] if len(rows) > INSTANCES_SHOWN else []
    online = {each["name"] for each in instances if each["online"]}
    held = {_held_topic(each["queue"]) for each in snapshot.get("holds", ())}
    looping = {INBOX + name.lower() for each in snapshot.get("held", ()) for name in each["names"] or ()}
    worst = sorted(
        ((_state_of(each, online, looping, held, moment), each) for each in snapshot["topics"]), key=_worst_first
    )
    topics = [each for _, each in worst]
    queues = [_queue(each, state, moment) for state, each in worst]
    return Overview(
        title=(
            "Hubbub: not ready"
            if hub.get("problems")
            else f"Hubbub: {_many(hub['online'])} online, {_many(hub['unread'])} unread"
        ),
        problems=[visible(each) for each in hub.get("problems", ())],
        notices=[visible(each) for each in hub.get("notices", ())],
        held=[_held(each) for each in snapshot.get("held", ())[:HELD_SHOWN]],
        held_more=_held_more(len(snapshot.get("held", ())) - HELD_SHOWN),
        totals=_totals(snapshot, moment),
        instances=[row for row in rows if row not in folded],
        more_instances=folded,
        instances_folded=f"{plural(len(folded), 'more instance')}, offline with nothing unread",
        queues=queues[:QUEUES_SHOWN],
        more_queues=queues[QUEUES_SHOWN:],
        queues_folded=_folded("queue", topics[QUEUES_SHOWN:]),
        empty=not instances and all(each["topic"].startswith("$") for each in topics),
        names=_choices((each["name"] for each in instances), chosen.with_),
        topics=_choices((each["topic"] for each in topics if not each["topic"].startswith("$")), chosen.topic),
        queue_names=queue_names(instances, topics),
        write_to=chosen.with_ or (chosen.topic and "#" + chosen.topic),
        thread=chosen.thread,
        without_thread=chosen.link(thread=""),
        at=chosen.at,
        clear=Filter(facts=chosen.facts, at=chosen.at).link(),
        conversation="/conversation" + chosen.link(facts=True),
        narrows=chosen.narrows,
        facts=chosen.facts,
        facts_link=chosen.link(facts=not chosen.facts),
    )


def entries(messages: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """The messages that a flow can show, in the order given; movements of cursors and of presence are none."""
    return [entry(message) for message in messages if message["topic"] not in QUIET]


def entry(message: Mapping[str, Any]) -> Entry:
    """One message of the JSON form as an entry."""
    body = visible(message["body"])
    shown = body[:BODY_SHOWN]
    preview, long = _preview(shown, whole=shown == body)
    sender, to = visible(message["from"]), visible(message["to"])
    about, fact = _fact(message) if message["topic"].startswith("$") else ("", None)
    to_kind = "all" if to.lower() == ALL else "topic" if to.startswith("#") else "name"
    return Entry(
        offset=message["offset"],
        id=visible(message["id"]),
        link=links.message(message["id"], message["offset"]),
        at=instant(message["at"]),
        sent=message["at"],
        sender=sender,
        sender_hue=hue(sender),
        sender_link=links.instance(message["from"]),
        to=to,
        to_kind=to_kind,
        to_hue=hue(to),
        to_link=links.instance(message["to"]) if to_kind == "name" else links.topic(message["topic"]),
        topic=visible(message["topic"]),
        topic_link=links.topic(message["topic"]),
        thread=visible(message["thread"]) if message["thread"] else None,
        thread_link=links.thread(message["thread"]) if message["thread"] else "",
        reply_to=visible(message["reply_to"]) if message["reply_to"] else None,
        reply_link=links.message(message["reply_to"]) if message["reply_to"] else "",
        preview=preview,
        body=shown,
        long=long,
        whole=shown == body,
        size=size(len(message["body"].encode("utf-8", "replace"))),
        data=_data(message["data"]) if fact is None else None,
        files=[_file(each, message["id"]) for each in message["attachments"] or []],
        answer_by=message.get("answer_by"),
        fact=fact,
        about=about,
        about_hue=hue(about),
        about_link=links.instance(about) if about else "",
    )


def flow(held: Sequence[Entry], chosen: Filter, *, now: int, zone: tzinfo | None = None) -> list[FlowRow]:
    """What the filter leaves of the messages, oldest first."""
    offsets = {each.id: each.offset for each in held if each.fact is None}
    return [
        FlowRow(
            entry=each,
            clock=clock(each.at, now, zone),
            answers=offsets.get(each.reply_to) if each.reply_to else None,
            thread_link=chosen.link(thread=each.thread) if each.thread else "",
            wanted=clock(instant(each.answer_by), now, zone) if each.answer_by else "",
        )
        for each in held
        if chosen.shows(each)
    ]


def nothing(held: Sequence[Entry], chosen: Filter) -> str:
    """What stands in a flow without rows."""
    if chosen.narrows and held:
        return f"None of the last {plural(len(held), 'message')} fits. Older ones may."
    return "Nothing has been said yet."


def older(held: Sequence[Entry], snapshot: Snapshot) -> bool:
    """Whether the log keeps messages from before those held."""
    return bool(held) and held[0].offset > max(1, snapshot["hub"]["floor"])


def _totals(snapshot: Snapshot, now: int) -> list[Total]:
    hub, instances = snapshot["hub"], snapshot["instances"]
    kept = [each for each in snapshot["topics"] if not each["topic"].startswith("$")]
    waiting = [(instant(each["oldest_unread_at"]), each["name"]) for each in instances if each["oldest_unread_at"]]
    totals = [
        Total(label="online", value=_many(hub["online"]), note=f"of {plural(hub['instances'], 'instance')}"),
        Total(label="unread", value=_many(hub["unread"]), note="message" if hub["unread"] == 1 else "messages"),
    ]
    if waiting:
        since, name = min(waiting)
        late = now - since >= TOO_LONG
        totals.append(Total(label="oldest unread", value=span(now - since), note=f"for {visible(name)}", late=late))
    elif hub["unread"] is None:
        totals.append(Total(label="oldest unread", value=UNKNOWN, note=""))
    else:
        totals.append(Total(label="oldest unread", value="none", note="all is read"))
    known = all(each["messages"] is not None for each in kept)
    totals += [
        Total(
            label="kept",
            value=_many(sum(each["messages"] for each in kept) if known else None),
            note=size(sum(each["bytes"] for each in kept)) if known else "",
        ),
        Total(label="head", value=count(hub["head"]), note="newest offset"),
        _up(hub, now),
    ]
    return totals


def _never(each: Mapping[str, Any]) -> str:
    return UNKNOWN if each["online"] is None else "never"


def _up(hub: Mapping[str, Any], now: int) -> Total:
    """How long the hub has run; of an earlier one that is all that is known of its process, and not always."""
    value = span(now - instant(hub["started_at"])) if hub["started_at"] else UNKNOWN
    return Total(label="up", value=value, note="" if hub["pid"] is None else f"pid {hub['pid']}")


def _instance(each: Mapping[str, Any], now: int) -> InstanceRow:
    oldest = now - instant(each["oldest_unread_at"]) if each["oldest_unread_at"] else None
    state = state_of(each, now)
    return InstanceRow(
        who=named(each["name"]),
        online=each["online"],
        state=f"{state}, {plural(each['sessions'], 'session')}" if each["sessions"] > 1 else state,
        unread=_many(each["unread"]),
        waiting=bool(each["unread"]),
        oldest="" if oldest is None else span(oldest),
        late=oldest is not None and oldest >= TOO_LONG,
        seen=ago(now - instant(each["last_seen"])) if each["last_seen"] else _never(each),
        seen_at=each["last_seen"] or "",
        client=visible(each["client"] or ""),
        hops=visible("by " + ", ".join(each["hops"])) if each["hops"] else "",
        topics=[visible(topic) for topic in each["topics"]],
        step=links.step(INBOX + each["name"]),
    )


def state_of(each: Mapping[str, Any], now: int) -> str:
    """How an instance is: `idle for 4 min, not woken`. What it does is said only where it told."""
    if each["human"]:
        return "a person" if each["online"] else "a person, offline"
    if each["paused"]:
        return "paused" if each["online"] else "paused, offline"
    if not each["online"]:
        return UNKNOWN if each["online"] is None else "offline"
    state = str(each["state"])
    text = state if state == "online" or not each["since"] else f"{state} for {span(now - instant(each['since']))}"
    return f"{text}, not woken" if each["wakes"] is False and state != "waiting" else text


def _held(each: Mapping[str, Any]) -> HeldRow:
    sender, to = visible(each["from"]), visible(each["to"])
    preview, _ = _preview(visible(each["body"])[:BODY_SHOWN], whole=True)
    return HeldRow(
        offset=each["offset"],
        sender=sender,
        sender_hue=hue(sender),
        to=to,
        why=why_held(each),
        preview=preview,
        command=f"hubbub release {each['offset']}",
    )


def _held_more(number: int) -> str:
    return f"{plural(number, 'more message')} held" if number > 0 else ""


class _QueueState(Struct, frozen=True):
    """What is wrong with a queue. `oldest` is in milliseconds since 1970: 0 if that is further back than is known, None
    if nothing waits. It is stuck if somebody who is online has left a message unread for too long."""

    looping: bool
    held: bool
    stuck: bool
    bounced: int
    oldest: int | None
    most: int  # what the reader furthest behind has not read
    all: int  # what all of them have not


def _held_topic(queue: str) -> str:
    """The topic of a queue that is held, as it is written: `alice`, `#build` or `all`."""
    return queue.removeprefix("#") if queue.startswith("#") or queue == ALL else INBOX + queue.lower()


def _state_of(each: Mapping[str, Any], online: Set[str], looping: Set[str], held: Set[str], now: int) -> _QueueState:
    behind = [
        (reader["name"], instant(reader["oldest_at"]) if reader["oldest_at"] else 0)
        for reader in each["readers"]
        if reader["backlog"]
    ]
    backlogs = [reader["backlog"] or 0 for reader in each["readers"]]
    return _QueueState(
        each["topic"] in looping,
        each["topic"] in held,
        any(name in online and oldest and now - oldest >= TOO_LONG for name, oldest in behind),
        each["bounced"],
        min((oldest for _, oldest in behind), default=None),
        max(backlogs, default=0),
        sum(backlogs),
    )


def _marks(state: _QueueState) -> str:
    expired = f"{count(state.bounced)} expired"
    marks = {"looping": state.looping, "held": state.held, "stuck": state.stuck, expired: state.bounced}
    return ", ".join(mark for mark, so in marks.items() if so)


def _queue(each: Mapping[str, Any], state: _QueueState, now: int) -> QueueRow:
    topic = visible(each["topic"])
    readers = sorted(each["readers"], key=lambda reader: (-(reader["backlog"] or 0), reader["name"].lower()))
    cells = [
        ReaderCell(who=named(reader["name"]), backlog=_many(reader["backlog"]), behind=bool(reader["backlog"]))
        for reader in readers
    ]
    prefix = INBOX if topic.startswith(INBOX) else ""
    rest = topic.removeprefix(prefix)
    return QueueRow(
        topic=topic,
        link=links.topic(each["topic"]),
        prefix=prefix,
        rest=rest,
        rest_hue=hue(rest),
        backlog=cells[0].backlog if cells else "",
        waiting=bool(cells) and cells[0].behind,
        oldest="" if state.oldest is None else span(now - state.oldest) if state.oldest else UNKNOWN,
        late=bool(state.oldest) and now - (state.oldest or 0) >= TOO_LONG,
        marks=_marks(state),
        messages=_many(each["messages"]),
        size=_size(each["bytes"]),
        readers=cells[:READERS_SHOWN],
        more_readers=cells[READERS_SHOWN:],
        more=_folded("reader", [{"readers": [reader]} for reader in readers[READERS_SHOWN:]]),
        step="" if topic.startswith("$") else links.step(each["topic"]),
    )


def _here_first(each: Mapping[str, Any]) -> tuple[bool, str]:
    return not each["online"], each["name"].lower()


def _worst_first(row: tuple[_QueueState, Mapping[str, Any]]) -> tuple[Any, ...]:
    """What goes round in circles, is stuck or has lost something; then whose oldest waits longest; then the longest."""
    state, each = row
    return (
        each["topic"].startswith("$"),
        not state.looping,
        not state.stuck,
        -state.bounced,
        state.oldest is None,
        state.oldest or 0,
        -state.most,
        -state.all,
        each["topic"],
    )


def _folded(what: str, rest: list[Any]) -> str:
    waiting = sum(reader["backlog"] or 0 for each in rest for reader in each["readers"])
    return f"{plural(len(rest), 'more ' + what)}, {count(waiting) if waiting else 'nothing'} unread"


def queue_names(instances: Sequence[Mapping[str, Any]], topics: Sequence[Mapping[str, Any]]) -> list[str]:
    """Whoever and whatever can be written to, as one writes it."""
    names = sorted((visible(each["name"]) for each in instances), key=str.lower)
    spoken = {each["topic"] for each in topics if not each["topic"].startswith(("$", INBOX))} - {ALL}
    return [*names, ALL, *sorted(f"#{each}" for each in spoken)]


def _choices(values: Iterable[str], chosen: str) -> list[Choice]:
    """All values by the alphabet, and the chosen one even where it is none of them."""
    known = {value.lower(): value for value in map(visible, values)}
    if chosen:
        known.setdefault(chosen.lower(), chosen)
    return [Choice(value=known[key], chosen=key == chosen.lower()) for key in sorted(known)]


def _many(number: int | None) -> str:
    """An amount; null is what nobody knows any more, of an earlier moment."""
    return UNKNOWN if number is None else count(number)


def _size(number: int | None) -> str:
    return UNKNOWN if number is None else size(number)


def _preview(shown: str, whole: bool) -> tuple[str, bool]:
    """The first lines of a body that say something, and whether that leaves something out."""
    lines = [line.rstrip(_BLANK) for line in shown.split("\n") if line.strip(_BLANK)]
    text = "\n".join(lines[:PREVIEW_LINES])
    if len(text) > PREVIEW:
        return text[: PREVIEW - 1].rstrip(_BLANK) + "…", True
    return (text + "…", True) if len(lines) > PREVIEW_LINES or not whole else (text, False)


def _data(data: Any) -> str | None:
    if data is None:
        return None
    text = visible(json.dumps(data, indent=2, ensure_ascii=False))
    return text if len(text) <= BODY_SHOWN else text[:BODY_SHOWN] + "…"


def _file(attachment: Mapping[str, Any], message_id: str) -> File:
    name = visible(str(attachment.get("name") or "unnamed"))
    length, sha256 = attachment.get("size"), attachment.get("sha256")
    text = f"{name}, {size(length)}" if isinstance(length, int) else name
    if attachment.get("here") is False:
        return File(text=f"{text}, {ELSEWHERE}", link="")
    return File(text=text, link=links.attachment(sha256, message_id) if isinstance(sha256, str) else "")


def _fact(message: Mapping[str, Any]) -> tuple[str, str]:
    """What the hub tells, as (the instance it is about, what of it); `hub/fold.py` lists the facts."""
    told: Mapping[str, Any] = message["data"] if isinstance(message["data"], dict) else {}
    topic = message["topic"]
    if topic.startswith("$loop."):
        about, text = _loop(topic, told)
    elif topic.startswith("$session."):
        about, text = _session(topic, told)
    else:
        about, text = _other(topic, told)
    return visible(about), visible(text or message["body"] or topic)  # a newer hub says in words what it means


def _text(told: Mapping[str, Any], key: str) -> str:
    value = told.get(key)
    return value if isinstance(value, str) else ""


def _other(topic: str, told: Mapping[str, Any]) -> tuple[str, str]:
    name = _text(told, "name")
    match topic:
        case "$hub.started":
            return "", f"the hub started, version {_text(told, 'version')}"
        case "$hub.stopped":
            return "", f"the hub stopped: {_text(told, 'reason')}"
        case "$instance.registered":
            return name, "registered"
        case "$instance.renamed":
            return name, f"is the new name of {_text(told, 'old')}"
        case "$instance.forgot":
            return name, "is forgotten" if "origin" in told else "is a free name again"
        case "$message.unanswered":
            return name, f"has no answer from {_text(told, 'to')} in time"
        case "$subscription.added":
            return name, f"hears {_text(told, 'topic')}"
        case "$subscription.removed":
            return name, f"no longer hears {_text(told, 'topic')}"
        case _:
            return "", ""


def _session(topic: str, told: Mapping[str, Any]) -> tuple[str, str]:
    sessions = told.get("sessions")
    number = sessions if isinstance(sessions, int) else 0
    if topic == "$session.joined":
        client = _text(told, "client")
        text = f"joined with {client}" if client else "joined"
        return _text(told, "name"), text + (f", {plural(number, 'session')}" if number > 1 else "")
    if topic == "$session.left":
        reason = _text(told, "reason")
        text = f"left: {reason}" if reason else "left"
        return _text(told, "name"), text + (f", {plural(number, 'session')} still here" if number > 0 else "")
    return "", ""


def _loop(topic: str, told: Mapping[str, Any]) -> tuple[str, str]:
    number, names, name = told.get("messages"), told.get("names"), _text(told, "name")
    length = f"{plural(number if isinstance(number, int) else 0, 'message')} in a row with nothing new"
    match topic:
        case "$loop.noticed":
            who = ", ".join(each for each in names if isinstance(each, str)) if isinstance(names, list) else ""
            return "", f"{who}: {length}"
        case "$loop.held":
            return name, f"has a message to {_text(told, 'to')} held: {length}"
        case "$loop.released":
            return name, "has its held message sent"
        case "$loop.dropped":
            return name, "has its held message dropped"
        case _:
            return "", ""


_BLANK = " \t\n"
