"""What the tests of real clients share: the programs that `make clients` installed, and a HOME that is thrown away."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / ".cache" / "clients" / "node_modules" / ".bin"
BOUND = 120  # seconds for one command of a client, on a busy machine
HUBBUB = str(Path(sys.executable).parent / "hubbub")
ONLINE = f"until {HUBBUB} ls --json | grep -q '\"online\":true'; do sleep 0.2; done"
FOREIGN = ("HUBBUB_", "CLAUDE", "CODEX_", "GEMINI_", "XDG_", "ANTHROPIC_", "OPENAI_", "GOOGLE_")

Run = Callable[..., subprocess.CompletedProcess[str]]


def sending(body: str) -> str:
    """A line for a shell: bob sends this to the agent `project`, whose client has it when the line ends."""
    sent = f"id=$({HUBBUB} send --as bob project '{body}' --json | cut -d '\"' -f 4)"
    return f"{sent}; until {HUBBUB} status $id --json | grep -q '\"received\"'; do sleep 0.2; done"


def program(name: str) -> str:
    """The path of `claude`, `codex`, `gemini` or `mcp-inspector`."""
    path = PROGRAMS / name
    assert path.exists(), f"{name} is not installed: make clients"
    return str(path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A HOME in which no client was ever started."""
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def environ(home: Path) -> dict[str, str]:
    """An environment with that HOME, a hub below it, and the command `hubbub` of this checkout."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    own = Path(sys.executable).parent
    return {
        **kept,
        "HOME": str(home),
        "USERPROFILE": str(home),
        "HUBBUB_HOME": str(home / "hubbub"),
        "HUBBUB_PORT": "0",
        "PATH": os.pathsep.join([str(own), str(PROGRAMS), kept["PATH"]]),
    }


@pytest.fixture
def run(home: Path, environ: dict[str, str]) -> Run:
    """Run a program in that environment, in a project folder below HOME, to its end."""
    project = home / "project"
    project.mkdir()

    def command(*words: str, code: int | None = 0, said: str | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            words,
            env=environ,
            cwd=project,
            input=said or "",
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    return command
