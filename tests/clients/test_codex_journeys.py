"""Messages reach the model of a real Codex by its hooks: after a tool call, and at the end of a turn.

The model is scripted (responses_api); the configuration is what `hubbub connect codex` writes. Codex asks its user once
to trust the hooks; `--dangerously-bypass-hook-trust` stands for that here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import HUBBUB, ONLINE, Run, program, sending
from tests.clients.responses_api import ResponsesApi

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


@pytest.fixture
def api(run: Run, home: Path) -> Iterator[ResponsesApi]:
    """The model of a Codex that is connected."""
    api = ResponsesApi()
    run(HUBBUB, "connect", "codex", "--yes", "--allow", "all")
    provider = {"name": "scripted", "base_url": f"{api.url}/v1", "wire_api": "responses"}
    with (home / ".codex" / "config.toml").open("a") as config:
        config.write("\n[model_providers.scripted]\n")
        config.writelines(f"{key} = {json.dumps(value)}\n" for key, value in provider.items())
    yield api
    run(HUBBUB, "stop")
    api.close()


def codex(run: Run, *calls: dict[str, Any]) -> None:
    """One turn of a session in which the model makes these calls."""
    prompt = " ".join(f"[[call exec_command {json.dumps(call)}]]" for call in calls)
    flags = ("--skip-git-repo-check", "--dangerously-bypass-hook-trust", "--dangerously-bypass-approvals-and-sandbox")
    run(program("codex"), "exec", *flags, "-c", "model_provider=scripted", "-m", "gpt-5", prompt)


def test_a_working_session_sees_it_after_its_next_tool_call(api: ResponsesApi, run: Run) -> None:
    codex(
        run,
        {"cmd": ONLINE, "yield_time_ms": 30_000},  # Codex does not wait for its servers
        {"cmd": sending("the build is RED-1"), "yield_time_ms": 30_000},
    )
    first, connected, sent = api.requests
    assert "RED-1" not in json.dumps(api.conversation(connected)[-1])
    assert "from bob to project" in json.dumps(api.conversation(sent)), "the very next request"
    assert api.seen("from bob to project") == 1
    assert unread(run) == 0
    assert "mcp__hubbub" in json.dumps(sent["tools"])
    assert "mcp__hubbub" not in json.dumps(first["tools"])


def test_the_end_of_a_turn_is_held_by_what_came_meanwhile(api: ResponsesApi, run: Run) -> None:
    codex(
        run,
        {"cmd": ONLINE, "yield_time_ms": 30_000},
        # A command that goes on in the background ends no tool call: only the end of the turn is left to say it.
        {"cmd": f"{sending('the build is RED-1')}; sleep 60", "yield_time_ms": 20_000},
    )
    *before, held = api.requests
    assert not any("from bob to project" in json.dumps(api.conversation(each)) for each in before)
    assert "from bob to project" in json.dumps(api.conversation(held)[-1])
    assert api.seen("from bob to project") == 1
    assert unread(run) == 0


def unread(run: Run) -> int:
    told = json.loads(run(HUBBUB, "ls", "--json").stdout)["instances"]
    return next(int(each["unread"]) for each in told if each["name"] == "project")
