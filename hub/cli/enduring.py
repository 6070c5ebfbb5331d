"""Asking a hub that may go away and come back: across a restart, a new port, a moment without an answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from hub.cli import show
from hub.cli.command import reach_running
from hub.config import Settings
from hub.errors import Unavailable
from hub.request import Requests

Answer = TypeVar("Answer")
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds before each further try; the last one repeats


def enduring(
    settings: Settings, ask: Callable[[Requests], Answer], *, hub: Requests | None = None, until: float | None = None
) -> Answer:
    """What `ask` returns, asked again for as long as the hub is away: until `time.monotonic()` is `until`, or for ever.

    What it asks must be safe to ask twice. `hub` is the one to ask first; later it is looked up anew. Says once on
    standard error that the hub was lost. Raises Unavailable at the limit, and at once whatever else is wrong.
    """
    tries = 0
    while True:
        try:
            return ask(hub or _found(settings))
        except Unavailable as why:
            pause = PAUSES[min(tries, len(PAUSES) - 1)]
            if until is not None and time.monotonic() + pause > until:
                raise
            if tries == 0:
                show.note(f"(lost the hub: {why.message} Trying again.)")
        time.sleep(pause)
        hub = None
        tries += 1


def _found(settings: Settings) -> Requests:
    found = reach_running(settings)
    if found is None:
        raise Unavailable("It does not run.")
    return found
