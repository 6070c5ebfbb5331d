"""A file from one agent's process to another's: `share_file`, then `check`, through two `hubbub mcp` and a hub."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.journeys.processes import Agent, hub_process

MIB = 2**20


@pytest.mark.timeout(180)
async def test_a_shared_file_lies_below_the_recipients_own_folder_with_the_same_bytes(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "deep").mkdir(parents=True)
    big, notes = os.urandom(MIB), "# Notes\n\nthe build is red\n"
    (work / "big.bin").write_bytes(big)
    (work / "deep" / "notes.md").write_text(notes)
    (tmp_path / "secret.txt").write_text("not below the working folder")
    (work / "link.txt").symlink_to(tmp_path / "secret.txt")
    with hub_process(tmp_path / "home") as hub:
        bob = await Agent.start(hub.home, "bob", cwd=work)
        try:
            # Alice has never been here: the files wait for her.
            first = await bob.tool("share_file", to="alice", path="big.bin", note="the dump")
            await bob.tool("share_file", to="alice", path=str(work / "deep" / "notes.md"))
            for path in ("../secret.txt", "link.txt", str(tmp_path / "secret.txt"), "none.txt", "deep"):
                refused = await bob.request(
                    "tools/call", {"name": "share_file", "arguments": {"to": "a", "path": path}}
                )
                assert refused["isError"], path
        finally:
            await bob.kill()
        alice = await Agent.start(hub.home, "alice", cwd=tmp_path)
        try:
            result = await alice.request("tools/call", {"name": "check", "arguments": {}})
            messages = result["structuredContent"]["messages"]
            assert [each["from"] for each in messages] == ["bob", "bob"]
            assert messages[0]["id"] == first["id"]
            paths = [Path(each["attachments"][0]["file"]) for each in messages]
            own = hub.home / "files" / "alice"
            assert all(path.is_relative_to(own) for path in paths)
            assert paths[0].read_bytes() == big
            assert paths[1].read_text() == notes
            assert "the build is red" in str(result["content"]), "the head of a text file stands in the reply"
            assert {path.stat().st_mode & 0o077 for path in paths} == {0}
        finally:
            await alice.kill()
