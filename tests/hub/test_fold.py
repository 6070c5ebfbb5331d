"""What a fact changes; and that memory and SQL fold any story the hub can tell to the same tables."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import fold, schema
from hub.errors import HubbubError
from hub.message import OVERHEAD, Message
from hub.tables import folding
from tests.hub.core import NOW, Core, message, told

NAMED = {value for name, value in vars(fold).items() if name.isupper() and isinstance(value, str)}
FACTS = {value for value in NAMED if value.startswith("$") and value != fold.HUB}


@pytest.mark.parametrize(
    ("topic", "data", "changes"),
    [
        ("$hub.started", {"version": "1"}, []),
        ("$hub.stopped", {"reason": "x"}, []),
        ("$instance.registered", {"name": "Alice"}, [fold.Registered(9, "alice", "Alice", NOW)]),
        (
            "$instance.renamed",
            {"origin": 3, "old": "Bob", "name": "Rob", "forwards_until": 5.0},
            [fold.Renamed(3, "bob", "rob", "Rob", 9, 5.0)],
        ),
        ("$instance.forgot", {"name": "Bob"}, [fold.Forgot("bob", 9)]),
        ("$session.joined", {"origin": 3, "name": "Bob", "client": None, "sessions": 1}, [fold.Seen(3, NOW)]),
        ("$session.left", {"origin": 3, "name": "Bob", "reason": "x", "sessions": 1}, [fold.Seen(3, NOW)]),
        (
            "$session.left",
            {"origin": 3, "name": "Bob", "reason": "x", "sessions": 0},
            [fold.Seen(3, NOW), fold.Announced(3, NOW)],
        ),
        (
            "$instance.presence",
            {"origin": 3, "name": "Bob", "activity": "idle", "hops": ["hook"], "wakes": True, "client": None},
            [fold.Announced(3, NOW, "idle", ("hook",), True)],
        ),
        ("$subscription.added", {"origin": 3, "name": "Bob", "topic": "a.>"}, [fold.Subscribed(3, "a.>", 9)]),
        ("$subscription.removed", {"origin": 3, "name": "Bob", "topic": "a.>"}, [fold.Unsubscribed(3, "a.>")]),
        (
            "$cursors",
            {"moved": [{"origin": o, "name": "x", "received": 5, "read": 4} for o in (3, 4)]},
            [fold.Moved(3, 5, 4, NOW), fold.Moved(4, 5, 4, NOW)],
        ),
    ],
)
def test_a_fact_is_read_back_as_changes(topic: str, data: dict[str, Any], changes: list[fold.Change]) -> None:
    assert list(fold.changes(told(9, topic, **data))) == changes


def test_the_table_above_the_code_has_every_fact() -> None:
    listed = set(re.findall(r"^\| `(\$[a-z.]+)`", fold.__doc__ or "", re.MULTILINE))
    assert listed == FACTS


@pytest.mark.parametrize("topic", ["build", "inbox.alice", "all"])
def test_what_anybody_says_changes_nothing(topic: str) -> None:
    """Whatever stands in its data."""
    said = message(9, topic, data={"name": "Alice", "origin": 1, "moved": []})
    assert list(fold.changes(said)) == []


def test_a_fact_is_the_hubs_own_and_is_measured() -> None:
    draft = fold.fact("id", "$hub.stopped", {"reason": "é"}, "the hub stopped", NOW)
    assert (draft.sender, draft.origin, draft.to, draft.at, draft.expires_at) == ("$hub", 0, "#$hub.stopped", NOW, None)
    assert draft.size == OVERHEAD + len("the hub stopped") + len('{"reason":"é"}'.encode())


# Memory and SQL

STEP = st.one_of(
    st.tuples(st.just("register"), st.sampled_from(["alice", "Bob", "carol"])),
    st.tuples(st.just("rename"), st.sampled_from(["alice", "bob", "carol"]), st.sampled_from(["Alice", "dave", "bob"])),
    st.tuples(st.just("subscribe"), st.sampled_from(["alice", "bob"]), st.sampled_from(["a", "a.>"])),
    st.tuples(st.just("unsubscribe"), st.sampled_from(["alice", "bob"]), st.sampled_from(["a", "a.>"])),
    st.tuples(st.just("read"), st.sampled_from(["alice", "bob"]), st.integers(0, 3)),
    st.tuples(st.just("join"), st.sampled_from(["alice", "bob"])),
    st.tuples(st.just("say"), st.sampled_from(["alice", "bob"]), st.sampled_from(["alice", "dave", "#a", "all"])),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 7201.0])),
    st.tuples(st.just("again")),
)


def act(core: Core, what: str, *how: Any) -> None:
    """One thing that somebody does; what the rules forbid is not done."""
    if what == "wait":
        core.now += how[0]
        core.store(*core.hub.due(core.now), *core.hub.cursors(core.now))
    elif what == "again":  # a name's end is told twice: it must count once
        facts = core.hub.due(core.now)
        core.hub.failed(facts)
        core.store(*facts, *core.hub.due(core.now))
    elif what == "register":
        core.store(core.hub.register(how[0], core.now))
    else:
        instance = core.hub.instance(how[0])
        match what:
            case "rename":
                core.rename(instance, how[1])
            case "subscribe":
                core.subscribe(instance, how[1])
            case "unsubscribe":
                core.store(core.hub.unsubscribe(instance, how[1], core.now))
            case "read":
                core.read(instance, core.hub.head - how[1])
            case "join":
                core.leave(core.session(how[0]))
            case "say":
                core.say(instance, how[1])


def tables(messages: list[Message]) -> sqlite3.Connection:
    """The tables that SQL makes of a story, as history does in the transaction that stores it."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(db)
    for sql, parameters in folding(messages):
        db.executemany(sql, parameters)
    return db


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=25))
def test_memory_and_sql_fold_a_story_to_the_same(story: list[tuple[Any, ...]]) -> None:
    core = Core()
    for what, *how in [("register", "alice"), ("register", "bob"), *story]:
        try:
            act(core, what, *how)
        except HubbubError:
            continue
    core.store(*core.hub.cursors(core.now, at_once=True))
    db = tables([each for _, each in sorted(core.log.items())])
    everybody = core.hub.registry.instances.values()
    assert db.execute("SELECT origin, name, read, received FROM instances ORDER BY origin").fetchall() == [
        (each.origin, each.name, each.read, each.received) for each in everybody
    ]
    assert set(db.execute("SELECT key, name, origin, since, until, forwards_until FROM holdings").fetchall()) == {
        (each.key, each.name, each.origin, each.since, each.until, each.forwards_until)
        for instance in everybody
        for each in instance.holdings
    }
    assert set(db.execute("SELECT origin, pattern, since FROM subscriptions").fetchall()) == {
        (each.origin, pattern, since) for each in everybody for pattern, since in each.subscriptions.items()
    }
    db.close()
