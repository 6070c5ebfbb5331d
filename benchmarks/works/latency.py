"""One publishes a thousand messages a second to one subscriber: how long each is on its way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.figures import Sample
from benchmarks.peers.hubbub import Hubbub, Unsynced
from benchmarks.peers.nats import Nats
from benchmarks.peers.redis import RedisStreams
from benchmarks.peers.websockets import NodeWs
from benchmarks.server import Running, Server
from benchmarks.work import ServerWork, sample

RATE = 1000


class Latency(ServerWork):
    unit = "µs p50"
    better = "less"

    def __init__(self, name: str, title: str, servers: Sequence[Callable[[], Server]]) -> None:
        self.name = name
        self.title = f"one publisher, one subscriber, {RATE:,}/s, {title}"
        self.servers = servers

    def prepare(self, server: Running) -> None:
        server.ask("join", subscribers=1, publishers=1)
        server.ask("pace", rate=RATE, seconds=0.2)  # warm

    def round(self, server: Running) -> Sample:
        answer = server.ask("pace", rate=RATE, seconds=self.seconds)
        found = sample(answer["p50"], answer, 0, **{key: answer[key] for key in ("p90", "p99", "max")})
        found.per_cpu_second = None  # at a steady pace that says nothing
        return found


WORKS = [
    Latency("latency-synced", "fsynced before it is sent", (Hubbub, RedisStreams)),
    Latency("latency-unsynced", "without fsync", (Unsynced, NodeWs, Nats)),
]
