from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.config import Settings, load
from hub.connect import here
from hub.doctor import clients
from hub.doctor.finding import Finding

ELSEWHERE = Path("/opt/of/another/installation/hubbub")


@pytest.fixture(autouse=True)
def nothing_on_path(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(user))


def look(settings: Settings) -> dict[str, Finding]:
    return {each.check.removeprefix("client "): each for each in clients.examine(settings)}


def test_only_clients_that_are_in_use_are_looked_at(user: Path, settings: Settings) -> None:
    assert look(settings) == {}
    (user / ".gemini").mkdir()
    found = look(settings)["gemini"]
    assert (found.state, found.code, found.command) == ("note", "client_not_connected", "hubbub connect gemini")
    assert found.mend is None, "what nobody has asked for is not --fix's to connect"


@pytest.mark.parametrize("client", ["claude", "codex", "gemini", "agy", "cursor", "opencode", "windsurf"])
@pytest.mark.parametrize("allow", ["read", "all", "none"])
def test_one_that_was_connected_is_well_whatever_it_may_do_unasked(
    user: Path, settings: Settings, hubbub: Callable[..., Any], client: str, allow: str
) -> None:
    assert hubbub("connect", client, "--yes", "--allow", allow).code == 0
    assert look(settings)[client].state == "ok"


@pytest.mark.parametrize("client", ["claude", "codex", "cursor", "opencode"])
def test_an_entry_whose_command_is_gone_is_broken_and_made_anew(
    user: Path, settings: Settings, hubbub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(here, "ourselves", lambda: (str(ELSEWHERE),))
        hubbub("connect", client, "--yes")
    found = look(settings)[client]
    assert (found.state, found.code) == ("broken", "client_command_gone")
    assert str(ELSEWHERE) in found.message
    said = hubbub("doctor", "--fix", "--json").json["findings"]
    (told,) = [each for each in said if each["check"] == f"client {client}"]
    assert (told["state"], told["fixed"], told["command"]) == ("fixed", True, None)
    assert look(settings)[client].state == "ok"
    hubbub("disconnect", client, "--yes")
    assert client not in look(settings), "as it was before: not even the folder is there"


def test_an_entry_of_an_earlier_version_is_made_anew(
    user: Path, settings: Settings, hubbub: Callable[..., Any]
) -> None:
    hubbub("connect", "claude", "--yes")
    path = user / ".claude" / "settings.json"
    told = json.loads(path.read_text())
    del told["hooks"]["Stop"]
    path.write_text(json.dumps(told))
    found = look(settings)["claude"]
    assert (found.state, found.code) == ("warning", "client_entry_old")
    assert found.mend is not None
    found.mend.do()
    assert look(settings)["claude"].state == "ok"


def test_a_client_of_another_hub_is_left_as_it_is(
    user: Path, settings: Settings, hubbub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hubbub("connect", "gemini", "--yes")
    monkeypatch.setenv("HUBBUB_HOME", str(user / "other"))
    found = look(load())["gemini"]
    assert (found.state, found.code, found.mend) == ("warning", "client_of_another_hub", None)
    assert str(settings.home) in found.message


def test_a_file_that_cannot_be_read_is_named(user: Path, settings: Settings) -> None:
    (user / ".cursor").mkdir()
    (user / ".cursor" / "mcp.json").write_text("{ not json")
    found = look(settings)["cursor"]
    assert (found.state, found.code) == ("broken", "client_unreadable")
    assert "line 1" in found.message


@pytest.mark.parametrize(("on", "state"), [(True, "ok"), (False, "note")])
def test_claude_codes_plugin_needs_no_entry(user: Path, settings: Settings, on: bool, state: str) -> None:
    (user / ".claude").mkdir()
    (user / ".claude" / "settings.json").write_text(json.dumps({"enabledPlugins": {"hubbub@hubbub": on}}))
    assert look(settings)["claude"].state == state
