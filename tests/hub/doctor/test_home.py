from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hub.config import Settings
from hub.daemon import HubLock, write_hub_json
from hub.doctor import home
from hub.doctor.finding import Finding

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are Unix's")


def examine(settings: Settings) -> dict[str | None, Finding]:
    return {each.code: each for each in home.examine(settings)}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_others_may_read_is_closed_to_them_and_what_is_not_ours_is_left(settings: Settings) -> None:
    folder = settings.home
    folder.chmod(0o755)
    (folder / "attachments" / "ab").mkdir(parents=True)
    (folder / "hubbub.db").touch(0o644)
    (folder / "attachments" / "ab" / "x").touch(0o640)
    (folder / "somebody-elses.txt").touch(0o644)
    (folder / "attachments").chmod(0o755)
    (folder / "hubbub.db-shm").symlink_to(folder / "somebody-elses.txt")
    found = examine(settings)
    for code in ("home_readable", "files_readable"):
        assert found[code].state == "warning"
        mend = found[code].mend
        assert mend is not None
        mend.do()
    assert mode(folder) == mode(folder / "attachments") == 0o700
    assert mode(folder / "hubbub.db") == mode(folder / "attachments" / "ab" / "x") == 0o600
    assert mode(folder / "somebody-elses.txt") == 0o644
    assert set(examine(settings)) == {None}


def test_files_of_another_user_are_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    (settings.home / "token").touch(0o600)
    us = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: us + 1)
    found = examine(settings)["files_not_yours"]
    assert found.state == "broken"
    assert found.command == f'sudo chown -R "$(id -un)" {settings.home}'
    assert found.mend is None


def gone() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_what_processes_left_that_are_gone_is_tidied_and_nothing_else(settings: Settings) -> None:
    folder = settings.home
    (folder / "agents").mkdir(mode=0o700)
    dead, alive = folder / "agents" / str(gone()), folder / "agents" / str(os.getpid())
    old, new = folder / ".token.1.ab", folder / ".token.2.ab"
    for each in (dead, alive, old, new):
        each.touch(0o600)
    os.utime(old, (0, 0))
    write_hub_json(settings.paths, url="ws://127.0.0.1:1/ws", mode="local")
    found = examine(settings)
    for code in ("stale_hub_json", "stale_files"):
        assert found[code].state == "note"
        mend = found[code].mend
        assert mend is not None
        mend.do()
    assert not any(each.exists() for each in (dead, old, settings.paths.hub_json))
    assert all(each.exists() for each in (alive, new))


def test_the_note_of_a_hub_that_runs_stays(settings: Settings) -> None:
    write_hub_json(settings.paths, url="ws://127.0.0.1:1/ws", mode="local")
    mend = examine(settings)["stale_hub_json"].mend
    assert mend is not None
    with HubLock(settings.paths):  # comes up between the look and the deed
        write_hub_json(settings.paths, url="ws://127.0.0.1:1/ws", mode="local")
        assert "stale_hub_json" not in examine(settings)
        with pytest.raises(Exception, match="already runs"):
            mend.do()
        assert settings.paths.hub_json.exists()
