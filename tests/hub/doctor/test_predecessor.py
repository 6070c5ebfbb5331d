from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from hub.connect.clients.client import Place
from hub.doctor import predecessor
from hub.doctor.finding import Finding
from hub.processes import Process


@pytest.fixture(autouse=True)
def nowhere(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predecessor, "KNOWN", (user / ".claude-ipc-data" / "messages.db",))
    monkeypatch.setattr(predecessor, "FOLDERS", (user / "claude-ipc-mcp",))


def examine(user: Path, *processes: Process) -> list[Finding]:
    return list(predecessor.examine(Place({}, user, sys.platform), processes))


def test_where_nothing_is_left_that_is_said(user: Path) -> None:
    assert [each.state for each in examine(user)] == ["ok"]


@pytest.mark.parametrize(
    ("words", "is_old"),
    [
        (["python3", "/home/fred/claude-ipc-mcp/src/claude_ipc_server.py"], True),
        (["/usr/bin/python3.12", "-u", "src/claude_ipc_server.py"], True),
        (["uvx", "--from", "git+https://example.org/claude-ipc-mcp", "claude-ipc-mcp"], True),
        (["/home/fred/.local/bin/claude-ipc-mcp"], True),
        (["vi", "claude_ipc_server.py"], False),
        (["grep", "-r", "claude-ipc-mcp"], False),
        (["python3", "-m", "hub", "serve"], False),
    ],
)
def test_its_broker_is_known_by_what_it_was_started_with(user: Path, words: list[str], is_old: bool) -> None:
    found = [each for each in examine(user, Process(7, tuple(words))) if each.code == "old_process"]
    assert [each.command for each in found] == (["kill 7"] if is_old else [])


SERVER = {"command": "uv", "args": ["run", "/srv/claude-ipc-mcp/src/claude_ipc_server.py"]}


@pytest.mark.parametrize(
    ("file", "document", "command"),
    [
        (".claude.json", {"mcpServers": {"claude-ipc": SERVER}}, "claude mcp remove claude-ipc"),
        (".claude.json", {"projects": {"/x": {"mcpServers": {"ipc": SERVER}}}}, "claude mcp remove ipc"),
        (
            ".gemini/settings.json",
            {"mcpServers": {"ipc": {"command": "python3", "args": ["src/claude_ipc_server.py"], "cwd": "/x"}}},
            "gemini mcp remove ipc",
        ),
    ],
)
def test_an_entry_of_a_client_is_named_with_what_takes_it_out(
    user: Path, file: str, document: dict[str, Any], command: str
) -> None:
    (user / file).parent.mkdir(exist_ok=True)
    (user / file).write_text(json.dumps(document))
    (found,) = examine(user)
    assert (found.state, found.code, found.command) == ("warning", "old_entry", command)
    assert str(user / file) in found.message


def test_an_entry_in_toml_is_found_and_one_of_somebody_elses_is_not(user: Path) -> None:
    (user / ".codex").mkdir()
    (user / ".codex" / "config.toml").write_text(
        '[mcp_servers.ipc]\ncommand = "uvx"\nargs = ["claude-ipc-mcp"]\n[mcp_servers.other]\ncommand = "python3"\n'
    )
    assert [each.command for each in examine(user)] == ["codex mcp remove ipc"]


def test_its_folders_are_found_also_where_an_entry_names_one(user: Path) -> None:
    for folder in (user / "claude-ipc-mcp", user / "src" / "claude-ipc-mcp" / "src"):
        folder.mkdir(parents=True)
    server = {"command": "python3", "args": [str(user / "src" / "claude-ipc-mcp" / "src" / "claude_ipc_server.py")]}
    (user / ".claude.json").write_text(json.dumps({"mcpServers": {"ipc": server}}))
    found = [each.command for each in examine(user) if each.code == "old_installation"]
    assert found == [f'rm -r "{user / "claude-ipc-mcp"}"', f'rm -r "{user / "src" / "claude-ipc-mcp"}"']


def test_its_messages_are_named_with_what_brings_them_over(user: Path) -> None:
    (user / ".claude-ipc-data").mkdir()
    (user / ".claude-ipc-data" / "messages.db").write_bytes(b"")
    (found,) = examine(user)
    assert (found.state, found.code, found.command) == ("note", "old_messages", "hubbub import claude-ipc")
