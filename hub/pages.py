"""Pages of the log, for readers that have fallen behind the window: read once for all who ask the same.

After a restart a thousand clients come back at the same place and want the same. So a page is kept for a moment, as the
`Run` it is handed out as: whoever encodes it does that once too.
"""

from __future__ import annotations

import asyncio

from hub.log import Log
from hub.session import Behind
from hub.window import Run

MAX_SIZE = 256 * 1024  # bytes of one page; what is on its way to a socket that takes nothing is not much more
MAX_KEPT = 16  # pages


class Pages:
    """The newest pages that were asked for."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._pages: dict[Behind, asyncio.Task[Run]] = {}

    async def read(self, behind: Behind) -> Run:
        """What `behind` asks for. Raises StorageFailed."""
        reading = self._pages.get(behind)
        if reading is None:
            while len(self._pages) >= MAX_KEPT:
                del self._pages[next(iter(self._pages))]
            reading = self._pages[behind] = asyncio.create_task(self._read(behind))
        try:
            return await asyncio.shield(reading)
        except BaseException:
            if self._pages.get(behind) is reading:  # the next one tries again
                del self._pages[behind]
            raise

    async def _read(self, behind: Behind) -> Run:
        if behind.spans:
            messages = await self._log.read(behind.spans, behind.limit, MAX_SIZE)
        else:
            found = await self._log.since(behind.after, behind.limit, MAX_SIZE)
            messages = [message for message in found if message.offset <= behind.upto]
        return Run(messages, complete=False)

    def forget(self) -> None:
        """The log has lost something, or nobody has asked for long: keep nothing."""
        self._pages.clear()
