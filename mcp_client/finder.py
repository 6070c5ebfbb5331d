"""Where the hub is, asked in a thread: finding one reads files and locks, and starting one takes seconds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, Protocol

from hub.errors import HubbubError, Unreachable
from hub.request import Place


class Found(Protocol):
    """What finding gives: `hub.daemon.Running`."""

    @property
    def url(self) -> str: ...
    @property
    def token(self) -> str | None: ...
    @property
    def tls_cert(self) -> Path | None: ...


class Ways(NamedTuple):
    """`ensure` finds a hub and starts one if none runs; `locate` only finds. Both block, and raise HubbubError."""

    ensure: Callable[[], Found]
    locate: Callable[[], Found | None]


class Finder:
    """Answers `await finder(start)` with the hub's Place. Raises Unreachable, or what `ways` raise."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._first: Future[Found | None] | None = None

    def begin(self) -> None:
        """Begin to look before the loop runs: a hub starts while this process still imports."""
        self._first = _in_thread(self._ways.ensure)

    async def __call__(self, start: bool) -> Place:
        first, self._first = self._first, None
        try:
            found = await asyncio.wrap_future(first or _in_thread(self._ways.ensure if start else self._ways.locate))
        except HubbubError:
            raise
        except Exception as why:
            raise Unreachable(f"The hub could not be found: {why}.", "`hubbub doctor` finds out why.") from why
        if found is None:
            raise Unreachable("No hub runs; it was stopped.", "`hubbub start` starts it, and so does any tool here.")
        return Place(found.url, found.token, found.tls_cert)


def _in_thread(work: Callable[[], Found | None]) -> Future[Found | None]:
    """As an executor would, but in a daemon: a hub that is slow to start must not hold up this process's end."""
    future: Future[Found | None] = Future()

    def run() -> None:
        try:
            found = work()
        except BaseException as why:
            if not future.cancelled():
                future.set_exception(why)
        else:
            if not future.cancelled():
                future.set_result(found)

    threading.Thread(target=run, name="finder", daemon=True).start()
    return future
