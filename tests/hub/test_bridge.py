from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub import bridge
from hub.bridge import ObjectEnd
from tests.hub.live import BOUND, Live, live


class Script:
    """What an old script does: one connection a request, one read, its own side open until the end."""

    def __init__(self, hub: Live, name: str) -> None:
        assert hub.app.legacy
        self.port = hub.app.legacy
        self.name = name
        self.token = ""

    async def registered(self) -> Script:
        said = await self.say(action="register", instance_id=self.name, auth_token="")
        self.token = said["session_token"]
        return self

    async def ask(self, action: str, **more: Any) -> dict[str, Any]:
        return await self.say(action=action, session_token=self.token, **more)

    async def check(self) -> list[dict[str, Any]]:
        said = await self.ask("check", instance_id=self.name)
        assert said["status"] == "ok", said
        return list(said["messages"])

    async def send(self, to: str, content: str, **more: Any) -> str:
        said = await self.ask("send", from_id=self.name, to_id=to, message={"content": content, **more})
        return str(said["message"])

    async def say(self, **request: Any) -> dict[str, Any]:
        return dict(json.loads(await self.bytes(json.dumps(request).encode())))

    async def bytes(self, *segments: bytes) -> bytes:
        """Send in segments, each in a packet of its own, and read once."""
        async with asyncio.timeout(BOUND):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for segment in segments:
                writer.write(segment)
                await writer.drain()
                await asyncio.sleep(0)
            data = await reader.read(65_536)
            writer.close()
            return data


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path / "home", legacy_port=0) as running:
        yield running


ENDS: tuple[tuple[tuple[bytes, ...], list[bool]], ...] = (
    ((b"{}",), [True]),
    ((b"{", b"}"), [False, True]),
    ((b'  {"a": {"b": 1}', b"}"), [False, True]),
    ((b'{"a": "}"', b"}"), [False, True]),
    ((b'{"a": "\\"}', b'"}'), [False, True]),
    ((b'{"a": "\\', b'"}"', b"}"), [False, False, True]),
    ((b'{"a": "\\\\"', b"}"), [False, True]),
    ((b"\n", b"{}"), [False, True]),
    ((b"[1, 2]",), [True]),
    ((b"}",), [True]),
    ((b"\xff\xfe",), [True]),
)


@pytest.mark.parametrize(("chunks", "found"), ENDS)
def test_an_object_ends_where_its_last_brace_is(chunks: tuple[bytes, ...], found: list[bool]) -> None:
    end = ObjectEnd()
    assert [end.found(chunk) for chunk in chunks] == found


def test_every_byte_on_its_own_gives_the_same_end() -> None:
    request = json.dumps({"message": {"content": 'a "quoted" } \\ brace', "data": {"deep": [{"er": "{"}]}}}).encode()
    end = ObjectEnd()
    assert [end.found(request[place : place + 1]) for place in range(len(request))] == [False] * (len(request) - 1) + [
        True
    ]


async def test_a_request_may_come_in_any_number_of_segments(hub: Live) -> None:
    script = await Script(hub, "fred").registered()
    request = json.dumps({"action": "list", "session_token": script.token}).encode()
    said = json.loads(await script.bytes(*(request[place : place + 1] for place in range(len(request)))))
    assert [each["id"] for each in said["instances"]] == ["fred"]


async def test_a_mebibyte_arrives_whole(hub: Live) -> None:
    fred = await Script(hub, "fred").registered()
    body = "x" * 2**20
    assert await fred.send("barney", body) == "Message queued for barney (not yet registered)"
    async with hub.session("barney") as barney:
        assert (await barney.frame("message"))["body"] == body


async def test_what_is_larger_than_a_request_may_be_is_refused_by_name(tmp_path: Path) -> None:
    async with live(tmp_path / "home", legacy_port=0, max_body="1KiB", max_frame="16KiB") as hub:
        script = Script(hub, "fred")
        said = json.loads(await script.bytes(b'{"action": "' + b"x" * 20_000))
        assert said == {"status": "error", "message": "A request has at most 16,384 bytes"}


BROWSERS = (
    b"GET / HTTP/1.1\r\n\r\n",
    b"POST /x HTTP/1.1\r\n\r\n{}",
    b"OPTIONS * HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\n",
)


@pytest.mark.parametrize("request_line", BROWSERS)
async def test_what_begins_like_http_is_closed_without_a_word(hub: Live, request_line: bytes) -> None:
    assert await Script(hub, "mallory").bytes(request_line) == b""


@pytest.mark.parametrize("text", [b"not json}", b"[1]", b'{"a": NaN,}', b"\xff", b"{" * 100_000 + b"}"])
async def test_what_is_no_request_is_told_so(hub: Live, text: bytes) -> None:
    if text.startswith(b"{{"):
        text += b"}" * 100_000
    said = json.loads(await Script(hub, "x").bytes(text))
    assert said["status"] == "error"
    assert "Traceback" not in said["message"]


async def test_a_request_that_never_ends_is_given_up(tmp_path: Path) -> None:
    async with live(tmp_path / "home", legacy_port=0, hello_timeout=0.1) as hub:
        assert await Script(hub, "slow").bytes(b'{"action"') == b""


async def test_one_connection_too_many_is_told_so(tmp_path: Path) -> None:
    async with live(tmp_path / "home", legacy_port=0, max_unwelcomed=1) as hub:
        script = Script(hub, "fred")
        _, first = await asyncio.open_connection("127.0.0.1", script.port)
        first.write(b"{")
        await first.drain()
        async with asyncio.timeout(BOUND):
            while b"at a time" not in (said := await script.bytes(b'{"action": "list"}')):
                assert b"session token" in said  # the first is not accepted yet
        first.close()


async def test_a_reader_that_dies_with_the_reply_unread_is_given_it_again(hub: Live) -> None:
    await (await Script(hub, "fred").registered()).send("barney", "important")
    barney = await Script(hub, "barney").registered()
    request = json.dumps({"action": "check", "instance_id": "barney", "session_token": barney.token}).encode()
    for _ in range(3):
        loop = asyncio.get_running_loop()
        with socket.socket() as dying:
            dying.setblocking(False)
            # Closing with linger 0 resets, as the kernel does for a process that dies with bytes unread.
            dying.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await loop.sock_connect(dying, ("127.0.0.1", barney.port))
            await loop.sock_sendall(dying, request)
            await loop.sock_recv(dying, 1)
    assert [each["message"]["content"] for each in await barney.check()] == ["important"]
    assert await barney.check() == []


async def test_a_client_that_keeps_its_side_open_longer_than_a_request_may_take_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "PARTING", 3.0)
    async with live(tmp_path / "home", legacy_port=0, hello_timeout=1.5) as hub:
        await (await Script(hub, "fred").registered()).send("barney", "hello")
        barney = await Script(hub, "barney").registered()
        reader, writer = await asyncio.open_connection("127.0.0.1", barney.port)
        check = json.dumps({"action": "check", "instance_id": "barney", "session_token": barney.token}).encode()
        writer.write(check)
        assert b"hello" in await reader.read(65_536)
        async with asyncio.timeout(BOUND):
            while not (said := await barney.bytes(check)):  # as long as nobody knows whether the first has it
                pass
        assert json.loads(said)["messages"] == [], "what the one that stays has been given"
        writer.close()


async def test_a_text_that_is_no_unicode_is_refused_and_no_fault_of_the_hub(hub: Live) -> None:
    fred = await Script(hub, "fred").registered()
    for request in (
        {"action": "send", "to_id": "x", "message": {"content": "\ud800"}, "session_token": fred.token},
        {"action": "register", "instance_id": "\ud800"},
        {"action": "list", "session_token": "\ud800"},
    ):
        assert (await fred.say(**request))["status"] == "error"
    assert hub.app.node.problems() == []


async def test_two_checks_at_once_are_given_nothing_twice(hub: Live) -> None:
    fred = await Script(hub, "fred").registered()
    barney = await Script(hub, "barney").registered()
    for number in range(20):
        await fred.send("barney", str(number))
    replies = await asyncio.gather(*(barney.check() for _ in range(5)))
    assert sorted(int(each["message"]["content"]) for reply in replies for each in reply) == list(range(20))


async def test_a_reply_is_cut_at_a_message_and_the_rest_comes_with_the_next_check(hub: Live) -> None:
    fred = await Script(hub, "fred").registered()
    barney = await Script(hub, "barney").registered()
    for number in range(9):
        await fred.send("barney", f"{number}" + "ü" * 4000)  # six bytes each, in the old broker's JSON
    got: list[str] = []
    checks = 0
    while batch := await barney.check():
        got += [each["message"]["content"][0] for each in batch]
        checks += 1
    assert got == list("012345678")
    assert checks > 1


async def test_what_no_reply_can_hold_is_a_summary_and_a_file(hub: Live) -> None:
    fred = await Script(hub, "fred").registered()
    body = "First sentence here. Second one follows. " + "x" * 100_000
    await fred.send("barney", body)
    await fred.send("barney", "after it")
    barney = await Script(hub, "barney").registered()
    long, after = await barney.check()
    path = Path(long["message"]["data"]["large_message_file"])
    assert long["message"]["content"] == f"First sentence here. Second one follows. Full content saved to: {path}"
    assert path.read_text() == body
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    assert after["message"]["content"] == "after it"


async def test_a_part_that_was_all_a_client_read_makes_the_next_reply_smaller(
    hub: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    fred = await Script(hub, "fred").registered()
    barney = await Script(hub, "barney").registered()
    for number in range(6):
        await fred.send("barney", f"{number}" + "x" * 9000)
    arrived, outcomes = bridge._arrived, iter([False])

    async def once_not(*parts: Any) -> bool:
        return next(outcomes, True) and await arrived(*parts)

    monkeypatch.setattr(bridge, "_arrived", once_not)
    first = await barney.check()
    second = await barney.check()
    assert len(second) < len(first)
    assert second[0] == first[0]


async def test_a_taken_port_is_told_and_the_hub_goes_on(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with live(tmp_path / "home", legacy_port=port) as hub:
            status = (await hub.request("GET", "/api/v1/status")).json()
            assert status["legacy"] is None
            assert any(f"port {port}" in notice for notice in status["notices"])


async def test_nothing_listens_unless_it_is_asked_for(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub:
        assert (await hub.request("GET", "/api/v1/status")).json()["legacy"] is None
