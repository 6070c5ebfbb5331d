"""The files that messages carry, outside the hub: beside a backup, and beside an export."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hub.cli import exits, main
from tests.hub.live import Live, live
from tests.hub.test_attachments import named
from tests.hub.test_intake import history

NOTES, PLAN = b"notes of the morning", b"x" * 300_000


async def share(hub: Live, content: bytes, name: str, *, sender: str = "bob", to: str = "alice") -> None:
    digest = sha256(content).hexdigest()
    await hub.request("PUT", f"/api/v1/attachments/{digest}", params={"as": sender}, content=content)
    said = {"as": sender, "to": to, "body": name, "id": f"id-{name}", "attachments": [named(content, name)]}
    assert (await hub.request("POST", "/api/v1/messages", said)).status_code == 201


def has(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


BOTH = {sha256(each).hexdigest(): each for each in (NOTES, PLAN)}


async def at(hub: Live, *words: str) -> int:
    return await asyncio.to_thread(main, [*words, "--url", hub.url, "--token", hub.token])


async def test_files_leave_with_an_export_and_come_with_its_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, files = tmp_path / "out.jsonl", tmp_path / "files"
    async with live(tmp_path / "home") as hub:
        await share(hub, NOTES, "notes.md")
        await share(hub, PLAN, "plan.pdf", sender="carol")
        await share(hub, NOTES, "again.md")
        for new in ("2", "0"):
            assert await at(hub, "export", str(out), "--files", str(files)) == exits.OK
            assert f"{files}: 2 files, {new} of them new" in capsys.readouterr().err
        assert has(files) == BOTH
        before = await history(hub)
    async with live(tmp_path / "other") as other:
        for taken in (3, 0):
            assert await at(other, "import", str(out), "--files", str(files), "--json") == exits.OK
            told = json.loads(capsys.readouterr().out.splitlines()[-1])  # behind the hub's own log
            assert told["taken"] == taken
            assert told["remarks"] == {"file that a message carries: taken": 2}
        for message in await history(other):
            for each in message["attachments"]:
                where = {"message": message["id"], "as": "alice"}
                got = await other.request("GET", f"/api/v1/attachments/{each['sha256']}", params=where)
                assert got.content == BOTH[each["sha256"]]
        assert [each["attachments"] for each in await history(other)] == [each["attachments"] for each in before]


async def test_what_is_not_in_the_folder_or_not_what_it_says_is_counted_and_the_messages_come_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, files = tmp_path / "out.jsonl", tmp_path / "files"
    async with live(tmp_path / "home") as hub:
        await share(hub, NOTES, "notes.md")
        await share(hub, PLAN, "plan.pdf")
        assert await at(hub, "export", str(out), "--files", str(files)) == exits.OK
    (files / sha256(NOTES).hexdigest()).write_bytes(b"other bytes")
    (files / sha256(PLAN).hexdigest()).unlink()
    lines = out.read_text().splitlines()
    evil = json.loads(lines[-1]) | {"id": "evil", "attachments": [{"sha256": "../../token", "name": "x", "size": 1}]}
    out.write_text("\n".join([*lines, json.dumps(evil)]) + "\n")

    async def remarks(*words: str) -> dict[str, int]:
        async with live(tmp_path / "-".join(["other", *map(str, range(len(words)))])) as other:
            assert await at(other, "import", str(out), *words, "--json") == exits.OK
            told = json.loads(capsys.readouterr().out.splitlines()[-1])
            assert told["taken"] == 3
            return dict(told["remarks"])

    capsys.readouterr()
    assert await remarks() == {"file that a message carries: without --files DIR only its name is taken": 3}
    assert await remarks("--files", str(files)) == {
        "file that a message carries: has other bytes than its name says, and was not named by anything": 1,
        f"file that a message carries: not in {files}; only its name was taken": 2,
    }


async def test_an_export_says_which_file_the_hub_has_no_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with live(tmp_path / "home") as hub:
        await share(hub, NOTES, "notes.md")
        (kept,) = hub.app.settings.paths.attachments.glob("??/*")
        kept.write_bytes(b"nothing of that")
        assert await at(hub, "export", str(tmp_path / "x"), "--files", str(tmp_path / "files")) == exits.FAILED
        assert "missing: notes.md of message id-notes.md: What the hub gave" in capsys.readouterr().err
        assert has(tmp_path / "files") == {}


async def test_files_go_with_a_backup_and_come_back_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home, backup, files = tmp_path / "home", tmp_path / "backup.db", tmp_path / "files"
    monkeypatch.setenv("HUBBUB_HOME", str(home))
    monkeypatch.delenv("HUBBUB_URL", raising=False)

    def run(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = main([*words, "--json"])
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])["files"]

    async with live(home) as hub:
        await share(hub, NOTES, "notes.md")
        await share(hub, PLAN, "plan.pdf")
        await share(hub, NOTES, "again.md")
        code, told = await asyncio.to_thread(run, "backup", str(backup), "--files", str(files))
        assert (code, told) == (0, {"copied": 2, "bytes": len(NOTES + PLAN), "known": 0, "missing": 0})
        code, told = await asyncio.to_thread(run, "backup", str(backup), "--force", "--files", str(files))
        assert (code, told["known"]) == (0, 2), "one folder serves for many backups"
        assert has(files) == BOTH
        if (home / "token").stat().st_mode & 0o077 == 0:
            assert {path.stat().st_mode & 0o777 for path in files.iterdir()} == {0o600}
    for kept in (home / "attachments").glob("??/*"):
        kept.unlink()
    (files / sha256(PLAN).hexdigest()).write_bytes(b"rotten")
    code, told = run("restore", str(backup), "--files", str(files))
    assert (code, told) == (1, {"copied": 1, "bytes": len(NOTES), "known": 0, "missing": 1})
    (files / sha256(PLAN).hexdigest()).write_bytes(PLAN)
    code, told = run("restore", str(backup), "--files", str(files))
    assert (code, told["known"], told["copied"]) == (0, 1, 1)
    async with live(home) as hub:
        for message in await history(hub):
            (each,) = message["attachments"]
            where = {"message": message["id"]}
            got = await hub.request("GET", f"/api/v1/attachments/{each['sha256']}", params=where)
            assert got.content == BOTH[each["sha256"]]
