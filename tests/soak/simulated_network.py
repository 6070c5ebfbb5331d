"""A network in memory: bytes in order on each connection, late by chance, and cut in the middle of anything.

What it can do to a connection: delay each write, deliver it in pieces, stop taking bytes for a while, cut after any
byte, with both ends told or (as when a cable is pulled) neither. Connections overtake one another freely.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.soak.simulated_time import MACHINE, Loop, Machine

HIGH, LOW = 64 * 1024, 16 * 1024  # asyncio's own marks for a write buffer
SOCKET = 32 * 1024  # bytes that are on their way before a writer is said to wait

Accept = Callable[[], tuple[Machine, asyncio.Protocol] | None]


class Weather:
    """How bad the network is. All chances are of each write or each connection; times in seconds."""

    def __init__(self) -> None:
        self.latency = (0.0002, 0.005)
        self.lag = 0.02  # the chance that a write is late by up to a second
        self.stall = 0.002  # that the connection takes nothing for up to 20 s
        self.pieces = 0.1  # that a write arrives in two pieces
        self.cut = 0.25  # of a new connection: that it is cut after some number of bytes
        self.cut_after = 30_000  # at most
        self.silent = 0.2  # of a cut: that nobody is told

    def calm(self) -> None:
        """From now on nothing but latency happens."""
        self.lag = self.stall = self.cut = self.silent = self.pieces = 0.0


class Network:
    """`accept` gives the machine that listens and a protocol for one more connection; None when nobody listens."""

    def __init__(self, loop: Loop, chance: random.Random, accept: Accept) -> None:
        self.loop = loop
        self.chance = chance
        self.weather = Weather()
        self.accept = accept
        self.cuts = 0
        self.links: dict[Link, None] = {}
        loop.dial = self._dial

    async def _dial(self, factory: Callable[[], asyncio.BaseProtocol]) -> tuple[Any, Any]:
        caller = MACHINE.get()
        assert caller is not None
        await asyncio.sleep(self.latency())
        answered = self.accept()
        if answered is None:
            raise ConnectionRefusedError(111, "Connection refused")
        listener, server = answered
        client = factory()
        link = Link(self, caller, client, listener, server)
        link.begin()
        return link.ends[0], client

    def latency(self) -> float:
        late = self.chance.uniform(*self.weather.latency)
        return late + self.chance.uniform(0, 1) if self.chance.random() < self.weather.lag else late


class Link:
    """One connection with its two ends; `after` is how many bytes it carries before it is cut."""

    def __init__(
        self, network: Network, caller: Machine, client: Any, listener: Machine, server: asyncio.Protocol
    ) -> None:
        self.network = network
        self.ends = (End(self, caller, client), End(self, listener, server))
        self.ends[0].peer, self.ends[1].peer = self.ends[1], self.ends[0]
        weather, chance = network.weather, network.chance
        self.left = chance.randrange(1, weather.cut_after) if chance.random() < weather.cut else None
        self.over = False
        for end in self.ends:
            end.machine.when_killed.append(end.die)

    def begin(self) -> None:
        self.network.links[self] = None
        calling, answering = self.ends
        calling.protocol.connection_made(calling)  # whoever dials has a connection that is made
        answering.call(answering.protocol.connection_made, answering)

    def carry(self, data: bytes) -> bytes:
        """What of these bytes still gets through."""
        if self.left is None:
            return data
        through, self.left = data[: self.left], max(0, self.left - len(data))
        if self.left == 0:
            self.network.loop.call_soon(self.cut)
        return through

    def cut(self, *, silent: bool | None = None) -> None:
        """Break it: nothing gets through any more. Its ends hear of it soon, or when they ask in vain."""
        if self.over:
            return
        self.over = True
        self.network.cuts += 1
        self.network.links.pop(self, None)
        chance = self.network.chance
        if silent is None:
            silent = chance.random() < self.network.weather.silent
        for end in self.ends:
            # Also a peer that pulls the plug is noticed some day: by then the hub's and the client's pings have been.
            end.lose_in(
                120.0 if silent else self.network.latency(), ConnectionResetError(104, "Connection reset by peer")
            )


class End(asyncio.Transport):
    """One end of a connection: what a protocol writes to."""

    def __init__(self, link: Link, machine: Machine, protocol: Any) -> None:
        super().__init__()
        self.link = link
        self.machine = machine
        self.protocol = protocol
        self.peer: End
        self._high, self._low = HIGH, LOW
        self._waiting = 0  # bytes on their way to the peer, or not taken by it
        self._paused = False
        self._closing = False
        self._lost = False
        self._eof = False
        self._reading = True
        self.coming: deque[bytes | None] = deque()  # on its way to this end; None is the end of it
        self._arrived: deque[bytes | None] = deque()
        self._clear_at = 0.0  # when the last write arrives: the next cannot be sooner

    # What happens to it

    def call(self, what: Callable[..., object], *parts: Any) -> None:
        self.link.network.loop.call_soon(what, *parts, context=self.machine.context)

    def die(self) -> None:
        """Its machine was killed: the system closes what it had open."""
        self._lost = self._closing = True
        if not self.link.over:
            self.link.over = True
            self.link.network.links.pop(self.link, None)
            self.peer.lose_in(self.link.network.latency(), ConnectionResetError(104, "Connection reset by peer"))

    def lose_in(self, seconds: float, why: Exception | None) -> None:
        loop = self.link.network.loop
        loop.call_later(seconds, self._lose, why, context=self.machine.context)

    def _lose(self, why: Exception | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        self.protocol.connection_lost(why)

    # Writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._lost or self._eof or not data or not self.machine.alive:
            return
        network = self.link.network
        self._waiting += len(data)
        if not self.link.over:
            through = self.link.carry(bytes(data))
            weather, chance = network.weather, network.chance
            if chance.random() < weather.stall:
                self._clear_at = max(self._clear_at, network.loop.time()) + chance.uniform(1, 20)
            if len(through) > 1 and chance.random() < weather.pieces:
                at = chance.randrange(1, len(through))
                self._send(through[:at])
                through = through[at:]
            if through:
                self._send(through)
        if self._waiting > self._high + SOCKET and not self._paused:
            self._paused = True
            self.protocol.pause_writing()

    def _send(self, data: bytes | None) -> None:
        loop = self.link.network.loop
        self._clear_at = max(self._clear_at, loop.time() + self.link.network.latency())
        self.peer.coming.append(data)  # timers of one moment ring in any order; bytes keep theirs
        loop.call_at(self._clear_at, self.peer.arrive, context=self.peer.machine.context)

    def _taken(self, count: int) -> None:
        self._waiting -= count
        if self._paused and self._waiting <= self._low + SOCKET and not self._lost:
            self._paused = False
            self.call(self.protocol.resume_writing)

    def write_eof(self) -> None:
        if not self._eof and not self._lost and not self.link.over:
            self._eof = True
            self._send(None)

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self.link.over:
            if not self._waiting or self.peer._lost:
                self.lose_in(0, None)
            return
        self._send(None)
        self._eof = True
        # What was written is sent first, and the other end takes it in before it hears of the end.
        self.link.network.loop.call_at(self._clear_at, self._finish)

    def _finish(self) -> None:
        if not self._lost and (not self._waiting or self.peer._lost):
            self.link.over = True
            self.link.network.links.pop(self.link, None)
            self.lose_in(0, None)
        elif not self._lost and not self.link.over:
            self.link.network.loop.call_later(0.05, self._finish)

    def abort(self) -> None:
        self._closing = True
        self.lose_in(0, None)
        if not self.link.over:
            self.link.over = True
            self.link.network.links.pop(self.link, None)
            self.peer.lose_in(self.link.network.latency(), ConnectionResetError(104, "Connection reset by peer"))

    # Reading

    def arrive(self) -> None:
        """The next bytes are here, or the end is."""
        data = self.coming.popleft()
        if self._lost or not self.machine.alive:
            self.peer._taken(len(data or b""))
            return
        self._arrived.append(data)
        self._read_on()

    def _read_on(self) -> None:
        while self._arrived and self._reading and not self._lost:
            data = self._arrived.popleft()
            if data is None:
                if not self.protocol.eof_received():
                    self.close()
            else:
                self.peer._taken(len(data))
                self.protocol.data_received(data)

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self.call(self._read_on)

    def is_reading(self) -> bool:
        return self._reading

    # What else a transport is asked

    def is_closing(self) -> bool:
        return self._closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return max(0, self._waiting - SOCKET)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        addresses = {"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 4820)}
        return addresses.get(name, default)
