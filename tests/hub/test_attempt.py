"""The first connection either stands or says what is wrong."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hub import frames
from hub.client import connect
from hub.errors import (
    BadValue,
    NameTaken,
    Unauthorized,
    Unreachable,
)
from tests.hub.scripted_hub import TOKEN, ScriptedHub, scripted_hub


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    async with scripted_hub() as hub:
        yield hub


@asynccontextmanager
async def saying(words: bytes, *, once_asked: bool = False) -> AsyncIterator[str]:
    """The address of something that says this to whoever connects, or once it has read a request, and hangs up."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if once_asked:
            await reader.readuntil(b"\r\n\r\n")
        writer.write(words)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"


async def test_a_hub_that_is_not_there_is_unreachable_with_the_command_that_helps() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}/ws"
        with pytest.raises(Unreachable, match="hubbub start") as caught:
            await connect(url, TOKEN, "alice").start()
    assert url in caught.value.message


async def test_what_is_not_a_hub_is_said_to_be_none() -> None:
    async with saying(b"220 mail.example ESMTP\r\n") as url:
        with pytest.raises(Unreachable, match="not a Hubbub hub"):
            await connect(url, TOKEN, "alice").start()


async def test_a_wrong_token_is_unauthorized_on_the_first_connection(hub: ScriptedHub) -> None:
    with pytest.raises(Unauthorized, match="does not hold"):
        await connect(hub.url, "hub_wrong", "alice").start()


async def test_an_address_that_is_none_is_said_to_be_none() -> None:
    with pytest.raises(BadValue, match="not a hub's URL"):
        await connect("nonsense", TOKEN, "alice").start()


async def test_a_taken_name_is_refused_with_the_suggestion(hub: ScriptedHub) -> None:
    async with connect(hub.url, TOKEN, "alice"):
        with pytest.raises(NameTaken, match="alice-2 is free"):
            await connect(hub.url, TOKEN, "alice").start()


async def test_the_token_goes_into_the_header_and_not_into_a_frame(hub: ScriptedHub) -> None:
    async with connect(hub.url, TOKEN, "alice"):
        (hello,) = hub.heard(frames.Hello)
    assert hello.token is None


async def test_a_redirect_is_not_followed() -> None:
    there = b"HTTP/1.1 307 Go\r\nLocation: ws://127.0.0.1:1/ws\r\nContent-Length: 0\r\n\r\n"
    async with saying(there, once_asked=True) as url:
        with pytest.raises(Unreachable, match="HTTP 307"):
            await connect(url, TOKEN, "alice").start()


async def test_a_proxy_of_the_environment_is_never_used(hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "socks_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with connect(hub.url, TOKEN, "alice") as alice:
        assert alice.state == "online"
