from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from dashboard.instance import Pace, instance_page
from tests.dashboard import things
from tests.dashboard.hours import HOSTILE, NOON, a_busy_hour, a_hostile_hour, a_message, a_snapshot, an_instance, before
from tests.dashboard.reading import Reading, browse


def page(snapshot: dict[str, Any], name: str) -> Any:
    return instance_page(
        things.an_instance_closely(snapshot, name),
        things.a_queue_of(snapshot, name, 30),
        things.an_activity(snapshot),
        things.some_replies(snapshot, name),
        4713,
        hours=6,
        zone=UTC,
    )


def test_a_name_that_nobody_has_shows_what_waits_for_it() -> None:
    hour = a_busy_hour()
    hour["recent"] = [*hour["recent"], a_message(4714, "api", "newcomer", "welcome", hour["at"])]
    answer = browse(hour).get("/instances/Newcomer")
    told = " ".join(Reading(answer.text).text.split())
    assert answer.status_code == 200
    assert "Newcomer has not registered yet" in told
    assert "api → newcomer welcome" in told
    assert "hubbub read --as Newcomer" in told
    assert browse(hour).get("/instances/nobody-at-all").status_code == 404


def only(**more: Any) -> dict[str, Any]:
    return a_snapshot(instances=[an_instance("alice", NOON, **more)])


@pytest.mark.parametrize(
    ("more", "reached"),
    [
        ({"hops": ["inbox", "wake"], "wakes": True}, "by inbox, then wake; a message wakes it"),
        ({"hops": ["piggyback"], "wakes": False}, "by piggyback; no message wakes it"),
        ({"hops": None, "wakes": None}, "how is not told; whether a message wakes it is unknown"),
        ({"online": False, "last_seen": before(NOON, minutes=3)}, "not now: what is sent waits in the queue"),
    ],
)
def test_how_an_agent_is_reached_is_told_as_far_as_it_is_known(more: dict[str, Any], reached: str) -> None:
    assert page(only(**more), "alice").reached == reached


@pytest.mark.parametrize(
    ("unread", "oldest", "shown"),
    [
        (0, None, ("0 unread", "", False, False)),
        (3, before(NOON, minutes=2), ("3 unread", "2 min", False, True)),
        (3, before(NOON, minutes=6), ("3 unread", "6 min", True, True)),
    ],
)
def test_what_waits_is_told_and_when_it_waits_too_long(unread: int, oldest: str | None, shown: Any) -> None:
    view = page(only(unread=unread, oldest_unread_at=oldest), "alice")
    assert (view.unread, view.oldest, view.late, view.waiting) == shown


def test_the_name_it_had_leads_to_it_for_a_while() -> None:
    (former,) = page(only(), "alice").former
    assert (former.name, former.until) == ("alice-old", "leads here for 1 h still")


def test_how_quickly_answers_come_is_told_for_each_partner() -> None:
    first, second, *_ = page(a_busy_hour(), "planner").partners
    assert (first.who.name, first.answered) == ("api", Pace(answers="12", p50="1.2 s", p95="3 min"))
    assert second.answers == Pace()


def test_the_page_shows_the_queue_and_reads_nothing() -> None:
    snapshot = a_busy_hour()
    text = Reading(browse(snapshot).get("/instances/Reviewer_2").text).text
    assert "Right, hashed in 7be20d1." in text
    assert "hubbub read --as Reviewer_2" in text
    assert "Looking here leaves them unread." in text


def test_an_agent_with_nothing_is_told_what_to_type() -> None:
    text = Reading(browse(only(client=None, online=False, sessions=0)).get("/instances/alice").text).text
    for told in ('hubbub send --as you alice "hello"', "hubbub subscribe --as alice build.*", "None is open."):
        assert told in text, told


def test_the_address_says_how_far_back_the_strip_goes() -> None:
    read = Reading(browse(a_busy_hour()).get("/instances/api?hours=24").text)
    links = [attributes["href"] for tag, attributes in read.elements if tag == "a"]
    assert "/instances/api?hours=1" in links
    assert "/instances/api?hours=24" not in links, "where one is, is no link"


def test_who_is_not_there_is_said_to_be_not_there() -> None:
    answer = browse(a_busy_hour()).get("/instances/nobody")
    assert answer.status_code == 404
    assert "Nobody called nobody has registered." in Reading(answer.text).text
    assert "hubbub ls" in Reading(answer.text).text


@pytest.mark.parametrize("text", [each for each in HOSTILE if each and not set("/\n") & set(each)])
def test_a_hostile_instance_is_text(text: str) -> None:
    snapshot = a_hostile_hour()
    snapshot["hub"] |= {"problems": [], "notices": []}
    answer = browse(snapshot).get("/instances/" + "".join(f"%{byte:02X}" for byte in text[:3_000].encode()))
    assert answer.status_code == 200
    read = Reading(answer.text)
    names = {name for _, attributes in read.elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("style", "srcdoc")]
    assert not {tag for tag, _ in read.elements} & {"img", "iframe", "animate", "style"}
