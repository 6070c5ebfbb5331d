"""A connection that breaks in the middle of a frame costs nobody a message, unless it is said which."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from hub.hub import Hub
from tests.soak.cuts import Wires


async def test_who_is_cut_off_in_the_middle_of_a_frame_resumes_or_is_told_of_a_gap(tmp_path: Path) -> None:
    cut = await Wires(seed=5).run(tmp_path / "home", cuts=60)
    assert cut.verdict.good, cut.verdict.explain()
    assert cut.resumed > 10
    assert cut.verdict.counts["gaps"] > 0, "nobody missed anything: nothing was shown"


async def test_whoever_resumes_one_message_too_late_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Hub.open

    def one_too_late(self: Hub, *parts: Any) -> Any:
        session, welcome, facts = opened(self, *parts)
        if welcome.resumed and session.position < self.head:
            session.position += 1
        return session, welcome, facts

    monkeypatch.setattr(Hub, "open", one_too_late)
    cut = await Wires(seed=5).run(tmp_path / "home", cuts=30)
    assert cut.verdict.broken["unannounced gaps"], cut.verdict.explain()


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_a_thousand_cuts_cost_nobody_a_message(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"\ncuts, seed {seed}")
    cut = await Wires(seed).run(tmp_path / "home", cuts=1000)
    print(f"{cut.cuts:,} connections cut, {cut.resumed:,} resumed: {cut.verdict}")
    assert cut.verdict.good, cut.verdict.explain()
