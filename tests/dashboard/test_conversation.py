"""A conversation as the server draws it: which one, whose words, how far each has come."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from dashboard.conversation import NOTHING, Place, conversation, where
from dashboard.words import instant
from hub.errors import UnknownInstance
from tests.dashboard.hours import HOSTILE, NOON, a_busy_hour, a_hostile_hour, a_message, a_snapshot, a_talk, nobody_yet
from tests.dashboard.reading import Reading, browse

EVERYTHING: dict[str, Any] = {"with_": None, "topic": None, "thread": None, "before": None, "limit": 100}


@pytest.mark.parametrize(
    ("query", "place", "link", "title"),
    [
        ({}, Place(), "/conversation", "Everybody"),
        ({"with": "alice"}, Place(names=("alice",)), "/conversation?with=alice", "alice and everybody"),
        (
            {"with": " alice , bob,carol"},
            Place(names=("alice", "bob")),
            "/conversation?with=alice,bob",
            "alice and bob",
        ),
        ({"with": "alice,alice,,"}, Place(names=("alice",)), "/conversation?with=alice", "alice and everybody"),
        ({"topic": "#Build.>"}, Place(topic="build.>"), "/conversation?topic=build.%3E", "#build.>"),
        ({"thread": "a b"}, Place(thread="a b"), "/conversation?thread=a+b", "thread a b"),
        (
            {"with": "a,b", "thread": "t", "view": "read", "before": "40"},
            Place(names=("a", "b"), thread="t", view="read", before=40),
            "/conversation?with=a,b&thread=t&view=read&before=40",
            "a and b, thread t",
        ),
        ({"view": "nonsense", "before": "x"}, Place(), "/conversation", "Everybody"),
        ({"before": "9" * 30}, Place(), "/conversation", "Everybody"),
        ({"before": "²"}, Place(), "/conversation", "Everybody"),
    ],
)
def test_the_address_says_which_conversation(query: dict[str, str], place: Place, link: str, title: str) -> None:
    assert Place.of(query) == place
    assert (place.link(), place.title) == (link, title)


LADDERS = [
    ([], 0, "nobody hears it"),
    (["accepted"], 0, "accepted"),
    (["received"], 2, "received"),
    (["answered"], 4, "answered"),
    (["expired"], -1, "expired"),
    (["read", "read"], 3, "read by all 2"),
    (["answered", "answered"], 4, "answered by all 2"),
    (["accepted", "accepted", "accepted"], 0, "accepted by all 3"),
    (["accepted", "read", "answered"], 0, "read by 2 of 3"),
    (["pushed", "received", "accepted"], 0, "received by 1 of 3"),
    (["read", "answered"], 3, "read by all 2"),
    (["read", "expired", "accepted"], -1, "expired for 1 of 3"),
]


@pytest.mark.parametrize(("states", "rung", "words"), LADDERS)
def test_how_far_a_message_has_come_with_all_of_its_recipients(states: list[str], rung: int, words: str) -> None:
    found = where([{"name": f"n{place}", "state": state} for place, state in enumerate(states)])
    assert (found.rung, found.words) == (rung, words)


def test_a_row_says_who_to_whom_and_what_it_answers() -> None:
    told = a_talk(a_busy_hour(), a_busy_hour()["recent"], **EVERYTHING)
    shown = conversation(told, Place(), now=instant("2026-03-14T12:00:00Z"), zone=UTC)
    rows = {row.entry.offset: row for row in shown.rows}
    assert [row.entry.fact for row in shown.rows] == [None] * 12
    assert (rows[4713].entry.sender, rows[4713].entry.to, rows[4713].answers) == ("api", "Reviewer_2", 4712)
    assert rows[4708].thread_link == "/conversation?thread=release-2.4"
    assert rows[4700].body.count("\n") == 6, "the whole body"
    assert rows[4713].where.words == "received"
    assert rows[4700].where.words == "read by 1 of 3"
    assert (shown.older, shown.newest) == ("", "")
    earlier = conversation(told | {"more": True}, Place(before=4714), now=0)
    assert (earlier.older, earlier.newest) == ("/conversation?before=4692", "/conversation")


@pytest.mark.parametrize("view", ["", "read", "table"])
def test_every_view_is_right_without_a_script(view: str) -> None:
    page = Reading(browse(a_busy_hour()).get("/conversation", params={"with": "api,Reviewer_2", "view": view}).text)
    assert [attributes["id"] for _, attributes in page.elements if attributes.get("data-row")] == ["m4712", "m4713"]
    for said in ("api and Reviewer_2", "Right, hashed in 7be20d1.", "received", "answers"):
        assert said in page.text
    assert ("a", {"href": "#m4712"}) in page.elements
    chosen = [attributes["href"] for tag, attributes in page.elements if tag == "a" and attributes.get("aria-current")]
    assert f"/conversation?with=api,Reviewer_2{'&view=' + view if view else ''}" in chosen


def test_only_the_streaming_views_bring_their_script() -> None:
    client = browse(a_busy_hour())
    assert "conversation.js" in client.get("/conversation").text
    assert "conversation.js" in client.get("/conversation?view=read").text
    table = client.get("/conversation?view=table").text
    assert "conversation.js" not in table
    assert "page.js" in table


def test_an_empty_hub_names_the_command_to_type() -> None:
    assert 'hubbub send --as you alice "hello"' in Reading(browse(nobody_yet()).get("/conversation").text).text
    nothing = Reading(browse(a_busy_hour()).get("/conversation?thread=none-such").text)
    assert "None of the messages that are kept fits." in nothing.text


def test_a_name_that_nobody_has_is_said_and_not_a_fault() -> None:
    class Refusing(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            if key == "history":
                raise UnknownInstance("Nobody called <b> has registered.", "`hubbub ls` shows who has.")
            return super().get(key, default)

    answer = browse(Refusing(a_busy_hour())).get("/conversation?with=<b>")
    assert answer.status_code == 404
    assert "Nobody called &lt;b&gt; has registered. <code>hubbub ls</code> shows who has." in answer.text
    assert conversation(NOTHING, Place(), now=0).rows == []


def test_older_messages_are_one_link_away() -> None:
    said = [a_message(offset, "bob", "alice", f"line {offset}", "2026-03-14T11:00:00Z") for offset in range(1, 251)]
    client = browse(a_snapshot(NOON, recent=said))
    page = Reading(client.get("/conversation").text)
    assert ("a", {"href": "/conversation?before=151"}) in page.elements
    page = Reading(client.get("/conversation?before=151&view=table").text)
    rows = [attributes["id"] for _, attributes in page.elements if attributes.get("data-row")]
    assert (rows[0], rows[-1], len(rows)) == ("m51", "m150", 100)
    assert ("a", {"href": "/conversation?view=table"}) in page.elements, "and back to the newest"


@pytest.mark.parametrize("view", ["diagram", "read"])
def test_what_others_wrote_is_only_ever_text(view: str) -> None:
    plain = Reading(browse(a_busy_hour()).get(f"/conversation?view={view}").text)
    hostile = Reading(browse(a_hostile_hour()).get(f"/conversation?view={view}").text)
    allowed = {tag for tag, _ in plain.elements} | {"section", "p", "strong", "input", "pre"}
    assert {tag for tag, _ in hostile.elements} <= allowed
    assert not [attributes for _, attributes in hostile.elements if any(name.startswith("on") for name in attributes)]
    assert "\x1b" not in hostile.text
    for text in HOSTILE:
        query = {"with": text, "topic": text, "thread": text, "view": view}
        answer = browse(a_busy_hour()).get("/conversation", params=query)
        assert answer.status_code == 200
        assert {tag for tag, _ in Reading(answer.text).elements} <= allowed
