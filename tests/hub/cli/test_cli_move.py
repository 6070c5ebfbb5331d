"""hubbub import, export and trim, as they are typed; what a running hub makes of it stands in test_intake.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hub.cli import exits
from tests.hub.old_database import Old

TERMS = {"max_items": 1000, "max_bytes": 8 * 2**20, "max_body": 2**20, "retention_age": 2_592_000}


def told(**parts: Any) -> dict[str, Any]:
    none = {"taken": 0, "known": 0, "again": 0, "names": 0, "forwards": 0, "sessions": 0, "left": []}
    return {**none, **parts}


@pytest.fixture
def old(tmp_path: Path) -> Old:
    return Old(tmp_path / "old")


def test_the_summary_accounts_for_each_message_with_its_reason(hub: Any, talk: Any, old: Old) -> None:
    old.instance("fred")
    for number in range(5):
        old.message("fred", "barney", str(number), read=True)
    old.message("system", "barney", "fred renamed to fred2")
    hub.on("GET", "/import", TERMS)
    left = [{"what": "x", "code": "retention_age", "why": "Older than retention_age (30d)."}]
    hub.on("POST", "/import", told(names=1), told(taken=3, known=1, left=left))
    said = talk("import", "claude-ipc", str(old.path))
    assert said.code == exits.FAILED
    assert said.out.splitlines() == [
        "6 messages: 3 taken, 1 here already, 2 left out.",
        "Names new here: 1; old names that lead to new ones: 0; sessions of old scripts that go on: 0.",
        "  left out 1: Older than retention_age (30d).",
        "  left out 1: A notice of the old broker itself, from system.",
    ]
    names, messages = hub.asks("POST", "/import")
    assert [each["name"] for each in names.body["names"]] == ["fred"]
    assert [each["body"] for each in messages.body["messages"]] == ["0", "1", "2", "3", "4"]


def test_the_old_brokers_own_notices_are_missed_by_nobody(hub: Any, talk: Any, old: Old) -> None:
    old.message("system", "barney", "fred renamed to fred2")
    hub.on("GET", "/import", TERMS)
    said = talk("import", "claude-ipc", str(old.path))
    assert (said.code, said.out.splitlines()[0]) == (exits.OK, "1 messages: 0 taken, 0 here already, 1 left out.")


def test_messages_go_in_parts_of_two_hundred(hub: Any, talk: Any, old: Old) -> None:
    for number in range(450):
        old.message("fred", "barney", str(number))
    hub.on("GET", "/import", TERMS)
    hub.on("POST", "/import", lambda request: told(taken=len(request.body["messages"])))
    said = talk("import", "claude-ipc", str(old.path), "--json")
    assert said.code == exits.OK
    assert said.json["taken"] == 450
    assert [len(each.body["messages"]) for each in hub.asks("POST", "/import")] == [200, 200, 50]


def test_no_request_is_larger_than_the_hub_takes(hub: Any, talk: Any, old: Old) -> None:
    for _ in range(12):
        old.message("fred", "barney", "\x01" * 60_000)  # six bytes each in JSON
    hub.on("GET", "/import", TERMS | {"max_body": 65_536, "max_bytes": 8 * 65_536})
    sizes: list[int] = []

    def take(request: Any) -> dict[str, Any]:
        sizes.append(int(request.headers["content-length"]))
        return told(taken=len(request.body["messages"]))

    hub.on("POST", "/import", take)
    assert talk("import", "claude-ipc", str(old.path)).code == exits.OK
    assert max(sizes) <= 8 * 65_536


def test_what_max_body_forbids_is_not_sent_at_all(hub: Any, talk: Any, old: Old) -> None:
    old.message("fred", "barney", "x" * 5000)
    hub.on("GET", "/import", TERMS | {"max_body": 4096})
    said = talk("import", "claude-ipc", str(old.path))
    assert (said.code, hub.asks("POST", "/import")) == (exits.FAILED, [])
    assert "left out 1: Larger than max_body (4,096 bytes)." in said.out


def test_a_database_that_is_nowhere_is_said_with_what_to_type(
    hub: Any, talk: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from hub import claude_ipc

    monkeypatch.setattr(claude_ipc, "KNOWN", (tmp_path / "messages.db",))
    hub.on("GET", "/import", TERMS)
    said = talk("import", "claude-ipc")
    assert said.code == exits.NOT_FOUND
    assert "hubbub import claude-ipc PATH" in said.err


def test_a_second_word_is_for_claude_ipc_only(talk: Any) -> None:
    assert talk("import", "out.jsonl", "more").code == exits.USAGE


def test_an_export_that_breaks_off_leaves_no_file(hub: Any, talk: Any, tmp_path: Path) -> None:
    heading = {"hubbub": "export", "version": 1, "at": "2026-11-22T12:00:00Z", "head": 9, "instances": []}
    hub.on(
        "GET",
        "/export",
        {"heading": heading, "lines": [], "next": 5},
        (503, {"code": "storage_failed", "message": "The disk is full.", "hint": None}),
    )
    file = tmp_path / "out.jsonl"
    assert talk("export", str(file)).code == exits.FAILED
    assert list(tmp_path.glob("out*")) == []


def test_an_export_asks_for_what_it_is_narrowed_to(hub: Any, talk: Any) -> None:
    heading = {"hubbub": "export", "version": 1, "at": "2026-11-22T12:00:00Z", "head": 9, "instances": []}
    hub.on("GET", "/export", {"heading": heading, "lines": [], "next": None})
    said = talk("export", "--with", "alice", "--thread", "t", "--since", "2026-01-01T00:00:00Z")
    assert json.loads(said.out) == heading
    (asked,) = hub.asks("GET", "/export")
    assert asked.query == {"after": "0", "thread": "t", "with": "alice", "since": "2026-01-01T00:00:00+00:00"}
    assert talk("export", "--since", "whenever").code == exits.USAGE


def test_trim_asks_for_what_it_is_told_and_says_what_went(hub: Any, talk: Any) -> None:
    hub.on("POST", "/trim", {"removed": 1200, "bytes": 34_000, "floor": 1300})
    said = talk("trim", "--older-than", "7d")
    assert said.out == "1,200 messages are gone, 34,000 bytes; the oldest kept is 1300.\n"
    assert hub.asks("POST", "/trim")[0].body == {"older_than": 7 * 86_400}


def test_what_will_have_gone_by_then_is_only_looked_at(hub: Any, talk: Any) -> None:
    ahead = {"messages": 0, "bytes": 0, "upto": 0, "unread": 0, "oldest_at": None, "next_at": None, "kept_bytes": 0}
    hub.on("GET", "/trim", {**ahead, "retention_age": 60.0, "retention_size": 2**20})
    assert talk("trim", "--dry-run", "--within", "7d").out == "Nothing would go within 7d.\n"
    assert hub.asks("GET", "/trim")[0].query == {"within": str(7 * 86_400.0)}
    assert talk("trim", "--within", "7d").code == exits.USAGE
    assert not hub.asks("POST", "/trim")
