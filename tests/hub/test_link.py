"""A link by itself, on a transport that only notes; and on real sockets, on each event loop that the hub runs on."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from hub.framing import close_frame
from hub.line import Texts
from hub.link import Link, Links, Rota
from tests.hub.test_protocol import BOUND, LONG, LOOPS, SOON, UPGRADE, App, Receive, Running, Send, _between, serving

MAX = 100_000  # bytes of a message
TEXT, BINARY, CONT, CLOSE, PING, PONG = Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.CLOSE, Opcode.PING, Opcode.PONG


def said(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """A frame as a client sends it."""
    return Frame(opcode, data, fin=fin).serialize(mask=True)


class Noting(asyncio.Transport):
    """Notes what is written, and takes as much of it as the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.writes = 0
        self.waiting = 0
        self.reading = True
        self.closing = False
        self.aborted = False
        self.eof = False

    def write(self, data: Any) -> None:
        assert not self.closing, "uvloop raises"
        self.written += data
        self.writes += 1

    def frames(self) -> list[tuple[Opcode, bytes]]:
        client = Protocol(Side.CLIENT)
        client.receive_data(bytes(self.written))
        return [(each.opcode, bytes(each.data)) for each in cast(list[Frame], client.events_received())]

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof = True

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True


class Clock:
    """As much of an event loop as a link needs: timers, rung by the test."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Any, Any, Any]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, then: Any, *parts: Any) -> Any:
        timer = asyncio.TimerHandle(when, then, parts, cast(Any, self))
        self.timers.append((when, timer, then, parts))
        return timer

    def call_later(self, seconds: float, then: Any, *parts: Any) -> Any:
        return self.call_at(self.now + seconds, then, *parts)

    def get_debug(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: Any) -> None:
        pass

    def pass_(self, seconds: float) -> None:
        """Let time go by."""
        until = self.now + seconds
        while due := [each for each in self.timers if each[0] <= until and not each[1].cancelled()]:
            timer = min(due, key=lambda each: each[0])
            self.timers.remove(timer)
            self.now = max(self.now, timer[0])
            timer[2](*timer[3])
        self.now = until


class Hearing:
    """An end that notes what it is told, and is a whole link with a transport that notes too."""

    def __init__(self, **more: Any) -> None:
        self.clock = Clock()
        self.counts: Counter[str] = Counter()
        self.connections: set[Any] = set()
        self.transport = Noting()
        settings: dict[str, Any] = {"max_size": MAX, "linger": 2.0, "ping_interval": 10.0, "ping_timeout": 15.0, **more}
        links = Links(cast(Any, self.clock), self.connections, self.counts, **settings)
        self.heards: list[list[bytes]] = []
        self.told: list[Any] = []
        self.link = Link(links, self.transport, self, 10.0)

    def heard(self, texts: list[bytes]) -> None:
        self.heards.append(texts)

    def heard_binary(self) -> None:
        self.told.append("binary")

    def drained(self) -> None:
        self.told.append("drained")

    def stuck(self) -> None:
        self.told.append("stuck")
        self.link.close(4012, "stuck")

    def lost(self, code: int) -> None:
        self.told.append(code)

    @property
    def texts(self) -> list[bytes]:
        return [text for texts in self.heards for text in texts]


# In


def test_all_texts_of_one_read_are_handed_over_at_once() -> None:
    end = Hearing()
    end.link.data_received(b"".join(said(TEXT, b"%d" % n) for n in range(100)) + said(TEXT, b"cut")[:-1])
    assert end.heards == [[b"%d" % n for n in range(100)]]
    end.link.data_received(said(TEXT, b"cut")[-1:][:0])
    assert len(end.heards) == 1


_messages = st.lists(
    st.tuples(
        st.sampled_from(["text", "fragments", "ping", "pong"]),
        st.text(max_size=20) | st.sampled_from(["x" * 125, "y" * 126, "ü" * 40_000]),
    ),
    max_size=6,
)


@given(_messages, st.lists(st.integers(0, 100_000), max_size=8))
def test_however_the_bytes_are_cut_the_texts_are_whole_and_in_order(
    messages: list[tuple[str, str]], cuts: list[int]
) -> None:
    sent, texts, pings = b"", [], []
    for kind, text in messages:
        data = text.encode()
        if kind == "text":
            sent += said(TEXT, data)
            texts.append(data)
        elif kind == "fragments":
            half = len(data) // 2
            sent += said(TEXT, data[:half], fin=False) + said(PING, b"between") + said(CONT, data[half:])
            texts.append(data)
            pings.append(b"between")
        else:
            sent += said(PING if kind == "ping" else PONG, data[:30])
            pings += [data[:30]] if kind == "ping" else []
    places = sorted({0, len(sent), *(cut % (len(sent) + 1) for cut in cuts)})
    end = Hearing()
    for begin, stop in pairwise(places):
        end.link.data_received(sent[begin:stop])
    assert end.texts == texts
    assert end.transport.frames() == [(PONG, ping) for ping in pings]
    assert end.told == []


def test_a_long_text_in_small_reads_is_not_copied_each_time() -> None:
    end = Hearing()
    sent = said(TEXT, b"x" * 50_000)
    for place in range(len(sent)):
        end.link.data_received(sent[place : place + 1])
    assert end.texts == [b"x" * 50_000]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(b"\x81\x05hello", 1002, id="not masked"),
        pytest.param(b"\xc1\x80\x00\x00\x00\x00", 1002, id="a reserved bit, as of compression"),
        pytest.param(b"\x83\x80\x00\x00\x00\x00", 1002, id="an unknown opcode"),
        pytest.param(b"\x89\xfe\x00\x7e\x00\x00\x00\x00", 1002, id="a ping over 125 bytes"),
        pytest.param(b"\x09\x80\x00\x00\x00\x00", 1002, id="a ping in fragments"),
        pytest.param(b"\x80\x80\x00\x00\x00\x00", 1002, id="a continuation of nothing"),
        pytest.param(said(TEXT, b"a", fin=False) + said(TEXT, b"b"), 1002, id="a text within a text"),
        pytest.param(said(TEXT, b"a", fin=False) + said(CLOSE, b"\x03\xe8"), 1002, id="a goodbye within a text"),
        pytest.param(said(TEXT, b"\xff"), 1007, id="not UTF-8"),
        pytest.param(said(TEXT, b"\xc3", fin=False) + said(CONT, b"\x28"), 1007, id="fragments that are not"),
        pytest.param(said(TEXT, b"x" * (MAX + 1))[:14], 1009, id="too large"),
        pytest.param(b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", 1009, id="a length of 2^64-1"),
        pytest.param(
            said(TEXT, b"x" * MAX, fin=False) + said(CONT, b"x", fin=False), 1009, id="too large in fragments"
        ),
    ],
)
def test_what_breaks_the_protocol_is_told_so_and_nothing_more_is_heard(sent: bytes, code: int) -> None:
    end = Hearing()
    end.link.data_received(said(TEXT, b"before") + sent + said(TEXT, b"after"))
    end.link.data_received(said(TEXT, b"later"))
    assert end.texts == [b"before"]
    ((opcode, told),) = end.transport.frames()
    assert (opcode, int.from_bytes(told[:2])) == (CLOSE, code)
    assert end.told == [code]
    assert end.counts["broken_frame"] == 1
    assert end.transport.eof
    assert not end.transport.closing
    end.clock.pass_(2.0)
    assert end.transport.closing
    end.clock.pass_(2.0)
    assert end.transport.aborted


def test_a_text_just_as_long_as_it_may_be_is_heard() -> None:
    end = Hearing()
    end.link.data_received(said(TEXT, b"x" * MAX))
    assert end.texts == [b"x" * MAX]


def test_a_binary_message_is_told_in_its_place() -> None:
    end = Hearing()
    end.link.data_received(said(TEXT, b"a") + said(BINARY, b"\xff", fin=False) + said(CONT, b"\xff") + said(TEXT, b"b"))
    assert end.heards == [[b"a"], [b"b"]]
    assert end.told == ["binary"]


def test_a_link_that_holds_reads_nothing_and_then_goes_on() -> None:
    end = Hearing()
    end.link.hold()
    end.link.hold()
    assert not end.transport.reading
    end.link.go_on()
    assert end.transport.reading


# Out, and the end


def test_texts_go_out_in_one_write() -> None:
    end = Hearing()
    end.link.write(Texts([b"a", b"b", b"c"]))
    assert end.transport.writes == 1
    assert end.transport.frames() == [(TEXT, b"a"), (TEXT, b"b"), (TEXT, b"c")]


def test_nothing_is_written_to_a_socket_that_closes() -> None:
    end = Hearing()
    end.transport.closing = True
    end.link.write(Texts([b"a"]))
    end.link.ping()
    end.link.close(4000, "")
    end.link.shutdown()
    assert end.transport.writes == 0


def test_a_client_that_takes_nothing_is_stuck_and_one_that_takes_little_is_not() -> None:
    end = Hearing(ping_interval=None)
    end.transport.waiting = 1000
    end.link.pause_writing()
    assert not end.link.room
    for left in (900, 800, 700):
        end.clock.pass_(9)
        end.transport.waiting = left
        end.clock.pass_(1)
    assert end.told == []
    end.clock.pass_(10)
    assert end.told == ["stuck"]
    assert end.transport.frames()[-1] == (CLOSE, (4012).to_bytes(2) + b"stuck")
    assert end.counts["closed_unread"] == 1
    end.clock.pass_(2)
    assert end.transport.aborted


def test_a_client_that_takes_what_waited_is_served_again() -> None:
    end = Hearing(ping_interval=None)
    end.transport.waiting = 1000
    end.link.pause_writing()
    end.link.resume_writing()
    assert end.link.room
    end.clock.pass_(60)
    assert end.told == ["drained"]


def test_a_goodbye_is_answered_and_what_was_said_before_it_is_heard_first() -> None:
    end = Hearing()
    end.link.data_received(said(TEXT, b"last") + said(CLOSE, b"\x03\xe8bye") + said(TEXT, b"after"))
    assert (end.texts, end.told) == ([b"last"], [1000])
    assert end.transport.frames() == [(CLOSE, b"\x03\xe8bye")]
    assert end.transport.closing
    end.link.connection_lost(None)
    assert end.told == [1000]


@pytest.mark.parametrize(("data", "code"), [(b"", 1005), (b"\x0f\xa0", 4000)])
def test_the_code_of_a_goodbye_is_told(data: bytes, code: int) -> None:
    end = Hearing()
    end.link.data_received(said(CLOSE, data))
    assert end.told == [code]


def test_the_hub_s_own_goodbye_waits_for_the_answer_and_hears_nothing_more() -> None:
    end = Hearing(ping_interval=None)
    end.link.hold()
    end.link.close(4002, "bye")
    assert end.transport.reading, "the answer has to be read"
    end.link.data_received(said(TEXT, b"too late") + said(PING, b"?"))
    assert not end.transport.closing
    end.link.data_received(said(CLOSE, b"\x0f\xa2bye"))
    assert end.transport.closing
    assert (end.texts, end.told) == ([], [])
    assert end.transport.frames() == [(CLOSE, close_frame(4002, "bye")[2:])]


def test_a_goodbye_that_is_not_answered_is_not_waited_for_for_ever() -> None:
    end = Hearing(ping_interval=None)
    end.link.close(4002, "bye")
    end.clock.pass_(10)
    assert end.transport.closing
    end.clock.pass_(2)
    assert end.transport.aborted


def test_a_socket_that_is_gone_is_told_once_and_leaves_no_timer() -> None:
    end = Hearing(ping_interval=None)
    assert end.connections == {end.link}
    end.transport.waiting = 1
    end.link.pause_writing()
    end.link.connection_lost(ConnectionResetError())
    end.clock.pass_(60)
    assert end.told == [1006]
    assert end.connections == set()


# Keepalive


def test_a_peer_that_answers_pings_stays() -> None:
    end = Hearing()
    for turn in range(1, 6):
        end.clock.pass_(10)
        assert len(end.transport.frames()) == turn
        end.link.data_received(said(PONG, b"unasked") + said(*answer(end)))
    end.clock.pass_(9.9)
    assert end.told == []


def answer(end: Hearing) -> tuple[Opcode, bytes]:
    opcode, data = end.transport.frames()[-1]
    assert opcode is PING
    return PONG, data


def test_a_peer_that_does_not_answer_is_given_a_moment_more_and_closed() -> None:
    end = Hearing()
    end.clock.pass_(10 + 15 + 0.9)
    end.link.data_received(said(PONG, b"none"))
    assert end.told == []
    end.clock.pass_(0.2)
    assert end.told == [1006]
    assert end.transport.frames()[-1] == (CLOSE, (1011).to_bytes(2) + b"keepalive ping timeout")
    assert end.counts["ping_timeout"] == 1
    end.clock.pass_(2)
    assert end.transport.aborted


def test_a_pong_in_the_moment_more_is_good() -> None:
    end = Hearing()
    end.clock.pass_(10 + 15 + 0.9)
    end.link.data_received(said(*answer(end)))
    end.clock.pass_(9)
    assert end.told == []


def test_a_pong_between_the_fragments_of_a_message_is_good() -> None:
    end = Hearing()
    end.clock.pass_(10)
    pong = said(*answer(end))
    end.link.data_received(said(TEXT, b"hel", fin=False) + pong[:4])
    end.link.data_received(pong[4:] + said(CONT, b"lo"))
    assert end.texts == [b"hello"]
    end.clock.pass_(20)
    assert end.told == []
    assert end.transport.frames()[-1][0] is PING


def test_while_the_hub_does_not_read_nobody_is_taken_for_dead() -> None:
    end = Hearing()
    end.clock.pass_(10)
    end.link.hold()
    end.clock.pass_(100)
    assert end.told == []
    end.link.go_on()
    end.link.data_received(said(*answer(end)))
    end.clock.pass_(10)
    assert len(end.transport.frames()) == 2


def test_without_a_time_for_pongs_the_pings_go_on() -> None:
    end = Hearing(ping_timeout=None)
    end.clock.pass_(50)
    assert len(end.transport.frames()) == 5
    assert end.told == []


def test_all_links_share_one_timer() -> None:
    clock = Clock()
    rung: list[int] = []
    rota = Rota(cast(Any, clock), 10.0, lambda _, about: rung.append(about[0]))
    for number in range(10):
        rota.add(cast(Any, None), bytes([number]))
        clock.pass_(0.5)
        assert len(clock.timers) == 1
    clock.pass_(7.1)
    assert rung == [0, 1, 2, 3, 4]
    clock.pass_(100)
    assert rung == list(range(10))
    assert clock.timers == []


def test_one_link_that_raises_does_not_end_the_keepalive_of_all() -> None:
    clock = Clock()
    rung: list[int] = []

    def ring(_: Link, about: bytes) -> None:
        if about == b"\x00":
            raise RuntimeError("planted")
        rung.append(about[0])

    rota = Rota(cast(Any, clock), 10.0, ring)
    for number in range(3):
        rota.add(cast(Any, None), bytes([number]))
    with pytest.raises(RuntimeError):
        clock.pass_(11)
    clock.pass_(1)
    assert rung == [1, 2]


# On real sockets


@pytest.fixture(params=LOOPS)
def loop_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Linked(App):
    """Hands every WebSocket over to its link, and answers each text with its length."""

    async def _websocket(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        end = Talking(self, flood=scope["path"] == "/flood")
        end.line = scope["extensions"]["hubbub.link"](end, SOON)
        if end.flood:
            end.drained()
        self.saw.put(end)


class Talking:
    def __init__(self, app: Linked, *, flood: bool) -> None:
        self.app = app
        self.flood = flood
        self.line: Link

    def heard(self, texts: list[bytes]) -> None:
        self.line.write(Texts(str(len(text)).encode() for text in texts))

    def heard_binary(self) -> None:
        self.line.close(4501, "binary")

    def drained(self) -> None:
        while self.flood and self.line.room:
            self.line.write(Texts([b"x" * 65_536]))

    def stuck(self) -> None:
        self.line.close(4012, "took nothing")
        self.app.saw.put("stuck")

    def lost(self, code: int) -> None:
        self.app.saw.put(code)


@contextmanager
def linking(loop_name: str, **more: Any) -> Iterator[Running]:
    with serving(loop_name, app=Linked(), **more) as hub:
        yield hub


@asynccontextmanager
async def raw(hub: Running, path: bytes = b"/", **more: Any) -> AsyncIterator[Any]:
    """A WebSocket by hand, and the end at the hub's side of it."""
    async with hub.talk(**more) as (reader, writer):
        writer.write(UPGRADE % (path, b""))
        await reader.readuntil(b"\r\n\r\n")
        yield reader, writer, await hub.saw()


async def test_a_conversation_goes_on_when_the_app_has_returned(loop_name: str) -> None:
    with linking(loop_name) as hub:
        async with connect(hub.url) as peer, asyncio.timeout(BOUND):
            await hub.saw()
            for size in (0, 1, 125, 126, 65_536, 1_000_000):
                await peer.send("x" * size)
                assert await peer.recv() == str(size)
            await peer.send(["frag", "ments"])
            assert await peer.recv() == "9"
            await (await peer.ping())
            assert hub.server.server_state.tasks == set()
        assert await hub.saw() == 1000
        await hub.empty()


async def test_links_count_as_connections(loop_name: str) -> None:
    with linking(loop_name, connections=1) as hub:
        async with connect(hub.url), hub.talk() as (reader, _):
            async with asyncio.timeout(BOUND):
                assert (await reader.read()).startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("fragments", [1, 4])
async def test_a_message_too_large_is_closed_with_1009_which_arrives(loop_name: str, fragments: int) -> None:
    with linking(loop_name, more={"ws_max_size": 1024}) as hub:
        async with connect(hub.url) as bystander, connect(hub.url) as peer, asyncio.timeout(10):
            piece = "x" * (20_000_000 // fragments)
            with pytest.raises(ConnectionClosedError) as why:  # noqa: PT012 - sending may fail or succeed
                with suppress(ConnectionClosed):
                    await peer.send([piece] * fragments)
                await peer.recv()
            assert why.value.rcvd is not None
            assert why.value.rcvd.code == 1009
            await bystander.send("x" * 1024)
            assert await bystander.recv() == "1024"
        await hub.empty()


async def test_a_binary_message_is_closed_as_its_end_says(loop_name: str) -> None:
    with linking(loop_name) as hub:
        async with connect(hub.url) as peer, asyncio.timeout(BOUND):
            await peer.send(b"\x00")
            with pytest.raises(ConnectionClosed):
                await peer.recv()
            assert (peer.close_code, peer.close_reason) == (4501, "binary")
        await hub.empty()


async def test_a_peer_that_reads_nothing_is_stuck_and_neither_end_keeps_anything_of_it(loop_name: str) -> None:
    with linking(loop_name, linger_seconds=0.2, stalled_seconds=LONG, more={"ws_ping_interval": None}) as hub:
        async with raw(hub, b"/flood", limit=1024) as (_, writer, _end):
            port = writer.get_extra_info("sockname")[1]
            assert await hub.saw() == "stuck"
            await hub.empty()
            assert hub.config.counts["closed_unread"] == 1
            if sys.platform == "linux":
                lines = Path("/proc/net/tcp").read_text().splitlines()
                assert not [line for line in lines if _between(line, hub.port, port)]


async def test_a_stuck_peer_that_reads_again_finds_the_last_word(loop_name: str) -> None:
    with linking(loop_name, stalled_seconds=LONG, more={"ws_ping_interval": None}) as hub:
        async with raw(hub, b"/flood", limit=2**26) as (reader, writer, _end):
            writer.transport.pause_reading()
            assert await hub.saw() == "stuck"
            writer.transport.resume_reading()
            async with asyncio.timeout(BOUND):
                await reader.readuntil(b"\x88\x0e\x0f\xactook nothing")


async def test_a_dead_peer_is_noticed(loop_name: str) -> None:
    with linking(loop_name, linger_seconds=0.1, more={"ws_ping_interval": 0.05, "ws_ping_timeout": 0.1}) as hub:
        async with raw(hub) as (reader, _, _end):
            assert await hub.saw() == 1006
            await hub.empty()
            async with asyncio.timeout(BOUND):
                frames = await reader.read()
            assert frames[0] == 0x89, "a ping"
            assert b"\x03\xf3keepalive ping timeout" in frames, "and a close with 1011"


async def test_a_peer_that_goes_without_a_word_leaves_nothing_behind(loop_name: str) -> None:
    with linking(loop_name) as hub:
        async with raw(hub):
            pass
        assert await hub.saw() == 1006
        await hub.empty()


async def test_a_server_with_links_still_stops_and_says_so(loop_name: str) -> None:
    with linking(loop_name, linger_seconds=0.1) as hub:
        async with connect(hub.url) as peer:
            await peer.send("x")
            await peer.recv()
            hub.server.should_exit = True
            with pytest.raises(ConnectionClosed):
                async with asyncio.timeout(BOUND):
                    await peer.recv()
            assert peer.close_code == 1012
            await hub.empty()
