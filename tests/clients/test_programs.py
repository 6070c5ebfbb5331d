"""The programs start, and are the versions that these tests were written against."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.conftest import Run, program

pytestmark = pytest.mark.clients
PINNED = json.loads((Path(__file__).parent / "package.json").read_text())["dependencies"]


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("claude", "@anthropic-ai/claude-code"),
        ("codex", "@openai/codex"),
        ("gemini", "@google/gemini-cli"),
        ("opencode", "opencode-ai"),
    ],
)
def test_it_starts_and_is_the_pinned_version(run: Run, name: str, package: str) -> None:
    assert PINNED[package] in run(program(name), "--version").stdout
