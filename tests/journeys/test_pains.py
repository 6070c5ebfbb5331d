"""What users of claude-ipc-mcp suffered, pain by pain: each as it is now.

docs/troubleshooting.md has a line for each, in the words of its docstring here.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sqlite3
import stat
import struct
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hub.doctor.installation import removal
from hub.history import History
from hub.log import Span
from tests.hub.live import Live, live
from tests.hub.memory_log import draft
from tests.hub.test_bridge import Script
from tests.journeys.processes import Agent, hub_process, run

ROOT = Path(__file__).parents[2]
TOLD = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path / "home", legacy_port=0) as running:
        yield running


async def say(hub: Live, sender: str, to: str, body: str) -> dict[str, Any]:
    answer = await hub.request("POST", "/api/v1/messages", {"as": sender, "to": to, "body": body})
    return dict(answer.json())


async def unread(hub: Live, name: str) -> list[str]:
    page = (await hub.request("GET", f"/api/v1/messages?as={name}&unread=1")).json()
    return [each["body"] for each in page["messages"]]


def test_pain_1_import_errors_after_an_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Module import errors after an upgrade; an old installation is in the way"""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert any(re.fullmatch(r"mcp>=[\d.]+,<3", each) for each in project["dependencies"])
    assert (ROOT / "uv.lock").exists()
    stray = tmp_path / "old" / "bin"
    stray.mkdir(parents=True)
    for name in ("hubbub", "python"):
        (stray / name).write_text("#!/bin/sh\n")
        (stray / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{stray}{os.pathsep}{os.environ['PATH']}")
    findings = json.loads(run(tmp_path / "home", "doctor", "--json").stdout)["findings"]
    (found,) = [each for each in findings if each["check"] == "command"]
    assert found["state"] == "warning"
    assert str(stray / "hubbub") in found["message"]
    assert found["command"] == f"{stray / 'python'} -m pip uninstall hubbub"


@pytest.mark.parametrize(
    ("place", "command"),
    [
        ("share/uv/tools/hubbub/bin/hubbub", "uv tool uninstall hubbub"),
        ("pipx/venvs/hubbub/bin/hubbub", "pipx uninstall hubbub"),
    ],
)
def test_pain_1_whoever_installed_it_removes_it(tmp_path: Path, place: str, command: str) -> None:
    """Module import errors after an upgrade; an old installation is in the way"""
    assert removal(tmp_path / place) == command


async def test_pain_2_tools_are_loaded_and_nobody_knows_why_nothing_comes(tmp_path: Path) -> None:
    """The tools are not loaded, or they are and nothing comes"""
    with hub_process(tmp_path / "home"):
        done = run(tmp_path / "home", "doctor", "--agent", "alice", "--json", code=None)
        told = [each for each in json.loads(done.stdout)["findings"] if each["check"].startswith("alice")]
        assert any(each["state"] != "ok" for each in told)  # no client has started it: said, hop by hop
        assert all(each["message"] for each in told)
        agent = await Agent.start(tmp_path / "home", "alice")
        try:
            await agent.tool("check")
            done = await asyncio.to_thread(run, tmp_path / "home", "doctor", "--agent", "alice", "--json", code=None)
        finally:
            await agent.kill()
        after = [each for each in json.loads(done.stdout)["findings"] if each["check"].startswith("alice")]
        assert len([each for each in after if each["state"] == "ok"]) > len(
            [each for each in told if each["state"] == "ok"]
        )


async def test_pain_3_the_broker_died_with_the_first_agent(tmp_path: Path) -> None:
    """Connection refused: no broker runs, or it died with the first agent"""
    home = tmp_path / "home"
    first = await Agent.start(home, "first")
    try:
        assert (await first.tool("list_instances"))["you"] == "first"  # nobody has started a hub before
        await first.kill()
        sent = json.loads((await asyncio.to_thread(run, home, "send", "--as", "x", "first", "hello", "--json")).stdout)
        assert sent["to"][0]["name"] == "first"
    finally:
        await first.kill()
        await asyncio.to_thread(run, home, "stop")


def test_pain_4_the_port_is_in_use(tmp_path: Path) -> None:
    """The port is in use"""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with hub_process(tmp_path / "home", HUBBUB_PORT=str(port)) as hub:
            assert f":{port}/" not in hub.url
            assert json.loads(run(tmp_path / "home", "status", "--json").stdout)["url"] == hub.url
            log = (tmp_path / "home" / "logs" / "hub.log").read_text()
            assert re.search(rf"port_taken.*{os.getpid()}|{os.getpid()}.*port_taken", log)  # who has it


async def test_pain_5_a_script_is_out_of_date_or_has_no_session(hub: Live) -> None:
    """An outdated script; Invalid or missing session token"""
    fred = Script(hub, "fred")
    assert await fred.send("barney", "hello") == "Invalid or missing session token"
    await fred.registered()
    assert await fred.send("barney", "hello") == "Message queued for barney (not yet registered)"
    async with hub.socket() as newer:
        await newer.hello("wilma", hub.token)
        answer = await newer.ask(type="teleport")
        assert (answer["code"], answer["type"]) == ("unknown_type", "error")


async def test_pain_6_secrets_that_differ_are_named_on_both_sides(tmp_path: Path) -> None:
    """Two agents have different secrets"""
    with hub_process(tmp_path / "home", HUBBUB_LEGACY_PORT="0", IPC_SHARED_SECRET="right") as hub:
        assert stat.S_IMODE((tmp_path / "home" / "token").stat().st_mode) == 0o600
        done = run(tmp_path / "home", "ls", "--token", "hub_wrong", code=5)
        assert "hubbub token show" in done.stderr
        told = json.loads(run(tmp_path / "home", "status", "--json").stdout)["legacy"]
        assert told["mode"] == "secure"
        reader, writer = await asyncio.open_connection("127.0.0.1", told["port"])
        wrong = sha256(b"fred:wrong").hexdigest()
        writer.write(json.dumps({"action": "register", "instance_id": "fred", "auth_token": wrong}).encode())
        assert json.loads(await reader.read(65_536))["message"] == "Invalid auth token"
        writer.close()
        log = (hub.home / "logs" / "hub.log").read_text()
        assert re.search(r"wrong_shared_secret.*fred|fred.*wrong_shared_secret", log)


async def test_pain_7_names_are_case_sensitive_and_messages_vanish(hub: Live) -> None:
    """A message to fred is lost, because he is Fred"""
    await hub.request("POST", "/api/v1/instances", {"name": "Fred"})
    assert (await say(hub, "bob", "fred", "hello"))["to"][0]["name"] == "Fred"
    assert await unread(hub, "FRED") == ["hello"]
    (unknown,) = (await say(hub, "bob", "Ferd", "hello"))["to"]
    assert unknown["known"] is False
    assert unknown["near"] == ["Fred"]


async def test_pain_8_a_sent_message_does_not_appear(hub: Live) -> None:
    """A sent message does not appear; checks are empty"""
    sent = await say(hub, "bob", "alice", "hello")

    async def state() -> str:
        told = (await hub.request("GET", f"/api/v1/messages/{sent['id']}")).json()
        return str(told["ladder"][-1]["state"])

    assert await state() == "accepted"
    async with hub.session("alice") as alice:
        message = await alice.frame("message")
        await alice.ask(type="read", offset=message["offset"])
        assert await state() == "read"


async def test_pain_9_large_messages_fail(hub: Live) -> None:
    """Large messages fail, or there is a path instead of the content"""
    for size in (4097, 60_000, 2**20):
        body = "x" * size
        await say(hub, "bob", "alice", body)
        assert await unread(hub, "alice") == [body]
        await hub.request("POST", "/api/v1/read", {"as": "alice", "offset": hub.app.node.hub.head})
    fred = await Script(hub, "fred").registered()
    await fred.send("barney", "y" * 60_000)
    (message,) = await (await Script(hub, "barney").registered()).check()
    assert message["message"]["content"] == "y" * 60_000
    file = b"z" * (5 * 2**20)  # and what no message should hold goes beside it
    digest = sha256(file).hexdigest()
    attachment = {"sha256": digest, "size": len(file), "name": "dump.bin", "media_type": "application/octet-stream"}
    await hub.request("PUT", f"/api/v1/attachments/{digest}", params={"as": "bob"}, content=file)
    said = {"as": "bob", "to": "alice", "body": "the dump", "attachments": [attachment]}
    sent = (await hub.request("POST", "/api/v1/messages", said)).json()
    where = {"message": sent["id"], "as": "alice"}
    assert (await hub.request("GET", f"/api/v1/attachments/{digest}", params=where)).content == file


async def test_pain_10_the_database_is_in_tmp_locked_or_corrupt(tmp_path: Path) -> None:
    """The database is in /tmp, permission denied, locked or corrupt"""
    home = tmp_path / "home"
    async with live(home) as hub:
        await say(hub, "bob", "alice", "before")
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        with closing(sqlite3.connect(home / "hubbub.db")) as looker:  # somebody who looks does not lock it
            looker.execute("BEGIN")
            looker.execute("SELECT count(*) FROM messages").fetchone()
            await say(hub, "bob", "alice", "while somebody looks")
    damaged = bytearray((home / "hubbub.db").read_bytes())
    damaged[:100] = bytes(100)
    (home / "hubbub.db").write_bytes(damaged)
    async with live(home) as hub:
        (aside,) = home.glob("hubbub.db.damaged-*")
        assert aside.read_bytes() == bytes(damaged)  # whole
        (notice,) = (await hub.request("GET", "/api/v1/status")).json()["notices"]
        assert str(aside) in notice
        await say(hub, "bob", "alice", "and it goes on")


async def test_pain_11_slow_with_long_queues(tmp_path: Path) -> None:
    """It gets slow as messages pile up"""

    async def steps(count: int) -> int:
        """Steps of SQLite's machine, in hundreds, to read the newest ten of so many."""
        taken = 0

        def step() -> int:
            nonlocal taken
            taken += 1
            return 0

        async with await History.open(tmp_path / f"{count}.db") as log:
            for start in range(0, count, 1000):
                await log.append([draft(number) for number in range(start, min(count, start + 1000))])
            topic = draft(0).topic
            await log._reader.set_progress_handler(step, 100)
            found = await log.read([Span(topic, count - 10, count)], 100, 2**20)
            await log._reader.set_progress_handler(None, 100)  # type: ignore[arg-type]
        assert len(found) == 10
        return taken

    assert await steps(20_000) <= 2 * await steps(200) + 2


async def test_pain_12_polling_costs_or_is_late(hub: Live) -> None:
    """High CPU, or late messages, from polling"""
    await hub.request("POST", "/api/v1/instances", {"name": "alice"})
    waiting = asyncio.create_task(hub.request("GET", "/api/v1/messages?as=alice&unread=1&wait=30"))
    while not hub.app.node.hub.sessions:
        await asyncio.sleep(0)
    await say(hub, "bob", "alice", "pushed")
    done = (await waiting).json()  # one request, answered by the push
    assert [each["body"] for each in done["messages"]] == ["pushed"]


def test_pain_13_open_or_secure_can_only_be_guessed(tmp_path: Path) -> None:
    """Is it open or secure?"""
    with hub_process(tmp_path / "home", HUBBUB_LEGACY_PORT="0"):
        told = json.loads(run(tmp_path / "home", "status", "--json").stdout)
        assert (told["mode"], told["legacy"]["mode"]) == ("local", "open")
        assert "open" in run(tmp_path / "home", "status").stdout


def test_pain_14_switching_needs_killing_all_processes(tmp_path: Path) -> None:
    """To change the secret, all processes must be killed"""
    with hub_process(tmp_path / "home") as hub:
        run(tmp_path / "home", "token", "rotate")
        assert json.loads(run(tmp_path / "home", "status", "--json").stdout)["pid"] == hub.pid
        run(tmp_path / "home", "ls", "--token", hub.token, code=5)
        run(tmp_path / "home", "ls")


async def test_pain_15_check_marks_read_before_the_caller_has_it(hub: Live) -> None:
    """A connection breaks during check, and the messages are gone"""
    await (await Script(hub, "fred").registered()).send("barney", "important")
    barney = await Script(hub, "barney").registered()
    loop = asyncio.get_running_loop()
    with socket.socket() as dying:
        dying.setblocking(False)
        # Closing with linger 0 resets, as the kernel does for a process that dies with bytes unread.
        dying.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await loop.sock_connect(dying, ("127.0.0.1", barney.port))
        await loop.sock_sendall(dying, json.dumps({"action": "check", "session_token": barney.token}).encode())
        await loop.sock_recv(dying, 1)
    assert [each["message"]["content"] for each in await barney.check()] == ["important"]
    assert await barney.check() == []


async def test_pain_16_limits_are_fixed_and_silent(tmp_path: Path) -> None:
    """100 messages in a queue, 100 requests a minute, and no word when it is full"""
    async with live(tmp_path / "home", inbox_messages=150) as hub:
        async with hub.session("bob") as bob:
            for number in range(150):
                assert (await bob.publish("alice", str(number)))["type"] == "published"
            refused = await bob.publish("alice", "one more")
        assert refused["code"] == "inbox_full"
        assert "inbox_messages allows 150" in refused["message"]
        assert len(hub.app.node.hub.registry.inboxes["inbox.alice"].messages) == 150


async def test_pain_17_list_and_rename_fail_over_mcp(tmp_path: Path) -> None:
    """list_instances fails over MCP; a rename breaks the session"""
    home = tmp_path / "home"
    with hub_process(home):
        agent = await Agent.start(home, "fred")
        try:
            assert [each["name"] for each in (await agent.tool("list_instances"))["instances"]] == ["fred"]
            await agent.tool("rename", new_name="fred-debugging")
            await asyncio.to_thread(run, home, "send", "--as", "bob", "fred", "to the old name")
            got = await agent.tool("wait", timeout=20)
            assert [each["body"] for each in got["messages"]] == ["to the old name"]
        finally:
            await agent.kill()


async def test_pain_18_debugging_is_tail_sqlite3_and_raw_sockets(hub: Live, tmp_path: Path) -> None:
    """Debugging is tail, sqlite3 and raw sockets"""
    await hub.request("POST", "/api/v1/instances", {"name": "alice"})
    await say(hub, "bob", "alice", "hello")
    with closing(sqlite3.connect(f"{(tmp_path / 'home' / 'hubbub.db').as_uri()}?mode=ro", uri=True)) as db:
        assert db.execute("SELECT instance, unread FROM queues WHERE instance = 'alice'").fetchall() == [("alice", 1)]
        assert db.execute('SELECT "from", "to", body FROM conversation').fetchall() == [("bob", "alice", "hello")]
    assert (await hub.request("GET", "/metrics")).status_code == 200


def test_every_pain_has_a_line_in_the_troubleshooting_page() -> None:
    tests = {name: test for name, test in vars(sys.modules[__name__]).items() if name.startswith("test_pain_")}
    assert {int(name.split("_")[2]) for name in tests} == set(range(1, 19))
    for name, test in tests.items():
        assert f"\n| {test.__doc__} |" in TOLD, name
