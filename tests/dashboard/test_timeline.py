"""The scrubber's words and lines, and the page of a moment as it leaves the hub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from dashboard.moment import Here
from dashboard.timeline import scrubber
from dashboard.view import Filter, overview
from tests.dashboard.hours import NOON, a_queue, a_snapshot, a_timeline, an_instance
from tests.dashboard.reading import Reading, browse
from tests.hub.live import Live, live

HERE = Here(path="/")
BOB = Here.of("/time", [("with", "bob"), ("at", "8")])
NOW = {"at": "2026-03-14T12:00:00Z", "now": "2026-03-14T12:00:00Z", "live": True, "first": 0, "head": 9}


def a_line(**more: Any) -> dict[str, Any]:
    bars = [{"since": f"2026-03-14T11:5{minute}:00Z", "messages": minute % 3} for minute in range(10)]
    return NOW | {"offset": 9, "previous": 8, "next": None, "width": 60, "bars": bars} | more


def test_a_moment_is_a_needle_among_bars_of_what_was_said() -> None:
    drawn = scrubber(a_line(at="2026-03-14T11:55:00Z", live=False), None, HERE.at, zone=UTC)
    assert (drawn.needle, drawn.slider) == ("600", 500)
    assert drawn.shown == "2026-03-14 11:55:00.000"
    assert len(drawn.bars) == 6  # an empty stretch is none
    assert {bar.height for bar in drawn.bars} == {"24", "48"}
    assert drawn.bars[0].link == "/time?at=2026-03-14T11%3A52%3A00.000Z"
    assert (drawn.said, drawn.width) == ("9 messages", "1 min")


def test_steps_lead_to_places_and_keep_what_is_chosen() -> None:
    drawn = scrubber(a_line(offset=8, previous=7, next=9, live=False), None, BOB.at, zone=UTC)
    assert (drawn.previous, drawn.next) == ("/time?with=bob&at=7", "/time?with=bob&at=9")
    assert (drawn.first, drawn.now) == ("/time?with=bob&at=1", "/?with=bob")


def test_there_is_no_step_past_either_end() -> None:
    drawn = scrubber(a_line(offset=1, previous=None, next=None), None, HERE.at, zone=UTC)
    assert (drawn.previous, drawn.next, drawn.first) == ("", "", "")


def test_a_log_without_a_message_has_no_bars_and_no_fault() -> None:
    bars = [{"since": NOW["at"], "messages": 0}]
    drawn = scrubber(a_line(offset=0, previous=None, bars=bars, width=1), None, HERE.at, zone=UTC)
    assert (drawn.bars, drawn.said, drawn.place) == ([], "0 messages", "before the first message")


@pytest.mark.parametrize(
    ("past", "notes"),
    [
        ({"running": True, "unsure": []}, []),
        ({"running": False, "unsure": []}, ["The hub was not running then."]),
        ({"running": True, "unsure": ["bob", "eve"]}, ["How far these had read then is unknown: bob, eve."]),
    ],
)
def test_what_is_not_known_of_a_moment_is_said(past: dict[str, Any], notes: list[str]) -> None:
    assert scrubber(a_line(live=False), past, HERE.at, zone=UTC).notes == notes


def test_of_a_hub_that_was_killed_it_is_said_that_nobody_knows_when() -> None:
    (note,) = scrubber(a_line(live=False), {"running": None, "unsure": []}, HERE.at, zone=UTC).notes
    assert "ended without saying so" in note


def test_what_is_unknown_of_the_past_is_called_so_everywhere() -> None:
    queue = a_queue("inbox.alice", 3, 900, 9, alice=3) | {"messages": None, "bytes": None}
    queue["readers"][0]["backlog"] = None
    snapshot = a_snapshot(NOON, instances=[an_instance("alice", NOON, state="working")], topics=[queue])
    snapshot["instances"][0] |= {"unread": None, "since": None}
    snapshot["hub"] |= {"unread": None, "started_at": None, "pid": None}
    view = overview(snapshot, Filter(at="7"))
    assert {each.label: each.value for each in view.totals} | {"online": "", "head": ""} == {
        "online": "",
        "unread": "unknown",
        "oldest unread": "unknown",
        "kept": "unknown",
        "head": "",
        "up": "unknown",
    }
    assert (view.instances[0].unread, view.instances[0].state) == ("unknown", "working")
    assert (view.queues[0].backlog, view.queues[0].messages, view.queues[0].size) == ("unknown", "unknown", "unknown")


def test_what_a_bar_stands_for_is_in_a_table_too(make: Any) -> None:
    snapshot = make.a_busy_hour()
    page = Reading(browse(snapshot).get("/time").text)
    bars = [each for each in a_timeline(snapshot, None)["bars"] if each["messages"]]
    assert len([1 for tag, _ in page.elements if tag == "rect"]) == len(bars)
    assert "The bars as a table" in page.text


@pytest.fixture
async def talked(tmp_path: Path) -> AsyncIterator[Live]:
    """A hub with three messages that bob has read the first of."""
    async with live(tmp_path) as hub:
        for number in range(3):
            said = {"from": "alice", "to": "bob", "body": f"number {number}"}
            offset = (await hub.request("POST", "/api/v1/messages", said)).json()["offset"]
            if number == 0:
                await hub.request("POST", "/api/v1/read", {"as": "bob", "offset": offset})
        yield hub


async def page(hub: Live, path: str, status: int = 200) -> str:
    answer = await hub.request("GET", path)
    assert answer.status_code == status
    return Reading(answer.text).text


async def test_the_page_of_a_moment_shows_what_was_so_then(talked: Live) -> None:
    told = (await talked.request("GET", "/api/v1/messages?with=bob")).json()["messages"]
    for at in (told[1]["offset"], told[1]["at"]):
        for path in ("/time", "/"):
            text = await page(talked, f"{path}?at={at}")
            assert "number 1" in text
            assert "number 2" not in text
            assert "bob offline1" in text.replace("\n", "")
            assert f"right after message {told[1]['offset']}" in text
    assert "bob offline2" in (await page(talked, "/time")).replace("\n", "")


async def test_steps_go_through_every_message_and_back(talked: Live) -> None:
    line = (await talked.request("GET", "/api/v1/timeline")).json()
    back = []
    while line["previous"] is not None:
        back.append(line["previous"])
        line = (await talked.request("GET", f"/api/v1/timeline?at={line['previous']}")).json()
    on = [line["offset"]]
    while line["next"] is not None:
        on.append(line["next"])
        line = (await talked.request("GET", f"/api/v1/timeline?at={line['next']}")).json()
    assert on[: len(back)] == back[::-1]
    assert on[0] == 1


@pytest.mark.parametrize(
    ("at", "status", "said"), [("never", 400, "'never' is no moment"), ("99999", 404, "not come to")]
)
async def test_a_moment_that_cannot_be_told_says_so_and_shows_the_present(
    talked: Live, at: str, status: int, said: str
) -> None:
    text = await page(talked, f"/time?at={at}", status)
    assert said in text
    assert "This is how it is now." in text
    answer = (await talked.request("GET", f"/api/v1/snapshot?at={at}")).json()
    assert said in answer["message"]


def test_what_was_chosen_is_kept_by_the_form_that_goes_to_a_moment(make: Any) -> None:
    client: TestClient = browse(make.a_busy_hour())
    fields = Reading(client.get("/time?with=docs&at=7").text).elements
    hidden = [attributes for tag, attributes in fields if tag == "input" and attributes.get("type") == "hidden"]
    assert {"type": "hidden", "name": "with", "value": "docs"} in hidden  # to another moment
    assert {"type": "hidden", "name": "at", "value": "7"} in hidden  # to another choice
