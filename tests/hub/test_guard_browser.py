"""What a real browser makes of the link, the cookie, and other sites' pages."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.async_api import BrowserContext, async_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from hub import signin
from hub.cookies import Cookies
from hub.door import Door, identify
from hub.errors import HubbubError
from hub.guard import Guard
from hub.origins import Own
from hub.paths import ensure_token
from hub.protocol import ServerConfig
from hub.signin import Links
from hub.tables import TokenRow
from hub.tokens import Keyring, OwnerToken

pytestmark = pytest.mark.browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

# Tries what another site's page may: prints "opened" or "closed" for a WebSocket, and the outcome of each request.
INTRUDER = """<!doctype html><title>elsewhere</title><a id="link" href="{link}">open</a><p id="told"></p><script>
const told = document.getElementById("told"), say = text => told.textContent += text + " ";
(async () => {{
  await new Promise(done => {{
    const socket = new WebSocket("{ws}/ws");
    socket.onopen = () => {{ say("socket:opened"); done(); }};
    socket.onerror = () => {{ say("socket:closed"); done(); }};
  }});
  for (const [name, options] of [
    ["get", {{credentials: "include"}}], ["post", {{method: "POST", credentials: "include"}}],
    ["blind-post", {{method: "POST", mode: "no-cors", credentials: "include"}}],
  ]) {{
    try {{ const answer = await fetch("{http}/change", options); say(name + ":" + answer.type); }}
    catch {{ say(name + ":failed"); }}
  }}
  say("done");
}})();
</script>"""


class NoStore:
    async def save_token(self, token: TokenRow) -> None: ...

    async def tokens(self) -> list[TokenRow]:
        return []

    async def delete_token(self, token_id: str) -> bool:
        return False


class House:
    """A guarded hub with a page, and another site, both on real ports."""

    def __init__(self, home: Path) -> None:
        ensure_token(home / "token")
        self.links = Links()
        self.keyring = Keyring(OwnerToken(home / "token"), NoStore())
        self.door = Door(self.keyring, Cookies(self.keyring))
        self.changes = 0
        self.port = 0
        self.elsewhere = 0
        self.policy = "same-origin"

    def link(self) -> str:
        return f"http://127.0.0.1:{self.port}/open?code={self.links.make(self.door.clock())}"

    def hub(self) -> Any:
        async def page(request: Request) -> HTMLResponse:
            try:
                who = identify(request.scope).grant.id
            except HubbubError as why:
                return HTMLResponse(f"<p id=who>{why.code}</p>", why.status)
            script = (
                '<form method="post" action="/signout"><button>Sign out</button></form><script src="/script"></script>'
            )
            content = f"<p id=who>{who}</p><p id=socket></p>{script}"
            return HTMLResponse(content, headers={"Referrer-Policy": self.policy})

        async def script(request: Request) -> HTMLResponse:
            text = """const socket = new WebSocket("ws://" + location.host + "/ws");
                socket.onmessage = event => document.getElementById("socket").textContent = event.data;"""
            return HTMLResponse(text, media_type="text/javascript")

        async def change(request: Request) -> HTMLResponse:
            self.changes += 1
            return HTMLResponse("changed")

        async def socket(websocket: WebSocket) -> None:
            who = identify(websocket.scope)
            await websocket.accept()
            await websocket.send_text(who.grant.id)
            await websocket.close()

        routes = [
            Route("/", page),
            Route("/script", script),
            Route("/change", change, methods=["GET", "POST"]),
            WebSocketRoute("/ws", socket),
            *signin.routes(self.links),
        ]
        return Guard(Starlette(routes=routes), Own("127.0.0.1"), self.door)

    def other_site(self) -> Any:
        async def page(request: Request) -> HTMLResponse:
            at = f"127.0.0.1:{self.port}"
            return HTMLResponse(INTRUDER.format(link=self.link(), ws=f"ws://{at}", http=f"http://{at}"))

        return Starlette(routes=[Route("/", page)])


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[int]:
    server = uvicorn.Server(ServerConfig(app, port=0, lifespan="off", log_config=None))
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        house = House(tmp_path)
        house.port = await stack.enter_async_context(serving(house.hub()))
        house.elsewhere = await stack.enter_async_context(serving(house.other_site()))
        yield house


@asynccontextmanager
async def chromium(*args: str) -> AsyncIterator[BrowserContext]:
    async with async_playwright() as playwright:
        found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
        path = found or playwright.chromium.executable_path
        if not Path(path).exists():
            pytest.skip("no Chromium: install one, or name it in the variable CHROMIUM")
        started = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *args])
        try:
            context = await started.new_context()
            context.set_default_timeout(30_000)
            yield context
        finally:
            await started.close()


@pytest.fixture
async def browser() -> AsyncIterator[BrowserContext]:
    async with chromium() as context:
        yield context


async def test_a_link_opened_from_the_terminal_signs_in(house: House, browser: BrowserContext) -> None:
    page = await browser.new_page()
    await page.goto(house.link())
    await page.locator("#who", has_text="browser").wait_for()
    await page.locator("#socket", has_text="browser").wait_for()
    assert page.url == f"http://127.0.0.1:{house.port}/"


async def test_a_link_on_another_sites_page_signs_in_too(house: House, browser: BrowserContext) -> None:
    page = await browser.new_page()
    await page.goto(f"http://localhost:{house.elsewhere}/")  # to a browser, another site than 127.0.0.1
    await page.locator("#told", has_text="done").wait_for()
    await page.locator("#link").click()
    await page.locator("#who", has_text="browser").wait_for()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_another_sites_page_gets_nothing_also_from_a_signed_in_browser(
    house: House, browser: BrowserContext, host: str
) -> None:
    page = await browser.new_page()
    await page.goto(house.link())
    await page.locator("#who", has_text="browser").wait_for()
    # On the same host with another port a browser sends the cookie along: only Origin tells the two apart.
    await page.goto(f"http://{host}:{house.elsewhere}/")
    await page.locator("#told", has_text="done").wait_for()
    told = (await page.locator("#told").inner_text()).split()
    assert told[:3] == ["socket:closed", "get:failed", "post:failed"]
    assert told[3] in ("blind-post:failed", "blind-post:opaque")
    assert house.changes == 0
    assert house.door.refused["origin_refused"] >= 3


@pytest.mark.parametrize("policy", ["same-origin", "no-referrer"])
async def test_signing_out_is_one_button(house: House, browser: BrowserContext, policy: str) -> None:
    house.policy = policy
    page = await browser.new_page()
    await page.goto(house.link())
    await page.locator("button").click()
    await page.locator("h1", has_text="Signed out").wait_for()
    await page.goto(f"http://127.0.0.1:{house.port}/")
    await page.locator("#who", has_text="unauthorized").wait_for()


async def test_a_rebound_name_is_refused(house: House) -> None:
    async with chromium("--host-resolver-rules=MAP rebound.example 127.0.0.1") as rebinding:
        page = await rebinding.new_page()
        answer = await page.goto(f"http://rebound.example:{house.port}/")
        assert answer is not None
        assert answer.status == 421
        assert "allowed_hosts" in await page.content()
