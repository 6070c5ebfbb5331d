"""docs/http.md against a real hub: `curl` is a client."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.api import _Ear
from hub.tokens import Grant, Identity
from tests.hub.live import BOUND, Live, live


async def send(hub: Live, to: str, body: str, sender: str = "bob", **more: Any) -> dict[str, Any]:
    answer = await hub.request("POST", "/api/v1/messages", {"as": sender, "to": to, "body": body, **more})
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


async def unread(hub: Live, name: str, **query: Any) -> list[str]:
    answer = await hub.request("GET", "/api/v1/messages", params={"as": name, "unread": 1, **query})
    assert answer.status_code == 200, answer.text
    return [each["body"] for each in answer.json()["messages"]]


async def test_a_message_posted_is_unread_until_it_is_marked(hub: Live) -> None:
    sent = await send(hub, "alice", "hello")
    assert set(sent) >= {"id", "offset", "to"}
    assert sent["to"][0]["name"] == "alice"
    assert await unread(hub, "alice") == ["hello"]
    assert await unread(hub, "alice") == ["hello"], "looking is not reading"
    marked = await hub.request("POST", "/api/v1/read", {"as": "alice", "offset": sent["offset"]})
    assert marked.json() == {"offset": sent["offset"]}
    assert await unread(hub, "alice") == []


async def test_from_names_the_sender_as_well_as_as_does(hub: Live) -> None:
    answer = await hub.request("POST", "/api/v1/messages", {"from": "bob", "to": "alice", "body": "hi"})
    assert answer.status_code == 201
    page = (await hub.request("GET", "/api/v1/messages?as=alice&unread=1")).json()
    assert page["messages"][0]["from"] == "bob"


async def test_the_same_id_answers_200_and_the_same_offset(hub: Live) -> None:
    first = await hub.request("POST", "/api/v1/messages", {"as": "bob", "to": "alice", "body": "x", "id": "one"})
    again = await hub.request("POST", "/api/v1/messages", {"as": "bob", "to": "alice", "body": "x", "id": "one"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["offset"] == again.json()["offset"]


async def test_a_wait_ends_the_moment_a_message_comes(hub: Live) -> None:
    waiting = asyncio.create_task(unread(hub, "alice", wait=30))
    async with hub.session("bob") as bob, asyncio.timeout(BOUND):
        while "alice" not in [row["name"] for row in (await bob.ask(type="instances"))["instances"] if row["online"]]:
            pass
        await bob.publish("alice", "here it is")
        assert await waiting == ["here it is"]
        assert await unread(hub, "alice") == ["here it is"], "a wait marks nothing"


async def test_whoever_waits_and_is_killed_is_offline_at_once(hub: Live) -> None:
    async with hub.session(None, observe=True) as watcher:
        reader, writer = await asyncio.open_connection(*hub.http.removeprefix("http://").split(":"))
        path = "/api/v1/messages?as=alice&unread=1&wait=60"
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {hub.http[7:]}\r\nAuthorization: Bearer {hub.token}\r\n\r\n".encode()
        )
        while (await watcher.frame("message"))["topic"] != "$session.joined":
            pass
        writer.transport.abort()
        while (fact := await watcher.frame("message"))["topic"] != "$session.left":
            pass
        assert (fact["data"]["name"], fact["data"]["sessions"]) == ("alice", 0)
        assert await reader.read() == b""


async def test_a_wait_whose_server_fails_has_lost_its_client() -> None:
    async def receive() -> Any:
        raise RuntimeError("a bug")

    ear = _Ear(Identity(grant=Grant(id="owner", scopes=frozenset())))
    async with asyncio.timeout(BOUND), ear.hanging_up(receive):
        await ear.hear()
    assert ear.ending is not None


async def test_a_wait_ends_at_its_time_limit(hub: Live) -> None:
    assert await unread(hub, "alice", wait=0.2) == []


async def test_an_answer_can_be_waited_for(hub: Live) -> None:
    question = await send(hub, "alice", "how long?")

    async def answer() -> list[Any]:
        page = await hub.request(
            "GET", "/api/v1/messages", params={"as": "bob", "reply_to": question["id"], "wait": 30}
        )
        return list(page.json()["messages"])

    waiting = asyncio.create_task(answer())
    await send(hub, "bob", "something else", sender="alice")
    await send(hub, "bob", "an hour", sender="alice", reply_to=question["id"])
    async with asyncio.timeout(BOUND):
        assert [each["body"] for each in await waiting] == ["an hour"]
    ladder = (await hub.request("GET", f"/api/v1/messages/{question['id']}?as=bob")).json()["ladder"]
    assert [(step["name"], step["state"]) for step in ladder] == [("alice", "answered")]


async def test_a_wait_for_unread_returns_what_fell_out_of_the_window_too(hub: Live) -> None:
    for number in range(5):
        await send(hub, "alice", str(number))
    assert await unread(hub, "alice", limit=2) == ["0", "1"]


async def test_history_turns_pages_backwards(hub: Live) -> None:
    offsets = [(await send(hub, "alice", f"note {number}"))["offset"] for number in range(5)]
    page = (await hub.request("GET", "/api/v1/messages?limit=2")).json()
    assert [each["body"] for each in page["messages"]] == ["note 3", "note 4"]
    assert page["more"] is True
    page = (await hub.request("GET", f"/api/v1/messages?limit=9&before={offsets[3]}")).json()
    assert [each["body"] for each in page["messages"]] == ["note 0", "note 1", "note 2"]
    assert page["more"] is False
    page = (await hub.request("GET", "/api/v1/messages", params={"search": "note 2"})).json()
    assert [each["body"] for each in page["messages"]] == ["note 2"]


async def found(hub: Live, **query: Any) -> list[str]:
    answer = await hub.request("GET", "/api/v1/messages", params=query)
    assert answer.status_code == 200, answer.text
    return [each["body"] for each in answer.json()["messages"]]


async def test_history_is_narrowed_to_who_wrote_to_whom(hub: Live) -> None:
    await hub.request("POST", "/api/v1/instances", {"name": "alice"})
    await send(hub, "alice", "to alice")
    await send(hub, "bob", "to bob", sender="alice")
    await send(hub, "#build", "to the build", sender="alice")
    await send(hub, "all", "to all")
    await send(hub, "nobody-yet", "to a name of no one")
    assert await found(hub, **{"from": "bob"}) == ["to alice", "to all", "to a name of no one"]
    assert await found(hub, **{"from": "bob", "to": "ALICE"}) == ["to alice"]
    assert await found(hub, to="bob") == ["to bob"]
    assert await found(hub, to="#build") == ["to the build"]
    assert await found(hub, to="all") == ["to all"]
    assert await found(hub, to="nobody-yet") == ["to a name of no one"]
    await hub.request("POST", "/api/v1/instances/alice/rename", {"name": "alicia"})
    assert await found(hub, **{"from": "alicia", "to": "bob"}) == ["to bob"], "a rename changes nobody"
    assert await found(hub, to="alicia") == ["to alice"]
    assert await found(hub, to="bob", **{"as": "bob"}) == ["to bob"]
    assert await found(hub, to="alicia", **{"as": "nobody-yet"}) == [], "who may not see it finds it by no filter"


async def test_history_goes_forward_from_a_place(hub: Live) -> None:
    offsets = [(await send(hub, "alice", f"note {number}"))["offset"] for number in range(5)]
    page = (await hub.request("GET", f"/api/v1/messages?limit=2&after={offsets[0]}")).json()
    assert [each["body"] for each in page["messages"]] == ["note 1", "note 2"]
    assert page["more"] is True
    page = (await hub.request("GET", f"/api/v1/messages?after={offsets[2]}")).json()
    assert ([each["body"] for each in page["messages"]], page["more"]) == (["note 3", "note 4"], False)
    assert await found(hub, after=offsets[1], before=offsets[3]) == ["note 2"]


async def test_history_is_narrowed_to_a_stretch_of_time(hub: Live) -> None:
    await send(hub, "alice", "first")
    await send(hub, "alice", "second")
    page = (await hub.request("GET", "/api/v1/messages")).json()["messages"]
    assert page[0]["at"] < page[1]["at"]
    assert await found(hub, since=page[1]["at"]) == ["second"]
    assert await found(hub, until=page[1]["at"]) == ["first"]
    assert await found(hub, until=page[0]["at"]) == []
    assert await found(hub, since=page[0]["at"]) == ["first", "second"]
    assert await found(hub, since="2020-01-01T00:00:00Z", until="2020-01-02T00:00:00+02:00") == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"from": "nobody"}, 404, "unknown_instance"),
        ({"to": "nobody"}, 404, "unknown_instance"),
        ({"to": "#not a topic"}, 400, "bad_topic"),
        ({"to": "not a name"}, 400, "bad_name"),
        ({"since": "yesterday"}, 400, "bad_value"),
        ({"until": "2026-11-22T12:00:00"}, 400, "bad_value"),
        ({"after": "-1"}, 400, "bad_value"),
    ],
)
async def test_what_history_cannot_be_narrowed_to_is_said(
    hub: Live, query: dict[str, str], status: int, code: str
) -> None:
    answer = await hub.request("GET", "/api/v1/messages", params=query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_page_of_history_says_where_each_message_is(hub: Live) -> None:
    question = await send(hub, "alice", "how long?")
    await send(hub, "bob", "an hour", sender="alice", reply_to=question["id"])
    await send(hub, "carol", "are you there?", sender="alice")
    await hub.request("POST", "/api/v1/read", {"as": "bob", "offset": 10**6})
    page = (await hub.request("GET", "/api/v1/messages?ladder=1")).json()
    told = {each["body"]: page["ladders"][str(each["offset"])] for each in page["messages"]}
    assert told == {
        "how long?": [{"name": "alice", "state": "answered"}],
        "an hour": [{"name": "bob", "state": "read"}],
        "are you there?": [{"name": "carol", "state": "accepted"}],
    }
    assert "ladders" not in (await hub.request("GET", "/api/v1/messages")).json()


async def test_a_pair_is_what_one_said_and_the_other_was_sent(hub: Live) -> None:
    for name in ("alice", "bob", "carol"):
        await hub.request("POST", "/api/v1/instances", {"name": name})
    for sender, to in (
        ("alice", "bob"),
        ("bob", "alice"),
        ("carol", "bob"),
        ("carol", "all"),
        ("alice", "all"),
        ("bob", "carol"),
    ):
        await send(hub, to, f"{sender} to {to}", sender=sender)
    page = (await hub.request("GET", "/api/v1/messages", params={"with": "alice,bob"})).json()
    assert [each["body"] for each in page["messages"]] == ["alice to bob", "bob to alice", "alice to all"]
    mine = (await hub.request("GET", "/api/v1/messages", params={"as": "carol", "with": "alice,bob"})).json()
    assert [each["body"] for each in mine["messages"]] == ["alice to all"]
    nobody = await hub.request("GET", "/api/v1/messages", params={"with": "alice,nobody"})
    assert nobody.json()["code"] == "unknown_instance"


async def test_the_last_hour_is_told_in_beats(hub: Live) -> None:
    async with hub.session("alice") as alice, hub.session("bob") as bob, asyncio.timeout(BOUND):
        await bob.publish("alice", "timed")
        said = await alice.frame("message")
        await alice.send({"type": "received", "offset": said["offset"]})
        told: dict[str, Any] = {"beats": []}
        while not any(each["received"] for each in told["beats"]):
            told = (await hub.request("GET", "/api/v1/pulse")).json()
    assert told["since"] <= told["at"]
    assert sum(each["messages"] for each in told["beats"]) == 1
    (timed,) = (each for each in told["beats"] if each["received"])
    assert timed["received"] == 1
    assert 0 < timed["p50"] == timed["p95"]
    after = max(each["at"] for each in told["beats"])
    assert all(
        each["at"] > after for each in (await hub.request("GET", f"/api/v1/pulse?after={after}")).json()["beats"]
    )


async def test_instances_topics_and_status_are_told(hub: Live) -> None:
    await hub.request("POST", "/api/v1/subscriptions", {"as": "alice", "topic": "build.*"})
    await send(hub, "#build.linux", "red")
    await send(hub, "carol", "for later")
    rows = (await hub.request("GET", "/api/v1/instances")).json()["instances"]
    assert [(row["name"], row["online"], row["sessions"], row["unread"]) for row in rows] == [
        ("alice", False, 0, 1),
        ("bob", False, 0, 0),
    ]
    topics = {row["topic"]: row for row in (await hub.request("GET", "/api/v1/topics")).json()["topics"]}
    assert topics["build.linux"]["readers"] == [
        {"name": "alice", "backlog": 1, "oldest_at": rows[0]["oldest_unread_at"]}
    ]
    assert topics["inbox.carol"]["messages"] == 1
    status = (await hub.request("GET", "/api/v1/status")).json()
    assert set(status) >= {"url", "pid", "mode", "version", "head", "instances", "online", "unread"}
    assert (status["instances"], status["unread"], status["mode"]) == (2, 1, "local")
    snapshot = (await hub.request("GET", "/api/v1/snapshot")).json()
    assert [each["body"] for each in snapshot["recent"] if each["topic"] == "build.linux"] == ["red"]


async def test_a_message_is_found_by_its_offset_too_but_an_id_goes_first(hub: Live) -> None:
    first = await send(hub, "alice", "first")
    await send(hub, "alice", "named like an offset", id=str(first["offset"]))
    by_id = (await hub.request("GET", f"/api/v1/messages/{first['id']}")).json()
    assert by_id["message"]["body"] == "first"
    by_both = (await hub.request("GET", f"/api/v1/messages/{first['offset']}")).json()
    assert by_both["message"]["body"] == "named like an offset"
    by_offset = (await hub.request("GET", f"/api/v1/messages/{first['offset'] + 1}")).json()
    assert by_offset["message"]["body"] == "named like an offset"
    for nothing in ("0", "999999", "9" * 30, "-1", "²"):
        assert (await hub.request("GET", f"/api/v1/messages/{nothing}")).status_code == 404
    other = await hub.request("GET", f"/api/v1/messages/{first['offset'] + 1}?as=eve")
    assert other.json()["code"] == "unknown_message", "an offset opens nothing that an id would not"


async def test_a_rename_over_http_keeps_the_queue(hub: Live) -> None:
    await send(hub, "alice", "for you", sender="alice")
    renamed = await hub.request("POST", "/api/v1/instances/alice/rename", {"name": "alicia"})
    assert renamed.json() == {"name": "alicia"}
    assert await unread(hub, "alicia") == ["for you"]
    assert await unread(hub, "alice") == ["for you"], "the old name leads to her for two hours"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/messages", {"to": "alice", "body": "x"}, 400, "bad_value"),
        ("POST", "/messages", {"as": "bob", "to": "alice"}, 400, "bad_frame"),
        ("POST", "/messages", {"as": "bob", "to": "a b", "body": "x"}, 400, "bad_name"),
        ("POST", "/messages", {"as": "b!b", "to": "alice", "body": "x"}, 400, "bad_name"),
        ("POST", "/messages", {"as": "bob", "to": "alice", "body": "x" * (2**20 + 1)}, 413, "too_large"),
        ("POST", "/messages", {"as": "bob", "to": "alice", "body": "x" * (9 * 2**20)}, 413, "too_large"),
        ("GET", "/messages?limit=0", None, 400, "bad_value"),
        ("GET", "/messages?unread=1", None, 400, "bad_value"),
        ("GET", "/messages?as=bob&unread=1&wait=soon", None, 400, "bad_value"),
        ("GET", "/messages?with=nobody", None, 404, "unknown_instance"),
        ("GET", "/messages/nothing", None, 404, "unknown_message"),
        ("POST", "/instances", {"name": "all"}, 400, "bad_name"),
        ("POST", "/instances/nobody/rename", {"name": "x"}, 404, "unknown_instance"),
        ("DELETE", "/subscriptions?as=bob", None, 400, "bad_value"),
        ("DELETE", "/tokens/none", None, 404, "not_found"),
    ],
)
async def test_bad_requests_get_a_typed_error(
    hub: Live, method: str, path: str, body: Any, status: int, code: str
) -> None:
    answer = await hub.request(method, "/api/v1" + path, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
async def test_a_body_that_is_not_json_gets_a_typed_error(hub: Live, raw: bytes) -> None:
    answer = await hub.request("POST", "/api/v1/messages", content=raw)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_frame")


@pytest.mark.parametrize("path", ["/messages", "/instances", "/topics", "/status", "/snapshot", "/events", "/tokens"])
async def test_nothing_is_told_without_a_token(hub: Live, path: str) -> None:
    async with httpx2.AsyncClient(base_url=hub.http, trust_env=False, verify=False) as client:
        answer = await client.get("/api/v1" + path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/healthz")).text == "ok\n"
        assert (await client.get("/readyz")).text == "ready\n"


async def test_a_token_for_a_name_acts_for_that_name_only(hub: Live) -> None:
    made = await hub.request("POST", "/api/v1/tokens", {"scopes": ["publish"], "name": "bob", "note": "for a script"})
    token = made.json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    own = await hub.request("POST", "/api/v1/messages", {"to": "alice", "body": "as myself"}, headers=headers)
    assert own.status_code == 201
    for body, path in (({"as": "alice", "to": "bob", "body": "x"}, "/messages"), ({"name": "eve"}, "/instances")):
        refused = await hub.request("POST", "/api/v1" + path, body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    listed = (await hub.request("GET", "/api/v1/tokens")).json()["tokens"]
    assert [(each["name"], each["scopes"]) for each in listed] == [("bob", ["publish"])]
    assert token not in json.dumps(listed)
    await hub.request("DELETE", f"/api/v1/tokens/{listed[0]['id']}")
    gone = await hub.request("POST", "/api/v1/messages", {"to": "alice", "body": "x"}, headers=headers)
    assert gone.status_code == 401


async def test_a_rotated_token_holds_at_once_and_the_old_one_no_longer(hub: Live) -> None:
    fresh = (await hub.request("POST", "/api/v1/tokens/rotate")).json()["token"]
    assert (await hub.request("GET", "/api/v1/status")).status_code == 401
    hub.token = fresh
    assert (await hub.request("GET", "/api/v1/status")).status_code == 200


async def test_metrics_count_what_happened(hub: Live) -> None:
    await send(hub, "alice", "x")
    text = (await hub.request("GET", "/metrics")).text
    assert "hubbub_messages_published_total 1.0" in text
    assert "hubbub_ready 1.0" in text


class Stream:
    """Server-sent events, one at a time."""

    def __init__(self, answer: httpx2.Response) -> None:
        self._lines = answer.aiter_lines()

    async def event(self) -> dict[str, Any]:
        fields: dict[str, str] = {}
        async with asyncio.timeout(BOUND):
            async for line in self._lines:
                if line == "" and fields:
                    return {**json.loads(fields["data"]), "event": fields.get("event"), "event_id": fields.get("id")}
                if line and not line.startswith(":"):
                    key, _, value = line.partition(": ")
                    fields[key] = value
        raise AssertionError("the stream ended")


async def test_events_stream_what_an_instance_hears_and_resume_from_an_offset(hub: Live) -> None:
    first = await send(hub, "alice", "one")
    headers = {"Authorization": f"Bearer {hub.token}"}
    async with httpx2.AsyncClient(base_url=hub.http, headers=headers, trust_env=False, verify=False) as client:
        async with client.stream("GET", "/api/v1/events?as=alice&after=0") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = Stream(answer)
            assert (await events.event())["body"] == "one"
            await send(hub, "alice", "two")
            event = await events.event()
            assert (event["event"], event["body"], event["event_id"]) == ("message", "two", str(event["offset"]))
        resumed = {"Last-Event-ID": str(first["offset"])}
        async with client.stream("GET", "/api/v1/events?as=alice", headers=resumed) as answer:
            assert (await Stream(answer).event())["body"] == "two"


async def test_events_without_a_name_stream_everything_that_comes(hub: Live) -> None:
    await send(hub, "alice", "before")
    headers = {"Authorization": f"Bearer {hub.token}"}
    async with (
        httpx2.AsyncClient(base_url=hub.http, headers=headers, trust_env=False, verify=False) as client,
        client.stream("GET", "/api/v1/events") as answer,
    ):
        events = Stream(answer)
        await send(hub, "carol", "after", sender="dave")
        assert [(await events.event())["topic"] for _ in range(2)] == ["$instance.registered", "inbox.carol"]


async def test_a_page_of_another_site_is_refused(hub: Live) -> None:
    answer = await hub.request("GET", "/api/v1/status", headers={"Origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_refused")
    answer = await hub.request("GET", "/api/v1/status", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (421, "host_refused")


# What is held, and names that nobody uses


async def go_round(hub: Live, body: str = "thanks") -> dict[str, Any]:
    """Let alice and bob answer each other until the hub holds one; what its sender was told."""
    pair = ["alice", "bob"]
    while True:
        told = await send(hub, pair[1], body, sender=pair[0], thread="t")
        if told["to"][0]["state"] == "held":
            return told
        await hub.request("POST", "/api/v1/read", {"as": pair[1], "offset": told["offset"]})
        pair.reverse()


async def held(hub: Live) -> list[dict[str, Any]]:
    return list((await hub.request("GET", "/api/v1/held")).json()["held"])


async def test_a_held_message_is_listed_and_its_sender_can_look_it_up_over_a_restart(tmp_path: Path) -> None:
    async with live(tmp_path, loop_bound=3) as hub:
        told = await go_round(hub)
        assert f"hubbub release {told['offset']}" in told["hint"]
        listed = await held(hub)
    async with live(tmp_path, loop_bound=3) as hub:
        assert await held(hub) == listed
        (each,) = listed
        assert (each["offset"], each["id"], each["body"]) == (told["offset"], told["id"], "thanks")
        assert (each["names"], each["messages"], each["thread"]) == (["alice", "bob"], 4, "t")
        where = (await hub.request("GET", f"/api/v1/messages/{told['id']}", params={"as": each["from"]})).json()
        assert (where["message"]["body"], where["ladder"][0]["state"]) == ("thanks", "held")
        other = await hub.request("GET", f"/api/v1/messages/{told['id']}", params={"as": each["to"]})
        assert other.status_code == 404, "whom it was for knows nothing of it"
        assert each["body"] not in await unread(hub, each["to"])
        snapshot = (await hub.request("GET", "/api/v1/snapshot")).json()
        assert snapshot["held"] == listed


async def test_a_held_message_that_is_released_is_sent_once_and_one_that_is_dropped_never(tmp_path: Path) -> None:
    async with live(tmp_path, loop_bound=3) as hub:
        first = await go_round(hub)
        (kept,) = await held(hub)
        second = await send(hub, kept["to"], "thanks", sender=kept["from"], id="again")
        assert (second["to"][0]["state"], second["offset"] > first["offset"]) == ("held", True)
        retried = await send(hub, kept["to"], "thanks", sender=kept["from"], id="again")
        assert retried["offset"] == second["offset"]
        answer = await hub.request("DELETE", f"/api/v1/held/{second['offset']}")
        assert (answer.status_code, answer.json()) == (200, {"dropped": second["offset"]})
        where = (await hub.request("GET", "/api/v1/messages/again", params={"as": kept["from"]})).json()
        assert where["ladder"][0]["state"] == "dropped"
        answer = await hub.request("POST", f"/api/v1/held/{first['offset']}/release", {})
        assert (answer.status_code, answer.json()["id"]) == (200, first["id"])
        assert await unread(hub, kept["to"]) == ["thanks"]
        for method, path in (("POST", "/release"), ("DELETE", "")):
            again = await hub.request(method, f"/api/v1/held/{first['offset']}{path}", {})
            assert (again.status_code, again.json()["code"]) == (404, "unknown_message")
        assert await held(hub) == []
    async with live(tmp_path, loop_bound=3) as hub:
        assert await held(hub) == []
        retried = await send(hub, kept["to"], "thanks", sender=kept["from"], id=first["id"])
        assert retried["offset"] == answer.json()["offset"]


@pytest.mark.parametrize(
    ("scopes", "may"), [(["publish", "subscribe", "observe"], False), (["observe", "admin"], True)], ids=str
)
async def test_what_is_held_is_let_go_by_an_admin_only(hub: Live, scopes: list[str], may: bool) -> None:
    told = await go_round(hub)
    token = (await hub.request("POST", "/api/v1/tokens", {"scopes": scopes})).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = await hub.request("POST", f"/api/v1/held/{told['offset']}/release", {}, headers=headers)
    assert answer.status_code == (200 if may else 403), answer.text
    answer = await hub.request("DELETE", "/api/v1/instances/alice?force=1", headers=headers)
    assert answer.status_code == (200 if may else 403), answer.text


async def test_the_owners_browser_lets_go_of_what_is_held_and_a_page_of_another_site_does_not(hub: Live) -> None:
    told = await go_round(hub)
    link = (await hub.request("POST", "/api/v1/links", {})).json()["url"]
    path = f"/api/v1/held/{told['offset']}/release"
    async with httpx2.AsyncClient(base_url=hub.http, timeout=BOUND, trust_env=False, verify=False) as browser:
        page = await browser.get(link)
        if not browser.cookies:
            form = {"code": link.partition("code=")[2]}
            page = await browser.post("/open", data=form, headers={"Origin": hub.http})
        assert browser.cookies, page.text
        assert (await browser.post(path, json={})).status_code == 403
        assert (await browser.post(path, json={}, headers={"Origin": "https://evil.example"})).status_code == 403
        assert (await browser.post(path, json={}, headers={"Origin": hub.http})).status_code == 200


async def test_a_name_that_nobody_uses_is_forgotten_and_one_that_is_used_stays(hub: Live) -> None:
    await hub.request("POST", "/api/v1/instances", {"name": "alice"})
    await send(hub, "alice", "unread")
    answer = await hub.request("DELETE", "/api/v1/instances/alice")
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    assert answer.json()["message"] == "1 unread message waits for alice."
    assert "--force" in answer.json()["hint"]
    async with hub.session(None, observe=True) as watcher:
        async with hub.session("alice", share=True):
            answer = await hub.request("DELETE", "/api/v1/instances/alice?force=1")
        while (await watcher.frame("message"))["topic"] != "$session.left":
            pass
        assert (answer.status_code, answer.json()["message"]) == (409, "alice is online: a live session has the name.")
    await hub.request("POST", "/api/v1/instances/bob/rename", {"name": "rob"})
    answer = await hub.request("DELETE", "/api/v1/instances/bob")
    assert (answer.status_code, answer.json()["message"]) == (404, "bob only forwards to rob.")
    answer = await hub.request("DELETE", "/api/v1/instances/Alice?force=1")
    assert answer.json() == {"forgot": "alice"}
    names = [each["name"] for each in (await hub.request("GET", "/api/v1/instances")).json()["instances"]]
    assert names == ["rob"]
    assert await unread(hub, "alice") == [], "who comes under the name begins anew"
    assert (await hub.request("GET", "/api/v1/messages?search=unread")).json()["messages"][0]["body"] == "unread"
