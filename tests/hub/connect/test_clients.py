"""Where each client keeps its configuration, and what belongs into it."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import Any

import pytest

from hub.connect.clients import CLIENTS
from hub.connect.clients.client import Place
from hub.connect.edit import apply
from hub.connect.entry import READING, Wish

EXE = "/opt/hubbub"
WISH = Wish((EXE,), {})
HOME = Path("/home/alice")
ROOT = Path(__file__).parents[3]

WHERE: list[tuple[str, str, dict[str, str], list[str]]] = [
    ("claude", "linux", {}, ["/home/alice/.claude.json", "/home/alice/.claude/settings.json"]),
    ("claude", "linux", {"CLAUDE_CONFIG_DIR": "/c"}, ["/c/.claude.json", "/c/settings.json"]),
    ("claude", "linux", {"CLAUDE_CONFIG_DIR": ""}, ["/home/alice/.claude.json", "/home/alice/.claude/settings.json"]),
    ("codex", "linux", {}, ["/home/alice/.codex/config.toml"]),
    ("codex", "linux", {"CODEX_HOME": "/c"}, ["/c/config.toml"]),
    ("gemini", "linux", {}, ["/home/alice/.gemini/settings.json"]),
    ("gemini", "linux", {"GEMINI_CLI_HOME": "/c"}, ["/c/.gemini/settings.json"]),
    ("agy", "linux", {}, ["/home/alice/.gemini/config/mcp_config.json"]),
    ("cursor", "linux", {}, ["/home/alice/.cursor/mcp.json", "/home/alice/.cursor/hooks.json"]),
    ("vscode", "linux", {}, ["/home/alice/.config/Code/User/mcp.json"]),
    ("vscode", "linux", {"XDG_CONFIG_HOME": "/x"}, ["/x/Code/User/mcp.json"]),
    ("vscode", "linux", {"VSCODE_PORTABLE": "/p"}, ["/p/user-data/User/mcp.json"]),
    ("vscode", "darwin", {}, ["/home/alice/Library/Application Support/Code/User/mcp.json"]),
    ("vscode", "win32", {"APPDATA": "/a"}, ["/a/Code/User/mcp.json"]),
    ("vscode", "win32", {}, ["/home/alice/AppData/Roaming/Code/User/mcp.json"]),
    ("opencode", "linux", {}, ["/home/alice/.config/opencode/opencode.json"]),
    ("opencode", "darwin", {"XDG_CONFIG_HOME": "/x"}, ["/x/opencode/opencode.json"]),
    ("windsurf", "win32", {}, ["/home/alice/.codeium/windsurf/mcp_config.json"]),
]


def written(name: str, text: str = "", wish: Wish = WISH, file: int = 0, home: Path = HOME) -> Any:
    """The document of one of a client's files after connecting."""
    made = CLIENTS[name].files(Place({}, home, "linux"))[file]
    return made.form.read(apply(made.form, text, made.edits(made.form.read(text), wish)))


@pytest.mark.parametrize(("name", "platform", "environ", "paths"), WHERE)
def test_the_files_lie_where_the_client_looks_for_them(
    name: str, platform: str, environ: dict[str, str], paths: list[str]
) -> None:
    files = CLIENTS[name].files(Place(environ, HOME, platform))
    assert [file.path for file in files] == [Path(PurePath(path)) for path in paths]


def test_claude_code_is_told_of_a_server_that_is_always_loaded() -> None:
    ours = {"type": "stdio", "command": EXE, "args": ["mcp"], "alwaysLoad": True}
    assert written("claude") == {"mcpServers": {"hubbub": ours}}


def test_claude_code_is_told_of_hooks_and_of_what_needs_no_question() -> None:
    settings = written("claude", file=1)
    hooks = {event: [hook for item in items for hook in item["hooks"]] for event, items in settings["hooks"].items()}
    assert {event: [hook["command"] for hook in each] for event, each in hooks.items()} == {
        "SessionStart": [f"{EXE} hook SessionStart", f"{EXE} hook Wake"],
        "UserPromptSubmit": [f"{EXE} hook UserPromptSubmit"],
        "PostToolUse": [f"{EXE} hook PostToolUse"],
        "Stop": [f"{EXE} hook Stop", f"{EXE} hook Wake"],
    }
    assert [hook.get("asyncRewake", False) for hook in hooks["SessionStart"]] == [False, True]
    assert settings["permissions"]["allow"] == [f"mcp__hubbub__{tool}" for tool in READING]


@pytest.mark.parametrize(
    ("allow", "before", "after"),
    [
        ("none", None, None),
        ("all", None, ["mcp__hubbub"]),
        ("read", ["mcp__hubbub"], ["mcp__hubbub"]),
        ("read", ["Bash", "mcp__hubbub__wait"], ["Bash", "mcp__hubbub__wait", *(
            f"mcp__hubbub__{tool}" for tool in READING if tool != "wait"
        )]),
        ("all", ["mcp__hubbub__wait"], ["mcp__hubbub__wait", "mcp__hubbub"]),
    ],
)  # fmt: skip
def test_what_claude_code_allows_already_stays(allow: Any, before: Any, after: Any) -> None:
    text = json.dumps({"permissions": {"allow": before}}) if before else ""
    found = written("claude", text, WISH._replace(allow=allow), file=1).get("permissions", {}).get("allow")
    assert found == after


def test_codex_is_told_of_all_in_one_file(tmp_path: Path) -> None:
    told = written("codex", home=tmp_path)
    server = told["mcp_servers"]["hubbub"]
    assert (server["command"], server["args"]) == (EXE, ["mcp"])
    assert "HUBBUB_TOKEN" in server["env_vars"]
    assert server["tools"] == {tool: {"approval_mode": "approve"} for tool in READING}
    assert set(told["hooks"]) == {"SessionStart", "UserPromptSubmit", "PostToolUse", "Stop"}


def test_codex_keeps_its_hooks_in_one_place(tmp_path: Path) -> None:
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "hooks.json").write_text("{}")
    assert "hooks" not in written("codex", home=tmp_path)
    assert set(written("codex", file=1, home=tmp_path)) == {"hooks"}, "its root takes no other key"


@pytest.mark.parametrize(("allow", "mode"), [("all", "approve"), ("none", None)])
def test_codex_knows_all_and_none(tmp_path: Path, allow: Any, mode: str | None) -> None:
    server = written("codex", wish=WISH._replace(allow=allow), home=tmp_path)["mcp_servers"]["hubbub"]
    assert server.get("default_tools_approval_mode") == mode
    assert "tools" not in server


def test_codex_with_an_entry_gets_what_is_missing(tmp_path: Path) -> None:
    server = written("codex", '[mcp_servers.hubbub]\ncommand = "old"\nenabled = true\n', home=tmp_path)
    assert server["mcp_servers"]["hubbub"].items() > {"command": EXE, "enabled": True}.items()
    assert set(server["mcp_servers"]["hubbub"]["tools"]) == set(READING)


def test_gemini_cli_is_told_of_server_and_hooks() -> None:
    told = written("gemini")
    assert told["mcpServers"]["hubbub"] == {"command": EXE, "args": ["mcp"], "timeout": 660_000}
    assert set(told["hooks"]) == {"SessionStart", "BeforeAgent", "AfterTool", "AfterAgent"}
    assert written("gemini", wish=WISH._replace(allow="all"))["mcpServers"]["hubbub"]["trust"] is True


def test_cursor_is_told_of_server_and_hooks() -> None:
    assert written("cursor") == {"mcpServers": {"hubbub": {"command": EXE, "args": ["mcp"]}}}
    hooks = written("cursor", file=1)
    assert hooks["version"] == 1
    assert set(hooks["hooks"]) == {"sessionStart", "beforeSubmitPrompt", "postToolUse", "stop"}


@pytest.mark.parametrize(("name", "path"), [("agy", "mcpServers"), ("windsurf", "mcpServers"), ("vscode", "servers")])
def test_the_editors_are_told_of_a_server(name: str, path: str) -> None:
    entry = written(name)[path]["hubbub"]
    assert (entry["command"], entry["args"]) == (EXE, ["mcp"])


def test_opencode_is_told_in_the_form_that_its_file_has() -> None:
    older = {"type": "local", "command": [EXE, "mcp"], "enabled": True}
    assert written("opencode") == {"mcp": {"hubbub": older}}
    newer = written("opencode", '{"mcp": {"servers": {}}}')
    assert newer == {"mcp": {"servers": {"hubbub": {"type": "local", "command": [EXE, "mcp"]}}}}
    named_servers = written("opencode", '{"mcp": {"servers": {"type": "remote", "url": "http://x"}}}')
    assert named_servers["mcp"]["hubbub"] == older


def test_opencode_with_comments_is_found(tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / "opencode.jsonc").touch()
    assert CLIENTS["opencode"].files(Place({}, tmp_path, "linux"))[0].path == folder / "opencode.jsonc"


@pytest.mark.parametrize("name", CLIENTS)
def test_the_hub_that_is_meant_is_handed_on_and_a_second_time_changes_nothing(name: str, tmp_path: Path) -> None:
    wish = WISH._replace(environ={"HUBBUB_HOME": "/my/hub"})
    for file in CLIENTS[name].files(Place({}, tmp_path, "linux")):
        after = apply(file.form, "", file.edits({}, wish))
        assert "/my/hub" in after
        assert apply(file.form, after, file.edits(file.form.read(after), wish)) == after


def test_the_plugin_says_what_connect_writes() -> None:
    plugin = ROOT / ".claude-plugin" / "hubbub"
    here = Wish(("hubbub",), {})
    assert (
        json.loads((plugin / "hooks" / "hooks.json").read_text())["hooks"]
        == written("claude", wish=here, file=1)["hooks"]
    )
    assert json.loads((plugin / ".mcp.json").read_text()) == written("claude", wish=here)


def test_the_plugin_has_the_projects_version() -> None:
    from hub import __version__

    manifest = json.loads((ROOT / ".claude-plugin" / "hubbub" / ".claude-plugin" / "plugin.json").read_text())
    assert manifest["version"] == __version__
