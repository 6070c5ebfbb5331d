"""`hubbub hook` as a client runs it: a process of its own, beside an MCP process, a hub, or neither."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mcp_client import note
from mcp_client.delivery.hook_server import HookServer
from tests.hub.live import Live, live
from tests.hub.scripted_hub import BOUND, ScriptedHub, scripted_hub
from tests.mcp_client.desk import Desk, desk

PROMPT = {"hook_event_name": "UserPromptSubmit", "session_id": "s1", "prompt": "go on"}


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    async with scripted_hub() as hub:
        yield hub


@asynccontextmanager
async def beside(hub: ScriptedHub, home: Path, name: str = "alice") -> AsyncIterator[Desk]:
    """An agent's MCP process, as far as hooks see it: this test's process is the client of both."""
    async with desk(hub, home, name) as at:
        server = HookServer(at.courier)
        async with server.open(home, {"CLAUDE_CODE_SESSION_ID": "s1"}, home):
            await at.link.hub()
            yield at


class Hook:
    """One run of `hubbub hook`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, home: Path, event: str, said: Any = PROMPT, **environ: str) -> Hook:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HUBBUB_", "CLAUDE"))}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "hub",
            "hook",
            event,
            env=kept | {"HUBBUB_HOME": str(home)} | environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin
        process.stdin.write(said if isinstance(said, bytes) else json.dumps(said).encode())
        process.stdin.close()
        return cls(process)

    async def end(self) -> tuple[int, str, str]:
        async with asyncio.timeout(BOUND):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()


async def hook(home: Path, event: str, said: Any = PROMPT, **environ: str) -> tuple[int, str, str]:
    return await (await Hook.start(home, event, said, **environ)).end()


SILENT = (0, "", "")


async def test_it_prints_what_came_and_then_nothing(hub: ScriptedHub, tmp_path: Path) -> None:
    async with beside(hub, tmp_path) as at:
        await hub.tell("alice", "the build is red")
        await at.has(1)
        code, out, err = await hook(tmp_path, "UserPromptSubmit")
        assert (code, err) == (0, "")
        assert "the build is red" in json.loads(out)["hookSpecificOutput"]["additionalContext"]
        await at.read(1)
        assert await hook(tmp_path, "UserPromptSubmit") == SILENT


async def test_a_waiting_hook_wakes_its_session_when_something_comes(hub: ScriptedHub, tmp_path: Path) -> None:
    async with beside(hub, tmp_path) as at:
        waiting = await Hook.start(tmp_path, "Wake")
        async with asyncio.timeout(BOUND):
            await at.link.bell.until(lambda: at.courier._waker, None)
        await hub.tell("alice", "the build is red")
        code, out, err = await waiting.end()
        assert (code, out) == (2, "")
        assert "the build is red" in err
        await at.read(1)


async def test_a_waiting_hook_finds_a_process_that_starts_after_it(hub: ScriptedHub, tmp_path: Path) -> None:
    waiting = await Hook.start(tmp_path, "Wake")
    async with beside(hub, tmp_path) as at:
        await hub.tell("alice", "hello")
        code, _, err = await waiting.end()
        assert code == 2
        assert "hello" in err
        await at.read(1)


async def test_a_waiting_hook_ends_in_silence_with_the_process_beside_it(hub: ScriptedHub, tmp_path: Path) -> None:
    async with beside(hub, tmp_path) as at:
        waiting = await Hook.start(tmp_path, "Wake")
        async with asyncio.timeout(BOUND):
            await at.link.bell.until(lambda: at.courier._waker, None)
    assert await waiting.end() == SILENT


async def test_a_hook_that_is_killed_loses_nothing_and_doubles_nothing(hub: ScriptedHub, tmp_path: Path) -> None:
    async with beside(hub, tmp_path) as at:
        for number in range(5):
            await hub.tell("alice", f"m{number}")
        await at.has(5)
        (left,) = note.read_all(str(tmp_path))
        reader, writer = await asyncio.open_connection("127.0.0.1", left.port)
        writer.write(f"{left.secret} PostToolUse 2\n{{}}".encode())
        assert (await reader.readline()).startswith(b"0 ")  # it has the text, and is killed before it says done
        assert await hook(tmp_path, "PostToolUse") == SILENT
        writer.transport.abort()
        async with asyncio.timeout(BOUND):
            await at.link.bell.until(lambda: at.link.inbox.unread().messages == 5, None)
        _, out, _ = await hook(tmp_path, "PostToolUse")
        assert [f"m{number}" in out for number in range(5)] == [True] * 5
        await at.read(5)
        assert await hook(tmp_path, "PostToolUse") == SILENT


async def test_hooks_at_once_hand_over_once(hub: ScriptedHub, tmp_path: Path) -> None:
    async with beside(hub, tmp_path) as at:
        await hub.tell("alice", "hello")
        await at.has(1)
        runs = await asyncio.gather(*(hook(tmp_path, "PostToolUse") for _ in range(4)))
        assert sum("hello" in out for _, out, _ in runs) == 1
        assert {code for code, _, _ in runs} == {0}


@pytest.mark.parametrize("said", [b"", b"{broken", b"[]", b"\xff" * 100, b"x" * 3_000_000])
async def test_whatever_the_client_says_it_answers(hub: ScriptedHub, tmp_path: Path, said: bytes) -> None:
    async with beside(hub, tmp_path) as at:
        await hub.tell("alice", "hello")
        await at.has(1)
        code, out, err = await hook(tmp_path, "PostToolUse", said)
        assert (code, err) == (0, "")
        assert "hello" in out


# Nobody there


@pytest.mark.parametrize("event", ["UserPromptSubmit", "PostToolUse", "Stop", "SessionStart", "NoSuchEvent"])
async def test_without_a_process_or_a_name_it_is_silent(tmp_path: Path, event: str) -> None:
    assert await hook(tmp_path / "none", event) == SILENT


async def test_what_a_killed_process_left_costs_nothing(tmp_path: Path) -> None:
    note.write(
        tmp_path,
        note.Note(port=1, secret="x", parent=os.getpid(), session="s1", folder=str(tmp_path), pid=999_999_999),
    )
    assert await hook(tmp_path, "PostToolUse") == SILENT


@pytest.mark.parametrize("junk", ["", "1\n2\n", "\0\0", "a\nb\nc\nd\ne\nend\n"])
async def test_a_broken_note_is_passed_over(tmp_path: Path, junk: str) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "77").write_text(junk)
    assert await hook(tmp_path, "PostToolUse") == SILENT


async def test_a_hub_that_is_down_costs_nobody_a_session(tmp_path: Path) -> None:
    assert await hook(tmp_path, "PostToolUse", HUBBUB_NAME="alice") == SILENT
    assert await hook(tmp_path, "PostToolUse", HUBBUB_NAME="alice", HUBBUB_URL="http://127.0.0.1:9") == SILENT
    assert await hook(tmp_path, "PostToolUse", HUBBUB_NAME="bad name", HUBBUB_URL="nonsense") == SILENT


async def test_a_process_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    note.write(tmp_path, note.Note(port=port, secret="x", parent=os.getpid(), session="", folder="", pid=os.getpid()))
    assert await hook(tmp_path, "PostToolUse") == SILENT
    server.close()
    for writer in writers:
        writer.close()
        await writer.wait_closed()


async def test_another_sessions_messages_are_not_taken(hub: ScriptedHub, tmp_path: Path) -> None:
    async with beside(hub, tmp_path) as at:
        (left,) = note.read_all(str(tmp_path))
        left.parent = 1
        note.write(tmp_path, left)
        await hub.tell("alice", "hello")
        await at.has(1)
        assert await hook(tmp_path, "PostToolUse", {"session_id": "another"}) == SILENT
        code, out, _ = await hook(tmp_path, "PostToolUse", {"session_id": "s1"})
        assert code == 0
        assert "hello" in out


async def test_who_does_not_know_the_secret_is_hung_up_on(hub: ScriptedHub, tmp_path: Path) -> None:
    async with beside(hub, tmp_path) as at:
        await hub.tell("alice", "hello")
        await at.has(1)
        (left,) = note.read_all(str(tmp_path))
        for said in (b"wrong PostToolUse 2\n{}", b"GET / HTTP/1.1\r\n\r\n", b"\n", b"wrong PostToolUse -1\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", left.port)
            writer.write(said)
            writer.write_eof()
            async with asyncio.timeout(BOUND):
                assert await reader.read() == b""
            writer.close()
        assert at.link.inbox.unread().messages == 1


async def test_the_note_is_for_its_owner_only_and_goes_with_the_process(hub: ScriptedHub, tmp_path: Path) -> None:
    async with beside(hub, tmp_path):
        (path,) = (tmp_path / "agents").iterdir()
        if os.name == "posix":
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "agents").iterdir()) == []


# Alone, with a name


async def test_with_a_name_and_no_process_it_asks_the_hub(tmp_path: Path) -> None:
    async with live(tmp_path) as hub:
        for body in ("one", "x" * 9000, "three"):
            await hub.request("POST", "/api/v1/messages", {"as": "bob", "to": "alice", "body": body})
        told: list[str] = []
        while (run := await hook(tmp_path, "PostToolUse", HUBBUB_NAME="alice", HUBBUB_URL=hub.url)) != SILENT:
            told.append(json.loads(run[1])["hookSpecificOutput"]["additionalContext"])
        assert "one" in told[0]
        assert "More wait: hubbub read --as alice" in told[0]
        assert [sum(body in each for each in told) for body in ("one", "x" * 9000, "three")] == [1, 1, 1]


async def test_alone_it_waits_too(tmp_path: Path) -> None:
    async with live(tmp_path) as hub:
        waiting = await Hook.start(
            tmp_path, "Wake", b"{}", HUBBUB_NAME="alice", HUBBUB_URL=hub.url, HUBBUB_TOKEN=hub.token
        )
        async with asyncio.timeout(3 * BOUND):
            while not await is_known(hub, "alice"):
                await asyncio.sleep(0.05)
        await hub.request("POST", "/api/v1/messages", {"as": "bob", "to": "alice", "body": "hello"})
        code, out, err = await waiting.end()
        assert (code, out) == (2, "")
        assert "hello" in err


async def is_known(hub: Live, name: str) -> bool:
    told = (await hub.request("GET", "/api/v1/instances")).json()
    return any(each["name"] == name for each in told["instances"])


# Its price


def test_it_imports_next_to_nothing(tmp_path: Path) -> None:
    script = (
        "import sys; before = set(sys.modules); from hub.cli import main; code = main(['hook', 'PostToolUse']); "
        "print(sorted(set(sys.modules) - before)); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "HUBBUB_HOME": str(tmp_path), "HUBBUB_NAME": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"click", "json", "socket", "typing", "re", "pathlib", "asyncio", "msgspec", "dataclasses", "logging"}
    assert not heavy & set(eval(done.stdout))
