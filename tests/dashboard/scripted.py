"""A hub that does as it is told: enough of the wire for a page to live on, and what the pages ask it for."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from dashboard.pages import routes
from tests.dashboard import things
from tests.dashboard.hours import a_cost, a_health, a_pulse, a_talk, a_timeline, ladders, rfc3339


class ScriptedSource:
    """The hub's answers to pages, out of the snapshot that `give` returns at the time."""

    def __init__(self, give: Callable[[], dict[str, Any]]) -> None:
        self._give = give

    async def about(self) -> dict[str, Any]:
        snapshot = self._give()
        past = {"past": snapshot["past"]} if "past" in snapshot else {}
        return {"at": snapshot["at"], **snapshot["hub"], **past}

    async def at(self, when: str | None) -> ScriptedSource:
        then = {"offset": 7, "running": True, "unsure": []}
        return self if when is None else ScriptedSource(lambda: self._give() | {"past": then})

    async def snapshot(self) -> dict[str, Any]:
        return self._give()

    async def timeline(self, at: str | None = None) -> dict[str, Any]:
        return a_timeline(self._give(), at)

    async def conversation(self, **wanted: Any) -> dict[str, Any]:
        snapshot = self._give()
        return {
            **a_talk(snapshot, snapshot.get("history", snapshot["recent"]), **wanted),
            "head": snapshot["hub"]["head"],
        }

    async def pulse(self, after: int = 0) -> dict[str, Any]:
        return self._give().get("pulse", a_pulse(self._give()["at"]))

    async def health(self) -> dict[str, Any]:
        return a_health(await self.about())

    async def cost(self) -> dict[str, Any]:
        return a_cost(self._give())

    async def history(self, **asked: Any) -> dict[str, Any]:
        return things.a_history(self._give(), asked)

    async def message(self, message_id: str) -> dict[str, Any]:
        return things.a_message_closely(self._give(), message_id)

    async def names(self) -> list[str]:
        return [each["name"] for each in self._give()["instances"]]

    async def instance(self, name: str) -> dict[str, Any]:
        return things.an_instance_closely(self._give(), name)

    async def queue(self, name: str, limit: int) -> dict[str, Any]:
        return things.a_queue_of(self._give(), name, limit)

    async def activity(self, name: str, hours: int) -> dict[str, Any]:
        return things.an_activity(self._give())

    async def replies(self, name: str) -> dict[str, Any]:
        return things.some_replies(self._give(), name)

    async def topics(self) -> dict[str, Any]:
        return things.some_topics(self._give())


class ScriptedHub:
    """Serves the real pages over a snapshot that the test sets, and says over `/ws` what the test says."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.snapshot = snapshot
        self.history: list[dict[str, Any]] = snapshot.setdefault("history", list(snapshot["recent"]))
        self.open = True  # whether who asks is signed in
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.deaf = False  # whether it has stopped answering, with the socket still open
        self.heard: list[dict[str, Any]] = []
        self.fetched = 0
        self.decided: list[tuple[str, int]] = []  # what a person decided about what is held
        self._observers: set[WebSocket] = set()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._source = ScriptedSource(lambda: self.snapshot)
        self.app = Starlette(
            routes=[
                *routes(self._source, may_see=lambda _request: self.open),
                Route("/api/v1/snapshot", self._snapshot),
                Route("/api/v1/status", self._snapshot),
                Route("/api/v1/pulse", self._pulse),
                Route("/api/v1/instances", self._instances),
                Route("/api/v1/messages", self._messages),
                Route("/api/v1/messages/{id}", self._message),
                Route("/api/v1/demo", self._play, methods=["POST"]),
                Route("/api/v1/held/{offset:int}/release", self._decide, methods=["POST"]),
                Route("/api/v1/held/{offset:int}", self._decide, methods=["DELETE"]),
                WebSocketRoute("/ws", self._observe),
            ]
        )

    def say(self, *messages: dict[str, Any]) -> None:
        """Commit these, in the snapshot too, and push them to every page."""
        for message in messages:
            self.history.append(message)
            self.snapshot["recent"] = [*self.snapshot["recent"], message][-100:]
            self.snapshot["hub"]["head"] = message["offset"]
        self.push(*({"type": "message"} | message for message in messages))

    def push(self, *frames: dict[str, Any]) -> None:
        async def send() -> None:
            for observer in list(self._observers):
                for frame in frames:
                    await observer.send_text(json.dumps(frame))

        self._run(send)

    def hang_up(self, code: int, reason: str = "") -> None:
        async def close() -> None:
            for observer in list(self._observers):
                await observer.close(code, reason)

        self._run(close)

    def start(self) -> None:
        if self._socket.fileno() < 0:
            self._socket = socket.create_server(("127.0.0.1", self.port))
        config = uvicorn.Config(
            self.app, log_level="error", ws="websockets-sansio", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        ready = threading.Event()

        async def serve() -> None:
            assert self._server is not None
            self._loop = asyncio.get_running_loop()
            ready.set()
            await self._server.serve(sockets=[self._socket])

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._observers.clear()
        self._socket.close()
        self._server = None

    def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)  # type: ignore[arg-type]

    async def _snapshot(self, request: Request) -> Response:
        if not self.open:
            return JSONResponse({"code": "unauthorized"}, status_code=401)
        self.fetched += 1
        recent = [] if request.query_params.get("recent") == "0" else self.snapshot["recent"]
        return JSONResponse(self.snapshot | {"at": rfc3339(self.now()), "recent": recent})

    async def _decide(self, request: Request) -> Response:
        offset = request.path_params["offset"]
        self.decided.append((request.method, offset))
        self.snapshot["held"] = [each for each in self.snapshot["held"] if each["offset"] != offset]
        return JSONResponse({})

    async def _play(self, request: Request) -> Response:
        self.decided.append((request.method, 0))
        assert await request.json() == {}
        return JSONResponse({"playing": True}, status_code=202)

    async def _pulse(self, _request: Request) -> Response:
        return JSONResponse(await self._source.pulse())

    async def _instances(self, _request: Request) -> Response:
        return JSONResponse({"instances": self.snapshot["instances"]})

    async def _messages(self, request: Request) -> Response:
        query = request.query_params
        return JSONResponse(
            a_talk(
                self.snapshot,
                self.history,
                with_=query.get("with"),
                topic=query.get("topic"),
                thread=query.get("thread"),
                before=int(query["before"]) if "before" in query else None,
                limit=int(query["limit"]),
            )
        )

    async def _message(self, request: Request) -> Response:
        (found,) = (each for each in self.history if each["id"] == request.path_params["id"])
        steps = ladders(self.snapshot, [found])[str(found["offset"])]
        return JSONResponse(
            {"message": found, "ladder": [each | {"times": {"accepted": found["at"]}} for each in steps]}
        )

    async def _observe(self, websocket: WebSocket) -> None:
        if not self.open:
            await websocket.close(4511)
            return
        await websocket.accept("hubbub.v1")
        try:
            hello = await websocket.receive_json()
            self.heard.append(hello)
            hub = self.snapshot["hub"]
            resumed = hello["epoch"] == hub["epoch"]
            welcome = {"type": "welcome", "ref": hello["ref"], "name": None, "session": "s", "read": 0, "unread": 0}
            await websocket.send_json(
                welcome | {"epoch": hub["epoch"], "head": hub["head"], "floor": hub["floor"], "resumed": resumed}
            )
            if resumed:
                for message in self.history:
                    if message["offset"] > hello["resume"]:
                        await websocket.send_json({"type": "message"} | message)
            self._observers.add(websocket)
            while True:
                frame = await websocket.receive_json()
                self.heard.append(frame)
                if frame["type"] == "status" and not self.deaf:
                    await websocket.send_json(
                        {
                            "type": "reply",
                            "ref": frame["ref"],
                            "status": {"head": hub["head"], "problems": hub.get("problems", [])},
                        }
                    )
        except WebSocketDisconnect:
            pass
        finally:
            self._observers.discard(websocket)
