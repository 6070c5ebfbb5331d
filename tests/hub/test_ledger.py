"""What is left for a commit is stored by it, and by no other."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.ledger import ROWS, Ledger
from hub.schema import migrate
from hub.tables import folding, row_of
from tests.hub.core import message, told


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    path = tmp_path / "hub.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db)
    with closing(sqlite3.connect(path, isolation_level="IMMEDIATE", factory=Ledger)) as ledger:
        yield ledger


def stored(ledger: Ledger) -> list[tuple[int, str]]:
    return list(ledger.execute("SELECT offset, body FROM messages ORDER BY offset"))


@pytest.mark.parametrize("count", [1, 3, 4, 5, 16, 63, 64, 65, 150, 1024])
def test_a_batch_of_any_size_is_stored_whole_and_in_order(ledger: Ledger, count: int) -> None:
    messages = [message(offset) for offset in range(1, count + 1)]
    ledger.leave([row_of(each) for each in messages], folding(messages))
    ledger.commit()
    ledger.rollback()
    assert stored(ledger) == [(each.offset, each.body) for each in messages]


def test_what_facts_change_is_stored_with_them(ledger: Ledger) -> None:
    facts = [told(1, "$instance.registered", name="alice"), told(2, "$instance.registered", name="bob")]
    ledger.leave([row_of(each) for each in facts], folding(facts))
    ledger.commit()
    ledger.rollback()
    assert list(ledger.execute("SELECT origin, name FROM instances ORDER BY origin")) == [(1, "alice"), (2, "bob")]


def test_a_crowds_cursors_move_each_to_its_own_place_and_never_back(ledger: Ledger) -> None:
    count = 256 + 64 + 16 + 4 + 2
    facts = [told(place, "$instance.registered", name=f"agent-{place}") for place in range(1, count + 1)]
    facts += [
        told(
            count + step, "$cursors", moved=[{"origin": each, "received": each + gone, "read": each} for each in crowd]
        )
        for step, (gone, crowd) in enumerate([(5, range(1, count + 1)), (-1, range(count, 0, -1)), (9, [7, 9999])], 1)
    ]
    ledger.leave([row_of(each) for each in facts], folding(facts))
    ledger.commit()
    ledger.rollback()
    assert list(ledger.execute("SELECT origin, received, read FROM instances ORDER BY origin")) == [
        (each, each + (9 if each == 7 else 5), each) for each in range(1, count + 1)
    ]


def test_what_was_stored_or_refused_is_not_left_for_the_next_commit(ledger: Ledger) -> None:
    good, twice = message(1), message(1, id="another")
    ledger.leave([row_of(good)], [])
    ledger.commit()
    ledger.leave([row_of(message(2)), row_of(twice)], [])
    with pytest.raises(sqlite3.IntegrityError):
        ledger.commit()
    ledger.rollback()
    ledger.commit()
    assert stored(ledger) == [(1, good.body)]


def test_a_batch_takes_few_statements(ledger: Ledger) -> None:
    said: list[str] = []
    ledger.leave([row_of(message(offset)) for offset in range(1, 101)], [])
    ledger.set_trace_callback(said.append)
    ledger.commit()
    assert sum("INSERT" in each for each in said) == 100 // 64 + 36 // 16 + 4 // 4
    assert ROWS[-1] == 1, "whatever is left has a statement"
