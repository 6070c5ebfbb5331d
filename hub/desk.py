"""The routes by which a person takes part: docs/taking-part.md, and docs/http.md for each.

What a person decides needs the scope `admin`, or the owner's signed-in browser. The page's forms go to `/part`, which
does the same and works without a script: it answers a browser by sending it back to the page it came from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hub import frames, inquiry
from hub.api import answering, json_response, read_body, read_bytes
from hub.errors import BadValue
from hub.node import Node
from hub.refusal import wants_page
from hub.tokens import Identity

PERSON = "hubbub_person"  # the cookie in which a browser keeps under which name its person writes; it opens nothing
YEAR = 365 * 86_400


class ByBody(msgspec.Struct, kw_only=True):
    """`by` is the name of the person who decides, as the log shall tell it."""

    by: str | None = None


class ReleaseBody(ByBody, kw_only=True):
    body: str | None = None


class HoldBody(ByBody, kw_only=True):
    queue: str
    reason: str | None = None


class PauseBody(ByBody, kw_only=True):
    reason: str | None = None


class ResumeBody(ByBody, kw_only=True):
    drop: bool = False


class PurgeBody(ByBody, kw_only=True):
    confirm: str


class Desk:
    """The routes. `identify` says who asks."""

    def __init__(self, node: Node, *, identify: Callable[[Request], Identity], max_frame: int) -> None:
        self._node = node
        self._identify = identify
        self._max_frame = max_frame

    def routes(self) -> list[Route]:
        """To be mounted beside the Api's."""
        return [
            Route("/held", answering(self.held), methods=["GET"]),
            Route("/held/{offset:int}", answering(self.drop), methods=["DELETE"]),
            Route("/held/{offset:int}/release", answering(self.release), methods=["POST"]),
            Route("/holds", answering(self.hold), methods=["POST"]),
            Route("/holds", answering(self.unhold), methods=["DELETE"]),
            Route("/instances/{name}/pause", answering(self.pause), methods=["POST"]),
            Route("/instances/{name}/resume", answering(self.resume), methods=["POST"]),
            Route("/instances/{name}/purge", answering(self.purge), methods=["POST"]),
        ]

    def forms(self) -> list[Route]:
        """To be mounted beside the pages."""
        return [Route("/part", answering(self.part), methods=["POST"])]

    # The API

    async def held(self, request: Request) -> Response:
        self._identify(request).require("observe")
        return json_response({"held": inquiry.held(self._node), **inquiry.stopped(self._node)})

    async def release(self, request: Request) -> Response:
        body = await self._read(request, ReleaseBody)
        by = self._by(request, body.by)
        return json_response(await self._release(request.path_params["offset"], by, body.body))

    async def drop(self, request: Request) -> Response:
        by = self._by(request, request.query_params.get("by"))
        return json_response(await self._drop(request.path_params["offset"], by))

    async def hold(self, request: Request) -> Response:
        body = await self._read(request, HoldBody)
        return json_response(await self._hold(body.queue, self._by(request, body.by), body.reason), 201)

    async def unhold(self, request: Request) -> Response:
        query = request.query_params
        by = self._by(request, query.get("by"))
        if "queue" not in query:
            raise BadValue("Which queue? Name it in the query.", "DELETE /api/v1/holds?queue=NAME")
        return json_response(await self._unhold(query["queue"], by, drop=query.get("drop") in ("1", "true")))

    async def pause(self, request: Request) -> Response:
        body = await self._read(request, PauseBody)
        return json_response(await self._pause(request.path_params["name"], self._by(request, body.by), body.reason))

    async def resume(self, request: Request) -> Response:
        body = await self._read(request, ResumeBody)
        by = self._by(request, body.by)
        return json_response(await self._resume(request.path_params["name"], by, drop=body.drop))

    async def purge(self, request: Request) -> Response:
        body = await self._read(request, PurgeBody)
        by = self._by(request, body.by)
        return json_response(await self._purge(request.path_params["name"], by, body.confirm))

    # The page's forms

    async def part(self, request: Request) -> Response:
        """One of the page's forms: `do` says which, `as` under which name the person writes and decides."""
        form = await self._form(request)
        person = form.get("as") or None
        by = self._by(request, person)
        done = await self._do(form, by)
        if not wants_page(request.scope):
            answer = json_response(done)
        else:
            back = form.get("back", "/")
            answer = RedirectResponse(back if _is_here(back) else "/", 303, {"Cache-Control": "no-store"})
        if person is not None:
            answer.set_cookie(PERSON, person, max_age=YEAR, path="/", httponly=True, samesite="strict")
        return answer

    async def _do(self, form: dict[str, str], by: str | None) -> dict[str, Any]:
        match form.get("do"):
            case "say":
                return await self._say(form, by)
            case "hold":
                return await self._hold(_of(form, "queue"), by, form.get("reason") or None)
            case "unhold":
                return await self._unhold(_of(form, "queue"), by, drop=bool(form.get("drop")))
            case "release":
                return await self._release(_offset(form), by, form.get("body"))
            case "drop":
                return await self._drop(_offset(form), by)
            case "pause":
                return await self._pause(_of(form, "name"), by, form.get("reason") or None)
            case "resume":
                return await self._resume(_of(form, "name"), by, drop=bool(form.get("drop")))
            case "purge":
                return await self._purge(_of(form, "name"), by, _of(form, "confirm"))
            case other:
                raise BadValue(f"There is nothing called {str(other)[:40]!r} to do here.", "Load the page again.")

    async def _form(self, request: Request) -> dict[str, str]:
        """A form's fields, as `application/x-www-form-urlencoded`; line ends are what they were in the field."""
        raw = await read_bytes(request, 3 * self._max_frame)  # a byte of the text may be three of the form
        try:
            fields = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=20)
        except ValueError:
            raise BadValue("The form does not fit.", "Load the page again.") from None
        return {name: value.replace("\r\n", "\n") for name, value in fields}

    # What is done

    async def _say(self, form: dict[str, str], by: str | None) -> dict[str, Any]:
        if by is None:
            raise BadValue("Under which name? A person writes under a name of their own.", 'Fill in "as".')
        said = frames.Publish(
            to=_of(form, "to"),
            body=_of(form, "body"),
            thread=form.get("thread") or None,
            reply_to=form.get("reply_to") or None,
            id=form.get("id") or None,
        )
        sender = await self._node.register(by, human=True)
        await self._node.journal.room()
        published = await self._node.publish(sender, said)
        parts = ("id", "offset", "to", "recipients", "hint")
        return {part: getattr(published, part) for part in parts}

    async def _hold(self, queue: str, by: str | None, reason: str | None) -> dict[str, Any]:
        await self._node.hold(queue, by, reason)
        return {"held": self._node.hub.holds.queue(queue)[1]}

    async def _unhold(self, queue: str, by: str | None, *, drop: bool) -> dict[str, Any]:
        ending = await self._node.unhold(queue, by, drop=drop)
        return {"released": ending.released, "dropped": ending.dropped}

    async def _release(self, offset: int, by: str | None, body: str | None) -> dict[str, Any]:
        message = await self._node.release(offset, by, body)
        return {"id": message.id, "offset": message.offset}

    async def _drop(self, offset: int, by: str | None) -> dict[str, Any]:
        await self._node.drop(offset, by)
        return {"dropped": offset}

    async def _pause(self, name: str, by: str | None, reason: str | None) -> dict[str, Any]:
        instance = self._node.hub.instance(name)
        await self._node.pause(instance, by, reason)
        return {"paused": instance.name}

    async def _resume(self, name: str, by: str | None, *, drop: bool) -> dict[str, Any]:
        ending = await self._node.resume(self._node.hub.instance(name), by, drop=drop)
        return {"released": ending.released, "dropped": ending.dropped}

    async def _purge(self, name: str, by: str | None, confirm: str) -> dict[str, Any]:
        instance = self._node.hub.instance(name)
        if confirm != instance.name:
            raise BadValue(
                f"Nothing was purged: that needs the name {instance.name}, typed as it is written here.",
                f"hubbub purge {instance.name} asks for it.",
            )
        messages = await inquiry.unread_of(self._node, instance)
        read = await self._node.purge(instance, by, messages=messages)
        return {"purged": messages, "read": read}

    # Inside

    def _by(self, request: Request, given: str | None) -> str | None:
        """Who decides, as the log shall tell it: whose token it is, or the name given. Raises Forbidden, BadName."""
        identity = self._identify(request)
        identity.require_person()
        if given is not None:
            identity.may_act_as(given)
        return identity.grant.name or given

    async def _read(self, request: Request, kind: type[Any]) -> Any:
        return await read_body(request, kind, self._max_frame)


def _of(form: dict[str, str], field: str) -> str:
    found = form.get(field, "")
    if not found.strip():
        raise BadValue(f"The field {field!r} is empty.", "Fill it in.")
    return found


def _offset(form: dict[str, str]) -> int:
    text = form.get("offset", "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadValue("Which message? Its offset is missing.", "Load the page again.")
    return int(text)


def _is_here(path: str) -> bool:
    """Whether a path is one of this hub's pages: a browser takes `//host` and `/\\host` for other sites."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
