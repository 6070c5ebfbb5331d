"""The plain line on a `receive` and a `send` that the test holds in its hands."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.line import Texts
from hub.plain import Plain

BOUND = 30.0


class Hearing:
    """An end that notes what it is told."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.told: list[object] = []
        self.over = asyncio.Event()

    def heard(self, texts: list[bytes]) -> None:
        self.said += texts

    def heard_binary(self) -> None:
        self.told.append("binary")

    def drained(self) -> None:
        self.told.append("drained")

    def stuck(self) -> None:
        self.told.append("stuck")
        self.over.set()

    def lost(self, code: int) -> None:
        self.told.append(code)
        self.over.set()


class Server:
    """What an ASGI server gives an app: messages in, messages out."""

    def __init__(self, *came: dict[str, Any] | Exception) -> None:
        self.coming: asyncio.Queue[dict[str, Any] | Exception] = asyncio.Queue()
        for each in came:
            self.coming.put_nowait(each)
        self.sent: list[dict[str, Any]] = []
        self.takes = asyncio.Event()
        self.takes.set()

    async def receive(self) -> dict[str, Any]:
        each = await self.coming.get()
        if isinstance(each, Exception):
            raise each
        return each

    async def send(self, message: Any) -> None:
        await self.takes.wait()
        self.sent.append(message)


async def run(server: Server, end: Hearing, patience: float = BOUND) -> Plain:
    line = Plain(server.receive, server.send, patience)
    async with asyncio.timeout(BOUND):
        await line.run(end)
    return line


TEXT = {"type": "websocket.receive", "text": "é"}
LEFT = {"type": "websocket.disconnect", "code": 1001}


async def test_texts_come_in_as_utf8_until_the_client_leaves() -> None:
    end = Hearing()
    await run(Server(TEXT, {"type": "websocket.receive", "bytes": b"x"}, TEXT, LEFT), end)
    assert end.said == ["é".encode()] * 2
    assert end.told == ["binary", 1001]


async def test_a_client_that_gives_no_code_is_told_as_the_rule_has_it() -> None:
    end = Hearing()
    await run(Server({"type": "websocket.disconnect"}), end)
    assert end.told == [1005]  # RFC 6455, 7.1.5


@pytest.mark.parametrize("why", [OSError("gone"), RuntimeError("a bug of the server")])
async def test_a_server_whose_receive_fails_has_lost_the_client(why: Exception) -> None:
    end = Hearing()
    await run(Server(why), end)
    assert end.told == [1006]


async def test_what_was_written_goes_out_before_the_goodbye() -> None:
    server, end = Server(), Hearing()
    line = Plain(server.receive, server.send, BOUND)
    line.write(Texts([b"one", b"two"]))
    assert not line.room
    line.close(4002, "the hub ends")
    async with asyncio.timeout(BOUND):
        await line.run(end)
    assert [each.get("text") or each["code"] for each in server.sent] == ["one", "two", 4002]
    assert end.told == []  # who closed it need not be told


async def test_a_client_that_takes_nothing_is_stuck() -> None:
    server, end = Server(), Hearing()
    server.takes.clear()
    line = Plain(server.receive, server.send, 0.01)
    line.write(Texts([b"one"]))
    running = asyncio.create_task(line.run(end))
    async with asyncio.timeout(BOUND):
        await end.over.wait()
        line.close(4012, "slow")
        server.takes.set()
        await running
    assert end.told[0] == "stuck"


async def test_nothing_is_read_while_the_line_is_held() -> None:
    server, end = Server(TEXT, LEFT), Hearing()
    line = Plain(server.receive, server.send, BOUND)
    line.hold()
    running = asyncio.create_task(line.run(end))
    for _ in range(5):
        await asyncio.sleep(0)
    assert end.said == []
    line.go_on()
    async with asyncio.timeout(BOUND):
        await running
    assert end.said == ["é".encode()]
