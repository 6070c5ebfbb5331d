"""Every page as a picture: `python -m tests.dashboard.screenshots`, or `make screenshots`.

Each page of `every.py`, of the busy hour and of an empty hub, in light and in dark, 1440 and 390 wide, into
docs/images/page. The hour, the clock and the zone are always the same, so that a picture changes only with its page.
"""

from __future__ import annotations

import argparse
import base64
import sys
from collections.abc import Callable
from datetime import datetime
from math import exp, sin
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect, sync_playwright

from tests.dashboard.browsing import FLAGS, a_chromium, is_drawn
from tests.dashboard.every import PATHS, address
from tests.dashboard.hours import NOON, a_busy_hour, a_pulse, nobody_yet, rfc3339
from tests.dashboard.scripted import ScriptedHub

INTO = Path(__file__).parents[2] / "docs" / "images" / "page"
HOURS: dict[str, Callable[[datetime], dict[str, Any]]] = {"busy": a_busy_hour, "empty": nobody_yet}
SIZES = {1440: 900, 390: 844}  # pixels: width and height


def a_rush(ago: float) -> float:
    """How much of the busy hour's one rush there is so many seconds before its end: 1 at its height."""
    return exp(-(((ago - 1_050) / 150) ** 2))


def the_beats() -> list[tuple[int, int, float | None]]:
    """Of the busy hour: seconds ago, messages, and milliseconds until half of them were received.

    Talk comes in waves, and once in a rush, in which it takes a little longer; in all a little less than what is kept.
    """
    beats: list[tuple[int, int, float | None]] = []
    due = 0.0
    for ago in range(3_595, 0, -5):
        wave = 1 + sin(ago / 210) + 0.6 * sin(ago / 67) + 0.4 * sin(ago / 23)
        due += 0.1 * max(0.0, wave) + 0.9 * a_rush(ago)
        number, due = int(due), due % 1
        took = 2.4 + 0.4 * sin(ago / 97) + 0.3 * sin(ago / 41) + 2.2 * a_rush(ago)
        beats.append((ago, number, took if number else None))
    return beats


QUALITY = 60  # of WebP: text stays sharp, and a picture is some tens of kilobytes


def name_of(path: str) -> str:
    """What a picture is called: `overview`, `instances`, `messages-markdown`."""
    view, _, which = path.partition(" ")
    return "-".join([view.strip("/").split("/")[0] or "overview", *which.lower().split()[-1:]])


def take(browser: Browser, hub: ScriptedHub, path: str, scheme: Any, width: int) -> bytes:
    """One picture, of the page once its script has taken over. Raises RuntimeError where its console said anything,
    but that there is no such instance or message, which an empty hub's page is about."""
    context = browser.new_context(
        viewport={"width": width, "height": SIZES[width]}, color_scheme=scheme, timezone_id="UTC",
        reduced_motion="reduce",
    )  # fmt: skip
    try:
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: "status of 404" in message.text or said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.clock.set_fixed_time(NOON)
        page.goto(hub.url.rstrip("/") + address(path, hub.snapshot))
        is_drawn(page)
        # the charts come last, each with the canvas of uPlot
        expect(page.locator(".plot:not(:has(canvas))")).to_have_count(0)
        page.evaluate("document.fonts.ready")
        if said:
            raise RuntimeError(f"{path}: {said}")
        settings = {"format": "webp", "quality": QUALITY}
        return base64.b64decode(context.new_cdp_session(page).send("Page.captureScreenshot", settings)["data"])
    finally:
        context.close()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.dashboard.screenshots", description=__doc__)
    parser.add_argument("--into", type=Path, default=INTO, help="the folder; default: docs/images/page")
    parser.add_argument("--only", metavar="NAME", help="pages whose picture's name begins so")
    wanted = parser.parse_args(arguments)
    wanted.into.mkdir(parents=True, exist_ok=True)
    whole = 0
    with sync_playwright() as driver:
        chromium = a_chromium(driver)
        if chromium is None:
            sys.stderr.write("There is no Chromium: install one, or name it in the variable CHROMIUM.\n")
            return 1
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        for kind, make in HOURS.items():
            hour = make(NOON)
            if kind == "busy":
                hour["pulse"] = a_pulse(rfc3339(NOON), *the_beats())
            hub = ScriptedHub(hour)
            hub.now = lambda: NOON
            hub.start()
            for view in PATHS:
                name = name_of(view)
                if wanted.only and not name.startswith(wanted.only):
                    continue
                for scheme in ("light", "dark"):
                    for width in SIZES:
                        taken = take(browser, hub, view, scheme, width)
                        whole += len(taken)
                        (wanted.into / f"{name}-{kind}-{scheme}-{width}.webp").write_bytes(taken)
            hub.stop()
        browser.close()
    sys.stdout.write(
        f"{len(list(wanted.into.glob('*.webp')))} pictures in {wanted.into}, {whole // 1024} KiB taken now\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
