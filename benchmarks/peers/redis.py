"""Redis: pub/sub, which stores nothing, and Streams in an append-only file that is synced before each answer.

The protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.server import HOST, Server
from hub.bench.dialect import BLANK, Dialect, Refused
from hub.bench.wire import Wire

ID = re.compile(rb"\$\d+\r\n(\d+-\d+)\r\n")


class PubSub(Dialect):
    async def subscriber(self, wire: Wire, number: int, topic: str) -> None:
        wire.send(_command("SUBSCRIBE", topic))
        await wire.unit(self.end)

    async def publisher(self, wire: Wire, number: int) -> None:
        wire.send(_command("PING"))
        await wire.unit(self.end)

    def message(self, topic: str, body: bytes) -> bytes:
        return _command("PUBLISH", topic, BLANK + body)

    def end(self, data: bytes, start: int) -> int:
        line = data.find(b"\r\n", start)
        if line < 0:
            return 0
        kind, end = data[start : start + 1], line + 2
        if kind == b"$":
            size = int(data[start + 1 : line])
            end += size + 2 if size >= 0 else 0
            return end if end <= len(data) else 0
        for _ in range(int(data[start + 1 : line]) if kind == b"*" else 0):
            if not (end := self.end(data, end)):
                return 0
        return end

    def confirmed(self, unit: bytes) -> bool:
        if unit.startswith(b"-"):
            raise Refused(unit.decode())
        return True


class Streams(PubSub):
    """A subscriber asks with XREAD for what comes after the last it had, again after each answer."""

    received_every = 1

    async def subscriber(self, wire: Wire, number: int, topic: str) -> None:
        self._topic = topic
        wire.send(self._read(b"$"))

    def message(self, topic: str, body: bytes) -> bytes:
        return _command("XADD", topic, "*", "m", BLANK + body)

    def received(self, unit: bytes) -> bytes:
        return self._read(ID.findall(unit)[-1])

    def _read(self, after: bytes) -> bytes:
        return _command("XREAD", "BLOCK", "0", "STREAMS", self._topic, after)


def _command(*words: str | bytes) -> bytes:
    raw = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in raw)


class Redis(Server):
    name = "Redis pub/sub"
    settings = "no snapshots, no append-only file: nothing is stored"
    dialect = "benchmarks.peers.redis:PubSub"
    get = "apt-get install redis-server"
    stored: tuple[str, ...] = ("--appendonly", "no")

    def missing(self) -> bool:
        return shutil.which("redis-server") is None

    def version(self) -> str:
        said = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
        return said.partition("v=")[2].split()[0]

    def command(self, folder: Path, port: int) -> Sequence[str]:
        return [
            *("redis-server", "--bind", HOST, "--port", str(port), "--dir", str(folder)),
            *("--save", "", "--maxclients", "15000", *self.stored),
        ]


class RedisStreams(Redis):
    name = "Redis Streams, always"
    settings = "appendonly yes, appendfsync always"
    dialect = "benchmarks.peers.redis:Streams"
    stored = ("--appendonly", "yes", "--appendfsync", "always")
