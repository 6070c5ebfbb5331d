"""Messages reach real Claude Code sessions: idle, working, with and without the session's inbox, and headless.

The model is scripted (messages_api); everything else is what a user has: the client, its terminal, its hooks, our
MCP server, a hub. What the model was sent is what counts: the text of a message, once.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.claude import Home, Session
from tests.clients.conftest import HUBBUB, ONLINE, program
from tests.clients.messages_api import MessagesApi, texts

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

SOON = 5.0  # seconds within which an idle session must have been woken
BOUND = 60.0  # seconds for what only has to happen: a client's start, on a busy machine
WITHOUT_INBOX = {"env": {"CLAUDE_CODE_MESSAGING_SOCKET": "", "CLAUDE_CODE_MESSAGING_TOKEN": ""}}


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    api = MessagesApi()
    yield api
    api.close()


class Shop:
    """A user's machine: a hub, and Claude Code with our server in the project folder `shop`."""

    def __init__(self, folder: Path, api: MessagesApi) -> None:
        self.api = api
        self.home = Home(
            folder, Path(program("claude")), api.url, {"HUBBUB_HOME": str(folder / "hub"), "HUBBUB_PORT": "0"}
        )
        self.home.settings["permissions"] = {"allow": ["mcp__hubbub", "Bash"]}

    def connect(self, *, hooks: bool = False, wake: bool = False, inbox: bool = True) -> None:
        """Configure our server, and hooks as `hubbub connect claude` writes them."""
        server = {"type": "stdio", "command": HUBBUB, "args": ["mcp"], "alwaysLoad": True}
        self.home.servers["hubbub"] = server if inbox else server | WITHOUT_INBOX
        events = ["SessionStart", "UserPromptSubmit", "PostToolUse", "Stop"] if hooks else []
        made: dict[str, list[dict[str, Any]]] = {event: [_hook(event)] for event in events}
        if wake:
            for event in ("SessionStart", "Stop"):
                made.setdefault(event, []).append(_hook("Wake", asyncRewake=True, timeout=86_400))
        self.home.settings["hooks"] = made

    def hubbub(self, *words: str) -> str:
        done = subprocess.run(
            [HUBBUB, *words], env=self.home.environ, capture_output=True, text=True, timeout=BOUND, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def until(self, true: Any, limit: float = BOUND) -> None:
        end = time.monotonic() + limit
        while not true():
            assert time.monotonic() < end, "it did not come to be in time"
            time.sleep(0.1)

    def online(self, name: str = "shop") -> bool:
        known = json.loads(self.hubbub("ls", "--json"))["instances"]
        return any(each["name"] == name and each["online"] for each in known)

    def unread(self, name: str = "shop") -> int:
        return next(
            int(each["unread"]) for each in json.loads(self.hubbub("ls", "--json"))["instances"] if each["name"] == name
        )


def _hook(event: str, **more: Any) -> dict[str, Any]:
    return {"hooks": [{"type": "command", "command": f"{HUBBUB} hook {event}", **more}]}


@pytest.fixture
def shop(tmp_path: Path, api: MessagesApi) -> Iterator[Shop]:
    shop = Shop(tmp_path / "home", api)
    yield shop
    subprocess.run([HUBBUB, "stop"], env=shop.home.environ, capture_output=True, timeout=BOUND, check=False)


def idle(shop: Shop) -> Session:
    """A session at its prompt, with our server connected."""
    session = Session(shop.home)
    shop.until(shop.online)
    shop.until(lambda: b"for agents" in session.screen or b"shortcuts" in session.screen)
    return session


@pytest.mark.parametrize("hooks", [False, True], ids=["no hooks", "hooks"])
def test_an_idle_session_is_woken_through_its_inbox(shop: Shop, hooks: bool) -> None:
    shop.connect(hooks=hooks)
    session = idle(shop)
    try:
        shop.hubbub("send", "--as", "bob", "shop", "the build is RED-1")
        took = shop.api.until_seen("RED-1", SOON)
        shop.until(lambda: shop.unread() == 0)  # evidence: it counts as read
        shop.hubbub("send", "--as", "bob", "shop", "and again RED-2")
        shop.api.until_seen("RED-2", BOUND)
        shop.until(lambda: shop.unread() == 0)
        time.sleep(3)  # long enough for a second hop to have said it again
        assert (shop.api.seen("RED-1"), shop.api.seen("RED-2")) == (1, 1)
    finally:
        session.close()
    print(f"woken after {took:.2f} s")


def test_an_idle_session_is_woken_by_a_waiting_hook_where_there_is_no_inbox(shop: Shop) -> None:
    shop.connect(hooks=True, wake=True, inbox=False)
    session = idle(shop)
    try:
        for turn in ("RED-1", "RED-2"):  # the second time shows that the hook waits again after a turn
            shop.until(lambda: _wakes(shop))
            shop.hubbub("send", "--as", "bob", "shop", f"the build is {turn}")
            took = shop.api.until_seen(turn, SOON)
            print(f"woken after {took:.2f} s")
            shop.until(lambda: shop.unread() == 0)
        time.sleep(3)
        assert (shop.api.seen("RED-1"), shop.api.seen("RED-2")) == (1, 1)
    finally:
        session.close()


def test_a_working_session_sees_it_after_its_next_tool_call(shop: Shop) -> None:
    shop.connect(hooks=True)
    session = idle(shop)
    go = shop.home.folder / "go"
    try:
        command = f"while [ ! -e {go} ]; do sleep 0.1; done"
        session.type(f"[[call Bash {json.dumps({'command': command})}]]")
        shop.until(lambda: any("tool_use" in json.dumps(each) for each in _transcript(shop)))
        shop.hubbub("send", "--as", "bob", "shop", "the build is RED-1")
        before = len(shop.api.requests)
        assert shop.api.seen("RED-1") == 0
        go.touch()
        shop.api.until_seen("RED-1", BOUND)
        assert len(shop.api.requests) == before + 1  # the very next request, the one with the tool's result
        shop.until(lambda: shop.unread() == 0)
        time.sleep(3)
        assert shop.api.seen("RED-1") == 1
    finally:
        session.close()


def test_tools_list_send_check_and_wait_work_headless(shop: Shop) -> None:
    shop.connect()
    shop.home.servers["hubbub"]["env"] = {"HUBBUB_PUSH_INBOX": "off"}  # else it is there before check is called
    shop.hubbub("register", "shop")
    shop.hubbub("send", "--as", "bob", "shop", "for check RED-1")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("Bash", {"command": ONLINE}),  # a headless session does not wait for its servers
        ("mcp__hubbub__check", {}),
        ("mcp__hubbub__send", {"to": "shop", "body": "to myself RED-2"}),
        ("mcp__hubbub__wait", {"timeout": 20}),
        ("mcp__hubbub__list_instances", {}),
    ]
    prompt = " ".join(f"[[call {tool} {json.dumps(arguments)}]]" for tool, arguments in calls)
    assert "noted" in shop.home.headless(prompt, "--allowedTools", "mcp__hubbub", "Bash")
    tools = {tool["name"] for tool in shop.api.requests[-1]["tools"]}
    assert {tool for tool, _ in calls} <= tools
    results = [text for each in shop.api.requests[-1]["messages"] if each["role"] == "user" for text in texts(each)]
    for words in ("for check RED-1", "to myself RED-2", '"you":"shop"'):
        assert any(words in text for text in results), results
    assert shop.unread() == 0


def test_the_doctor_tries_every_hop_of_a_real_session(shop: Shop) -> None:
    shop.connect(hooks=True, wake=True)
    session = idle(shop)
    try:
        shop.until(lambda: _wakes(shop))
        told = json.loads(shop.hubbub("doctor", "--agent", "shop", "--json"))
    finally:
        session.close()
    states = {each["check"]: each["state"] for each in told["findings"] if each["check"].startswith("shop: ")}
    works = ("mcp", "hub", "inbox", "wake", "hooks", "wait", "piggyback", "check")
    assert {hop for hop in works if states[f"shop: {hop}"] != "ok"} == set(), told
    assert states["shop: channel"] == "warning"  # sent; it was not started with this channel, which nothing tells
    assert shop.unread() == 0


def _wakes(shop: Shop) -> bool:
    """Whether a hook waits in the background: its process is there."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
            environ = path.with_name("environ").read_bytes()
        except OSError:
            continue
        if b"Wake" in words and str(shop.home.folder).encode() in environ:
            return True
    return False


def _transcript(shop: Shop) -> list[Any]:
    return [
        json.loads(line)
        for path in shop.home.folder.glob(".claude/projects/*/*.jsonl")
        for line in path.read_text().splitlines()
    ]
