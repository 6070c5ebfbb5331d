"""Whoever waits for something to become true is woken whenever anything has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Bell:
    """For one event loop. Waiters look again in the loop turn after `ring()`: no polling, no sleep."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def ring(self) -> None:
        """Something has changed."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    async def until(self, true: Callable[[], object], limit: float | None) -> bool:
        """Wait until `true()`, at most `limit` seconds (None: however long); whether it is."""
        loop = asyncio.get_running_loop()
        end = None if limit is None else loop.time() + limit
        while not true():
            left = None if end is None else end - loop.time()
            if left is not None and left <= 0:
                return False
            rung = loop.create_future()
            self._waiting.append(rung)
            try:
                await asyncio.wait({rung}, timeout=left)
            finally:
                if not rung.done():
                    self._waiting.remove(rung)
        return True
