"""Where a person takes part: what is held and paused, and what the forms to write and to step in are filled with.

Pure: the hub's snapshot in, rows of finished words out. The forms themselves are macros of templates/part-forms.html,
so that every page can have them beside what they are about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from dashboard.held import by_whom, why_held
from dashboard.view import queue_names
from dashboard.words import hue, instant, plural, span, visible

SHOWN = 200  # held messages on one page; the oldest come first
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")


class Hands(Struct, frozen=True, kw_only=True):
    """What every form needs of the request: under which name the person writes ("" if none is known yet), the page to
    come back to, and an id that makes sending twice the same as once."""

    person: str
    back: str
    id: str


class HeldRow(Struct, frozen=True, kw_only=True):
    offset: int
    sender: str
    sender_hue: int
    to: str
    to_hue: int | None  # None for a topic and for all
    age: str
    why: str
    body: str  # as it was sent: it is what the person may change


class StopRow(Struct, frozen=True, kw_only=True):
    """A queue that is held, or an agent that is paused."""

    what: str
    hue: int | None
    since: str  # by whom, how long, and why
    waits: str
    some: bool


class Part(Struct, frozen=True, kw_only=True):
    held: list[HeldRow]
    held_more: str
    holds: list[StopRow]
    paused: list[StopRow]
    agents: list[str]
    queues: list[str]  # whoever and whatever can be written to
    queue: str  # what the address fills in: into the form to hold
    to: str  # and into the one to write
    thread: str
    reply_to: str


def hands(person: str | None, back: str, form_id: str) -> Hands:
    """`person` is what the browser's cookie says, which may be anything."""
    return Hands(person=person if person and _NAME.fullmatch(person) else "", back=back, id=form_id)


def part(snapshot: Mapping[str, Any], asked: Mapping[str, str]) -> Part:
    """`asked` is the address's query: `to`, `thread` and `reply_to` fill in the form to write, `queue` that to hold."""
    now = instant(snapshot["at"])
    agents = [each["name"] for each in snapshot["instances"] if not each["human"]]
    return Part(
        held=[_held(each, now) for each in snapshot["held"][:SHOWN]],
        held_more=_more(len(snapshot["held"]) - SHOWN),
        holds=[_stop(each["queue"], each, now) for each in snapshot["holds"]],
        paused=[_stop(each["name"], each, now) for each in snapshot["paused"]],
        agents=sorted(agents, key=str.lower),
        queues=queue_names(snapshot["instances"], snapshot["topics"]),
        queue=asked.get("queue", ""),
        to=asked.get("to", ""),
        thread=asked.get("thread", ""),
        reply_to=asked.get("reply_to", ""),
    )


def _held(each: Mapping[str, Any], now: int) -> HeldRow:
    sender, to = visible(each["from"]), visible(each["to"])
    return HeldRow(
        offset=each["offset"],
        sender=sender,
        sender_hue=hue(sender),
        to=to,
        to_hue=_hue(to),
        age=span(now - instant(each["at"])),
        why=why_held(each),
        body=each["body"],
    )


def _stop(what: str, each: Mapping[str, Any], now: int) -> StopRow:
    return StopRow(
        what=visible(what),
        hue=_hue(what),
        since=f"for {span(now - instant(each['at']))}{by_whom(each)}",
        waits=_waits(each["messages"]),
        some=each["messages"] > 0,
    )


def _waits(messages: int) -> str:
    if not messages:
        return "nothing waits"
    return f"{plural(messages, 'message')} {'waits' if messages == 1 else 'wait'}"


def _hue(to: str) -> int | None:
    return None if to == "all" or to.startswith("#") else hue(to)


def _more(number: int) -> str:
    return f"{plural(number, 'more message')} held: hubbub held" if number > 0 else ""
