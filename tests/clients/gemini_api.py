"""Google's Gemini API, as Gemini CLI speaks it (https://ai.google.dev/api/generate-content)."""

from __future__ import annotations

from typing import Any

from tests.clients.scripted_api import SAID, Answer, ScriptedApi, events, next_call, plain, texts


class GeminiApi(ScriptedApi):
    def conversation(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return list(body["contents"])

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        if "countTokens" in path:
            return plain({"totalTokens": 10})
        given = self.conversation(body)
        called = sum("functionCall" in part for each in given for part in each["parts"])
        told = [text for each in given if each["role"] != "model" for text in texts(each["parts"])]
        part: dict[str, Any] = {"text": SAID}
        if body.get("tools") and (call := next_call(told, called)) is not None:
            part = {"functionCall": {"name": call[0], "args": call[1]}}
        answer = {
            "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
        }
        return events([answer]) if "stream" in path else plain(answer)
