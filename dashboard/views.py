"""Every page but the notices: its address, its template, and what is asked of the hub to fill it.

A view's function is given the source and the request, and returns the template's values; `about` among them saves the
shell a question. What is drawn is decided in the view's own pure module. One line in VIEWS makes a page.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

import msgspec
from starlette.requests import Request

from dashboard.awaited import awaited
from dashboard.conversation import NOTHING, Place, conversation
from dashboard.cost import cost
from dashboard.health import health
from dashboard.instance import PEEK, instance_page
from dashboard.lane import hours_of
from dashboard.message import AROUND, message_page
from dashboard.part import part
from dashboard.pulse import pulse
from dashboard.search import Asked, results
from dashboard.source import Source
from dashboard.topics import topics
from dashboard.view import Filter, entries, flow, nothing, older, overview
from dashboard.words import instant
from hub.errors import HubbubError, UnknownInstance
from hub.topic import INBOX


class Drawn(NamedTuple):
    """What a template is filled with. `about` is the hub's part of the shell, None to ask for it; `state` is for the
    page's script, beside what the shell gives it."""

    values: dict[str, Any]
    about: dict[str, Any] | None = None
    state: dict[str, Any] | None = None
    status: int = 200
    template: str | None = None  # in the place of the view's own


Draw: TypeAlias = Callable[[Source, Request], Awaitable[Drawn]]


class View(NamedTuple):
    """`past`: the page shows an earlier moment too, which its address names as `at`."""

    path: str
    template: str
    draw: Draw
    past: bool = False


def plain(value: Any) -> Any:
    """A value of the hub's as JSON would carry it: the page sees what the browser will."""
    return msgspec.json.decode(msgspec.json.encode(value))


async def _overview(source: Source, request: Request) -> Drawn:
    chosen = Filter.of(request.query_params)
    if chosen.at:
        return await _then(source, request)
    told = plain(await source.snapshot())
    hour = plain(await source.pulse())
    held = entries(told.pop("recent"))
    return Drawn(
        {
            "view": overview(told, chosen),
            "flow": flow(held, chosen, now=instant(told["at"])),
            "nothing": nothing(held, chosen),
            "older": older(held, told),
            "pulse": pulse(hour),
            "scripted": True,
        },
        about={**told["hub"], "at": told["at"]},
        state={"snapshot": told, "entries": held, "pulse": hour},
    )


async def _instance(source: Source, request: Request) -> Drawn:
    name, hours = request.path_params["name"], hours_of(request.query_params)
    about = plain(await source.about())
    try:
        told = plain(await source.instance(name))
        queue = plain(await source.queue(name, PEEK))
        activity = plain(await source.activity(name, hours))
        replies = plain(await source.replies(name))
    except UnknownInstance as why:
        return await _awaited(source, name, about) or _missing(why, "hubbub ls", about)
    except HubbubError as why:
        return _missing(why, "hubbub ls", about)
    return Drawn({"view": instance_page(told, queue, activity, replies, about["head"], hours=hours)}, about)


async def _awaited(source: Source, name: str, about: dict[str, Any]) -> Drawn | None:
    """What was sent to a name that nobody has, if anything was."""
    found = plain(await source.history(topic=INBOX + name.lower(), limit=PEEK))
    if not found["messages"]:
        return None
    return Drawn({"view": awaited(name, found, now=instant(about["at"]))}, about, template="awaited.html")


async def _topics(source: Source, request: Request) -> Drawn:
    about = plain(await source.about())
    return Drawn({"view": topics(plain(await source.topics()))}, about)


async def _search(source: Source, request: Request) -> Drawn:
    asked = Asked.of(request.query_params)
    about, names = plain(await source.about()), await source.names()
    now = instant(about["at"])
    try:
        found = plain(await source.history(**asked.wanted(now / 1000))) if asked.anything else None
    except HubbubError as why:
        page = results(asked, None, about, names, now=now, refused=why.message, hint=why.hint or "")
    except ValueError as why:
        page = results(asked, None, about, names, now=now, refused=str(why))
    else:
        page = results(asked, found, about, names, now=now)
    return Drawn({"view": page}, about)


async def _message(source: Source, request: Request) -> Drawn:
    about = plain(await source.about())
    try:
        told = plain(await source.message(request.path_params["id"]))
    except HubbubError as why:
        return _missing(why, "hubbub history", about)
    before, after = await _around(source, told["message"])
    read_as = request.query_params.get("as", "")
    # Markdown takes its time with some texts, and the hub has others to serve.
    page = await to_thread(message_page, told, before, after, now=instant(about["at"]), read_as=read_as)
    return Drawn({"view": page}, about)


async def _around(source: Source, message: dict[str, Any]) -> tuple[Any, Any]:
    """What was said around a message: in its thread; where it is in none, what it answers and who answered it."""
    thread, offset = message["thread"], message["offset"]
    if thread is not None:
        before = plain(await source.history(thread=thread, before=offset, limit=AROUND))
        return before, plain(await source.history(thread=thread, after=offset, limit=AROUND))
    before = {"messages": [], "more": False}
    if message["reply_to"] is not None:
        with suppress(HubbubError):  # it may be older than what is kept
            before["messages"] = [plain(await source.message(message["reply_to"]))["message"]]
    return before, plain(await source.history(reply_to=message["id"], after=offset, limit=AROUND))


def _missing(why: HubbubError, command: str, about: dict[str, Any]) -> Drawn:
    values = {"text": why.message, "hint": why.hint or "", "command": command}
    return Drawn(values, about, status=why.status, template="missing.html")


async def _then(source: Source, request: Request) -> Drawn:
    """The overview as it was: the scrubber, which stands above it, says when."""
    chosen = Filter.of(request.query_params)
    told, about = plain(await source.snapshot()), plain(await source.about())
    told["hub"]["notices"] = about.get("notices", [])
    held = entries(told.pop("recent"))
    return Drawn(
        {
            "view": overview(told, chosen),
            "flow": flow(held, chosen, now=instant(told["at"])),
            "nothing": nothing(held, chosen),
            "older": False,
            "pulse": None,  # the last hour is the present's
            "scripted": False,  # each moment is the server's drawing, whole
        },
        about,
        template="time.html",
    )


async def _health(source: Source, request: Request) -> Drawn:
    return Drawn({"view": health(plain(await source.health()))})


async def _cost(source: Source, request: Request) -> Drawn:
    about = plain(await source.about())
    return Drawn({"view": cost(plain(await source.cost()))}, about)


async def _conversation(source: Source, request: Request) -> Drawn:
    about = plain(await source.about())
    place = Place.of(request.query_params)
    now = instant(about["at"])
    try:
        told = plain(await source.conversation(**place.wanted))
    except HubbubError as why:  # a name or a topic that there cannot be
        refused = conversation(NOTHING, place, now=now, refused=why.message, hint=why.hint or "")
        return Drawn({"view": refused}, about, status=why.status)
    return Drawn({"view": conversation(told, place, now=now)}, about, state={"talk": told})


async def _part(source: Source, request: Request) -> Drawn:
    told = plain(await source.snapshot())
    return Drawn({"view": part(told, request.query_params)}, about={**told["hub"], "at": told["at"]})


VIEWS: tuple[View, ...] = (
    View("/", "overview.html", _overview, past=True),
    View("/conversation", "conversation.html", _conversation, past=True),
    View("/instances/{name}", "instance.html", _instance, past=True),
    View("/topics", "topics.html", _topics, past=True),
    View("/search", "search.html", _search, past=True),
    View("/messages/{id:path}", "message.html", _message, past=True),
    View("/time", "time.html", _then, past=True),
    View("/part", "part.html", _part),
    View("/health", "health.html", _health),
    View("/cost", "cost.html", _cost, past=True),
)
