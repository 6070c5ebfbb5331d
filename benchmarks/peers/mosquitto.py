"""Mosquitto, MQTT 3.1.1 over WebSocket, quality of service 0. The protocol: OASIS MQTT Version 3.1.1."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from getpass import getuser
from pathlib import Path

from benchmarks.server import HOST, Server
from hub.bench import websocket
from hub.bench.dialect import BLANK, Dialect
from hub.bench.wire import Wire

CONNECT, PUBLISH, SUBSCRIBE = 0x10, 0x30, 0x82


class Mqtt(Dialect):
    confirms = False

    async def subscriber(self, wire: Wire, number: int, topic: str) -> None:
        await self._connect(wire, f"s{number}")
        wire.send(_packet(SUBSCRIBE, b"\0\1" + _text(topic.replace(".", "/")) + b"\0"))
        await wire.unit(websocket.end)

    async def publisher(self, wire: Wire, number: int) -> None:
        await self._connect(wire, f"p{number}")

    async def _connect(self, wire: Wire, name: str) -> None:
        await websocket.upgrade(wire, "/mqtt", HOST, "mqtt")
        wire.send(_packet(CONNECT, _text("MQTT") + b"\4\2\0\0" + _text(name)))  # level 4, clean session, no keepalive
        await wire.unit(websocket.end)

    def message(self, topic: str, body: bytes) -> bytes:
        return _packet(PUBLISH, _text(topic.replace(".", "/")) + BLANK + body)

    def end(self, data: bytes, start: int) -> int:
        return websocket.end(data, start)

    def reply(self, unit: bytes) -> bytes | None:
        return websocket.pong(unit)


def _packet(kind: int, rest: bytes) -> bytes:
    size, left = b"", len(rest)
    while True:
        left, digit = divmod(left, 128)
        size += bytes([digit | (0x80 if left else 0)])
        if not left:
            return websocket.frame(websocket.BINARY, bytes([kind]) + size + rest)


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()


class Mosquitto(Server):
    name = "mosquitto"
    settings = "MQTT over WebSocket, QoS 0, set_tcp_nodelay true, no persistence: nothing is stored"
    dialect = "benchmarks.peers.mosquitto:Mqtt"
    get = "apt-get install mosquitto"

    def missing(self) -> bool:
        return _binary() is None

    def version(self) -> str:
        said = subprocess.run([str(_binary()), "-h"], capture_output=True, text=True, check=False).stdout
        return said.splitlines()[0].split()[-1]

    def command(self, folder: Path, port: int) -> Sequence[str]:
        file = folder / "mosquitto.conf"
        file.write_text(
            f"listener {port} {HOST}\nprotocol websockets\nallow_anonymous true\npersistence false\n"
            "set_tcp_nodelay true\nmax_queued_messages 0\n"
            f"user {getuser()}\nlistener 0 {folder}/socket\n"  # 2.0.11 does not start with WebSocket alone
        )
        return [str(_binary()), "-c", str(file)]


def _binary() -> str | None:
    return shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin") or shutil.which("mosquitto")
