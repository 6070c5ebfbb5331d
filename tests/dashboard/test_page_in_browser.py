"""The page in a real Chromium: it takes over without a flicker, stays true, and runs nothing that others wrote.

Any message on the browser's console fails a test, a violation of the content policy among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, expect

from dashboard.pages import _assets
from dashboard.view import Filter, entries, flow, nothing, older, overview
from dashboard.words import instant
from tests.dashboard.browsing import LOST, Window, is_live, wait_until
from tests.dashboard.real import RealHub

pytestmark = pytest.mark.browser


def now() -> datetime:
    return datetime.now(UTC)


COUNT_CHANGES = """
  window.changes = [];
  new MutationObserver((records) => {
    for (const { type, target, attributeName, addedNodes, removedNodes } of records) {
      if (target === document.documentElement) {
        if (attributeName === "data-taken") window.before ??= window.changes.splice(0);
      } else if (target.closest?.("#page") || target.parentElement?.closest("#page")) {
        // While the parser is at work it adds; taking over may neither add, remove nor change.
        if (type !== "childList" || removedNodes.length || document.readyState !== "loading")
          window.changes.push([type, attributeName, target.outerHTML?.slice(0, 80), addedNodes[0]?.nodeName]);
      }
    }
  }).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
"""


def test_the_script_takes_over_without_changing_anything(
    serve: Callable[..., Any], window: Window, make: Any, any_snapshot: dict[str, Any]
) -> None:
    hub = serve(any_snapshot)
    page = window(hub.url, before=COUNT_CHANGES)
    is_live(page)
    assert page.evaluate("window.before") == []
    hub.say(make.a_message(9_000, "bob", "alice", "hello", make.rfc3339(now())))
    expect(page.locator("#m9000")).to_be_visible()
    assert page.evaluate("window.changes.length") > 0, "the observer saw nothing at all"


QUERIES = ["", "?with=docs", "?topic=build.*&facts=0", "?thread=release-2.4&with=API", "?with=%3Cx"]


def test_the_browser_says_the_same_as_the_server(
    serve: Callable[..., Any], window: Window, any_snapshot: dict[str, Any]
) -> None:
    page = window(serve(any_snapshot).url)
    for query in QUERIES:
        from_browser = page.evaluate(
            """async ([path, snapshot, query, now]) => {
                 const view = await import(path);
                 const chosen = view.Filter.of(query);
                 const held = view.entries(snapshot.recent);
                 return [view.overview(snapshot, chosen, now), held, view.flow(held, chosen, now),
                         view.nothing(held, chosen), view.older(held, snapshot)];
               }""",
            [_assets.url("view.js"), any_snapshot, query, instant(any_snapshot["at"])],
        )
        chosen = Filter.of(dict(part.split("=") for part in query[1:].replace("%3C", "<").split("&") if part))
        held = entries(any_snapshot["recent"])
        rows = flow(held, chosen, now=instant(any_snapshot["at"]), zone=UTC)
        from_server = [
            overview(any_snapshot, chosen),
            held,
            rows,
            nothing(held, chosen),
            older(held, any_snapshot),
        ]
        assert from_browser == msgspec.to_builtins(from_server), query


def test_numbers_and_spans_are_said_the_same(serve: Callable[..., Any], window: Window, make: Any) -> None:
    from dashboard import words

    numbers = [0, 1, 2, 999, 1_000, 1_023, 1_024, 5_000, 10_239, 10_240, 59_999, 60_000, 1_048_575, 3_599_999,
               172_799_999, 172_800_000, 2**40, 2**52]  # fmt: skip
    page = window(serve(make.nobody_yet()).url)
    said = page.evaluate(
        """async ([path, numbers]) => {
             const words = await import(path);
             const { count, plural, size, span, ago, hue } = words;
             return numbers.map((n) => [count(n), plural(n, "x"), size(n), span(n), ago(n), hue(`n${n}`)]);
           }""",
        [_assets.url("words.js"), numbers],
    )
    assert said == [
        [words.count(n), words.plural(n, "x"), words.size(n), words.span(n), words.ago(n), words.hue(f"n{n}")]
        for n in numbers
    ]


TOO_WIDE = """
  [document.documentElement, ...document.querySelectorAll(".scroll, .stock, .masthead, .totals")]
    .filter((part) => part.scrollWidth > part.clientWidth)
    .map((part) => [part.className, part.scrollWidth, part.clientWidth])
"""


@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "none"])
def test_nothing_is_wider_than_the_window(
    serve: Callable[..., Any], window: Window, any_snapshot: dict[str, Any], width: int, scripts: bool
) -> None:
    page = window(serve(any_snapshot).url, width=width, java_script_enabled=scripts)
    expect(page.locator(".live")).to_have_text("live" if scripts else re.compile("^as of "))
    assert page.evaluate(TOO_WIDE) == []


def test_hostile_text_is_shown_and_nothing_of_it_runs(serve: Callable[..., Any], window: Window, make: Any) -> None:
    hub = serve(make.nobody_yet(now()))
    page = window(hub.url)
    is_live(page)
    at = make.rfc3339(now())
    hub.say(
        *(
            make.a_message(2 + place, "mallory", "alice", text, at, thread=text or None, data=[text])
            for place, text in enumerate(make.HOSTILE)
        )
    )
    last = page.locator(f"#m{1 + len(make.HOSTILE)}")
    expect(last).to_be_visible()
    for place, text in enumerate(make.HOSTILE):
        row = page.locator(f"#m{2 + place}")
        assert row.locator(".name").all_text_contents() == ["mallory", "alice"]
        assert row.locator(".line > .mark-thread").count() == (1 if text else 0)
        row.locator("summary").click()
        expect(row.locator(".body")).to_have_count(1)
    assert page.locator("#m2 .body").text_content() == make.HOSTILE[0]
    assert page.locator("#page script, #page img, #page style, #page iframe, #page h1 ~ h1").count() == 0
    assert page.title().startswith("Hubbub: ")
    # A body that turns the direction of writing turns its own only.
    forged = page.locator(f"#m{2 + 7} .line .name").first
    assert forged.bounding_box()["x"] < page.locator(f"#m{2 + 7} .line .arrow").bounding_box()["x"]  # type: ignore[index]


def test_a_message_shows_as_it_comes_and_the_tables_follow(
    serve: Callable[..., Any], window: Window, make: Any
) -> None:
    snapshot = make.nobody_yet(now())
    hub = serve(snapshot)
    page = window(hub.url)
    is_live(page)
    expect(page.get_by_text("Nobody is here yet")).to_be_visible()
    page.evaluate("window.same = true")
    at = make.rfc3339(now())
    snapshot["instances"] = [make.an_instance("alice", now(), unread=1, oldest_unread_at=at)]
    snapshot["topics"] = [make.a_queue("inbox.alice", 1, 5, 3, alice=1)]
    snapshot["hub"] |= {"online": 1, "instances": 1, "unread": 1}
    hub.say(
        make.a_fact(2, "$session.joined", at, name="alice", client="codex/1"),
        make.a_message(3, "bob", "alice", "hello", at),
    )
    expect(page.locator("#m3 .preview")).to_have_text("hello")
    expect(page.locator(".fact").last).to_contain_text("alice joined with codex/1")
    expect(page.get_by_role("row", name=re.compile("alice online"))).to_be_visible()
    expect(page.locator(".queues tbody tr")).to_contain_text("inbox.alice")
    expect(page).to_have_title("Hubbub: 1 online, 1 unread")
    assert page.evaluate("window.same") is True, "the page was loaded anew"


def test_the_demo_is_one_click_away_where_nobody_is_yet(serve: Callable[..., Any], window: Window, make: Any) -> None:
    hub = serve(make.nobody_yet(now()))
    page = window(hub.url)
    is_live(page)
    button = page.get_by_role("button", name="Play it here")
    button.click()
    expect(button).to_be_disabled()
    wait_until(page, lambda: hub.decided == [("POST", 0)])
    hub.say(make.a_message(2, "ada", "ben", "Does the build pass?", make.rfc3339(now())))
    expect(page.locator("#m2 .arrow")).to_be_visible()


def test_what_was_taken_is_confirmed_so_that_more_may_come(
    serve: Callable[..., Any], window: Window, make: Any
) -> None:
    hub = serve(make.nobody_yet(now()))
    page = window(hub.url)
    is_live(page)
    at = make.rfc3339(now())
    hub.say(*(make.a_message(offset, "bob", "alice", f"number {offset}", at) for offset in range(2, 302)))
    page.locator("#m301").wait_for(timeout=30_000)
    wait_until(page, lambda: hub.heard[-1].get("offset") == 301)
    hello, *others = hub.heard
    assert hello == {
        "type": "hello", "ref": 1, "observe": True, "resume": 1, "epoch": "e1", "credit": 256, "client": "dashboard",
    }  # fmt: skip
    received = [frame["offset"] for frame in others if frame["type"] == "received"]
    assert received == sorted(received)
    assert received[-1] == 301
    assert max(b - a for a, b in zip([1, *received], received, strict=False)) <= 64


def test_tables_are_not_fetched_once_a_message(serve: Callable[..., Any], window: Window, make: Any) -> None:
    hub = serve(make.nobody_yet(now()))
    page = window(hub.url)
    is_live(page)
    at = make.rfc3339(now())
    for offset in range(2, 202):
        hub.say(make.a_message(offset, "bob", "alice", "x", at))
    expect(page.locator("#m201")).to_be_visible()
    assert hub.fetched <= 12


AT_ONCE = "performance.now = () => 0;"  # however slow the machine, all that comes comes in one moment


def test_the_flow_stays_bounded(serve: Callable[..., Any], window: Window, make: Any) -> None:
    hub = serve(make.nobody_yet(now()))
    page = window(hub.url, before=AT_ONCE)
    is_live(page)
    at = make.rfc3339(now())
    hub.say(*(make.a_message(offset, "bob", "alice", "x", at) for offset in range(2, 803)))
    expect(page.locator("#m802")).to_be_in_viewport()
    rows = page.locator(".message")
    assert rows.count() < 100, "rows that nobody can see are drawn while many come"
    assert page.evaluate(FILLED), "there are too few rows for the window"
    page.locator(".scroll").press("PageUp")
    expect(rows).to_have_count(500)
    assert [rows.first.get_attribute("id"), rows.last.get_attribute("id")] == ["m303", "m802"]
    assert page.locator(".fresh").count() <= 8, "what comes among many moves"


FILLED = "document.querySelector('.roll').offsetHeight > document.querySelector('.scroll').clientHeight"


def test_what_is_unfolded_stays_while_many_messages_come(serve: Callable[..., Any], window: Window, make: Any) -> None:
    hub, page = a_long_page(serve, window, make, before=AT_ONCE)
    page.locator("#m79 summary").click()
    expect(page.locator("#m79 .whole")).to_be_visible()
    page.locator(".scroll").evaluate("scroll => (scroll.scrollTop = 0)")
    at = make.rfc3339(now())
    hub.say(*(make.a_message(offset, "bob", "alice", "new", at) for offset in range(82, 182)))
    expect(page.locator("#m181")).to_be_attached()
    expect(page.locator("#m79 .whole")).to_have_count(1)
    assert page.locator("#m78").count() == 0
    page.locator(".scroll").press("PageUp")
    expect(page.locator("#m2")).to_be_attached()


RESTS = """async (path) => {
  const { Frames } = await import(path);
  let now = 0, frame = null, cost = 0, timers = [];
  performance.now = () => now;
  window.requestAnimationFrame = (then) => (frame = then);
  window.setTimeout = (then, wait = 0) => (timers.push({ then, at: now + wait }), then);
  window.clearTimeout = (then) => (timers = timers.filter((each) => each.then !== then));
  const drawn = [];
  const frames = new Frames(() => (drawn.push(now), (now += cost)));
  // Whatever is due within so many ms happens when it is; the browser has a frame each 10.
  const pass = async (span) => {
    for (const end = now + span; now < end; now += 10) {
      const draw = frame;
      frame = null;
      draw?.();
      for (const each of timers.filter(({ at }) => at <= now)) {
        timers = timers.filter((other) => other !== each);
        each.then();
        await null;
      }
      await null;
      frames.soon();
    }
  };
  const gaps = async (each) => {
    cost = each;
    drawn.length = 0;
    frames.soon();
    await pass(2000);
    return drawn.slice(2).map((at, place) => at - drawn[place + 1]);
  };
  const found = { quick: await gaps(0), slow: await gaps(30), slowest: await gaps(400) };
  cost = 0;
  await pass(500);
  drawn.length = 0;
  frames.next();
  frame();
  found.person = drawn.length;
  return found;
}"""


def test_a_drawing_that_takes_long_is_followed_by_rest(serve: Callable[..., Any], window: Window, make: Any) -> None:
    page = window(serve(make.nobody_yet(now())).url)
    is_live(page)
    found = page.evaluate(RESTS, _assets.url("frame.js"))
    assert max(found["quick"]) <= 20, "what costs nothing is drawn with each frame"
    assert min(found["slow"]) >= 4 * 30
    assert max(found["slowest"]) <= 400 + 150 + 20, "it rests no longer than that"
    assert found["person"] == 1, "what a person did waits for no rest"


def a_long_page(serve: Callable[..., Any], window: Window, make: Any, before: str | None = None) -> tuple[Any, Page]:
    at = make.rfc3339(now())
    said = [make.a_message(offset, "bob", "alice", f"line {offset}\nand more", at) for offset in range(2, 82)]
    hub = serve(make.a_snapshot(now(), recent=said, instances=[make.an_instance("alice", now())]))
    page = window(hub.url, before=before)
    is_live(page)
    return hub, page


# A row gets its height in the frame in which it comes near what is in sight.
LAID_OUT = "() => new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then)))"


def place_of(page: Page, selector: str) -> float:
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["y"]


def test_a_reader_further_up_is_not_moved_and_told_what_is_new(
    serve: Callable[..., Any], window: Window, make: Any
) -> None:
    hub, page = a_long_page(serve, window, make)
    expect(page.locator("#m81")).to_be_in_viewport()
    page.locator("#m40").scroll_into_view_if_needed()
    page.evaluate(LAID_OUT)
    before = place_of(page, "#m40")
    at = make.rfc3339(now())
    hub.say(*(make.a_message(offset, "bob", "alice", "new", at) for offset in range(82, 94)))
    pill = page.get_by_role("button", name="12 new")
    expect(pill).to_be_visible()
    assert place_of(page, "#m40") == before
    assert page.locator("#m82").count() == 0
    pill.click()
    expect(page.locator("#m93")).to_be_in_viewport()
    expect(pill).to_have_count(0)
    hub.say(make.a_message(94, "bob", "alice", "and on", at))
    expect(page.locator("#m94")).to_be_in_viewport()


def test_a_message_unfolds_in_its_place_by_mouse_and_keyboard(
    serve: Callable[..., Any], window: Window, make: Any
) -> None:
    _, page = a_long_page(serve, window, make)
    summary = page.locator("#m70 summary")
    summary.scroll_into_view_if_needed()
    page.evaluate(LAID_OUT)
    before = place_of(page, "#m70 summary")
    summary.click()
    expect(page.locator("#m70 .whole")).to_be_visible()
    assert abs(place_of(page, "#m70 summary") - before) <= 1
    summary.press("Enter")
    expect(page.locator("#m70 .whole")).to_be_hidden()


def test_what_is_held_is_sent_or_dropped_by_a_button_and_is_gone_then(
    serve: Callable[..., Any], window: Window, make: Any
) -> None:
    held = [make.a_held(offset, "bob", "alice", f"thanks {offset}", now()) for offset in (7, 8)]
    hub = serve(make.a_snapshot(now(), instances=[make.an_instance("alice", now())], held=held))
    page = window(hub.url)
    is_live(page)
    part = page.get_by_role("region", name="Held until you decide")
    expect(part.get_by_role("listitem")).to_have_count(2)
    expect(part.locator("code").first).to_be_hidden()
    part.get_by_role("button", name="Send it").first.click()
    expect(part.get_by_role("listitem")).to_have_count(1)
    part.get_by_role("button", name="Drop it").click()
    expect(part).to_have_count(0)
    assert hub.decided == [("POST", 7), ("DELETE", 8)]


def test_without_scripts_what_is_held_names_the_command(serve: Callable[..., Any], window: Window, make: Any) -> None:
    held = [make.a_held(7, "bob", "alice", "thanks", now())]
    hub = serve(make.a_snapshot(now(), instances=[make.an_instance("alice", now())], held=held))
    part = window(hub.url, java_script_enabled=False).get_by_role("region", name="Held until you decide")
    expect(part.get_by_text("hubbub release 7")).to_be_visible()
    expect(part.get_by_role("button")).to_have_count(0)


def test_older_messages_come_on_demand(serve: Callable[..., Any], window: Window, make: Any) -> None:
    at = make.rfc3339(now())
    said = [make.a_message(offset, "bob", "alice", f"line {offset}", at) for offset in range(1, 301)]
    hub = serve(make.a_snapshot(now(), recent=said[200:]))
    hub.history = said
    page = window(hub.url)
    is_live(page)
    more = page.get_by_role("button", name="Older messages")
    more.click()
    expect(page.locator("#m101")).to_be_attached()
    more.click()
    expect(page.locator("#m1")).to_be_attached()
    expect(more).to_be_hidden()
    assert page.locator(".message").count() == 300


def test_it_comes_back_by_itself_with_everything_that_was_said(
    serve: Callable[..., Any], window: Window, make: Any
) -> None:
    window.forgiven = LOST
    hub = serve(make.nobody_yet(now()))
    page = window(hub.url)
    is_live(page)
    hub.stop()
    expect(page.locator(".live")).to_have_text("reconnecting")
    expect(page.locator(".banner")).to_contain_text("No hub answers")
    at = make.rfc3339(now())
    hub.history += [make.a_message(offset, "bob", "alice", f"meanwhile {offset}", at) for offset in (2, 3)]
    hub.snapshot["hub"]["head"] = 3
    hub.start()
    is_live(page)
    expect(page.locator(".banner")).to_be_empty()
    expect(page.locator(".message")).to_have_count(2)
    again = [frame for frame in hub.heard if frame["type"] == "hello"][-1]
    assert (again["resume"], again["epoch"]) == (1, "e1")


def test_another_numbering_starts_the_page_anew(serve: Callable[..., Any], window: Window, make: Any) -> None:
    window.forgiven = LOST
    at = make.rfc3339(now())
    old = [make.a_message(offset, "bob", "alice", "old", at) for offset in range(2, 9)]
    hub = serve(make.a_snapshot(now(), recent=old))
    page = window(hub.url)
    is_live(page)
    expect(page.locator(".message")).to_have_count(7)
    hub.snapshot = make.a_snapshot(now(), recent=[make.a_message(4, "eve", "alice", "fresh", at)], hub={"epoch": "e2"})
    hub.history = []
    hub.hang_up(4002, "restarting")
    is_live(page)
    expect(page.locator(".message")).to_have_count(1)
    expect(page.locator("#m4 .preview")).to_have_text("fresh")
    hub.say(make.a_message(5, "eve", "alice", "and on", at))
    expect(page.locator("#m5")).to_be_visible()


def test_a_page_that_is_signed_out_says_what_to_type(serve: Callable[..., Any], window: Window, make: Any) -> None:
    window.forgiven = LOST
    hub = serve(make.a_busy_hour(now()))
    page = window(hub.url)
    is_live(page)
    hub.open = False
    hub.hang_up(4511, "the token was revoked")
    expect(page.locator(".live")).to_have_text("signed out")
    expect(page.locator(".banner")).to_contain_text("hubbub open")
    page.goto(hub.url)
    expect(page.get_by_role("heading", name="This page is locked")).to_be_visible()


def test_what_a_snapshot_counts_and_the_page_has_not_is_said(
    serve: Callable[..., Any], window: Window, make: Any
) -> None:
    hub = serve(make.nobody_yet(now()))
    page = window(hub.url)
    is_live(page)
    hub.snapshot["hub"]["head"] = 41
    hub.push({"type": "message"} | make.a_fact(2, "$cursors", make.rfc3339(now()), moved=[]))
    expect(page.locator(".live")).to_have_text("39 messages behind")
    hub.push({"type": "gap", "from": 3, "to": 41})
    is_live(page)
    expect(page.locator(".fact").last).to_contain_text("39 messages are no longer kept")


def test_a_hub_that_falls_silent_is_noticed(serve: Callable[..., Any], window: Window, make: Any) -> None:
    hub = serve(make.nobody_yet(now()))
    page = window(hub.url, clock=True)
    page.clock.run_for(1_000)
    is_live(page)
    hub.deaf = True
    page.clock.run_for(25_500)  # 15 s of silence, and 10 s for an answer
    wait_until(page, lambda: [frame["type"] for frame in hub.heard].count("hello") == 2)


def test_filters_stand_in_the_address_and_going_back_goes_back(
    serve: Callable[..., Any], window: Window, make: Any
) -> None:
    page = window(serve(make.a_busy_hour(now())).url)
    is_live(page)
    page.evaluate("window.same = true")
    page.get_by_label("From or to").select_option("docs")
    expect(page).to_have_url(re.compile(r"\?with=docs$"))
    expect(page.locator(".message")).to_have_count(2)
    page.get_by_role("link", name="Hide hub facts").click()
    expect(page).to_have_url(re.compile(r"\?with=docs&facts=0$"))
    expect(page.locator(".fact")).to_have_count(0)
    page.get_by_label("From or to").select_option("")
    page.get_by_label("Topic").select_option("build.macos")
    expect(page).to_have_url(re.compile(r"\?topic=build.macos&facts=0$"))
    expect(page.locator(".message")).to_have_count(1)
    for _ in range(3):
        page.go_back()
    expect(page).to_have_url(re.compile(r"\?with=docs$"))
    expect(page.locator(".message")).to_have_count(2)
    expect(page.get_by_label("From or to")).to_have_value("docs")
    page.get_by_role("link", name="Show everything").click()
    expect(page.locator(".message")).to_have_count(12)
    assert page.evaluate("window.same") is True, "the page was loaded anew"


def test_filters_work_without_scripts(serve: Callable[..., Any], window: Window, make: Any) -> None:
    page = window(serve(make.a_busy_hour(now())).url + "?facts=0", java_script_enabled=False)
    page.get_by_label("From or to").select_option("docs")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(r"\?with=docs&topic=&facts=0$"))
    expect(page.locator(".message")).to_have_count(2)
    page.locator("#m4708 summary").click()
    expect(page.locator("#m4708 .whole")).to_contain_text("release-2.4")
    expect(page.get_by_role("button", name=re.compile("theme|Older"))).to_have_count(0)


def test_without_scripts_the_newest_message_is_in_sight(serve: Callable[..., Any], window: Window, make: Any) -> None:
    at = make.rfc3339(now())
    said = [make.a_message(offset, "bob", "alice", f"line {offset}", at) for offset in range(2, 82)]
    page = window(serve(make.a_snapshot(now(), recent=said)).url, java_script_enabled=False)
    expect(page.locator("#m81")).to_be_in_viewport()


def test_a_chosen_theme_is_there_before_the_first_paint(serve: Callable[..., Any], window: Window, make: Any) -> None:
    page = window(serve(make.nobody_yet()).url, color_scheme="light")
    is_live(page)
    toggle = page.get_by_role("button", name="theme: auto")
    toggle.click()
    page.get_by_role("button", name="theme: light").click()
    expect(page.get_by_role("button", name="theme: dark")).to_be_visible()
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(paper)
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(paper) == dark
    page.get_by_role("button", name="theme: dark").click()
    assert page.evaluate(paper) != dark


CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) => linear(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const probe = document.querySelector(".mark").appendChild(document.createElement("span"));
  const measure = (className, colour = "") => {
    probe.className = className;
    probe.style.color = colour;
    return luminance(getComputedStyle(probe).color);
  };
  const papers = ["--paper", "--raised", "--amber-wash"].map((name) => measure("", `var(${name})`));
  const inks = [...Array(24).keys()].map((hue) => [`h${hue}`, measure(`name h${hue}`)]);
  for (const name of ["--ink", "--soft", "--amber", "--red"]) inks.push([name, measure("", `var(${name})`)]);
  return inks.flatMap(([name, ink]) =>
    papers.map((paper) => [name, (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)]));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_of_text_can_be_read(serve: Callable[..., Any], window: Window, make: Any, scheme: str) -> None:
    page = window(serve(make.nobody_yet()).url, color_scheme=scheme)
    measured = page.evaluate(CONTRAST)
    assert len(measured) == 28 * 3
    assert [each for each in measured if each[1] < 4.5] == []  # WCAG 2.2, 1.4.3


def test_the_page_lives_on_a_real_hub_through_sign_in_messages_and_a_crash(real_hub: RealHub, window: Window) -> None:
    window.forgiven = LOST
    link = real_hub.run("open", "--print")
    page = window(f"http://127.0.0.1:{real_hub.port}/")
    expect(page.get_by_role("heading", name="This page is locked")).to_be_visible()
    page.goto(link)
    is_live(page)
    expect(page.get_by_text("Nobody is here yet")).to_be_visible()

    real_hub.run("subscribe", "--as", "alice", "build.>")
    real_hub.run("send", "--as", "bob", "#build.linux", "<b>green</b>", "--thread", "nightly")
    expect(page.locator(".message .preview")).to_have_text(["<b>green</b>"])
    expect(page.locator(".fact").filter(has_text="hears build.>")).to_have_count(1)
    alice = page.locator(".instances tbody tr").filter(has_text="alice")
    expect(alice.locator(".num").first).to_have_text("1")
    expect(page.locator(".queues tbody tr").filter(has_text="build.linux").locator(".behind")).to_have_text("alice 1")
    real_hub.run("read", "--as", "alice")
    expect(alice.locator(".num").first).to_have_text("0")

    real_hub.kill()
    expect(page.locator(".live")).to_have_text("reconnecting")
    real_hub.start()
    expect(page.locator(".live")).to_have_text("live", timeout=20_000)
    real_hub.run("send", "--as", "bob", "alice", "after the crash")
    expect(page.locator(".message .preview")).to_have_text(["<b>green</b>", "after the crash"])
    page.reload()
    is_live(page)
    expect(page.locator(".message .preview")).to_have_text(["<b>green</b>", "after the crash"])

    page.goto(link)  # used up, but this browser is signed in
    is_live(page)
    page.context.clear_cookies()
    page.goto(link)
    expect(page.get_by_text("hubbub open")).to_be_visible()


def test_a_problem_of_the_hub_comes_up_at_the_top_and_goes_away_by_itself(
    serve: Callable[..., Any], window: Window, make: Any
) -> None:
    hub = serve(make.a_busy_hour(now()))
    page = window(hub.url)
    is_live(page)
    expect(page.locator(".troubles")).to_have_count(0)
    hub.snapshot["hub"]["problems"] = ["the log cannot be written: the disk is full"]
    hub.say(make.a_message(4800, "api", "all", "one more", make.rfc3339(now())))
    expect(page.get_by_role("alert")).to_have_text("Not ready the log cannot be written: the disk is full")
    expect(page).to_have_title("Hubbub: not ready")
    box = page.locator(".troubles").bounding_box()
    totals = page.locator(".totals").bounding_box()
    assert box is not None
    assert totals is not None
    assert box["y"] + box["height"] <= totals["y"]
    hub.snapshot["hub"]["problems"] = []  # nobody says so: the page looks again
    expect(page.locator(".troubles")).to_have_count(0)
