"""The scrubber in a real Chromium over a real hub: steps, the slider, playing, and back to what is live."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browsing import Window
from tests.hub.live import Live, live

pytestmark = pytest.mark.browser


class Talk:
    """A hub in a thread of its own, where alice has written to bob, who has read some of it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._ready = threading.Event()
        self._over: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self.offsets: list[int] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    async def _run(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with live(self._home) as self.hub:
            for number in range(4):
                said = {"from": "alice", "to": "bob", "body": f"number {number}"}
                answer = await self.hub.request("POST", "/api/v1/messages", said)
                self.offsets.append(answer.json()["offset"])
                if number == 1:
                    await self.hub.request("POST", "/api/v1/read", {"as": "bob", "offset": self.offsets[-1]})
            self._ready.set()
            await self._over.wait()

    def link(self) -> str:
        """A fresh link that signs a browser in."""
        asked = asyncio.run_coroutine_threadsafe(self._link(self.hub), self._loop)
        return asked.result(10)

    async def _link(self, hub: Live) -> str:
        return str((await hub.request("POST", "/api/v1/links", {})).json()["url"])

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(30)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    talk = Talk(tmp_path_factory.mktemp("home"))
    yield talk
    talk.stop()


@pytest.fixture
def page(talk: Talk, window: Window) -> Page:
    """A browser that is signed in, at the place right after the third message."""
    page = window(talk.link())
    expect(page.locator(".live")).to_have_text("live")
    page.goto(f"{talk.hub.http}/time?at={talk.offsets[2]}")
    expect(page.locator("html")).to_have_attribute("data-taken", "over")
    return page


def at(page: Page) -> str:
    return parse_qs(urlsplit(page.url).query).get("at", [""])[0]


def test_steps_go_back_and_on_and_the_page_shows_what_was_so(page: Page, talk: Talk) -> None:
    bob = page.locator(".instances tr", has_text="bob")
    expect(page.locator("li.message")).to_have_count(3)
    expect(bob.locator(".num").first).to_have_text("1")
    page.get_by_role("link", name="back").click()
    expect(page.locator(".place")).not_to_have_text(f"right after message {talk.offsets[2]}")
    expect(page.locator("li.message")).to_have_count(2)
    expect(bob.locator(".num").first).to_have_text("2")  # he read them after the second had come
    page.get_by_role("link", name="on", exact=True).click()
    expect(page.locator("li.message")).to_have_count(3)
    page.keyboard.press("[")
    expect(page.locator("li.message")).to_have_count(2)
    page.go_back()
    expect(page.locator("li.message")).to_have_count(3)


def test_the_slider_goes_anywhere_and_keeps_the_focus(page: Page) -> None:
    slide = page.locator(".slide")
    slide.focus()
    page.keyboard.press("Home")
    expect(page.locator("li.message")).to_have_count(0)
    expect(slide).to_be_focused()
    assert "T" in at(page)


def test_playing_goes_on_to_the_end_and_is_live_then(page: Page) -> None:
    page.locator("#speed").select_option("100")
    page.get_by_role("button", name="play").click()
    expect(page.locator(".live")).to_have_text("live")
    expect(page.locator("li.message")).to_have_count(4)
    assert urlsplit(page.url).path == "/"


def test_what_plays_can_be_stopped(page: Page, talk: Talk) -> None:
    page.goto(f"{talk.hub.http}/time?at=1")
    button = page.locator(".play")
    button.click()
    expect(button).to_have_text("pause")
    page.wait_for_url("**at=*T*")
    button.click()
    expect(button).to_have_text("play")
    expect(button).to_have_attribute("aria-pressed", "false")


def test_the_past_says_which_moment_it_is_and_not_that_it_is_live(page: Page) -> None:
    expect(page.locator(".live")).to_contain_text("as of")
    page.get_by_role("link", name="live").click()
    expect(page.locator(".live")).to_have_text("live")


def test_a_bar_leads_to_its_time_without_a_script(talk: Talk, window: Window) -> None:
    page = window(talk.link(), java_script_enabled=False)
    expect(page.locator(".places")).to_be_visible()  # the link goes on to the overview by itself
    page.goto(f"{talk.hub.http}/time")
    expect(page.locator(".play")).to_be_hidden()
    page.locator("summary", has_text="The bars as a table").click()
    page.locator("#log-table a").first.click()
    expect(page.locator(".shown")).to_contain_text("As of")
    page.get_by_label("Go to (UTC)").fill(str(talk.offsets[0]))
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".place")).to_have_text(f"right after message {talk.offsets[0]}")


def test_the_scrubber_leads_through_a_conversation_whose_ladders_were_lower(page: Page, talk: Talk) -> None:
    page.goto(f"{talk.hub.http}/conversation?at={talk.offsets[2]}")
    expect(page.locator(".row .said")).to_have_text(["number 0", "number 1", "number 2"])
    expect(page.locator(".row .where")).to_have_text(["read", "read", "accepted"])
    page.get_by_role("link", name="back").click()  # before he read them
    expect(page.locator(".row .said")).to_have_text(["number 0", "number 1"])
    page.goto(f"{talk.hub.http}/conversation?at={talk.offsets[1]}")
    expect(page.locator(".row .where")).to_have_text(["accepted", "accepted"])
    page.get_by_role("link", name="back").click()
    expect(page.locator(".row .said")).to_have_text(["number 0"])
    page.locator(".slide").focus()
    page.keyboard.press("Home")
    expect(page.locator(".rows")).to_have_text("Nothing of this had been said by then")
    page.go_back()
    expect(page.locator(".row .said")).to_have_text(["number 0", "number 1"])
    page.locator(".row").first.click()
    expect(page.locator(".panel .climb")).to_contain_text("bob")
    expect(page.locator(".panel .climb")).not_to_contain_text("read")
    page.get_by_role("link", name="live").click()
    expect(page.locator(".live")).to_have_text("live")
    expect(page.locator(".row .said")).to_have_count(4)
    assert page.url == f"{talk.hub.http}/conversation"


def test_from_page_to_page_the_moment_stays_and_on_each_one_can_go_on(page: Page, talk: Talk) -> None:
    moment = str(talk.offsets[2])
    page.get_by_role("link", name="bob").first.click()
    expect(page.locator("h1")).to_contain_text("bob")
    expect(page.locator("#page")).to_contain_text("1 unread")
    page.locator(".saids .when").first.click()
    expect(page.locator("h1")).to_contain_text("alice")
    expect(page.locator("#page")).to_contain_text("number 2")
    page.get_by_role("link", name="Topics", exact=True).click()
    expect(page.locator("[data-row='inbox.bob'] .backlog")).to_have_text("1")
    assert at(page) == moment
    page.get_by_role("link", name="on", exact=True).click()
    expect(page.locator("[data-row='inbox.bob'] .backlog")).to_have_text("2")
    assert at(page) == str(talk.offsets[3])
    page.get_by_role("link", name="Search", exact=True).click()
    assert at(page) == str(talk.offsets[3]), "the masthead leads to the moment that is shown now"
    words = page.get_by_label("Words")
    words.fill("number")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".saids .said")).to_have_count(4)
    words.fill("half typ")
    page.keyboard.press("Tab")  # in a field these keys are text
    page.locator(".steps .previous").click()
    expect(page.locator(".place")).not_to_have_text(f"right after message {talk.offsets[3]}")
    expect(page.locator(".saids .said")).to_have_count(3)
    expect(words).to_have_value("half typ")


def test_a_live_page_leads_into_its_past_and_back(page: Page, talk: Talk) -> None:
    page.goto(f"{talk.hub.http}/topics")
    page.get_by_role("link", name="Earlier").click()
    expect(page.locator(".shown")).to_contain_text("As of")
    page.get_by_role("link", name="first").click()
    expect(page.locator("#content")).to_contain_text("Nobody had said anything by then.")
    page.get_by_role("link", name="live").click()
    expect(page.locator(".live")).to_have_text("live")
    assert urlsplit(page.url).path == "/topics"


def test_who_was_not_there_yet_is_said_and_the_diagram_comes_with_them(page: Page, talk: Talk) -> None:
    page.goto(f"{talk.hub.http}/conversation?with=bob&at={talk.offsets[1]}")
    expect(page.locator("#content")).to_contain_text("Nobody called bob has registered.")
    page.get_by_role("link", name="on", exact=True).click()
    expect(page.locator(".row .said")).to_have_text(["number 0", "number 1"])
