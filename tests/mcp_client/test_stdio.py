from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.shared.message import ServerMessageMetadata, SessionMessage

from mcp_client import stdio
from mcp_client.pipes import Pipes
from mcp_client.stdio import transport

BOUND = 30.0


class Ends:
    """Our ends of the two pipes, and what the transport said of each request."""

    def __init__(self) -> None:
        self.source, self.say = os.pipe()
        self.hear, self.sink = os.pipe()
        self.answers: list[tuple[types.RequestId, bool]] = []

    def answered(self, request: types.RequestId, ok: bool) -> None:
        self.answers.append((request, ok))


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Ends, Any, Any]]:
    ends = Ends()
    async with transport(Pipes(ends.source, ends.sink), ends.answered) as (read, write):
        yield ends, read, write
        for descriptor in (ends.say, ends.hear):
            try:
                os.close(descriptor)
            except OSError:
                continue


def response(request: int, size: int = 1) -> SessionMessage:
    return SessionMessage(types.JSONRPCResponse(jsonrpc="2.0", id=request, result={"x": "é" * size}))


async def test_a_request_is_read_however_its_bytes_come() -> None:
    async with opened() as (ends, read, _):
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"s": "é"}}, ensure_ascii=False)
        for byte in line.encode() + b"\r\n\n":
            os.write(ends.say, bytes([byte]))
        async with asyncio.timeout(BOUND):
            item = await read.receive()
        assert item.message.method == "ping"
        assert item.message.params == {"s": "é"}


async def test_a_line_that_is_no_protocol_is_an_exception_in_the_stream_and_the_next_is_read() -> None:
    async with opened() as (ends, read, _):
        os.write(ends.say, b'{"jsonrpc":\n{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        async with asyncio.timeout(BOUND):
            assert isinstance(await read.receive(), Exception)
            assert (await read.receive()).message.method == "notifications/initialized"


async def test_the_stream_ends_when_standard_input_closes() -> None:
    async with opened() as (ends, read, _):
        os.close(ends.say)
        async with asyncio.timeout(BOUND):
            with pytest.raises(anyio.EndOfStream):
                await read.receive()


async def test_sending_returns_and_is_told_once_the_response_is_in_the_pipe() -> None:
    async with opened() as (ends, _, write):
        async with asyncio.timeout(BOUND):
            await write.send(response(7))
        assert ends.answers == [(7, True)]
        assert json.loads(os.read(ends.hear, 9999)) == {"jsonrpc": "2.0", "id": 7, "result": {"x": "é"}}


async def test_a_response_that_does_not_fit_the_pipe_is_not_told_before_it_was_read() -> None:
    async with opened() as (ends, _, write):
        sending = asyncio.create_task(write.send(response(7, 2**20)))
        received = b""
        while len(received) < 2**20:  # half of it
            assert ends.answers == []
            assert not sending.done()
            received += await asyncio.to_thread(os.read, ends.hear, 65_536)
        while not received.endswith(b"\n"):
            received += await asyncio.to_thread(os.read, ends.hear, 65_536)
        async with asyncio.timeout(BOUND):
            await sending
        assert ends.answers == [(7, True)]
        assert json.loads(received)["result"]["x"] == "é" * 2**20


async def test_a_send_that_is_cancelled_goes_out_all_the_same_and_is_told() -> None:
    async with opened() as (ends, _, write):
        sending = asyncio.create_task(write.send(response(7, 2**17)))
        await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending])
        received = b""
        while not received.endswith(b"\n"):
            received += await asyncio.to_thread(os.read, ends.hear, 65_536)
        async with asyncio.timeout(BOUND):
            await write.send(SessionMessage(types.JSONRPCNotification(jsonrpc="2.0", method="after")))
        assert ends.answers == [(7, True)]


async def test_an_error_and_a_request_without_an_answer_are_told_as_such() -> None:
    async with opened() as (ends, read, write):
        error = types.ErrorData(code=1, message="no")
        await write.send(SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=3, error=error)))
        os.write(ends.say, b'{"jsonrpc":"2.0","id":4,"method":"ping"}\n')
        async with asyncio.timeout(BOUND):
            item = await read.receive()
        assert isinstance(item.metadata, ServerMessageMetadata)
        assert item.metadata.on_request_unanswered
        await item.metadata.on_request_unanswered()
        assert ends.answers == [(3, False), (4, False)]


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is another error there")
async def test_a_response_to_a_client_that_is_gone_is_told_as_not_written() -> None:
    async with opened() as (ends, _, write):
        os.close(ends.hear)
        with pytest.raises(anyio.BrokenResourceError):
            await write.send(response(7))
        assert ends.answers == [(7, False)]


def bug(*_: Any) -> Any:
    raise KeyError("a planted bug")


async def test_a_thread_that_fails_to_write_says_so_to_all_who_send(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as (ends, _, write), asyncio.timeout(BOUND):
        monkeypatch.setattr(stdio, "_write_all", bug)
        for number in (7, 8):
            with pytest.raises(anyio.BrokenResourceError):
                await write.send(response(number))
        assert ends.answers == [(7, False), (8, False)]


async def test_a_thread_that_fails_to_read_ends_the_stream_as_a_closed_input_does(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened() as (ends, read, _), asyncio.timeout(BOUND):
        monkeypatch.setattr(stdio.Reader, "_parse", bug)
        os.write(ends.say, b"{}\n")
        with pytest.raises(anyio.EndOfStream):
            await read.receive()
    assert "reading failed" in caplog.text


async def test_after_closing_nothing_is_sent() -> None:
    async with opened() as (_, __, write):
        await write.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await write.send(response(1))
