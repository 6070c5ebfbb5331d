"""A hundred thousand messages of the old system, by the command people type: how long it takes, and what memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hub.processes import memory
from tests.hub.old_database import many
from tests.journeys.processes import HubProcess, environment, hub_process

COUNT = 100_000


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
def test_a_hundred_thousand_messages_of_the_old_system_twice(tmp_path: Path) -> None:
    old = many(tmp_path / "old", COUNT)
    with hub_process(tmp_path / "home", HUBBUB_INBOX_MESSAGES=str(COUNT)) as hub:
        for expected in ((COUNT, 0), (0, COUNT)):
            told, seconds, peak = move(hub, old.path)
            assert (told["taken"], told["known"]) == expected
            assert (told["messages"], told["left"], told["again"]) == (COUNT, {}, 0)
            used = memory(hub.pid)
            assert used is not None
            mebibytes = f"the command {peak / 2**20:.0f} MiB, the hub {used[1] / 2**20:.0f} MiB"
            print(f"\n{COUNT:,} messages: {told['taken']:,} taken, {told['known']:,} here already, 0 left out")
            print(f"in {seconds:.0f} s; peak memory: {mebibytes}")
        assert hub.stop() == 0


def move(hub: HubProcess, path: Path) -> tuple[dict[str, Any], float, int]:
    """What the command printed, how long it took, and its peak memory in bytes."""
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "hub", "import", "claude-ipc", str(path), "--json"],
        env=environment(hub.home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, printed
    return json.loads(printed), time.monotonic() - began, used.ru_maxrss * 1024
