from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from mcp_client.delivery import claude_inbox
from mcp_client.delivery.claude_inbox import SOCKET, TOKEN, missing, write
from tests.mcp_client.delivery.session_inbox import session_inbox


@pytest.mark.parametrize(
    ("environ", "named"),
    [({}, f"{SOCKET} and {TOKEN}"), ({SOCKET: "/s"}, TOKEN), ({SOCKET: "", TOKEN: "t"}, SOCKET)],
)
def test_without_socket_and_token_there_is_no_inbox(environ: dict[str, str], named: str) -> None:
    why = missing(environ)
    assert why is not None
    assert why.startswith(f"{named} not set")


def test_two_lines_are_written() -> None:
    auth, turn = map(json.loads, claude_inbox.lines("a\ntext", "t", "4fa0").splitlines())
    assert auth == {"type": "auth", "token": "t"}
    assert turn["message"] == {"role": "user", "content": "a\ntext"}


async def test_a_session_takes_it_up(tmp_path: Path) -> None:
    async with session_inbox(tmp_path) as inbox:
        await asyncio.to_thread(write, inbox.environ, "hello", "4fa0")
        await inbox.has(1)
        assert inbox.texts == ["hello"]


def test_a_missing_socket_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write({SOCKET: str(tmp_path / "none"), TOKEN: "t"}, "hello", "4fa0")


def test_a_socket_that_a_dead_session_left_is_an_error(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "left"))
    with pytest.raises(ConnectionRefusedError):
        write({SOCKET: str(tmp_path / "left"), TOKEN: "t"}, "hello", "4fa0")


async def test_a_session_that_closes_midway_is_an_error(tmp_path: Path) -> None:
    async with session_inbox(tmp_path) as inbox:
        inbox.behaviour = "closing"
        with pytest.raises(OSError, match=r"reset|pipe"):
            await asyncio.to_thread(write, inbox.environ, "x" * 900_000, "4fa0")


async def test_a_session_that_reads_nothing_is_not_waited_for(tmp_path: Path) -> None:
    async with session_inbox(tmp_path) as inbox:
        inbox.behaviour = "blocking"
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(write, inbox.environ, "x" * 900_000, "4fa0", 0.2)


def test_what_is_too_long_for_a_line_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="more than a session's inbox takes"):
        write({SOCKET: str(tmp_path / "none"), TOKEN: "t"}, "x" * 2**20, "4fa0")
