"""How the hub is, for people: `/api/v1/health`, which the page and `hubbub doctor` show.

`problems` are what /readyz tells; the rest says how much there is of what may run out. It is gathered when it is asked
for. Looking at the disk is given up after a moment, since a disk may hang: `volume` is null then, and as long as that
look has not come back no other is begun.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub import frames, volume
from hub.api import answering, json_response
from hub.attachments import Attachments
from hub.config import Settings, table
from hub.connection import Connections
from hub.node import Node
from hub.processes import memory
from hub.tokens import Identity

PATIENCE = 2.0  # seconds for the disk to say how full it is


class Health:
    """Gathers it. `facts` is what only the process knows of the hub, `refused` counts who was not let in by the
    error's code, `cut` which bounds of a connection were hit; `identify` says who asks.
    """

    def __init__(
        self,
        node: Node,
        connections: Connections,
        attachments: Attachments,
        settings: Settings,
        *,
        facts: Callable[[], dict[str, Any]],
        refused: Callable[[], Counter[str]],
        cut: Callable[[], Counter[str]],
        identify: Callable[[Request], Identity],
    ) -> None:
        self._identify = identify
        self._node = node
        self._connections = connections
        self._attachments = attachments
        self._settings = settings
        self._facts = facts
        self._refused = refused
        self._cut = cut
        self._looking: asyncio.Future[volume.Volume] | None = None

    def routes(self) -> list[Route]:
        """To be mounted beside the Api's."""
        return [Route("/health", answering(self._serve), methods=["GET"])]

    async def _serve(self, request: Request) -> Response:
        self._identify(request).require("observe")
        return json_response(await self.told())

    async def told(self) -> dict[str, Any]:
        """Everything, as JSON has it. Sizes are bytes, times RFC 3339."""
        node, hub = self._node, self._node.hub
        newest = hub.window.newest(1)
        stocks = hub.registry.topics.values()
        used = memory(os.getpid())
        turn = await _one_turn()
        disk = await self._volume()
        problems = node.problems()
        return {
            **self._facts(),
            "at": frames.moment(node.now()),
            "started_at": frames.moment(node.started_at),
            "ready": not problems,
            "problems": problems,
            "version": node.version,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "installation": sys.prefix,
            "memory": None if used is None else {"bytes": used[0], "peak_bytes": used[1]},
            "volume": None if disk is None else {**structs.asdict(disk), "state": disk.state},
            "log": {
                "head": hub.head,
                "floor": hub.floor,
                "messages": sum(stock.messages for stock in stocks),
                "bytes": sum(stock.size for stock in stocks),
                "newest_at": frames.moment(newest[-1].at) if newest else None,
                "waiting": node.journal.waiting,
            },
            "retention": {"age": node.retention.age, "size": node.retention.size},
            "attachments": {
                "files": self._attachments.count,
                "bytes": self._attachments.size,
                "quota": self._attachments.quota,
            },
            "sessions": len(hub.sessions),
            "connections": self._connections.open,
            "lag": {
                "turn_seconds": turn,
                "waiting": node.journal.waiting,
                "write_seconds": node.journal.stalled,
            },
            "tasks": [{"name": name, "runs": runs} for name, runs in node.tasks().items()],
            "upkeep": [{"name": name, "trouble": trouble} for name, trouble in node.upkeep().items()],
            "refused": dict(self._refused()),
            "limits_hit": dict(self._cut()),
            "publishes_refused": hub.counters.refused,
            "gaps": hub.counters.gaps,
            "settings": [
                {"key": key, "value": self._settings.shown(key), "source": str(self._settings.source(key))}
                for key, kind, _ in table()
                if kind.scope != "agent"
            ],
        }

    async def _volume(self) -> volume.Volume | None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(asyncio.to_thread(volume.look, self._settings.paths.database))
            self._looking.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(self._looking)
        except (TimeoutError, OSError):
            return None


async def _one_turn() -> float:
    """How long it takes until it is one's turn again: the seconds for which everything else waits now, too."""
    clock = asyncio.get_running_loop().time
    began = clock()
    await asyncio.sleep(0)
    return clock() - began
