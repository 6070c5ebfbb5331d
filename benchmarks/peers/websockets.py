"""What one would write oneself: servers that send to everybody what one says, each in a few lines (see ../servers)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.server import HOST, Server
from hub.bench import websocket
from hub.bench.dialect import BLANK, Dialect
from hub.bench.wire import Wire

SERVERS = Path(__file__).parents[1] / "servers"
NODE = Path(__file__).parents[2] / ".cache" / "peers"  # where npm puts `ws`


class Plain(Dialect):
    """Whoever connects to /hear hears what is said at /say."""

    confirms = False

    async def subscriber(self, wire: Wire, number: int, topic: str) -> None:
        await websocket.upgrade(wire, "/hear", HOST)

    async def publisher(self, wire: Wire, number: int) -> None:
        await websocket.upgrade(wire, "/say", HOST)

    def message(self, topic: str, body: bytes) -> bytes:
        return websocket.frame(websocket.TEXT, BLANK + body)

    def end(self, data: bytes, start: int) -> int:
        return websocket.end(data, start)

    def reply(self, unit: bytes) -> bytes | None:
        return websocket.pong(unit)


class SocketIo(Plain):
    """Socket.IO 5 on Engine.IO 4, by WebSocket from the start."""

    async def subscriber(self, wire: Wire, number: int, topic: str) -> None:
        await self.publisher(wire, number)
        wire.send(_said('420["hear"]'))
        await wire.unit(websocket.end)  # its acknowledgement

    async def publisher(self, wire: Wire, number: int) -> None:
        await websocket.upgrade(wire, "/socket.io/?EIO=4&transport=websocket", HOST)
        await wire.unit(websocket.end)  # open
        wire.send(_said("40"))
        await wire.unit(websocket.end)  # connected

    def message(self, topic: str, body: bytes) -> bytes:
        return _said(f'42["say","{(BLANK + body).decode()}"]')

    def reply(self, unit: bytes) -> bytes | None:
        return _said("3") if websocket.payload(unit) == b"2" else websocket.pong(unit)


def _said(text: str) -> bytes:
    return websocket.frame(websocket.TEXT, text.encode())


class _Python(Server):
    dialect = "benchmarks.peers.websockets:Plain"
    module: str
    packages: tuple[str, ...]

    def missing(self) -> bool:
        try:
            return not self.version()
        except PackageNotFoundError:
            return True

    def version(self) -> str:
        return ", ".join(f"{each} {version(each)}" for each in self.packages)

    def command(self, folder: Path, port: int) -> Sequence[str]:
        return [sys.executable, str(SERVERS / f"{self.module}.py"), str(port)]


class Raw(_Python):
    name = "raw uvloop"
    settings = (
        "the ceiling: frames as long as Hubbub's, those of a tick joined, one write a subscriber; nothing is stored"
    )
    module = "raw"
    packages = ("uvloop",)


class Uvicorn(_Python):
    name = "await send_text"
    settings = "the same uvicorn and Starlette, a loop over all subscribers; nothing is stored"
    module = "plain"
    packages = ("uvicorn", "starlette")


class PythonSocketIo(_Python):
    name = "python-socketio"
    settings = "AsyncServer as ASGI on uvicorn, emit to a room; nothing is stored"
    dialect = "benchmarks.peers.websockets:SocketIo"
    module = "rooms"
    packages = ("python-socketio", "uvicorn")


class NodeWs(Server):
    name = "node ws"
    settings = "a loop over all clients; no compression; nothing is stored"
    dialect = "benchmarks.peers.websockets:Plain"
    get = "npm install --prefix .cache/peers ws@8"

    def missing(self) -> bool:
        return shutil.which("node") is None or not (NODE / "node_modules" / "ws").exists()

    def version(self) -> str:
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        package = (NODE / "node_modules" / "ws" / "package.json").read_text()
        return f"{package.partition(chr(34) + 'version' + chr(34) + ': ' + chr(34))[2].split(chr(34))[0]}, node {node}"

    def command(self, folder: Path, port: int) -> Sequence[str]:
        return ["node", str(SERVERS / "broadcast.js"), str(port), str(NODE / "node_modules" / "ws")]
