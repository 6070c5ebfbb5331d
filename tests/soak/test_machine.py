"""The core against its model, with stories that nobody has told yet: `make test` tells the same hundred each time."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.hub.test_hub_machine import HubMachine

STORIES = 5000


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_core_does_what_its_model_does_in_stories_that_are_new() -> None:
    first = random.randrange(2**32)
    print(f"\n{STORIES} stories of 40 steps, from seed {first}")
    run_state_machine_as_test(
        seed(first)(HubMachine),
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=40,
            derandomize=False,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
