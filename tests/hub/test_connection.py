"""Real sockets against a real hub: the rules of the wire, as a client of any kind meets them."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from hub.app import GOODBYE
from hub.connection import MAX_BAD_FRAMES
from hub.link import Link
from hub.plain import Plain
from hub.protocol import WebSocketProtocol
from tests.hub.live import BOUND, Live, Socket, live


@pytest.fixture(autouse=True, params=["link", "plain"])
def line(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every rule holds on both lines: on the socket itself, and where a server offers nothing but ASGI."""
    if request.param == "plain":
        monkeypatch.setattr(WebSocketProtocol, "extensions", lambda self: {})
    return str(request.param)


async def test_a_connection_is_on_the_line_that_its_server_offers(hub: Live, line: str) -> None:
    async with hub.socket():
        async with asyncio.timeout(BOUND):
            while not hub.app.connections.unwelcomed:
                await asyncio.sleep(0)
        (connection,) = hub.app.connections.unwelcomed
        assert type(connection._line) is {"link": Link, "plain": Plain}[line]


async def test_a_direct_message_is_pushed_with_all_its_parts(hub: Live) -> None:
    async with hub.session("alice") as alice, hub.session("Bob") as bob:
        published = await bob.publish("ALICE", "hi", data={"n": [1, None]}, thread="t", reply_to="x")
        assert published["to"] == [{"name": "alice", "state": "accepted", "online": True}]
        message = await alice.frame("message")
        assert message == {
            "type": "message",
            "offset": published["offset"],
            "id": published["id"],
            "from": "Bob",
            "to": "alice",
            "topic": "inbox.alice",
            "thread": "t",
            "reply_to": "x",
            "body": "hi",
            "data": {"n": [1, None]},
            "at": message["at"],
            "attachments": None,
        }
        assert message["at"].endswith("Z")


async def test_a_broadcast_reaches_everybody_but_its_sender(hub: Live) -> None:
    async with hub.session("alice") as alice, hub.session("bob") as bob, hub.session("carol") as carol:
        published = await bob.publish("all", "hello")
        assert published["recipients"] == 2
        assert {each["name"] for each in published["to"]} == {"alice", "carol"}
        assert (await alice.frame("message"))["body"] == "hello"
        assert (await carol.frame("message"))["to"] == "all"
        await alice.publish("bob", "to you")
        assert (await bob.frame("message"))["body"] == "to you"  # and not his own words before


async def test_a_topic_reaches_those_whose_patterns_cover_it_from_then_on(hub: Live) -> None:
    async with hub.session("alice") as alice, hub.session("bob") as bob:
        early = await bob.publish("#build.linux", "before")
        assert early["recipients"] == 0
        assert "hint" in early
        assert (await alice.ask(type="subscribe", topic="#Build.*"))["subscriptions"] == ["build.*"]
        await bob.publish("#build.linux.failed", "too deep")
        await bob.publish("#BUILD.linux", "now")
        message = await alice.frame("message")
        assert (message["body"], message["topic"], message["to"]) == ("now", "build.linux", "#BUILD.linux")
        assert (await alice.ask(type="unsubscribe", topic="build.*"))["subscriptions"] == []


async def test_an_unknown_recipient_is_said_to_be_unknown_and_gets_it_on_registering(hub: Live) -> None:
    async with hub.session("bob") as bob:
        await hub.request("POST", "/api/v1/instances", {"name": "caroline"})
        published = await bob.publish("carolin", "wait for me")
        assert published["to"] == [{"name": "carolin", "state": "accepted", "known": False, "near": ["caroline"]}]
        assert "caroline" in published["hint"]
        async with hub.session("Carolin") as carol:
            assert carol.welcome["unread"] == 1
            assert (await carol.frame("message"))["body"] == "wait for me"


async def test_what_was_not_read_comes_again_and_what_was_read_does_not(hub: Live) -> None:
    async with hub.session("bob") as bob:
        async with hub.session("alice") as alice:
            first = await bob.publish("alice", "one")
            await bob.publish("alice", "two")
            await alice.frame("message")
            await alice.frame("message")
            assert (await alice.ask(type="read", offset=first["offset"]))["offset"] == first["offset"]
        async with hub.session("alice") as alice:
            assert alice.welcome["unread"] == 1
            assert (await alice.frame("message"))["body"] == "two"


async def test_a_resume_goes_on_after_what_the_client_has(hub: Live) -> None:
    async with hub.session("bob") as bob:
        async with hub.session("alice") as alice:
            first = await bob.publish("alice", "one")
            await alice.frame("message")
            epoch = alice.welcome["epoch"]
        await bob.publish("alice", "two")
        async with hub.session("alice", resume=first["offset"], epoch=epoch) as alice:
            assert alice.welcome["resumed"] is True
            assert (await alice.frame("message"))["body"] == "two"
        async with hub.session("alice", resume=first["offset"], epoch="another database's") as alice:
            assert alice.welcome["resumed"] is False
            assert (await alice.frame("message"))["body"] == "one"


async def test_the_same_id_gives_the_same_offset_again(hub: Live) -> None:
    async with hub.session("alice") as alice, hub.session("bob") as bob:
        first = await bob.publish("alice", "once", id="mine")
        again = await bob.publish("alice", "once", id="mine")
        assert (again["offset"], again["id"]) == (first["offset"], "mine")
        other = await alice.publish("bob", "the id is the sender's own", id="mine")
        assert other["offset"] != first["offset"]
        last = await bob.publish("alice", "twice")
        assert [(await alice.frame("message"))["offset"] for _ in range(2)] == [first["offset"], last["offset"]]


async def test_the_sender_is_the_session_s_whatever_the_frame_says(hub: Live) -> None:
    async with hub.session("alice") as alice, hub.session("mallory") as mallory:
        await mallory.send({"type": "publish", "to": "alice", "body": "hi", "from": "bob", "sender": "bob"})
        assert (await alice.frame("message"))["from"] == "mallory"


async def test_a_taken_name_is_refused_with_one_that_is_free(hub: Live) -> None:
    async with hub.session("alice"), hub.socket() as second:
        await second.send({"type": "hello", "ref": 7, "name": "Alice", "token": hub.token})
        error = await second.frame("error")
        assert (error["code"], error["ref"]) == ("name_taken", 7)
        assert "alice-2" in error["hint"]
        assert (await second.closed())[0] == 4513


async def test_a_name_is_taken_over_with_its_own_session_token_or_by_wish(hub: Live) -> None:
    async with hub.session("alice") as first, hub.session("alice", session=first.welcome["session"]) as second:
        assert (await first.closed())[0] == 4514
        async with hub.session("alice", take_over=True):
            assert (await second.closed())[0] == 4514


async def test_shared_sessions_are_both_sent_what_comes_and_told_what_the_other_read(hub: Live) -> None:
    async with hub.session("bob") as bob, hub.session("alice") as one, hub.session("alice", share=True) as two:
        published = await bob.publish("alice", "both")
        assert (await one.frame("message"))["offset"] == published["offset"]
        assert (await two.frame("message"))["offset"] == published["offset"]
        await one.send({"type": "read", "offset": published["offset"]})
        assert (await two.frame("read"))["offset"] == published["offset"]


async def test_a_rename_keeps_the_session_and_the_old_name_forwards(hub: Live) -> None:
    async with hub.session("alice") as alice, hub.session("bob") as bob:
        assert (await alice.ask(type="rename", name="alicia"))["name"] == "alicia"
        published = await bob.publish("alice", "still there?")
        assert published["to"][0]["name"] == "alicia"
        assert "alicia" in published["hint"]
        assert (await alice.frame("message"))["to"] == "alicia"
        taken = await bob.ask(type="rename", name="Alicia")
        assert taken["code"] == "name_taken"


async def test_credit_bounds_what_is_pushed_and_the_rest_comes_when_there_is_room(hub: Live) -> None:
    async with hub.session("bob") as bob, hub.session("alice", credit=2) as alice:
        offsets = [(await bob.publish("alice", str(n)))["offset"] for n in range(5)]
        assert [(await alice.frame("message"))["offset"] for _ in range(2)] == offsets[:2]
        assert (await alice.ask(type="status"))["status"]["head"] >= offsets[-1]  # nothing came before the answer
        assert not alice._held
        await alice.send({"type": "received", "offset": offsets[1], "credit": 10})
        assert [(await alice.frame("message"))["offset"] for _ in range(3)] == offsets[2:]


async def test_an_observer_sees_messages_and_facts(hub: Live) -> None:
    async with hub.session(None, observe=True) as observer, hub.session("bob") as bob:
        assert (await observer.frame("message"))["topic"] == "$instance.registered"
        joined = await observer.frame("message")
        assert (joined["topic"], joined["from"], joined["data"]["name"]) == ("$session.joined", "$hub", "bob")
        await bob.publish("carol", "psst")
        assert (await observer.frame("message"))["body"] == "psst"
        refused = await observer.publish("bob", "hi")
        assert refused["code"] == "forbidden"


async def test_instances_history_and_status_are_answered(hub: Live) -> None:
    async with hub.session("alice") as alice, hub.session("bob") as bob:
        question = await bob.publish("alice", "what is the plan?")
        await alice.frame("message")
        await alice.ask(type="read", offset=question["offset"])
        status = await bob.ask(type="status", id=question["id"])
        assert [(step["name"], step["state"]) for step in status["ladder"]] == [("alice", "read")]
        await alice.publish("bob", "sleep", reply_to=question["id"])
        status = await bob.ask(type="status", id=question["id"])
        assert status["message"]["body"] == "what is the plan?"
        assert status["ladder"][0]["state"] == "answered"
        rows = (await bob.ask(type="instances"))["instances"]
        assert [(row["name"], row["online"], row["unread"]) for row in rows] == [("alice", True, 0), ("bob", True, 1)]
        page = await alice.ask(type="history", **{"with": "bob"}, search="plan")
        assert [each["id"] for each in page["messages"]] == [question["id"]]


async def test_history_shows_an_instance_only_what_it_sent_or_could_hear(hub: Live) -> None:
    async with hub.session("alice") as alice, hub.session("bob") as bob, hub.session("eve") as eve:
        secret = await bob.publish("alice", "secret")
        page = await eve.ask(type="history")
        assert page["messages"] == []
        assert (await eve.ask(type="status", id=secret["id"]))["code"] == "unknown_message"
        assert len((await alice.ask(type="history"))["messages"]) == 1


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("{", "bad_frame"),
        ("[]", "bad_frame"),
        ('{"type":"shout"}', "unknown_type"),
        ('{"type":"publish","to":"alice"}', "bad_frame"),
        ('{"type":"publish","to":3,"body":"x"}', "bad_frame"),
        ('{"type":"publish","to":"no spaces","body":"x"}', "bad_name"),
        ('{"type":"publish","to":"#a..b","body":"x"}', "bad_topic"),
        ('{"type":"publish","to":"#$hub","body":"x"}', "bad_topic"),
        ('{"type":"publish","to":"#inbox.alice","body":"x"}', "bad_topic"),
        ('{"type":"publish","to":"alice","body":"x","ttl":-1}', "bad_value"),
        ('{"type":"subscribe","topic":"$session.joined"}', "bad_topic"),
        ('{"type":"subscribe","topic":"a.>.b"}', "bad_topic"),
        ('{"type":"received","offset":-1}', "bad_frame"),
        ('{"type":"hello","name":"x","token":"y"}', "second_hello"),
        ('{"type":"rename","name":"all"}', "bad_name"),
        ('{"type":"history","with":"nobody"}', "unknown_instance"),
    ],
)
async def test_what_makes_no_sense_gets_a_typed_error_and_the_session_goes_on(hub: Live, said: str, code: str) -> None:
    async with hub.session("bob") as bob:
        await bob.send(said)
        error = await bob.frame("error")
        assert error["code"] == code
        assert error["message"]
        assert (await bob.publish("alice", "still here"))["type"] == "published"


@pytest.mark.parametrize(
    ("first", "code", "close"),
    [
        ({"type": "publish", "to": "a", "body": "x"}, "hello_required", 4502),
        ({"type": "hello", "name": "alice"}, "unauthorized", 4511),
        ({"type": "hello", "name": "alice", "token": "hub_wrong"}, "unauthorized", 4511),
        ({"type": "hello", "name": "no spaces", "token": None}, "bad_name", 4503),
        ({"type": "hello", "token": None}, "bad_value", 4500),
        ("not json", "bad_frame", 4500),
    ],
)
async def test_a_hello_that_cannot_be_is_refused_and_closed(hub: Live, first: Any, code: str, close: int) -> None:
    if isinstance(first, dict) and first.get("token", "") is None:
        first = {**first, "token": hub.token}
    async with hub.socket() as socket:
        await socket.send(first)
        assert (await socket.frame("error"))["code"] == code
        assert (await socket.closed())[0] == close


async def test_a_binary_frame_ends_the_session_with_its_code(hub: Live) -> None:
    async with hub.session("bob") as bob:
        await bob.send(b"\x00\x01")
        assert (await bob.frame("error"))["code"] == "binary_frame"
        assert (await bob.closed())[0] == 4501


async def test_a_silent_connection_is_closed_after_the_hello_timeout(tmp_path: Path) -> None:
    async with live(tmp_path, hello_timeout=0.2) as hub, hub.socket() as socket:
        assert (await socket.frame("error"))["code"] == "hello_timeout"
        assert (await socket.closed())[0] == 4001


async def test_a_rotated_token_ends_the_sessions_it_opened(hub: Live) -> None:
    async with hub.session("bob") as bob:
        await hub.request("POST", "/api/v1/tokens/rotate")
        assert (await bob.frame("error"))["code"] == "unauthorized"
        assert (await bob.closed())[0] == 4511


async def test_the_token_may_come_in_the_header(hub: Live) -> None:
    async with hub.socket(additional_headers={"Authorization": f"Bearer {hub.token}"}) as socket:
        await socket.send({"type": "hello", "name": "alice"})
        assert (await socket.frame("welcome"))["name"] == "alice"
        assert socket.connection.subprotocol == "hubbub.v1"


async def test_another_site_s_page_cannot_open_a_socket(hub: Live) -> None:
    with pytest.raises(Exception, match="403"):
        async with connect(hub.url, origin="https://evil.example", proxy=None):  # type: ignore[arg-type]
            pass


@pytest.mark.parametrize("size", [1, 2, 125, 126, 4096, 65_535, 65_536, 1_048_576])
async def test_a_body_arrives_whole(hub: Live, size: int) -> None:
    body = ('é\n"\\\x01x' * size)[: size // 2] or "x"
    async with hub.session("alice") as alice, hub.session("bob") as bob:
        assert (await bob.publish("alice", body))["type"] == "published"
        assert (await alice.frame("message"))["body"] == body


async def test_a_body_over_the_limit_is_refused_and_the_session_goes_on(hub: Live) -> None:
    async with hub.session("bob") as bob:
        refused = await bob.publish("alice", "x" * (2**20 + 1))
        assert refused["code"] == "too_large"
        assert "max_body" in refused["message"]
        assert (await bob.publish("alice", "x" * 2**20))["type"] == "published"


@pytest.mark.parametrize(
    "size", [1, 5_000, 65_536, pytest.param(2**20, marks=[pytest.mark.soak, pytest.mark.timeout(300)])]
)
async def test_one_byte_a_segment_is_as_good_as_one_write(tmp_path: Path, size: int) -> None:
    """A raw socket that sends every byte by itself, from the handshake on; it has no time to answer pings."""
    async with live(tmp_path, ping_interval=600) as hub, hub.session("alice") as alice:
        port = int(hub.http.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        handshake = (
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await _dribble(writer, handshake.encode())
        assert b"101" in await reader.readuntil(b"\r\n\r\n")
        hello = json.dumps({"type": "hello", "name": "bob", "token": hub.token})
        body = ("ab" * size)[:size]
        for frame in (hello, json.dumps({"type": "publish", "to": "alice", "body": body})):
            await _dribble(writer, _masked(frame.encode()))
        assert (await alice.frame("message"))["body"] == body
        writer.close()


async def _dribble(writer: asyncio.StreamWriter, data: bytes) -> None:
    for each in data:
        writer.write(bytes([each]))
        await writer.drain()
        await asyncio.sleep(0)


def _masked(payload: bytes) -> bytes:
    """A text frame from a client, masked by zeros (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        head = bytes([0x81, 0x80 | length])
    elif length < 65_536:
        head = bytes([0x81, 0xFE]) + length.to_bytes(2, "big")
    else:
        head = bytes([0x81, 0xFF]) + length.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload


async def test_an_inbox_at_its_cap_refuses_before_it_confirms(tmp_path: Path) -> None:
    async with live(tmp_path, inbox_messages=3) as hub, hub.session("bob") as bob:
        answers = [await bob.publish("carol", str(n), **({} if n else {"id": "first"})) for n in range(5)]
        assert [each["type"] for each in answers] == ["published"] * 3 + ["error"] * 2
        assert answers[-1]["code"] == "inbox_full"
        assert "inbox_messages" in answers[-1]["message"]
        assert (await bob.publish("#topic", "topics have no cap"))["type"] == "published"
        again = await bob.publish("carol", "0", id="first")
        assert (again["type"], again["offset"]) == ("published", answers[0]["offset"]), "it was accepted before"
        async with hub.session("carol") as carol:
            last = [await carol.frame("message") for _ in range(3)][-1]
            await carol.ask(type="read", offset=last["offset"])
        assert (await bob.publish("carol", "there is room again"))["type"] == "published"


async def test_a_message_past_its_ttl_is_not_delivered_and_says_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.node.HOUSEKEEPING", 0.01)
    async with live(tmp_path) as hub, hub.session("bob") as bob:
        await hub.request("POST", "/api/v1/instances", {"name": "alice"})
        stale = await bob.publish("alice", "stale", ttl=60)
        fresh = await bob.publish("alice", "fresh")
        later = hub.app.node.now() + 61
        hub.app.node._clock = lambda: later
        async with hub.session("alice") as alice:
            assert (await alice.frame("message"))["offset"] == fresh["offset"]
            await alice.ask(type="read", offset=fresh["offset"])
        async with asyncio.timeout(BOUND):
            while True:
                ladder = (await bob.ask(type="status", id=stale["id"]))["ladder"]
                if [step["state"] for step in ladder] == ["expired"]:
                    break


async def test_a_reader_that_takes_nothing_is_closed_and_the_others_are_not_held_up(tmp_path: Path) -> None:
    async with (
        live(tmp_path, slow_reader_timeout=1.0) as hub,
        hub.session("bob") as bob,
        hub.session("alice") as alice,
        hub.session("stuck") as stuck,
    ):
        stuck.connection.transport.pause_reading()
        for _ in range(14):  # more than the system's own buffers hold
            await bob.publish("all", "x" * 1_000_000)
            assert (await alice.frame("message"))["type"] == "message"
            await alice.send({"type": "received", "offset": 2**62})
        async with asyncio.timeout(BOUND):
            while any(row["name"] == "stuck" and row["online"] for row in await instances(bob)):
                pass
        stuck.connection.transport.abort()  # it would wait for a close frame that it does not read


async def instances(socket: Socket) -> list[dict[str, Any]]:
    return list((await socket.ask(type="instances"))["instances"])


async def test_a_shutdown_tells_every_client_to_come_back(tmp_path: Path) -> None:
    async with live(tmp_path) as hub, hub.session("bob") as bob:
        hub.app.stop()
        assert (await bob.frame("error"))["code"] == "shutting_down"
        assert (await bob.closed())[0] == 4002
    async with live(tmp_path) as hub, hub.session("bob") as bob:
        assert bob.welcome["name"] == "bob"


async def test_what_was_confirmed_is_there_after_a_restart_under_the_same_offsets(tmp_path: Path) -> None:
    async with live(tmp_path) as hub, hub.session("bob") as bob:
        offsets = [(await bob.publish("alice", str(n)))["offset"] for n in range(20)]
        epoch = bob.welcome["epoch"]
    async with live(tmp_path, window_messages=3) as hub, hub.session("alice") as alice:
        assert alice.welcome["epoch"] == epoch
        assert [(await alice.frame("message"))["offset"] for _ in range(20)] == offsets


async def test_too_many_connections_without_a_hello_are_refused_by_name(tmp_path: Path) -> None:
    async with live(tmp_path, max_unwelcomed=1) as hub, hub.socket(), hub.socket() as second:
        assert (await second.frame("error"))["code"] == "too_many"
        assert (await second.closed())[0] == 4011


async def test_a_publish_rate_is_held_to_and_named(tmp_path: Path) -> None:
    async with live(tmp_path, publish_rate=2) as hub, hub.session("bob") as bob:
        codes = [(await bob.publish("alice", "x")).get("code") for _ in range(5)]
        assert codes[:2] == [None, None]
        assert "rate_limited" in codes


async def test_a_client_that_only_sends_nonsense_is_closed(hub: Live) -> None:
    async with hub.session("bob") as bob:
        for _ in range(MAX_BAD_FRAMES):
            await bob.send("nonsense")
            assert (await bob.next())["code"] == "bad_frame"
        assert (await bob.closed())[0] == 4500


async def test_a_hub_that_ends_waits_for_no_hello(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub, hub.socket() as silent, hub.session("alice") as alice:
        began = asyncio.get_running_loop().time()
        hub.app.stop()
        assert (await silent.frame("error"))["code"] == "shutting_down"
        assert (await silent.closed())[0] == (await alice.closed())[0] == 4002
        assert asyncio.get_running_loop().time() - began < GOODBYE


async def test_what_an_agent_tells_of_itself_is_seen_by_all_and_ends_with_its_session(hub: Live) -> None:
    async with hub.session("bob") as bob, hub.session(None, observe=True) as watcher:
        async with hub.session("alice", client="mcp") as alice:
            told = await alice.ask(type="presence", activity="idle", hops=["inbox"], wakes=True, client="claude-code 2")
            presence = told["presence"]
            assert presence | {"since": None} == {
                "state": "idle",
                "since": None,
                "hops": ["inbox"],
                "wakes": True,
                "client": "claude-code 2",
            }
            published = await bob.publish("alice", "hi")
            assert published["to"] == [
                {"name": "alice", "state": "accepted", "online": True, "activity": "idle", "wakes": True}
            ]
            while (fact := await watcher.frame("message"))["topic"] != "$instance.presence":
                pass
            assert fact["data"]["activity"] == "idle"
            response = await hub.request("POST", "/api/v1/presence", {"as": "alice", "activity": "working"})
            assert (response.status_code, response.json()["state"]) == (200, "working")
        while (fact := await watcher.frame("message"))["topic"] != "$session.left":
            pass
        (row,) = [each for each in (await bob.ask(type="instances"))["instances"] if each["name"] == "alice"]
        assert (row["state"], row["hops"], row["wakes"], row["client"]) == ("offline", None, None, None)
        response = await hub.request("POST", "/api/v1/presence", {"as": "alice", "activity": "working"})
        assert response.json()["state"] == "offline", "a hook alone is no presence"


async def test_the_ladder_has_a_time_for_each_rung_and_survives_a_restart(tmp_path: Path) -> None:
    async with live(tmp_path) as hub:
        async with hub.session("bob") as bob, hub.session("alice") as alice, hub.session("carol") as carol:
            asked = await bob.publish("all", "ready?")
            for each in (alice, carol):
                assert (await each.frame("message"))["offset"] == asked["offset"]
            await alice.ask(type="read", offset=asked["offset"])
            await alice.publish("bob", "yes", reply_to=asked["id"])
            await carol.send({"type": "received", "offset": asked["offset"]})
            while True:
                ladder = {step["name"]: step for step in (await bob.ask(type="status", id=asked["id"]))["ladder"]}
                if ladder["carol"]["times"].get("received"):
                    break
        assert list(ladder["alice"]["times"]) == ["accepted", "pushed", "received", "read", "answered"]
        assert all(ladder["alice"]["times"].values())
        assert sorted(ladder["alice"]["times"].values()) == list(ladder["alice"]["times"].values())
        assert list(ladder["carol"]["times"]) == ["accepted", "pushed", "received"]
    async with live(tmp_path) as hub, hub.session("bob") as bob:
        again = {step["name"]: step for step in (await bob.ask(type="status", id=asked["id"]))["ladder"]}
        assert {name: step["times"] for name, step in again.items()} == {
            name: step["times"] for name, step in ladder.items()
        }


@pytest.mark.parametrize(
    "said", [{"activity": "asleep"}, {"hops": ["Mixed Case"]}, {"hops": ["x"] * 17}, {"wakes": "yes"}]
)
async def test_a_presence_that_makes_no_sense_is_refused(hub: Live, said: dict[str, Any]) -> None:
    async with hub.session("alice") as alice:
        assert (await alice.ask(type="presence", **said))["code"] == "bad_frame"


async def test_a_killed_client_is_offline_at_once(hub: Live) -> None:
    program = (
        "import sys; from websockets.sync.client import connect; "
        "socket = connect(sys.argv[1], subprotocols=['hubbub.v1'], proxy=None); socket.send(sys.argv[2]); "
        "socket.recv(); print('here', flush=True); socket.recv()"
    )
    hello = json.dumps({"type": "hello", "name": "alice", "token": hub.token})
    async with hub.session(None, observe=True) as watcher:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, hub.url, hello, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        async with asyncio.timeout(BOUND):
            assert await process.stdout.readline() == b"here\n"
        process.kill()
        await process.wait()
        while (fact := await watcher.frame("message"))["topic"] != "$session.left":
            pass
        assert fact["data"]["sessions"] == 0
        ((row),) = (await watcher.ask(type="instances"))["instances"]
        assert (row["online"], row["state"]) == (False, "offline")
