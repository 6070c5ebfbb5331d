from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.cli import main
from hub.config import Settings, load
from tests.hub.cli.conftest import Said


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with an empty home folder and nothing in the environment; their HUBBUB_HOME is `hubbub` in it."""
    for key in list(os.environ):
        if key.startswith(("HUBBUB_", "CLAUDE", "CODEX", "GEMINI", "XDG", "VSCODE", "IPC")):
            monkeypatch.delenv(key)
    home = tmp_path / "user"
    (home / "hubbub").mkdir(parents=True, mode=0o700)
    for key in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(key, str(home))
    monkeypatch.setenv("HUBBUB_HOME", str(home / "hubbub"))
    monkeypatch.setenv("HUBBUB_PORT", "0")
    return home


@pytest.fixture
def settings(user: Path) -> Settings:
    return load()


@pytest.fixture
def hubbub(user: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run one command line in this process."""

    def run(*words: str) -> Said:
        code = main(words)
        return Said(code, *capfd.readouterr())

    return run
