"""`hubbub connect` and then the real client: it reads the file, starts the server, and lists its tools."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import BOUND, ROOT, Run, program

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

TOOLS = 12
Everything = dict[str, bytes]


@pytest.fixture
def connected(run: Run) -> Iterator[Callable[[str], str]]:
    """Connect a client; what was said. The hub that its servers start is stopped at the end."""

    def connect(client: str) -> str:
        return run("hubbub", "connect", client, "--yes").stdout

    yield connect
    run("hubbub", "stop")


def test_claude_code_connects_and_forgets_again(run: Run, home: Path, connected: Callable[[str], str]) -> None:
    run(program("claude"), "mcp", "add", "mine", "-s", "user", "--", "/bin/true")
    before = {path: path.read_bytes() for path in (home / ".claude.json",)}
    connected("claude")
    listed = run(program("claude"), "mcp", "list").stdout
    assert "hubbub mcp - ✔ Connected" in listed
    run("hubbub", "disconnect", "claude", "--yes")
    assert "hubbub" not in run(program("claude"), "mcp", "list").stdout
    for path, content in before.items():
        assert json.loads(path.read_bytes())["mcpServers"] == json.loads(content)["mcpServers"]
    assert not (home / ".claude" / "settings.json").exists()


def test_claude_code_takes_the_settings_as_they_are_written(
    run: Run, home: Path, connected: Callable[[str], str]
) -> None:
    connected("claude")
    said = run(program("claude"), "doctor", code=None)
    assert "nvalid" not in said.stdout + said.stderr
    assert "hook Wake" in (home / ".claude" / "settings.json").read_text()


def test_codex_connects_lists_the_tools_and_sees_the_hooks(
    run: Run, environ: dict[str, str], home: Path, connected: Callable[[str], str]
) -> None:
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(
        '# mine\nmodel = "gpt-5"\n\n[mcp_servers.off]\ncommand = "x"\nenabled = false\n'
    )
    before = (home / ".codex" / "config.toml").read_bytes()
    connected("codex")
    listed = {
        line.split()[0]: line for line in run(program("codex"), "mcp", "list").stdout.splitlines() if line.strip()
    }
    assert "enabled" in listed["hubbub"]
    with app_server(environ, home / "project") as ask:
        servers = {each["name"]: each for each in ask("mcpServerStatus/list", {})["data"]}
        assert len(servers["hubbub"]["tools"]) == TOOLS
        hooks = ask("hooks/list", {"cwds": [str(home / "project")]})["data"][0]
    ours = {each["eventName"]: each for each in hooks["hooks"] if "hubbub hook " in each["command"]}
    assert set(ours) == {"sessionStart", "userPromptSubmit", "postToolUse", "stop"}
    assert {each["trustStatus"] for each in ours.values()} == {"untrusted"}, "its user is asked first"
    assert hooks.get("errors", []) == []
    run("hubbub", "disconnect", "codex", "--yes")
    assert (home / ".codex" / "config.toml").read_bytes() == before


@contextmanager
def app_server(environ: dict[str, str], folder: Path) -> Iterator[Callable[[str, Any], Any]]:
    """`codex app-server`, which answers for Codex without a model (JSON-RPC, one object a line)."""
    with subprocess.Popen(
        [program("codex"), "app-server"],
        env=environ,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def say(**message: Any) -> None:
            assert process.stdin is not None
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()

        def ask(method: str, params: Any) -> Any:
            say(id=method, method=method, params=params)
            assert process.stdout is not None
            for line in process.stdout:
                told = json.loads(line)
                if told.get("id") == method:
                    assert "error" not in told, told
                    return told["result"]
            raise AssertionError("codex app-server ended")

        try:
            ask("initialize", {"clientInfo": {"name": "test", "version": "0"}})
            say(method="initialized")
            yield ask
        finally:
            process.stdin.close()
            try:
                process.wait(BOUND)
            finally:
                process.kill()


def test_gemini_cli_connects_in_a_folder_that_it_trusts(run: Run, home: Path, connected: Callable[[str], str]) -> None:
    connected("gemini")
    (home / ".gemini" / "trustedFolders.json").write_text(json.dumps({str(home / "project"): "TRUST_FOLDER"}))
    listed = run(program("gemini"), "mcp", "list")
    assert "hubbub mcp (stdio) - Connected" in listed.stdout + listed.stderr
    run("hubbub", "disconnect", "gemini", "--yes")
    assert not (home / ".gemini" / "settings.json").exists()


def test_opencode_connects(run: Run, connected: Callable[[str], str]) -> None:
    connected("opencode")
    listed = run(program("opencode"), "mcp", "list")
    assert "✓ hubbub" in listed.stdout + listed.stderr


def test_the_plugin_is_valid_and_its_server_connects(run: Run, home: Path) -> None:
    run(program("claude"), "plugin", "validate", "--strict", str(ROOT))
    run(program("claude"), "plugin", "validate", "--strict", str(ROOT / ".claude-plugin" / "hubbub"))
    run(program("claude"), "plugin", "marketplace", "add", str(ROOT))
    run(program("claude"), "plugin", "install", "hubbub@hubbub")
    try:
        assert "✔ Connected" in run(program("claude"), "mcp", "list").stdout
    finally:
        run("hubbub", "stop")
