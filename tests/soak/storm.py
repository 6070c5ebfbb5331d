"""A storm of publishes by every kind of client, and a hub that is killed in the middle of it, again and again.

At work at once: raw WebSockets, the Python client, plain HTTP, the event stream, a script of the old system over the
bridge, and a real MCP client process. Each goes on where it was when the hub is back, in the way of its kind: the
Python client and the MCP client by themselves, the event stream by Last-Event-ID, raw sockets with `resume` or without,
HTTP and the script by asking again.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from hub import frames
from hub.client import Client
from hub.errors import HubbubError, Unreachable
from hub.request import Place
from tests.journeys.processes import BOUND, HUBBUB, Agent, HubProcess
from tests.soak.checker import Checker, Verdict
from tests.soak.old_scripts import OldScript

IN_FLIGHT = 20
READERS = ("raw", "fresh", "sdk", "stream", "poll", "old")
TOPICS = ("#storm", "#storm.heavy", "all")
LOST = (ConnectionClosed, InvalidHandshake, OSError, EOFError, httpx2.TransportError, TimeoutError)
RETRY = 0.02  # seconds until a client whose hub is gone looks again


class Storm:
    """All clients, for as long as the storm lasts; the hub under them, which `command` starts, comes and goes."""

    def __init__(
        self, home: Path, seed: int, *, agents: bool, command: Sequence[str] = HUBBUB, patience: float = 4 * BOUND
    ) -> None:
        self.home = home
        self.chance = random.Random(seed)
        self.checker = Checker()
        self.hub: HubProcess | None = None
        self.kills = 0
        self.confirmed = 0
        self.over = False  # nobody says anything new any more
        self._agents = agents
        self._command = command
        self._patience = patience  # seconds that everybody has in the end to have everything
        self._port = str(free_port())
        self._open: dict[str, dict[str, Any]] = {}  # said, and not answered
        self._numbers = itertools.count()
        self._newest = dict.fromkeys((*READERS, *(["mcp"] if agents else [])), 0)
        self._sessions: dict[str, str] = {}
        self._moved = asyncio.Event()
        self.old = OldScript("old", free_port(), random.Random(seed))

    # The hub

    @asynccontextmanager
    async def running(self) -> AsyncIterator[HubProcess]:
        """A hub, at the same address as all before it."""
        ports = {"HUBBUB_PORT": self._port, "HUBBUB_LEGACY_PORT": str(self.old.port)}
        self.hub = await asyncio.to_thread(HubProcess, self.home, self._command, **ports)
        self.old.new_hub()
        try:
            yield self.hub
        finally:
            hub, self.hub = self.hub, None
            if hub is not None and hub.process.poll() is None:
                hub.kill()

    async def rage(self, rounds: int) -> Verdict:
        """So many kills, then peace; returns what the checker says."""
        async with self.running() as hub:
            await self._settle_in(hub)
        clients = [asyncio.create_task(each) for each in self._clients()]
        try:
            for turn in range(rounds):
                async with self.running() as hub:
                    if turn % 20 == 0:
                        await self._take_down(hub)
                    await self._moment(clients)
                    await asyncio.to_thread(hub.kill)
                    self.kills += 1
            async with self.running() as hub:
                self.over = True
                last = await self._peace(hub, clients)
                rows = await self._take_down(hub)
                self.old.tell(self.checker, {tag: offset for offset, tag in rows if tag}, last)
                for client in clients:
                    client.cancel()
                await asyncio.gather(*clients, return_exceptions=True)
                assert await asyncio.to_thread(hub.stop) == 0
        finally:
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)
        return self.checker.verdict()

    async def _moment(self, clients: list[asyncio.Task[None]]) -> None:
        """Some time in the storm: after so many more confirmations, and up to some milliseconds."""
        goal = self.confirmed + self.chance.randrange(1, 300)
        async with asyncio.timeout(BOUND):
            while self.confirmed < goal:
                self._look(clients)
                await self._next_move()
        await asyncio.sleep(self.chance.uniform(0, 0.01))

    async def _next_move(self) -> None:
        self._moved.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._moved.wait()

    def _look(self, clients: list[asyncio.Task[None]]) -> None:
        for client in clients:
            if client.done() and (why := client.exception()) is not None:
                raise why

    async def _settle_in(self, hub: HubProcess) -> None:
        async with self._http(hub) as http:
            for name in self._newest:
                await http.post("/api/v1/instances", json={"name": name})
                await http.post("/api/v1/subscriptions", json={"as": name, "topic": "storm.>"})
                await http.post("/api/v1/subscriptions", json={"as": name, "topic": "storm"})
            head = (await http.get("/api/v1/status")).json()["head"]
        for name in self._newest:
            for topic in ("all", "#storm", "#storm.>"):
                self.checker.hears(name, topic, head)

    async def _peace(self, hub: HubProcess, clients: list[asyncio.Task[None]]) -> int:
        """Everybody has time to have everything, up to a last word to all, whose offset is returned.

        What they miss then, the judge will say.
        """
        async with asyncio.timeout(4 * BOUND):
            while self._open:
                self._look(clients)
                await self._next_move()
        async with self._http(hub) as http:
            last = (await http.post("/api/v1/messages", json=self._say("herald", "all"))).json()
        self._confirm(last["id"], last["offset"])
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                while last["id"] not in self.old.heard or any(
                    newest < last["offset"] for name, newest in self._newest.items() if name != "old"
                ):
                    self._look(clients)
                    await self._next_move()
        for session in self._sessions.values():
            self.checker.caught_up(session, last["offset"])
        return int(last["offset"])

    async def _take_down(self, hub: HubProcess) -> list[tuple[int, str]]:
        """The whole log as it is, by an observer that begins at its beginning."""
        rows: list[tuple[int, str]] = []
        async with connect(hub.url, compression=None, proxy=None, max_size=None) as connection, asyncio.timeout(BOUND):
            hello = {"type": "hello", "observe": True, "resume": 0, "credit": 65_536, "token": hub.token}
            await connection.send(json.dumps(hello))
            head = json.loads(await connection.recv())["head"]
            while not rows or rows[-1][0] < head:
                frame = json.loads(await connection.recv())
                assert frame["type"] == "message", frame
                rows.append((frame["offset"], "" if frame["topic"].startswith("$") else tag_of(frame["body"])))
                if len(rows) % 1000 == 0:
                    await connection.send(json.dumps({"type": "received", "offset": frame["offset"]}))
        self.checker.reading(rows)
        return rows

    # What is said

    def _say(self, name: str, to: str | None = None) -> dict[str, Any]:
        tag = f"{name}-{next(self._numbers)}"
        to = to or self.chance.choice((*self._newest, *TOPICS))
        said = {"as": name, "to": to, "body": tag + "." * self.chance.choice([1, 30, 30, 2000]), "id": tag}
        self.checker.sent(tag, name, to)
        self._open[tag] = said
        return said

    def _confirm(self, tag: str, offset: int) -> None:
        self.checker.confirmed(tag, offset)
        if self._open.pop(tag, None) is not None:
            self.confirmed += 1
        self._moved.set()

    def _mine(self, name: str) -> list[dict[str, Any]]:
        return [said for said in self._open.values() if said["as"] == name]

    def _heard(self, reader: str, tag: str, offset: int) -> None:
        self.checker.delivered(self._sessions[reader], tag, offset)
        self._newest[reader] = max(self._newest[reader], offset)
        self._moved.set()

    def _begin(self, reader: str, after: int) -> None:
        self._sessions[reader] = f"{reader}/{next(self._numbers)}"
        self.checker.begun(self._sessions[reader], reader, after)

    # The clients

    def _clients(self) -> list[Any]:
        always: list[Callable[[HubProcess], Awaitable[None]]] = [
            lambda hub: self._raw_writer(hub, "w0"),
            lambda hub: self._raw_writer(hub, "w1"),
            self._poster,
            lambda hub: self._raw_reader(hub, "raw", resumes=True),
            lambda hub: self._raw_reader(hub, "fresh", resumes=False),
            self._stream,
            self._poll,
            self._old_script,
        ]
        return [
            *(self._while_there_is_a_hub(each) for each in always),
            self._sdk(),
            *([self._mcp()] if self._agents else []),
        ]

    async def _while_there_is_a_hub(self, life: Callable[[HubProcess], Awaitable[None]]) -> None:
        while True:
            hub = self.hub
            if hub is not None:
                with suppress(*LOST):
                    await life(hub)
            await asyncio.sleep(RETRY)

    @asynccontextmanager
    async def _http(self, hub: HubProcess) -> AsyncIterator[httpx2.AsyncClient]:
        headers = {"Authorization": f"Bearer {hub.token}"}
        async with httpx2.AsyncClient(
            base_url=hub.http, headers=headers, timeout=BOUND, trust_env=False, verify=False
        ) as client:
            yield client

    @asynccontextmanager
    async def _socket(self, hub: HubProcess, **hello: Any) -> AsyncIterator[tuple[ClientConnection, dict[str, Any]]]:
        async with connect(hub.url, compression=None, proxy=None, max_size=None) as connection:
            await connection.send(json.dumps({"type": "hello", "token": hub.token, "take_over": True, **hello}))
            welcome = json.loads(await connection.recv())
            assert welcome["type"] == "welcome", welcome
            yield connection, welcome

    async def _raw_writer(self, hub: HubProcess, name: str) -> None:
        async with self._socket(hub, name=name, credit=0) as (connection, _):
            flying = self._mine(name)
            for said in flying:
                await connection.send(json.dumps({"type": "publish", **said}))
            count = len(flying)
            while count or not self.over:
                while count < IN_FLIGHT and not self.over:
                    await connection.send(json.dumps({"type": "publish", **self._say(name)}))
                    count += 1
                answer = json.loads(await connection.recv())
                if answer["type"] == "published":
                    self._confirm(answer["id"], answer["offset"])
                    count -= 1
                else:
                    assert (answer["type"], answer["code"]) == ("error", "shutting_down"), answer

    async def _poster(self, hub: HubProcess) -> None:
        async with self._http(hub) as http:
            while not self.over or self._mine("poster"):
                waiting = next(iter(self._mine("poster")), None)
                answer = await http.post("/api/v1/messages", json=waiting or self._say("poster"))
                assert answer.status_code in (200, 201), answer.text
                self._confirm(answer.json()["id"], answer.json()["offset"])

    async def _raw_reader(self, hub: HubProcess, name: str, *, resumes: bool) -> None:
        back = resumes and name in self._sessions
        place = {"resume": self._newest[name]} if back else {}
        async with self._socket(hub, name=name, credit=100, **place) as (connection, welcome):
            if back:
                assert welcome["resumed"], welcome
            else:
                self._begin(name, welcome["read"])
            asked: dict[int, int] = {}
            async for text in connection:
                frame = json.loads(text)
                if frame["type"] == "message":
                    offset = frame["offset"]
                    self._heard(name, tag_of(frame["body"]), offset)
                    await connection.send(json.dumps({"type": "received", "offset": offset}))
                    if self.chance.random() < 0.1:
                        asked[len(asked)] = offset
                        self.checker.read_asked(name, offset)
                        await connection.send(json.dumps({"type": "read", "ref": len(asked) - 1, "offset": offset}))
                elif frame["type"] == "reply":
                    self.checker.read(name, asked[frame["ref"]])
                elif frame["type"] == "gap":
                    self.checker.gap(self._sessions[name], frame["from"], frame["to"])

    async def _stream(self, hub: HubProcess) -> None:
        """Server-sent events, by hand: `id`, `event` and `data` lines, an empty line between two events."""
        if "stream" not in self._sessions:
            self._begin("stream", 0)
        headers = {"Last-Event-ID": str(self._newest["stream"])}
        async with self._http(hub) as http, http.stream("GET", "/api/v1/events?as=stream", headers=headers) as events:
            assert events.status_code == 200
            event: dict[str, str] = {}
            async for line in events.aiter_lines():
                name, _, value = line.partition(": ")
                if line:
                    event[name] = value
                    continue
                if event.get("event") == "message":
                    message = json.loads(event["data"])
                    self._heard("stream", tag_of(message["body"]), message["offset"])
                    if self.chance.random() < 0.05:
                        await self._mark(http, "stream", message["offset"])
                event = {}

    async def _poll(self, hub: HubProcess) -> None:
        """Each question is a session of its own: it is answered with what was not read."""
        async with self._http(hub) as http:
            while True:
                answer = await http.get("/api/v1/messages?unread=1&as=poll&wait=5&limit=200")
                messages = answer.json()["messages"]
                if not messages:
                    continue
                # What it has of before, it asked to be marked as read: that is where it begins.
                self._begin("poll", self.checker.read_by("poll"))
                for message in messages:
                    self._heard("poll", tag_of(message["body"]), message["offset"])
                await self._mark(http, "poll", messages[-1]["offset"])

    async def _old_script(self, hub: HubProcess) -> None:
        """Checks its mail, and says a word after each check: never twice, since nothing makes a retry safe there."""
        while True:
            async with asyncio.timeout(BOUND):
                if await self.old.check():
                    self._moved.set()
                if self.over:
                    await asyncio.sleep(RETRY)
                    continue
                said = self._say("old", self.chance.choice((*self._newest, "all")))
                try:
                    await self.old.send(said["id"], said["to"], said["body"])
                    self.confirmed += 1
                finally:
                    self._open.pop(said["id"])
                    self._moved.set()

    async def _mark(self, http: httpx2.AsyncClient, name: str, offset: int) -> None:
        self.checker.read_asked(name, offset)
        answer = await http.post("/api/v1/read", json={"as": name, "offset": offset})
        if answer.status_code == 200:
            self.checker.read(name, offset)

    async def _sdk(self) -> None:
        """The Python client: one for the whole storm, which mends every break by itself."""

        async def locate() -> Place:
            if self.hub is None:
                raise Unreachable("There is no hub just now.")
            return Place(self.hub.url, self.hub.token)

        async def soon(_: float) -> None:
            await asyncio.sleep(RETRY)

        while self.hub is None:
            await asyncio.sleep(RETRY)
        client = Client(
            self.hub.url, self.hub.token, "sdk", locate=locate, sleep=soon, take_over=True, limit=10 * BOUND
        )
        await client.start()
        assert client.welcome is not None
        self._begin("sdk", client.welcome.read)
        talking = asyncio.create_task(self._sdk_talk(client))
        try:
            async for event in client.events():
                if isinstance(event, frames.Message):
                    self._heard("sdk", tag_of(event.body), event.offset)
                    if self.chance.random() < 0.05:
                        self.checker.read_asked("sdk", event.offset)
                        await client.read(event.offset, wait=False)
                elif isinstance(event, frames.Gap):
                    self.checker.gap(self._sessions["sdk"], event.from_, event.to)
                if talking.done():
                    talking.result()
        finally:
            talking.cancel()
            with suppress(HubbubError):
                await client.close()

    async def _sdk_talk(self, client: Client) -> None:
        while not self.over:
            said = self._say("sdk")
            published = await client.publish(said["to"], said["body"], id=said["id"])
            self._confirm(published.id, published.offset)

    async def _mcp(self) -> None:
        """An agent's MCP client, a process that outlives every hub: it waits, and says a word after each wait."""
        while self.hub is None:
            await asyncio.sleep(RETRY)
        place = {"HUBBUB_URL": self.hub.url, "HUBBUB_TOKEN": self.hub.token}
        agent = await Agent.start(self.home, "mcp", place)
        agent.patience = 4 * BOUND  # it may try for 30 s to reach a hub that is killed again before it is welcomed
        self._begin("mcp", 0)
        try:
            while True:
                answer = await agent.request("tools/call", {"name": "wait", "arguments": {"timeout": 5}})
                if answer.get("isError"):
                    continue
                for message in answer["structuredContent"]["messages"]:
                    self._heard("mcp", tag_of(message["body"]), message["offset"])
                    self.checker.read_asked("mcp", message["offset"])
                if not self.over:
                    await self._mcp_talk(agent)
        finally:
            await agent.kill()

    async def _mcp_talk(self, agent: Agent) -> None:
        said = self._say("mcp")
        asked = {"to": said["to"], "body": said["body"]}
        told = await agent.request("tools/call", {"name": "send", "arguments": asked})
        self._open.pop(said["id"])
        if not told.get("isError"):
            self.checker.confirmed(said["id"], told["structuredContent"]["offset"])


def tag_of(body: str) -> str:
    """What a message is called: its body is that and some dots."""
    return body.partition(".")[0]


def free_port() -> int:
    """One that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
