"""What somebody is told who was refused: JSON for a program, a small page for a person in a browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from html import escape
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias

import msgspec
from starlette.responses import Response

from hub.errors import HubbubError
from hub.origins import Scope, headers

Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

RETRY_AFTER = b"2"  # seconds after which whoever was told "not now" may ask again (RFC 9110, 10.2.3)


class Answer(NamedTuple):
    """A whole HTTP response."""

    status: int
    headers: Headers
    body: bytes


def wants_page(scope: Scope) -> bool:
    """Whether a person in a browser asks, rather than a program."""
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD", "POST")
        and any("text/html" in value for value in headers(scope, b"accept"))
    )


def answer(scope: Scope, error: HubbubError) -> Answer:
    """The response to a request that ended in `error`: its status, and `{"code", "message", "hint"}` or a page."""
    more: Headers = []
    if error.status == HTTPStatus.UNAUTHORIZED:
        more.append((b"www-authenticate", b'Bearer realm="hubbub"'))
    elif error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        more.append((b"retry-after", RETRY_AFTER))
    if wants_page(scope):
        return page(error.status, HTTPStatus(error.status).phrase, error.message, error.hint, headers=more)
    told = {"code": error.code, "message": error.message, "hint": error.hint}
    return _answer(error.status, b"application/json", msgspec.json.encode(told), more)


def page(
    status: int,
    title: str,
    text: str,
    hint: str | None = None,
    *,
    headers: Headers | None = None,
    then: str | None = None,
) -> Answer:
    """A page of plain text, without script or style. With `then`, the browser goes on to that path at once."""
    parts = [
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">\n<meta name="color-scheme" content="light dark">',
        f'<meta http-equiv="refresh" content="0;url={escape(then)}">' if then else "",
        f"<title>Hubbub: {escape(title)}</title>\n<h1>{escape(title)}</h1>\n<p>{escape(text)}</p>",
        f"<p>{escape(hint)}</p>" if hint else "",
        f'<p><a href="{escape(then)}">Go on</a></p>' if then else "",
    ]
    policy = (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
    body = "\n".join(filter(None, parts)).encode() + b"\n"
    return _answer(status, b"text/html; charset=utf-8", body, [policy, *(headers or [])])


async def give(scope: Scope, receive: Receive, send: Send, response: Answer) -> None:
    """Send a whole response to an HTTP request, or to a WebSocket handshake in the place of accepting it."""
    kind = "http"
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008})  # the server makes a bare 403 of it
            return
        kind = "websocket.http"
    await send({"type": f"{kind}.response.start", "status": response.status, "headers": response.headers})
    body = b"" if scope.get("method") == "HEAD" else response.body
    await send({"type": f"{kind}.response.body", "body": body})


def response(told: Answer) -> Response:
    """The same for a Starlette route."""
    made = Response(told.body, told.status)
    made.raw_headers = told.headers
    return made


async def refuse(scope: Scope, receive: Receive, send: Send, error: HubbubError) -> None:
    """Answer a request with the error it ended in."""
    await give(scope, receive, send, answer(scope, error))


def _answer(status: int, kind: bytes, body: bytes, more: Headers) -> Answer:
    length = str(len(body)).encode()
    head = [(b"content-type", kind), (b"content-length", length), (b"cache-control", b"no-store"), *more]
    return Answer(status, head, body)
