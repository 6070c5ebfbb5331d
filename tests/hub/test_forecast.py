from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from hub import forecast
from tests.hub.live import Live


async def told(hub: Live) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    answer = (await hub.request("GET", "/api/v1/topics")).json()
    return answer, {row["topic"]: row for row in answer["topics"]}


async def test_topics_tell_what_came_lately_and_when_their_oldest_goes(
    hub: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "FAR", 10.0**10)
    async with hub.session("bob") as bob:
        for number in range(3):
            await bob.publish("#build", f"green {number}")
        await bob.publish("alice", "hi")
        first = (await hub.request("GET", "/api/v1/messages?topic=build")).json()["messages"][0]
    answer, rows = await told(hub)
    assert (rows["build"]["lately"], rows["inbox.alice"]["lately"]) == (3, 1)
    assert rows["build"]["oldest_at"] == first["at"]
    kept = datetime.fromisoformat(rows["build"]["goes_at"]) - datetime.fromisoformat(first["at"])
    assert kept.total_seconds() == answer["retention_age"] == 30 * 86_400
    assert 0 < answer["bytes_an_hour"] == pytest.approx(answer["kept_bytes"], abs=1)
    hours_left = (answer["retention_size"] - answer["kept_bytes"]) / answer["bytes_an_hour"]
    foretold = datetime.fromisoformat(answer["full_at"]) - datetime.fromisoformat(answer["at"])
    assert foretold.total_seconds() / 3600 == pytest.approx(hours_left, rel=0.01)


async def test_lately_is_as_far_as_memory_goes_and_says_so(hub: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "LATELY", 2)
    async with hub.session("bob") as bob:
        for number in range(3):
            await bob.publish("#build", f"green {number}")
        messages = (await hub.request("GET", "/api/v1/messages?topic=build")).json()["messages"]
        answer, rows = await told(hub)
    assert rows["build"]["lately"] == 2
    assert answer["since"] == messages[1]["at"]


async def test_what_hardly_grows_is_not_foretold_for_ever(hub: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "FAR", 1.0)
    answer, _ = await told(hub)
    assert answer["full_at"] is None
