"""What the tests of the pages share; see hours, scripted, browsing and reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from dashboard.assets import STATIC
from tests.dashboard.browsing import FLAGS, Window, a_chromium
from tests.dashboard.hours import (
    HOSTILE,
    NOON,
    a_busy_hour,
    a_fact,
    a_held,
    a_hostile_hour,
    a_message,
    a_queue,
    a_snapshot,
    an_instance,
    before,
    nobody_yet,
    rfc3339,
)
from tests.dashboard.real import RealHub
from tests.dashboard.scripted import ScriptedHub


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        path = a_chromium(driver)
        if path is None:
            pytest.skip("no Chromium: install one, or name it in the variable CHROMIUM")
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def bare(browser: Browser) -> Iterator[Page]:
    """An empty page that can import the hub's own modules, for tests of these alone."""

    def answer(route: Route) -> None:
        name = urlsplit(route.request.url).path.removeprefix("/static/")
        if name == "/":
            route.fulfill(content_type="text/html", body="<!doctype html><title>bare</title>")
        else:
            route.fulfill(path=STATIC / name)

    context = browser.new_context()
    context.route("http://bare.test/**", answer)
    page = context.new_page()
    page.goto("http://bare.test/")
    yield page
    context.close()


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    window = Window(browser)
    yield window
    assert window.close() == []


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture(params=[nobody_yet, a_busy_hour, a_hostile_hour], ids=["empty", "busy", "hostile"])
def any_snapshot(request: pytest.FixtureRequest) -> dict[str, Any]:
    made: dict[str, Any] = request.param()
    return made


@pytest.fixture
def make() -> Any:
    """The makers above, for tests: `make.a_message(…)`."""
    makers = (a_message, a_fact, a_held, an_instance, a_queue, a_snapshot, nobody_yet, a_busy_hour, a_hostile_hour)
    return SimpleNamespace(
        before=before,
        rfc3339=rfc3339,
        HOSTILE=HOSTILE,
        **{each.__name__: each for each in makers},
    )


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, Any]], ScriptedHub]]:
    """Start a scripted hub over a snapshot; it is stopped after the test."""
    started: list[ScriptedHub] = []

    def start(snapshot: dict[str, Any]) -> ScriptedHub:
        hub = ScriptedHub(snapshot)
        hub.start()
        started.append(hub)
        return hub

    yield start
    for hub in started:
        hub.stop()


@pytest.fixture
def real_hub(tmp_path: Path) -> Iterator[RealHub]:
    hub = RealHub(tmp_path / "home")
    hub.start()
    yield hub
    hub.kill()
