"""send --file and fetch, as a person types them, against a real hub."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.hub.live import Live, live

BOUND = 30


async def hubbub(hub: Live, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("HUBBUB_")}
    environ["HUBBUB_HOME"] = str(hub.app.settings.home)
    command = [sys.executable, "-c", "from hub.cli import main; raise SystemExit(main())", *args]
    return await asyncio.to_thread(
        lambda: subprocess.run(
            command, env=environ, cwd=cwd, capture_output=True, text=True, timeout=BOUND, check=False
        )
    )


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Live]:
    """A real hub, not the scripted one of this folder's other tests."""
    async with live(tmp_path / "home") as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    (made / "notes.md").write_text("# Notes\n")
    (made / "build.log").write_bytes(b"")
    return made


async def test_files_are_sent_shown_and_fetched(hub: Live, folder: Path) -> None:
    sent = await hubbub(
        hub, "send", "--as", "bob", "alice", "--file", "notes.md", "--file", "build.log", "--json", cwd=folder
    )
    assert sent.returncode == 0, sent.stderr
    message_id = json.loads(sent.stdout)["id"]
    read = await hubbub(hub, "read", "--as", "alice", cwd=folder)
    assert "notes.md, build.log" in read.stdout
    assert 'file "notes.md", 8 bytes' in read.stdout
    assert f"hubbub fetch {message_id}" in read.stdout
    (folder / "inbox").mkdir()
    fetched = await hubbub(hub, "fetch", message_id, "--as", "alice", "--to", "inbox", cwd=folder)
    assert fetched.stdout.split() == [str(Path("inbox") / "notes.md"), str(Path("inbox") / "build.log")]
    assert (folder / "inbox" / "notes.md").read_text() == "# Notes\n"
    (again, _) = map(json.loads, (await hubbub(hub, "fetch", message_id, "--json", cwd=folder)).stdout.splitlines())
    assert again["file"] == str(folder / "notes.md"), "the same bytes are there already"
    stranger = await hubbub(hub, "fetch", message_id, "--as", "eve", cwd=folder)
    assert stranger.returncode != 0
    assert "There is no message" in stranger.stderr


async def test_what_cannot_be_sent_is_said_and_nothing_is(hub: Live, folder: Path) -> None:
    for args, said in (
        (["--file", "missing"], "missing cannot be read"),
        (["--file", "."], "not a file"),
        ([], "nothing to send"),
    ):
        refused = await hubbub(hub, "send", "--as", "bob", "alice", *args, cwd=folder)
        assert refused.returncode != 0
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr
    assert (await hubbub(hub, "read", "--as", "alice", cwd=folder)).stdout == ""


async def test_fetch_needs_a_folder_that_is_there(hub: Live, folder: Path) -> None:
    refused = await hubbub(hub, "fetch", "x", "--to", "nowhere", cwd=folder)
    assert "mkdir -p nowhere" in refused.stderr
