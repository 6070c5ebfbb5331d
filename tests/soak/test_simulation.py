"""Bad days, by the dozen and by the thousand: whatever the weather was, the checker finds nothing."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.soak.simulation import play, summed, tally

ROOT = Path(__file__).parents[2]


def test_a_dozen_bad_days_break_no_invariant() -> None:
    said = summed(map(tally, range(12)))
    assert " 0 cuts" not in said, "the weather was too good to prove anything"
    assert " 0 gaps" not in said
    assert " 0 refused" not in said


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_bad_days_break_no_invariant() -> None:
    first = random.randrange(2**32)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        said = summed(pool.map(tally, range(first, first + 1000), chunksize=20))
    print(f"\nsimulation, seeds {first} to {first + 999}: {said}")


def test_the_same_seed_is_the_same_day() -> None:
    first, again, other = play(7), play(7), play(8)
    assert first.trace == again.trace
    assert first.digest != other.digest


def test_the_command_that_a_failing_seed_prints_replays_it() -> None:
    outcome = play(7)._replace(troubles=["somebody stumbled"])
    assert not outcome.good
    command = outcome.explain().splitlines()[-1].partition(": ")[2].split()
    assert command[0] == "python"
    # Another process, and another hash of every text: nothing may hang on the order of a set.
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    replayed = subprocess.run(
        [sys.executable, *command[1:], "--quiet"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert replayed.returncode == 0, replayed.stderr
    assert replayed.stdout.split()[0] == outcome.digest
