"""`hubbub send` by its short way: the same words and results as by the long one, and nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.cli import quick
from tests.hub.cli.conftest import TOKEN, Said, ScriptedHub

ANSWER = {"id": "m1", "offset": 7, "to": [{"name": "alice", "state": "pushed", "online": True, "known": True}]}
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the long way is the only one")


@pytest.fixture
def here(hub: ScriptedHub, home: Path) -> ScriptedHub:
    """The scripted hub as the one that runs in this home."""
    home.mkdir()
    (home / "hub.json").write_text(json.dumps({"url": hub.url, "pid": 1, "mode": "sqlite", "version": "0"}))
    (home / "token").write_text(TOKEN + "\n")
    return hub


@pytest.fixture
def no_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hub.cli.group", None)


@pytest.mark.usefixtures("no_long_way")
@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["--as", "bob", "alice", "hello"], {"as": "bob", "to": "alice", "body": "hello"}),
        (["alice", "hello", "--as=bob"], {"as": "bob", "to": "alice", "body": "hello"}),
        (["--as", "bob", "#build", "ü", "--thread", "t"], {"as": "bob", "to": "#build", "body": "ü", "thread": "t"}),
        (
            ["--as", "bob", "alice", "x", "--reply-to", "m0", "--data", '{"a": [1]}', "--id", "i"],
            {"as": "bob", "to": "alice", "body": "x", "reply_to": "m0", "data": {"a": [1]}, "id": "i"},
        ),
    ],
)
def test_plain_words_take_the_short_way(
    here: ScriptedHub, hubbub: Callable[..., Said], words: list[str], asked: dict[str, Any]
) -> None:
    here.on("POST", "/messages", (201, ANSWER))
    said = hubbub("send", *words)
    assert (said.code, said.err) == (0, "")
    assert "alice: pushed" in said.out or "#build" in said.out
    (request,) = here.asks("POST", "/messages")
    made = request.body.pop("id") if "id" not in asked else None
    assert request.body == asked
    assert made is None or uuid.UUID(made).version == 7


@pytest.mark.usefixtures("no_long_way")
def test_the_json_is_the_contracts(here: ScriptedHub, hubbub: Callable[..., Said]) -> None:
    here.on("POST", "/messages", (201, ANSWER))
    said = hubbub("send", "--as", "bob", "alice", "hello", "--json")
    assert said.json == {"id": "m1", "offset": 7, "to": [{"name": "alice", "state": "pushed"}]}


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--as", "bob", "alice"],
        ["--as", "bob", "alice", "a", "b"],
        ["--as", "bob", "alice", "-"],
        ["--as", "bob", "alice", "--", "-x"],
        ["--as", "bob", "--ttl", "7d", "alice", "x"],
        ["--as", "bob", "--url", "ws://x", "alice", "x"],
        ["--as", "bob", "--data", "{", "alice", "x"],
        ["--as", "--json", "alice", "x"],
        ["alice", "x"],
        ["--as", "bob", "alice", ""],
    ],
)
def test_other_words_are_left_to_the_long_way(here: ScriptedHub, words: list[str]) -> None:
    assert quick.send(words) == (None, words)
    assert here.asked == []


@pytest.mark.parametrize("name", ["URL", "TOKEN", "CONFIG", "DEBUG"])
def test_what_the_environment_says_otherwise_is_left_to_the_long_way(
    here: ScriptedHub, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"HUBBUB_{name}", "x")
    assert quick.send(["--as", "bob", "alice", "x"])[0] is None
    assert here.asked == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("hub.json", "{"),
        ("hub.json", "[]"),
        ("hub.json", '{"url": "wss://127.0.0.1:1/ws"}'),
        ("hub.json", '{"url": 7}'),
        ("token", "two words"),
        ("config.toml", ""),
    ],
)
def test_a_home_that_is_not_plain_is_left_to_the_long_way(here: ScriptedHub, home: Path, file: str, text: str) -> None:
    (home / file).write_text(text)
    assert quick.send(["--as", "bob", "alice", "x"])[0] is None
    assert here.asked == []


@pytest.mark.parametrize(
    "first",
    [
        (409, {"code": "name_taken", "message": "no", "hint": None}),
        b"HTTP/1.1 201 Created\r\nContent-Length: 900\r\n\r\n{",
        b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n[]",
        b"SSH-2.0-OpenSSH\r\n",
        b"",
        {"id": "m1"},
    ],
    ids=["refused", "broken off", "no object", "no hub", "nothing", "half"],
)
def test_what_goes_wrong_is_said_again_by_the_long_way_with_the_same_id(
    here: ScriptedHub, first: Any, hubbub: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    here.on("POST", "/messages", first, (200, ANSWER))
    code, words = quick.send(["--as", "bob", "alice", "hello"])
    assert code is None
    monkeypatch.setenv("HUBBUB_URL", here.url)
    monkeypatch.setenv("HUBBUB_TOKEN", TOKEN)
    assert hubbub("send", *words).code == 0
    once, again = (request.body for request in here.asks("POST", "/messages"))
    assert once == again
    assert once["id"]


def test_no_hub_at_the_old_place_is_the_long_ways_to_mend(here: ScriptedHub) -> None:
    here.close()
    code, words = quick.send(["--as", "bob", "alice", "x"])
    assert code is None
    assert words[0] == "--id"


def test_it_imports_neither_click_nor_the_settings() -> None:
    script = (
        "import sys; before = set(sys.modules); from hub.cli import quick; import hub.cli.accepted; "
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"click", "typing", "pathlib", "socket", "ssl", "dataclasses", "asyncio", "hub.config", "hub.errors"}
    assert not heavy & set(eval(done.stdout))
