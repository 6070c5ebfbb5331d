"""When a cursor passed an offset, as far as the log still shows it."""

from __future__ import annotations

import pytest

from hub.milestones import Milestones
from tests.hub.core import NOW, told

ALICE, BOB = 3, 4


def facts(*moved: tuple[int, dict[str, int]], first: int = 20) -> list:  # type: ignore[type-arg]
    """One fact a second, each of one cursor."""
    return [
        told(first + place, "$cursors", at=NOW + place, moved=[{"origin": origin, "name": "x", **upto}])
        for place, (origin, upto) in enumerate(moved)
    ]


def seconds(milestones: Milestones) -> dict[tuple[int, str], float]:
    return {key: at - NOW for key, at in milestones.at.items()}


def test_the_first_movement_that_passes_an_offset_is_when_it_was_reached() -> None:
    milestones = Milestones(10, {ALICE: {"pushed", "received", "read"}, BOB: {"pushed"}}, trimmed=0)
    milestones.learn(
        facts(
            (ALICE, {"pushed": 10, "received": 9, "read": 2}),
            (BOB, {"pushed": 12, "received": 0, "read": 0}),
            (ALICE, {"pushed": 11, "received": 11, "read": 9}),
            (ALICE, {"pushed": 11, "received": 11, "read": 11}),
            (ALICE, {"pushed": 15, "received": 15, "read": 15}),
        )
    )
    assert seconds(milestones) == {
        (ALICE, "pushed"): 0,
        (BOB, "pushed"): 1,
        (ALICE, "received"): 2,
        (ALICE, "read"): 3,
    }
    assert milestones.complete


@pytest.mark.parametrize(
    ("first", "known"),
    [(12, {}), (9, {(ALICE, "read"): 1.0})],
    ids=["nobody knows whether an earlier one had passed it", "an earlier one had not"],
)
def test_where_movements_are_no_longer_kept_the_time_is_known_only_if_it_is_certain(
    first: int, known: dict[tuple[int, str], float]
) -> None:
    milestones = Milestones(10, {ALICE: {"read"}}, trimmed=15)
    milestones.learn(facts((ALICE, {"received": first, "read": first}), (ALICE, {"received": 30, "read": 30})))
    assert seconds(milestones) == known
    assert milestones.complete, "later movements tell no more"


def test_a_fact_of_an_older_hub_says_nothing_of_pushes() -> None:
    milestones = Milestones(10, {ALICE: {"pushed", "read"}}, trimmed=0)
    milestones.learn(facts((ALICE, {"received": 12, "read": 12})))
    assert seconds(milestones) == {(ALICE, "read"): 0}
    assert not milestones.complete
