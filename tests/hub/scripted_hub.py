"""A hub of a page that does as it is told: for what a client must bear and a real hub never does on demand.

It speaks `hub.frames` over a real WebSocket, keeps messages in a list, and respects credit. A test breaks it by
`swallow` (frame types it takes and never answers), `refuse` (frame types it answers with an error), `drop`, `say`
and `another_database`. `saw` waits until a client has said something.
"""

from __future__ import annotations

import asyncio
import http
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from hub import frames, wire
from hub.errors import HubbubError, NameTaken, Unauthorized, UnknownMessage
from hub.topic import matches, near

TOKEN = "hub_scripted"
BOUND = 30.0  # seconds that a test waits for anything


@dataclass
class Person:
    name: str
    read: int = 0
    topics: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Line:
    """One live connection."""

    socket: ServerConnection
    hello: frames.Hello
    person: Person | None
    secret: str
    position: int
    received: int
    credit: int
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    pushed: list[int] = field(default_factory=list)

    def name(self) -> str | None:
        return self.person.name if self.person else None


class ScriptedHub:
    def __init__(self) -> None:
        self.epoch = "epoch-1"
        self.log: list[frames.Message] = []
        self.people: dict[str, Person] = {}
        self.lines: list[Line] = []
        self.said: list[tuple[str | None, frames.FromClient]] = []  # by whom, what: everything clients said
        self.pushed = 0
        self.swallow: set[str] = set()
        self.refuse: dict[str, HubbubError] = {}
        self.turn_away: HubbubError | None = None  # answers the handshake with this error
        self.forgets_resume = False
        self.max_body = 2**20
        self.version = "scripted"
        self.most_outstanding = 0
        self._changed = asyncio.Condition()
        self._server: Server | None = None
        self._port = 0
        self._secrets = 0

    # Life

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/ws"

    async def start(self) -> ScriptedHub:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self._port,
            subprotocols=[Subprotocol(wire.SUBPROTOCOL)],
            process_request=self._admit,
            compression=None,
            max_size=8 * 2**20,
            close_timeout=1,
        )
        self._port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def stop(self, code: int = 1001) -> None:
        """Go away; `start()` comes back at the same address."""
        assert self._server is not None
        self._server.close(code=code) if code != 1001 else self._server.close()
        await self._server.wait_closed()
        self._server = None

    def _admit(self, _: ServerConnection, request: Request) -> Response | None:
        why = self.turn_away
        if why is None and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            why = Unauthorized("The token does not hold.", "See `hubbub doctor`.")
        if why is None:
            return None
        body = json.dumps({"code": why.code, "message": why.message, "hint": why.hint}).encode()
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
        return Response(http.HTTPStatus(why.status).value, "refused", headers, body)

    # What a test does to it

    async def drop(self, name: str, code: int | None = None, error: HubbubError | None = None) -> None:
        """Cut the connections of `name`: without a word, or with a close code, or with an error and its close code."""
        for line in [line for line in self.lines if line.name() == name]:
            if error is not None:
                await line.socket.send(wire.encode(wire.error(error)), text=True)
                code = error.close
            if code is None:
                line.socket.transport.abort()
            else:
                await line.socket.close(code, "told to")
            await self.until(lambda line=line: line not in self.lines)

    async def say(self, name: str, frame: frames.Frame | bytes) -> None:
        """Send something to everybody of that name, whether it makes sense or not."""
        for line in self.lines:
            if line.name() == name:
                await line.socket.send(frame if isinstance(frame, bytes) else wire.encode(frame), text=True)

    async def another_database(self) -> None:
        self.epoch = f"epoch-{int(self.epoch.split('-')[1]) + 1}"
        self.log.clear()
        for person in self.people.values():
            person.read = 0

    async def tell(self, to: str, body: str, sender: str = "bob", **more: Any) -> frames.Message:
        """Put a message on the log as if `sender` had published it."""
        message = self._commit(sender, frames.Publish(to=to, body=body, **more))
        await self._wake()
        return message

    async def until(self, true: Any) -> None:
        """Wait until `true()` holds; it is asked again whenever anything has happened here."""
        async with asyncio.timeout(BOUND), self._changed:
            await self._changed.wait_for(true)

    def heard(self, kind: type[Any], name: str | None = None) -> list[Any]:
        """What clients have said of this type."""
        return [frame for who, frame in self.said if isinstance(frame, kind) and name in (None, who)]

    async def saw(self, kind: type[Any], count: int = 1) -> list[Any]:
        await self.until(lambda: len(self.heard(kind)) >= count)
        return self.heard(kind)

    # What it does

    async def _wake(self) -> None:
        for line in self.lines:
            line.waiting.set()
        async with self._changed:
            self._changed.notify_all()

    async def _serve(self, socket: ServerConnection) -> None:
        line: Line | None = None
        pusher: asyncio.Task[None] | None = None
        try:
            hello = wire.decode(await socket.recv())
            assert isinstance(hello, frames.Hello)
            self.said.append((hello.name, hello))
            await self._wake()
            if "hello" in self.swallow:
                await socket.wait_closed()
                return
            try:
                if "hello" in self.refuse:
                    raise self.refuse["hello"]
                line, welcome = self._join(socket, hello)
            except HubbubError as why:
                await socket.send(wire.encode(wire.error(why, hello.ref)), text=True)
                await socket.close(why.close, why.message[:100])
                return
            await socket.send(wire.encode(welcome), text=True)
            await self._wake()
            pusher = asyncio.create_task(self._push(line))
            async for text in socket:
                await self._hear(line, text)
        except ConnectionClosed:
            pass
        finally:
            if pusher is not None:
                pusher.cancel()
            if line is not None:
                self.lines.remove(line)
            await self._wake()

    def _join(self, socket: ServerConnection, hello: frames.Hello) -> tuple[Line, frames.Welcome]:
        person = None
        if not hello.observe:
            assert hello.name
            live = [line for line in self.lines if line.person and line.person.name.lower() == hello.name.lower()]
            mine = [line for line in live if line.secret == hello.session]
            if live and not mine and not hello.take_over and not hello.share:
                raise NameTaken(f"{hello.name} is taken by a live session.", f"{hello.name}-2 is free.")
            person = self.people.setdefault(hello.name.lower(), Person(hello.name))
        resumed = hello.resume is not None and hello.epoch == self.epoch and not self.forgets_resume
        position = hello.resume if resumed and hello.resume is not None else (person.read if person else 0)
        self._secrets += 1
        line = Line(socket, hello, person, f"secret-{self._secrets}", position, position, hello.credit)
        self.lines.append(line)
        unread = sum(1 for message in self.log if self._is_for(line, message) and message.offset > position)
        return line, frames.Welcome(
            ref=hello.ref,
            name=line.name(),
            session=line.secret,
            epoch=self.epoch,
            head=len(self.log),
            floor=1,
            read=person.read if person else 0,
            resumed=resumed,
            unread=unread,
            credit=hello.credit,
            max_body=self.max_body,
            version=self.version,
        )

    def _is_for(self, line: Line, message: frames.Message) -> bool:
        if line.person is None:
            return True
        name = line.person.name.lower()
        if message.topic == f"inbox.{name}":
            return True
        if message.from_.lower() == name:
            return False
        return message.topic == "all" or any(matches(pattern, message.topic) for pattern in line.person.topics)

    async def _push(self, line: Line) -> None:
        try:
            while True:
                for message in self.log[line.position :]:
                    if not self._is_for(line, message):
                        line.position = message.offset
                        continue
                    outstanding = [offset for offset in line.pushed if offset > line.received]
                    if len(outstanding) >= line.credit:
                        break
                    line.position = message.offset
                    line.pushed.append(message.offset)
                    self.pushed += 1
                    self.most_outstanding = max(self.most_outstanding, len(outstanding) + 1)
                    await line.socket.send(wire.encode(message), text=True)
                async with self._changed:
                    self._changed.notify_all()
                await line.waiting.wait()
                line.waiting.clear()
        except ConnectionClosed:
            pass

    def _commit(self, sender: str, said: frames.Publish) -> frames.Message:
        for message in self.log:
            if said.id is not None and (message.from_, message.id) == (sender, said.id):
                return message
        topic = "all" if said.to == "all" else said.to[1:] if said.to[0] == "#" else f"inbox.{said.to.lower()}"
        offset = len(self.log) + 1
        message = frames.Message(
            offset=offset,
            id=said.id or f"id-{offset}",
            from_=sender,
            to=said.to,
            topic=topic,
            thread=said.thread,
            reply_to=said.reply_to,
            body=said.body,
            data=said.data,
            at=datetime(2026, 1, 2, 3, 4, offset % 60, tzinfo=UTC),
            attachments=None,
        )
        self.log.append(message)
        return message

    async def _hear(self, line: Line, text: str | bytes) -> None:
        frame = wire.decode(text)
        self.said.append((line.name(), frame))
        kind = str(frame.__struct_config__.tag)
        ref = getattr(frame, "ref", None)
        if kind in self.swallow:
            await self._wake()
            return
        if kind in self.refuse:
            await line.socket.send(wire.encode(wire.error(self.refuse[kind], ref)), text=True)
            await self._wake()
            return
        answer = self._answer(line, frame)
        if answer is not None:
            answer.ref = ref
            await line.socket.send(wire.encode(answer), text=True)
        await self._wake()

    def _answer(self, line: Line, frame: frames.FromClient) -> Any:
        person = line.person
        match frame:
            case frames.Publish():
                assert person
                message = self._commit(person.name, frame)
                return frames.Published(
                    id=message.id,
                    offset=message.offset,
                    to=self._recipients(frame.to),
                    recipients=self._count(frame.to),
                )
            case frames.Received():
                line.received = max(line.received, frame.offset)
                if frame.credit is not None:
                    line.credit = frame.credit
                return None
            case frames.Presence():
                return None
            case frames.Read():
                assert person
                person.read = max(person.read, frame.offset)
                return frames.Reply(offset=person.read)
            case frames.Subscribe():
                assert person
                if frame.topic not in person.topics:
                    person.topics.append(frame.topic)
                return frames.Reply(subscriptions=sorted(person.topics))
            case frames.Unsubscribe():
                assert person
                if frame.topic in person.topics:
                    person.topics.remove(frame.topic)
                return frames.Reply(subscriptions=sorted(person.topics))
            case frames.Rename():
                assert person
                if frame.name.lower() in self.people and self.people[frame.name.lower()] is not person:
                    return wire.error(NameTaken(f"{frame.name} is taken."))
                del self.people[person.name.lower()]
                person.name = frame.name
                self.people[frame.name.lower()] = person
                return frames.Reply(name=frame.name)
            case frames.Instances():
                return frames.Reply(instances=[self._shown(each) for each in self.people.values()])
            case frames.History():
                return self._history(frame)
            case frames.Status(id=None):
                online = sum(1 for each in self.people.values() if self._online(each))
                return frames.Reply(
                    status={"url": self.url, "head": len(self.log), "online": online, "version": self.version}
                )
            case frames.Status():
                for message in self.log:
                    if message.id == frame.id:
                        return frames.Reply(message=_raw(message), ladder=[frames.Step(name="alice", state="received")])
                return wire.error(UnknownMessage(f"There is no message {frame.id}."))
            case _:
                raise AssertionError(frame)

    def _online(self, person: Person) -> bool:
        return any(line.person is person for line in self.lines)

    def _shown(self, person: Person) -> dict[str, Any]:
        sessions = sum(1 for line in self.lines if line.person is person)
        return {
            "name": person.name,
            "online": sessions > 0,
            "sessions": sessions,
            "unread": sum(1 for m in self.log if m.topic == f"inbox.{person.name.lower()}" and m.offset > person.read),
            "last_seen": "2026-01-02T03:04:05Z",
            "topics": sorted(person.topics),
        }

    def _recipients(self, to: str) -> list[frames.Recipient]:
        if to == "all" or to.startswith("#"):
            return [
                frames.Recipient(name=each.name, state="accepted", online=self._online(each))
                for each in list(self.people.values())[:20]
            ]
        person = self.people.get(to.lower())
        if person is None:
            known = near(to, [each.name for each in self.people.values()])
            return [frames.Recipient(name=to, state="accepted", known=False, near=known)]
        return [frames.Recipient(name=person.name, state="accepted", online=self._online(person))]

    def _count(self, to: str) -> int:
        return len(self.people) if to == "all" or to.startswith("#") else 1

    def _history(self, asked: frames.History) -> frames.Reply:
        found = [
            message
            for message in self.log
            if (asked.before is None or message.offset < asked.before)
            and (asked.search is None or asked.search.lower() in message.body.lower())
            and (asked.topic is None or matches(asked.topic.removeprefix("#"), message.topic))
            and (asked.thread is None or message.thread == asked.thread)
            and (asked.with_ is None or asked.with_.lower() in (message.from_.lower(), message.to.lower()))
            and (asked.from_ is None or asked.from_.lower() == message.from_.lower())
            and (asked.to is None or asked.to.lower() == message.to.lower())
            and (asked.since is None or message.at >= asked.since)
            and (asked.until is None or message.at < asked.until)
            and (asked.after is None or message.offset > asked.after)
        ]
        page = found[-asked.limit :] if asked.after is None else found[: asked.limit]
        return frames.Reply(messages=[_raw(message) for message in page], more=len(found) > len(page))


def _raw(message: frames.Message) -> Any:
    shown = {name: getattr(message, name) for name in frames.MessageJson.__struct_fields__}
    return msgspec.Raw(msgspec.json.encode(frames.MessageJson(**shown)))


@asynccontextmanager
async def scripted_hub() -> AsyncIterator[ScriptedHub]:
    hub = await ScriptedHub().start()
    try:
        yield hub
    finally:
        if hub._server is not None:
            hub._server.close()
            await hub._server.wait_closed()
