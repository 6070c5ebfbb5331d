"""A database of each earlier version becomes the present one, whatever kills it on the way; and keeps all it has."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hub.schema import VERSION
from tests.soak.migrations import Wrong, check, contents, kill_everywhere, record
from tests.soak.power import cut
from tests.soak.test_power import seed

OLD = range(1, VERSION)
ROWS = 5000  # so that a step over all messages is a long one
pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="os.fork, which Windows has not, makes the deaths cheap"
)


async def killed(scratch: Path, version: int, rows: int, faults: list[str]) -> tuple[int, int]:
    """Kill a migration everywhere; how many deaths there were, and after how many something was left to do."""
    statements = kill_everywhere(scratch, version, rows, faults)
    messages = contents(rows)
    left = 0
    for number in range(len(statements)):
        left += bool(await check(scratch / str(number) / "hubbub.db", messages))
    return len(statements), left


async def test_a_migration_killed_at_any_statement_is_finished_by_the_next_start(tmp_path: Path) -> None:
    """From the first version on: so each step is among them."""
    deaths, left = await killed(tmp_path, 1, 60, [])
    assert deaths > 15
    assert 8 < left < deaths


async def test_a_migration_without_its_transaction_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(Wrong):
        await killed(tmp_path, 2, 20, ["without_its_transaction"])


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", OLD)
async def test_migrations_killed_and_cut_off_lose_nothing(version: int, tmp_path: Path) -> None:
    deaths, left = await killed(tmp_path, version, ROWS, [])
    recording = record(tmp_path / "cut", version, ROWS)
    counts = await cut(recording, tmp_path / "cut", seed(version), 50, at_start=True)
    assert counts.confirmed
    print(
        f"\nfrom version {version} of {VERSION}, with {ROWS:,} messages: killed {deaths} times, before each statement "
        f"and within one; finished by the next start {left} times, else it was whole; {counts.cuts} power cuts: 0 lost"
    )
