"""The hub's machine in a simulated world: the real core, node, journal, connections and uvicorn's protocols on it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.server import ServerState

from hub.bounds import Limits
from hub.connection import Connections, Terms
from hub.errors import HubbubError
from hub.log import Retention
from hub.node import Node
from hub.protocol import HttpProtocol, ServerConfig
from hub.tokens import OWNER, SCOPES, Grant, Identity
from tests.soak.simulated_disk import Mounted
from tests.soak.simulated_time import Machine

if TYPE_CHECKING:
    from tests.soak.simulation import World

DAY = 86_400.0
# What waits for a name that nobody has yet outlives a leap of the clock: what may expire, its writer says.
LIMITS = Limits(window_messages=40, window_bytes=60_000, inbox_messages=10, unknown_ttl=10 * DAY)
RETENTION = Retention(age=7 * DAY, size=50_000, facts_age=20.0)
TERMS = Terms(hello_timeout=10.0, slow_reader_timeout=10.0, publish_rate=0, max_unwelcomed=64)
OWNER_ITSELF = Identity(grant=Grant(id=OWNER, scopes=SCOPES))


class Hub:
    """It starts, it is stopped or killed, it starts again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.machine: Machine | None = None
        self.node: Node | None = None
        self._config: ServerConfig | None = None
        self._connections: Connections
        self._state: ServerState
        self.starts = 0
        self.kills = 0

    async def start(self) -> None:
        self.starts += 1
        machine = self.machine = Machine(f"hub/{self.starts}")
        starting = machine.run(self._start(machine))
        await asyncio.wait([starting])
        if not starting.result():  # the disk did not take its first word: as a real one, it ends, and is started again
            await self.kill()

    async def _start(self, machine: Machine) -> bool:
        log = Mounted(self._world.disk, machine)
        tail = await log.tail(LIMITS.window_messages, LIMITS.window_bytes)
        node = Node(
            log,
            await log.load(),
            tail,
            limits=LIMITS,
            retention=RETENTION,
            version="0",
            clock=self._world.clock,
            monotonic=self._world.loop.time,
        )
        try:
            await node.start(lambda: self._broke(machine, node))
        except HubbubError:
            return False
        connections = Connections(node, TERMS, lambda token, scope: OWNER_ITSELF)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await connections(scope, receive, send)

        config = ServerConfig(app, lifespan="off", log_config=None, access_log=False, interface="asgi3")
        config.load()
        self._state, self._connections, self.node = ServerState(), connections, node
        self._config = config
        return True

    def _broke(self, machine: Machine, node: Node) -> None:
        if machine.alive:
            self._world.trouble(f"the hub broke: {node.broken}")

    @property
    def listening(self) -> bool:
        return self.machine is not None and self._config is not None

    def accept(self) -> tuple[Machine, asyncio.Protocol] | None:
        if self.machine is None or not self.machine.alive or self._config is None:
            return None
        return self.machine, HttpProtocol(self._config, self._state, {}, self._world.loop)

    async def kill(self) -> None:
        machine, self.machine, self._config = self.machine, None, None
        if machine is not None:
            self.kills += 1
            await machine.kill()

    async def stop(self) -> None:
        """As SIGTERM does: say goodbye, close what is open, end."""
        machine, node = self.machine, self.node
        self._config = None
        if machine is None or node is None:
            return
        await asyncio.wait([machine.run(node.stop())], timeout=30)
        for connection in list(self._state.connections):
            machine.context.run(connection.shutdown)
        await asyncio.sleep(1)
        self.machine = None
        await machine.kill()
