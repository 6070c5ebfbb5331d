"""Signing a browser in by a link that works once, so that nobody types a token into a page.

`hubbub open` asks for a link with the owner's token. Whoever opens the link first is signed in, by a cookie. The code
stands in the URL, and so in the browser's history: that is why it is void once used, and soon anyway.

The answer to the link is a page that goes on to the dashboard by itself, not a redirect: where the link stood on
another site's page, browsers count a redirect as that site's still, and do not send a SameSite=Strict cookie with it.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.door import KEY, Door
from hub.errors import HubbubError, Unauthorized
from hub.origins import Scope, headers
from hub.refusal import Answer, answer, page, response, wants_page

LIFETIME = 600.0  # seconds
MOST = 64  # links not used yet
DASHBOARD = "/"


class Links:
    """The links that are good now. In memory: a restart voids them. Times are seconds of any one clock, passed in."""

    def __init__(self) -> None:
        self._open: OrderedDict[bytes, float] = OrderedDict()  # hash of the code -> when it ends

    def make(self, now: float) -> str:
        """A code of 256 random bits, good once within 10 minutes. Beyond 64 the oldest is void."""
        code = secrets.token_urlsafe(32)
        self._open[_hash(code)] = now + LIFETIME
        while len(self._open) > MOST:
            self._open.popitem(last=False)
        return code

    def redeem(self, code: str, now: float) -> None:
        """Use a code up. Raises Unauthorized if it is unknown, used, or too old: which one is not said."""
        ends = self._open.pop(_hash(code), None)  # one step, so that of two who come at once one gets it
        if ends is None or ends <= now:
            raise Unauthorized(
                "This link was used already, or is older than 10 minutes, or is another hub's.",
                "hubbub open makes a fresh one.",
            )


def routes(links: Links, used_up: Callable[[], Response] | None = None) -> list[Route]:
    """`/open?code=` and `/signout`, for an app behind the guard. `used_up` makes the page for a link that is void."""

    async def open_link(request: Request) -> Response:
        try:
            return response(_open(links, request))
        except Unauthorized as why:
            if request.method == "GET" and wants_page(request.scope) and used_up is not None:
                return used_up()
            return response(answer(request.scope, why))
        except HubbubError as why:
            return response(answer(request.scope, why))

    async def sign_out(request: Request) -> Response:
        return response(_sign_out(request))

    return [
        Route("/open", open_link, methods=["GET"], name="open"),
        Route("/signout", sign_out, methods=["POST"], name="signout"),
    ]


def _open(links: Links, request: Request) -> Answer:
    scope, door = request.scope, _door(request.scope)
    if request.method == "HEAD" or any("prefetch" in value for value in headers(scope, b"sec-purpose")):
        # A look ahead must not use up what its user is about to open.
        return page(503, "Not yet", "This link signs in whoever opens it; it was only looked at.")
    now = door.clock()
    try:
        links.redeem(request.query_params.get("code", ""), now)
    except Unauthorized as why:
        if _is_signed_in(scope, door, now):  # who opens the same link again wants to see the page
            return page(200, "Signed in", "This browser is signed in already.", then=DASHBOARD)
        door.refused[why.code] += 1
        door.count_wrong(scope)
        raise
    return page(
        200,
        "Signed in",
        "This browser is signed in for 30 days.",
        headers=[(b"set-cookie", door.cookies.sign_in(scope, now).encode("ascii"))],
        then=DASHBOARD,
    )


def _is_signed_in(scope: Scope, door: Door, now: float) -> bool:
    try:
        return door.cookies.find(scope, now) is not None
    except HubbubError:
        return False


def _sign_out(request: Request) -> Answer:
    cookie = _door(request.scope).cookies.sign_out(request.scope)
    return page(
        200,
        "Signed out",
        "This browser is signed out.",
        "hubbub open signs it in again; hubbub token rotate signs all browsers out.",
        headers=[(b"set-cookie", cookie.encode("ascii"))],
    )


def _door(scope: Scope) -> Door:
    door: Door = scope[KEY]
    return door


def _hash(code: str) -> bytes:
    return sha256(code.encode("utf-8", "surrogatepass")).digest()
