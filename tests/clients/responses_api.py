"""OpenAI's Responses API, as Codex speaks it (https://platform.openai.com/docs/api-reference/responses-streaming)."""

from __future__ import annotations

import json
from typing import Any

from tests.clients.scripted_api import SAID, Answer, ScriptedApi, events, next_call, texts


class ResponsesApi(ScriptedApi):
    def conversation(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return list(body["input"])

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        given = self.conversation(body)
        called = sum(each["type"] == "function_call" for each in given)
        told = [
            text
            for each in given
            if each.get("role") != "assistant" and each["type"] != "function_call"
            for text in texts(each)
        ]
        item: dict[str, Any] = {
            "type": "message",
            "id": f"msg_{len(given)}",
            "role": "assistant",
            "content": [{"type": "output_text", "text": SAID}],
        }
        if (call := next_call(told, called)) is not None:
            name, arguments = call[0], json.dumps(call[1])
            item = {"type": "function_call", "id": f"fc_{called}", "call_id": f"call_{called}"}
            item |= {"name": name, "arguments": arguments}
        usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        usage |= {"input_tokens_details": None, "output_tokens_details": None}  # type: ignore[dict-item]
        return events(
            [
                {"type": "response.created", "response": {"id": "r"}},
                {"type": "response.output_item.done", "output_index": 0, "item": item},
                {"type": "response.completed", "response": {"id": "r", "usage": usage}},
            ]
        )
