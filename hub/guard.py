"""The guard before the app: no request that is not meant for this hub, or that another site's page makes, gets past."""

from __future__ import annotations

from hub.door import KEY, Door
from hub.errors import HubbubError
from hub.origins import Own, Scope
from hub.refusal import App, Event, Receive, Send, refuse

# On every response that does not say otherwise: no guessing of types, no frames, no use by other sites' pages.
_HARDENED = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"same-origin"),  # under no-referrer a browser says `Origin: null` of its own forms
)


class Guard:
    """ASGI middleware, and the outermost: checks Host and Origin of every request, leaves `door` in the scope for
    `hub.door.identify`. It asks nobody for a token: what needs one is for each route to say."""

    def __init__(self, app: App, own: Own, door: Door) -> None:
        self.app = app
        self.own = own
        self.door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        try:
            self.own.check(scope)
        except HubbubError as why:
            self.door.refused[why.code] += 1
            await refuse(scope, receive, send, why)
            return
        scope[KEY] = self.door

        async def hardened(event: Event) -> None:
            if event["type"] == "http.response.start":
                had = {name.lower() for name, _ in event.get("headers", ())}
                event["headers"] = [*event.get("headers", ()), *(each for each in _HARDENED if each[0] not in had)]
            await send(event)

        await self.app(scope, receive, hardened if scope["type"] == "http" else send)
