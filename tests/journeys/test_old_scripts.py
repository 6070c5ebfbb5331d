"""Scripts of the old system, each a process of its own, beside a hub and agents that know nothing of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.processes import HubProcess, hub_process, run

SCRIPT = Path(__file__).with_name("old_script.py")


class OldUser:
    """Somebody with a home folder of their own, in which their session lies."""

    def __init__(self, home: Path, hub: HubProcess, **environ: str) -> None:
        home.mkdir()
        self.port = json.loads(run(hub.home, "status", "--json").stdout)["legacy"]["port"]
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(home), "OLD_PORT": str(self.port), **environ}

    def __call__(self, *words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, SCRIPT, *words], env=self.environ, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))


def test_unchanged_scripts_and_the_command_line_write_to_one_another(tmp_path: Path) -> None:
    with hub_process(tmp_path / "hub", HUBBUB_LEGACY_PORT="0") as hub:
        fred, barney = OldUser(tmp_path / "fred", hub), OldUser(tmp_path / "barney", hub)
        assert fred("register", "fred")["message"] == "Registered fred"
        assert fred("send", "barney", "are", "you", "there?")["message"] == (
            "Message queued for barney (not yet registered)"
        )
        assert barney("register", "barney")["message"] == "Registered barney with 1 queued messages"
        (asked,) = barney("check")["messages"]
        assert (asked["from"], asked["message"]["content"]) == ("fred", "are you there?")
        assert barney("check")["messages"] == []
        run(hub.home, "send", "--as", "claude", "barney", "hello from the command line")
        (told,) = barney("check")["messages"]
        assert told["from"] == "claude"
        assert barney("send", "claude", "hello back")["message"] == "Message sent"
        assert "hello back" in run(hub.home, "read", "--as", "claude", "--json").stdout
        assert {each["id"] for each in barney("list")["instances"]} == {"fred", "barney", "claude"}
        assert fred("rename", "freddy")["message"] == "Renamed fred to freddy"
        assert barney("send", "fred", "nice name")["message"] == "Message forwarded from fred to freddy"
        assert [each["message"]["content"] for each in fred("check")["messages"]] == ["nice name"]
        assert fred("broadcast", "bye")["message"] == "Broadcast to 2 instances"


@pytest.mark.parametrize(
    ("secret", "said"), [("s3cret", "Registered fred"), ("other", "Invalid auth token"), ("", "Invalid auth token")]
)
def test_a_shared_secret_is_asked_for_on_both_sides(tmp_path: Path, secret: str, said: str) -> None:
    with hub_process(tmp_path / "hub", HUBBUB_LEGACY_PORT="0", IPC_SHARED_SECRET="s3cret") as hub:
        fred = OldUser(tmp_path / "fred", hub, IPC_SHARED_SECRET=secret)
        assert fred("register", "fred")["message"] == said


def test_a_session_goes_on_when_the_hub_was_killed(tmp_path: Path) -> None:
    with hub_process(tmp_path / "hub", HUBBUB_LEGACY_PORT="0") as hub:
        fred = OldUser(tmp_path / "fred", hub)
        fred("register", "fred")
        fred("send", "fred", "note to self")
        hub.kill()
    with hub_process(tmp_path / "hub", HUBBUB_LEGACY_PORT=str(fred.port)):
        assert [each["message"]["content"] for each in fred("check")["messages"]] == ["note to self"]
