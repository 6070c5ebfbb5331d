"""Thousands of clients in one process, as cheap as they can be: each counts what it is sent, and comes back when told.

    python -m tests.soak.crowd COUNT TOKEN [--prefix agent] [--credit 256]

It is told on standard input what to do, one command a line, and answers each with one line of JSON:
`join URL` (all connect at once; those who are refused with a code that says so try again, as hub.client does),
`break` (every connection is reset), `heard N` (wait until each has heard broadcast N), `report`.

A broadcast's body begins with its number, from 1 on, one more each time. A client that resumes is to hear each once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import struct
import sys
import time
from collections import Counter
from urllib.parse import urlsplit

from hub.errors import may_reconnect
from hub.reconnect import Backoff

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
CONFIRM_EVERY = 32
UPGRADE = (
    "GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(opcode: int, payload: bytes) -> bytes:
    """A frame as a client sends it: masked, by zeros, which leave it as it is (RFC 6455, 5.3)."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    return head + bytes(4) + payload


def frames_in(buffer: bytearray) -> list[tuple[int, bytes]]:
    """Take every whole frame off the beginning of what a server has sent."""
    found = []
    at = 0
    while len(buffer) - at >= 2:
        size, head = buffer[at + 1] & 0x7F, 2
        if size == 126:
            head = 4
        elif size == 127:
            head = 10
        if len(buffer) - at < head:
            break
        if head > 2:
            size = int.from_bytes(buffer[at + 2 : at + head], "big")
        if len(buffer) - at < head + size:
            break
        found.append((buffer[at] & 0x0F, bytes(buffer[at + head : at + head + size])))
        at += head + size
    del buffer[:at]
    return found


class Member(asyncio.Protocol):
    """One client."""

    def __init__(self, crowd: Crowd, name: str) -> None:
        self.crowd = crowd
        self.name = name
        self.wanted = 1  # the broadcast that comes next
        self.lost = self.doubled = self.gaps = 0
        self.latency: list[float] = []  # seconds, where a broadcast says when it was sent
        self.welcomed = False
        self._offset: int | None = None
        self._epoch: str | None = None
        self._secret: str | None = None
        self._backoff = Backoff(random.random)
        self._unconfirmed = 0
        self._buffer = bytearray()
        self._upgraded = False
        self.transport: asyncio.Transport | None = None

    async def join(self) -> None:
        """Connect, and connect again until welcomed."""
        self._backoff.reset()
        address = urlsplit(self.crowd.url)
        while not self.welcomed:
            self._buffer.clear()
            self._upgraded = False
            self._over = asyncio.get_running_loop().create_future()
            try:
                await asyncio.get_running_loop().create_connection(lambda: self, address.hostname, address.port)
            except OSError as why:
                self.crowd.refused[type(why).__name__] += 1
            else:
                await self._over  # welcomed, or closed
            if not self.welcomed:
                await asyncio.sleep(self._backoff.next())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(UPGRADE.format(host=urlsplit(self.crowd.url).netloc).encode())

    def connection_lost(self, why: Exception | None) -> None:
        self.welcomed = False
        if not self._over.done():
            self._over.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                self.crowd.refused[head.split(b" ", 2)[1].decode()] += 1
                assert self.transport is not None
                self.transport.abort()
                return
            self._upgraded = True
            self._buffer = bytearray(rest)
            self._hello()
        for opcode, payload in frames_in(self._buffer):
            if opcode == TEXT:
                self._told(json.loads(payload))
            elif opcode == PING:
                self._write(PONG, payload)
            elif opcode == CLOSE:
                self._closed(int.from_bytes(payload[:2], "big"))

    def _hello(self) -> None:
        hello = {"type": "hello", "name": self.name, "token": self.crowd.token, "credit": self.crowd.credit}
        if self._epoch is not None:
            hello |= {"resume": self._offset, "epoch": self._epoch, "session": self._secret}
        self._say(hello)

    def _told(self, told: dict[str, object]) -> None:
        if told["type"] == "welcome":
            self.welcomed = True
            if self._epoch is None:
                self._offset = int(str(told["head"]))
            assert self._epoch in (None, told["epoch"]), "the numbering has changed"
            self._epoch, self._secret = str(told["epoch"]), str(told["session"])
            if not self._over.done():
                self._over.set_result(None)
        elif told["type"] == "message":
            self._heard(told)
        elif told["type"] == "gap":
            self.gaps += 1

    def _heard(self, message: dict[str, object]) -> None:
        self._offset = int(str(message["offset"]))
        number, _, rest = str(message["body"]).partition(" ")
        if int(number) < self.wanted:
            self.doubled += 1
        else:
            self.lost += int(number) - self.wanted
            self.wanted = int(number) + 1
        if rest.startswith("@"):
            self.latency.append(time.monotonic() - float(rest[1:].partition(" ")[0]))
        self._unconfirmed += 1
        if self._unconfirmed == CONFIRM_EVERY:
            self._unconfirmed = 0
            self._say({"type": "received", "offset": self._offset})

    def _closed(self, code: int) -> None:
        self.crowd.refused[str(code)] += 1
        assert may_reconnect(code), f"{self.name} was closed with {code}, for ever"
        assert self.transport is not None
        self.transport.abort()

    def _say(self, what: dict[str, object]) -> None:
        self._write(TEXT, json.dumps(what).encode())

    def _write(self, opcode: int, payload: bytes) -> None:
        assert self.transport is not None
        self.transport.write(frame(opcode, payload))


class Crowd:
    """All of them."""

    def __init__(self, count: int, token: str, prefix: str, credit: int) -> None:
        self.token = token
        self.credit = credit
        self.url = ""
        self.refused: Counter[str] = Counter()
        self.members = [Member(self, f"{prefix}-{number}") for number in range(count)]

    async def join(self, url: str) -> dict[str, object]:
        self.url = url
        self.refused.clear()
        begin = time.monotonic()
        await asyncio.gather(*(each.join() for each in self.members))
        return {"seconds": time.monotonic() - begin, "refused": self.refused}

    async def break_off(self) -> dict[str, object]:
        for each in self.members:
            if each.transport is not None:
                each.transport.abort()
        while any(each.welcomed for each in self.members):
            await asyncio.sleep(0.01)
        return {}

    async def heard(self, number: int) -> dict[str, object]:
        while any(each.wanted <= number for each in self.members):
            await asyncio.sleep(0.01)
        return {}

    async def report(self) -> dict[str, object]:
        latency = [each for member in self.members for each in member.latency]
        for member in self.members:
            member.latency.clear()
        return {
            "welcomed": sum(each.welcomed for each in self.members),
            "lost": sum(each.lost for each in self.members),
            "doubled": sum(each.doubled for each in self.members),
            "gaps": sum(each.gaps for each in self.members),
            "latency": latency,
        }


async def obey(crowd: Crowd) -> None:
    """Do what standard input says, until it ends."""
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := (await commands.readline()).decode().split():
        match line:
            case ["join", url]:
                answer = await crowd.join(url)
            case ["break"]:
                answer = await crowd.break_off()
            case ["heard", number]:
                answer = await crowd.heard(int(number))
            case ["report"]:
                answer = await crowd.report()
            case _:
                raise ValueError(line)
        print(json.dumps(answer), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("token")
    parser.add_argument("--prefix", default="agent")
    parser.add_argument("--credit", type=int, default=256)
    told = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = told.count + 64
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    try:
        asyncio.run(obey(Crowd(told.count, told.token, told.prefix, told.credit)))
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
