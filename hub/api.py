"""The verbs over HTTP: docs/http.md, one function a route."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from random import randint
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive

from hub import frames, inquiry, refusal, wire
from hub.attachments import Attachments
from hub.errors import (
    BadFrame,
    BadValue,
    HubbubError,
    RateLimited,
    TooLarge,
    Unavailable,
    UnknownAttachment,
    UnknownInstance,
)
from hub.filename import check_hash, safe_name
from hub.limits import Buckets
from hub.message import Message
from hub.node import Node
from hub.registry import Instance
from hub.session import Gap, Session
from hub.source import Source
from hub.tokens import Identity, Scope

MAX_WAIT = 60.0  # seconds of a long poll
MAX_PAGE = 1000
MAX_HOURS = 168  # of what an instance did
STREAM_CREDIT = 65_536  # an event stream confirms as it is written, so this is never reached
COME_BACK = (1_000, 3_000)  # milliseconds after which an event stream that the hub has ended is opened again
KEEPALIVE = 15.0  # seconds between comments on a silent event stream, so that proxies keep it open

Body = TypeVar("Body", bound="msgspec.Struct")
_encoder = msgspec.json.Encoder()


class As(msgspec.Struct, kw_only=True):
    """Who a request acts for: `as`, or `from` for those who think of the message."""

    as_: str | None = msgspec.field(default=None, name="as")
    from_: str | None = msgspec.field(default=None, name="from")


class PublishBody(As, kw_only=True):
    to: str
    body: str
    data: Any = None
    thread: str | None = None
    reply_to: str | None = None
    ttl: float | None = None
    answer_by: float | str | None = None
    id: str | None = None
    attachments: frames.Attachments | None = None
    human: bool = False


class ReadBody(As, kw_only=True):
    offset: frames.Offset


class PresenceBody(As, kw_only=True):
    activity: frames.Activity | msgspec.UnsetType | None = msgspec.UNSET
    hops: list[frames.Hop] | msgspec.UnsetType | None = msgspec.UNSET
    wakes: bool | msgspec.UnsetType | None = msgspec.UNSET
    prompted: bool = False


class NameBody(msgspec.Struct, kw_only=True):
    name: str


class RegisterBody(NameBody, kw_only=True):
    human: bool = False


class TopicBody(As, kw_only=True):
    topic: str


def answering(serve: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """A route's function whose HubbubErrors are answered as they are, by JSON or, to a browser, by a page."""

    async def answer(request: Request) -> Response:
        try:
            return await serve(request)
        except HubbubError as why:
            return refusal.response(refusal.answer(request.scope, why))

    return answer


class Api:
    """The routes below `/api/v1`. `identify` says who asks; `source` is what the pages ask too."""

    def __init__(
        self,
        node: Node,
        *,
        identify: Callable[[Request], Identity],
        source: Source,
        max_frame: int,
        publish_rate: float,
        attachments: Attachments,
    ) -> None:
        self.node = node
        self.attachments = attachments
        self._identify = identify
        self.source = source
        self._max_frame = max_frame
        self._rates: Buckets[int] | None = (
            Buckets(publish_rate, max(1.0, publish_rate), 10_000) if publish_rate else None
        )

    def routes(self) -> list[Route]:
        """To be mounted at `/api/v1`."""
        return [
            Route("/messages", answering(self.publish), methods=["POST"]),
            Route("/messages", answering(self.messages), methods=["GET"]),
            Route("/messages/{id:path}", answering(self.message), methods=["GET"]),
            Route("/attachments/{sha256}", answering(self.upload), methods=["PUT"]),
            Route("/attachments/{sha256}", answering(self.attachment), methods=["GET", "HEAD"]),
            Route("/read", answering(self.read), methods=["POST"]),
            Route("/instances", answering(self.instances), methods=["GET"]),
            Route("/instances", answering(self.register), methods=["POST"]),
            Route("/instances/{name}/rename", answering(self.rename), methods=["POST"]),
            Route("/instances/{name}/queue", answering(self.queue), methods=["GET"]),
            Route("/instances/{name}/activity", answering(self.activity), methods=["GET"]),
            Route("/instances/{name}/replies", answering(self.replies), methods=["GET"]),
            Route("/instances/{name}", answering(self.instance), methods=["GET"]),
            Route("/instances/{name}", answering(self.forget), methods=["DELETE"]),
            Route("/presence", answering(self.presence), methods=["POST"]),
            Route("/topics", answering(self.topics), methods=["GET"]),
            Route("/subscriptions", answering(self.subscriptions), methods=["GET", "POST", "DELETE"]),
            Route("/events", answering(self.events), methods=["GET"]),
            Route("/status", answering(self.status), methods=["GET"]),
            Route("/pulse", answering(self.pulse), methods=["GET"]),
            Route("/snapshot", answering(self.snapshot), methods=["GET"]),
            Route("/cost", answering(self.cost), methods=["GET"]),
            Route("/timeline", answering(self.timeline), methods=["GET"]),
        ]

    # Messages

    async def publish(self, request: Request) -> Response:
        said = await read_body(request, PublishBody, self._max_frame)
        sender = await self._acting(request, said, "publish", human=said.human)
        self._not_too_often(sender)
        await self.node.journal.room()
        known = self.node.hub.head
        published = await self.node.publish(
            sender,
            frames.Publish(
                to=said.to,
                body=said.body,
                data=said.data,
                thread=said.thread,
                reply_to=said.reply_to,
                ttl=said.ttl,
                answer_by=said.answer_by,
                id=said.id,
                attachments=said.attachments,
            ),
        )
        answer = {
            "id": published.id,
            "offset": published.offset,
            "to": published.to,
            "recipients": published.recipients,
            "hint": published.hint,
        }
        if published.answer_by is not None:
            answer["answer_by"] = published.answer_by
        return json_response(answer, 201 if published.offset > known else 200)

    async def messages(self, request: Request) -> Response:
        query = request.query_params
        limit = number(query.get("limit"), "limit", 1, MAX_PAGE, 50)
        wait = _seconds(query.get("wait"), "wait")
        if "at" in query and ("as" in query or query.get("unread")):
            raise BadValue(
                "An earlier moment is shown to who observes, not to an instance.", "Leave out `at`, or `as`."
            )
        if query.get("unread"):
            instance = await self._acting(request, None, "subscribe")
            found, more = await self._waiting(
                request, instance, wait, lambda: inquiry.unread(self.node, instance, limit)
            )
            return json_response(
                {**self._page(found, more), "unread": self.node.hub.unread(instance, self.node.now()).messages}
            )
        asker: Instance | None = None
        if "as" in query:
            asker = await self._acting(request, None, "subscribe")
        else:
            self._identify(request).require("observe")
        asked = inquiry.Asked(
            with_=query.get("with"),
            from_=query.get("from"),
            to=query.get("to"),
            topic=query.get("topic"),
            thread=query.get("thread"),
            reply_to=query.get("reply_to"),
            search=query.get("search"),
            since=moment(query.get("since"), "since"),
            until=moment(query.get("until"), "until"),
            limit=limit,
            before=number(query["before"], "before", 0, 2**63 - 1, 0) if "before" in query else None,
            after=number(query["after"], "after", 0, 2**63 - 1, 0) if "after" in query else None,
        )
        scene: inquiry.Scene = self.node
        if asker is None:
            source = await self._then(request)
            scene = source.scene
            found, more = await inquiry.history(scene, None, source.meant(asked))
        else:
            found, more = await self._waiting(request, asker, wait, lambda: inquiry.history(self.node, asker, asked))
        page = self._page(found, more)
        if query.get("ladder"):
            page["ladders"] = await inquiry.states(scene, found)
            page["senders"] = inquiry.senders(scene, found)
        return json_response(page)

    async def _then(self, request: Request) -> Source:
        """Who answers: the present, or, to who may observe, the moment that the query names.

        Raises BadValue, UnknownMoment, and Forbidden.
        """
        if "at" in request.query_params:
            self._identify(request).require("observe")
        return await self.source.at(request.query_params.get("at"))

    async def pulse(self, request: Request) -> Response:
        self._identify(request).require("observe")
        after = number(request.query_params.get("after"), "after", 0, 2**53, 0)
        return json_response(await self.source.pulse(after))

    async def message(self, request: Request) -> Response:
        identity = self._identify(request)
        asker = None
        if "as" in request.query_params or "observe" not in identity.grant.scopes:
            asker = await self._acting(request, None, "subscribe")
        scene = self.node if asker is not None else (await self._then(request)).scene
        return json_response((await inquiry.message(scene, asker, request.path_params["id"])).told())

    async def read(self, request: Request) -> Response:
        body = await read_body(request, ReadBody, self._max_frame)
        instance = await self._acting(request, body, "subscribe")
        self.node.read(instance, body.offset)
        await self.node.flush()
        return json_response({"offset": instance.read})

    async def _waiting(
        self,
        request: Request,
        instance: Instance,
        wait: float,
        ask: Callable[[], Awaitable[tuple[list[Message], bool]]],
    ) -> tuple[list[Message], bool]:
        """Ask, and ask again whenever something comes for the instance, until there is an answer or time is up."""
        found, more = await ask()
        if found or wait <= 0:
            return found, more
        ear = _Ear(self._identify(request))
        # No credit: the session is woken by what comes, and is pushed none of it.
        hello = frames.Hello(name=instance.name, share=True, credit=0, client="http")
        session, _ = await self.node.open(hello, ear)
        try:
            async with asyncio.timeout(wait), ear.hanging_up(request.receive):
                while ear.ending is None:
                    found, more = await ask()
                    if found:
                        return found, more
                    await ear.hear()
                    await self.node.next(session)
                raise ear.ending
        except TimeoutError:
            return [], False
        finally:
            self.node.leave(session, "the wait is over")

    # Attachments

    async def upload(self, request: Request) -> Response:
        sender = await self._acting(request, None, "publish")
        self._not_too_often(sender)
        self.node.accept()
        length = request.headers.get("content-length")
        sha256 = request.path_params["sha256"]
        try:
            stored = await self.attachments.receive(
                sender.origin, sha256, None if length is None else int(length), request.stream()
            )
        except ClientDisconnect:
            raise BadFrame("The connection ended before the file did; nothing was stored.") from None
        return json_response({"sha256": sha256, "size": stored.size}, 201 if stored.new else 200)

    async def attachment(self, request: Request) -> Response:
        sha256 = check_hash(request.path_params["sha256"])
        if "message" not in request.query_params:
            return await self._uploaded(request, sha256)
        identity = self._identify(request)
        asker = None
        if "as" in request.query_params or "observe" not in identity.grant.scopes:
            asker = await self._acting(request, None, "subscribe")
        message = (await inquiry.message(self.node, asker, request.query_params["message"])).message
        carried = [each for each in message.attachments or () if each.get("sha256") == sha256]
        path = self.attachments.find(sha256)
        if not carried or path is None:
            raise UnknownAttachment(
                f"The message {message.id} carries no file {sha256}."
                if not carried
                else f"The file {sha256} is not here any more.",
                "hubbub history shows what messages carry."
                if not carried
                else "It may have been lost with the disk, or a restore: ask its sender for it again.",
            )
        about = await asyncio.to_thread(path.stat)
        return FileResponse(
            path,
            stat_result=about,
            media_type="application/octet-stream",  # never what a sender says: a browser might obey it
            filename=safe_name(str(carried[0].get("name", ""))),
            headers={
                "ETag": f'"{sha256}"',
                "Cache-Control": "private, max-age=31536000, immutable",
                "Content-Security-Policy": "sandbox; default-src 'none'",
            },
        )

    async def _uploaded(self, request: Request, sha256: str) -> Response:
        """Whether a file that this instance has uploaded is here; of others' files nobody is told."""
        sender = await self._acting(request, None, "publish")
        size = self.attachments.size_for(sender.origin, sha256)
        if size is None:
            raise UnknownAttachment(
                f"{sender.name} has uploaded no file with the SHA-256 {sha256} lately.",
                "PUT it; or name the message that carries it, to read it: ?message=ID",
            )
        if request.method == "HEAD":
            return Response(status_code=200, headers={"Content-Length": str(size), "Cache-Control": "no-store"})
        return json_response({"sha256": sha256, "size": size})

    # Instances, topics, the hub

    async def instances(self, request: Request) -> Response:
        self._identify(request)
        return json_response({"instances": await inquiry.instances(self.node)})

    async def instance(self, request: Request) -> Response:
        self._identify(request).require("observe")
        return json_response(await (await self._then(request)).instance(request.path_params["name"]))

    async def queue(self, request: Request) -> Response:
        self._identify(request).require("observe")
        limit = number(request.query_params.get("limit"), "limit", 1, MAX_PAGE, 50)
        return json_response(await (await self._then(request)).queue(request.path_params["name"], limit))

    async def activity(self, request: Request) -> Response:
        self._identify(request).require("observe")
        hours = number(request.query_params.get("hours"), "hours", 1, MAX_HOURS, 6)
        return json_response(await (await self._then(request)).activity(request.path_params["name"], hours))

    async def replies(self, request: Request) -> Response:
        self._identify(request).require("observe")
        return json_response(await (await self._then(request)).replies(request.path_params["name"]))

    async def register(self, request: Request) -> Response:
        body = await read_body(request, RegisterBody, self._max_frame)
        identity = self._identify(request)
        identity.require("subscribe")
        if body.human:
            identity.require_person()
        identity.may_act_as(body.name)
        instance = await self.node.register(body.name, human=body.human)
        unread = self.node.hub.unread(instance, self.node.now()).messages
        return json_response({"name": instance.name, "unread": unread}, 201)

    async def rename(self, request: Request) -> Response:
        body = await read_body(request, NameBody, self._max_frame)
        identity = self._identify(request)
        identity.require("publish")
        identity.may_act_as(request.path_params["name"])
        identity.may_act_as(body.name)
        instance = self.node.hub.instance(request.path_params["name"])
        await self.node.rename(instance, body.name)
        return json_response({"name": instance.name})

    async def forget(self, request: Request) -> Response:
        self._identify(request).require("admin")
        instance = self.node.hub.instance(request.path_params["name"])
        if not instance.name.lower() == request.path_params["name"].lower():
            raise UnknownInstance(
                f"{request.path_params['name']} only forwards to {instance.name}.", "Forget that one."
            )
        force = request.query_params.get("force") in ("1", "true")
        unread = 0 if force else await inquiry.unread_of(self.node, instance)
        await self.node.forget(instance, unread=unread)
        return json_response({"forgot": instance.name})

    async def presence(self, request: Request) -> Response:
        body = await read_body(request, PresenceBody, self._max_frame)
        instance = await self._acting(request, body, "subscribe")
        said = frames.Presence(activity=body.activity, hops=body.hops, wakes=body.wakes, prompted=body.prompted)
        await self.node.tell(instance, said)
        return json_response({"name": instance.name, **inquiry.presence(self.node, instance)})

    async def topics(self, request: Request) -> Response:
        self._identify(request)
        return json_response(await (await self._then(request)).topics())

    async def subscriptions(self, request: Request) -> Response:
        if request.method == "GET":
            instance = await self._acting(request, None, "subscribe")
            return json_response({"subscriptions": sorted(instance.subscriptions)})
        if request.method == "POST":
            body = await read_body(request, TopicBody, self._max_frame)
            instance = await self._acting(request, body, "subscribe")
            return json_response({"subscriptions": await self.node.subscribe(instance, body.topic)})
        topic = request.query_params.get("topic")
        if topic is None:
            raise BadValue("Which topic? Name it in the query.", "DELETE /api/v1/subscriptions?as=NAME&topic=TOPIC")
        instance = await self._acting(request, None, "subscribe")
        return json_response({"subscriptions": await self.node.unsubscribe(instance, topic)})

    async def status(self, request: Request) -> Response:
        self._identify(request)
        return json_response(await self.source.status())

    async def snapshot(self, request: Request) -> Response:
        self._identify(request).require("observe")
        recent = number(request.query_params.get("recent"), "recent", 0, inquiry.RECENT, inquiry.RECENT)
        return json_response(await (await self._then(request)).snapshot(recent))

    async def timeline(self, request: Request) -> Response:
        self._identify(request).require("observe")
        return json_response(await self.source.timeline(request.query_params.get("at")))

    async def cost(self, request: Request) -> Response:
        self._identify(request).require("observe")
        return json_response(await (await self._then(request)).cost())

    # Events

    async def events(self, request: Request) -> Response:
        query = request.query_params
        after_text = request.headers.get("last-event-id") or query.get("after")
        after = number(after_text, "after", 0, 2**63 - 1, 0) if after_text is not None else None
        identity = self._identify(request)
        if "as" in query:
            instance = await self._acting(request, None, "subscribe")
            hello = frames.Hello(name=instance.name, share=True, resume=after, credit=STREAM_CREDIT, client="events")
        else:
            identity.require("observe")
            hello = frames.Hello(observe=True, resume=after, credit=STREAM_CREDIT, client="events")
        ear = _Ear(identity)
        session, welcome = await self.node.open(hello, ear)
        return StreamingResponse(
            self._stream(session, welcome, ear),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def _stream(self, session: Session, welcome: frames.Welcome, ear: _Ear) -> AsyncIterator[bytes]:
        try:
            yield f": {welcome.name or 'observing'} from offset {session.position}\n\n".encode()
            while ear.ending is None:
                taken = await self.node.next(session)
                if taken is None:
                    try:
                        async with asyncio.timeout(KEEPALIVE):
                            await ear.hear()
                    except TimeoutError:
                        yield b": still here\n\n"
                elif isinstance(taken, Gap):
                    yield b'event: gap\ndata: {"from":%d,"to":%d}\n\n' % (taken.first, taken.last)
                else:
                    for message in taken.messages:
                        yield b"id: %d\nevent: message\ndata: %s\n\n" % (message.offset, wire.message_json(message))
                    self.node.received(session, taken.offsets[-1], None)
            yield _last_event(ear.ending)
        except Exception as why:
            self.node.fault("an event stream", why)
            yield _last_event(Unavailable("The hub met a fault of its own.", "Connect again: nothing is lost."))
        finally:
            self.node.leave(session, "the event stream was closed")

    # Inside

    def _page(self, found: list[Message], more: bool) -> dict[str, Any]:
        instances = self.node.hub.registry.instances
        people = {each.sender for each in found if each.origin in instances and instances[each.origin].human}
        return {"messages": [wire.raw(each) for each in found], "more": more, "people": sorted(people)}

    def _not_too_often(self, sender: Instance) -> None:
        if self._rates is not None and (wait := self._rates.take(sender.origin, self.node.now())) > 0:
            raise RateLimited(
                f"{sender.name} sends more messages a second than publish_rate allows.", f"Try again in {wait:.1f} s."
            )

    async def _acting(self, request: Request, body: As | None, scope: Scope, *, human: bool | None = None) -> Instance:
        """The instance that a request acts for; registered now if it acts for the first time.

        Where it speaks, `human` says whether it does so as a person.
        """
        identity = self._identify(request)
        identity.require(scope)
        if human:
            identity.require_person()
        named = (body.as_ or body.from_) if body is not None else None
        name = named or request.query_params.get("as") or identity.grant.name
        if name is None:
            raise BadValue("The request doesn't say who it acts for.", 'Add "as": its name, in the body or the query.')
        identity.may_act_as(name)
        return await self.node.register(name, human=human)


class _Ear:
    """The listener of a session that one HTTP request has: it only wakes."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._bell = asyncio.Event()
        self.ending: HubbubError | None = None

    def wake(self) -> None:
        self._bell.set()

    def tell(self, frame: frames.Frame) -> None:
        """Nothing beside the messages is said over HTTP."""

    def finish(self, why: HubbubError) -> None:
        self.ending = why
        self._bell.set()

    async def hear(self) -> None:
        """Return once there is more."""
        await self._bell.wait()
        self._bell.clear()

    @asynccontextmanager
    async def hanging_up(self, receive: Receive) -> AsyncIterator[None]:
        """While the block runs, the session ends with the request's connection: a waiter that was killed is gone, and
        not here for as long as it meant to wait."""

        async def listen() -> None:
            try:
                while (await receive())["type"] != "http.disconnect":
                    pass
            finally:
                self.finish(Unavailable("Whoever asked has hung up."))

        listening = asyncio.create_task(listen())
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def read_bytes(request: Request, most: int) -> bytes:
    """A request's body. Raises TooLarge over `most` bytes, BadFrame if it breaks off."""
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > most:
                raise TooLarge(f"The request's body is over {most:,} bytes (max_frame).")
    except ClientDisconnect:
        raise BadFrame("The connection ended before the request did; nothing was done.") from None
    return bytes(raw)


async def read_body(request: Request, kind: type[Body], most: int) -> Body:
    """A request's JSON as `kind`. Raises TooLarge over `most` bytes, BadFrame for what does not fit."""
    raw = await read_bytes(request, most)
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        said = "it is nested too deeply" if isinstance(why, RecursionError) else str(why)
        raise BadFrame(f"The request's body does not fit: {said}.", "docs/http.md lists each request.") from None


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        _encoder.encode(content), status, {"Cache-Control": "no-store", **(headers or {})}, "application/json"
    )


def _last_event(why: HubbubError) -> bytes:
    retry = randint(*COME_BACK)  # noqa: S311 - so that not all come back in the same instant
    return b"retry: %d\nevent: error\ndata: %s\n\n" % (retry, wire.encode(wire.error(why)))


def number(text: str | None, what: str, least: int, most: int, default: int) -> int:
    """A whole number from a query. Raises BadValue outside its range."""
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise BadValue(f"{what} is a whole number from {least} to {most}, not {text[:40]!r}.")
    return number


def moment(text: str | None, what: str) -> float | None:
    """Seconds since 1970 of an RFC 3339 time from a query; None if there is none. Raises BadValue."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise BadValue(f"{what} is a time as 2026-11-22T12:00:00Z, not {text[:40]!r}.")
    return at.timestamp()


def _seconds(text: str | None, what: str) -> float:
    if text is None:
        return 0.0
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise BadValue(f"{what} is a number of seconds, not {text[:40]!r}.")
    return min(seconds, MAX_WAIT)
