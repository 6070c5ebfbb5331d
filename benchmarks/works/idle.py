"""Many connections that say nothing: what one more of them takes."""

from __future__ import annotations

from benchmarks.figures import Sample
from benchmarks.peers.hubbub import Hubbub
from benchmarks.peers.mosquitto import Mosquitto
from benchmarks.peers.nats import Nats
from benchmarks.peers.redis import Redis
from benchmarks.peers.websockets import NodeWs, Raw, Uvicorn
from benchmarks.server import Running
from benchmarks.work import ServerWork
from hub.bench.process import Failed
from hub.processes import memory

MORE = 2000  # connections in each round: 10,000 after five


class Idle(ServerWork):
    """Each round adds so many, each greeted and hearing a topic; what the system's sockets take is not in it."""

    name = "idle"
    title = f"an idle connection, {MORE:,} more in each round"
    unit = "KiB"
    better = "less"
    servers = (Hubbub, Nats, Redis, Mosquitto, NodeWs, Uvicorn, Raw)

    def round(self, server: Running) -> Sample:
        before = memory(server.pid)
        server.ask("join", subscribers=MORE)
        after = memory(server.pid)
        if before is None or after is None:
            raise Failed("this system does not say how much memory a process has")
        return Sample((after[0] - before[0]) / MORE / 1024, peak_memory=after[1])


WORKS = [Idle()]
