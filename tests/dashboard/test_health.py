"""The page that says how the hub is."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.health import LIMITS, Row, health
from hub.protocol import __file__ as protocol
from tests.dashboard.hours import HOSTILE, a_busy_hour, a_health, nobody_yet
from tests.dashboard.reading import Reading, browse


def told(**parts: Any) -> dict[str, Any]:
    hour = a_busy_hour()
    return a_health({"at": hour["at"], **hour["hub"]}, **parts)


def row(found: dict[str, Any], label: str) -> Row:
    (row,) = [row for part in health(found).parts for row in part.rows if row.label == label]
    return row


def test_a_hub_in_order_is_said_to_be_ready() -> None:
    view = health(told())
    assert view.verdict == "Ready: the log can be written, and every background task runs."
    assert {row.state for part in view.parts for row in part.rows} == {"ok"}


def test_what_is_wrong_is_said_first() -> None:
    assert health(told(ready=False)).verdict == "Not ready: what is wrong stands above."


@pytest.mark.parametrize(
    ("state", "shown", "note"),
    [
        ("ok", "ok", "of a disk of 480 GiB"),
        ("low", "warning", "of a disk of 480 GiB: soon too little"),
        ("full", "broken", "of a disk of 480 GiB: nothing can be written"),
        ("read-only", "broken", "of a disk of 480 GiB, which is read-only"),
    ],
)
def test_the_free_disk_says_when_it_is_too_little(state: str, shown: str, note: str) -> None:
    free = row(told(volume=told()["volume"] | {"state": state}), "free")
    assert (free.value, free.state, free.note) == ("211 GiB", shown, note)


def test_a_disk_that_does_not_answer_is_said_to_be_silent_and_no_size_is_made_up() -> None:
    labels = [row.label for part in health(told(volume=None)).parts for row in part.rows]
    assert row(told(volume=None), "disk").state == "broken"
    assert not {"database", "free"} & set(labels)


@pytest.mark.parametrize(
    ("seconds", "said", "state"),
    [(0.0004, "0.4 ms", "ok"), (0.012, "12 ms", "ok"), (0.25, "250 ms", "ok"), (3.14, "3.1 s", "warning")],
)
def test_a_hub_that_keeps_everybody_waiting_is_to_be_looked_at(seconds: float, said: str, state: str) -> None:
    found = told(lag={"turn_seconds": seconds, "waiting": 0, "write_seconds": 0.0})
    turn = row(found, "waited for a turn")
    assert (turn.value, turn.state) == (said, state)
    assert (health(found).verdict == "Ready, and 1 thing to look at.") is (state == "warning")


def test_a_write_that_hangs_is_a_warning() -> None:
    write = row(told(lag={"turn_seconds": 0.0, "waiting": 4_096, "write_seconds": 7.0}), "write under way")
    assert (write.value, write.state) == ("for 7.0 s", "warning")


def test_a_task_that_ended_and_an_upkeep_that_failed_stand_out() -> None:
    found = told(
        tasks=[{"name": "journal", "runs": False}],
        upkeep=[{"name": "retention", "trouble": "\x1b[31mdisk I/O error"}],
    )
    assert (row(found, "journal").value, row(found, "journal").state) == ("has ended", "broken")
    assert row(found, "retention").note == "␛[31mdisk I/O error"


def test_refusals_and_limits_come_most_frequent_first_and_none_is_said_to_be_none() -> None:
    found = told(refused={"unauthorized": 2, "rate_limited": 9, "forbidden": 0}, limits_hit={}, publishes_refused=3)
    refused, limits = health(found).parts[4:]
    assert [(row.label, row.value) for row in refused.rows] == [
        ("rate_limited", "9"), ("unauthorized", "2"), ("messages refused", "3"),
    ]  # fmt: skip
    assert limits.rows == []
    assert limits.nothing == "No connection was ended at a limit since the hub started."


def test_every_limit_that_the_hub_counts_is_explained() -> None:
    from pathlib import Path
    from re import findall

    link = Path(protocol).with_name("link.py")
    counted = findall(r'count(?:s\[|\()"(\w+)"', Path(protocol).read_text() + link.read_text())
    assert len(counted) > 5
    assert set(counted) == set(LIMITS)


def test_settings_that_somebody_set_come_before_those_left_alone() -> None:
    view = health(told())
    assert [(each.key, each.value, each.source) for each in view.chosen] == [
        ("retention_age", "30d", "file config.toml")
    ]
    assert [each.value for each in view.defaults] == ["/home/you/.local/share/hubbub", "absent"]
    assert view.defaults_folded == "2 settings left at the default"


def test_the_page_shows_it_before_any_script() -> None:
    text = Reading(browse(a_busy_hour()).get("/health").text).text
    for said in ("Ready: the log can be written", "4,204 messages", "did not answer a ping", "hubbub doctor"):
        assert said in text


def test_what_is_wrong_with_the_hub_stands_above_the_page() -> None:
    hour = nobody_yet()
    hour["hub"] |= {"problems": [HOSTILE[0]], "notices": ["2 were recovered"]}
    page = Reading(browse(hour).get("/health").text)
    assert f"Not ready {HOSTILE[0]}Note 2 were recovered" in page.text
    assert ("section", {"class": "troubles", "role": "alert", "aria-label": "What is wrong"}) in page.elements
