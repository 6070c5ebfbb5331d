"""One client as programs use it (hub.client), in a process of its own that can be stopped and cut off.

    python -m tests.soak.listener URL TOKEN NAME [SECONDS]

SECONDS is its time between two pings, and for the answer to one; without, it is the client's own. Prints one line of
JSON for each thing that happens: a state it is in, a numbered message it has, a gap.
"""

from __future__ import annotations

import asyncio
import json
import sys

from hub import frames
from hub.client import connect
from hub.errors import HubbubError
from hub.lifeline import KEEPALIVE


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


def changed(state: str, why: HubbubError | None) -> None:
    tell(state=state, why=why.code if why else None)


async def listen(url: str, token: str, name: str, seconds: str | None = None) -> None:
    keepalive = KEEPALIVE if seconds is None else (float(seconds), float(seconds))
    async with connect(url, token, name, on_state=changed, keepalive=keepalive) as hub:
        async for event in hub.events():
            if isinstance(event, frames.Message):
                tell(number=int(event.body.split()[0]))
                await hub.read(event.offset)
            elif isinstance(event, frames.Gap):
                tell(gap=[event.from_, event.to])


if __name__ == "__main__":
    asyncio.run(listen(*sys.argv[1:]))
