"""The dashboard's routes and pages. Every page is right before any script runs, and is of the moment it was asked for.

The hub hands in what it knows and decides who may see it; this module knows neither cookies nor tokens.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode
from uuid import uuid4

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from dashboard.assets import TEMPLATES, Assets
from dashboard.commands import commands
from dashboard.moment import Here, stay
from dashboard.part import hands
from dashboard.shell import shell
from dashboard.source import Source
from dashboard.timeline import SPEEDS, Scrubber, scrubber
from dashboard.views import VIEWS, View, plain
from dashboard.words import HUES, visible
from hub.errors import HubbubError

_OWN_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
PERSON = "hubbub_person"  # the cookie that POST /part leaves: under which name this browser's person writes
_YEAR = 365 * 24 * 3600
# A page is a tenth as long when it is packed, which on a telephone is a second. How long it is then can tell no other
# site what is in it: the cookie is SameSite=Strict, so no other site can have it fetched.
_PACKED = Middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)

_assets = Assets()
_templates = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["commands"] = commands
_templates.globals.update(asset=_assets.url, modules=_assets.modules, hues=HUES, speeds=SPEEDS)


def routes(source: Source, *, may_see: Callable[[Request], bool]) -> list[Route]:
    """Every page, and `/static/…`.

    `may_see` says whether who asks has the right to observe; if not, each page is the locked one. Files are
    everybody's: they tell nothing of the hub.
    """
    return [
        *(
            Route(view.path, _page(view, source, may_see), methods=["GET"], name=view.template, middleware=[_PACKED])
            for view in VIEWS
        ),
        Route("/static/{path:path}", _static, methods=["GET"], name="static", middleware=[_PACKED]),
    ]


def locked_page() -> HTMLResponse:
    """401: who asks has not signed in. Says how, and nothing of the hub."""
    return _notice(
        401,
        "This page is locked",
        "What agents say to one another is shown only to whoever may read the hub’s token. "
        "A fresh link signs this browser in:",
        "hubbub open",
    )


def link_expired_page() -> HTMLResponse:
    """410: the one-time link was used before, or its time is over."""
    return _notice(
        410,
        "This link is used up",
        "A sign-in link works once and only for a short time. A fresh one:",
        "hubbub open",
    )


def not_found_page() -> HTMLResponse:
    """404."""
    return _notice(404, "There is no such page", "To sign a browser in and open it:", "hubbub open", lead=True)


def page_headers(host: str = "") -> dict[str, str]:
    """The headers of every page: nothing runs, loads, frames or is kept that the hub does not serve itself.

    `host` is the request's; where it is given, the page may open a WebSocket to it. Not all browsers take 'self' in
    connect-src for that. (https://www.w3.org/TR/CSP3/#match-url-to-source-expression)
    """
    own = f" ws://{host} wss://{host}" if _OWN_HOST.fullmatch(host) else ""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": f"'self'{own}",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{key} {value}" for key, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cache-Control": "no-store",
    }


def _page(view: View, source: Source, may_see: Callable[[Request], bool]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if not may_see(request):
            return locked_page()
        then = await _then(view, source, request)
        drawn = await view.draw(then.source, then.request)
        about = drawn.about if drawn.about is not None else plain(await then.source.about())
        around = shell(about, request.url.path)
        template = _templates.get_template(drawn.template or view.template)
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        part = hands(request.cookies.get(PERSON), back, str(uuid4()))
        html = template.render(
            drawn.values,
            shell=around,
            part=part,
            then=then,
            earlier=_earlier(view, then, about["head"]),
            state=_script_data(around.state | (drawn.state or {})),
        )
        if then.past:
            html = stay(html, then.at)
        # That something was not there yet is what there is to say of a moment, and no fault of whoever steps there.
        status = then.status or (200 if then.past else drawn.status)
        return HTMLResponse(html, status, headers=page_headers(request.headers.get("host", "")))

    return answer


def _earlier(view: View, then: Then, head: int) -> str:
    """Where a live page leads to its own past; the overview's has its place in the masthead."""
    return then.here.at(str(head)) if view.past and view.path != "/" and head and then.scrubber is None else ""


class Then(NamedTuple):
    """Which moment a page shows, and who answers for it. `scrubber` is None where the page has none.

    `trouble` is why the moment that was asked for cannot be shown: then it is the present. `only_now`: the address
    names a moment, and the page knows only the present.
    """

    source: Source
    request: Request
    here: Here
    at: str = ""
    scrubber: Scrubber | None = None
    trouble: str = ""
    status: int | None = None
    only_now: bool = False

    @property
    def past(self) -> bool:
        return self.scrubber is not None and not self.scrubber.live


async def _then(view: View, source: Source, request: Request) -> Then:
    here = Here.of(quote(request.url.path), request.query_params.multi_items())
    at = request.query_params.get("at", "").strip()
    if not view.past:
        return Then(source, request, here, only_now=bool(at))
    if not at and view.path != "/time":
        return Then(source, request, here)
    status, trouble = None, ""
    try:
        scene, line = await source.at(at or None), await source.timeline(at or None)
    except HubbubError as why:
        status, trouble = why.status, visible(str(why))
        at, scene, line = "", source, await source.timeline()
        request = Request({**request.scope, "query_string": urlencode(here.query).encode()}, request.receive)
    past = plain(await scene.about()).get("past")
    drawn = scrubber(plain(line), past, here.at)
    return Then(scene, request, here, at, drawn, trouble, status)


def _notice(status: int, title: str, text: str, command: str, *, lead: bool = False) -> HTMLResponse:
    """`lead`: with a link to the overview."""
    html = _templates.get_template("notice.html").render(title=title, text=text, command=command, lead=lead)
    return HTMLResponse(html, status_code=status, headers=page_headers())


def _script_data(value: Any) -> Markup:
    """JSON that can stand in a script element: no `<` in it, so nothing can end the element or begin a comment."""
    text = msgspec.json.encode(value).decode()
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704  # escaped here


async def _static(request: Request) -> Response:
    found = _assets.find(request.path_params["path"])
    if found is None:
        return Response("There is no such file.\n", status_code=404, media_type="text/plain")
    asset, hashed = found
    headers = {
        "Cache-Control": f"public, max-age={_YEAR}, immutable" if hashed else "no-cache",
        "ETag": asset.etag,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)
