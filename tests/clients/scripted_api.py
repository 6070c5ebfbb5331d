"""A model on loopback, so that real clients run with no account and no network.

It does what the newest words tell it: `[[call TOOL {"some": "argument"}]]` in a user's text, in a hook's context or in
a message becomes a call of that tool, each of them once; otherwise it says "noted". What it was sent is what the model
would have seen: `seen(text)` says whether and how often. Each vendor's form of it is a class of its own.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

DIRECTIVE = re.compile(r"\[\[call (\w+) (\{.*?\})\]\]", re.DOTALL)
SAID = "noted"


class Answer(NamedTuple):
    """What is sent back."""

    raw: bytes
    kind: str = "application/json"


class ScriptedApi:
    """Serves until closed. `requests` has the body of each request that offers tools: those of the session itself."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    # A vendor's form

    def conversation(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """What the model is given to go on, in the vendor's form."""
        raise NotImplementedError

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        """What the model says to that."""
        raise NotImplementedError

    # What was seen

    def seen(self, text: str) -> int:
        """How often `text` stands in the newest request that has it: in the context of the model."""
        with self._changed:
            return max(
                (json.dumps(self.conversation(each), ensure_ascii=False).count(text) for each in self.requests),
                default=0,
            )

    def until_seen(self, text: str, limit: float) -> float:
        """Wait until a request has `text`; returns how many seconds that took. Raises TimeoutError."""
        start = time.monotonic()
        with self._changed:
            if not self._changed.wait_for(lambda: self.seen(text) > 0, limit):
                raise TimeoutError(f"{text!r} did not reach the model within {limit} s")
        return time.monotonic() - start

    def until_requests(self, count: int, limit: float) -> None:
        """Wait until so many requests were made. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= count, limit):
                raise TimeoutError(f"{len(self.requests)} requests within {limit} s, not {count}")

    def _noted(self, body: dict[str, Any]) -> None:
        with self._changed:
            if body.get("tools"):
                self.requests.append(body)
            self._changed.notify_all()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
                api._noted(body)
                self._send(api.answer(self.path, body))

            def do_GET(self) -> None:
                self._send(Answer(b'{"data": [], "models": []}'))

            do_HEAD = do_GET  # noqa: N815 - http.server's names

            def _send(self, answer: Answer) -> None:
                self.send_response(200)
                self.send_header("Content-Type", answer.kind)
                self.send_header("Content-Length", str(len(answer.raw)))
                self.end_headers()
                self.wfile.write(answer.raw)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def next_call(told: Iterable[str], called: int) -> tuple[str, dict[str, Any]] | None:
    """The tool that these texts want called next, where so many were; None if there is none left."""
    wanted = [found for text in told for found in DIRECTIVE.findall(text)]
    if len(wanted) <= called:
        return None
    tool, arguments = wanted[called]
    return tool, json.loads(arguments)


def texts(part: Any) -> Iterator[str]:
    """Every text in a part of a conversation, however deep."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict | list):
        for each in part.values() if isinstance(part, dict) else part:
            yield from texts(each)


def events(told: Iterable[dict[str, Any]]) -> Answer:
    """A stream of server-sent events, each under the name of its `type` where it has one."""
    lines = ((f"event: {each['type']}\n" if "type" in each else "") + f"data: {json.dumps(each)}\n\n" for each in told)
    return Answer("".join(lines).encode(), "text/event-stream")


def plain(told: dict[str, Any]) -> Answer:
    return Answer(json.dumps(told).encode())
