"""Real sockets against a real server, on each event loop that the hub runs on."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import uvicorn
import websockets
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from hub.protocol import Bounds, ServerConfig, WebSocketProtocol
from hub.protocol import Queue as Waiting

LOOPS = ["asyncio"]
try:
    import uvloop  # noqa: F401
except ImportError:  # Windows
    pass
else:
    LOOPS.append("uvloop")

GET = b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: hub\r\nContent-Length: %d\r\n\r\n"
UPGRADE = (
    b"GET %s HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n"
)
LONG = 60.0  # a bound that is not to be hit in its test
SOON = 0.15  # one that is
LATER = 0.6  # the same, where something else has to be done before: also by a machine that is busy for a moment
BOUND = 30.0  # seconds for anything that is waited for

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class App:
    """Answers; and tells the test what it saw."""

    def __init__(self) -> None:
        self.saw: Queue[Any] = Queue()
        self.go_on = threading.Event()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await self._websocket(scope, receive, send)
            return
        self.saw.put(scope)
        body = b"hello"
        if scope["path"] == "/body":
            body = await self._body(receive)
        elif scope["path"] == "/late":
            await self._told()
            body = await self._body(receive)
        elif scope["path"] == "/large":
            body = b"x" * 20_000_000
        elif scope["path"] == "/slow":
            await self._told()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async def _body(self, receive: Receive) -> bytes:
        length = 0
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                self.saw.put("disconnected")
                return b""
            length += len(event["body"])
            if not event["more_body"]:
                return str(length).encode()

    async def _websocket(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.saw.put(scope)
        if scope["path"] == "/never":
            await receive()
            return
        await send({"type": "websocket.accept"})
        if scope["path"] == "/late":
            await self._told()
        if scope["path"] == "/flood":
            try:
                while True:
                    await send({"type": "websocket.send", "text": "x" * 65536})
            except OSError:
                self.saw.put("gone")
                return
        if scope["path"] == "/stuck":
            try:
                while True:
                    async with asyncio.timeout(SOON):
                        await send({"type": "websocket.send", "text": "x" * 65536})
            except TimeoutError:
                await send({"type": "websocket.close", "code": 4012, "reason": "took nothing"})
                self.saw.put("closed")
                return
        if scope["path"] == "/part":
            await send({"type": "websocket.send", "text": "x" * 30_000})
        while True:
            event = await receive()
            self.saw.put(event)
            if event["type"] == "websocket.disconnect":
                return
            await send({"type": "websocket.send", "text": str(len(event.get("text") or event["bytes"]))})

    async def _told(self) -> None:
        while not self.go_on.is_set():
            await asyncio.sleep(0.01)


class Running:
    def __init__(self, server: uvicorn.Server, config: ServerConfig, app: App) -> None:
        self.server = server
        self.config = config
        self.app = app
        self.port: int = server.servers[0].sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def talk(self, **more: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **more)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def answers(self) -> None:
        """Whether the server is well after what was done to it."""
        async with asyncio.timeout(BOUND), self.talk() as (reader, writer):
            writer.write(GET)
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")

    async def saw(self) -> Any:
        return await asyncio.to_thread(self.app.saw.get, timeout=BOUND)

    async def counted(self, what: str) -> None:
        async with asyncio.timeout(BOUND):
            while not self.config.counts[what]:
                await asyncio.sleep(0.01)

    async def empty(self) -> None:
        """Wait until no connection is left."""
        async with asyncio.timeout(BOUND):
            while self.server.server_state.connections:
                await asyncio.sleep(0.01)


@pytest.fixture(params=LOOPS)
def loop_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def serving(
    loop_name: str,
    *,
    app: App | None = None,
    ws: type[WebSocketProtocol] | None = None,
    more: Any = None,
    **bounds: Any,
) -> Iterator[Running]:
    app = app or App()
    wanted: dict[str, Any] = {"port": 0, "loop": loop_name, "lifespan": "off", "log_config": None, **(more or {})}
    if ws is not None:
        wanted["ws"] = ws
    config = ServerConfig(app, Bounds(**bounds), **wanted)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            thread.join(0.01)
        yield Running(server, config, app)
    finally:
        app.go_on.set()
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the server did not stop"


async def everything(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(BOUND):
        return await reader.read()


def told(answer: bytes) -> tuple[int, str]:
    """The status and code of an answer in JSON."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["code"]


# Who waits to be let in


async def test_one_that_fails_at_the_door_is_not_in_the_way_of_those_behind_it() -> None:
    loop, queue, entered = asyncio.get_running_loop(), Waiting(), asyncio.Event()
    faults: list[dict[str, Any]] = []

    def stumble() -> None:
        raise KeyError("a planted bug")

    loop.set_exception_handler(lambda _, told: faults.append(told))
    queue.join(loop, stumble)
    queue.join(loop, entered.set)
    async with asyncio.timeout(BOUND):
        await entered.wait()
    assert [repr(told["exception"]) for told in faults] == ["KeyError('a planted bug')"]
    entered.clear()
    queue.join(loop, entered.set)
    async with asyncio.timeout(BOUND):
        await entered.wait()


# HTTP: the header


async def test_a_half_sent_header_is_answered_and_closed(loop_name: str) -> None:
    with serving(loop_name, header_seconds=SOON) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: h")
            assert told(await everything(reader)) == (408, "header_timeout")
        assert hub.config.counts["header_timeout"] == 1
        await hub.answers()


async def test_a_header_that_drips_is_given_no_more_time(loop_name: str) -> None:
    with serving(loop_name, header_seconds=0.3) as hub:
        async with hub.talk() as (reader, writer), asyncio.timeout(BOUND):
            writer.write(b"GET / HTTP/1.1\r\nX: ")
            answer = b""
            while not answer:
                writer.write(b"a")
                try:
                    answer = await asyncio.wait_for(reader.read(1), 0.02)
                except TimeoutError:
                    continue
            assert answer == b"H"


async def test_a_silent_connection_is_closed_without_a_word(loop_name: str) -> None:
    with serving(loop_name, header_seconds=SOON) as hub:
        async with hub.talk() as (reader, _):
            assert await everything(reader) == b""
        await hub.empty()
        assert hub.config.counts["header_timeout"] == 1


@pytest.mark.parametrize(("more", "says"), [(b"GET / HT", True), (b"\r\n", False), (b"\n\r\n\r\n", False)])
async def test_a_kept_connection_is_bounded_as_a_new_one(loop_name: str, more: bytes, says: bool) -> None:
    with serving(loop_name, header_seconds=LATER, more={"timeout_keep_alive": 60}) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(GET)
            await reader.readuntil(b"hello")
            writer.write(more)
            answer = await everything(reader)
            assert (told(answer) == (408, "header_timeout")) if says else (answer == b"")


async def test_an_answer_that_takes_long_is_not_cut_short(loop_name: str) -> None:
    with serving(loop_name, header_seconds=LATER) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(b"GET /slow HTTP/1.1\r\nHost: hub\r\n\r\n" + b"GET / HT")
            await hub.saw()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), LATER * 2)
            hub.app.go_on.set()
            async with asyncio.timeout(BOUND):
                await reader.readuntil(b"hello")
            assert told(await everything(reader)) == (408, "header_timeout")


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"a" * 5000 + b"\r\n\r\n", id="one long line"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 11 + b"\r\n", id="many lines"),
        pytest.param(b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", id="a long path"),
        pytest.param(UPGRADE % (b"/", b"X: " + b"a" * 5000 + b"\r\n"), id="of a WebSocket"),
    ],
)
async def test_a_header_over_its_limits_is_refused(loop_name: str, header: bytes) -> None:
    with serving(loop_name, header_bytes=4096, header_count=10) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(header)
            assert told(await everything(reader)) == (431, "too_large")
        assert hub.app.saw.empty()
        await hub.answers()


async def test_a_header_without_end_is_refused_and_the_refusal_arrives(loop_name: str) -> None:
    with serving(loop_name) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 1_000_000)
            assert told(await everything(reader)) == (431, "too_large")


async def test_what_is_no_http_is_told_so(loop_name: str) -> None:
    with serving(loop_name) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(b'{"action": "list"}\r\n\r\n')
            assert told(await everything(reader)) == (400, "bad_request")


async def test_nonsense_behind_a_request_gets_one_answer_not_two_in_one_another(loop_name: str) -> None:
    with serving(loop_name) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(b"GET /slow HTTP/1.1\r\nHost: hub\r\n\r\n" + b"\x00\x01\x02\r\n\r\n")
            answer = await everything(reader)
            hub.app.go_on.set()
            assert told(answer) == (400, "bad_request")
        await hub.answers()


# HTTP: how many connections


async def test_connections_over_the_limit_are_told_so_and_closed(loop_name: str) -> None:
    with serving(loop_name, connections=2) as hub:
        async with hub.talk() as (_, first), hub.talk():
            async with hub.talk() as (reader, _):
                assert told(await everything(reader)) == (503, "too_many")
            first.close()
            async with asyncio.timeout(BOUND):
                while len(hub.server.server_state.connections) > 1:
                    await asyncio.sleep(0.01)
            await hub.answers()
        assert hub.config.counts["too_many_connections"] == 1


async def test_websockets_count_as_connections(loop_name: str) -> None:
    with serving(loop_name, connections=1) as hub:
        async with connect(hub.url), hub.talk() as (reader, _):
            assert told(await everything(reader)) == (503, "too_many")


async def test_small_frames_are_not_held_back(loop_name: str) -> None:
    with serving(loop_name) as hub:
        async with connect(hub.url), hub.talk():
            async with asyncio.timeout(BOUND):
                while len(hub.server.server_state.connections) < 2:
                    await asyncio.sleep(0.01)
            for each in hub.server.server_state.connections:
                sock = each.transport.get_extra_info("socket")
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_nobody_is_believed_to_be_somebody_else_by_a_header(loop_name: str) -> None:
    with serving(loop_name) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(
                b"GET / HTTP/1.1\r\nHost: hub\r\nX-Forwarded-For: 10.1.2.3\r\nX-Forwarded-Proto: https\r\n\r\n"
            )
            await reader.readuntil(b"hello")
            scope = await hub.saw()
            assert scope["client"][0] == "127.0.0.1"
            assert scope["scheme"] == "http"


# HTTP: the body


@pytest.mark.parametrize("sent", [0, 1, 99])
async def test_a_body_that_stops_coming_is_given_up(loop_name: str, sent: int) -> None:
    with serving(loop_name, body_seconds=SOON, body_bytes=10) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(POST % 100 + b"x" * sent)
            assert told(await everything(reader)) == (408, "body_timeout")
            await hub.saw()
            assert await hub.saw() == "disconnected"
        await hub.answers()


async def test_a_body_that_trickles_is_given_up_too(loop_name: str) -> None:
    with serving(loop_name, body_seconds=0.2, body_bytes=1024) as hub:
        async with hub.talk() as (reader, writer), asyncio.timeout(BOUND):
            writer.write(POST % 1_000_000)
            answer = b""
            while not answer:
                writer.write(b"x")
                try:
                    answer = await asyncio.wait_for(reader.read(1), 0.02)
                except TimeoutError:
                    continue
            assert answer == b"H"


async def test_a_slow_body_that_keeps_its_pace_arrives(loop_name: str) -> None:
    with serving(loop_name, body_seconds=1.0, body_bytes=10) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(POST % 3000)
            for _ in range(29):
                writer.write(b"x" * 100)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.05)
            writer.write(b"x" * 100)
            async with asyncio.timeout(BOUND):
                assert (await reader.readuntil(b"3000")).startswith(b"HTTP/1.1 200")


async def test_a_client_is_not_blamed_for_an_app_that_reads_late(loop_name: str) -> None:
    with serving(loop_name, body_seconds=SOON, body_bytes=1024) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(POST.replace(b"/body", b"/late") % 10_000_000 + b"x" * 10_000_000)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), SOON * 4)
            hub.app.go_on.set()
            async with asyncio.timeout(BOUND):
                assert (await reader.readuntil(b"10000000")).startswith(b"HTTP/1.1 200")


async def test_a_client_that_takes_no_answer_is_cut_off(loop_name: str) -> None:
    with serving(loop_name, stalled_seconds=SOON) as hub:
        async with hub.talk(limit=1024) as (_, writer):
            writer.write(b"GET /large HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
            await hub.counted("stalled")
            await hub.empty()


async def test_a_client_that_takes_it_slowly_gets_it_whole(loop_name: str) -> None:
    with serving(loop_name, stalled_seconds=1.0) as hub:
        async with hub.talk(limit=2**18) as (reader, writer), asyncio.timeout(BOUND):
            writer.write(b"GET /large HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
            length = 0
            while chunk := await reader.read(2**20):
                length += len(chunk)
                await asyncio.sleep(0.02)
            assert length > 20_000_000
            assert hub.config.counts["stalled"] == 0


# WebSocket


async def test_a_live_peer_answers_pings_and_stays(loop_name: str) -> None:
    with serving(loop_name, more={"ws_ping_interval": 0.05, "ws_ping_timeout": 5.0}) as hub:
        async with connect(hub.url, ping_interval=None) as peer:
            pings = 0
            respond = peer.protocol.recv_frame

            def counting(frame: Any) -> None:
                nonlocal pings
                pings += frame.opcode is websockets.Opcode.PING
                respond(frame)

            peer.protocol.recv_frame = counting  # type: ignore[method-assign]
            async with asyncio.timeout(BOUND):
                while pings < 5:
                    await peer.send("still there")
                    assert await peer.recv() == "11"


async def test_a_dead_peer_is_noticed(loop_name: str) -> None:
    with serving(loop_name, linger_seconds=0.1, more={"ws_ping_interval": 0.05, "ws_ping_timeout": 0.1}) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(UPGRADE % (b"/", b""))
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            await hub.saw()
            assert (await hub.saw())["type"] == "websocket.disconnect"
            await hub.empty()
            frames = await everything(reader)
            assert frames[0] == 0x89, "a ping"
            assert b"\x03\xf3keepalive ping timeout" in frames, "and a close with 1011"
            assert hub.config.counts["ping_timeout"] == 1


async def test_a_dead_peer_with_unsent_bytes_waiting_does_not_stay_half_closed(loop_name: str) -> None:
    quick = {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.1}
    with serving(loop_name, linger_seconds=0.1, stalled_seconds=LONG, more=quick) as hub:
        async with hub.talk(limit=1024) as (reader, writer):
            writer.write(UPGRADE % (b"/flood", b""))
            await reader.readuntil(b"\r\n\r\n")
            await hub.saw()
            assert await hub.saw() == "gone"
            await hub.empty()


async def test_a_peer_that_reads_nothing_is_cut_off(loop_name: str) -> None:
    with serving(loop_name, stalled_seconds=SOON, more={"ws_ping_interval": None}) as hub:
        async with hub.talk(limit=1024) as (reader, writer):
            writer.write(UPGRADE % (b"/flood", b""))
            await reader.readuntil(b"\r\n\r\n")
            await hub.counted("stalled")
            await hub.saw()
            assert await hub.saw() == "gone"
            await hub.empty()


async def test_the_last_word_to_a_peer_that_takes_nothing_waits_for_nothing(loop_name: str) -> None:
    """It is told as soon as it reads again; and if it never does, neither end is left with what it did not take."""
    with serving(loop_name, linger_seconds=2.0, stalled_seconds=LONG, more={"ws_ping_interval": None}) as hub:
        async with hub.talk(limit=2**26) as (reader, writer):
            writer.write(UPGRADE % (b"/stuck", b""))
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.pause_reading()
            await hub.saw()
            assert await hub.saw() == "closed"
            writer.transport.resume_reading()
            async with asyncio.timeout(BOUND):
                await reader.readuntil(b"\x88\x0e\x0f\xactook nothing")
        async with hub.talk(limit=1024) as (reader, writer):
            port = writer.get_extra_info("sockname")[1]
            writer.write(UPGRADE % (b"/stuck", b""))
            await reader.readuntil(b"\r\n\r\n")
            await hub.saw()
            assert await hub.saw() == "closed"
            await hub.empty()
            assert hub.config.counts["closed_unread"] == 2
            if sys.platform == "linux":
                lines = Path("/proc/net/tcp").read_text().splitlines()
                assert not [line for line in lines if _between(line, hub.port, port)]


def _between(line: str, near: int, far: int) -> bool:
    """Whether a line of /proc/net/tcp is about the hub's end of this connection."""
    return f":{near:04X}" in line.split()[1] and f":{far:04X}" in line.split()[2]


async def test_a_hub_that_does_not_read_does_not_take_its_peer_for_dead(loop_name: str) -> None:
    with serving(loop_name, more={"ws_ping_interval": 0.05, "ws_ping_timeout": 1.0}) as hub:
        async with connect(f"{hub.url}/late", ping_interval=None) as peer:
            for _ in range(3):
                await peer.send("wait")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(peer.recv(), 2.5)
            hub.app.go_on.set()
            async with asyncio.timeout(BOUND):
                assert await peer.recv() == "4"
            assert hub.config.counts["ping_timeout"] == 0


async def test_a_binary_frame_reaches_the_app_and_hurts_nobody(loop_name: str) -> None:
    with serving(loop_name) as hub:
        async with connect(hub.url) as peer, asyncio.timeout(BOUND):
            await peer.send(b"\x00\xff")
            assert await peer.recv() == "2"
            await peer.send("text")
            assert await peer.recv() == "4"


@pytest.mark.parametrize("size", [1025, 20_000_000])
@pytest.mark.parametrize("fragments", [1, 4])
async def test_a_message_too_large_is_closed_with_1009_which_arrives(loop_name: str, size: int, fragments: int) -> None:
    with serving(loop_name, more={"ws_max_size": 1024}) as hub:
        async with connect(hub.url) as bystander, connect(hub.url) as peer, asyncio.timeout(BOUND):
            piece = "x" * -(-size // fragments)
            with pytest.raises(ConnectionClosedError) as why:  # noqa: PT012 - sending may fail or succeed
                with suppress(ConnectionClosed):
                    await peer.send([piece] * fragments)
                await peer.recv()
            assert why.value.rcvd is not None
            assert why.value.rcvd.code == 1009
            await bystander.send("x" * 1024)
            assert await bystander.recv() == "1024"
        await hub.empty()
        assert hub.config.counts["broken_frame"] == 1


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        pytest.param(b"\x81\x05hello", 1002, id="not masked"),
        pytest.param(b"\xc1\x80\x00\x00\x00\x00", 1002, id="a reserved bit, as of compression"),
        pytest.param(b"\x83\x80\x00\x00\x00\x00", 1002, id="an unknown opcode"),
        pytest.param(b"\x89\xfe\x00\x7e\x00\x00\x00\x00", 1002, id="a ping over 125 bytes"),
        pytest.param(b"\x80\x80\x00\x00\x00\x00", 1002, id="a continuation of nothing"),
        pytest.param(b"\x81\x81\x00\x00\x00\x00\xff", 1007, id="not UTF-8"),
        pytest.param(b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", 1009, id="a length of 2^64-1"),
    ],
)
async def test_a_broken_frame_ends_its_own_connection_and_no_other(loop_name: str, frame: bytes, code: int) -> None:
    with serving(loop_name) as hub:
        async with connect(hub.url) as bystander:
            async with hub.talk() as (reader, writer):
                writer.write(UPGRADE % (b"/", b""))
                await reader.readuntil(b"\r\n\r\n")
                writer.write(frame + (b"x" * 100_000 if code != 1007 else b""))
                answer = await everything(reader)
                assert answer[0] == 0x88
                assert int.from_bytes(answer[2:4]) == code
            await bystander.send("x")
            async with asyncio.timeout(BOUND):
                assert await bystander.recv() == "1"


async def test_compression_is_not_offered(loop_name: str) -> None:
    with serving(loop_name) as hub:
        async with connect(hub.url, compression="deflate") as peer:
            assert peer.protocol.extensions == []


async def test_a_handshake_that_the_app_leaves_open_is_ended(loop_name: str) -> None:
    with serving(loop_name, handshake_seconds=SOON) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(UPGRADE % (b"/never", b""))
            assert (await everything(reader)).startswith(b"HTTP/1.1 500")
        await hub.empty()
        assert hub.config.counts["handshake_timeout"] == 1


async def test_an_accepted_connection_is_not_ended_by_the_bound_of_its_handshake(loop_name: str) -> None:
    with serving(loop_name, handshake_seconds=LATER, header_seconds=LATER) as hub:
        async with connect(hub.url) as peer:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(peer.recv(), LATER * 2)
            await peer.send("x")
            async with asyncio.timeout(BOUND):
                assert await peer.recv() == "1"


async def test_a_handshake_with_a_line_too_long_is_answered(loop_name: str) -> None:
    with serving(loop_name) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(UPGRADE % (b"/", b"Cookie: " + b"x" * 9000 + b"\r\n"))
            assert (await everything(reader)).startswith(b"HTTP/1.1 431")
        assert hub.app.saw.empty()
        await hub.empty()


async def test_a_peer_that_goes_without_a_word_leaves_nothing_behind(loop_name: str) -> None:
    with serving(loop_name) as hub:
        async with hub.talk() as (reader, writer):
            writer.write(UPGRADE % (b"/part", b""))
            await reader.readuntil(b"\r\n\r\n")
        await hub.saw()
        assert (await hub.saw())["type"] == "websocket.disconnect"
        await hub.empty()


async def test_a_protocol_can_offer_the_app_an_extension(loop_name: str) -> None:
    class Offering(WebSocketProtocol):
        def extensions(self) -> dict[str, Any]:
            return {"a.test": self.transport}

    with serving(loop_name, ws=Offering) as hub:
        async with connect(hub.url):
            scope = await hub.saw()
            assert scope["extensions"]["a.test"].get_extra_info("peername")[0] == "127.0.0.1"
            assert "websocket.http.response" in scope["extensions"]


async def test_a_server_with_clients_of_all_kinds_still_stops(loop_name: str) -> None:
    with serving(loop_name, linger_seconds=0.1) as hub:
        async with hub.talk(), hub.talk() as (_, half), connect(hub.url) as peer:
            half.write(b"GET / HTTP/1.1\r\n")
            await peer.send("x")
            await peer.recv()
            hub.server.should_exit = True
            with pytest.raises(ConnectionClosed):
                async with asyncio.timeout(BOUND):
                    await peer.recv()
            assert peer.close_code == 1012
            await hub.empty()


async def test_a_server_stops_also_while_a_peer_that_said_goodbye_takes_nothing(loop_name: str) -> None:
    with serving(loop_name, stalled_seconds=LONG, more={"ws_ping_interval": None}) as hub:
        async with hub.talk(limit=1024) as (reader, writer):
            writer.write(UPGRADE % (b"/flood", b""))
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"\x88\x82\x00\x00\x00\x00\x03\xe8")  # close, 1000; the answer waits behind the flood
            async with asyncio.timeout(BOUND):
                while not any(each.transport.is_closing() for each in hub.server.server_state.connections):
                    await asyncio.sleep(0.01)
            hub.server.should_exit = True
            async with asyncio.timeout(BOUND):
                while hub.server.servers[0].is_serving():
                    await asyncio.sleep(0.01)
        await hub.empty()
