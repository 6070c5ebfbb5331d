from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from hub.errors import (
    BadFrame,
    BadValue,
    HubbubError,
    InboxFull,
    NameTaken,
    Unauthorized,
    UnknownMessage,
    Unreachable,
    tree,
)
from hub.request import Event, Requests, origin

OK = b"HTTP/1.1 200 OK\r\n"


class Raw:
    """A server that reads one request a connection and writes back given bytes, in the given pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.heads: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(65_536)
                self.heads.append(head.decode())
                with suppress(ConnectionError):  # the client may have heard enough
                    for piece in self.pieces:
                        connection.sendall(piece)

    def close(self) -> None:
        # A close alone does not wake a thread in accept().
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)


@pytest.fixture
def raw() -> Iterator[Callable[..., Raw]]:
    made: list[Raw] = []

    def make(*pieces: bytes) -> Raw:
        made.append(Raw(*pieces))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.mark.parametrize(
    ("url", "http", "websocket"),
    [
        ("ws://127.0.0.1:4820/ws", "http://127.0.0.1:4820", "ws://127.0.0.1:4820/ws"),
        ("http://localhost:4820", "http://localhost:4820", "ws://localhost:4820/ws"),
        ("wss://hub.example/ws", "https://hub.example:443", "wss://hub.example:443/ws"),
        ("https://hub.example:8443/", "https://hub.example:8443", "wss://hub.example:8443/ws"),
        ("ws://[::1]:4820/ws", "http://[::1]:4820", "ws://[::1]:4820/ws"),
    ],
)
def test_one_hub_has_two_urls(url: str, http: str, websocket: str) -> None:
    assert origin(url).http == http
    assert origin(url).websocket == websocket


@pytest.mark.parametrize(
    "url", ["", "alice", "127.0.0.1:4820", "ftp://x", "ws://", "ws://x:port/", "ws://[::1", "http://a b/", "http://é/"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(BadValue):
        origin(url)


@pytest.mark.parametrize(
    "pieces",
    [
        (OK + b'Content-Length: 9\r\n\r\n{"a": 1}\n',),
        (OK + b'\r\n{"a": 1}',),
        (OK + b'Transfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n5;x=y\r\n": 1}\r\n0\r\n\r\n',),
        tuple(bytes([byte]) for byte in OK + b'content-length:8\r\n\r\n{"a": 1}'),
        tuple(bytes([byte]) for byte in OK + b'Transfer-Encoding: chunked\r\n\r\n8\r\n{"a": 1}\r\n0\r\n\r\n'),
    ],
    ids=["length", "until the end", "chunks", "byte by byte", "chunks byte by byte"],
)
def test_an_answer_is_read_however_it_is_framed(raw: Callable[..., Raw], pieces: tuple[bytes, ...]) -> None:
    assert Requests(raw(*pieces).url).get("/status") == {"a": 1}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 what\r\n\r\n",
        OK,
        OK + b"Content-Length: 9\r\n\r\n{",
        OK + b"Content-Length: many\r\n\r\n{}",
        OK + b"Content-Length: -5\r\n\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{}",
        OK + b"\r\n<html>not a hub</html>",
        b"HTTP/1.1 404 Not Found\r\n\r\n<html>not a hub</html>",
        b'HTTP/1.1 500 Oh\r\n\r\n{"detail": "not a hub"}',
        b"HTTP/1.1 500 Oh\r\n\r\n[]",
        OK + b"X: y\r\n" * 200 + b"\r\n{}",
        OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n{}",
    ],
)
def test_what_does_not_speak_as_a_hub_is_unreachable(raw: Callable[..., Raw], answer: bytes) -> None:
    with pytest.raises(Unreachable):
        Requests(raw(answer).url, timeout=30).get("/status")


def test_a_connection_that_brought_no_answer_is_let_go_of(
    raw: Callable[..., Raw], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[socket.socket] = []
    connect = socket.create_connection

    def noted(*where: Any) -> socket.socket:
        opened.append(connect(*where))
        return opened[-1]

    url = raw(b"HTTP/1.1 ").url
    monkeypatch.setattr(socket, "create_connection", noted)
    with pytest.raises(Unreachable) as held:  # and with it all that its traceback names
        Requests(url, timeout=30).get("/status")
    assert held.value
    assert [each.fileno() for each in opened] == [-1]


def test_nobody_there_is_unreachable_and_says_where() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"ws://127.0.0.1:{server.getsockname()[1]}/ws"
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:\d+: .*refused"):
        Requests(url).get("/status")
    assert not Requests(url).healthy()


def test_an_answer_that_does_not_come_is_unreachable_within_bounds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        hub = Requests(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.1)
        with pytest.raises(Unreachable, match="too long"):
            hub.get("/status")


@pytest.mark.parametrize("kind", tree())
def test_an_error_of_the_hub_is_raised_as_what_it_was(raw: Callable[..., Raw], kind: type[HubbubError]) -> None:
    body = b'{"code": "%b", "message": "So it is.", "hint": "Do that."}' % kind.code.encode()
    with pytest.raises(HubbubError) as caught:
        Requests(raw(b"HTTP/1.1 %d No\r\n\r\n%b" % (kind.status, body)).url).get("/status")
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.hint) == ("So it is.", "Do that.")


def test_an_error_that_only_a_newer_hub_knows_is_still_an_error(raw: Callable[..., Raw]) -> None:
    server = raw(b'HTTP/1.1 418 No\r\n\r\n{"code": "teapot", "message": "Short and stout.", "hint": null}')
    with pytest.raises(HubbubError, match=r"Short and stout\.") as caught:
        Requests(server.url).get("/status")
    assert type(caught.value) is HubbubError
    assert {InboxFull, NameTaken, UnknownMessage, BadFrame} <= set(tree())


def test_a_request_says_who_asks_and_quotes_what_it_asks_for(raw: Callable[..., Raw]) -> None:
    server = raw(OK + b"\r\nnull")
    Requests(server.url, "hub_x").get("/messages", as_="al ice", search="a&b=c", topic=None, limit=0)
    head = server.heads[0]
    assert head.startswith("GET /api/v1/messages?as=al+ice&search=a%26b%3Dc&limit=0 HTTP/1.1\r\n")
    assert "\r\nAuthorization: Bearer hub_x\r\n" in head
    assert f"\r\nHost: {server.url[7:]}\r\n" in head


@pytest.mark.parametrize("token", ["a b", "hub_x\r\nX: y", "hub_ü", "hub_x\n"])
def test_a_token_that_cannot_stand_in_a_header_is_refused(token: str) -> None:
    with pytest.raises(Unauthorized):
        Requests("http://127.0.0.1:1", token)


def test_a_redirect_is_not_followed(raw: Callable[..., Raw]) -> None:
    elsewhere = raw(OK + b"\r\nnull")
    server = raw(b"HTTP/1.1 302 Found\r\nLocation: %b/\r\nContent-Length: 0\r\n\r\n" % elsewhere.url.encode())
    Requests(server.url, "hub_x").get("/status")
    assert elsewhere.heads == []


def test_events_are_read_as_they_come(raw: Callable[..., Raw]) -> None:
    stream = (
        b": hello\n\nid: 4\nevent: message\ndata: {\ndata: }\n\n"
        b'event: gap\ndata: {"from":1}\n\nid:5\r\ndata:x\r\n\r\nevent: nothing\n\ndata: cut off'
    )
    server = raw(OK + b"Content-Type: text/event-stream\r\n\r\n", *(bytes([byte]) for byte in stream))
    events = list(Requests(server.url).events(patience=5, after=3))
    assert events == [Event("message", "4", "{\n}"), Event("gap", "4", '{"from":1}'), Event("message", "5", "x")]
    assert "/api/v1/events?after=3 " in server.heads[0]
