"""`python -m mcp_client` as a client starts it: the official MCP client over real pipes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp_types.version import LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION
from msgspec import UNSET

from hub import __version__, daemon, frames
from hub.config import Settings, load
from tests.hub.scripted_hub import TOKEN, ScriptedHub, scripted_hub
from tests.mcp_client.agent import BOUND, agent, call, parameters


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    async with scripted_hub() as hub:
        yield hub


class Pipe:
    """The same process spoken to by hand: what goes over the pipe, and when."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._next = 0

    @classmethod
    async def open(cls, home: Path, hub: ScriptedHub, name: str = "alice") -> Pipe:
        made = parameters(home, hub.url, name, TOKEN, home)
        process = await asyncio.create_subprocess_exec(
            made.command,
            *made.args,
            env=made.env,
            cwd=home,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=2**22,
        )
        pipe = cls(process)
        about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        await pipe.ask("initialize", about)
        pipe.say({"method": "notifications/initialized"})
        return pipe

    def say(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def call(self, tool: str, **arguments: Any) -> int:
        self._next += 1
        self.say({"id": self._next, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
        return self._next

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._next += 1
        self.say({"id": self._next, "method": method, "params": params})
        return await self.answer(self._next)

    async def answer(self, request: int) -> dict[str, Any]:
        assert self.process.stdout
        async with asyncio.timeout(BOUND):
            while True:
                line = await self.process.stdout.readline()
                assert line, "standard output ended"
                message: dict[str, Any] = json.loads(line)
                if message.get("id") == request:
                    return message

    async def close(self) -> tuple[int, bytes]:
        """Close standard input; the exit code and all that was printed beside the protocol."""
        assert self.process.stdin
        self.process.stdin.close()
        async with asyncio.timeout(BOUND):
            _, errors = await self.process.communicate()
            return await self.process.wait(), errors


# The protocol


@pytest.mark.parametrize(
    ("mode", "version"), [("legacy", LATEST_HANDSHAKE_VERSION), (LATEST_MODERN_VERSION, LATEST_MODERN_VERSION)]
)
async def test_both_eras_of_the_protocol_are_served(hub: ScriptedHub, tmp_path: Path, mode: str, version: str) -> None:
    async with agent(tmp_path, "alice", url=hub.url, token=TOKEN, mode=mode) as alice:
        assert alice.protocol_version == version
        assert len((await alice.list_tools()).tools) == 12
        await hub.until(lambda: "alice" in hub.people)
        await hub.tell("alice", "hello")
        _, structured = await call(alice, "wait")
        assert [each["body"] for each in structured["messages"]] == ["hello"]
        assert structured["messages"][0]["from"] == "bob"
        await hub.until(lambda: hub.people["alice"].read == 1)


async def test_a_client_that_probes_finds_the_newest_era(hub: ScriptedHub, tmp_path: Path) -> None:
    async with agent(tmp_path, "alice", url=hub.url, token=TOKEN, mode="auto") as alice:
        assert alice.protocol_version == LATEST_MODERN_VERSION
        assert (await call(alice, "list_instances"))[1]["you"] == "alice"


async def test_the_tools_are_listed_while_no_hub_answers(hub: ScriptedHub, tmp_path: Path) -> None:
    hub.swallow.add("hello")
    async with agent(tmp_path, "alice", url=hub.url, token=TOKEN) as alice:
        assert len((await alice.list_tools()).tools) == 12
        assert "not orders" in (alice.instructions or "")


async def test_progress_goes_to_a_client_that_asked_for_it(hub: ScriptedHub, tmp_path: Path) -> None:
    told: list[str | None] = []
    asked = asyncio.Event()

    async def note(_done: float, _total: float | None, about: str | None) -> None:
        told.append(about)
        asked.set()

    async with agent(tmp_path, "alice", url=hub.url, token=TOKEN) as alice:
        asking = asyncio.create_task(
            alice.call_tool("ask", {"to": "nobody", "body": "?"}, progress_callback=note, read_timeout_seconds=BOUND)
        )
        (question,) = await hub.saw(frames.Publish)
        async with asyncio.timeout(BOUND):
            await asked.wait()
        await hub.tell("alice", "!", sender="nobody", reply_to=question.id)
        await asking
    assert told[0] is not None
    assert "Nobody is called" in told[0]


async def test_a_cancelled_wait_leaves_the_message_for_the_next(hub: ScriptedHub, tmp_path: Path) -> None:
    pipe = await Pipe.open(tmp_path, hub)
    await pipe.answer(pipe.call("list_instances"))
    waiting = pipe.call("wait", timeout=60)
    pipe.say({"method": "notifications/cancelled", "params": {"requestId": waiting}})
    await pipe.answer(pipe.call("list_instances"))
    await hub.tell("alice", "still there")
    answer = await pipe.answer(pipe.call("wait"))
    assert answer["result"]["structuredContent"]["messages"][0]["body"] == "still there"
    await pipe.close()


async def test_read_is_confirmed_after_the_result_was_written_and_not_before(hub: ScriptedHub, tmp_path: Path) -> None:
    """The client stops reading: the results stay in our process, and their messages stay unread."""
    for _ in range(20):
        await hub.tell("alice", "x" * 9000)
    pipe = await Pipe.open(tmp_path, hub)
    await pipe.answer(pipe.call("list_instances"))
    assert pipe.process.stdout
    pipe.process.stdout._transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(10):
        pipe.call("check", limit=2)  # about 36 KiB each; a pipe takes 64
    await hub.until(lambda: bool(hub.heard(frames.Read)))
    pipe.process.kill()
    pipe.process.stdout._transport.resume_reading()  # type: ignore[attr-defined]
    await pipe.process.communicate()
    await hub.until(lambda: not hub.lines)
    read = hub.people["alice"].read
    assert 0 < read < 20
    assert read % 2 == 0
    again = await Pipe.open(tmp_path, hub)
    answer = await again.answer(again.call("check", limit=100))
    offsets = [each["offset"] for each in answer["result"]["structuredContent"]["messages"]]
    assert offsets == list(range(read + 1, 21))
    await again.close()


async def test_a_client_killed_after_taking_leaves_nothing_lost(hub: ScriptedHub, tmp_path: Path) -> None:
    await hub.tell("alice", "precious")
    hub.swallow.add("read")
    pipe = await Pipe.open(tmp_path, hub)
    await pipe.answer(pipe.call("check"))
    pipe.process.kill()
    await pipe.process.wait()
    hub.swallow.clear()
    await hub.until(lambda: not hub.lines)
    again = await Pipe.open(tmp_path, hub)
    answer = await again.answer(again.call("check"))
    assert answer["result"]["structuredContent"]["messages"][0]["body"] == "precious"
    await again.close()


# The process


async def test_it_ends_quietly_when_standard_input_closes(hub: ScriptedHub, tmp_path: Path) -> None:
    pipe = await Pipe.open(tmp_path, hub)
    await pipe.answer(pipe.call("list_instances"))
    pipe.call("wait", timeout=600)
    assert await pipe.close() == (0, b"")
    await hub.until(lambda: not hub.lines)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals there")
async def test_it_ends_quietly_when_told_to(hub: ScriptedHub, tmp_path: Path) -> None:
    pipe = await Pipe.open(tmp_path, hub)
    await pipe.answer(pipe.call("list_instances"))
    pipe.process.terminate()
    async with asyncio.timeout(BOUND):
        assert await pipe.process.wait() == 0
    assert pipe.process.stderr
    assert await pipe.process.stderr.read() == b""


async def test_lines_that_are_no_protocol_do_no_harm(hub: ScriptedHub, tmp_path: Path) -> None:
    pipe = await Pipe.open(tmp_path, hub)
    assert pipe.process.stdin
    pipe.process.stdin.write(b"\n\xff\xfe{\n[]\n")
    assert "result" in await pipe.ask("tools/list", {})
    assert await pipe.close() == (0, b"")


def test_a_setting_that_cannot_be_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    environ = {**os.environ, "HUBBUB_HOME": str(tmp_path), "HUBBUB_URL": "nonsense"}
    made = subprocess.run(
        [sys.executable, "-m", "mcp_client"],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=BOUND,
        check=False,
    )
    assert made.stdout == b""
    assert b"Traceback" not in made.stderr


HEAVY = ("mcp", "mcp_types", "pydantic", "starlette", "uvicorn", "websockets", "structlog", "anyio", "aiosqlite")


def test_nothing_heavy_is_imported_before_the_hub_is_being_looked_for() -> None:
    program = "import sys, mcp_client.server; print(sorted(set(sys.modules) & set(sys.argv[1:])))"
    made = subprocess.run(
        [sys.executable, "-c", program, *HEAVY], capture_output=True, text=True, timeout=BOUND, check=False
    )
    assert made.stdout == "[]\n", made.stderr


async def test_the_log_has_neither_the_token_nor_what_was_said(hub: ScriptedHub, tmp_path: Path) -> None:
    async with agent(tmp_path, "alice", url=hub.url, token=TOKEN) as alice:
        await hub.until(lambda: "alice" in hub.people)
        await hub.tell("alice", "between you and me")
        await call(alice, "wait")
        await call(alice, "send", to="bob", body="a secret")
    (log,) = (tmp_path / "logs").glob("mcp-*.log")
    text = log.read_text("utf-8")
    assert "online as alice" in text
    for word in (TOKEN, "between you and me", "a secret"):
        assert word not in text
    if sys.platform != "win32":
        assert log.stat().st_mode & 0o077 == 0


# The real hub


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "home"
    made.mkdir()
    (made / "config.toml").write_text("port = 0\nsynchronous = 'normal'\n")
    try:
        yield made
    finally:
        daemon.stop(settings_of(made))


def settings_of(home: Path) -> Settings:
    return load(environ={"HUBBUB_HOME": str(home)})


async def test_bobs_send_comes_out_of_alices_pending_wait(home: Path) -> None:
    """Nobody started a hub: the two clients did, once."""
    async with agent(home, "alice") as alice, agent(home, "bob") as bob:
        await call(alice, "list_instances")
        waiting = asyncio.create_task(call(alice, "wait", timeout=BOUND))
        _, sent = await call(bob, "send", to="alice", body="the build is green", data={"run": 7})
        text, structured = await waiting
        (message,) = structured["messages"]
        assert (message["id"], message["from"], message["body"]) == (sent["id"], "bob", "the build is green")
        assert message["data"] == {"run": 7}
        assert "from bob to alice" in text
        assert sent["to"][0]["online"] is True


async def test_a_question_is_answered_and_the_ladder_shows_it(home: Path) -> None:
    async with agent(home, "alice") as alice, agent(home, "bob") as bob:
        await call(alice, "list_instances")
        await call(bob, "list_instances")
        asking = asyncio.create_task(call(alice, "ask", to="bob", body="ready?", timeout=BOUND))
        _, heard = await call(bob, "wait", timeout=BOUND)
        question = heard["messages"][0]
        await call(bob, "send", to=question["from"], body="ready", reply_to=question["id"])
        _, answer = await asking
        assert answer["answered"] is True
        assert answer["messages"][0]["body"] == "ready"
        _, where = await call(alice, "status", message_id=question["id"])
        assert (where["ladder"][0]["name"], where["ladder"][0]["state"]) == ("bob", "answered")


async def test_every_tool_works_against_the_real_hub(home: Path) -> None:
    (home / "notes.md").write_text("# Notes\n")
    async with agent(home, "alice") as alice, agent(home, "bob") as bob:
        await call(bob, "topics", subscribe="build.*")
        assert (await call(alice, "topics"))[1]["topics"] == [{"topic": "build.*", "readers": ["bob"]}]
        await call(alice, "send", to="#build.linux", body="failed on linux")
        await call(alice, "broadcast", body="lunch")
        await call(alice, "share_file", to="bob", path="notes.md", note="read this")
        bodies: list[str] = []
        while len(bodies) < 3:
            _, heard = await call(bob, "wait", timeout=BOUND)
            bodies += [each["body"] for each in heard["messages"]]
        assert bodies == ["failed on linux", "lunch", "read this"]
        _, history = await call(bob, "history", search="linux")
        assert [each["topic"] for each in history["messages"]] == ["build.linux"]
        _, history = await call(bob, "history", limit=2)
        assert history["more"] is True
        _, history = await call(bob, "history", **{"with": "alice"})
        assert [each["body"] for each in history["messages"]][-1] == "read this"
        assert (await call(bob, "rename", new_name="bobby"))[1]["you"] == "bobby"
        text, sent = await call(alice, "send", to="bob", body="forwarded")
        assert sent["to"][0]["name"] == "bobby"
        assert (await call(bob, "wait", timeout=BOUND))[1]["messages"][0]["body"] == "forwarded"
        await call(alice, "send", to="carol", body="for later")
        text, _ = await call(bob, "register", name="carol")
        assert text.startswith("You are carol.")
        assert (await call(bob, "check"))[1]["messages"][0]["body"] == "for later"
        _, there = await call(alice, "list_instances")
        assert {each["name"]: each["online"] for each in there["instances"]} == {
            "alice": True,
            "bobby": False,
            "carol": True,
        }
        assert (await call(alice, "status"))[1]["connected"] is True


async def test_a_long_body_arrives_as_a_preview_with_a_file_of_the_recipients(home: Path) -> None:
    body = "A first sentence. A second one. " + "é" * 500_000
    async with agent(home, "alice") as alice, agent(home, "bob") as bob:
        await call(bob, "send", to="alice", body=body)
        _, structured = await call(alice, "wait", timeout=BOUND)
        (message,) = structured["messages"]
        assert message["body"] == "A first sentence. A second one."
        assert message["body_size"] == len(body.encode())
        path = Path(message["body_file"])
        assert path.is_relative_to(home)
        assert path.read_text("utf-8") == body


async def test_two_in_one_folder_are_told_apart_by_a_number(home: Path, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    async with agent(home, folder=shop) as first:
        assert (await call(first, "list_instances"))[1]["you"] == "shop"
        async with agent(home, folder=shop) as second:
            text, structured = await call(second, "list_instances")
            assert structured["you"] == "shop-2"
            assert text.startswith("The name shop is in use by another live session, so you are shop-2.")


async def test_a_hub_that_is_killed_is_started_again_and_nothing_is_lost(home: Path) -> None:
    async with agent(home, "alice") as alice, agent(home, "bob") as bob:
        await call(alice, "list_instances")
        await call(bob, "send", to="alice", body="before")
        found = daemon.locate(settings_of(home))
        assert found
        os.kill(found.pid, 9)
        _, sent = await call(bob, "send", to="alice", body="after")
        bodies: list[str] = []
        while len(bodies) < 2:
            _, heard = await call(alice, "wait", timeout=BOUND)
            bodies += [each["body"] for each in heard["messages"]]
        assert bodies == ["before", "after"]
        other = daemon.locate(settings_of(home))
        assert other
        assert other.pid != found.pid
        assert sent["id"]


async def test_a_hub_that_was_stopped_is_started_again_when_a_tool_needs_it(home: Path) -> None:
    async with agent(home, "alice") as alice:
        await call(alice, "list_instances")
        assert daemon.stop(settings_of(home))
        text, _ = await call(alice, "check")
        assert "Not connected just now" in text
        assert daemon.locate(settings_of(home)) is None
        assert (await call(alice, "list_instances"))[1]["you"] == "alice"
        assert daemon.locate(settings_of(home))


@pytest.mark.parametrize("mode", ["legacy", LATEST_MODERN_VERSION])
async def test_the_hub_is_told_which_client_the_agent_has_and_what_reaches_it(
    hub: ScriptedHub, tmp_path: Path, mode: str
) -> None:
    async with agent(tmp_path, "alice", url=hub.url, token=TOKEN, mode=mode) as alice:
        await call(alice, "check")

        def told() -> frames.Presence | None:
            said = hub.heard(frames.Presence)
            return said[-1] if said and said[-1].client is not UNSET else None

        await hub.until(lambda: told() is not None)
        presence = told()
        assert presence is not None
        assert str(presence.client).endswith(f", hubbub mcp {__version__}")
        assert str(presence.client)[0] not in " ,"
        assert (presence.hops, presence.wakes) == (["wait", "piggyback", "check"], False)
        waiting = asyncio.create_task(call(alice, "wait", timeout=BOUND))
        await hub.until(lambda: hub.heard(frames.Presence)[-1].activity == "waiting")
        await hub.tell("alice", "now")
        await waiting
        await hub.until(lambda: hub.heard(frames.Presence)[-1].activity is None)
