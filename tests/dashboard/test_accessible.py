"""axe finds nothing on any page, in light and dark: the busy ones each time, those that are empty or hostile in a soak.

Every rule of axe is on, the best practices too; in dark those about colour once more.
(https://dequeuniversity.com/rules/axe/)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.browsing import is_drawn
from tests.dashboard.every import PATHS, address
from tests.dashboard.hours import a_busy_hour, a_hostile_hour, nobody_yet
from tests.dashboard.scripted import ScriptedHub

pytestmark = pytest.mark.browser

HOURS: dict[str, Callable[[datetime], dict[str, Any]]] = {
    "busy": a_busy_hour,
    "empty": nobody_yet,
    "hostile": a_hostile_hour,
}
LESS = {"resultTypes": ["violations"]}  # of the rest it need not tell more than the number


@pytest.fixture(
    scope="module",
    params=["busy", pytest.param("empty", marks=pytest.mark.soak), pytest.param("hostile", marks=pytest.mark.soak)],
)
def hub(request: pytest.FixtureRequest) -> Iterator[ScriptedHub]:
    hub = ScriptedHub(HOURS[request.param](datetime.now(UTC)))
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def faults(page: Page) -> list[str]:
    """What axe finds, in light and then in dark."""
    colours = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
    page.emulate_media(color_scheme="light")
    found = Axe().run(page, options=LESS).response["violations"]
    page.emulate_media(color_scheme="dark")
    found += Axe().run(page, options=LESS | {"runOnly": colours}).response["violations"]
    return [f"{each['id']}: {node['html'][:160]} {node['failureSummary']}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing(hub: ScriptedHub, page: Page, path: str) -> None:
    page.goto(hub.url.rstrip("/") + address(path, hub.snapshot))
    is_drawn(page)
    assert faults(page) == []


@pytest.mark.parametrize("key", ["Control+k", "?"])
def test_axe_finds_nothing_in_what_opens_above_a_page(hub: ScriptedHub, page: Page, key: str) -> None:
    page.goto(hub.url + "health")
    is_drawn(page)
    page.keyboard.press(key)
    expect(page.locator("dialog[open]")).to_be_visible()
    assert faults(page) == []


def test_axe_would_find_what_is_wrong(page: Page) -> None:
    page.set_content("<html lang=en><title>t</title><main><h1>h</h1><img src=data:,><font color=#aaaaaa>pale</font>")
    assert {fault.split(":")[0] for fault in faults(page)} >= {"image-alt", "color-contrast"}
