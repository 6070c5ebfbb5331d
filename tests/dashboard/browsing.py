"""A real Chromium, and what its pages' consoles say."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync",
         "--disable-component-update"]  # fmt: skip
expect.set_options(timeout=30_000)  # milliseconds; what is slow here is the machine
# Chromium says so itself
LOST = re.compile(r"WebSocket connection to .* failed|ERR_CONNECTION_REFUSED|status of (401|410)")


def a_chromium(driver: Playwright) -> str | None:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    bundled = driver.chromium.executable_path
    return found or (bundled if Path(bundled).exists() else None)


class Window:
    """Opens pages, and keeps what their consoles say."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.said: list[str] = []
        self.forgiven: re.Pattern[str] | None = None
        self._contexts: list[BrowserContext] = []

    def __call__(
        self, url: str, *, width: int = 1280, before: str | None = None, clock: bool = False, **more: Any
    ) -> Page:
        more = {"timezone_id": "UTC", "viewport": {"width": width, "height": 800}} | more
        context = self.browser.new_context(**more)
        context.set_default_timeout(30_000)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"uncaught: {error}"))
        page.on("dialog", lambda dialog: self.said.append(f"dialog: {dialog.message}"))
        if before:
            page.add_init_script(before)
        if clock:
            page.clock.install()
        page.goto(url)
        return page

    def close(self) -> list[str]:
        for context in self._contexts:
            context.close()
        return [line for line in self.said if not (self.forgiven and self.forgiven.search(line))]


def wait_until(page: Page, so: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if so():
            return
        page.wait_for_timeout(10)  # the browser's events are handled meanwhile, which a sleep would not let them be
    raise AssertionError("it did not come to that within 30 s")


def is_drawn(page: Page) -> None:
    """Its script has taken over; a page of an earlier moment is never live."""
    expect(page.locator("html[data-taken=over]")).to_have_count(1)
    if "/time" not in page.url and "at=" not in page.url:
        is_live(page)


def is_live(page: Page) -> None:
    expect(page.locator(".live")).to_have_text("live")
