"""Who may take which name: claims, suggestions, forwarding, and what waits for a name."""

from __future__ import annotations

import pytest

from hub import frames
from hub.bounds import MAX_NAMES
from hub.errors import BadName, NameTaken, TooMany
from hub.hub import Hub
from tests.hub.core import Core


def test_a_name_that_is_being_registered_is_nobody_elses() -> None:
    core = Core()
    joining = core.hub.join(frames.Hello(name="alice"), core.now)
    assert joining.register is not None
    for attempt in (
        lambda: core.hub.join(frames.Hello(name="ALICE", share=True, take_over=True), core.now),
        lambda: core.hub.register("Alice", core.now),
        lambda: core.hub.rename(core.register("bob"), "alice", core.now),
    ):
        with pytest.raises(NameTaken, match="is being registered by somebody else"):
            attempt()
    core.store(joining.register)
    assert core.hub.instance("alice").name == "alice"


@pytest.mark.parametrize("settle", ["commit", "failed"])
def test_a_claim_ends_with_its_fact(settle: str) -> None:
    core = Core()
    joining = core.hub.join(frames.Hello(name="alice"), core.now)
    assert joining.register is not None
    match settle:
        case "commit":
            core.store(joining.register)
        case "failed":
            core.hub.failed([joining.register])
    assert core.session("alice").instance is core.hub.instance("alice")


def test_of_two_hellos_at_once_the_second_to_open_is_refused() -> None:
    core = Core()
    first = core.hub.join(frames.Hello(name="alice"), core.now)
    assert first.register is not None
    core.store(first.register)
    second = core.hub.join(frames.Hello(name="alice"), core.now)
    core.hub.open(second, core.now, lambda: None)
    with pytest.raises(NameTaken):
        core.hub.open(first, core.now, lambda: None)
    assert len(core.hub.sessions) == 1


@pytest.mark.parametrize(
    ("there", "wanted", "suggested"),
    [
        (["alice"], "alice", "alice-2 is free"),
        (["Alice"], "ALICE", "Alice-2 is free"),
        (["alice", "alice-2", "ALICE-3"], "alice", "alice-4 is free"),
        (["x" * 32], "x" * 32, f"{'x' * 30}-2 is free"),
        ([f"{'x' * 32}", *(f"{'x' * 30}-{n}" for n in range(2, 10))], "x" * 32, f"{'x' * 29}-10 is free"),
    ],
)
def test_a_taken_name_is_refused_with_one_that_is_free(there: list[str], wanted: str, suggested: str) -> None:
    core = Core()
    for name in there:
        core.session(name)
    with pytest.raises(NameTaken, match="is taken by a live session") as why:
        core.session(wanted)
    assert suggested in (why.value.hint or "")
    core.session((why.value.hint or "").split()[0])


def test_a_name_that_only_forwards_is_not_suggested() -> None:
    core = Core()
    core.session("alice")
    core.rename(core.register("alice-2"), "bob")
    with pytest.raises(NameTaken) as why:
        core.session("alice")
    assert "alice-3 is free" in (why.value.hint or "")


def test_a_name_that_forwards_is_not_given_to_others() -> None:
    core = Core()
    core.rename(core.register("alice"), "anna")
    bob = core.register("bob")
    with pytest.raises(NameTaken, match="alice is taken: it forwards to anna"):
        core.rename(bob, "alice")
    core.now += 7200
    core.store(*core.hub.due(core.now))
    core.rename(bob, "alice")
    assert core.hub.instance("alice") is bob


def test_a_name_goes_back_to_whoever_had_it_last() -> None:
    core = Core()
    alice = core.register("alice")
    core.rename(alice, "anna")
    core.rename(alice, "alice")
    assert core.hub.registry.held["alice"].forwards_until is None
    assert core.hub.registry.held["anna"].forwards_until == core.now + 7200


def test_a_name_whose_bearer_is_away_is_still_taken_for_a_rename() -> None:
    core = Core()
    core.register("alice")
    with pytest.raises(NameTaken, match=r"^alice is taken\. "):
        core.rename(core.register("bob"), "ALICE")


def test_the_same_name_again_is_nothing_and_another_spelling_is_a_rename() -> None:
    core = Core()
    alice = core.register("alice")
    assert core.hub.rename(alice, "alice", core.now) is None
    core.rename(alice, "ALICE")
    assert alice.name == "ALICE"
    assert len(alice.holdings) == 1


def test_a_bad_name_is_refused_and_claims_nothing() -> None:
    core = Core()
    alice = core.register("alice")
    with pytest.raises(BadName):
        core.rename(alice, "not a name")
    core.rename(alice, "anna")


def test_of_two_renames_at_once_the_second_is_refused() -> None:
    """Else the name of the first would be held for ever: nothing says when it stops to forward."""
    core = Core()
    alice = core.register("alice")
    first = core.hub.rename(alice, "anna", core.now)
    with pytest.raises(NameTaken, match="alice is being given another name already"):
        core.hub.rename(alice, "alina", core.now)
    core.store(first)
    core.rename(alice, "alina")
    assert [each.forwards_until is None for each in alice.holdings] == [False, False, True]


def test_nobody_is_renamed_to_a_name_for_which_something_waits() -> None:
    core = Core()
    alice, bob = core.register("alice"), core.register("bob")
    waits = core.draft(bob, "carol", ttl=60.0)
    with pytest.raises(NameTaken, match="1 message waits for whoever registers as carol"):
        core.rename(alice, "carol")
    core.store(waits)
    core.say(bob, "carol", ttl=60.0)
    with pytest.raises(NameTaken, match="2 messages wait"):
        core.rename(alice, "carol")
    core.now += 60
    core.rename(alice, "carol")
    assert alice.name == "carol"


def test_the_number_of_names_at_once_is_bounded() -> None:
    core = Core()
    alice = core.register("alice")
    for number in range(2, MAX_NAMES + 1):
        core.rename(alice, f"alice{number}")
    with pytest.raises(TooMany, match=f"has {MAX_NAMES} names already"):
        core.rename(alice, "one-too-many")
    core.rename(alice, "alice")  # back to one that it has
    core.now += 7200
    core.store(*core.hub.due(core.now))
    core.rename(alice, "one-too-many")


def test_the_number_of_instances_is_bounded_with_those_under_way() -> None:
    core = Core(max_instances=2)
    core.register("alice")
    under_way = core.hub.register("bob", core.now)
    with pytest.raises(TooMany, match="max_instances"):
        core.hub.register("carol", core.now)
    core.hub.failed([under_way] if under_way else [])
    core.register("carol")
    with pytest.raises(TooMany):
        core.hub.join(frames.Hello(name="bob"), core.now)
    assert core.hub.register("Alice", core.now) is None, "who is there already may come"


def test_a_name_is_told_to_be_free_once() -> None:
    core = Core()
    core.rename(core.register("alice"), "anna")
    core.now += 7199
    assert core.hub.due(core.now) == []
    core.now += 1
    facts = core.hub.due(core.now)
    assert [each.data for each in facts] == [{"name": "alice"}]
    assert core.hub.due(core.now) == [], "it is on its way to the log"
    core.hub.failed(facts)
    core.store(*core.hub.due(core.now))
    assert core.hub.due(core.now) == []
    assert core.hub.registry.find("alice") is None


def test_a_name_that_is_being_taken_back_is_not_told_to_be_free() -> None:
    core = Core()
    alice = core.register("alice")
    core.rename(alice, "anna")
    core.now += 7200
    back = core.hub.rename(alice, "alice", core.now)
    assert core.hub.due(core.now) == []
    core.store(back)
    assert core.hub.instance("alice") is alice


def test_a_name_that_was_taken_back_while_its_end_was_on_the_way_stays() -> None:
    core = Core()
    alice = core.register("alice")
    core.rename(alice, "anna")
    core.now += 7200
    ends = core.hub.due(core.now)
    back = core.hub.rename(alice, "alice", core.now)
    core.store(back, *ends)
    assert core.hub.instance("alice") is alice
    assert isinstance(core.hub, Hub)
