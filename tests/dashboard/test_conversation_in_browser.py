"""The conversation in a real Chromium: drawn in part only, and the reader's place stays whatever comes.

What is asserted are counts and places, never a time: how long it takes is what `python -m benchmarks.page` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dashboard.conversation import where
from dashboard.pages import _assets
from tests.dashboard.browsing import Window, is_live
from tests.dashboard.hours import (
    HOSTILE,
    a_busy_hour,
    a_fact,
    a_hostile_hour,
    a_message,
    a_snapshot,
    an_instance,
    rfc3339,
)
from tests.dashboard.test_conversation import LADDERS

pytestmark = pytest.mark.browser

MOST_ROWS = 60  # of a window 800 px high, whatever is held


def now() -> datetime:
    return datetime.now(UTC)


def lines(first: int, last: int, *, agents: int = 5) -> list[dict[str, Any]]:
    at = rfc3339(now())
    return [
        a_message(each, f"agent-{each % agents}", f"agent-{(each * 7 + 1) % agents}", f"line {each}", at)
        for each in range(first, last + 1)
    ]


def moved(offset: int, name: str, upto: int, rung: str) -> dict[str, Any]:
    rungs = ("pushed", "received", "read")
    at = {each: upto if rungs.index(each) <= rungs.index(rung) else 0 for each in rungs}
    return a_fact(offset, "$cursors", rfc3339(now()), moved=[{"origin": 1, "name": name, **at}])


def rows(page: Page) -> Any:
    return page.locator(".row")


def drawn(page: Page) -> list[str]:
    return [each.removeprefix("m") for each in page.eval_on_selector_all(".row", "all => all.map((each) => each.id)")]


def test_a_message_is_an_arrow_whose_ladder_climbs(serve: Callable[..., Any], window: Window) -> None:
    at = rfc3339(now())
    people = [an_instance(name, now()) for name in ("alice", "bob", "carol")]
    hub = serve(a_snapshot(now(), instances=people, recent=[a_message(5, "alice", "bob", "how long?", at)]))
    page = window(hub.url + "conversation")
    is_live(page)
    expect(page.locator(".head")).to_have_text(["alice", "bob"])
    asked = page.locator("#m5")
    word = asked.locator(".where .word")
    expect(word).to_have_text("accepted")
    expect(asked.locator(".line")).to_have_class("line r0")
    for offset, rung, style in ((6, "pushed", "r1"), (7, "received", "r2"), (8, "read", "r3")):
        hub.say(moved(offset, "bob", 5, rung))
        expect(word).to_have_text(rung)
        expect(asked.locator(".line")).to_have_class(f"line {style}")
    marks = asked.locator(".ladder > *")
    assert asked.locator(".ladder > .on").count() == 4
    assert marks.evaluate_all("all => all.map((each) => getComputedStyle(each).opacity)") == ["1"] * 5, "they are seen"
    hub.say(a_message(9, "bob", "alice", "an hour", at, reply_to="id-5"))
    expect(word).to_have_text("answered")
    expect(page.locator(".between")).to_have_count(1)
    hub.say(a_message(10, "carol", "all", "hello", at))
    expect(page.locator(".head")).to_have_text(["alice", "bob", "carol"])
    expect(page.locator("#m10 .tip")).to_have_count(2)
    expect(page.locator("#m10 .word")).to_have_text("accepted by all 2")
    hub.say(moved(11, "alice", 10, "read"))
    expect(page.locator("#m10 .word")).to_have_text("read by 1 of 2")


def test_the_browser_says_of_a_ladder_what_the_server_does(serve: Callable[..., Any], window: Window) -> None:
    page = window(serve(a_busy_hour(now())).url + "conversation")
    ladders = [[{"name": "n", "state": state} for state in states] for states, _, _ in LADDERS]
    said = page.evaluate(
        "async ([path, ladders]) => { const { where } = await import(path); return ladders.map(where); }",
        [_assets.url("ladder.js"), ladders],
    )
    assert [(each["rung"], each["words"]) for each in said] == [
        (where(each).rung, where(each).words) for each in ladders
    ]


def test_ten_thousand_messages_are_held_and_a_windowful_is_drawn(serve: Callable[..., Any], window: Window) -> None:
    hub = serve(a_snapshot(now(), recent=lines(1, 10_000, agents=50)))
    page = window(hub.url + "conversation")
    is_live(page)
    expect(page.locator("#m10000")).to_be_in_viewport()
    assert rows(page).count() <= MOST_ROWS
    expect(page.locator(".head")).to_have_count(12)
    expect(page.locator(".others")).to_have_text("39 more")
    heads = page.locator(".head").all_text_contents()
    first = rows(page).first
    while (held := first.get_attribute("aria-setsize")) != "10000":
        page.locator(".rows").evaluate("(all) => { all.scrollTop = 0; }")
        expect(first).not_to_have_attribute("aria-setsize", held or "")
        assert rows(page).count() <= MOST_ROWS
    page.locator(".rows").evaluate("(all) => { all.scrollTop = 0; }")
    expect(page.locator("#m1")).to_be_in_viewport()
    expect(page.locator(".edge")).to_have_text("Here begins what is kept")
    assert rows(page).count() <= MOST_ROWS
    assert page.locator(".head").all_text_contents() == heads, "a lane stays where it is"
    elements = page.evaluate("document.querySelectorAll('*').length")
    assert elements < 3_000, elements


def test_nothing_moves_while_the_reader_is_further_up(serve: Callable[..., Any], window: Window) -> None:
    hub = serve(a_snapshot(now(), recent=lines(1, 400)))
    page = window(hub.url + "conversation")
    is_live(page)
    page.locator("#m400").wait_for()
    page.locator(".rows").evaluate("(all) => { all.scrollTop -= 1000; }")
    expect(page.locator("#m400")).to_have_count(0)
    place = """Object.fromEntries(
        [...document.querySelectorAll(".row")].map((row) => [row.id, row.getBoundingClientRect().top]))"""
    before = page.evaluate(place)
    hub.say(*lines(401, 1_000))
    pill = page.locator(".pill")
    expect(pill).to_have_text("600 new messages below")
    after = page.evaluate(place)
    assert {key: after[key] for key in before} == before
    pill.click()
    expect(page.locator("#m1000")).to_be_in_viewport()
    expect(pill).to_have_count(0)


def test_two_thousand_messages_in_a_stream_leave_no_more_than_a_windowful(
    serve: Callable[..., Any], window: Window
) -> None:
    hub = serve(a_snapshot(now(), recent=lines(1, 100, agents=50)))
    page = window(hub.url + "conversation")
    is_live(page)
    for first in range(101, 4_101, 200):
        hub.say(*lines(first, first + 199, agents=50))
    expect(page.locator("#m4100")).to_be_in_viewport()
    assert rows(page).count() <= MOST_ROWS
    held = int(rows(page).first.get_attribute("aria-setsize") or 0)
    assert held <= 2_200, "at the end of the log the page lets the oldest go"


def test_the_keyboard_goes_from_message_to_message(serve: Callable[..., Any], window: Window) -> None:
    hub = serve(a_snapshot(now(), recent=lines(1, 300)))
    page = window(hub.url + "conversation")
    is_live(page)
    page.keyboard.press("j")  # wherever one is: the last that is in sight
    expect(page.locator(".chosen")).to_have_attribute("id", "m300")
    expect(page.locator(".rows")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("ArrowUp")
    expect(page.locator(".rows")).to_have_attribute("aria-activedescendant", "m298")
    page.keyboard.press("Enter")
    expect(page.locator(".panel .body")).to_have_text("line 298")
    page.keyboard.press("j")
    expect(page.locator(".panel .body")).to_have_text("line 299")
    page.keyboard.press("Escape")
    expect(page.locator(".panel")).to_have_count(0)
    page.keyboard.press("Home")
    expect(page.locator(".chosen")).to_be_in_viewport()
    assert page.url.endswith("#m201"), "the oldest that is held; older ones come when it is in sight"
    page.reload()
    is_live(page)
    expect(page.locator("#m201.chosen")).to_be_in_viewport()


def test_for_reading_bodies_are_whole_and_markdown_is_never_html(serve: Callable[..., Any], window: Window) -> None:
    at = rfc3339(now())
    body = (
        "# A heading\n\nSome **bold** and `code`, <b>no HTML</b> & [a link](https://example.org) "
        "[bad](javascript:alert(1))\n\n![a picture](https://example.org/x.png)\n\n- one\n- two\n\n"
        "| a | b |\n|:-:|--:|\n| 1 | 2 |\n\n```\n<script>document.title = 'run'</script>\n```\n"
    )
    hub = serve(a_snapshot(now(), recent=[*lines(1, 300), a_message(301, "bob", "alice", body, at)]))
    page = window(hub.url + "conversation?view=read")
    is_live(page)
    said = page.locator("#m301 .text")
    expect(said.locator("strong")).to_have_text("bold")
    expect(said.locator(".heading")).to_have_text("A heading")
    expect(said.locator("li")).to_have_text(["one", "two"])
    expect(said.locator("td")).to_have_text(["1", "2"])
    expect(said.locator("pre")).to_contain_text("<script>")
    expect(said).to_contain_text("<b>no HTML</b> & a link [bad](javascript:alert(1))")
    assert [each.get_attribute("href") for each in said.locator("a").all()] == [
        "https://example.org",
        "https://example.org/x.png",
    ]
    assert said.locator("img, script, b").count() == 0
    assert page.locator("article").count() <= MOST_ROWS
    hub.say(a_message(302, "alice", "bob", "long\n\n" * 300 + "the end", at))
    expect(page.locator("#m302 .text")).to_contain_text("the end")
    hub.say(*lines(303, 330))
    expect(page.locator("#m330")).to_be_in_viewport()
    assert page.title() != "run"


def test_reading_further_up_keeps_its_place_while_older_ones_and_new_ones_come(
    serve: Callable[..., Any], window: Window
) -> None:
    tall = [each | {"body": "word " * (each["offset"] * 13 % 300)} for each in lines(1, 600)]
    hub = serve(a_snapshot(now(), recent=tall))
    page = window(hub.url + "conversation?view=read")
    is_live(page)
    page.locator("#m600").wait_for()
    page.locator(".rows").evaluate("(all) => { all.scrollTop = 500; }")  # close enough to the top for older ones
    expect(page.locator("article").first).not_to_have_attribute("aria-setsize", "100")
    first = page.evaluate(
        "[...document.querySelectorAll('article')].map((each) => [each.id, each.getBoundingClientRect().top])"
        ".find(([, top]) => top > 200)"
    )
    hub.say(*lines(601, 640))
    expect(page.locator(".pill")).to_have_text("40 new messages below")
    top = page.locator(f"#{first[0]}").evaluate("(each) => each.getBoundingClientRect().top")
    assert abs(top - first[1]) < 1


def test_a_conversation_is_taken_elsewhere_as_text(serve: Callable[..., Any], window: Window) -> None:
    hub = serve(a_busy_hour(now()))
    page = window(hub.url + "conversation?thread=macos-red")
    is_live(page)
    copies = page.evaluate(
        """async ([path, messages]) => {
             const { asJson, asMarkdown, asMermaid } = await import(path);
             return [asJson(messages), asMarkdown("macos-red", messages), asMermaid(messages)];
           }""",
        [_assets.url("copies.js"), [each for each in a_busy_hour()["recent"] if each["thread"] == "macos-red"]],
    )
    assert '"id": "id-4702"' in copies[0]
    assert copies[1].startswith("# macos-red\n\n**web** → **ci** · ")
    assert "```\nIs the macOS failure ours?\n```" in copies[1]
    assert copies[2].splitlines() == [
        "sequenceDiagram",
        "    participant p0 as web",
        "    participant p1 as ci",
        "    participant p2 as docs",
        "    p0->>p1: Is the macOS failure ours?",
        "    p1-->>p0: No#58; it fails on main too. docs touched that file last.",
        "    p0->>p2: Could you look at test#95;case#95;is#95;kept? The rename of README broke it on macOS.",
    ]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_text("Copy", exact=True).click()
    page.get_by_role("button", name="Mermaid").click()
    expect(page.locator(".copy .done")).to_have_text("3 messages copied as Mermaid.")
    assert page.evaluate("navigator.clipboard.readText()") == copies[2]


def test_hostile_words_run_nowhere_in_the_diagram_nor_for_reading(serve: Callable[..., Any], window: Window) -> None:
    for view in ("diagram", "read"):
        hub = serve(a_hostile_hour(now()))
        page = window(hub.url + f"conversation?view={view}")
        is_live(page)
        selector = ".row" if view == "diagram" else "article"
        expect(page.locator(f"{selector}#m{1_000 + len(HOSTILE) - 1}")).to_be_visible()
        hub.say(*(a_message(9_000 + place, text or "x", "all", text, rfc3339(now()), thread=text or None)
                  for place, text in enumerate(HOSTILE)))  # fmt: skip
        expect(page.locator(f"{selector}#m{9_000 + len(HOSTILE) - 1}")).to_be_visible()
        assert "run" not in page.title().split()
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0


def test_a_file_can_be_had_from_the_diagram_and_from_the_reading_view(
    serve: Callable[..., Any], window: Window
) -> None:
    files = [{"name": "log.txt", "size": 2048, "sha256": "ab12"}, {"name": "gone.txt", "sha256": "cd", "here": False}]
    said = [a_message(1, "alice", "bob", "two files", rfc3339(now()), attachments=files)]
    hub = serve(a_snapshot(now(), recent=said))
    page = window(hub.url + "conversation")
    rows(page).first.click()
    expect(page.locator(".panel .files li")).to_have_text(["log.txt, 2.0 KiB", "gone.txt, not in this replay"])
    expect(page.locator(".panel .files a")).to_have_attribute("href", "/api/v1/attachments/ab12?message=id-1")
    page.goto(hub.url + "conversation?view=read")
    is_live(page)
    expect(page.locator(".mark-files")).to_have_text(["log.txt, 2.0 KiB", "gone.txt, not in this replay"])
    expect(page.locator("a.mark-files")).to_have_attribute("href", "/api/v1/attachments/ab12?message=id-1")


def heads(page: Page) -> Any:
    return page.locator(".head")


def test_whoever_was_renamed_has_one_lane_under_the_new_name(serve: Callable[..., Any], window: Window) -> None:
    at = rfc3339(now())
    said = [a_message(1, "alice", "bob", "one", at), a_message(2, "bob", "alice", "two", at)]
    people = [an_instance("alicia", now(), also=["alice"]), an_instance("bob", now())]
    hub = serve(a_snapshot(now(), recent=said, instances=people))
    hub.snapshot["senders"] = {"1": "alicia"}
    hub.snapshot["ladders"] = {"2": [{"name": "alicia", "state": "read"}]}
    page = window(hub.url + "conversation")
    is_live(page)
    expect(heads(page)).to_have_text(["alicia was alice", "bob"])
    expect(rows(page).first).to_have_attribute("aria-label", re.compile("alicia, then called alice, to bob: one"))
    hub.say(a_message(3, "bob", "alice", "to her old name", at))
    expect(rows(page)).to_have_count(3)
    expect(heads(page)).to_have_text(["alicia was alice", "bob"])
    rows(page).first.click()
    expect(page.locator(".panel h2")).to_contain_text("alice (now alicia)")


def test_a_lane_stays_where_it_is_when_its_agent_is_renamed(serve: Callable[..., Any], window: Window) -> None:
    at = rfc3339(now())
    said = [a_message(1, "alice", "bob", "one", at), a_message(2, "bob", "alice", "two", at)]
    hub = serve(a_snapshot(now(), recent=said, instances=[an_instance("alice", now()), an_instance("bob", now())]))
    page = window(hub.url + "conversation?with=alice,bob")
    is_live(page)
    expect(heads(page)).to_have_text(["alice", "bob"])
    hub.snapshot["senders"] = {"1": "alicia"}
    hub.snapshot["ladders"] = {"2": [{"name": "alicia", "state": "read"}]}
    hub.say(a_fact(3, "$instance.renamed", at, origin=1, old="alice", name="alicia", forwards_until=at))
    expect(heads(page)).to_have_text(["alicia was alice", "bob"])
    hub.say(a_message(4, "alicia", "bob", "it is still me", at))
    expect(rows(page)).to_have_count(3)  # the page is about her, whatever she is called
    expect(heads(page)).to_have_text(["alicia was alice", "bob"])


def test_not_ready_comes_up_above_the_conversation_and_goes_away_by_itself(
    serve: Callable[..., Any], window: Window
) -> None:
    hub = serve(a_snapshot(now(), recent=lines(1, 3)))
    page = window(hub.url + "conversation")
    is_live(page)
    expect(page.locator(".troubles")).to_have_count(0)
    hub.snapshot["hub"]["problems"] = ["the log cannot be written: the disk is full"]
    hub.say(*lines(4, 4))
    expect(page.get_by_role("alert")).to_have_text("Not ready the log cannot be written: the disk is full")
    box, bar = page.locator(".troubles").bounding_box(), page.locator(".talk > .bar").bounding_box()
    assert box is not None
    assert bar is not None
    assert box["y"] + box["height"] <= bar["y"]
    hub.snapshot["hub"]["problems"] = []  # nobody says so: the page looks again
    expect(page.locator(".troubles")).to_have_count(0)


def test_another_hub_or_a_rename_begins_anew(serve: Callable[..., Any], window: Window) -> None:
    hub = serve(a_snapshot(now(), recent=lines(1, 50)))
    page = window(hub.url + "conversation")
    is_live(page)
    hub.history[:] = [each | {"from": "agent-renamed"} for each in lines(1, 20)]
    hub.say(a_fact(51, "$instance.renamed", rfc3339(now()), origin=1, old="agent-0", name="agent-renamed"))
    expect(page.locator("#m20")).to_be_visible()
    expect(page.locator("#m50")).to_have_count(0)
    assert all(int(each) <= 20 for each in drawn(page))
