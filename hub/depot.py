"""The routes by which messages come in bulk, leave in bulk and are removed: `/import`, `/export`, `/trim`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub import export, frames, intake
from hub.ahead import ahead
from hub.api import answering, json_response, moment, number, read_body
from hub.errors import BadValue
from hub.node import Node
from hub.past import Pasts
from hub.tables import SessionRow
from hub.tokens import Identity

MAX_ITEMS = 1000  # messages, names or sessions in one request


class ImportBody(msgspec.Struct, kw_only=True):
    names: list[intake.Who] = []
    messages: list[intake.Item] = []
    sessions: list[intake.OldSession] = []


class TrimBody(msgspec.Struct, kw_only=True):
    """`older_than` is in seconds; without it, what the settings say."""

    older_than: float | None = None


class Depot:
    """The routes. `identify` says who asks; `adopt` keeps a session of the old protocol."""

    def __init__(
        self,
        node: Node,
        *,
        identify: Callable[[Request], Identity],
        adopt: Callable[[SessionRow], Awaitable[None]],
        max_frame: int,
        pasts: Pasts,
    ) -> None:
        self._node = node
        self._pasts = pasts
        self._identify = identify
        self._max_frame = max_frame
        self._intake = intake.Intake(node, adopt)

    def routes(self) -> list[Route]:
        """To be mounted beside the Api's."""
        return [
            Route("/import", answering(self.terms), methods=["GET"]),
            Route("/import", answering(self.take), methods=["POST"]),
            Route("/export", answering(self.give), methods=["GET"]),
            Route("/trim", answering(self.ahead), methods=["GET"]),
            Route("/trim", answering(self.trim), methods=["POST"]),
        ]

    async def terms(self, request: Request) -> Response:
        self._identify(request).require_owner()
        return json_response(
            {
                "max_items": MAX_ITEMS,
                "max_bytes": self._max_frame,
                "max_body": self._node.hub.limits.max_body,
                "retention_age": self._node.retention.age,
            }
        )

    async def take(self, request: Request) -> Response:
        # It writes in anybody's name and hands on sessions: the owner's rights, and no less.
        self._identify(request).require_owner()
        body = await read_body(request, ImportBody, self._max_frame)
        if max(len(body.names), len(body.messages), len(body.sessions)) > MAX_ITEMS:
            raise BadValue(f"At most {MAX_ITEMS:,} of a kind are taken in one request.", "Send them in parts.")
        told = await self._intake.take(body.names, body.messages, body.sessions)
        left = [{"what": each.what, "code": each.code, "why": each.why} for each in told.left]
        return json_response({**structs.asdict(told), "left": left})

    async def give(self, request: Request) -> Response:
        self._identify(request).require("observe")
        query, node = request.query_params, self._node
        after = number(query.get("after"), "after", 0, 2**63 - 1, 0)
        upto = number(query.get("upto"), "upto", 0, 2**63 - 1, node.hub.head)
        wanted = export.Wanted(
            thread=query.get("thread"),
            with_=node.hub.instance(query["with"]) if "with" in query else None,
            since=moment(query.get("since"), "since"),
            until=moment(query.get("until"), "until"),
        )
        wanted.facts = query.get("facts") in ("1", "true")
        if wanted.facts and any(key in query for key in ("thread", "with", "since", "until")):
            raise BadValue("What the hub told is exported of the whole log only.", "Leave out facts, or what narrows.")
        lines, following = await export.page(node, after, upto, wanted)
        heading = export.heading(node) if after == 0 else None
        told: list[Any] = list(lines)
        if wanted.facts:
            heading = heading and {**heading, **await self._pasts.base()}
            told = await self._pasts.with_notes(lines, after, upto if following is None else following)
        return json_response({"heading": heading, "lines": told, "next": following})

    async def ahead(self, request: Request) -> Response:
        self._identify(request).require("observe")
        query = request.query_params
        older_than = None if "older_than" not in query else _seconds(query["older_than"], "older_than")
        return json_response(await self._outlook(older_than, _seconds(query.get("within", "0"), "within")))

    async def trim(self, request: Request) -> Response:
        self._identify(request).require("admin")
        body = await read_body(request, TrimBody, self._max_frame)
        messages, size = await self._node.trim(self._rule(body.older_than))
        return json_response({"removed": messages, "bytes": size, "floor": self._node.hub.floor})

    def _rule(self, older_than: float | None) -> Any:
        rule = self._node.retention
        if older_than is None:
            return rule
        _check_seconds(older_than, "older_than")
        return structs.replace(rule, age=older_than, facts_age=min(older_than, rule.facts_age))

    async def _outlook(self, older_than: float | None, within: float) -> dict[str, Any]:
        node, rule = self._node, self._rule(older_than)
        kept = sum(stock.size for stock in node.hub.registry.topics.values())
        found = await ahead(node.log, rule, kept, node.hub.head, node.now() + within)
        waiting = (each for inbox in node.hub.registry.inboxes.values() for each in inbox.messages)
        return {
            "messages": found.messages,
            "bytes": found.bytes,
            "upto": found.upto,
            "unread": sum(each.offset <= found.upto for each in waiting),
            "oldest_at": None if found.oldest_at is None else frames.moment(found.oldest_at),
            "next_at": None if found.next_at is None else frames.moment(found.next_at),
            "kept_bytes": kept,
            "retention_age": rule.age,
            "retention_size": rule.size,
        }


def _seconds(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    _check_seconds(value, what)
    return value


def _check_seconds(value: float, what: str) -> None:
    if not 0 <= value < 2**40:
        raise BadValue(f"{what} is a number of seconds, and at least 0.")
