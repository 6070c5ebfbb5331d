"""One that does not read, among many that do: they are served as ever, and it is closed with its code and is gone.

What is checked of it is all that can be seen from outside: that the others get everything, what the hub's memory and
its own counts do, when the session is over, which code the stuck client finds once it reads again, and that neither the
hub nor the system under it keeps anything of the connection.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests.journeys.processes import BOUND, HUBBUB, HubProcess
from tests.soak.crowd import CLOSE, TEXT, UPGRADE, frame, frames_in
from tests.soak.crowds import Talker, crowd, resident

LARGE = "x" * 500_000
FILL = 30  # of these are more than the system's own buffers hold
STUCK = "stuck"
OVER = ("05", "06")  # FIN_WAIT2 and TIME_WAIT: everything was taken, and the peer said so


@dataclass
class Outcome:
    """Times are seconds, sizes MiB."""

    readers: int
    broadcasts: int = 0
    closed_after: float = 0.0  # from the moment that nothing more was taken
    gone_after: float = 0.0  # until no socket was left
    reason: str = ""
    code: int | None = None
    memory: dict[str, float] = field(default_factory=dict)
    window: float = 0.0
    heard: dict[str, Any] = field(default_factory=dict)
    left_open: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"one of {self.readers + 1} readers takes nothing: closed after {self.closed_after:.1f} s ({self.code}, "
            f"{self.reason!r}), its socket gone after {self.gone_after:.1f} s; the others heard {self.broadcasts} "
            f"broadcasts, {self.heard['lost']} lost, {self.heard['doubled']} doubled; "
            f"the window had {self.window:.0f} MiB; hub "
            + ", ".join(f"{each:.0f} MiB {what}" for what, each in self.memory.items())
        )


class StuckClient:
    """A socket that says hello, and then takes what its small buffer takes."""

    def __init__(self, hub: HubProcess, name: str = STUCK) -> None:
        address = urlsplit(hub.url)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(BOUND)
        self._socket.connect((address.hostname, address.port))
        self.port = self._socket.getsockname()[1]
        self._buffer = bytearray()
        self._socket.sendall(UPGRADE.format(host=address.netloc).encode())
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self._socket.recv(4096)
        del self._buffer[: self._buffer.index(b"\r\n\r\n") + 4]
        hello = {"type": "hello", "name": name, "token": hub.token, "credit": 65_536}
        self._socket.sendall(frame(TEXT, json.dumps(hello).encode()))
        while not (found := frames_in(self._buffer)):
            self._buffer += self._socket.recv(4096)
        assert json.loads(found[0][1])["type"] == "welcome"

    def read_on(self) -> int | None:
        """Take all that is there; the code of the close frame, None if none came."""
        code = None
        try:
            while data := self._socket.recv(65536):
                self._buffer += data
                for opcode, payload in frames_in(self._buffer):
                    if opcode == CLOSE:
                        code = struct.unpack("!H", payload[:2])[0]
                        self._socket.sendall(frame(CLOSE, payload[:2]))
        except OSError:
            return code
        return code

    def close(self) -> None:
        self._socket.close()


def sockets(hub_port: int, port: int) -> list[str]:
    """The system's lines about the hub's end of a connection (proc(5), /proc/net/tcp), but for one that is over."""
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        near, far, state = line.split()[1:4]
        if near.endswith(f":{hub_port:04X}") and far.endswith(f":{port:04X}") and state not in OVER:
            found.append(line)
    return found


async def left(hub: HubProcess, name: str) -> str | None:
    """What the hub has told of the end of this one's newest session; None while it is online."""
    headers = {"Authorization": f"Bearer {hub.token}"}
    async with httpx2.AsyncClient(
        base_url=hub.http, headers=headers, timeout=BOUND, trust_env=False, verify=False
    ) as client:
        rows = (await client.get("/api/v1/instances")).json()["instances"]
        if any(row["name"] == name and row["online"] for row in rows):
            return None
        facts = (await client.get("/api/v1/messages", params={"topic": "$session.left", "limit": 50})).json()[
            "messages"
        ]
        return next((str(each["data"]["reason"]) for each in reversed(facts) if each["data"]["name"] == name), None)


async def metric(hub: HubProcess, name: str) -> float:
    headers = {"Authorization": f"Bearer {hub.token}"}
    async with httpx2.AsyncClient(
        base_url=hub.http, headers=headers, timeout=BOUND, trust_env=False, verify=False
    ) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name + " "))


async def stuck_among(
    home: Path,
    readers: int,
    *,
    reads_again: bool,
    seconds: float,
    patience: float = BOUND,
    command: Sequence[str] = HUBBUB,
) -> Outcome:
    """`seconds` is the hub's slow_reader_timeout. With `reads_again` the stuck one does, once its session is over.

    Raises TimeoutError if it is not over `patience` seconds after that.
    """
    outcome = Outcome(readers)
    talker = Talker()
    hub = HubProcess(home, command, HUBBUB_SLOW_READER_TIMEOUT=f"{seconds}s")
    try:
        async with AsyncExitStack() as stack:
            people = await stack.enter_async_context(crowd(home, readers, hub.token))
            await people.ask("join", hub.url)
            await talker.connect(hub)
            stack.push_async_callback(talker.close)
            stuck = stack.enter_context(closing(await asyncio.to_thread(StuckClient, hub)))
            outcome.memory["before"] = resident(hub)
            begin = time.monotonic()
            for _ in range(FILL):
                await talker.publish({"to": STUCK, "body": LARGE})
                await talker.say()
            async with asyncio.timeout(seconds + patience):
                while (reason := await left(hub, STUCK)) is None:
                    await talker.say()
            outcome.closed_after, outcome.reason = time.monotonic() - begin, reason
            if reads_again:
                outcome.code = await asyncio.to_thread(stuck.read_on)
            port = urlsplit(hub.url).port or 0
            async with asyncio.timeout(BOUND):
                while outcome_left := sockets(port, stuck.port):
                    await asyncio.sleep(0.05)
            outcome.gone_after = time.monotonic() - begin
            outcome.left_open = outcome_left
            if not reads_again:
                outcome.code = await asyncio.to_thread(stuck.read_on)
            await people.ask("heard", talker.said)
            outcome.memory["after"] = resident(hub)
            outcome.window = await metric(hub, "hubbub_window_bytes") / 2**20
            outcome.heard = await people.ask("report")
            outcome.broadcasts = talker.said
    finally:
        if hub.process.poll() is None:
            hub.kill()
    return outcome
