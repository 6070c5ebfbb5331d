"""Damaged databases: never a silent start, never a loop of crashes; set aside, recovered, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from hub import recovery, soundness, writer
from tests.soak.damage import Home, Wrong, harm
from tests.soak.test_power import seed

REPLAY = "HUBBUB_SEED={} pytest -m soak -k damaged_databases"


async def test_a_dozen_damaged_databases_are_noticed_and_what_is_readable_is_recovered(tmp_path: Path) -> None:
    home = await Home.make(tmp_path)
    counts: Counter[str] = Counter()
    for number in range(12):
        counts += await harm(home, tmp_path, seed(0) + number, with_hub=number == 11)
    assert counts["damaged"] == 12
    assert sum(many for what, many in counts.items() if what.startswith("set aside")) >= 6


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_three_hundred_damaged_databases_are_noticed_and_what_is_readable_is_recovered(tmp_path: Path) -> None:
    begin = seed()
    print(f"\nseed {begin}; again: {REPLAY.format(begin)}")
    home = await Home.make(tmp_path)
    counts: Counter[str] = Counter()
    for number in range(300):
        counts += await harm(home, tmp_path, begin + number, with_hub=number % 15 == 0)
    told = ", ".join(f"{many} {what}" for what, many in sorted(counts.items()) if what != "damaged")
    never = "0 messages silently wrong, 0 refused to start, 0 set aside twice"
    print(f"{counts['damaged']} damaged databases: {never}; {told}")
    assert counts["damaged"] == 300


# Tests of the test


def recovers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_recover", lambda damaged, fresh, opened: None)


def looks_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "fault", lambda path, synchronous: None)


def trusts_what_sqlite_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundness, "_check_contents", lambda db: None)


def trusts_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundness, "damage", lambda *rest, **more: None)
    monkeypatch.setattr(writer, "write_again", lambda path: None)


async def harm_by_turns(home: Home, scratch: Path, seeds: range) -> None:
    """What a seed hits depends on where the tables lie, so which of them shows a fault does as well."""
    for each in seeds:
        await harm(home, scratch, each)


@pytest.mark.parametrize(
    ("fault", "shown_by"),
    [(recovers_nothing, 0), (looks_at_nothing, 0), (trusts_what_sqlite_reads, 8), (trusts_the_journal, 16)],
)
async def test_damage_finds(
    fault: Callable[[pytest.MonkeyPatch], None], shown_by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = await Home.make(tmp_path)
    fault(monkeypatch)
    with pytest.raises(Wrong):
        await harm_by_turns(home, tmp_path, range(shown_by, shown_by + 40))
