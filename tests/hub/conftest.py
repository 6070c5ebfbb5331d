from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.hub.live import Live, live


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Live]:
    """A real hub on a free port."""
    async with live(tmp_path / "home") as running:
        yield running
