from __future__ import annotations

from typing import Any

import pytest

from dashboard.search import SNIPPET, Asked, results, snippet
from dashboard.words import instant
from hub.fulltext import words
from tests.dashboard.hours import HOSTILE, NOON, a_busy_hour, a_hostile_hour, a_message, a_snapshot, before, rfc3339
from tests.dashboard.reading import Reading, browse

NOW = instant(rfc3339(NOON))
ABOUT = {"head": 100, "indexed": 100}


def page(asked: Asked, found: dict[str, Any] | None, about: dict[str, Any] = ABOUT) -> Any:
    return results(asked, found, about, ["bob", "Alice"], now=NOW)


def marked(body: str, looked_for: str) -> str:
    pieces = snippet(body, frozenset(words(looked_for)))
    return "".join(f"[{each.text}]" if each.marked else each.text for each in pieces)


@pytest.mark.parametrize(
    ("body", "looked_for", "shown"),
    [
        ("the build is red", "build", "the [build] is red"),
        ("the build is red", "RED the", "[the] build is [red]"),
        ("builds", "build", ""),
        ("Ist es grün?", "grun", "Ist es [grün]?"),
        ("gru\u0308n", "GRÜN", "[gru\u0308n]"),
        ("snake_case", "case", "snake_[case]"),
        ("two\n\nlines", "lines", "two [lines]"),
        ("\x1b[2Jred", "red", ""),
        ("nothing", "", ""),
        ("x " * 100 + "here" + " y" * 400, "here", "…" + "x " * 44 + "[here]" + " y" * 114 + "…"),
    ],
)
def test_a_snippet_shows_the_words_where_they_stand(body: str, looked_for: str, shown: str) -> None:
    assert marked(body, looked_for) == shown


@pytest.mark.parametrize("body", HOSTILE)
def test_a_snippet_is_short_whatever_it_is_of(body: str) -> None:
    assert len(marked(body, "x a run the 0")) <= 2 * SNIPPET + 10


def test_an_address_asks_and_a_page_has_its_address() -> None:
    asked = Asked.of({"q": " red build ", "from": "bob", "to": "#x", "since": "7d", "before": "12", "other": "1"})
    assert asked.link() == "/search?q=red%20build&from=bob&to=%23x&since=7d"
    assert asked.link(before=9) == asked.link() + "&before=9"
    assert asked.before == 12
    wanted = asked.wanted(1_000_000.0)
    assert wanted == {
        "limit": 50, "before": 12, "search": "red build", "from_": "bob", "to": "#x", "topic": None, "thread": None,
        "since": 1_000_000.0 - 7 * 86_400, "until": None,
    }  # fmt: skip
    assert not Asked.of({"before": "12"}).anything
    for nonsense in ("-1", "x", "²", "9" * 40):
        assert Asked.of({"before": nonsense}).before is None


@pytest.mark.parametrize("time", ["yesterday", "2026-99-01", "\x1b"])
def test_what_is_no_time_is_said_to_be_none(time: str) -> None:
    with pytest.raises(ValueError, match="neither a time such as"):
        Asked(since=time).wanted(0)


@pytest.mark.parametrize(
    ("asked", "number", "more", "told"),
    [
        (Asked(q="x"), 0, False, "No message fits."),
        (Asked(q="x"), 1, False, "1 message."),
        (Asked(q="x"), 3, False, "3 messages, the newest first."),
        (Asked(q="x"), 3, True, "The newest 3 messages that fit, the newest first."),
        (Asked(q="x", before=9), 3, False, "The next 3 messages that fit, the newest first."),
        (Asked(q="x", before=9), 1, True, "The next 1 message that fits, the newest first."),
        (Asked(q="x", before=9), 0, False, "Nothing older fits."),
        (Asked(q="!?"), 0, False, "There is no letter and no digit in that: nothing is found by other marks."),
    ],
)
def test_what_was_found_is_said(asked: Asked, number: int, more: bool, told: str) -> None:
    messages = [a_message(each + 1, "bob", "alice", "x", before(NOON)) for each in range(number)]
    view = page(asked, {"messages": messages, "more": more})
    assert view.told == told
    assert [row.offset for row in view.rows] == list(range(number, 0, -1))
    assert bool(view.older) == more
    assert not more or view.older == asked.link(before=1)
    assert bool(view.newest) == (asked.before is not None)


@pytest.mark.parametrize(
    ("asked", "indexed", "told"),
    [
        (Asked(q="x"), 100, ""),
        (Asked(q="x"), 97, "newest 3 places of the log, up to 100: the messages there were read through"),
        (Asked(q="x"), None, "no full-text index"),
        (Asked(from_="bob"), 0, ""),
    ],
)
def test_how_far_the_index_has_come_is_said_where_it_matters(asked: Asked, indexed: int | None, told: str) -> None:
    view = page(asked, {"messages": [], "more": False}, {"head": 100, "indexed": indexed})
    assert told in view.index
    assert bool(view.index) == bool(told)


@pytest.mark.parametrize(
    ("asked", "command"),
    [
        (Asked(q="red build", from_="bob"), "hubbub history --search 'red build' --from bob"),
        (Asked(q="it's"), "hubbub history --search 'it'\"'\"'s'"),
        (Asked(topic="build.*", since="7d"), "hubbub history --topic 'build.*' --since 7d"),
        (Asked(q="$(rm -rf /)\n"), "hubbub history --search '$(rm -rf /)\n'"),
    ],
)
def test_the_same_can_be_typed_and_does_no_more_than_that(asked: Asked, command: str) -> None:
    assert page(asked, None).command == command


def test_the_page_works_without_a_script() -> None:
    client = browse(a_busy_hour())
    read = Reading(client.get("/search?q=redirect+log&from=api").text)
    form = next(attributes for tag, attributes in read.elements if tag == "form")
    assert (form["method"], form["action"]) == ("get", "/search")
    fields = {a["name"]: a.get("value") for tag, a in read.elements if tag == "input"}
    assert fields == {"q": "redirect log", "from": "api", "to": "", "topic": "", "thread": "", "since": "", "until": ""}
    assert "1 message." in read.text
    assert "hubbub history --search 'redirect log' --from api" in read.text
    assert [a["href"] for tag, a in read.elements if tag == "a" and (a["href"] or "").startswith("/messages/")] == [
        "/messages/id-4709"
    ]
    empty = Reading(client.get("/search").text)
    assert "How words are found" in empty.text
    assert 'hubbub history --search "build red"' in empty.text


@pytest.mark.parametrize(
    ("query", "told"),
    [("from=nobody", "Nobody called nobody has registered."), ("since=yesterday", "neither a time such as")],
)
def test_what_cannot_be_looked_for_is_said_on_the_page(query: str, told: str) -> None:
    answer = browse(a_busy_hour()).get(f"/search?{query}")
    assert answer.status_code == 200
    assert told in Reading(answer.text).text


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_typed_is_text_and_nothing_more(text: str) -> None:
    client = browse(a_hostile_hour())
    plain = {tag for tag, _ in Reading(browse(a_snapshot()).get("/search?q=x&from=y").text).elements}
    read = Reading(client.get("/search", params=dict.fromkeys(("q", "from", "to", "topic", "thread"), text)).text)
    assert {tag for tag, _ in read.elements} <= plain | {
        "option",
        "ol",
        "li",
        "mark",
        "bdi",
        "time",
        "nav",
        "section",
        "strong",
    }
