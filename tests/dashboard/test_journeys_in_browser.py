"""Two browsers at once, and a hub that goes and comes back under every kind of page: in Chromium, on a real hub."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.dashboard.browsing import LOST, Window, is_drawn, is_live
from tests.dashboard.real import RealHub

pytestmark = pytest.mark.browser

COME_BACK = 30_000  # ms; a page tries again at the latest every ten seconds


def sign_in(hub: RealHub, window: Window, path: str = "/") -> Page:
    """A browser of its own, at a page that is live. A mark in it tells whether it is loaded anew."""
    page = window(hub.run("open", "--print"))
    is_live(page)
    return at(hub, page, path)


def at(hub: RealHub, page: Page, path: str) -> Page:
    page.goto(f"http://127.0.0.1:{hub.port}{path}")
    is_drawn(page)
    page.evaluate("window.same = true")
    return page


def is_the_same(page: Page) -> None:
    assert page.evaluate("window.same") is True, "the page was loaded anew"


def half_typed(field: Locator, text: str) -> None:
    """Somebody is in the middle of a sentence, and of a word."""
    field.fill(text)
    field.focus()
    field.evaluate("field => field.setSelectionRange(2, 5)")


def is_still_typed(field: Locator, text: str) -> None:
    expect(field).to_have_value(text)
    expect(field).to_be_focused()
    assert field.evaluate("field => [field.selectionStart, field.selectionEnd]") == [2, 5]


def test_what_one_browser_does_the_other_shows_and_nothing_half_typed_is_lost(
    real_hub: RealHub, window: Window
) -> None:
    for name in ("alice", "bob"):
        real_hub.run("read", "--as", name)
    mine, theirs = sign_in(real_hub, window, "/part?to=alice"), sign_in(real_hub, window, "/part")
    talk = at(real_hub, theirs.context.new_page(), "/conversation?with=alice")
    talk.locator("#write summary").click()
    sentence = talk.locator("#write textarea")
    half_typed(sentence, "I was about to say")

    write = mine.locator("form.say")
    write.get_by_label("Your name").fill("kay")
    write.get_by_placeholder("What you have to say").fill("hello from one browser")
    write.get_by_role("button", name="Send").click()
    expect(talk.locator(".row")).to_contain_text(["hello from one browser"])
    is_still_typed(sentence, "I was about to say")

    reason = theirs.get_by_label("Pause an agent").get_by_label("Reason")
    half_typed(reason, "it talks too much")
    hold = mine.get_by_label("Hold a queue")
    hold.get_by_label("Queue").fill("alice")
    hold.get_by_role("button", name="Hold it").click()
    expect(theirs.locator("[data-row='hold alice']")).to_contain_text("nothing waits")
    expect(talk.locator(".standstill")).to_contain_text("1 queue is held")
    real_hub.run("send", "--as", "bob", "alice", "please look")
    expect(mine.locator(".waits .body")).to_have_text("please look")
    expect(theirs.locator(".waits .body")).to_have_text("please look")
    is_still_typed(reason, "it talks too much")

    mine.get_by_role("button", name="Send it").click()
    expect(theirs.get_by_text("No message waits for you.")).to_be_visible()
    expect(talk.locator(".row")).to_contain_text(["hello from one browser", "please look"])
    is_still_typed(reason, "it talks too much")
    mine.get_by_role("button", name="End the hold").click()
    expect(theirs.locator("[data-row='hold alice']")).to_have_count(0)
    expect(talk.locator(".standstill")).to_be_empty()
    is_still_typed(reason, "it talks too much")
    talk.bring_to_front()
    expect(sentence).to_have_value("I was about to say")
    for page in (mine, theirs, talk):
        is_the_same(page)


STREAMING = {"/": ".message .preview", "/conversation": ".row .said", "/conversation?view=read": ".said .text"}
MORPHED = {
    "/conversation?view=table": "tbody .preview",
    "/instances/alice": "#page .saids .preview",
    "/search?q=before": ".saids .preview",
    "/topics": "[data-row='inbox.alice'] .backlog",
}


def test_every_kind_of_page_says_that_no_hub_answers_and_comes_back_with_what_was_said(
    real_hub: RealHub, window: Window
) -> None:
    window.forgiven = LOST
    real_hub.run("read", "--as", "alice")
    real_hub.run("send", "--as", "bob", "alice", "one before")
    first = sign_in(real_hub, window)
    pages = {path: at(real_hub, first.context.new_page(), path) for path in (*STREAMING, *MORPHED)}
    past = at(real_hub, first.context.new_page(), "/topics?at=1")
    for path, page in pages.items():
        shown = page.locator((STREAMING | MORPHED)[path]).first
        expect(shown).to_have_text("1" if path == "/topics" else "one before")
    field = pages["/search?q=before"].get_by_label("Words")
    half_typed(field, "before and after")

    real_hub.kill()
    for page in pages.values():
        expect(page.locator(".live")).to_have_text("reconnecting", timeout=COME_BACK)
        expect(page.locator(".banner")).to_contain_text("hubbub start")
    past.get_by_role("link", name="on", exact=True).click()
    expect(past.locator(".banner")).to_contain_text("No hub answers")

    real_hub.start()
    real_hub.run("send", "--as", "bob", "alice", "two before")
    for path, page in pages.items():
        expect(page.locator(".live")).to_have_text("live", timeout=COME_BACK)
        expect(page.locator(".banner")).to_be_empty()
        shown = page.locator((STREAMING | MORPHED)[path])
        if path == "/topics":
            expect(shown).to_have_text("2")
        else:
            expect(shown.filter(has_text="two before")).to_have_count(1)
        is_the_same(page)
    is_still_typed(field, "before and after")
    expect(past.locator(".place")).not_to_have_text("right after message 1", timeout=COME_BACK)
    expect(past.locator(".banner")).to_be_empty()
    is_the_same(past)
