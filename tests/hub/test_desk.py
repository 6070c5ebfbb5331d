"""What a person decides, over HTTP, from the page's forms and from Python: against a real hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.client import connect
from hub.errors import BadValue, Forbidden, InboxFull, NameTaken, UnknownInstance
from hub.oversight import Oversight
from hub.request import Requests
from tests.hub.live import BOUND, Live, live
from tests.hub.test_api import send, unread


async def ask(hub: Live, method: str, path: str, body: Any = None, **options: Any) -> Any:
    answer = await hub.request(method, "/api/v1" + path, body, **options)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def refused(hub: Live, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, str]:
    answer = await hub.request(method, "/api/v1" + path, body, **options)
    return answer.status_code, answer.json()["code"]


async def facts(hub: Live, topic: str) -> list[dict[str, Any]]:
    page = await ask(hub, "GET", "/messages", params={"topic": topic})
    return [each["data"] for each in page["messages"]]


@asynccontextmanager
async def browser(hub: Live) -> AsyncIterator[httpx2.AsyncClient]:
    """The owner's, signed in by a link; its requests come from the hub's own page."""
    link = (await ask(hub, "POST", "/links", {}))["url"]
    async with httpx2.AsyncClient(
        base_url=hub.http, timeout=BOUND, trust_env=False, headers={"Origin": hub.http}
    ) as found:
        page = await found.get(link)
        if not found.cookies:
            await found.post("/open", data={"code": str(page.url).partition("code=")[2]})
        assert found.cookies
        yield found


async def test_a_held_queue_is_listed_told_of_and_let_go(hub: Live) -> None:
    assert await ask(hub, "POST", "/holds", {"queue": "Alice", "reason": "moving", "by": "kay"}) == {"held": "Alice"}
    told = await send(hub, "alice", "one")
    assert (told["to"][0]["state"], "held by kay (moving)" in told["hint"]) == ("held", True)
    found = await ask(hub, "GET", "/held")
    assert [(each["queue"], each["by"], each["reason"], each["messages"]) for each in found["holds"]] == [
        ("alice", "kay", "moving", 1)
    ]
    (held,) = found["held"]
    assert (held["offset"], held["body"], held["names"], held["holds"][0]["by"]) == (
        told["offset"],
        "one",
        None,
        "kay",
    )
    status = await ask(hub, "GET", "/status")
    assert (status["held"], status["holds"], status["paused"]) == (1, 1, 0)
    snapshot = await ask(hub, "GET", "/snapshot")
    assert (snapshot["held"], snapshot["holds"], snapshot["paused"]) == (found["held"], found["holds"], [])
    where = await ask(hub, "GET", f"/messages/{told['id']}?as=bob")
    assert (where["message"]["body"], where["ladder"][0]["state"]) == ("one", "held")
    assert await unread(hub, "alice") == []
    assert await ask(hub, "DELETE", "/holds?queue=alice") == {"released": 1, "dropped": 0}
    assert await unread(hub, "alice") == ["one"]
    assert await refused(hub, "DELETE", "/holds?queue=alice") == (400, "bad_value")
    assert await refused(hub, "DELETE", "/holds") == (400, "bad_value")


async def test_one_is_edited_and_sent_and_one_is_dropped_with_a_trace_of_who_did(hub: Live) -> None:
    await ask(hub, "POST", "/holds", {"queue": "#build"})
    first, second = await send(hub, "#build", "delete all", id="a"), await send(hub, "#build", "no", id="b")
    sent = await ask(hub, "POST", f"/held/{first['offset']}/release", {"body": "delete tmp", "by": "kay"})
    message = (await ask(hub, "GET", f"/messages/{sent['id']}"))["message"]
    assert (message["from"], message["body"]) == ("bob", "delete tmp\n\n[Edited by kay before it was released.]")
    await ask(hub, "DELETE", f"/held/{second['offset']}?by=kay")
    (released,), (dropped,) = await facts(hub, "$hold.released"), await facts(hub, "$hold.dropped")
    assert (released["by"], released["edited"], released["held"]) == ("kay", True, first["offset"])
    assert (dropped["by"], dropped["id"]) == ("kay", "b")
    originals = await facts(hub, "$held.build")
    assert [each["body"] for each in originals] == ["delete all", "no"]
    again = await send(hub, "#build", "no", id="b")
    assert (again["to"][0]["state"], again["offset"]) == ("dropped", second["offset"])
    (step,) = (await ask(hub, "GET", "/messages/b?as=bob"))["ladder"]
    assert (step["state"], step["at"] is not None) == ("dropped", True)


async def test_a_paused_agent_is_told_so_and_goes_on_where_it_was(hub: Live) -> None:
    async with hub.session("bob") as bob, hub.session("alice") as alice:
        assert await ask(hub, "POST", "/instances/bob/pause", {"reason": "circles"}) == {"paused": "bob"}
        told = await bob.publish("alice", "one")
        assert "you are paused (circles)" in told["hint"]
        await alice.publish("bob", "hello")
        assert (await bob.frame("message"))["body"] == "hello"
        assert await refused(hub, "POST", "/instances/bob/pause", {}) == (400, "bad_value")
        assert await ask(hub, "POST", "/instances/bob/resume", {}) == {"released": 1, "dropped": 0}
        assert (await alice.frame("message"))["body"] == "one"


async def test_purging_needs_the_name_and_its_senders_see_that_it_was_not_read(hub: Live) -> None:
    await ask(hub, "POST", "/instances", {"name": "alice"})
    told = await send(hub, "alice", "one")
    assert await refused(hub, "POST", "/instances/alice/purge", {"confirm": "bob"}) == (400, "bad_value")
    async with hub.session("alice") as alice:
        assert (await alice.frame("message"))["body"] == "one"
        purged = await ask(hub, "POST", "/instances/alice/purge", {"confirm": "alice", "by": "kay"})
        assert purged["purged"] == 1
        assert (await alice.frame("read"))["offset"] == purged["read"]
    assert await unread(hub, "alice") == []
    (step,) = (await ask(hub, "GET", f"/messages/{told['id']}"))["ladder"]
    assert (step["state"], "read" in step["times"]) == ("purged", False)
    (fact,) = await facts(hub, "$queue.purged")
    assert (fact["by"], fact["messages"], fact["upto"]) == ("kay", 1, purged["read"])


async def test_holds_and_what_they_keep_outlive_a_restart(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub:
        await ask(hub, "POST", "/holds", {"queue": "alice", "by": "kay"})
        await send(hub, "carol", "to have bob registered")
        await ask(hub, "POST", "/instances/bob/pause", {})
        await ask(hub, "POST", "/instances", {"name": "kay", "human": True})
        kept = await send(hub, "alice", "one", id="a")
        dropped = await send(hub, "alice", "two", id="b")
        await ask(hub, "DELETE", f"/held/{dropped['offset']}")
        before = await ask(hub, "GET", "/held")
    async with live(tmp_path / "home") as hub:
        assert await ask(hub, "GET", "/held") == before
        assert [each["human"] for each in (await ask(hub, "GET", "/instances"))["instances"]].count(True) == 1
        again = await send(hub, "alice", "one", id="a")
        assert (again["offset"], again["to"][0]["state"]) == (kept["offset"], "held")
        await ask(hub, "POST", "/instances/bob/resume", {})
        assert await ask(hub, "DELETE", "/holds?queue=alice") == {"released": 1, "dropped": 0}
        assert await unread(hub, "alice") == ["one"]
        again = await send(hub, "alice", "two", id="b")
        assert (again["offset"], again["to"][0]["state"]) == (dropped["offset"], "dropped")


async def test_a_retry_of_what_was_sent_before_the_hold_is_answered_as_sent(hub: Live) -> None:
    first = await send(hub, "alice", "x", id="mine")
    await ask(hub, "POST", "/holds", {"queue": "alice"})
    again = await send(hub, "alice", "x", id="mine")
    assert (again["offset"], again["to"][0]["state"]) == (first["offset"], "accepted")
    assert (await ask(hub, "GET", "/held"))["held"] == []


async def test_only_an_admin_decides_and_whose_token_it_is_stands_in_the_log(hub: Live) -> None:
    made = await ask(hub, "POST", "/tokens", {"scopes": ["publish", "subscribe", "observe"]})
    agent = {"Authorization": f"Bearer {made['token']}"}
    made = await ask(hub, "POST", "/tokens", {"scopes": ["admin", "observe"], "name": "kay"})
    kay = {"Authorization": f"Bearer {made['token']}"}
    await send(hub, "alice", "x")
    for method, path, body in (
        ("POST", "/holds", {"queue": "alice"}),
        ("DELETE", "/holds?queue=alice", None),
        ("POST", "/instances/alice/pause", {}),
        ("POST", "/instances/alice/resume", {}),
        ("POST", "/instances/alice/purge", {"confirm": "alice"}),
        ("POST", "/held/1/release", {}),
        ("DELETE", "/held/1", None),
        ("POST", "/instances", {"name": "joe", "human": True}),
        ("POST", "/messages", {"as": "joe", "to": "alice", "body": "x", "human": True}),
    ):
        assert await refused(hub, method, path, body, headers=agent) == (403, "forbidden"), path
    await ask(hub, "POST", "/holds", {"queue": "alice"}, headers=kay)
    assert [each["by"] for each in (await ask(hub, "GET", "/held"))["holds"]] == ["kay"]
    assert await refused(hub, "DELETE", "/holds?queue=alice&by=joe", headers=kay) == (403, "forbidden")


async def test_a_person_writes_under_a_name_of_their_own_which_everybody_is_told(hub: Live) -> None:
    async with hub.session("alice") as alice:
        assert "people" not in alice.welcome
        await send(hub, "alice", "wait for me", sender="kay", human=True)
        assert (await alice.frame("people"))["names"] == ["kay"]
        message = await alice.frame("message")
        assert message.keys() - {"type"} == {
            *("offset", "id", "from", "to", "topic", "thread", "reply_to", "body", "data", "at", "attachments")
        }
    async with hub.session("alice") as alice:
        assert alice.welcome["people"] == ["kay"]
    assert (await ask(hub, "GET", "/messages?as=alice&unread=1"))["people"] == ["kay"]
    async with hub.socket() as socket:
        await socket.send({"type": "hello", "ref": 1, "name": "kay", "token": hub.token})
        assert (await socket.frame("error"))["code"] == "name_taken"
    assert await refused(hub, "POST", "/messages", {"as": "kay", "to": "alice", "body": "x"}) == (409, "name_taken")
    assert await refused(hub, "POST", "/instances", {"name": "alice", "human": True}) == (409, "name_taken")
    async with connect(hub.url, hub.token, "kay", human=True) as kay:
        assert kay.people == {"kay"}
        await kay.publish("alice", "again")


async def test_the_forms_of_the_page_do_the_same_and_send_the_browser_back(hub: Live) -> None:
    await send(hub, "alice", "one")

    async with browser(hub) as kay:

        async def post(back: str = "/", accept: str = "text/html", **form: str) -> httpx2.Response:
            answer = await kay.post("/part", data={"as": "kay", "back": back, **form}, headers={"Accept": accept})
            assert answer.status_code in (200, 303), answer.text
            return answer

        answer = await post("/instances/alice", do="hold", queue="alice", reason="")
        assert (answer.status_code, answer.headers["location"]) == (303, "/instances/alice")
        assert kay.cookies["hubbub_person"] == "kay"
        for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", "/a\nb"):
            answer = await post(elsewhere, do="say", to="bob", body="hi")
            assert answer.headers["location"] == "/"
        held = await send(hub, "alice", "two")
        answer = await post("", "application/json", do="release", offset=str(held["offset"]), body="2\r\n3")
        assert answer.json()["offset"] > held["offset"]
        for number in ("3", "4"):
            await send(hub, "alice", number)
        offset = (await ask(hub, "GET", "/held"))["held"][0]["offset"]
        await post(do="drop", offset=str(offset))
        assert (await post("", "application/json", do="unhold", queue="alice")).json()["released"] == 1
        assert await unread(hub, "alice") == ["one", "2\n3\n\n[Edited by kay before it was released.]", "4"]
        await post(do="pause", name="bob", reason="r")
        await post(do="resume", name="bob", drop="1")
        assert (await post("", "application/json", do="purge", name="alice", confirm="alice")).json()["purged"] == 3
        told = (await post("", "application/json", do="say", to="alice", body="  hello\r\n", id="s")).json()
        assert (told["id"], told["to"][0]["state"]) == ("s", "accepted")
    page = await ask(hub, "GET", "/messages?as=alice&unread=1")
    assert ([each["body"] for each in page["messages"]], page["people"]) == (["  hello\n"], ["kay"])
    assert {each["by"] for each in await facts(hub, "$hold.began")} == {"kay"}


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, "bad_value"),
        ({"do": "delete"}, "bad_value"),
        ({"do": "say", "to": "alice", "body": "x"}, "bad_value"),
        ({"do": "say", "as": "kay", "to": "alice", "body": " "}, "bad_value"),
        ({"do": "say", "as": "not a name", "to": "alice", "body": "x"}, "bad_name"),
        ({"do": "hold"}, "bad_value"),
        ({"do": "release", "offset": "-1"}, "bad_value"),
        ({"do": "drop", "offset": "²"}, "bad_value"),
        ({"do": "purge", "name": "alice", "confirm": "Alice"}, "unknown_instance"),
        ({f"field{n}": "" for n in range(21)}, "bad_value"),
    ],
)
async def test_a_form_that_does_not_fit_does_nothing(hub: Live, form: dict[str, str], code: str) -> None:
    head = (await ask(hub, "GET", "/status"))["head"]
    headers = {"Authorization": f"Bearer {hub.token}", "Accept": "application/json"}
    async with httpx2.AsyncClient(
        base_url=hub.http, timeout=BOUND, trust_env=False, verify=False, headers=headers
    ) as client:
        answer = await client.post("/part", data=form)
    assert answer.json()["code"] == code
    assert (await ask(hub, "GET", "/status"))["head"] == head


async def test_no_other_sites_page_posts_a_form(hub: Live) -> None:
    async with browser(hub) as kay:
        form = {"do": "say", "as": "kay", "to": "alice", "body": "x"}
        answer = await kay.post("/part", data=form, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
        del kay.headers["Origin"]
        assert (await kay.post("/part", data=form)).status_code == 403, "nor does who does not say where it is from"
        headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
        assert (await kay.post("/part", data=form, headers=headers)).status_code == 303, "a browser that tells little"


async def test_programs_decide_by_the_same_verbs(hub: Live) -> None:
    await ask(hub, "POST", "/instances", {"name": "alice"})
    await send(hub, "alice", "one")
    desk = Oversight(Requests(hub.http, hub.token), by="kay")

    def decide() -> None:
        assert desk.hold("#build", "r") == "#build"
        assert desk.unhold("#build") == {"released": 0, "dropped": 0}
        desk.hold("alice")
        desk.pause("bob", "r")
        assert [each["name"] for each in desk.held()["paused"]] == ["bob"]
        assert desk.resume("bob", drop=True) == {"released": 0, "dropped": 0}
        assert desk.purge("alice", "alice") == 1
        with pytest.raises(BadValue):
            desk.hold("alice")
        with pytest.raises(UnknownInstance):
            desk.pause("nobody")
        with pytest.raises(Forbidden):
            Oversight(Requests(hub.http, agent)).hold("bob")

    agent = (await ask(hub, "POST", "/tokens", {"scopes": ["publish", "observe"]}))["token"]
    await asyncio.to_thread(decide)
    told = [await send(hub, "alice", body) for body in ("a", "b")]

    def let_go() -> None:
        assert desk.release(told[0]["offset"], "A")["offset"] > told[1]["offset"]
        desk.drop(told[1]["offset"])

    await asyncio.to_thread(let_go)
    assert await unread(hub, "alice") == ["A\n\n[Edited by kay before it was released.]"]


async def test_what_does_not_fit_is_told_and_waits_on(tmp_path: Path) -> None:
    async with live(tmp_path / "home", inbox_messages=2) as hub:
        await ask(hub, "POST", "/holds", {"queue": "alice"})
        held = [await send(hub, "alice", body) for body in ("a", "b")]
        await ask(hub, "POST", f"/held/{held[0]['offset']}/release", {})
        await send(hub, "alice", "c")
        desk = Oversight(Requests(hub.http, hub.token))
        with pytest.raises(InboxFull):
            await asyncio.to_thread(desk.unhold, "alice")
        assert await unread(hub, "alice") == ["a", "b"]
        assert [each["body"] for each in (await ask(hub, "GET", "/held"))["held"]] == ["c"]


async def test_a_session_of_a_person_does_not_begin_under_an_agents_name(hub: Live) -> None:
    await send(hub, "bob", "x", sender="alice")
    with pytest.raises(NameTaken, match="an agent's name"):
        async with connect(hub.url, hub.token, "alice", human=True):
            pass
