"""One instance, closely looked at, in a real hub; nothing of that changes anything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub import particulars
from tests.hub.live import BOUND, Live


async def ask(hub: Live, path: str, **query: Any) -> Any:
    answer = await hub.request("GET", f"/api/v1/instances/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def gone(hub: Live, name: str) -> None:
    """Return when the hub has noticed that an instance's last session is over."""
    async with asyncio.timeout(BOUND):
        while (await ask(hub, name))["online"]:
            pass


async def test_an_instance_is_told_with_its_names_sessions_and_subscriptions(hub: Live) -> None:
    async with hub.session("alice", client="codex/0.169", credit=17) as alice, hub.session("bob", credit=0):
        await alice.ask(type="subscribe", topic="build.*")
        await alice.ask(type="rename", name="alicia")
        told = await ask(hub, "alicia")
        assert (told["name"], told["state"], told["sessions"], told["also"]) == ("alicia", "online", 1, ["alice"])
        assert [each["name"] for each in told["names"]] == ["alice", "alicia"]
        assert told["names"][0]["forwards_until"] is not None
        assert told["names"][1]["forwards_until"] is None
        (client,) = told["clients"]
        assert (client["client"], client["observer"], client["credit"]) == ("codex/0.169", False, 17)
        assert [each["topic"] for each in told["subscriptions"]] == ["build.*"]
        assert (await ask(hub, "alice"))["name"] == "alicia", "a name that leads to it is as good"
        row = next(
            each for each in (await hub.request("GET", "/api/v1/instances")).json()["instances"] if each["online"]
        )
        assert {key: told[key] for key in row if key != "last_seen"} == {
            key: value for key, value in row.items() if key != "last_seen"
        }


async def test_a_peek_at_a_queue_reads_nothing(hub: Live) -> None:
    async with hub.session("bob") as bob:
        for number in range(3):
            await bob.publish("alice", f"note {number}")
        await hub.request("POST", "/api/v1/instances", {"name": "alice"})
        for _ in range(2):
            peek = await ask(hub, "alice/queue", limit=2)
            assert [each["body"] for each in peek["messages"]] == ["note 0", "note 1"]
            assert (peek["more"], peek["unread"]) == (True, 3)
        assert (await ask(hub, "alice"))["read"] == 0
        (step,) = (await bob.ask(type="status", id=peek["messages"][0]["id"]))["ladder"]
        assert step["state"] == "accepted"


async def test_what_an_instance_did_is_one_stretch_after_another(hub: Live) -> None:
    async with hub.session("bob"), hub.session("alice") as alice:
        await alice.publish("bob", "are you there?")
        await alice.ask(type="presence", activity="waiting")
        await alice.ask(type="presence", activity="working")
    await gone(hub, "alice")
    async with hub.session("alice"):
        pass
    await gone(hub, "alice")
    told = await ask(hub, "alice/activity")
    async with asyncio.timeout(BOUND):  # that she left is told when the hub has noticed
        while len(told["stretches"]) < 7:
            told = await ask(hub, "alice/activity")
    states = [(each["state"], each["asked"]) for each in told["stretches"]]
    assert states[-6:] == [
        ("online", None),
        ("waiting", "bob"),
        ("working", None),
        ("offline", None),
        ("online", None),
        ("offline", None),
    ]
    ends = [each["until"] for each in told["stretches"]]
    assert [told["since"], *ends] == [*(each["since"] for each in told["stretches"]), told["until"]]


async def test_what_is_no_longer_looked_at_is_unknown_and_the_present_is_not(
    hub: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(particulars, "FACTS", 3)
    async with hub.session("alice") as alice:
        for activity in ("working", "idle", "working", "idle", "working"):
            await alice.ask(type="presence", activity=activity)
        states = [each["state"] for each in (await ask(hub, "alice/activity"))["stretches"]]
        assert states[-4:] == ["unknown", "working", "idle", "working"]
        monkeypatch.setattr(particulars, "REACH", 0)
        told = await ask(hub, "alice/activity")
        states = [each["state"] for each in told["stretches"]]
        assert states == ["unknown", "working"]
        assert told["since"] == (await ask(hub, "alice"))["registered_at"]


async def test_how_quickly_an_instance_answers_is_told_by_partner(hub: Live) -> None:
    async with hub.session("alice") as alice, hub.session("bob") as bob:
        assert await ask(hub, "alice/replies") == {"since": None, "exchanges": 0, "partners": []}
        question = await bob.publish("alice", "ready?")
        await alice.publish("bob", "yes", reply_to=question["id"])
        await alice.publish("bob", "really", reply_to=question["id"])
        await bob.ask(type="rename", name="robert")
        told = await ask(hub, "alice/replies")
        (partner,) = told["partners"]
        assert (partner["name"], partner["answers"], told["exchanges"]) == ("robert", None, 1)
        assert partner["answered"]["answers"] == 1
        assert 0 <= partner["answered"]["p50"] == partner["answered"]["p95"]
        (partner,) = (await ask(hub, "robert/replies"))["partners"]
        assert (partner["name"], partner["answered"]) == ("alice", None)


@pytest.mark.parametrize("path", ["", "/queue", "/activity", "/replies"])
async def test_nobody_is_told_of_one_who_is_not_there_or_without_the_right(hub: Live, path: str) -> None:
    answer = await hub.request("GET", f"/api/v1/instances/nobody{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_instance")
    made = (await hub.request("POST", "/api/v1/tokens", {"name": "alice", "scopes": ["subscribe"]})).json()
    bound = {"Authorization": f"Bearer {made['token']}"}
    answer = await hub.request("GET", f"/api/v1/instances/alice{path}", headers=bound)
    assert answer.json()["code"] == "forbidden"


async def test_hours_have_a_bound(hub: Live) -> None:
    await hub.request("POST", "/api/v1/instances", {"name": "alice"})
    for hours in ("0", "169", "1.5"):
        answer = await hub.request("GET", f"/api/v1/instances/alice/activity?hours={hours}")
        assert answer.json()["code"] == "bad_value"
