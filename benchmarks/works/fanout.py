"""One publishes to a topic that many hear."""

from __future__ import annotations

from benchmarks.figures import Sample
from benchmarks.peers.hubbub import Hubbub
from benchmarks.peers.mosquitto import Mosquitto
from benchmarks.peers.nats import JetStream, Nats
from benchmarks.peers.redis import Redis
from benchmarks.peers.websockets import NodeWs, PythonSocketIo, Raw, Uvicorn
from benchmarks.server import Running
from benchmarks.work import ServerWork, sample


class FanOut(ServerWork):
    """Hubbub stores every message, synced to disk, before anybody is sent it; of the others only JetStream stores."""

    unit = "deliveries/s"
    servers = (Hubbub, Nats, JetStream, Redis, Mosquitto, NodeWs, PythonSocketIo, Uvicorn, Raw)

    def __init__(self, name: str, subscribers: int, in_flight: int) -> None:
        self.name = name
        self.title = f"{subscribers:,} subscribers, {in_flight} in flight"
        self.subscribers = subscribers
        self.in_flight = in_flight

    def prepare(self, server: Running) -> None:
        server.ask("join", subscribers=self.subscribers, publishers=1)
        server.ask("run", in_flight=self.in_flight, seconds=0.2)  # warm

    def round(self, server: Running) -> Sample:
        answer = server.ask("run", in_flight=self.in_flight, seconds=self.seconds)
        return sample(answer["deliveries"] / answer["seconds"], answer, answer["deliveries"])


WORKS = [FanOut("fanout-1000", 1000, 32), FanOut("fanout-100", 100, 32), FanOut("single-1000", 1000, 1)]
