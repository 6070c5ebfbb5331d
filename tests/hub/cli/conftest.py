from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest

from hub.cli import main

TOKEN = "hub_the-right-one"


class Request(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


class ScriptedHub:
    """A hub that answers what a test tells it to, and remembers what it was asked.

    An answer is JSON, (status, JSON), bytes to be written as they are, or a function of the request that gives one.
    """

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.answers: dict[tuple[str, str], list[Any]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.server_address[1]}/ws"

    def on(self, method: str, path: str, *answers: Any) -> None:
        """Answer in this order; the last answer goes on for ever."""
        self.answers[method, "/api/v1" + path] = list(answers)

    def asks(self, method: str, path: str) -> list[Request]:
        return [each for each in self.asked if (each.method, each.path) == (method, "/api/v1" + path)]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: Request) -> Any:
        self.asked.append(request)
        if request.path == "/healthz":
            return b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"code": "unauthorized", "message": "The token does not hold.", "hint": "hubbub token show"}
        script = self.answers[request.method, request.path]
        answer = script.pop(0) if len(script) > 1 else script[0]
        return answer(request) if callable(answer) else answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("content-length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = scripted._answer(
                    Request(self.command, parts.path, dict(parse_qsl(parts.query)), body, headers)
                )
                if isinstance(answer, bytes):
                    self.wfile.write(answer)
                    return
                status, told = answer if isinstance(answer, tuple) else (200, answer)
                raw = json.dumps(told).encode()
                self.wfile.write(
                    b"HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                    % (status, len(raw), raw)
                )

            do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def hub() -> Iterator[ScriptedHub]:
    scripted = ScriptedHub()
    yield scripted
    scripted.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and an environment that says nothing else."""
    for key in ("URL", "TOKEN", "NAME", "CONFIG", "DEBUG", "PORT"):
        monkeypatch.delenv(f"HUBBUB_{key}", raising=False)
    monkeypatch.setenv("HUBBUB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def hubbub(home: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run one command line in this process."""

    def run(*words: str) -> Said:
        code = main(words)
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return run


@pytest.fixture
def talk(hub: ScriptedHub, hubbub: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """The same, with the scripted hub as the one that is meant."""
    monkeypatch.setenv("HUBBUB_URL", hub.url)
    monkeypatch.setenv("HUBBUB_TOKEN", TOKEN)
    return hubbub


def message(offset: int, **parts: Any) -> dict[str, Any]:
    """A message as the hub's HTTP tells it."""
    return {
        "offset": offset,
        "id": f"m{offset}",
        "from": "bob",
        "to": "alice",
        "topic": "inbox.alice",
        "thread": None,
        "reply_to": None,
        "body": "hello",
        "data": None,
        "at": "2026-11-22T12:00:00Z",
        "attachments": None,
        **parts,
    }


@pytest.fixture
def make_message() -> Callable[..., dict[str, Any]]:
    return message
