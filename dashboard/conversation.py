"""What agents say to each other: a thread, a pair, one agent's talk or a topic, as rows of finished words. Pure.

The browser goes on from the messages themselves (static/talk.js): what stands here is the page without a script, and
the table behind the diagram. `where` is said by static/ladder.js in the same words; a test holds the two to each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct, structs

from dashboard.view import UNKNOWN, Entry, entry
from dashboard.words import clock, visible
from hub.topic import ALL, INBOX, is_pattern

VIEWS = ("diagram", "read", "table")
TITLES = {"diagram": "Diagram", "read": "Reading", "table": "Table"}
PAGE = 100  # messages on the first page
RUNGS = ("accepted", "pushed", "received", "read", "answered")  # the ladder, from below
NAMES = 2  # agents that a conversation can be narrowed to
OFFERED = 500  # names and topics that a field offers


NOTHING: dict[str, Any] = {"messages": [], "more": False, "ladders": {}, "head": 0, "parties": []}


class Place(Struct, frozen=True, kw_only=True):
    """Which conversation, and how it is shown; it stands in the page's address, so that a link shows the same."""

    names: tuple[str, ...] = ()
    topic: str = ""
    thread: str = ""
    view: str = "diagram"
    before: int | None = None  # an offset: what follows it is not on the page

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Place:
        """Read it from an address; what makes no sense there counts as not said."""
        named = dict.fromkeys(filter(None, (each.strip() for each in query.get("with", "").split(","))))
        before = query.get("before", "")
        view = query.get("view", "")
        return cls(
            names=tuple(named)[:NAMES],
            topic=query.get("topic", "").strip().removeprefix("#").lower(),
            thread=query.get("thread", "").strip(),
            view=view if view in VIEWS else VIEWS[0],
            before=int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else None,
        )

    def link(self, **change: Any) -> str:
        """The address of this place with something changed."""
        place = structs.replace(self, **change)
        parts = {
            "with": ",".join(place.names),
            "topic": place.topic,
            "thread": place.thread,
            "view": "" if place.view == VIEWS[0] else place.view,
            "before": "" if place.before is None else str(place.before),
        }
        query = urlencode({key: value for key, value in parts.items() if value}, safe=",")
        return "/conversation" + ("?" + query if query else "")

    @property
    def wanted(self) -> dict[str, Any]:
        """What to ask `Source.conversation` for."""
        return {
            "with_": ",".join(self.names) or None,
            "topic": self.topic or None,
            "thread": self.thread or None,
            "before": self.before,
            "limit": PAGE,
        }

    @property
    def title(self) -> str:
        who = " and ".join(map(visible, self.names))
        if len(self.names) == 1:
            who += " and everybody"
        about = [f"#{visible(self.topic)}"] if self.topic else []
        about += [f"thread {visible(self.thread)}"] if self.thread else []
        return ", ".join(filter(None, [who, *about])) or "Everybody"


class Where(Struct, frozen=True, kw_only=True):
    """How far a message has come. `rung` is the lowest of its recipients', -1 where one of them never gets it."""

    rung: int
    words: str


class Row(Struct, frozen=True, kw_only=True):
    entry: Entry
    body: str  # all of it
    clock: str
    where: Where
    answers: int | None  # the offset of the message it answers, if that is on the page
    thread_link: str


class Choice(Struct, frozen=True, kw_only=True):
    title: str
    link: str
    chosen: bool


class Conversation(Struct, frozen=True, kw_only=True):
    title: str
    view: str
    views: list[Choice]
    with_: str
    topic: str
    thread: str
    narrows: bool
    names: list[str]
    rows: list[Row]
    older: str  # the address of the page before this one
    newest: str  # the address of the last page, where this is an earlier one
    write_to: str  # whom the form to write is filled with, where that is clear
    write_thread: str
    refused: str  # why nothing can be shown
    hint: str


def conversation(
    told: dict[str, Any], place: Place, *, now: int, refused: str = "", hint: str = "", zone: tzinfo | None = None
) -> Conversation:
    """The page. `told` is what `Source.conversation` gave; `refused` and `hint` are the hub's, if it did not."""
    said = told["messages"]
    offsets = {each["id"]: each["offset"] for each in said}
    return Conversation(
        title=place.title,
        view=place.view,
        views=[Choice(title=TITLES[each], link=place.link(view=each), chosen=each == place.view) for each in VIEWS],
        with_=visible(", ".join(place.names)),
        topic=visible(place.topic),
        thread=visible(place.thread),
        narrows=bool(place.names or place.topic or place.thread),
        names=[visible(each["name"]) for each in told["parties"][:OFFERED]],
        rows=[
            Row(
                entry=(shown := entry(each)),
                body=visible(each["body"]),
                clock=clock(shown.at, now, zone),
                where=where(told["ladders"].get(str(shown.offset), ())),
                answers=offsets.get(each["reply_to"]) if each["reply_to"] else None,
                thread_link=place.link(names=(), topic="", thread=each["thread"], before=None)
                if each["thread"]
                else "",
            )
            for each in said
        ],
        older=place.link(before=said[0]["offset"]) if told["more"] and said else "",
        newest=place.link(before=None) if place.before is not None else "",
        write_to=_write_to(place),
        write_thread=place.thread,
        refused=visible(refused),
        hint=visible(hint),
    )


def _write_to(place: Place) -> str:
    if place.topic and not is_pattern(place.topic) and not place.topic.startswith(INBOX):
        return place.topic if place.topic == ALL else f"#{place.topic}"
    return place.names[0] if len(place.names) == 1 else ""


def where(steps: Sequence[Mapping[str, str]]) -> Where:
    """How far a message has come with all of its recipients, `[{name, state}]`."""
    if not steps:
        return Where(rung=0, words="nobody hears it")
    states = [each["state"] for each in steps]
    odd = [each for each in states if each not in RUNGS and each != UNKNOWN]
    if odd:
        return Where(rung=-1, words=odd[0] if len(states) == 1 else f"{odd[0]} for {len(odd)} of {len(states)}")
    unknown = states.count(UNKNOWN)
    if unknown:
        return Where(rung=0, words=UNKNOWN if unknown == len(states) else f"{UNKNOWN} for {unknown} of {len(states)}")
    rungs = [RUNGS.index(each) for each in states]
    lowest, highest = min(rungs), max(rungs)
    if len(rungs) == 1:
        return Where(rung=lowest, words=RUNGS[lowest])
    # To answer is to have read; of the others, what is said is the best that anybody has come to.
    best = min(highest, RUNGS.index("read")) if lowest < highest else lowest
    number = sum(each >= best for each in rungs)
    return Where(
        rung=lowest, words=f"{RUNGS[best]} by {'all ' if number == len(rungs) else f'{number} of '}{len(rungs)}"
    )
