"""hubbub connect and disconnect in a HOME that is thrown away."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.connect.clients import CLIENTS
from hub.connect.clients.client import Place
from hub.connect.plan import FORMS

MOVERS = ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "XDG_CONFIG_HOME", "VSCODE_PORTABLE", "APPDATA")

# A file with something of everything that may not be lost: comments, tabs, a comma at the end, lines as on Windows.
FULL_JSON = b"""{
\t// what I was told about
\t"theme": "dark", /* not light */
\t"mcpServers": {
\t\t"mine": { "command": "x", "args": ["a",  "b"] }, // two spaces
\t},
\t"servers": {"mine": {"command": "x"}},
\t"mcp": {"mine": {"type": "local", "command": ["x"]}},
\t"permissions": {"allow": ["Bash(ls:*)"], "deny": []},\r
\t"version": 1,
\t"hooks": {
\t\t"Stop": [ { "hooks": [ { "type": "command", "command": "say done" } ] } ],
\t\t"stop": [{"command": "say done"}],
\t\t"AfterTool": []
\t},
}

"""
FULL_TOML = b"""# how I like it
model = "gpt-5"   # the big one

[mcp_servers.mine]
command = "x"
args = ["a",  "b"]

[[hooks.Stop]]
hooks = [{ type = "command", command = "say done" }]

[projects."/home/alice/shop"]
trust_level = "trusted"
"""
FULL = {"json": FULL_JSON, "toml": FULL_TOML}
BROKEN = {"json": (b'{\n  "a": 1\n  "b": 2\n}\n', "line 3, column 3"), "toml": (b"a = 1\n[b\n", "line 2")}


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of somebody who has none of the clients."""
    folder = tmp_path / "user"
    folder.mkdir()
    for name in MOVERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    return folder


def files(user: Path, client: str) -> list[Path]:
    return [file.path for file in CLIENTS[client].files(Place({}, user, sys.platform))]


def form(path: Path) -> str:
    return "toml" if path.suffix == ".toml" else "json"


def everything(folder: Path) -> dict[str, tuple[int, bytes | None]]:
    """What is in a folder: each path with its mode, and a file's bytes."""
    return {
        str(path.relative_to(folder)): (
            stat.S_IMODE(path.lstat().st_mode),
            path.read_bytes() if path.is_file() else None,
        )
        for path in sorted(folder.rglob("*"))
    }


def fill(user: Path, client: str, contents: dict[str, bytes], mode: int = 0o640) -> None:
    for path in files(user, client):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[form(path)])
        path.chmod(mode)


@pytest.mark.parametrize("client", CLIENTS)
def test_without_any_file_they_are_made_and_all_goes_again(user: Path, hubbub: Any, client: str) -> None:
    assert hubbub("connect", client, "--yes").code == 0
    for path in files(user, client):
        assert "hubbub" in path.read_text()
        assert os.name == "nt" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert hubbub("disconnect", client, "--yes").code == 0
    assert everything(user) == {}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("content", [b"", b"\n", b"{}", b"{}\n"], ids=repr)
def test_an_empty_file_is_filled_and_empty_again(user: Path, hubbub: Any, client: str, content: bytes) -> None:
    fill(user, client, {"json": content, "toml": content.replace(b"{}", b"")})
    before = everything(user)
    assert hubbub("connect", client, "--yes").code == 0
    assert hubbub("connect", client, "--undo", "--yes").code == 0
    assert everything(user) == before


@pytest.mark.parametrize("client", CLIENTS)
def test_in_a_full_file_the_rest_stays_and_the_file_comes_back_byte_for_byte(
    user: Path, hubbub: Any, client: str
) -> None:
    fill(user, client, FULL)
    before = everything(user)
    assert hubbub("connect", client, "--yes").code == 0
    for path in files(user, client):
        after = path.read_bytes()
        assert b"hubbub" in after
        assert stat.S_IMODE(path.stat().st_mode) == (0o640 if os.name != "nt" else 0o666)
        rest = iter(after)
        assert all(byte in rest for byte in FULL[form(path)]), "something was only added"
        kept = path.with_name(path.name + ".before-hubbub")
        assert kept.read_bytes() == FULL[form(path)]
    assert hubbub("disconnect", client, "--yes").code == 0
    assert everything(user) == before


@pytest.mark.parametrize("client", CLIENTS)
def test_a_broken_file_is_named_with_its_place_and_nothing_is_written(user: Path, hubbub: Any, client: str) -> None:
    fill(user, client, {name: content for name, (content, _) in BROKEN.items()})
    before = everything(user)
    said = hubbub("connect", client, "--yes")
    first = files(user, client)[0]
    assert said.code == 2
    assert f"{first}: {BROKEN[form(first)][1]}" in said.err
    assert everything(user) == before


@pytest.mark.parametrize("client", CLIENTS)
def test_a_read_only_file_is_named_and_nothing_is_written(user: Path, hubbub: Any, client: str) -> None:
    fill(user, client, FULL, mode=0o440)
    before = everything(user)
    said = hubbub("connect", client, "--yes")
    assert said.code == 1
    assert "is read-only; nothing was written" in said.err
    assert everything(user) == before


@pytest.mark.parametrize("client", CLIENTS)
def test_a_second_run_has_nothing_to_change(user: Path, hubbub: Any, client: str) -> None:
    fill(user, client, FULL)
    hubbub("connect", client, "--yes")
    before = everything(user)
    said = hubbub("connect", client)
    assert (said.code, "nothing to change" in said.out) == (0, True)
    assert everything(user) == before


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_written_since_stays_and_ours_goes(user: Path, hubbub: Any, client: str) -> None:
    fill(user, client, FULL)
    hubbub("connect", client, "--yes")
    for path in files(user, client):
        text = path.read_text()
        later = "[later]\nz = 1\n" if form(path) == "toml" else ""
        path.write_text(text.replace("{\n", '{\n\t"later": 1,\n', 1) if not later else text + later)
    said = hubbub("disconnect", client, "--yes")
    assert said.code == 0
    assert "changed by somebody else since" in said.err
    for path in files(user, client):
        read = FORMS[form(path)].read
        assert read(path.read_text()) == {**read(FULL[form(path)].decode()), **_later(path)}
        assert not path.with_name(path.name + ".before-hubbub").exists()


def _later(path: Path) -> dict[str, Any]:
    return {"later": {"z": 1}} if form(path) == "toml" else {"later": 1}


def test_without_a_record_what_is_ours_is_known_by_what_it_is(user: Path, hubbub: Any, home: Path) -> None:
    fill(user, "claude", FULL)
    hubbub("connect", "claude", "--yes")
    (home / "connected" / "claude.json").unlink()
    said = hubbub("disconnect", "claude", "--yes")
    assert "No record tells" in said.err
    for path in files(user, "claude"):
        assert FORMS["json"].read(path.read_text()) == FORMS["json"].read(FULL_JSON.decode())
    assert "not connected" in hubbub("disconnect", "claude").out


def test_connecting_again_with_other_wishes_still_leads_back_to_the_beginning(user: Path, hubbub: Any) -> None:
    fill(user, "claude", FULL)
    before = everything(user)
    hubbub("connect", "claude", "--yes", "--allow", "none")
    hubbub("connect", "claude", "--yes", "--allow", "read", "--url", "ws://127.0.0.1:1/ws")
    hubbub("connect", "claude", "--yes", "--allow", "all")
    servers, settings = (FORMS["json"].read(path.read_text()) for path in files(user, "claude"))
    assert servers["mcpServers"]["hubbub"]["env"]["HUBBUB_URL"] == "ws://127.0.0.1:1/ws"
    assert len(settings["hooks"]["Stop"]) == 3, "an older hook of ours is replaced, not joined by another"
    assert hubbub("disconnect", "claude", "--yes").code == 0
    assert everything(user) == before


def test_a_file_that_was_changed_between_two_connections_loses_only_what_is_ours(user: Path, hubbub: Any) -> None:
    fill(user, "windsurf", {"json": b"{}"})
    (path,) = files(user, "windsurf")
    hubbub("connect", "windsurf", "--yes")
    path.write_text(path.read_text().replace("{\n", '{\n  "later": 1,\n', 1))
    hubbub("connect", "windsurf", "--yes", "--url", "ws://127.0.0.1:1/ws")
    hubbub("disconnect", "windsurf", "--yes")
    assert json.loads(path.read_text()) == {"later": 1}


def test_an_entry_with_another_command_is_shown_and_comes_back(user: Path, hubbub: Any) -> None:
    (path,) = files(user, "windsurf")
    path.parent.mkdir(parents=True)
    path.write_text('{"mcpServers": {"hubbub": {"command": "old-hubbub", "args": ["mcp", "--name", "bob"]}}}\n')
    before = everything(user)
    said = hubbub("connect", "windsurf", "--yes")
    assert "old-hubbub" in said.out
    assert json.loads(path.read_text())["mcpServers"]["hubbub"]["command"] != "old-hubbub"
    hubbub("disconnect", "windsurf", "--yes")
    assert everything(user) == before


def test_it_shows_the_difference_and_writes_nothing_where_nobody_can_be_asked(user: Path, hubbub: Any) -> None:
    said = hubbub("connect", "cursor")
    assert said.code == 2
    assert '+    "hubbub": {' in said.out
    assert "standard input is no terminal" in said.err
    assert "hubbub connect cursor --yes" in said.err
    assert everything(user) == {}


def test_a_dry_run_writes_nothing(user: Path, hubbub: Any, home: Path) -> None:
    said = hubbub("connect", "claude", "--dry-run", "--yes")
    assert said.code == 0
    assert "+" in said.out
    assert everything(user) == {}
    assert not home.exists()
    hubbub("connect", "claude", "--yes")
    before = everything(user)
    assert "-" in hubbub("disconnect", "claude", "--dry-run").out
    assert everything(user) == before


@pytest.mark.parametrize(
    ("answers", "allowed", "written"), [("n\ny\n", 5, True), ("y\n\n", 1, True), ("n\nn\n", 0, False)]
)
def test_on_a_terminal_it_asks(
    user: Path, hubbub: Any, monkeypatch: pytest.MonkeyPatch, answers: str, allowed: int, written: bool
) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(answers))
    said = hubbub("connect", "claude")
    assert said.code == 0
    settings = user / ".claude" / "settings.json"
    assert settings.exists() is written
    assert "Write this?" in said.out
    if written:
        assert len(json.loads(settings.read_text())["permissions"]["allow"]) == allowed
    else:
        assert everything(user) == {}


def test_all_means_those_that_are_found(user: Path, hubbub: Any) -> None:
    assert hubbub("connect", "all").code == 6
    (user / ".codex").mkdir()
    (user / ".codeium" / "windsurf").mkdir(parents=True)
    said = hubbub("connect", "all", "--yes")
    assert said.code == 0
    assert [name for name in CLIENTS if all(path.exists() for path in files(user, name))] == ["codex", "windsurf"]


def test_one_that_fails_keeps_no_other_from_being_connected(user: Path, hubbub: Any) -> None:
    fill(user, "codex", {"toml": BROKEN["toml"][0]})
    said = hubbub("connect", "codex", "windsurf", "--yes")
    assert said.code == 2
    assert "error: Codex: " in said.err
    assert "Windsurf is connected." in said.out


def test_without_a_name_it_says_what_is_found(user: Path, hubbub: Any) -> None:
    (user / ".cursor").mkdir()
    said = hubbub("connect")
    assert said.code == 2
    assert "Found here: cursor." in said.err


def test_another_name_is_not_found_with_what_was_meant(user: Path, hubbub: Any) -> None:
    said = hubbub("connect", "claud")
    assert said.code == 6
    assert "Did you mean claude?" in said.err


def test_a_token_is_never_written(user: Path, hubbub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hubbub("connect", "claude", "--yes", "--token", "hub_secret").code == 2
    assert everything(user) == {}
    monkeypatch.setenv("HUBBUB_TOKEN", "hub_secret")
    assert hubbub("connect", "all", "claude", "codex", "gemini", "--yes").code == 0
    assert b"hub_secret" not in b"".join(content or b"" for _, content in everything(user).values())


@pytest.mark.skipif(os.name == "nt", reason="links need a right of their own there")
def test_a_link_is_followed_and_stays_a_link(user: Path, hubbub: Any, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles" / "mcp_config.json"
    kept.parent.mkdir()
    kept.write_bytes(FULL_JSON)
    (path,) = files(user, "windsurf")
    path.parent.mkdir(parents=True)
    path.symlink_to(kept)
    hubbub("connect", "windsurf", "--yes")
    assert path.is_symlink()
    assert b"hubbub" in kept.read_bytes()
    hubbub("disconnect", "windsurf", "--yes")
    assert (path.is_symlink(), kept.read_bytes()) == (True, FULL_JSON)


@pytest.mark.skipif(os.name == "nt", reason="such links need a right of their own there")
def test_links_that_lead_nowhere_are_said_to(user: Path, hubbub: Any) -> None:
    (path,) = files(user, "windsurf")
    path.parent.mkdir(parents=True)
    path.symlink_to(path)
    said = hubbub("connect", "windsurf", "--yes")
    assert said.code == 1
    assert f"{path} cannot be read" in said.err


def test_what_is_no_file_or_no_text_is_said_to_be_none(user: Path, hubbub: Any) -> None:
    (path,) = files(user, "windsurf")
    path.mkdir(parents=True)
    assert "is not a file" in hubbub("connect", "windsurf", "--yes").err
    path.rmdir()
    path.write_bytes(b'{"a": "\xe9"}')
    assert "not written in UTF-8 (byte 7)" in hubbub("connect", "windsurf", "--yes").err


def test_a_file_that_the_client_writes_meanwhile_is_not_overwritten(
    user: Path, hubbub: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.connect import files as module

    fill(user, "windsurf", {"json": b"{}"})
    (path,) = files(user, "windsurf")
    write: Callable[..., None] = module._write

    def meanwhile(draft: Path, content: bytes, found: module.Found) -> None:
        write(draft, content, found)
        if b"hubbub" in content:
            path.write_bytes(b'{"a": 1}')

    monkeypatch.setattr(module, "_write", meanwhile)
    said = hubbub("connect", "windsurf", "--yes")
    assert said.code == 1
    assert "changed by somebody else meanwhile" in said.err
    assert path.read_bytes() == b'{"a": 1}'
    assert not (home / "connected" / "windsurf.json").exists()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_line_that_may_hold_everything_is_not_printed_whole(user: Path, hubbub: Any) -> None:
    (path,) = files(user, "windsurf")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"a": "x" * 500, "secret": "s3cr3t"}))
    assert "s3cr3t" not in hubbub("connect", "windsurf", "--dry-run").out


def test_the_command_that_is_written_is_this_very_one(user: Path, hubbub: Any) -> None:
    hubbub("connect", "windsurf", "--yes")
    entry = json.loads(files(user, "windsurf")[0].read_text())["mcpServers"]["hubbub"]
    assert Path(entry["command"]).is_absolute()
    assert Path(entry["command"]).parent == Path(sys.executable).parent
