"""What the keyboard does on every page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browsing import Window, is_live
from tests.dashboard.hours import HOSTILE, a_busy_hour, a_hostile_hour
from tests.dashboard.scripted import ScriptedHub

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def hub() -> Iterator[ScriptedHub]:
    hub = ScriptedHub(a_busy_hour(datetime.now(UTC)))
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def page(hub: ScriptedHub, window: Window) -> Page:
    page = window(hub.url + "cost")
    is_live(page)
    return page


def in_focus(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent"))


def test_two_letters_lead_to_a_page_and_the_first_says_what_may_follow(page: Page) -> None:
    page.keyboard.press("g")
    expect(page.locator(".hint")).to_contain_text("h Health")
    page.keyboard.press("h")
    expect(page.locator("h1")).to_have_text("Health")


def test_a_second_letter_that_leads_nowhere_ends_the_wait(page: Page) -> None:
    page.keyboard.press("g")
    page.keyboard.press("z")
    expect(page.locator(".hint")).to_have_count(0)
    page.keyboard.press("h")
    expect(page.locator("h1")).to_have_text("Cost of talk")


def test_j_and_k_walk_through_what_is_listed(page: Page) -> None:
    seen = []
    for key in ("j", "j", "k", "k", "k"):
        page.keyboard.press(key)
        seen.append(in_focus(page))
    assert seen == ["Reviewer_2", "api", "Reviewer_2", "Reviewer_2", "Reviewer_2"]


def test_j_walks_through_the_messages_of_the_overview_and_enter_unfolds_one(hub: ScriptedHub, window: Window) -> None:
    page = window(hub.url)
    is_live(page)
    page.keyboard.press("k")  # from nowhere: the newest
    page.keyboard.press("Enter")
    expect(page.locator("#m4713 .body")).to_have_text("Right, hashed in 7be20d1.")
    expect(page.locator("#m4713 .body")).to_be_visible()


def test_letters_mean_text_where_one_writes(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.keyboard.type("gh?/jk")
    expect(page.locator(".palette input")).to_have_value("gh?/jk")
    expect(page.locator(".hint, .keys[open]")).to_have_count(0)


def test_the_palette_finds_pages_agents_and_topics_by_some_of_their_letters(page: Page) -> None:
    page.keyboard.press("Control+k")
    field, lines = page.locator(".palette input"), page.get_by_role("option")
    expect(field).to_be_focused()
    page.keyboard.type("rev")
    expect(page.get_by_role("option", name="Reviewer_2 agent", exact=True)).to_be_visible()
    expect(lines.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(field).to_have_attribute("aria-activedescendant", "palette-1")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(lines.last).to_have_attribute("aria-selected", "true")
    field.fill("hlth")
    expect(lines).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Health")


def test_the_palette_says_what_it_does_not_find_and_esc_gives_the_focus_back(page: Page) -> None:
    button = page.get_by_role("button", name="Go to")
    button.click()
    page.keyboard.type("<b>nobody")
    expect(page.locator(".palette .nothing")).to_have_text("No page, agent or topic is called <b>nobody.")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator(".palette")).to_be_hidden()
    expect(button).to_be_focused()


def test_the_slash_leads_to_a_search(page: Page) -> None:
    page.keyboard.press("/")
    expect(page.locator("[data-search], .palette input").first).to_be_focused()


def test_help_lists_the_keys_and_letters_can_be_switched_off(page: Page) -> None:
    page.keyboard.press("?")
    help_ = page.locator("dialog.keys")
    expect(help_).to_contain_text("Health")
    help_.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(help_).to_be_hidden()
    page.reload()
    is_live(page)
    page.keyboard.press("g")
    expect(page.locator(".hint")).to_have_count(0)
    page.get_by_role("button", name="Keys").click()
    page.locator("dialog.keys").get_by_role("checkbox").check()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    expect(page.locator(".hint")).to_have_count(1)


def test_a_hostile_name_in_the_palette_is_text(serve: Callable[..., Any], window: Window) -> None:
    page = window(serve(a_hostile_hour(datetime.now(UTC))).url + "health")
    is_live(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("<script>")
    expect(page.get_by_role("option").filter(has_text=HOSTILE[0]).first).to_be_visible()
    assert page.locator("dialog script, dialog img").count() == 0


RANKS = """async ([module, texts, asked]) => {
  const { rank } = await import(module);
  return rank(texts.map((text) => ({ text })), asked).map((each) => each.text);
}"""


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", ["inbox.review", "review", "preview", "r-e-v", "rest"]),
        ("rev", ["review", "inbox.review", "preview", "r-e-v"]),
        ("REST", ["rest"]),
        ("xyz", []),
    ],
)
def test_the_best_fit_comes_first(bare: Page, asked: str, found: list[str]) -> None:
    texts = ["inbox.review", "review", "preview", "r-e-v", "rest"]
    assert bare.evaluate(RANKS, ["/static/rank.js", texts, asked]) == found
