"""Every page but the notices: its address, its template, and what is asked of the hub to fill it.

A view's function is given the source and the request, and returns the template's values; `about` among them saves the
shell a question. What is drawn is decided in the view's own pure module. One line in VIEWS makes a page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias

import msgspec
from starlette.requests import Request

from dashboard.conversation import NOTHING, Place, conversation
from dashboard.cost import cost
from dashboard.health import health
from dashboard.pulse import pulse
from dashboard.source import Source
from dashboard.view import Filter, entries, flow, nothing, older, overview
from dashboard.words import instant
from hub.errors import HubbubError


class Drawn(NamedTuple):
    """What a template is filled with. `about` is the hub's part of the shell, None to ask for it; `state` is for the
    page's script, beside what the shell gives it."""

    values: dict[str, Any]
    about: dict[str, Any] | None = None
    state: dict[str, Any] | None = None
    status: int = 200


Draw: TypeAlias = Callable[[Source, Request], Awaitable[Drawn]]


class View(NamedTuple):
    path: str
    template: str
    draw: Draw


def plain(value: Any) -> Any:
    """A value of the hub's as JSON would carry it: the page sees what the browser will."""
    return msgspec.json.decode(msgspec.json.encode(value))


async def _overview(source: Source, request: Request) -> Drawn:
    told = plain(await source.snapshot())
    hour = plain(await source.pulse())
    chosen = Filter.of(request.query_params)
    held = entries(told.pop("recent"))
    return Drawn(
        {
            "view": overview(told, chosen),
            "flow": flow(held, chosen, now=instant(told["at"])),
            "nothing": nothing(held, chosen),
            "older": older(held, told),
            "pulse": pulse(hour),
        },
        about={**told["hub"], "at": told["at"]},
        state={"snapshot": told, "entries": held, "pulse": hour},
    )


async def _health(source: Source, request: Request) -> Drawn:
    return Drawn({"view": health(plain(await source.health()))})


async def _cost(source: Source, request: Request) -> Drawn:
    return Drawn({"view": cost(plain(await source.cost()))})


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


VIEWS: tuple[View, ...] = (
    View("/", "overview.html", _overview),
    View("/conversation", "conversation.html", _conversation),
    View("/health", "health.html", _health),
    View("/cost", "cost.html", _cost),
)
