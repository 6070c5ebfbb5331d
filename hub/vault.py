"""What only an owner asks for over HTTP: links that sign a browser in, and tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub import frames, signin
from hub.api import answering, json_response, read_body
from hub.door import Door
from hub.errors import BadValue
from hub.request import origin
from hub.tokens import Grant

MAX_BODY = 64 * 1024  # bytes


class TokenBody(msgspec.Struct, kw_only=True):
    """A token to be made; `expires_in` is in seconds."""

    scopes: list[str]
    name: str | None = None
    expires_in: float | None = None
    note: str | None = None


class Vault:
    """The routes `/links` and `/tokens`."""

    def __init__(self, door: Door, links: signin.Links, facts: Callable[[], dict[str, Any]]) -> None:
        self._door = door
        self._links = links
        self._facts = facts

    def routes(self) -> list[Route]:
        """To be mounted beside the Api's."""
        return [
            Route("/links", answering(self.link), methods=["POST"]),
            Route("/tokens", answering(self.tokens), methods=["GET"]),
            Route("/tokens", answering(self.issue), methods=["POST"]),
            Route("/tokens/rotate", answering(self.rotate), methods=["POST"]),
            Route("/tokens/{id}", answering(self.revoke), methods=["DELETE"]),
        ]

    async def link(self, request: Request) -> Response:
        self._door.identify(request.scope).require_owner()
        return json_response({"url": self.new_link(), "expires_in": int(signin.LIFETIME)}, 201)

    def new_link(self) -> str:
        """A link that signs one browser in, once."""
        return f"{origin(self._facts()['url']).http}/open?code={self._links.make(self._door.clock())}"

    async def tokens(self, request: Request) -> Response:
        self._door.identify(request.scope).require("admin")
        return json_response({"tokens": [_shown(grant) for grant in self._door.keyring.grants()]})

    async def issue(self, request: Request) -> Response:
        body = await read_body(request, TokenBody, MAX_BODY)
        now = self._door.clock()
        if body.expires_in is not None and not body.expires_in > 0:
            raise BadValue("expires_in is a number of seconds above 0.")
        issued = await self._door.keyring.issue(
            self._door.identify(request.scope),
            scopes=body.scopes,
            name=body.name,
            expires_at=now + body.expires_in if body.expires_in is not None else None,
            note=body.note,
            now=now,
        )
        return json_response({**_shown(issued.grant), "token": issued.secret}, 201)

    async def rotate(self, request: Request) -> Response:
        token = self._door.keyring.rotate(self._door.identify(request.scope))
        return json_response({"token": token})

    async def revoke(self, request: Request) -> Response:
        await self._door.keyring.revoke(self._door.identify(request.scope), request.path_params["id"])
        return json_response({"revoked": request.path_params["id"]})


def _shown(grant: Grant) -> dict[str, Any]:
    def when(at: float | None) -> Any:
        return frames.moment(at) if at is not None else None

    return {
        "id": grant.id,
        "name": grant.name,
        "scopes": sorted(grant.scopes),
        "created_at": when(grant.created_at),
        "expires_at": when(grant.expires_at),
        "last_used": when(grant.last_used),
        "note": grant.note,
    }
