"""A real hub on a free port, in the test's own event loop, and a client so plain that it hides nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect

from hub import config
from hub.app import App, run
from hub.daemon import HubLock

BOUND = 30.0  # seconds for anything that is waited for


class Live:
    """A hub that runs."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.url = app.url
        self.http = app.url.replace("ws://", "http://").removesuffix("/ws")
        self.token = app.settings.paths.token_file.read_text().strip()

    @asynccontextmanager
    async def socket(self, **options: Any) -> AsyncIterator[Socket]:
        """A WebSocket that has said nothing yet."""
        async with connect(
            self.url, subprotocols=["hubbub.v1"], compression=None, proxy=None, max_size=None, **options
        ) as connection:
            yield Socket(connection)

    @asynccontextmanager
    async def session(self, name: str | None, **hello: Any) -> AsyncIterator[Socket]:
        """A WebSocket that has been welcomed; what it was told is in `welcome`."""
        async with self.socket() as socket:
            socket.welcome = await socket.hello(name, self.token, **hello)
            yield socket

    async def request(self, method: str, path: str, body: Any = None, **options: Any) -> httpx2.Response:
        """One HTTP request with the owner's token."""
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        async with httpx2.AsyncClient(
            base_url=self.http, headers=headers, timeout=BOUND, trust_env=False, verify=False
        ) as client:
            return await client.request(method, path, json=body, **options)


class Socket:
    """One WebSocket, a frame at a time."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.welcome: dict[str, Any] = {}
        self._held: list[dict[str, Any]] = []
        self._ref = 100

    async def hello(self, name: str | None, token: str, **hello: Any) -> dict[str, Any]:
        said = {"type": "hello", "ref": 1, "token": token, **hello}
        if name is not None:
            said["name"] = name
        await self.send(said)
        return await self.frame("welcome")

    async def send(self, frame: dict[str, Any] | str | bytes) -> None:
        await self.connection.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def next(self) -> dict[str, Any]:
        """The next frame of any kind."""
        async with asyncio.timeout(BOUND):
            return dict(json.loads(await self.connection.recv()))

    async def frame(self, kind: str, ref: Any = None) -> dict[str, Any]:
        """The next frame of this kind (and ref); others are kept for later."""
        for place, held in enumerate(self._held):
            if held["type"] == kind and (ref is None or held.get("ref") == ref):
                return self._held.pop(place)
        while True:
            frame = await self.next()
            if frame["type"] == kind and (ref is None or frame.get("ref") == ref):
                return frame
            self._held.append(frame)

    async def ask(self, **frame: Any) -> dict[str, Any]:
        """Send a request and return what answers it, be it an error."""
        self._ref += 1
        ref = self._ref
        await self.send({**frame, "ref": ref})
        while True:
            for place, held in enumerate(self._held):
                if held.get("ref") == ref:
                    return self._held.pop(place)
            self._held.append(await self.next())

    async def publish(self, to: str, body: str, **more: Any) -> dict[str, Any]:
        return await self.ask(type="publish", to=to, body=body, **more)

    async def closed(self) -> tuple[int, str]:
        """Wait for the end: close code and reason."""
        async with asyncio.timeout(BOUND):
            await self.connection.wait_closed()
        return self.connection.close_code or 0, self.connection.close_reason or ""


def settings_for(home: Path, **flags: Any) -> config.Settings:
    """Settings of a hub that is all the test's own."""
    return config.load({"port": 0, **flags}, {"HUBBUB_HOME": str(home)})


@asynccontextmanager
async def live(home: Path, **flags: Any) -> AsyncIterator[Live]:
    """A hub on `home`, stopped as by SIGTERM at the end."""
    settings = settings_for(home, **flags)
    with HubLock(settings.paths):
        ready: asyncio.Future[App] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(run(settings, ready.set_result))
        await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED, timeout=BOUND)
        if running.done():
            running.result()
        app = ready.result()
        try:
            yield Live(app)
        finally:
            app.stop()
            async with asyncio.timeout(BOUND):
                await running
