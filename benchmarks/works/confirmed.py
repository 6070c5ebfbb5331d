"""One publishes, and is told of each message that it is stored; nobody listens."""

from __future__ import annotations

from benchmarks.figures import Sample
from benchmarks.peers.hubbub import Hubbub
from benchmarks.peers.nats import JetStream, JetStreamAlways
from benchmarks.peers.redis import RedisStreams
from benchmarks.server import Running
from benchmarks.work import ServerWork, sample


class Confirmed(ServerWork):
    """Hubbub, Redis with appendfsync always and JetStream with sync always have it on disk when they say so."""

    unit = "messages/s"
    servers = (Hubbub, RedisStreams, JetStreamAlways, JetStream)

    def __init__(self, name: str, in_flight: int) -> None:
        self.name = name
        self.title = f"confirmed and fsynced, {in_flight} in flight"
        self.in_flight = in_flight

    def prepare(self, server: Running) -> None:
        server.ask("join", publishers=1)
        server.ask("run", to="quiet", in_flight=self.in_flight, seconds=0.2)  # warm

    def round(self, server: Running) -> Sample:
        answer = server.ask("run", to="quiet", in_flight=self.in_flight, seconds=self.seconds)
        return sample(answer["messages"] / answer["seconds"], answer, answer["messages"])


WORKS = [Confirmed("confirmed-100", 100), Confirmed("confirmed-10", 10)]
