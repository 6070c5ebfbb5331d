"""docs/troubleshooting.md: the old guide's headings, and every command on the page run against a real hub."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from hub.cli import main
from tests.journeys.processes import HubProcess, hub_process, run

PAGE = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text("utf-8")
COMMANDS = sorted(
    each
    for each in set(re.findall(r"`([^`]+)`", PAGE))
    if re.match(r"(hubbub [a-z-]|hubbub --version|sqlite3 .*SELECT|HUBBUB_DEBUG=)", each)
)
GUIDE = (
    "Installation",
    "MCP tools",
    "Clients without MCP",
    "Connection",
    "Delivery",
    "Large messages",
    "SQLite",
    "Security",
    "Performance",
    "Debugging",
)

# What does not end by itself, or takes long, has a test of its own.
ELSEWHERE = {
    "hubbub watch": "tests/hub/cli/test_cli_journey.py",
    "hubbub bench": "tests/hub/cli/test_cli_bench.py",
    "hubbub doctor --agent NAME": "tests/journeys/test_pains.py",
    "hubbub open": "tests/hub/cli/test_cli_verbs.py",
    "hubbub stop && hubbub start": "tests/hub/cli/test_cli_journey.py",
    "hubbub start": "tests/hub/cli/test_cli_journey.py",
}


class Place(NamedTuple):
    """A hub with a message that carries a file, and what stands for the words in capitals."""

    hub: HubProcess
    words: dict[str, str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("user")
    (folder / "notes.md").write_text("notes")
    with hub_process(folder / "home") as hub:
        run(hub.home, "register", "alice")
        sent = run(hub.home, "send", "--as", "bob", "alice", "hello", "--file", str(folder / "notes.md"), "--json")
        words = {
            "NAME": "alice",
            "TO": "bob",
            "TEXT": "hello",
            "WORDS": "hello",
            "CLIENT": "gemini",
            "ID": str(json.loads(sent.stdout)["id"]),
            "PATH": str(folder / "notes.md"),
            "FILE": str(folder / "backup.db"),
            "DIR": str(folder / "files"),
        }
        yield Place(hub, words)


def test_the_headings_are_those_of_the_old_guide() -> None:
    assert tuple(re.findall(r"^## (.+)$", PAGE, re.MULTILINE)) == GUIDE


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_does_what_it_is_for(
    place: Place, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if command in ELSEWHERE:
        verb = command.rsplit(maxsplit=1)[-1] if "&&" in command else command.split()[1]
        source = (Path(__file__).parents[2] / ELSEWHERE[command]).read_text("utf-8")
        assert f'"{verb}"' in source, f"{ELSEWHERE[command]} runs no {verb}"
        return
    for key in [key for key in os.environ if key.startswith("HUBBUB_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("HUBBUB_HOME", str(place.hub.home))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    if command.startswith("sqlite3"):
        if shutil.which("sqlite3") is None:
            pytest.skip("sqlite3 is missing: the program of that name")
        sql = re.search(r'"(SELECT [^"]+)"', command)
        assert sql is not None
        database = str(place.hub.home / "hubbub.db")
        done = subprocess.run(["sqlite3", "-readonly", database, sql[1]], capture_output=True, text=True, check=True)
        assert "alice" in done.stdout
        return
    words = [place.words.get(word, word) for word in command.removeprefix("HUBBUB_DEBUG=1 ").split()[1:]]
    if words[0] == "connect":
        words.append("--dry-run")
    if words[0] == "…":
        words = ["ls"]
    if words[0] == "read":
        main(["send", "--as", "bob", "alice", "one more"])
        capfd.readouterr()
    code = main(words)
    out, err = capfd.readouterr()
    assert code == 0, out + err
    assert out + err
