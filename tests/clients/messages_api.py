"""Anthropic's Messages API, as Claude Code speaks it (https://docs.anthropic.com/en/docs/build-with-claude/streaming)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.clients.scripted_api import SAID, Answer, ScriptedApi, events, next_call, plain


class MessagesApi(ScriptedApi):
    def conversation(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return list(body["messages"])

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        if "count_tokens" in path:
            return plain({"input_tokens": 10})
        answer = _answer(body)
        return events(_stream(answer)) if body.get("stream") else plain(answer)


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
    told = [text for each in messages if each["role"] != "assistant" for text in texts(each)]
    content: dict[str, Any] = {"type": "text", "text": SAID}
    if body.get("tools") and (call := next_call(told, called)) is not None:
        content = {"type": "tool_use", "id": f"toolu_{called:04}", "name": call[0], "input": call[1]}
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


def _stream(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
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
