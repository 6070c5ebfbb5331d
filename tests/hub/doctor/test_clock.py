from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.config import Settings
from hub.doctor import clock
from hub.history import History
from tests.hub.memory_log import draft

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def health(hub: float, newest: float | None) -> dict[str, Any]:
    at = None if newest is None else (NOW + timedelta(seconds=newest)).isoformat()
    return {"at": (NOW + timedelta(seconds=hub)).isoformat(), "log": {"newest_at": at}}


@pytest.mark.parametrize(
    ("hub", "newest", "codes"),
    [
        (0, -10, [None]),
        (0, None, [None]),
        (4, -10, [None]),
        (-100, -200, ["clocks_apart"]),
        (100, -10, ["clocks_apart"]),
        (0, 3600, ["clock_set_back"]),
        (-100, 3600, ["clocks_apart", "clock_set_back"]),
    ],
)
def test_clocks_that_are_apart_and_one_that_was_set_back_are_named(
    settings: Settings, hub: float, newest: float | None, codes: list[str | None]
) -> None:
    found = clock.examine(health(hub, newest), settings.paths.database, NOW, NOW + timedelta(seconds=1))
    assert [each.code for each in found] == codes


async def test_without_a_hub_the_database_tells_how_late_it_was(settings: Settings) -> None:
    async with await History.open(settings.paths.database) as log:
        await log.append([draft(1, at=time.time())])
    now = datetime.now(UTC)
    for moment, code in ((now, None), (now - timedelta(days=8), "clock_set_back")):
        (found,) = clock.examine(None, settings.paths.database, moment, moment)
        assert found.code == code
