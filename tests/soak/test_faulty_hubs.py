"""Faults planted in a hub or in an agent, and each soak test held to find those that it is there for.

Those of cuts and of retention stand beside their tests; the simulation's in test_faults_in_simulation.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.soak.absent import stopped_client
from tests.soak.agents import Killings
from tests.soak.crowds import reconnections
from tests.soak.faulty_hub import command
from tests.soak.retries import Clerk
from tests.soak.slow import stuck_among
from tests.soak.storm import Storm
from tests.soak.test_absent import QUICK
from tests.soak.test_crowds import judge as judge_crowd
from tests.soak.test_slow import judge as judge_slow
from tests.soak.test_storm import judge as judge_storm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="as the tests that they are about")


@pytest.mark.parametrize("planted", ["whoever_comes_back_begins_at_the_head", "whoever_comes_back_begins_again"])
async def test_a_crowd_finds(planted: str, tmp_path: Path) -> None:
    storm = await reconnections(tmp_path / "home", 20, command(planted))
    assert storm.lost + storm.doubled > 0
    with pytest.raises(AssertionError):
        judge_crowd(storm, 60)


async def test_a_reader_that_takes_nothing_finds(tmp_path: Path) -> None:
    faulty = command("the_last_word_waits_for_room")
    outcome = await stuck_among(tmp_path / "home", 2, reads_again=True, seconds=1.0, command=faulty)
    judge_slow(outcome, 1.0)  # it is closed all the same
    assert outcome.code != 4012, "but it is not told why"


async def test_a_slow_reader_that_is_never_closed_is_noticed(tmp_path: Path) -> None:
    faulty = command("nobody_is_ever_too_slow")
    with pytest.raises(TimeoutError):
        await stuck_among(tmp_path / "home", 2, reads_again=True, seconds=0.5, patience=2, command=faulty)


async def test_a_stopped_client_that_is_never_found_out_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        await stopped_client(tmp_path / "home", within=2, command=command("nobody_is_pinged"), **QUICK)


async def test_a_retry_that_is_stored_again_is_noticed(tmp_path: Path) -> None:
    faulty = command("a_retry_is_stored_again")
    counts = await Clerk(tmp_path / "home", 3, messages=50, restarts=0, command=faulty).work()
    assert counts.stored > 50
    assert counts.moved > 0


async def test_a_dropped_wake_is_noticed(tmp_path: Path) -> None:
    faulty = command("one_wake_of_five_is_dropped")
    verdict = await Storm(tmp_path / "home", 1, agents=False, command=faulty, patience=2).rage(rounds=1)
    assert verdict.broken["unannounced gaps"], verdict.explain()


async def test_a_script_that_loses_its_reply_is_noticed(tmp_path: Path) -> None:
    faulty = command("a_reply_that_was_sent_counts_as_read")
    storm = Storm(tmp_path / "home", 1, agents=False, command=faulty, patience=10)
    storm.old.dies, storm.old.most = 1.0, 2
    verdict = await storm.rage(rounds=1)
    assert storm.old.died > 0
    assert any(each.startswith("old/") for each in verdict.broken["unannounced gaps"]), verdict.explain()


async def test_a_confirmation_before_the_commit_is_noticed(tmp_path: Path) -> None:
    faulty = command("it_confirms_before_it_commits")
    storm = Storm(tmp_path / "home", 1, agents=False, command=faulty, patience=2)
    # It is lost; or somebody was given it before, and is not resumed by a hub that has never heard of it; or a script
    # is a stranger to that.
    with pytest.raises(AssertionError, match=r"\b[1-9]\d* lost|'resumed': False|no mail for"):
        judge_storm(await storm.rage(rounds=1))


async def test_an_agent_that_confirms_what_no_model_has_seen_is_noticed(tmp_path: Path) -> None:
    faulty = command("what_was_pushed_counts_as_read")
    killings = Killings(
        tmp_path / "home", 3, hub_too=False, command=faulty
    )  # connected first, then killed before a tool
    verdict = await killings.run(rounds=1)
    assert verdict.broken["unannounced gaps"], verdict.explain()
    assert killings.never_had > 0
