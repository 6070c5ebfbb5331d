from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from hub import claude_ipc
from hub.claude_ipc import OldDatabase
from hub.errors import BadValue, NotFound
from tests.hub.old_database import Old

MAX_BODY = 2**20


@pytest.fixture
def old(tmp_path: Path) -> Old:
    return Old(tmp_path / "old")


def items(old: Old) -> list[dict[str, Any]]:
    return [row.item for row in OldDatabase(old.path, max_body=MAX_BODY).messages()]


def test_what_was_read_comes_first_and_each_in_its_order(old: Old) -> None:
    for number, read in enumerate([True, False, True, False]):
        old.message("fred", "barney", str(number), read=read)
    assert [(each["body"], each["unread"]) for each in items(old)] == [
        ("0", []),
        ("2", []),
        ("1", ["barney"]),
        ("3", ["barney"]),
    ]


def test_a_message_belongs_to_whoever_had_the_name_then(old: Old) -> None:
    """fred became fred2 three hours ago; two hours ago somebody else came, and is called fred."""
    old.rename("fred", "fred2", 3)
    old.instance("fred2", seen=5)
    old.instance("fred", seen=1)
    old.message("barney", "fred", "to the first", hours=4)
    old.message("barney", "fred", "to the second", hours=2)
    old.message("fred", "barney", "from the first", hours=4)
    assert [(each["to"], each["from"], each["sender"]) for each in items(old)] == [
        ("fred2", "barney", "barney"),
        ("fred", "barney", "barney"),
        ("barney", "fred", "fred2"),
    ]
    names = OldDatabase(old.path, max_body=MAX_BODY).names(time.time())
    assert {each["name"] for each in names} == {"fred", "fred2"}


def test_names_renamed_in_a_circle_lead_somewhere(old: Old) -> None:
    for hours, (before, after) in enumerate([("a", "b"), ("b", "c"), ("c", "a"), ("a", "b"), ("b", "a")]):
        old.rename(before, after, 9 - hours)
    old.instance("a", seen=10)
    read = OldDatabase(old.path, max_body=MAX_BODY)
    assert read.called("a", time.time() - 10 * 3600) == "a"
    assert read.called("c", time.time() - 20 * 3600) == "a"
    old.rename("same", "same", 3)
    assert OldDatabase(old.path, max_body=MAX_BODY).called("same", 0.0) == "same"


def test_names_that_differ_by_case_become_one_and_it_is_said(old: Old) -> None:
    old.instance("Fred", "fred", "barney")
    read = OldDatabase(old.path, max_body=MAX_BODY)
    assert sorted(each["name"] for each in read.names(time.time())) == ["Fred", "barney"]
    assert dict(read.counts) == {"fred is Fred: here names match without case": 1}


def test_only_renames_of_the_last_two_hours_still_forward(old: Old) -> None:
    old.instance("new", "newer", seen=0.1)
    old.rename("old", "new", 1.5)
    old.rename("older", "newer", 2.5)
    forwards = {each["name"]: each["forwards"] for each in OldDatabase(old.path, max_body=MAX_BODY).names(time.time())}
    assert [each["name"] for each in forwards["new"]] == ["old"]
    assert forwards["newer"] == []


def test_notices_of_the_broker_itself_are_left_out_and_counted(old: Old) -> None:
    old.message("system", "fred", "barney renamed to barney2")
    old.message("barney", "fred", "hello")
    read = OldDatabase(old.path, max_body=MAX_BODY)
    assert [row.item["body"] for row in read.messages()] == ["hello"]
    assert read.left_out.total() == 1


def test_the_text_of_a_long_message_is_what_its_file_has(old: Old) -> None:
    text = "line one\n## Content\nmore " * 2000
    old.long("fred", "barney", "line one.", old.file("1.md", text))
    (item,) = items(old)
    assert item["body"] == text.strip("\n")
    assert item["data"] is None


def test_a_database_that_was_copied_finds_the_files_beside_it(old: Old, tmp_path: Path) -> None:
    path = old.file("1.md", "whole")
    old.long("fred", "barney", "sum.", path)
    copy = tmp_path / "copy"
    copy.mkdir()
    old.path.rename(copy / "messages.db")
    old.large.rename(copy / "large-messages")
    (row,) = OldDatabase(copy / "messages.db", max_body=MAX_BODY).messages()
    assert row.item["body"] == "whole"


@pytest.mark.parametrize("trick", ["elsewhere", "climbing", "link", "linked folder", "gone", "a folder", "nul"])
def test_a_file_outside_the_known_folders_is_never_read(old: Old, tmp_path: Path, trick: str) -> None:
    old.large.mkdir()
    secret = tmp_path / "secret.md"
    secret.write_text("## Content\n\nthe private key")
    path = {
        "elsewhere": secret,
        "climbing": old.large / ".." / ".." / "secret.md",
        "link": old.large / "link.md",
        "linked folder": old.large / "out" / "secret.md",
        "gone": old.large / "gone.md",
        "a folder": old.large / "folder",
        "nul": old.large / "a\0b",
    }[trick]
    if trick == "link":
        path.symlink_to(secret)
    elif trick == "linked folder":
        (old.large / "out").symlink_to(tmp_path, target_is_directory=True)
    elif trick == "a folder":
        path.mkdir()
    old.long("fred", "barney", "the summary.", path)
    read = OldDatabase(old.path, max_body=MAX_BODY)
    (row,) = read.messages()
    assert "private key" not in str(row.item)
    assert row.item["body"].startswith("the summary.")
    assert any("only its summary was taken" in what for what in read.counts)


def test_a_long_message_over_max_body_leaves_its_summary(old: Old) -> None:
    old.long("fred", "barney", "the summary.", old.file("1.md", "x" * 5000))
    read = OldDatabase(old.path, max_body=4096)
    (row,) = read.messages()
    assert row.item["body"].startswith("the summary.")
    assert dict(read.counts) == {"long message over max_body: only its summary was taken": 1}


@pytest.mark.parametrize(
    ("stored", "data"),
    [
        (None, None),
        ("", None),
        ("{}", None),
        ('{"a": [1, null]}', {"a": [1, None]}),
        ("not json", "not json"),
        ('{"a": NaN}', '{"a": NaN}'),
        ('"\\ud800"', "?"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_whatever_stands_beside_a_message_can_be_sent_on(old: Old, stored: str | None, data: Any) -> None:
    old.run(
        "INSERT INTO messages (from_id, to_id, content, timestamp, data) VALUES (?, ?, ?, ?, ?)",
        ("fred", "barney", "x", old.time(1), stored),
    )
    (item,) = items(old)
    assert item["data"] == data


def test_bytes_that_are_no_text_and_a_time_that_is_none(old: Old) -> None:
    old.message("fred", "barney", "first", hours=5)
    old.run(
        "INSERT INTO messages (from_id, to_id, content, timestamp) VALUES (?, ?, CAST(? AS TEXT), ?)",
        ("fred", "barney", b"caf\xe9", "yesterday"),
    )
    first, second = items(old)
    assert second["body"] == "caf\ufffd"
    assert second["at"] == first["at"]


def test_an_older_database_lacks_columns_and_tables(tmp_path: Path) -> None:
    old = Old(tmp_path)
    for table in ("sessions", "name_history", "instances"):
        old.run(f"DROP TABLE {table}", ())
    for column in ("data", "summary", "large_file_path", "read_flag"):
        old.run(f"ALTER TABLE messages DROP COLUMN {column}", ())
    old.run("INSERT INTO messages (from_id, to_id, content, timestamp) VALUES ('a', 'b', 'hello', ?)", (old.time(1),))
    read = OldDatabase(old.path, max_body=MAX_BODY)
    assert [row.item["unread"] for row in read.messages()] == [["b"]]
    assert (read.names(time.time()), read.sessions(time.time())) == ([], [])


def test_a_message_keeps_its_id_wherever_the_file_lies_and_whoever_is_renamed(old: Old) -> None:
    old.message("fred", "barney", "hello")
    (before,) = items(old)
    old.run("UPDATE messages SET read_flag = 1, to_id = 'barney2'", ())
    (after,) = items(old)
    assert before["id"] == after["id"]


def test_what_is_no_such_database_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is not there"):
        OldDatabase(tmp_path / "none.db", max_body=1)
    (tmp_path / "text.db").write_text("no database at all, but text that is long enough " * 40)
    with pytest.raises(BadValue, match="cannot be read"):
        OldDatabase(tmp_path / "text.db", max_body=1)
    other = Old(tmp_path / "other")
    other.run("DROP TABLE messages", ())
    with pytest.raises(BadValue, match="not a database of claude-ipc-mcp"):
        OldDatabase(other.path, max_body=1)


def test_both_known_places_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, older = tmp_path / "new" / "messages.db", tmp_path / "ipc-messages.db"
    monkeypatch.setattr(claude_ipc, "KNOWN", (new, older))
    with pytest.raises(NotFound, match="No database"):
        claude_ipc.find(None)
    Old(new.parent)
    assert claude_ipc.find(None) == [new]
    older.write_bytes(new.read_bytes())
    assert claude_ipc.find(None) == [new, older]
    assert claude_ipc.find(tmp_path / "new") == [new]
