from __future__ import annotations

import re
from datetime import UTC
from typing import Any

import pytest

from dashboard.markdown import MOST
from dashboard.message import LONGEST, message_page
from dashboard.words import instant
from tests.dashboard.hours import (
    HOSTILE,
    NOON,
    a_busy_hour,
    a_fact,
    a_hostile_hour,
    a_message,
    a_snapshot,
    before,
    rfc3339,
)
from tests.dashboard.reading import Reading, browse

NOW = instant(rfc3339(NOON))
NOTHING: dict[str, Any] = {"messages": [], "more": False}


def page(message: dict[str, Any], ladder: tuple[dict[str, Any], ...] = (), **more: Any) -> Any:
    return message_page({"message": message, "ladder": ladder}, NOTHING, NOTHING, now=NOW, zone=UTC, **more)


def a_step(state: str, **times: str | None) -> dict[str, Any]:
    return {"name": "alice", "state": state, "at": None, "times": times, "online": True}


def test_the_ladder_has_the_time_of_each_rung_and_what_is_not_known_is_not_made_up() -> None:
    sent = before(NOON, minutes=1)
    (row,) = page(
        a_message(7, "bob", "alice", "x", sent),
        (
            a_step(
                "read", accepted=sent, pushed=before(NOON, seconds=59.76), received=None, read=before(NOON, seconds=30)
            ),
        ),
    ).where
    assert [(each.name, each.reached, each.time, each.after) for each in row.rungs] == [
        ("accepted", True, "11:59:00", ""),
        ("pushed", True, "11:59:00", "+240 ms"),
        ("received", True, "", ""),
        ("read", True, "11:59:30", "+30 s"),
        ("answered", False, "", ""),
    ]
    assert (row.link, row.ended, row.online) == ("/instances/alice", False, True)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, ""),
        ({"by": "2026-03-14T12:30:00Z", "state": "open", "at": None}, "12:30:00: none yet"),
        (
            {"by": "2026-03-14T11:30:00Z", "state": "late", "at": "2026-03-14T11:40:00Z"},
            "11:30:00: it came late at 11:40:00",
        ),
    ],
)
def test_until_when_an_answer_is_wanted_and_what_became_of_that(answer: dict[str, Any] | None, said: str) -> None:
    told = {"message": a_message(7, "bob", "alice", "?", before(NOON)), "ladder": ()} | (
        {"answer": answer} if answer else {}
    )
    assert message_page(told, NOTHING, NOTHING, now=NOW, zone=UTC).wanted == said


@pytest.mark.parametrize("state", ["expired", "held", "dropped"])
def test_what_became_of_it_instead_is_said(state: str) -> None:
    (row,) = page(a_message(7, "bob", "alice", "x", before(NOON)), (a_step(state, accepted=before(NOON)),)).where
    assert (row.ended, row.state) == (True, state)


def test_a_body_is_text_until_it_is_asked_for_as_markdown() -> None:
    message = a_message(7, "bob", "alice", "**hi**", before(NOON))
    assert (page(message).as_markdown, page(message).body) == (None, "**hi**")
    assert page(message, read_as="markdown").as_markdown == "<p><strong>hi</strong></p>\n"


def test_a_long_body_is_text_only_and_a_very_long_one_is_cut_and_says_so() -> None:
    long = page(a_message(7, "bob", "alice", "x" * (MOST + 1), before(NOON)), read_as="markdown")
    assert (long.as_markdown, long.too_long, long.cut) == (None, True, False)
    longer = page(a_message(7, "bob", "alice", "x" * (LONGEST + 1), before(NOON)))
    assert (len(longer.body), longer.cut, longer.raw_cut) == (LONGEST, True, True)


def test_a_file_is_a_download_of_this_message_alone() -> None:
    carried = [{"name": "a\x1b.txt", "size": 2048, "sha256": "ab12", "media_type": "text/plain"}, {"name": "old"}]
    carried.append({"name": "b", "sha256": "cd34", "here": False})
    files = page(a_message(7, "bob", "alice", "x", before(NOON), attachments=carried)).files
    assert [(each.name, each.size, each.kind, each.link, each.elsewhere) for each in files] == [
        ("a␛.txt", "2.0 KiB", "text/plain", "/api/v1/attachments/ab12?message=id-7", ""),
        ("old", "", "", "", ""),
        ("b", "", "", "", "not in this replay"),
    ]


def test_a_fact_is_told_in_words() -> None:
    view = page(a_fact(7, "$session.joined", before(NOON), name="alice", client="codex"))
    assert (view.title, view.where, view.nobody) == ("joined with codex", [], "Told by the hub, to whoever observes.")


def test_the_page_has_all_of_a_message_and_what_was_said_around_it() -> None:
    client = browse(a_busy_hour())
    read = Reading(client.get("/messages/id-4696").text)
    for part in ("Keep the redirect, log who still uses it.", "release-2.4", "id-4695", "11:35:00", "In its thread"):
        assert part in read.text, part
    links = [attributes["href"] for tag, attributes in read.elements if tag == "a"]
    for link in (
        "/messages/id-4695",
        "/conversation?thread=release-2.4",
        "/instances/planner",
        "/api/v1/messages/id-4696",
    ):
        assert link in links, link
    # But for where its forms come back to and its past begins, which is the address that was asked for.
    by_offset = re.sub(
        r'(value|href)="/messages/4696(?=[?"])', r'\1="/messages/id-4696', client.get("/messages/4696").text
    )
    assert by_offset.count("id-4696") == client.get("/messages/id-4696").text.count("id-4696")


def test_outside_a_thread_the_question_and_its_answers_stand_around() -> None:
    snapshot = a_snapshot(
        recent=[
            a_message(5, "alice", "bob", "a question", before(NOON, minutes=3)),
            a_message(6, "bob", "alice", "its answer", before(NOON, minutes=2), reply_to="id-5"),
            a_message(7, "alice", "bob", "an answer to that", before(NOON, minutes=1), reply_to="id-6"),
        ]
    )
    text = Reading(browse(snapshot).get("/messages/id-6").text).text.partition("and who answered it")[2]
    assert text.index("a question") < text.index("its answer") < text.index("an answer to that")
    snapshot["recent"].pop(0)
    assert browse(snapshot).get("/messages/id-6").status_code == 200, "what it answers may be gone"


def test_a_message_that_is_not_there_says_so_and_what_to_type() -> None:
    answer = browse(a_busy_hour()).get("/messages/none")
    assert answer.status_code == 404
    text = Reading(answer.text).text
    assert "There is no message" in text
    assert "hubbub history" in text


@pytest.mark.parametrize("read_as", ["", "?as=markdown"])
@pytest.mark.parametrize("place", range(len(HOSTILE)))
def test_nothing_that_an_agent_wrote_is_more_than_text(place: int, read_as: str) -> None:
    snapshot = a_hostile_hour()
    snapshot["hub"] |= {"problems": [], "notices": []}
    read = Reading(browse(snapshot).get(f"/messages/{10 + place}{read_as}").text)
    tags = {tag for tag, _ in read.elements}
    assert not tags & {"img", "iframe", "object", "embed", "style", "base", "animate"}
    names = {name for _, attributes in read.elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("style", "srcdoc")]
    links = [attributes["href"] or "" for tag, attributes in read.elements if tag == "a"]
    assert all(link.startswith(("/", "#", "http", "mailto:")) for link in links)
    scripts = [attributes for tag, attributes in read.elements if tag == "script"]
    assert all(
        each.get("type") == "application/json" or (each.get("src") or "").startswith("/static/") for each in scripts
    )
