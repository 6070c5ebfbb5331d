"""A hundred hostile texts, as names, topics, threads, bodies, data and file names, on every page there is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.dashboard.browsing import Window, is_live
from tests.dashboard.every import ADDRESSES, WORST
from tests.dashboard.hours import HOSTILE, a_busy_hour, a_hostile_hour, a_hundred
from tests.dashboard.reading import Reading, browse
from tests.dashboard.scripted import ScriptedHub

OURS = {"section", "script", "link", "meta", "svg", "path", "circle", "rect", "line", "text", "g", "title", "form",
        "input"}  # fmt: skip
FORBIDDEN = ("on", "style", "srcdoc", "formaction", "xlink:href")


@pytest.fixture(scope="module")
def hundred() -> dict[str, Any]:
    return a_hostile_hour(texts=a_hundred())


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_others_wrote_makes_no_element_and_no_attribute(hundred: dict[str, Any], address: str) -> None:
    plain = Reading(browse(a_busy_hour()).get(address).text)
    page = Reading(browse(hundred).get(WORST.get(address, address)).text)
    may_be = {tag for tag, _ in plain.elements} | OURS | {"p", "strong", "bdi", "ul", "li", "details", "summary", "a"}
    assert {tag for tag, _ in page.elements} <= may_be
    scripts = [attributes for tag, attributes in page.elements if tag == "script"]
    assert len(scripts) == len([1 for tag, _ in plain.elements if tag == "script"])
    named = {name for _, attributes in page.elements for name in attributes}
    assert not [name for name in named if name.startswith(FORBIDDEN)]
    for _, attributes in page.elements:
        for name in ("href", "src", "action"):
            assert (attributes.get(name) or "/").startswith(("/", "?", "#")), attributes
            assert not (attributes.get(name) or "").startswith("//"), attributes


@pytest.fixture(scope="module")
def hub() -> Iterator[ScriptedHub]:
    hub = ScriptedHub(a_hostile_hour(datetime.now(UTC)))
    hub.start()
    yield hub
    hub.stop()


ODD = "#page :is(script, img:not([data-ours]), style, iframe, object, embed, video, marquee)"


@pytest.mark.browser
@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_runs_and_nothing_is_wider_than_the_window(
    hub: ScriptedHub, window: Window, address: str, width: int
) -> None:
    page = window(hub.url.rstrip("/") + WORST.get(address, address), width=width)
    is_live(page)
    expect(page.locator("#page")).to_contain_text(HOSTILE[0])
    assert page.locator(ODD).count() == 0
    assert page.title() != "run"
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
