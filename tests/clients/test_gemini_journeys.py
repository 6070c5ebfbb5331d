"""Messages reach the model of a real Gemini CLI by its hooks: with a prompt, and after a tool call.

The model is scripted (gemini_api); the configuration is what `hubbub connect gemini` writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import HUBBUB, Run, program, sending
from tests.clients.gemini_api import GeminiApi

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


@pytest.fixture
def api(run: Run, home: Path, environ: dict[str, str]) -> Iterator[GeminiApi]:
    """The model of a Gemini CLI that is connected, in a folder that it trusts."""
    api = GeminiApi()
    run(HUBBUB, "connect", "gemini", "--yes", "--allow", "all")
    environ |= {"GEMINI_API_KEY": "a-key-that-no-account-has", "GOOGLE_GEMINI_BASE_URL": api.url}
    settings = home / ".gemini" / "settings.json"
    told = json.loads(settings.read_text())
    told |= {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False}}
    settings.write_text(json.dumps(told))
    (home / ".gemini" / "trustedFolders.json").write_text(json.dumps({str(home / "project"): "TRUST_FOLDER"}))
    yield api
    run(HUBBUB, "stop")
    api.close()


def test_a_session_sees_what_waits_with_its_prompt_and_what_comes_after_its_next_tool_call(
    api: GeminiApi, run: Run, home: Path
) -> None:
    run(HUBBUB, "register", "project")
    run(HUBBUB, "send", "--as", "bob", "project", "the build is RED-1")
    (home / "project" / "send.sh").write_text(sending("the build is RED-2"))  # it takes `$(…)` for an injection
    prompt = '[[call run_shell_command {"command": "sh send.sh"}]]'
    run(program("gemini"), "--yolo", "-m", "gemini-2.5-flash", "-p", prompt)
    with_prompt, after_tool = api.requests
    assert "the build is RED-1" in json.dumps(with_prompt["contents"])
    assert "from bob to project" in json.dumps(after_tool["contents"][-1]), "the very next request"
    assert api.seen("from bob to project") == 2
    told = json.loads(run(HUBBUB, "ls", "--json").stdout)["instances"]
    assert next(each["unread"] for each in told if each["name"] == "project") == 0
