"""An id is stored once, however often it is sent and whatever ends in between."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.hub.live import live
from tests.soak.retries import Clerk


async def test_publishes_retried_across_restarts_are_stored_once(tmp_path: Path) -> None:
    counts = await Clerk(tmp_path / "home", seed=3, messages=400, restarts=2).work()
    assert (counts.stored, counts.moved) == (400, 0)
    assert counts.attempts >= 1200
    assert (counts.kills, counts.stops) == (1, 1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_ten_thousand_publishes_retried_three_times_are_ten_thousand(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"\nretries, seed {seed}")
    counts = await Clerk(tmp_path / "home", seed, messages=10_000, restarts=20).work()
    print(
        f"{counts.messages:,} publishes sent {counts.attempts:,} times over {counts.kills} kills and "
        f"{counts.stops} stops: {counts.stored:,} stored, {counts.moved} told two offsets"
    )
    assert (counts.stored, counts.moved) == (10_000, 0)


async def test_what_is_stored_is_not_refused_when_it_is_sent_again_and_the_inbox_is_full_by_then(
    tmp_path: Path,
) -> None:
    async with live(tmp_path / "home", inbox_messages=1) as hub, hub.session("bob") as bob:
        first = await bob.publish("alice", "one", id="a")
        again = await bob.publish("alice", "one", id="a")
        assert (again["type"], again["offset"]) == ("published", first["offset"])
        posted = await hub.request("POST", "/api/v1/messages", {"as": "bob", "to": "alice", "body": "one", "id": "a"})
        assert (posted.status_code, posted.json()["offset"]) == (200, first["offset"])
        assert (await bob.publish("alice", "two", id="b"))["code"] == "inbox_full"
        assert (await bob.publish("alice", "two"))["code"] == "inbox_full"


async def test_what_is_under_way_is_not_refused_when_it_is_sent_again(tmp_path: Path) -> None:
    async with live(tmp_path / "home", inbox_messages=1) as hub, hub.session("bob") as bob:
        for ref in (1, 2, 3):
            await bob.send({"type": "publish", "ref": ref, "to": "alice", "body": "one", "id": "a"})
        told = [await bob.frame("published") for _ in range(3)]
        assert len({each["offset"] for each in told}) == 1
        assert [each["ref"] for each in told] == [1, 2, 3]
