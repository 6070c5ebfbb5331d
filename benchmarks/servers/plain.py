"""What one says at /say, everybody at /hear hears: Starlette on uvicorn, one `await send_text` a subscriber."""

import sys
from contextlib import suppress

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

listening: dict[WebSocket, None] = {}


async def hear(socket: WebSocket) -> None:
    listening[socket] = None
    await socket.accept()
    with suppress(WebSocketDisconnect):
        await socket.receive_text()
    del listening[socket]


async def say(socket: WebSocket) -> None:
    await socket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            said = await socket.receive_text()
            for each in list(listening):
                await each.send_text(said)


uvicorn.run(
    Starlette(routes=[WebSocketRoute("/hear", hear), WebSocketRoute("/say", say)]),
    host="127.0.0.1",
    port=int(sys.argv[1]),
    loop="uvloop",
    ws="websockets-sansio",
    ws_per_message_deflate=False,
    log_level="warning",
)
