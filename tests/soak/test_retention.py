"""Trimming while readers are behind: what is gone is announced once, what is kept arrives, and nobody waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hub.log import Trimmed
from hub.node import Node
from tests.soak.retention import behind_retention

SHORT: Any = {"kept": 2**18, "rows": 100}  # as many slices and readers as behind, with fewer messages


async def test_a_reader_whose_place_is_gone_is_told_once_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (await behind_retention(tmp_path / "home", 400, monkeypatch, **SHORT)).judge()


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_twenty_thousand_messages_through_a_megabyte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = await behind_retention(tmp_path / "home", 20_000, monkeypatch)
    print(f"\n{outcome}")
    outcome.judge()


async def test_a_trim_of_one_more_than_is_told_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed = Node._trim

    def one_less(told: Trimmed) -> Trimmed:
        return told._replace(topics=[(topic, count, size, newest - 1) for topic, count, size, newest in told.topics])

    async def forgetful(self: Node) -> bool:
        hub_trimmed = self.hub.trimmed
        monkeypatch.setattr(self.hub, "trimmed", lambda told: hub_trimmed(one_less(told)))
        try:
            return await trimmed(self)
        finally:
            monkeypatch.setattr(self.hub, "trimmed", hub_trimmed)

    monkeypatch.setattr(Node, "_trim", forgetful)
    with pytest.raises(AssertionError, match="without a word"):
        (await behind_retention(tmp_path / "home", 400, monkeypatch, **SHORT)).judge()


async def test_two_slices_in_a_row_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed = Node._trim

    async def greedy(self: Node) -> bool:
        while await trimmed(self):
            pass
        return False

    monkeypatch.setattr(Node, "_trim", greedy)
    outcome = await behind_retention(tmp_path / "home", 400, monkeypatch, kept=2**17, rows=10, every=0.5)
    with pytest.raises(AssertionError, match="more than one slice"):
        outcome.judge()
