"""A page that the server draws stays true by itself, and takes nothing from under its reader."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browsing import LOST, Window, is_live

pytestmark = pytest.mark.browser

GROW = """async ([module, stands, fetched, before, after]) => {
  const { grow } = await import(module);
  document.body.innerHTML = `<div id="page">${stands}</div>`;
  const page = document.getElementById("page");
  const find = (selector) => page.querySelector(selector);
  new Function("page", "find", before)(page, find);
  window.kept = find("[data-keep]");
  const fresh = document.createElement("div");
  fresh.id = "page";
  fresh.innerHTML = fetched;
  grow(page, fresh);
  return new Function("page", "find", `return ${after}`)(page, find);
}"""


@pytest.mark.parametrize(
    ("stands", "fetched", "before", "after"),
    [
        ("<p>1</p>", "<p>2</p>", "", "page.textContent === '2'"),
        ("<input data-keep>", "<input data-keep>", "find('input').value = 'half a sen'",
         "find('input').value === 'half a sen'"),
        ("<input value=a data-keep>", "<input value=b data-keep>", "", "find('input').value === 'b'"),
        ("<textarea data-keep></textarea>", "<textarea data-keep>theirs</textarea>", "find('textarea').value = 'mine'",
         "find('textarea').value === 'mine'"),
        ("<input type=checkbox>", "<input type=checkbox>", "find('input').checked = true", "find('input').checked"),
        ("<select><option>a<option>b</select>", "<select><option>a<option>b<option>c</select>",
         "find('select').value = 'b'", "find('select').value === 'b'"),
        ("<select><option>a<option>b</select>", "<select><option>a<option>b<option>c</select>", "",
         "find('select').options.length === 3"),
        ("<details id=d><summary>s</summary>1</details>", "<details id=d><summary>s</summary>2</details>",
         "find('details').open = true", "find('details').open && find('details').textContent === 's2'"),
        ("<div data-own>mine</div>", "<div data-own></div>", "", "page.textContent === 'mine'"),
        ("<p data-row=a data-keep>a</p><p data-row=b>b</p>", "<p data-row=b>b</p><p data-row=a data-keep>a</p>", "",
         "find('[data-row=a]') === window.kept && page.textContent === 'ba'"),
        ("<a href=x>x</a>", "<p>new</p><a href=y>x</a><a href=x>x</a>", "find('a').focus()",
         "document.activeElement === find('[href=x]') && page.textContent === 'newxx'"),
        ("<button id=b>x</button>", "<p>new</p><button id=b>y</button>", "find('button').focus()",
         "document.activeElement === find('button') && page.textContent === 'newy'"),
    ],
    ids=["text", "typed", "untouched", "area", "ticked", "chosen", "choices", "open", "own", "row", "anew", "moved"],
)  # fmt: skip
def test_what_the_reader_has_done_outlives_an_update(
    bare: Page, stands: str, fetched: str, before: str, after: str
) -> None:
    assert bare.evaluate(GROW, ["/static/morph.js", stands, fetched, before, after]) is True


def test_a_page_follows_what_is_said_and_keeps_what_is_unfolded_scrolled_and_in_focus(
    serve: Callable[..., Any], window: Window, make: Any
) -> None:
    now = datetime.now(UTC)
    hub = serve(make.nobody_yet(now))
    page = window(hub.url + "health", viewport={"width": 1280, "height": 300})
    is_live(page)
    page.locator("#defaults summary").click()
    page.locator("#defaults summary").focus()
    page.evaluate("window.same = true; window.top_of = () => document.activeElement.getBoundingClientRect().top")
    before = page.evaluate("top_of()")
    hub.say(make.a_message(9_000, "bob", "alice", "hello", make.rfc3339(now)))
    expect(page.locator(".terms")).to_contain_text([re.compile("offsets 1 to 9,000")])
    expect(page.locator("#defaults")).to_have_attribute("open", "")
    assert page.evaluate("[window.same, document.activeElement.localName]") == [True, "summary"]
    assert page.evaluate("top_of()") == pytest.approx(before, abs=1)  # whole pixels are scrolled


def test_a_page_says_that_no_hub_answers_and_comes_back_by_itself(
    serve: Callable[..., Any], window: Window, make: Any
) -> None:
    hub = serve(make.nobody_yet(datetime.now(UTC)))
    window.forgiven = LOST
    page = window(hub.url + "health")
    is_live(page)
    hub.stop()
    expect(page.locator(".live")).to_have_text("reconnecting")
    expect(page.locator(".banner")).to_contain_text("hubbub start")
    hub.snapshot["hub"] |= {"version": "0.2.0"}
    hub.start()
    expect(page.locator(".live")).to_have_text("live", timeout=20_000)
    expect(page.locator(".banner")).to_contain_text("The hub is version 0.2.0 now.")


def test_a_browser_that_is_signed_out_is_told_so(serve: Callable[..., Any], window: Window, make: Any) -> None:
    hub = serve(make.nobody_yet(datetime.now(UTC)))
    window.forgiven = LOST
    page = window(hub.url + "health")
    is_live(page)
    hub.open = False
    hub.push({"type": "gap", "from": 2, "to": 3})
    expect(page.locator(".live")).to_have_text("signed out")
    expect(page.locator(".banner")).to_contain_text("hubbub open")
    expect(page.locator("h1")).to_have_text("Health")


def test_a_chosen_theme_holds_on_every_page(serve: Callable[..., Any], window: Window, make: Any) -> None:
    page = window(serve(make.nobody_yet(datetime.now(UTC))).url, color_scheme="light")
    page.locator(".theme").click()
    page.locator(".theme").click()
    page.get_by_role("link", name="Health").click()
    expect(page.locator("h1")).to_have_text("Health")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    is_live(page)


def test_a_message_is_copied_as_a_link_as_markdown_and_as_json(
    serve: Callable[..., Any], window: Window, make: Any
) -> None:
    page = window(serve(make.a_busy_hour(datetime.now(UTC))).url, permissions=["clipboard-read", "clipboard-write"])
    is_live(page)
    page.locator("#m4713 summary").click()
    copies = page.locator("#m4713 .copies")
    found = []
    for form in ("link", "Markdown", "JSON"):
        page.evaluate("navigator.clipboard.writeText('')")
        copies.get_by_role("button", name=form).click()
        page.wait_for_function("navigator.clipboard.readText()")
        found.append(page.evaluate("navigator.clipboard.readText()"))
    expect(copies.locator(".done")).to_have_text("copied")
    link, markdown, told = found
    assert urlsplit(link).path == "/messages/id-4713"
    assert "**api** → **Reviewer\\_2**" in markdown
    assert "Right, hashed in 7be20d1." in markdown
    assert json.loads(told)[0]["offset"] == 4713


def test_every_page_can_be_gone_to_however_wide_the_window_is(
    serve: Callable[..., Any], window: Window, make: Any
) -> None:
    page = window(serve(make.a_busy_hour(datetime.now(UTC))).url + "cost")
    is_live(page)
    for width in (320, 390, 768, 1024, 1280, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        for place in page.locator(".places a").all():
            expect(place).to_be_in_viewport(ratio=0.9)  # the last fraction of a pixel is cut
        for part in (".mark", ".live", ".find", ".bell", ".theme"):
            expect(page.locator(f".masthead {part}")).to_be_in_viewport(ratio=0.9)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
