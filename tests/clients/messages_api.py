"""A Messages API on loopback, so that the real Claude Code runs with no account and no network.

It plays a model that does what the newest words tell it: `[[call TOOL {"some": "argument"}]]` in a user's text, in a
hook's context or in a message becomes a call of that tool, each of them once; otherwise it says "noted".
What it was sent is what the model would have seen: `seen(text)` says whether and how often.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DIRECTIVE = re.compile(r"\[\[call (\w+) (\{.*?\})\]\]", re.DOTALL)


class MessagesApi:
    """Serves `/v1/messages` with streaming until closed. `requests` has the body of each request with tools."""

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

    def seen(self, text: str) -> int:
        """How often `text` stands in the newest request that has it: in the context of the model."""
        with self._changed:
            return max(
                (json.dumps(each["messages"], ensure_ascii=False).count(text) for each in self.requests), default=0
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
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                if "count_tokens" in self.path:
                    self._plain({"input_tokens": 10})
                    return
                body = json.loads(raw)
                api._noted(body)
                answer = _answer(body)
                if body.get("stream"):
                    self._stream(answer)
                else:
                    self._plain(answer)

            def do_GET(self) -> None:
                self._plain({"data": []})

            do_HEAD = do_GET  # noqa: N815 - http.server's names

            def _plain(self, answer: dict[str, Any]) -> None:
                raw = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def _stream(self, answer: dict[str, Any]) -> None:
                raw = b"".join(
                    f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in _events(answer)
                )
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def texts(message: dict[str, Any]) -> Iterator[str]:
    """The texts of one message, those inside tool results too."""
    content = message["content"]
    for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        if part["type"] == "text":
            yield part["text"]
        elif part["type"] == "tool_result":
            yield from texts({"content": part.get("content") or ""})


def _answer(body: dict[str, Any]) -> dict[str, Any]:
    messages = body["messages"]
    called = sum(
        part["type"] == "tool_use"
        for each in messages
        if each["role"] == "assistant" and not isinstance(each["content"], str)
        for part in each["content"]
    )
    wanted = [
        found
        for each in messages
        if each["role"] != "assistant"
        for text in texts(each)
        for found in DIRECTIVE.findall(text)
    ]
    content: dict[str, Any] = {"type": "text", "text": "noted"}
    if body.get("tools") and len(wanted) > called:
        tool, arguments = wanted[called]
        content = {"type": "tool_use", "id": f"toolu_{called:04}", "name": tool, "input": json.loads(arguments)}
    return {
        "id": f"msg_{len(messages):04}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [content],
        "stop_reason": "tool_use" if content["type"] == "tool_use" else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }


def _events(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answer as the Messages API streams it (https://docs.anthropic.com/en/docs/build-with-claude/streaming)."""
    (content,) = answer["content"]
    yield {"type": "message_start", "message": {**answer, "content": [], "stop_reason": None}}
    if content["type"] == "text":
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        delta = {"type": "text_delta", "text": content["text"]}
    else:
        yield {"type": "content_block_start", "index": 0, "content_block": {**content, "input": {}}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(content["input"])}
    yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    stopped = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": stopped, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}
