"""What a person can do on the pages, each in a real Chromium on a real hub.

What is live, and what stays when a page changes, is in the other tests of pages in a browser; the last test here knows
where each action is tested.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import import_module
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.browsing import Window, is_drawn
from tests.dashboard.every import PATHS, address
from tests.dashboard.hours import a_busy_hour, nobody_yet
from tests.dashboard.reading import browse
from tests.dashboard.real import RealHub

pytestmark = pytest.mark.browser

ALL = 61  # messages of the thread `needle`: more than a page of a search, or of a conversation's table, shows


class Peopled:
    """A hub, and a browser's note that it is signed in there."""

    def __init__(self, hub: RealHub, browser: Browser) -> None:
        self.url = f"http://127.0.0.1:{hub.port}"
        self._token = (hub.home / "token").read_text().strip()
        context = browser.new_context()
        page = context.new_page()
        page.goto(self.ask("POST", "/links", {})["url"])
        self.signed_in = context.storage_state()
        context.close()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One answer of the API, as the owner gets it."""
        request = Request(
            f"{self.url}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        with urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def say(self, sender: str, to: str, body: str, **more: Any) -> int:
        return int(self.ask("POST", "/messages", {"from": sender, "to": to, "body": body, **more})["offset"])

    def unread(self, name: str) -> list[str]:
        return [each["body"] for each in self.ask("GET", f"/instances/{name}/queue")["messages"]]


@pytest.fixture(scope="module")
def hub(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peopled]:
    real = RealHub(tmp_path_factory.mktemp("home"))
    real.start()
    yield Peopled(real, browser)
    real.kill()


@pytest.fixture(scope="module")
def needles(hub: Peopled) -> list[int]:
    """The offsets of a thread that is longer than a page."""
    hub.ask("POST", "/instances", {"name": "ben"})
    return [hub.say("ann", "ben", f"needle {number}", thread="needle") for number in range(ALL)]


class Visit:
    """Goes to a page of the hub, signed in."""

    def __init__(self, hub: Peopled, window: Window) -> None:
        self._hub = hub
        self._window = window

    def __call__(self, path: str, **context: Any) -> Page:
        page = self._window(self._hub.url + path, storage_state=self._hub.signed_in, **context)
        is_drawn(page)
        return page


@pytest.fixture
def visit(hub: Peopled, window: Window) -> Visit:
    return Visit(hub, window)


def test_beside_an_instance_one_writes_holds_pauses_lets_go_drops_and_purges(hub: Peopled, visit: Visit) -> None:
    for name in ("dan", "eva"):
        hub.ask("POST", "/instances", {"name": name})
    page = visit("/instances/dan")
    stops = page.locator(".stops")
    page.get_by_text("Write to it as a person").click()
    page.get_by_label("Your name").fill("kay")
    page.get_by_label("Message").fill("are you there?")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#write .answer")).to_have_text("Sent to dan.")
    assert hub.unread("dan") == ["are you there?"]

    def hold() -> None:
        stops.get_by_text("Hold what is sent to it").click()
        page.get_by_role("button", name="Hold it").click()
        expect(stops).to_contain_text("What is sent to it is held.")

    hold()
    hub.say("ann", "dan", "to be sent")
    page.get_by_role("button", name="Send what waits, and end the hold").click()
    expect(stops.get_by_text("Hold what is sent to it")).to_be_visible()
    assert hub.unread("dan") == ["are you there?", "to be sent"]
    hold()
    hub.say("ann", "dan", "to be dropped")
    page.get_by_role("button", name="Drop what waits, and end it").click()
    expect(stops.get_by_text("Hold what is sent to it")).to_be_visible()
    assert hub.unread("dan") == ["are you there?", "to be sent"]

    def pause() -> None:
        stops.get_by_text("Pause it").first.click()
        page.get_by_role("button", name="Pause it").click()
        expect(stops).to_contain_text("It is paused")

    pause()
    hub.say("dan", "eva", "to be said")
    page.get_by_role("button", name="Resume it, and send what it said").click()
    expect(stops.get_by_text("Pause it").first).to_be_visible()
    pause()
    hub.say("dan", "eva", "never to be said")
    page.get_by_role("button", name="Resume it, and drop that").click()
    expect(stops.get_by_text("Pause it").first).to_be_visible()
    assert hub.unread("eva") == ["to be said"]

    stops.get_by_text("Purge its queue").click()
    page.get_by_label("Type the name once more").fill("dan")
    page.get_by_role("button", name="Purge it").click()
    expect(page.get_by_label("Purge a queue").locator(".answer")).to_have_text("2 messages purged.")
    assert hub.unread("dan") == []


def test_how_far_back_an_instance_is_looked_at_is_chosen_and_stands_in_the_address(
    hub: Peopled, visit: Visit, needles: list[int]
) -> None:
    page = visit("/instances/ann")
    page.get_by_role("link", name="24 h").click()
    page.wait_for_url("**/instances/ann?hours=24")
    expect(page.locator(".choice [aria-current]")).to_have_text("24 h")
    page.get_by_text("As a table").click()
    expect(page.locator("#stretches table")).to_be_visible()
    page.get_by_role("link", name="All that it says and is told").click()
    expect(page).to_have_url(f"{hub.url}/conversation?with=ann")


def test_a_search_is_asked_turned_over_and_narrowed(hub: Peopled, visit: Visit, needles: list[int]) -> None:
    page = visit("/")
    page.keyboard.press("/")
    page.wait_for_url("**/search")
    page.get_by_label("Words").fill("needle")
    page.get_by_label("From").fill("ann")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("li.said")).to_have_count(50)
    page.get_by_role("link", name="Older").click()
    expect(page.locator("li.said")).to_have_count(ALL - 50)
    page.get_by_role("link", name="Newest").click()
    expect(page.locator("li.said")).to_have_count(50)
    page.get_by_label("Words").fill("needle 7")
    page.get_by_label("Words").press("Enter")
    expect(page.locator("li.said mark")).to_have_text(["needle", "7"])
    page.get_by_text("How words are found").click()
    expect(page.get_by_text("There are no operators")).to_be_visible()
    page.get_by_label("From").fill("nobody")
    page.get_by_label("From").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nobody called nobody")
    expect(page.get_by_label("Words")).to_have_value("needle 7")


def test_a_message_is_read_as_markdown_answered_and_had_as_json_with_its_file(hub: Peopled, visit: Visit) -> None:
    data = {"build": {"id": 7, "tags": ["a", "b"]}}
    offset = hub.say("ann", "ben", "**bold** words", data=data, thread="report")
    page = visit(f"/messages/{offset}", accept_downloads=True)
    page.get_by_role("link", name="as Markdown").click()
    expect(page.locator(".markdown strong")).to_have_text("bold")
    page.get_by_role("link", name="as it was sent").click()
    expect(page.locator("pre.body")).to_have_text("**bold** words")
    tags = page.locator(".tree details", has_text="tags").last
    expect(tags).to_have_attribute("open", "")
    tags.locator("summary").click()
    expect(tags).not_to_have_attribute("open", "")
    page.locator("#json summary").click()
    expect(page.locator(".raw")).to_contain_text('"offset"')
    answer = page.get_by_role("form", name="Write as a person")
    answer.get_by_label("Your name").fill("kay")
    answer.get_by_label("Message").fill("thank you")
    answer.get_by_role("button", name="Answer").click()
    expect(answer.locator(".answer")).to_have_text("Sent to ann.")
    expect(page.locator("li.said", has_text="thank you").locator(".mark-reply")).to_be_visible()
    page.get_by_role("link", name="the whole thread").click()
    page.wait_for_url("**/conversation?thread=report")


def test_a_conversation_is_chosen_turned_over_and_answered_from_the_diagram(
    hub: Peopled, visit: Visit, needles: list[int]
) -> None:
    page = visit("/conversation")
    page.get_by_label("Agents").fill("ann, ben")
    page.get_by_label("Thread").fill("needle")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/conversation?with=ann*thread=needle*")
    last = page.locator(f"#m{needles[-1]}")
    last.click()
    panel = page.get_by_role("complementary")
    expect(panel).to_contain_text(f"needle {ALL - 1}")
    panel.get_by_role("link", name="Answer ann as a person").click()
    above = page.locator("dialog.above")
    expect(above.get_by_label("To")).to_have_value("ann")
    above.get_by_role("button", name="Close").click()
    expect(above).to_be_hidden()
    panel.get_by_role("button", name="Close this message").click()
    expect(panel).to_have_count(0)
    for view in ("Reading", "Table", "Diagram", "Table"):
        page.get_by_role("navigation", name="View").get_by_role("link", name=view).click()
        expect(page.locator(".views [aria-current]")).to_have_text(view)
        is_drawn(page)
    expect(page.locator(".drawn tbody tr").last).to_contain_text(f"needle {ALL - 1}")
    page.goto(f"{hub.url}/conversation?thread=needle&view=table&before={needles[5]}")
    is_drawn(page)
    expect(page.locator(".drawn tbody tr")).to_have_count(5)
    page.get_by_role("link", name="The newest messages").click()
    expect(page.locator(".drawn tbody tr").last).to_contain_text(f"needle {ALL - 1}")


def test_the_overview_is_narrowed_to_a_thread_and_widened_again(hub: Peopled, visit: Visit, needles: list[int]) -> None:
    page = visit("/")
    page.locator(f"#m{needles[-1]} summary").click()
    page.get_by_role("link", name="only this one here").click()
    expect(page.locator(".narrowed")).to_contain_text("needle")
    page.get_by_role("link", name="all threads").click()
    expect(page.locator(".narrowed")).to_have_count(0)
    page.get_by_label("Topic").select_option("inbox.ben")
    page.get_by_role("link", name="As a conversation").click()
    page.wait_for_url("**/conversation?topic=inbox.ben")
    page.go_back()
    is_drawn(page)
    page.get_by_role("link", name="Show everything").click()
    expect(page).to_have_url(re.compile(rf"{hub.url}/\??$"))


def test_the_past_is_gone_to_by_a_time_or_an_offset_and_left(
    hub: Peopled, visit: Visit, window: Window, needles: list[int]
) -> None:
    page = visit("/cost")
    page.get_by_role("link", name="Earlier").click()
    is_drawn(page)
    expect(page.locator(".verdict")).to_contain_text("tokens read")
    page.get_by_label("Go to (UTC)").fill(str(needles[0]))
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.locator(".place")).to_have_text(f"right after message {needles[0]:,}")
    expect(page.locator("[data-row='thread needle'] td").nth(2)).to_have_text("1")
    page.get_by_role("link", name="on", exact=True).click()
    expect(page.locator("[data-row='thread needle'] td").nth(2)).to_have_text("2")
    page.get_by_role("link", name="first").click()
    expect(page.locator("[data-row='thread needle']")).to_have_count(0)
    window.forgiven = re.compile("status of 400")  # Chromium says so itself
    page.get_by_label("Go to (UTC)").fill("yesterday")
    page.get_by_label("Go to (UTC)").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("is no moment")
    page.get_by_role("link", name="live", exact=True).click()
    expect(page).to_have_url(hub.url + "/cost")
    is_drawn(page)


def test_what_opens_above_a_page_has_a_button_of_its_own(visit: Visit) -> None:
    page = visit("/health")
    for button, title in (("Go to", "Go to"), ("Notifications", "Notifications"), ("Keys", "Keys")):
        page.get_by_role("button", name=button).first.click()
        opened = page.locator("dialog[open]")
        expect(opened.get_by_role("heading", name=title)).to_be_attached()
        page.keyboard.press("Escape")
        expect(opened).to_have_count(0)
    page.goto(page.url.replace("/health", "/time?at=1"))
    is_drawn(page)
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_contain_text("one message back, one on")


def test_the_keyboard_passes_over_what_stands_on_every_page(visit: Visit) -> None:
    page = visit("/health")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


# Where each button of a page, and each thing on it to unfold, is used in a browser: a pattern of what stands on it, the
# module and the test.
INSTANCE = ("actions", "beside_an_instance_one_writes_holds_pauses_lets_go_drops_and_purges")
SEARCH = ("actions", "a_search_is_asked_turned_over_and_narrowed")
ABOVE = ("actions", "what_opens_above_a_page_has_a_button_of_its_own")
PERSON = ("part", "a_person_writes_holds_edits_drops_pauses_and_purges")
BESIDE = ("part", "on_the_overview_one_writes_answers_holds_and_pauses_without_leaving_it")
COPIED = ("shell", "a_message_is_copied_as_a_link_as_markdown_and_as_json")
TESTED = {
    "Answer": ("actions", "a_message_is_read_as_markdown_answered_and_had_as_json_with_its_file"),
    "JSON|link|Markdown": COPIED,
    "As a table": ("actions", "how_far_back_an_instance_is_looked_at_is_chosen_and_stands_in_the_address"),
    "Copy": ("conversation", "a_conversation_is_taken_elsewhere_as_text"),
    "Drop it|Edit it first|Send this instead|Resume it": PERSON,
    "(Drop|Send) what waits, .*|(Hold|Pause|Purge) it|Hold what is sent to it|Purge its queue|Write to it .*": INSTANCE,
    "Go": ("actions", "the_past_is_gone_to_by_a_time_or_an_offset_and_left"),
    "Go to .*|Keys .*|Notifications": ABOVE,
    "How words are found|Search": SEARCH,
    "Older messages": ("page", "older_messages_come_on_demand"),
    "Play it here": ("page", "the_demo_is_one_click_away_where_nobody_is_yet"),
    "Send it": ("page", "what_is_held_is_sent_or_dropped_by_a_button_and_is_gone_then"),
    "Send|Write": BESIDE,
    "Show": ("actions", "a_conversation_is_chosen_turned_over_and_answered_from_the_diagram"),
    "The bars as a table": ("time", "a_bar_leads_to_its_time_without_a_script"),
    ".* left at the default": ("shell", "a_page_follows_what_is_said_and_keeps_what_is_unfolded_scrolled_and_in_focus"),
    ".* at most .*|no message was confirmed .*": (
        "pulse",
        "the_charts_are_drawn_and_a_message_on_the_live_line_counts",
    ),
    "play": ("time", "playing_goes_on_to_the_end_and_is_live_then"),
    "theme: .*": ("page", "a_chosen_theme_is_there_before_the_first_paint"),
    r"\d\d:\d\d:\d\d.*": ("page", "a_message_unfolds_in_its_place_by_mouse_and_keyboard"),
}


class Offered(HTMLParser):
    """What stands on a page's buttons, and on what unfolds."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("button", "summary"):
            self._inside = tag
            self.found.append(dict(attrs).get("aria-label") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] += data


def test_every_action_of_a_page_is_taken_in_some_test() -> None:
    offered = set()
    for hour in (a_busy_hour(), nobody_yet()):
        pages = browse(hour)
        for path in PATHS:
            offered |= {" ".join(each.split()) for each in Offered(pages.get(address(path, hour)).text).found}
    assert {label for label in offered if not any(re.fullmatch(each, label) for each in TESTED)} == set()
    assert {each for each in TESTED if not any(re.fullmatch(each, label) for label in offered)} == set(), "is gone"
    for module, name in TESTED.values():
        assert hasattr(import_module(f"tests.dashboard.test_{module}_in_browser"), f"test_{name}"), name
