"""Taking part: what the page shows of what is held, and the forms that every page may have."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from dashboard.held import why_held
from dashboard.part import hands, part
from tests.dashboard.reading import Reading, browse


def forms(html: str) -> list[dict[str, str | None]]:
    """Each form that goes to /part, as the fields that it would send untouched."""
    found: list[dict[str, str | None]] = []
    for tag, attributes in Reading(html).elements:
        if tag == "form":
            found.append(
                {"class": attributes["class"], "action": attributes.get("action"), "method": attributes.get("method")}
            )
        elif tag in ("input", "textarea") and found and "name" in attributes:
            found[-1][str(attributes["name"])] = attributes.get("value")
    return [each for each in found if str(each["class"]).startswith("part")]


@pytest.mark.parametrize(
    ("holds", "said"),
    [
        (None, "21 messages in a row with nothing new among bob, web"),
        ([{"kind": "queue", "by": None, "reason": None}], "what is sent to bob is held"),
        ([{"kind": "queue", "by": "kay", "reason": "moved"}], "what is sent to bob is held by kay (moved)"),
        (
            [{"kind": "sender", "by": "kay", "reason": None}, {"kind": "queue", "by": None, "reason": None}],
            "web is paused by kay, what is sent to bob is held",
        ),
    ],
)
def test_why_a_message_waits_is_said_in_words(make: Any, noon: datetime, holds: Any, said: str) -> None:
    assert why_held(make.a_held(1, "web", "bob", "x", noon, holds=holds)) == said


def test_the_page_has_what_is_held_and_what_can_be_done_about_each(make: Any) -> None:
    view = part(make.a_busy_hour(), {})
    assert [(each.offset, each.sender, each.to, each.body) for each in view.held] == [
        (4711, "web", "ci", "Thanks! Standing by."),
        (4714, "planner", "docs", "docs, where is the changelog?"),
    ]
    assert [(each.what, each.since, each.waits) for each in view.holds] == [
        ("docs", "for 3 min by kay (docs is being moved)", "1 message waits")
    ]
    assert [(each.what, each.waits, each.some) for each in view.paused] == [("web", "nothing waits", False)]
    sent = forms(browse(make.a_busy_hour()).get("/part").text)
    assert {(each["action"], each["method"]) for each in sent} == {("/part", "post")}
    assert [(each["do"], each.get("offset")) for each in sent if "offset" in each] == [
        *(("release", "4711"), ("drop", "4711"), ("release", "4711")),
        *(("release", "4714"), ("drop", "4714"), ("release", "4714")),
    ]
    rest = [
        (each["do"], each.get("queue") or each.get("name"), each.get("drop")) for each in sent if "offset" not in each
    ]
    assert rest == [
        *(("say", None, None), ("unhold", "docs", None), ("unhold", "docs", "1"), ("hold", None, None)),
        *(("resume", "web", None), ("pause", None, None), ("purge", None, None)),
    ]


def test_nobody_but_agents_can_be_paused_and_all_can_be_written_to(make: Any, noon: datetime) -> None:
    people = [make.an_instance("kay", noon, human=True), make.an_instance("bob", noon)]
    topics = [make.a_queue("all", 1, 1, 1), make.a_queue("build", 1, 1, 1), make.a_queue("inbox.bob", 1, 1, 1)]
    view = part(make.a_snapshot(instances=people, topics=topics), {})
    assert (view.agents, view.queues) == (["bob"], ["bob", "kay", "all", "#build"])


def test_the_address_fills_in_the_form_to_write_and_the_forms_come_back_to_it(make: Any) -> None:
    address = "/part?to=alice&thread=release&reply_to=id-7"
    (said,) = [each for each in forms(browse(make.a_busy_hour()).get(address).text) if each["do"] == "say"]
    assert (said["thread"], said["reply_to"], said["back"]) == ("release", "id-7", address)
    assert said["id"], "sent twice, it is stored once"


@pytest.mark.parametrize(("cookie", "name"), [("kay", "kay"), ("", ""), ("a b", ""), ("x" * 33, ""), ('"><b>', "")])
def test_the_name_is_the_one_that_the_browser_kept_if_it_is_one(make: Any, cookie: str, name: str) -> None:
    assert hands(cookie, "/", "i").person == name
    client = browse(make.a_busy_hour())
    page = client.get("/part", headers={"Cookie": f"hubbub_person={cookie}"}).text
    filled = [each["as"] for each in forms(page) if "as" in each]
    assert set(filled) == {name}
    assert len(filled) == len(forms(page)), "it goes with every form, also while it is not known"


def test_very_much_that_is_held_is_cut_and_says_so(make: Any, noon: datetime) -> None:
    held = [make.a_held(each, "a", "b", "x", noon) for each in range(1, 251)]
    view = part(make.a_snapshot(held=held), {})
    assert (len(view.held), view.held_more) == (200, "50 more messages held: hubbub held")


@pytest.mark.parametrize("path", ["/", "/part", "/health"])
def test_while_anything_is_held_every_page_says_so(make: Any, path: str) -> None:
    said = "2 messages wait for a person, 1 queue is held, 1 agent is paused"
    assert said in Reading(browse(make.a_busy_hour()).get(path).text).text
    assert "wait for a person" not in Reading(browse(make.nobody_yet()).get(path).text).text


def test_the_address_fills_in_the_queue_to_hold(make: Any) -> None:
    page = browse(make.a_busy_hour()).get("/part?queue=%23build").text
    (hold,) = [each for each in forms(page) if each["do"] == "hold"]
    assert hold["queue"] == "#build"
