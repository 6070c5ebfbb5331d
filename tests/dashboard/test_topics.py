from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from dashboard.topics import topics
from tests.dashboard.hours import NOON, a_busy_hour, a_hostile_hour, a_queue, a_snapshot, before, nobody_yet
from tests.dashboard.reading import Reading, browse
from tests.dashboard.things import DAY, some_topics

HOUR = 3600


def told(**more: Any) -> dict[str, Any]:
    return some_topics(a_busy_hour()) | more


def test_the_one_furthest_behind_comes_first() -> None:
    rows = topics(told(), zone=UTC).rows
    assert [(row.topic, row.backlog) for row in rows[:5]] == [
        ("inbox.docs", "2"),
        ("build.macos", "1"),
        ("build.linux", "1"),
        ("inbox.reviewer_2", "1"),
        ("all", "0"),
    ]


def test_a_topic_leads_to_its_conversation_and_an_inbox_to_its_owner() -> None:
    links = {row.topic: row.link for row in topics(told(), zone=UTC).rows}
    assert links["build.linux"] == "/conversation?topic=build.linux"
    assert links["inbox.docs"] == "/instances/docs"


def test_what_it_got_and_when_its_oldest_goes_is_told() -> None:
    row = next(row for row in topics(told(), zone=UTC).rows if row.topic == "build.linux")
    assert (row.messages, row.lately, row.size, row.head) == ("58", "12", "20 KiB", "4,699")
    assert (row.oldest, row.goes) == ("24 h", "in 29 d")


@pytest.mark.parametrize(
    ("more", "forecast"),
    [
        ({}, "it would be full only in 30 d."),
        ({"full_at": None}, "leaves room for all of that time."),
        (
            {"full_at": before(NOON, hours=-5)},
            "A message is kept for 30 d, or less: the log grows by 1.0 MiB an hour, at",
        ),
        ({"full_at": before(NOON)}, "A message is kept for 30 d, or less: the log is full"),
    ],
)
def test_what_is_to_come_is_said_in_a_sentence(more: dict[str, Any], forecast: str) -> None:
    assert forecast in topics(told(**more), zone=UTC).forecast


@pytest.mark.parametrize(
    ("since", "title"), [(before(NOON, hours=1), "Last hour"), (before(NOON, minutes=20), "Since 11:40:00")]
)
def test_the_column_says_since_when_it_counts(since: str, title: str) -> None:
    assert topics(told(since=since), zone=UTC).lately == title


def test_how_full_the_log_is_stays_within_the_gauge() -> None:
    assert topics(told(), zone=UTC).full == 29
    assert topics(told(kept_bytes=2**31), zone=UTC).full == 100
    assert topics(told(retention_age=DAY), zone=UTC).forecast.startswith("A message is kept for 24 h")


def test_readers_beyond_some_are_folded() -> None:
    snapshot = a_snapshot(topics=[a_queue("all", 1, 10, 1, **{f"reader{number}": number for number in range(9)})])
    (row,) = topics(some_topics(snapshot), zone=UTC).rows
    assert (len(row.readers), len(row.more_readers), row.folded) == (6, 3, "3 more readers")
    assert row.readers[0].backlog == "8"


def test_an_empty_hub_says_what_to_type() -> None:
    text = Reading(browse(nobody_yet()).get("/topics").text).text
    assert "hubbub send --as you '#build' \"green\"" in text


def test_hostile_topics_are_text() -> None:
    snapshot = a_hostile_hour()
    snapshot["hub"] |= {"problems": [], "notices": []}
    read = Reading(browse(snapshot).get("/topics").text)
    names = {name for _, attributes in read.elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("style", "srcdoc")]
    links = [attributes["href"] or "" for tag, attributes in read.elements if tag == "a"]
    assert all(link.startswith(("/", "#")) for link in links)
