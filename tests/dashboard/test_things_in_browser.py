"""The pages of instances, topics, searches and messages in a real Chromium: they stay true and lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from tests.dashboard.browsing import Window, is_live
from tests.dashboard.hours import a_busy_hour, a_message, rfc3339
from tests.dashboard.scripted import ScriptedHub

pytestmark = pytest.mark.browser


@pytest.fixture
def hub() -> Iterator[ScriptedHub]:
    hub = ScriptedHub(a_busy_hour(datetime.now(UTC)))
    hub.start()
    yield hub
    hub.stop()


def said(offset: int, sender: str, to: str, body: str, **more: object) -> dict[str, object]:
    return a_message(offset, sender, to, body, rfc3339(datetime.now(UTC)), **more)


def test_a_queue_grows_while_one_looks_and_what_is_unfolded_stays_so(hub: ScriptedHub, window: Window) -> None:
    page = window(hub.url + "instances/web")
    is_live(page)
    page.get_by_text("As a table").click()
    expect(page.locator("#stretches table")).to_be_visible()
    row = next(each for each in hub.snapshot["instances"] if each["name"] == "web")
    row["unread"] = 2
    hub.say(said(4720, "ci", "web", "macOS is green again"))
    expect(page.locator("#queue + p")).to_contain_text("2 unread")
    expect(page.locator(".said .preview").last).to_have_text("macOS is green again")
    expect(page.locator("#stretches table")).to_be_visible()


def test_a_search_keeps_what_is_half_typed_when_its_results_change(hub: ScriptedHub, window: Window) -> None:
    page = window(hub.url + "search?q=redirect")
    is_live(page)
    expect(page.locator(".said")).to_have_count(3)
    expect(page.locator("mark").first).to_have_text("redirect")
    page.get_by_label("Words").fill("redirect lo")
    page.get_by_label("From").focus()
    hub.say(said(4721, "web", "api", "the redirect works"))
    expect(page.locator(".said")).to_have_count(4)
    expect(page.get_by_label("Words")).to_have_value("redirect lo")
    expect(page.get_by_label("From")).to_be_focused()
    page.get_by_label("Words").press("Enter")
    expect(page).to_have_url(hub.url + "search?q=redirect+lo&from=&to=&topic=&thread=&since=&until=")


def test_a_message_gets_its_answer_without_being_loaded_anew(hub: ScriptedHub, window: Window) -> None:
    page = window(hub.url + "messages/id-4702")
    is_live(page)
    page.evaluate("window.same = true")
    hub.say(said(4722, "docs", "web", "I will look", thread="macos-red"))
    expect(page.locator(".said").last).to_contain_text("I will look")
    page.get_by_role("link", name="as Markdown").click()
    expect(page.locator(".markdown")).to_have_text("Is the macOS failure ours?")
    page.go_back()
    page.locator(".said").last.locator(".when").click()
    expect(page.locator("pre.body")).to_have_text("I will look")


def test_on_a_telephone_every_figure_of_a_table_is_in_sight(hub: ScriptedHub, window: Window) -> None:
    page = window(hub.url + "topics", width=390)
    for path in ("topics", "cost", "instances/planner", "messages/id-4711", "health"):
        page.goto(hub.url + path)
        is_live(page)
        regions = page.locator("#page .wide")
        assert regions.evaluate_all("all => all.map((each) => each.scrollWidth - each.clientWidth)") == [0] * (
            regions.count()
        ), path
    page.goto(hub.url + "topics")
    row = page.locator("[data-row='inbox.docs']")
    labels = row.locator("td").evaluate_all("all => all.map((each) => getComputedStyle(each, '::before').content)")
    assert labels[:3] == ['"backlog"', '"kept"', '"size"']


def test_the_overview_leads_to_every_page(hub: ScriptedHub, window: Window) -> None:
    page = window(hub.url)
    is_live(page)
    page.locator("#m4709 summary").click()
    about = page.locator("#m4709 .about")
    for name, path in (
        ("4709", "/messages/id-4709"),
        ("api", "/instances/api"),
        ("#review", "/conversation?topic=review"),
    ):
        expect(about.get_by_role("link", name=name, exact=True)).to_have_attribute("href", path)
    instance = page.locator(".instances").get_by_role("link", name="planner", exact=True)
    expect(instance).to_have_attribute("href", "/instances/planner")
    instance.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("planner")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Topics").click()
    page.get_by_role("link", name="inbox.docs").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("docs")
