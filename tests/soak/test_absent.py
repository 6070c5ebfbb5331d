"""Peers that don't answer are found out in time; nobody loses anything by it, and presence says what is so."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.soak.absent import Absence, can_make_namespaces, dropped_link, stopped_client, stopped_hub

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="stopping a process is Unix's")

QUICK = {"HUBBUB_PING_INTERVAL": "0.4s", "HUBBUB_PING_TIMEOUT": "0.6s"}


@pytest.fixture
def namespaces() -> None:
    if (why := can_make_namespaces()) is not None:
        pytest.skip(why)


def judge(told: Absence, within: float | None = None) -> None:
    assert told.heard == list(range(1, told.sent + 1)), str(told)
    assert told.gaps == 0
    if within is not None:
        assert told.found_after is not None
        assert told.found_after < within


async def test_a_stopped_client_is_found_out_and_has_everything_once_when_it_goes_on(tmp_path: Path) -> None:
    judge(await stopped_client(tmp_path / "home", **QUICK), within=20)


async def test_a_short_stop_ends_nothing(tmp_path: Path) -> None:
    judge(await stopped_client(tmp_path / "home", seconds=0.5))


async def test_a_hub_that_was_stopped_goes_on(tmp_path: Path) -> None:
    judge(await stopped_hub(tmp_path / "home", 1.5, **QUICK))


@pytest.mark.usefixtures("namespaces")
async def test_a_dropped_link_is_found_out_and_nothing_is_lost_by_it(tmp_path: Path) -> None:
    judge(await dropped_link(tmp_path / "home", 30, keepalive=0.5, **QUICK), within=20)


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_absences_with_the_settings_as_they_come(tmp_path: Path) -> None:
    for told in (
        await stopped_client(tmp_path / "stopped"),
        await stopped_client(tmp_path / "shortly", seconds=5.0),
        await stopped_hub(tmp_path / "hub", 5.0),
        await stopped_hub(tmp_path / "long", 40.0),
    ):
        print(f"\n{told}", end="")
        judge(told)
        assert told.found_after is None or told.found_after < 30


@pytest.mark.soak
@pytest.mark.usefixtures("namespaces")
@pytest.mark.timeout(600)
async def test_a_half_open_peer_is_found_within_thirty_seconds(tmp_path: Path) -> None:
    told = await dropped_link(tmp_path / "home", 60)
    print(f"\n{told}")
    judge(told, within=30)
