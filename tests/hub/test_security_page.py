"""docs/security.md names a test for each promise; a promise whose test is gone is no promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(test_\w+)`", PAGE)))


def test_the_page_names_tests() -> None:
    assert len(NAMED) > 30


@pytest.mark.parametrize("name", NAMED)
def test_each_test_it_names_is_there(name: str) -> None:
    defined = re.compile(rf"^(async )?def {name}\(", re.MULTILINE)
    assert any(defined.search(path.read_text("utf-8")) for path in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize(
    "setting", ["allowed_hosts", "allowed_origins", "max_connections", "max_frame", "slow_reader_timeout"]
)
def test_each_setting_it_names_is_one(setting: str) -> None:
    from hub.config import table

    assert setting in PAGE
    assert setting in {key for key, _, _ in table()}


def test_its_numbers_are_the_programs() -> None:
    from hub.cookies import MAX_AGE
    from hub.door import LOCAL, REMOTE
    from hub.protocol import Bounds
    from hub.signin import LIFETIME

    bounds = Bounds()
    assert (bounds.header_seconds, bounds.header_bytes, bounds.header_count) == (10, 32 * 1024, 100)
    assert (bounds.body_bytes, bounds.body_seconds, bounds.stalled_seconds) == (1024, 10, 30)
    assert (REMOTE, LOCAL) == ((1 / 5, 20), (5, 100))
    assert (LIFETIME, MAX_AGE) == (10 * 60, 30 * 86_400)
