"""The overview's charts in a real Chromium: the same words as the server's, and kept true by the live line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Route, expect

from dashboard.pages import _assets
from dashboard.pulse import pulse
from tests.dashboard.browsing import Window, is_live, wait_until
from tests.dashboard.hours import a_busy_hour, a_message, a_pulse, nobody_yet, rfc3339
from tests.dashboard.test_pulse import HOURS

pytestmark = pytest.mark.browser


def test_the_hour_is_told_the_same_and_drawn_as_far_as_it_is_known(serve: Callable[..., Any], window: Window) -> None:
    page = window(serve(nobody_yet()).url)
    said, drawn = page.evaluate(
        """async ([path, hours]) => {
             const { pulse, series } = await import(path);
             return [hours.map(pulse), hours.map(series)];
           }""",
        [_assets.url("pulse.js"), HOURS],
    )
    assert said == [msgspec.to_builtins(pulse(each, zone=UTC)) for each in HOURS]
    for times, *values in drawn:
        assert all(len(each) == len(times) for each in values)
        assert times == sorted(set(times))
    times, rate, p50, _ = drawn[1]
    assert (len(times), times[1] - times[0]) == (121, 30)
    assert (rate[-1], p50[-1], p50[0]) == (10, 2, 700)
    times, rate, p50, p95 = drawn[2]
    assert times[1] - times[0] == 5
    assert set(p50) == set(p95) == {None}
    assert rate[-1] == 1


def test_the_charts_are_drawn_and_a_message_on_the_live_line_counts(serve: Callable[..., Any], window: Window) -> None:
    snapshot = a_busy_hour(datetime.now(UTC))
    snapshot["pulse"] = a_pulse(snapshot["at"], (600, 50, 3.0))
    hub = serve(snapshot)
    page = window(hub.url)
    is_live(page)
    expect(page.locator(".pulse canvas")).to_have_count(2)
    rate = page.locator(".pulse summary").first
    expect(rate).to_have_text("50 messages, at most 10 a second")
    rate.click()
    expect(page.locator(".pulse table").first).to_be_visible()
    hub.say(*(a_message(5_000 + each, "api", "web", "x", rfc3339(datetime.now(UTC))) for each in range(3)))
    expect(rate).to_have_text("53 messages, at most 10 a second")
    expect(page.locator(".pulse table").first).to_be_visible()
    page.get_by_role("button", name="theme: auto").click()
    expect(page.locator(".pulse canvas")).to_have_count(2)


def test_a_hub_that_was_empty_gets_its_charts_with_the_first_message(
    serve: Callable[..., Any], window: Window, make: Any
) -> None:
    hub = serve(nobody_yet(datetime.now(UTC)))
    page = window(hub.url)
    is_live(page)
    expect(page.locator(".pulse")).to_have_count(0)
    hub.snapshot["instances"] = [make.an_instance("alice", datetime.now(UTC))]
    hub.say(a_message(5, "alice", "bob", "hello", rfc3339(datetime.now(UTC))))
    expect(page.locator(".pulse canvas")).to_have_count(2)


def test_the_charts_come_though_the_hub_was_gone_while_their_library_was_fetched(
    serve: Callable[..., Any], window: Window
) -> None:
    window.forgiven = re.compile("ERR_CONNECTION_REFUSED")
    hub = serve(a_busy_hour(datetime.now(UTC)))
    page = window("about:blank")
    asked: list[str] = []

    def refuse_once(route: Route) -> None:
        asked.append(route.request.url)
        route.abort("connectionrefused") if len(asked) == 1 else route.continue_()

    page.route(re.compile(r"uplot\.js"), refuse_once)
    page.clock.install()
    page.goto(hub.url)
    wait_until(page, lambda: len(asked) == 1)
    page.clock.run_for(5_000)
    expect(page.locator(".pulse canvas")).to_have_count(2)
    assert asked[1] == f"{asked[0]}?1"
