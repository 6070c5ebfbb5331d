"""What every verb has to have: an example, its place in docs/cli.md, and no more imports than it needs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from hub.cli import exits
from hub.cli.group import hubbub
from hub.cli.verbs import VERBS
from hub.config import table
from hub.errors import HubbubError, InboxFull, NameTaken, TooLarge, UnknownMessage, Unreachable, tree

DOCUMENT = (Path(__file__).parents[3] / "docs" / "cli.md").read_text("utf-8")
COMMON = {"--url", "--token", "--help", "-h"}
HUB_FLAGS = {"--" + key.replace("_", "-") for key, kind, _ in table() if kind.scope == "hub"}


def commands() -> list[tuple[str, click.Command]]:
    """Every command that can be typed, by what is typed."""
    context = click.Context(hubbub)
    found: list[tuple[str, click.Command]] = []
    for name in VERBS:
        command = hubbub.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += [(f"{name} {part}", inner) for part, inner in command.commands.items()]
        else:
            found.append((name, command))
    return found


def section(typed: str) -> str:
    """The part of docs/cli.md about one command."""
    found = re.search(rf"^### `hubbub {typed}(?:`| [^`]*`)$(.*?)(?=^##)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section about hubbub {typed}"
    return found[1]


def flags(command: click.Command) -> set[str]:
    shown = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    return {name for each in shown for name in each.opts}


@pytest.mark.parametrize(("typed", "command"), commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_flag_is_documented_and_no_other(typed: str, command: click.Command) -> None:
    text = section(typed)
    documented = {
        word for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for word in re.findall(r"--[a-z-]+", row)
    }
    wanted = flags(command) - COMMON - (HUB_FLAGS if typed in ("serve", "start") else set())
    assert documented == wanted


@pytest.mark.parametrize(("typed", "command"), commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_verb_takes_url_and_token_and_has_an_example(typed: str, command: click.Command) -> None:
    assert {"--url", "--token"} <= flags(command)
    assert command.epilog is not None
    assert f"hubbub {typed}" in command.epilog
    assert command.help
    assert all(each.help for each in command.params if isinstance(each, click.Option) and not each.hidden)


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_shows_its_help(hubbub: Callable[..., Any], name: str) -> None:
    said = hubbub(name, "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: hubbub {name}")
    assert "Example" in said.out


@pytest.mark.parametrize("name", ["serve", "start"])
def test_every_setting_of_the_hub_is_a_flag(hubbub: Callable[..., Any], name: str) -> None:
    shown = hubbub(name, "--help").out
    assert [flag for flag in sorted(HUB_FLAGS) if f"{flag} " not in shown] == []


def test_the_help_lists_every_verb_and_exit_code(hubbub: Callable[..., Any]) -> None:
    shown = hubbub("--help").out
    assert [name for name in VERBS if not re.search(rf"^  {name} ", shown, re.MULTILINE)] == []
    for code, meaning in exits.MEANING.items():
        assert re.search(rf"^ +{code}  {meaning}$", shown, re.MULTILINE)


def test_every_exit_code_is_documented() -> None:
    assert set(re.findall(r"^\| (\d+) \| (.*) \|$", DOCUMENT, re.MULTILINE)) == {
        (str(code), meaning) for code, meaning in exits.MEANING.items()
    }


def test_help_of_one_verb_and_of_all_say_the_same_of_it() -> None:
    """The list is written down, so that no verb is imported for it; so it must be held to the verbs."""
    context = click.Context(hubbub)
    for name, verb in VERBS.items():
        command = hubbub.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert verb.about.endswith(".")


@pytest.mark.parametrize("kind", tree())
def test_every_error_has_an_exit_code_that_is_documented(kind: type[HubbubError]) -> None:
    assert exits.code_of(kind("x")) in exits.MEANING


@pytest.mark.parametrize(
    ("kind", "code"),
    [(Unreachable, 3), (NameTaken, 5), (UnknownMessage, 6), (InboxFull, 7), (TooLarge, 7), (HubbubError, 1)],
)
def test_a_kind_of_error_has_its_own_exit_code(kind: type[HubbubError], code: int) -> None:
    assert exits.code_of(kind("x")) == code


def test_hubbub_alone_says_what_to_type_first(hubbub: Callable[..., Any]) -> None:
    said = hubbub()
    assert said.code == 0
    for typed in re.findall(r"^  hubbub (\w+)", said.out, re.MULTILINE):
        assert typed in VERBS
    assert len(said.out.splitlines()) < 15


def test_the_version_is_told(hubbub: Callable[..., Any]) -> None:
    from hub import __version__

    assert hubbub("--version").out == f"hubbub {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "meant"), [("sned", "send"), ("histroy", "history"), ("list", "ls"), ("stat", "start")]
)
def test_a_misspelled_verb_is_met_with_the_one_that_was_meant(
    hubbub: Callable[..., Any], typed: str, meant: str
) -> None:
    said = hubbub(typed)
    assert said.code == 2
    assert said.err.startswith(f"error: There is no verb '{typed}'. Did you mean `hubbub {meant}`?")


def test_a_word_that_is_like_no_verb_is_met_with_the_way_to_all(hubbub: Callable[..., Any]) -> None:
    said = hubbub("xyzzy")
    assert said.code == 2
    assert "hubbub --help lists them all." in said.err


@pytest.mark.parametrize("words", [["send"], ["send", "alice", "x", "--nope"], ["wait", "--timeout", "x"], ["rename"]])
def test_a_wrong_usage_names_the_help_and_ends_with_2(hubbub: Callable[..., Any], words: list[str]) -> None:
    said = hubbub(*words)
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert f"hubbub {words[0]} --help shows how it is used." in said.err
    assert "Traceback" not in said.err


def test_a_fault_of_our_own_is_one_sentence_unless_asked_for_more(
    hub: Any, talk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.on("GET", "/instances", {"unexpected": 1})
    said = talk("ls")
    assert said.code == 1
    assert "KeyError" in said.err
    assert "Traceback" not in said.err
    monkeypatch.setenv("HUBBUB_DEBUG", "1")
    assert "Traceback" in talk("ls").err


FAST = sorted(set(VERBS) - {"serve", "mcp", "demo", "doctor"})
HEAVY = [
    "mcp",
    "pydantic",
    "starlette",
    "uvicorn",
    "websockets",
    "asyncio",
    "msgspec",
    "structlog",
    "ssl",
    "http.client",
]


@pytest.mark.parametrize("name", FAST)
def test_a_verb_imports_nothing_heavy(name: str) -> None:
    script = (
        "import sys, hub.cli\n"
        f"hub.cli.main(['{name}', '--help'])\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stderr.strip() == "[]"


def test_sending_imports_nothing_heavy_either(hub: Any, talk: Any) -> None:
    hub.on("POST", "/messages", (201, {"id": "m1", "offset": 1, "to": [], "recipients": 0, "hint": None}))
    script = (
        "import sys, hub.cli\n"
        "code = hub.cli.main(['send', '--as', 'bob', 'alice', 'hello'])\n"
        f"print(code, [m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stderr.strip() == "0 []"
