"""A person takes part, in a real browser against a real hub: with scripts, and without."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.dashboard.browsing import FLAGS, a_chromium
from tests.hub.live import BOUND, Live, live
from tests.hub.test_api import send, unread

pytestmark = pytest.mark.browser
expect.set_options(timeout=BOUND * 1000)


@asynccontextmanager
async def browsing(hub: Live, **context: Any) -> AsyncIterator[Page]:
    """The owner's browser, signed in; whatever its console says but that a form was refused fails the test."""
    said: list[str] = []
    async with async_playwright() as driver:
        path = a_chromium(driver)  # type: ignore[arg-type]
        if path is None:
            pytest.skip("no Chromium: install one, or name it in the variable CHROMIUM")
        browser = await driver.chromium.launch(executable_path=path, args=FLAGS)
        window = await browser.new_context(**context)
        window.set_default_timeout(BOUND * 1000)
        page = await window.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        await page.goto((await hub.request("POST", "/api/v1/links", {})).json()["url"])
        await page.wait_for_url(hub.http + "/")
        try:
            yield page
        finally:
            await browser.close()
    assert [each for each in said if "status of 400" not in each] == []


def form(page: Page, section: str) -> Any:
    return page.locator(f"section[aria-labelledby={section}] > form.part")


async def held(hub: Live) -> dict[str, Any]:
    return dict((await hub.request("GET", "/api/v1/held")).json())


async def test_a_person_writes_holds_edits_drops_pauses_and_purges(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub, browsing(hub) as page:
        for name in ("alice", "bob"):
            await hub.request("POST", "/api/v1/instances", {"name": name})
        await page.goto(hub.http + "/part?to=alice")
        await expect(page.locator(".live")).to_have_attribute("data-state", "live")

        await form(page, "queues").get_by_label("Queue").fill("alice")
        write = form(page, "write")
        await write.get_by_label("Your name").fill("kay")
        await write.get_by_label("Message").fill("wait for me")
        await write.get_by_role("button").click()
        await expect(write.locator(".answer")).to_have_text("Sent to alice.")
        await expect(write.get_by_label("Message")).to_have_value("")
        assert await unread(hub, "alice") == ["wait for me"]

        await expect(page.locator("datalist option[value=kay]").first).to_be_attached()  # the page was drawn anew since
        await expect(form(page, "queues").get_by_label("Queue")).to_have_value("alice")
        await form(page, "queues").get_by_label("Reason").fill("she is being moved")
        await form(page, "queues").get_by_role("button").click()
        await expect(page.locator("[data-row='hold alice']")).to_contain_text("by kay (she is being moved)")
        for body in ("delete everything", "two", "three"):
            await send(hub, "alice", body)
        rows = page.locator("#page .waits[data-row^=held]")
        await expect(rows).to_have_count(3)
        await expect(page.locator(".standstill")).to_contain_text("3 messages wait for a person, 1 queue is held")

        first = rows.filter(has_text="delete everything")
        await first.get_by_text("Edit it first").click()
        text = first.locator("textarea")
        await text.fill("delete the fol")
        await write.get_by_label("Message").fill("half typed")
        await send(hub, "alice", "four")
        await expect(rows).to_have_count(4)
        await expect(text).to_have_value("delete the fol")
        await expect(text).to_be_visible()
        await expect(write.get_by_label("Message")).to_have_value("half typed")
        await text.fill("delete the folder tmp")
        await first.get_by_role("button", name="Send this instead").click()
        await expect(rows).to_have_count(3)
        await rows.filter(has_text="two").get_by_role("button", name="Drop it").click()
        await expect(rows).to_have_count(2)
        await page.get_by_role("button", name="Send what waits, and end the hold").click()
        await expect(rows).to_have_count(0)
        edited = "delete the folder tmp\n\n[Edited by kay before it was released.]"
        assert await unread(hub, "alice") == ["wait for me", edited, "three", "four"]

        await form(page, "paused").get_by_label("Agent").fill("bob")
        await form(page, "paused").get_by_role("button").click()
        await expect(page.locator("[data-row='pause bob']")).to_contain_text("nothing waits")
        assert [each["by"] for each in (await held(hub))["paused"]] == ["kay"]
        await page.get_by_role("button", name="Resume it").click()
        await expect(page.locator("[data-row='pause bob']")).to_have_count(0)
        await expect(page.locator(".standstill")).to_have_text("")

        purge = form(page, "purge")
        await purge.get_by_label("Whose").fill("alice")
        await purge.get_by_label("Type the name once more").fill("alise")
        await purge.get_by_role("button").click()
        await expect(purge.locator(".answer.refused")).to_contain_text("Nothing was purged")
        await expect(purge.get_by_label("Type the name once more")).to_have_value("alise")
        await purge.get_by_label("Type the name once more").fill("alice")
        await purge.get_by_role("button").click()
        await expect(purge.locator(".answer")).to_have_text("4 messages purged.")
        assert await unread(hub, "alice") == []
        await expect(write.get_by_label("Message")).to_have_value("half typed")


async def test_without_a_script_the_same_forms_go_to_the_hub_and_come_back(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub, browsing(hub, java_script_enabled=False) as page:
        await page.goto(hub.http + "/part?to=alice")
        await form(page, "write").get_by_label("Your name").fill("kay")
        await form(page, "write").get_by_label("Message").fill("hello\nalice")
        await form(page, "write").get_by_role("button").click()
        await page.wait_for_url(hub.http + "/part?to=alice")
        assert await unread(hub, "alice") == ["hello\nalice"]
        await expect(form(page, "write").get_by_label("Your name")).to_have_value("kay")
        await form(page, "queues").get_by_label("Queue").fill("alice")
        await form(page, "queues").get_by_role("button").click()
        await send(hub, "alice", "one")
        await page.reload()
        await page.get_by_role("button", name="Drop it").click()
        await expect(page.locator("[data-row='hold alice']")).to_contain_text("by kay; nothing waits")
        await expect(page.locator(".standstill")).to_have_text("Held 1 queue is held")


async def test_beside_a_conversation_one_writes_and_sees_that_its_queue_is_held(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub, browsing(hub) as page:
        await send(hub, "bob", "one", sender="alice")
        await page.goto(hub.http + "/conversation?with=alice")
        await expect(page.locator(".live")).to_have_attribute("data-state", "live")
        await expect(page.locator(".standstill")).to_have_text("")
        await hub.request("POST", "/api/v1/holds", {"queue": "alice"})
        await expect(page.locator(".standstill")).to_have_text("Held 1 queue is held")
        await page.get_by_text("Write", exact=True).click()
        write = page.locator("form.part.say")
        await expect(write.get_by_label("To")).to_have_value("alice")
        await write.get_by_label("Your name").fill("kay")
        await write.get_by_label("Message").fill("still here?")
        await write.get_by_role("button").click()
        await expect(write.locator(".answer")).to_have_text("Sent to alice.")
        await expect(page.get_by_text("still here?")).to_be_visible()


async def test_on_the_overview_one_writes_answers_holds_and_pauses_without_leaving_it(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub, browsing(hub) as page:
        await send(hub, "bob", "may I delete it?", sender="alice")
        await send(hub, "#build", "green", sender="alice")
        await page.goto(hub.http + "/?with=bob")
        await expect(page.locator(".live")).to_have_attribute("data-state", "live")

        await page.get_by_text("Write", exact=True).click()
        write = page.locator("#write form.part.say")
        await expect(write.get_by_label("To")).to_have_value("bob")
        await page.get_by_label("From or to").select_option("alice")
        await expect(write.get_by_label("To")).to_have_value("alice")
        await write.get_by_label("Your name").fill("kay")
        await write.get_by_label("Message").fill("one moment")
        await send(hub, "alice", "something else", sender="bob")
        await expect(page.locator(".message", has_text="something else")).to_be_visible()
        await expect(write.get_by_label("Message")).to_have_value("one moment")
        await write.get_by_role("button").click()
        await expect(write.locator(".answer")).to_have_text("Sent to alice.")
        await expect(page.locator(".message", has_text="one moment")).to_be_visible()
        await page.get_by_text("Write", exact=True).click()

        above = page.locator("dialog.above")
        await page.locator(".message summary", has_text="may I delete it?").click()
        await page.get_by_role("link", name="Answer alice as a person").click()
        await expect(above.get_by_label("To")).to_have_value("alice")
        await above.get_by_label("Message").fill("no")
        await above.get_by_role("button", name="Answer").click()
        await expect(above).to_be_hidden()
        await expect(page.locator(".message", has_text="no").locator(".mark-reply")).to_be_visible()
        assert await unread(hub, "alice") == ["something else", "one moment", "no"]

        await page.locator(".instances tr", has_text="alice").hover()
        await page.get_by_role("link", name="Step in: alice").click()
        await above.locator("summary", has_text="Pause it").click()
        await above.get_by_label("Reason").first.fill("she repeats herself")
        await above.get_by_role("button", name="Pause it").click()
        await expect(above).to_be_hidden()
        await expect(page.locator(".instances tr", has_text="alice")).to_contain_text("paused")

        await page.locator(".queues tr", has_text="build").first.hover()
        await page.get_by_role("link", name="Step in: build").click()
        await expect(above.get_by_role("combobox", name="Queue")).to_have_value("#build")
        await above.get_by_role("button", name="Hold it").click()
        await expect(page.locator(".queues tr", has_text="build").first).to_contain_text("held")
        stops = await held(hub)
        assert [each["queue"] for each in stops["holds"]] == ["#build"]
        assert [(each["name"], each["by"], each["reason"]) for each in stops["paused"]] == [
            ("alice", "kay", "she repeats herself")
        ]
