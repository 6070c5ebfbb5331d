"""The least that can stand between two agents: a WebSocket server that sends on what one says to the other."""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, serve

there: set[ServerConnection] = set()


async def handle(connection: ServerConnection) -> None:
    there.add(connection)
    async for message in connection:
        for each in there - {connection}:
            await each.send(message)
    there.discard(connection)


async def main() -> None:
    async with serve(handle, "127.0.0.1", int(sys.argv[1]), compression=None):
        await asyncio.Event().wait()


uvloop.run(main())
