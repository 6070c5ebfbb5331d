"""An observer that takes from a hub what an open overview takes, at the same pace, and draws nothing.

    python -m benchmarks.observer HOST PORT    (the token comes as a line on its standard input)

A process of its own, so that it costs those who measure nothing. It ends when its standard input does. What it asks
for is what static/live.js, refresh.js and charts.js ask for while messages come without a pause.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import time

from websockets.asyncio.client import ClientConnection, connect

CREDIT = 256
ACKNOWLEDGE = 64  # messages
TABLES = 1.0  # seconds between two snapshots
CHARTS = 5.0  # seconds between two questions for the last beats of the pulse


async def observe(host: str, port: int, token: str) -> None:
    """Until it is cancelled. Raises OSError and what websockets raises if the hub goes."""
    url = f"ws://{host}:{port}/ws"
    async with connect(url, subprotocols=["hubbub.v1"], compression=None, ping_interval=None) as line:  # type: ignore[list-item]
        hello = {"type": "hello", "observe": True, "credit": CREDIT, "client": "dashboard", "token": token}
        await line.send(json.dumps(hello))
        await line.recv()
        print("observes", flush=True)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_take(line))
            tasks.create_task(_ask(host, port, token, TABLES, "/api/v1/snapshot?recent=0"))
            tasks.create_task(_ask(host, port, token, CHARTS, "/api/v1/pulse"))


async def _take(line: ClientConnection) -> None:
    taken = 0
    async for text in line:
        taken += 1
        if taken % ACKNOWLEDGE == 0 and "offset" in (frame := json.loads(text)):
            await line.send(json.dumps({"type": "received", "offset": frame["offset"]}))


async def _ask(host: str, port: int, token: str, pause: float, path: str) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=30)

    def ask() -> None:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise OSError(f"{path} answered {answer.status}")

    try:
        while True:
            began = time.monotonic()
            await asyncio.to_thread(ask)
            await asyncio.sleep(pause - min(pause, time.monotonic() - began))
    finally:
        connection.close()


async def main() -> None:
    host, port = sys.argv[1:]
    token = sys.stdin.readline().strip()
    watching = asyncio.create_task(observe(host, int(port), token))
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait({watching, ended}, return_when=asyncio.FIRST_COMPLETED)
    if watching.done():
        watching.result()  # what went wrong
    watching.cancel()


if __name__ == "__main__":
    asyncio.run(main())
