"""The page of one instance: who it is and how it is reached, what it did, what waits for it, how it answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from msgspec import Struct

from dashboard import links
from dashboard.lane import Lane, lane
from dashboard.name import Name, named
from dashboard.said import Said, said
from dashboard.view import TOO_LONG, UNKNOWN, state_of
from dashboard.words import ago, clock, count, hue, instant, plural, span, took, visible

WAKES = {True: "a message wakes it", False: "no message wakes it", None: "whether a message wakes it is unknown"}
PEEK = 30  # messages of the queue that the page shows


class Session(Struct, frozen=True, kw_only=True):
    client: str
    since: str
    since_at: str
    behind: str  # how far what was pushed to it lies behind the newest message
    credit: str
    unconfirmed: bool


class Subscription(Struct, frozen=True, kw_only=True):
    topic: str
    link: str
    since: str


class Former(Struct, frozen=True, kw_only=True):
    name: str
    until: str  # what becomes of it, in words


class Pace(Struct, frozen=True, kw_only=True):
    """How quickly somebody answers: of how many answers, half of them and nineteen of twenty. "" where nobody did."""

    answers: str = ""
    p50: str = ""
    p95: str = ""


class PartnerRow(Struct, frozen=True, kw_only=True):
    who: Name
    answered: Pace
    answers: Pace


class InstancePage(Struct, frozen=True, kw_only=True):
    name: str
    hue: int
    human: bool
    held: bool  # whether what is sent to it waits for a person
    paused: bool  # whether what it sends does
    online: bool
    state: str
    unsure: bool  # nobody knows how far it had read
    seen: str
    seen_at: str
    registered: str
    registered_at: str
    client: str
    reached: str  # how a message gets to its model, in words
    read: str
    former: list[Former]
    sessions: list[Session]
    subscriptions: list[Subscription]
    unread: str
    waiting: bool
    oldest: str
    late: bool
    queue: list[Said]
    more: str
    lane: Lane
    partners: list[PartnerRow]
    partners_told: str
    flow: str  # where everything from and to it is found
    read_command: str
    send_command: str


def instance_page(
    told: Mapping[str, Any],
    queue: Mapping[str, Any],
    activity: Mapping[str, Any],
    replies: Mapping[str, Any],
    head: int,
    *,
    hours: int,
    zone: tzinfo | None = None,
) -> InstancePage:
    """`told`, `queue`, `activity` and `replies` are what the routes below `GET /instances/NAME` give."""
    now = instant(told["at"])
    name = visible(told["name"])
    oldest = now - instant(told["oldest_unread_at"]) if told["oldest_unread_at"] else None
    shown = [said(each, now, zone=zone) for each in queue["messages"]]
    return InstancePage(
        name=name,
        hue=hue(name),
        human=told["human"],
        held=told["held"],
        paused=told["paused"],
        online=bool(told["online"]),
        unsure=queue["unread"] is None,
        state=state_of(told, now),
        seen="" if told["online"] or not told["last_seen"] else ago(now - instant(told["last_seen"])),
        seen_at=told["last_seen"] or "",
        registered=clock(instant(told["registered_at"]), now, zone) if told["registered_at"] else "unknown",
        registered_at=told["registered_at"] or "",
        client=visible(told["client"] or ""),
        reached=_reached(told),
        read=UNKNOWN if told["read"] is None else count(told["read"]) if told["read"] else "nothing yet",
        former=[_former(each, now) for each in told["names"] if each["name"].lower() != told["name"].lower()],
        sessions=[_session(each, head, now, zone) for each in told["clients"]],
        subscriptions=[
            Subscription(
                topic=visible(each["topic"]), link=links.topic(each["topic"]), since=f"since {count(each['since'])}"
            )
            for each in told["subscriptions"]
        ],
        unread=UNKNOWN if queue["unread"] is None else f"{count(queue['unread'])} unread",
        waiting=queue["unread"] != 0,
        oldest="" if oldest is None else span(oldest),
        late=oldest is not None and oldest >= TOO_LONG,
        queue=shown,
        more=f"{count(queue['unread'] - len(shown))} more behind these" if queue["more"] else "",
        lane=lane(activity, hours, links.instance(told["name"]), zone=zone),
        partners=[_partner(each) for each in replies["partners"]],
        partners_told=_counted(replies, now, zone),
        flow=links.conversation(told["name"]),
        read_command=f"hubbub read --as {name}",
        send_command=f'hubbub send --as you {name} "hello"',
    )


def _reached(told: Mapping[str, Any]) -> str:
    if told["online"] is None:
        return UNKNOWN
    if not told["online"]:
        return "not now: what is sent waits in the queue"
    hops = ", then ".join(visible(each) for each in told["hops"] or ())
    wakes = WAKES[told["wakes"]]
    return f"by {hops}; {wakes}" if hops else f"how is not told; {wakes}"


def _former(each: Mapping[str, Any], now: int) -> Former:
    name = visible(each["name"])
    if each["until"] is not None:
        return Former(name=name, until=f"let go at {count(each['until'])}")
    left = instant(each["forwards_until"]) - now if each["forwards_until"] else 0
    return Former(name=name, until=f"leads here for {span(left)} still" if left > 0 else "leads here")


def _session(each: Mapping[str, Any], head: int, now: int, zone: tzinfo | None) -> Session:
    pushed = each["pushed"]
    behind = 0 if pushed is None else head - pushed
    return Session(
        client=visible(each["client"] or "not told") + (", observing" if each["observer"] else ""),
        since=clock(instant(each["since"]), now, zone) if each["since"] else UNKNOWN,
        since_at=each["since"] or "",
        behind=UNKNOWN if pushed is None else "nothing" if behind <= 0 else plural(behind, "place"),
        credit=UNKNOWN if each["credit"] is None else count(each["credit"]),
        unconfirmed=pushed is not None and each["received"] < pushed,
    )


def _partner(each: Mapping[str, Any]) -> PartnerRow:
    return PartnerRow(
        who=named(each["name"]),
        answered=_pace(each["answered"]),
        answers=_pace(each["answers"]),
    )


def _pace(times: Mapping[str, Any] | None) -> Pace:
    if times is None:
        return Pace()
    return Pace(
        answers=count(times["answers"]), p50=took(round(times["p50"] * 1000)), p95=took(round(times["p95"] * 1000))
    )


def _counted(replies: Mapping[str, Any], now: int, zone: tzinfo | None) -> str:
    if replies["since"] is None:
        return ""
    since = clock(instant(replies["since"]), now, zone)
    return f"Of {plural(replies['exchanges'], 'message')} and the first answer to each, since {since}."
