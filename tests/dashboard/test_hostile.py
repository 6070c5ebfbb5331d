"""A hundred hostile texts, as names, topics, threads, bodies, data and file names, on every page there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import expect

from dashboard.assets import TEMPLATES
from tests.dashboard.browsing import Window, is_drawn
from tests.dashboard.every import PATHS, address
from tests.dashboard.hours import HOSTILE, a_busy_hour, a_hostile_hour, a_hundred
from tests.dashboard.reading import Reading, browse
from tests.dashboard.scripted import ScriptedHub

OURS = {
    tag for path in TEMPLATES.glob("*.html") for tag in re.findall(r"<([a-z]+[1-6]?)", path.read_text(encoding="utf-8"))
}
MARKDOWN = {
    "h3",
    "h4",
    "h5",
    "h6",
    "em",
    "strong",
    "s",
    "blockquote",
    "hr",
    "br",
    "table",
    "ol",
    "ul",
    "li",
    "pre",
    "code",
    "p",
}
FORBIDDEN = ("on", "style", "srcdoc", "formaction", "xlink:href")


@pytest.fixture(scope="module")
def hundred() -> dict[str, Any]:
    return a_hostile_hour(texts=a_hundred())


@pytest.mark.parametrize("path", PATHS)
def test_what_others_wrote_makes_no_element_and_no_attribute(hundred: dict[str, Any], path: str) -> None:
    busy = a_busy_hour()
    plain = Reading(browse(busy).get(address(path, busy)).text)
    page = Reading(browse(hundred).get(address(path, hundred)).text)
    assert {tag for tag, _ in page.elements} <= OURS | MARKDOWN
    assert [tag for tag, _ in page.elements].count("h1") == 1
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
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("width", [390, pytest.param(1440, marks=pytest.mark.soak)])
def test_nothing_runs_and_nothing_is_wider_than_the_window(
    hub: ScriptedHub, window: Window, path: str, width: int
) -> None:
    page = window(hub.url.rstrip("/") + address(path, hub.snapshot), width=width)
    is_drawn(page)
    expect(page.locator("#page")).to_contain_text(HOSTILE[0])
    assert page.locator(ODD).count() == 0
    assert page.title() != "run"
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
