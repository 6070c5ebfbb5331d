"""A disk that takes no more, under a real hub: refused with a typed error, said on /readyz, and soon well again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.processes import hub_process
from tests.soak.disk import Shim
from tests.soak.full import RECOVERY, Told, Wrong, ballast, limit, read_only, read_only_start, small_disk, suffer


def say(what: str, told: Told) -> None:
    print(
        f"\n{what}: {told.confirmed} confirmed, {told.refused} refused, 0 lost, 0 confirmed falsely; "
        f"ready again after {told.seconds:.1f} s"
    )
    assert told.refused >= 10
    assert told.seconds < RECOVERY


async def test_a_full_disk_refuses_and_takes_more_once_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        say("a small tmpfs, full and freed again", await suffer(disk / "home", ballast(disk)))


async def test_a_limit_to_a_file_s_size_refuses_until_it_is_lifted(tmp_path: Path) -> None:
    say("RLIMIT_FSIZE, set and lifted", await suffer(tmp_path / "home", limit()))


@pytest.mark.soak
async def test_a_disk_that_turns_read_only_refuses_until_it_is_not(tmp_path: Path) -> None:
    shim = Shim(tmp_path / "shim", tmp_path / "home")
    shim.environment["DISK_TAPE"] = "/dev/null"
    say("read-only under the hub (EROFS)", await suffer(tmp_path / "home", read_only(shim), **shim.environment))


@pytest.mark.soak
def test_a_start_on_a_read_only_disk_says_so_and_the_next_one_goes_on(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        with hub_process(disk / "home") as hub:
            hub.kill()
        said = read_only_start(disk)
        assert "read-only" in said.lower()
        assert "Traceback" not in said
        with hub_process(disk / "home") as hub:
            assert hub.stop() == 0
        assert not list((disk / "home").glob("*.damaged-*"))


# Tests of the test


async def test_a_readiness_that_stays_true_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="readyz says 200"):
        await suffer(tmp_path / "home", limit(), "says_it_is_ready")


@pytest.mark.soak
async def test_a_hub_that_confirms_what_the_disk_refused_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="the hub confirms"):
        await suffer(tmp_path / "home", limit(), "confirms_before_it_commits")
