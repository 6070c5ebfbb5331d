"""The browser's notifications: asked for by a click, and shown only while the page is out of sight."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browsing import LOST, Window, is_live, wait_until

pytestmark = pytest.mark.browser

# A browser's notifications without a desktop to show them on.
STUB = """
  window.asked = 0;
  window.shown = [];
  window.Notification = class {
    static permission = "default";
    static async requestPermission() { window.asked += 1; return Notification.permission = "granted"; }
    constructor(title, { body, tag }) { window.shown.push([title, body, tag]); }
    close() {}
  };
  window.away = false;
  Object.defineProperty(document, "hidden", { get: () => window.away });
"""


@pytest.fixture
def hub(serve: Callable[..., Any], make: Any) -> Any:
    return serve(make.nobody_yet(datetime.now(UTC)))


@pytest.fixture
def page(hub: Any, window: Window) -> Page:
    page = window(hub.url + "health", before=STUB)
    is_live(page)
    return page


def choose(page: Page, *boxes: str, name: str = "") -> None:
    page.get_by_role("button", name="Notifications").click()
    for box in boxes:
        page.get_by_label(box).check()
    if name:
        page.get_by_label("there is a message to").fill(name)
    page.get_by_role("button", name="Close").click()
    expect(page.locator("dialog.notices")).to_be_hidden()


def test_nothing_is_asked_for_before_a_box_is_ticked_and_then_once(page: Page) -> None:
    page.get_by_role("button", name="Notifications").click()
    assert page.evaluate("asked") == 0
    expect(page.locator("dialog.notices")).to_contain_text("The browser will ask you once.")
    page.get_by_label("a message is held").check()
    expect(page.locator("dialog.notices")).to_contain_text("This browser lets the page show them.")
    page.get_by_label("no longer answers").check()
    assert page.evaluate("asked") == 1


def test_only_what_was_chosen_is_told_and_only_out_of_sight(page: Page, hub: Any, make: Any) -> None:
    choose(page, "a message is held", name="You")
    at = make.rfc3339(datetime.now(UTC))
    hub.say(make.a_message(9, "alice", "you", "in sight", at))
    expect(page.locator(".terms")).to_contain_text(["offsets 1 to 9"])  # it has been heard
    page.evaluate("away = true")
    held = make.a_fact(12, "$loop.held", at, name="web", to="ci", messages=21)
    hub.say(
        make.a_message(10, "alice", "bob", "not for me", at), make.a_message(11, "alice", "you", "<b>hi</b>", at), held
    )
    wait_until(page, lambda: len(page.evaluate("shown")) == 2)
    assert page.evaluate("shown") == [
        ["alice → you", "<b>hi</b>", "message-11"],
        ["Held: web → ci", "It waits until you decide.", "held-12"],
    ]


def test_what_waits_too_long_is_told_once_by_whatever_page_and_anew_after_it_was_read(
    hub: Any, window: Window, make: Any
) -> None:
    now = datetime.now(UTC)
    late = {"unread": 2, "oldest_unread_at": make.before(now, minutes=7)}
    alice, kay = make.an_instance("alice", now), make.an_instance("kay", now, human=True, **late)
    hub.snapshot["instances"] = [alice, kay]
    page = window(hub.url + "health", before=STUB, clock=True)
    page.clock.run_for(1_000)
    choose(page, "has waited too long")

    def look() -> None:
        page.clock.run_for(1_000)
        is_live(page)
        page.evaluate("away = true; Notification.permission = 'granted'")
        with page.expect_response("**/api/v1/instances"):
            page.clock.run_for(20_000)

    def told(*titles: str) -> bool:
        return bool(page.evaluate("shown.map(([title]) => title)") == list(titles))

    look()
    look()
    wait_until(page, lambda: told("What was sent to kay waits too long"))
    assert page.evaluate("shown[0].slice(1)") == ["2 messages unread, the oldest for 7 min", "late-kay"]
    page.reload()
    look()  # another page knows what was told
    alice |= late
    look()
    wait_until(page, lambda: told("What was sent to alice waits too long"))
    hub.snapshot["instances"] = []
    look()
    hub.snapshot["instances"] = [alice, kay]
    look()
    wait_until(page, lambda: told("What was sent to alice waits too long", "2 queues wait too long"))
    assert page.evaluate("shown[1].slice(1)") == ["alice, kay", "late"]


def test_a_hub_that_is_gone_is_told_of(page: Page, hub: Any, window: Window) -> None:
    choose(page, "no longer answers")
    window.forgiven = LOST
    page.evaluate("away = true")
    hub.stop()
    wait_until(page, lambda: page.evaluate("shown") == [["No hub answers", "hubbub start", "lost"]])


def test_the_choice_stays_in_this_browser_and_can_be_taken_back(page: Page) -> None:
    choose(page, "a message is held")
    page.reload()
    is_live(page)
    page.get_by_role("button", name="Notifications").click()
    box = page.get_by_label("a message is held")
    expect(box).to_be_checked()
    box.uncheck()
    page.reload()
    is_live(page)
    page.get_by_role("button", name="Notifications").click()
    expect(page.get_by_label("a message is held")).not_to_be_checked()


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("Notification.permission = 'denied'", "This browser refuses them to this page"),
        ("delete window.Notification", "This browser shows none to this page"),
    ],
)
def test_a_browser_that_refuses_is_said_to(hub: Any, window: Window, before: str, said: str) -> None:
    page = window(hub.url + "health", before=STUB + before)
    is_live(page)
    page.get_by_role("button", name="Notifications").click()
    expect(page.locator("dialog.notices")).to_contain_text(said)
