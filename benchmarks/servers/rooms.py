"""What one says, everybody in the room hears: python-socketio on uvicorn."""

import sys

import socketio
import uvicorn

server = socketio.AsyncServer(async_mode="asgi", transports=["websocket"], http_compression=False)


@server.on("hear")
async def hear(who: str) -> str:
    await server.enter_room(who, "listening")
    return "ok"


@server.on("say")
async def say(who: str, said: str) -> None:
    await server.emit("said", said, room="listening")


uvicorn.run(
    socketio.ASGIApp(server),
    host="127.0.0.1",
    port=int(sys.argv[1]),
    loop="uvloop",
    ws="websockets-sansio",
    ws_per_message_deflate=False,
    log_level="warning",
)
