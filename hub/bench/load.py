"""The load generator: a process that is told what to do by lines of JSON, and answers each with one.

    python -m hub.bench.load '{"dialect": "hub.bench.speech:Hubbub", "options": {…}, "host": "127.0.0.1", "port": 4820}'

It runs on a core of its own where the system lets one choose, and reports its share of that core's time: well under
1.0 says that what was measured is the server. It exits when its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from hub.bench.crowd import Group, Subscriber, Wrong
from hub.bench.dialect import BLANK, Dialect
from hub.bench.wire import Wire

AT_ONCE = 100  # connections that are opened together: fewer than a hub takes without a hello
PATIENCE = 30.0  # seconds without any progress, after which a run has failed


class Publisher:
    """One connection that publishes."""

    def __init__(self, wire: Wire, dialect: Dialect, confirmed: Callable[[int], None]) -> None:
        self.wire = wire
        self._dialect = dialect
        self._confirmed = confirmed
        self._rest = b""

    def take(self, data: bytes) -> None:
        """What the server answers."""
        dialect, data, start, count = self._dialect, self._rest + data, 0, 0
        while end := dialect.end(data, start):
            unit = data[start:end]
            start = end
            if dialect.confirmed(unit):
                count += 1
            elif answer := dialect.reply(unit):
                self.wire.send(answer)
        self._rest = data[start:]
        if count:
            self._confirmed(count)


class Load:
    """All connections to one server."""

    def __init__(self, host: str, port: int, dialect: Dialect) -> None:
        self._at = host, port
        self._dialect = dialect
        self._groups: dict[str, Group] = {}
        self._publishers: list[Publisher] = []
        self._wires: list[Wire] = []
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._progress = asyncio.Event()
        self._messages: list[bytes] = []
        self._published = self._delivered = self._confirmed = 0
        self._in_flight, self._until = 0, 0.0
        self._came: list[float] = []  # when each message was done
        self._waits_for_delivery = False

    # Connections

    async def join(self, subscribers: int = 0, publishers: int = 0, hears: str = "bench") -> dict[str, Any]:
        """Connect; `hears` is a topic, with {i} in it for the subscriber's number."""
        first = sum(len(group.members) for group in self._groups.values())
        for base in range(first, first + subscribers, AT_ONCE):
            numbers = range(base, min(base + AT_ONCE, first + subscribers))
            await self._all(*(self._subscribe(number, hears.format(i=number)) for number in numbers))
        first = len(self._publishers)
        await self._all(*(self._publish(number) for number in range(first, first + publishers)))
        return {"subscribers": subscribers, "publishers": publishers}

    async def _all(self, *work: Any) -> None:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)

    async def _subscribe(self, number: int, topic: str) -> None:
        wire = await self._connect()
        await self._dialect.subscriber(wire, number, topic)
        group = self._groups.setdefault(topic, Group(self._dialect, self._reached))
        subscriber = Subscriber(wire, group)
        wire.hand_to(self._guarded(subscriber.take))

    async def _publish(self, number: int) -> None:
        wire = await self._connect()
        await self._dialect.publisher(wire, number)
        publisher = Publisher(wire, self._dialect, self._answered)
        self._publishers.append(publisher)
        wire.hand_to(self._guarded(publisher.take))

    async def _connect(self) -> Wire:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(lambda: Wire(self._fail), *self._at)
        self._wires.append(wire)
        return wire

    def _guarded(self, take: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def guarded(data: bytes) -> None:
            try:
                take(data)
            except Exception as why:
                self._fail(why)

        return guarded

    def _fail(self, why: Exception) -> None:
        if not self._failed.done():
            self._failed.set_exception(why)
        self._progress.set()

    # A run

    @property
    def _done(self) -> int:
        """How many messages were delivered to all who hear them, and confirmed where the server does that."""
        done = self._published
        if self._waits_for_delivery:
            done = min(done, self._delivered)
        if self._dialect.confirms:
            done = min(done, self._confirmed)
        return done

    async def run(
        self,
        *,
        to: str = "bench",
        hears: str | None = None,
        topics: int = 1,
        in_flight: int = 32,
        seconds: float = 2.0,
        body: int = 200,
    ) -> dict[str, Any]:
        """Publish for so long with so many messages in flight, and until the last has come.

        `to` is a topic, with {i} in it for the number of the message modulo `topics`; `hears` is what those hear who
        are sent it, where that is a pattern.
        """
        groups = self._prepare(to, hears or to, topics, body)
        self._in_flight = in_flight
        begin, cpu = time.perf_counter(), time.process_time()
        self._until = begin + seconds
        self._fill()
        await self._finish()
        elapsed, cpu = time.perf_counter() - begin, time.process_time() - cpu
        return {
            "messages": self._published,
            "deliveries": sum(len(group.members) * len(group.ends) for group in groups),
            "seconds": elapsed,
            "load_share": cpu / elapsed,
        }

    async def pace(
        self, *, to: str = "bench", rate: int = 1000, seconds: float = 2.0, body: int = 200
    ) -> dict[str, Any]:
        """Publish so many a second, evenly, and time each message's way: to its subscriber, or to its confirmation.

        Between messages the process sleeps. One that looked at its sockets without end would save its own waking, but
        take the core from the system's own work for the disk, and make every fsync look several times as long.
        """
        self._prepare(to, to, 1, body)
        loop, clock = asyncio.get_running_loop(), time.perf_counter
        count = int(rate * seconds)
        sent: list[float] = []
        sent_all = asyncio.Event()
        publisher, message = self._publishers[0], self._messages[0]
        begin = clock()

        def turn() -> None:
            while len(sent) < count and clock() >= begin + len(sent) / rate:
                self._published += 1
                sent.append(clock())
                publisher.wire.send(_numbered(message, len(sent) - 1))
            if len(sent) < count:
                loop.call_later(max(0.0, begin + len(sent) / rate - clock()), turn)
            else:
                sent_all.set()

        turn()
        await sent_all.wait()
        await self._finish()
        came = self._came[:count]
        took = sorted((there - here) * 1e6 for here, there in zip(sent, came, strict=True))
        return {
            "messages": count,
            "seconds": clock() - begin,
            "late": sum(here - (begin + number / rate) > 0.002 for number, here in enumerate(sent)),
            **{name: took[min(count - 1, int(count * share))] for name, share in SHARES.items()},
        }

    def _prepare(self, to: str, hears: str, topics: int, body: int) -> list[Group]:
        filler = b"x" * max(0, body - len(BLANK))
        self._messages = [self._dialect.message(to.format(i=number), filler) for number in range(topics)]
        named = ((number, self._groups.get(hears.format(i=number))) for number in range(topics))
        heard = {number: group for number, group in named if group is not None}
        self._published = self._delivered = self._confirmed = 0
        self._in_flight, self._until = 0, 0.0
        self._came = []
        self._waits_for_delivery = bool(heard)
        for number, group in heard.items():
            group.begin(number, topics)
        return list(heard.values())

    def _reached(self, count: int) -> None:
        self._delivered += count
        self._came += [time.perf_counter()] * count
        self._fill()

    def _answered(self, count: int) -> None:
        self._confirmed += count
        if not self._waits_for_delivery:
            self._came += [time.perf_counter()] * count
        self._fill()

    def _fill(self) -> None:
        """Publish as many as may be in flight; each publisher its share."""
        room = self._in_flight - (self._published - self._done)
        if room > 0 and time.perf_counter() < self._until:
            messages, first = self._messages, self._published
            self._published += room
            each = [_numbered(messages[number % len(messages)], number) for number in range(first, first + room)]
            publishers = self._publishers
            if len(publishers) == 1:
                publishers[0].wire.send(b"".join(each))
            else:
                for number, message in enumerate(each, first):
                    publishers[number % len(publishers)].wire.send(message)
        elif self._done == self._published:
            self._progress.set()

    async def _finish(self) -> None:
        """Until everything that was published is done. Raises what went wrong."""
        before = -1
        while (done := self._done) < self._published or time.perf_counter() < self._until:
            if self._failed.done():
                break
            self._progress.clear()
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._progress.wait()
            except TimeoutError:
                if self._done == before:
                    raise Wrong(f"{self._published - done} of {self._published} messages never came") from None
            before = done
        if self._failed.done():
            self._failed.result()
        for group in self._groups.values():
            for member in group.members:
                member.settle()


SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


def _numbered(message: bytes, number: int) -> bytes:
    return message.replace(BLANK[1:-1], b"%010d" % number)


async def _serve(told: dict[str, Any]) -> None:
    module, name = told["dialect"].split(":")
    dialect: Dialect = getattr(import_module(module), name)(**told.get("options", {}))
    load = Load(told["host"], told["port"], dialect)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        works: dict[str, Callable[..., Awaitable[dict[str, Any]]]]
        works = {"join": load.join, "run": load.run, "pace": load.pace}
        try:
            answer = await works[asked.pop("do")](**asked)
        except Exception as why:
            answer = {"failed": _said(why)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _said(why: BaseException) -> str:
    while isinstance(why, BaseExceptionGroup):
        why = why.exceptions[0]
    return f"{type(why).__name__}: {why}"


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever gives the work; they close our input
    told = json.loads(sys.argv[1])
    if sys.platform == "win32":
        asyncio.run(_serve(told))
        return
    import resource

    import uvloop

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(told))


if __name__ == "__main__":
    main()
