"""The demo, played by the hub itself for whoever asks on its page: the same agents over the same wire as `hubbub demo`.

One at a time: a second wish finds the first under way. It ends with the hub, and everybody in it has left by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.api import answering, json_response, read_body
from hub.errors import HubbubError
from hub.request import Place
from hub.tokens import Identity

FAST = 0.1  # of the pauses as they are written: some seconds in all, instead of a minute
MAX_BODY = 1024  # bytes
LEAVING = 2.0  # seconds for the cast to leave, when the hub ends

logger = structlog.get_logger("hubbub.stage")


class DemoBody(msgspec.Struct, kw_only=True):
    fast: bool = False


class Stage:
    """The route `/demo`. `place` is where the hub can be reached; `fault` hears of what should not have happened."""

    def __init__(
        self,
        *,
        identify: Callable[[Request], Identity],
        place: Callable[[], Place],
        fault: Callable[[str, BaseException], None],
    ) -> None:
        self._identify = identify
        self._place = place
        self._fault = fault
        self._playing: asyncio.Task[None] | None = None
        self._trouble: str | None = None  # why the last one ended early

    def routes(self) -> list[Route]:
        """To be mounted beside the Api's."""
        return [
            Route("/demo", answering(self._begin), methods=["POST"]),
            Route("/demo", answering(self._told), methods=["GET"]),
        ]

    async def stop(self) -> None:
        """End what is played, and return when everybody has left, or LEAVING seconds later."""
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.wait({self._playing}, timeout=LEAVING)

    async def _begin(self, request: Request) -> Response:
        self._identify(request).require_person()
        body = await read_body(request, DemoBody, MAX_BODY)
        if self._playing is not None and not self._playing.done():
            return json_response(self._state())
        self._trouble = None
        self._playing = asyncio.create_task(self._play(FAST if body.fast else 1.0), name="hubbub demo")
        return json_response(self._state(), 202)

    async def _told(self, request: Request) -> Response:
        self._identify(request).require("observe")
        return json_response(self._state())

    def _state(self) -> dict[str, Any]:
        return {"playing": self._playing is not None and not self._playing.done(), "trouble": self._trouble}

    async def _play(self, pace: float) -> None:
        from hub.demo.play import Play
        from hub.demo.script import SCRIPT

        try:
            await Play(self._place(), pace=pace, told=lambda line: logger.debug("demo", line=line)).run(SCRIPT)
        except HubbubError as why:
            self._trouble = why.message
        except Exception as why:
            self._trouble = "The demo met a fault of its own."
            self._fault("the demo", why)
