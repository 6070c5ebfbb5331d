"""The page that says what talk costs."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from dashboard.cost import about, cost
from tests.dashboard.hours import HOSTILE, a_busy_hour, a_cost, a_hostile_hour, nobody_yet
from tests.dashboard.reading import Reading, browse


def told(**parts: Any) -> dict[str, Any]:
    return a_cost(a_busy_hour(), **parts)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [(0, "~0"), (999, "~999"), (1_000, "~1.0k"), (9_940, "~9.9k"), (13_400, "~13k"), (1_340_000, "~1.3M"),
     (43_000_000_000, "~43G")],
)  # fmt: skip
def test_an_estimate_has_two_figures(tokens: int, said: str) -> None:
    assert about(tokens) == said


def test_the_page_says_over_which_messages_it_counted() -> None:
    view = cost(told(), zone=UTC)
    assert view.window == "12 messages since 11:30:00, 30 min; offsets 4,692 to 4,713: all that is kept."
    told_ = told(window=told()["window"] | {"whole": False})
    assert cost(told_, zone=UTC).window.endswith("the newest, as many as the hub holds in memory.")


def test_the_rule_is_printed_with_its_figures() -> None:
    first, second, *_ = cost(told()).rule
    assert first == "Tokens = (bytes of body and data + 136 for the line around a message) ÷ 4, rounded up."
    assert "over 10 KiB" in second


def test_shares_are_of_all_that_was_read() -> None:
    agents = [{"name": name, "read": read, "messages_read": 1, "written": 0, "messages_written": 0}
              for name, read in (("a", 75), ("b", 25), ("c", 0))]  # fmt: skip
    rows = cost(told(read=100, agents=agents)).agents
    assert [(row.who.name, row.share, row.part) for row in rows] == [("a", "75 %", 75), ("b", "25 %", 25)]


def test_what_nobody_knows_of_an_earlier_moment_is_unknown() -> None:
    hour = told()
    for each in [*hour["threads"], hour["without_thread"]]:
        each["read"] = None
    agents = [hour["agents"][0] | {"read": None, "messages_read": None}, *hour["agents"][1:]]
    view = cost(hour | {"read": None, "agents": agents})
    assert (view.known, view.factor) == (False, "")
    first, second, *_ = view.agents
    assert (first.read, first.messages_read, first.share) == ("unknown", "unknown", "")
    assert (second.read, second.share) == ("~1.2k", "")
    assert {row.read for row in view.threads} == {"unknown"}


def test_many_agents_and_threads_are_folded_and_counted() -> None:
    agents = [{"name": f"a{n}", "read": 1, "messages_read": 1, "written": 0, "messages_written": 0} for n in range(51)]
    view = cost(told(agents=agents, more_threads=7))
    assert (len(view.agents), len(view.more_agents), view.agents_folded) == (50, 1, "1 more agent")
    assert view.threads_left == "7 more threads, each of which cost less."


def test_the_page_marks_every_figure_as_an_estimate_before_any_script() -> None:
    text = Reading(browse(a_busy_hour()).get("/cost").text).text
    for said in ("~6.0k", "estimate", "release-2.4", "The rule", "No tokenizer was asked"):
        assert said in text


def test_an_empty_hub_names_the_command_that_makes_it_cost_something() -> None:
    text = Reading(browse(nobody_yet()).get("/cost").text).text
    assert "Nothing has been said yet." in text
    assert "hubbub demo" in text


def test_hostile_names_and_threads_are_text() -> None:
    page = Reading(browse(a_hostile_hour()).get("/cost").text)
    assert HOSTILE[0] in page.text
    links = [attributes["href"] or "" for tag, attributes in page.elements if tag == "a"]
    assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in links)
