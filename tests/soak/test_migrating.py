"""A migration is done or not done, whatever interrupts it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hub.schema import MIGRATIONS, VERSION, Migration
from tests.soak import migrating
from tests.soak.migrating import cut_power, kill
from tests.soak.power import Loss

pytestmark = pytest.mark.skipif(os.name != "posix", reason="os.fork is POSIX's")


def test_a_migration_may_be_killed_before_each_of_its_statements(tmp_path: Path) -> None:
    counts = kill(tmp_path)
    assert counts["versions"] == VERSION
    assert counts["kills"] >= sum(len(each.statements) for each in MIGRATIONS)
    print(f"\n{counts['kills']} kills in migrations from {counts['versions']} versions: whole before or after, 0 lost")


async def test_a_power_cut_takes_nothing_from_a_migration(tmp_path: Path) -> None:
    assert (await cut_power(tmp_path, 12)).cuts == 12 * (VERSION - 1)


@pytest.mark.soak
async def test_a_hundred_power_cuts_take_nothing_from_a_migration(tmp_path: Path) -> None:
    counts = await cut_power(tmp_path, 100)
    print(f"\n{counts.cuts} power cuts in migrations: {counts.confirmed:,} looks for messages, 0 lost")
