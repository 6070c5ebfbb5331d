"""A script of claude-ipc-mcp in the storm: one connection a request, one read, and now and then it dies with its reply.

The old protocol tells no offsets. So what this one was told is held back until the log has been read, which says where
each message is; then the checker hears of it in the order in which it happened. Each `check` that was answered is a
session of its own, as for whoever asks over HTTP. That its messages count as read is confirmed by the next check that
the same hub answers; of a hub that was killed in between nobody knows.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.soak.checker import Checker

ONE_READ = 65_536  # bytes
DIES = 0.05  # of its checks end with the process, and the reply unread
MAIL = b'{"status": "ok", "messages": [{'  # how a reply begins that has some
RESET = struct.pack("ii", 1, 0)  # closing with linger 0 resets, as the kernel does for a process that dies


@dataclass
class _Check:
    """One that was answered with messages, by their tags."""

    life: int
    tags: list[str]
    read: bool = False  # the same hub has answered a later one


class OldScript:
    """One name with one session, which outlives every hub."""

    def __init__(self, name: str, port: int, chance: random.Random) -> None:
        self.name = name
        self.heard: set[str] = set()
        self.confirmed: list[str] = []  # the tags of what was sent, and answered with ok
        self.dies = DIES
        self.most = 2**31  # deaths
        self.died = 0  # with mail in the reply
        self.port = port
        self._chance = chance
        self._token = ""
        self._life = 0
        self._checks: list[_Check] = []

    def new_hub(self) -> None:
        """What comes now is answered by another hub."""
        self._life += 1

    async def send(self, tag: str, to: str, body: str) -> None:
        """Send to an instance, or to `all`. Raises OSError or EOFError where nobody knows what has become of it."""
        said: dict[str, Any] = {"from_id": self.name, "message": {"content": body}}
        said |= {"action": "broadcast"} if to == "all" else {"action": "send", "to_id": to}
        answer = await self._ask(said)
        assert answer is not None
        assert answer["status"] == "ok", answer
        self.confirmed.append(tag)

    async def check(self) -> list[str]:
        """The bodies of what is unread; nothing where the script has died over it, or has read a part only."""
        dies = self.died < self.most and self._chance.random() < self.dies
        answer = await self._ask({"action": "check", "instance_id": self.name}, dies=dies)
        if answer is None:
            return []
        if self._checks and self._checks[-1].life == self._life:
            self._checks[-1].read = True
        assert "messages" in answer, f"no mail for {self.name}, but {answer}"
        bodies = [each["message"]["content"] for each in answer["messages"]]
        if bodies:
            self._checks.append(_Check(self._life, [body.partition(".")[0] for body in bodies]))
            self.heard.update(self._checks[-1].tags)
        return bodies

    async def _ask(self, said: dict[str, Any], *, dies: bool = False) -> dict[str, Any] | None:
        """The answer; None where it was not read whole."""
        if not self._token:
            told = await self._request({"action": "register", "instance_id": self.name, "auth_token": ""}, dies=False)
            assert told is not None
            self._token = told["session_token"]
        return await self._request({**said, "session_token": self._token}, dies=dies)

    async def _request(self, said: dict[str, Any], *, dies: bool) -> dict[str, Any] | None:
        loop = asyncio.get_running_loop()
        with socket.socket() as connection:
            connection.setblocking(False)
            await loop.sock_connect(connection, ("127.0.0.1", self.port))
            await loop.sock_sendall(connection, json.dumps(said).encode())
            if dies:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                self.died += (await loop.sock_recv(connection, len(MAIL))) == MAIL
                return None
            text = await loop.sock_recv(connection, ONE_READ)
        if not text:
            raise EOFError("the hub is gone")
        try:
            return dict(json.loads(text))
        except ValueError:
            return None  # a part of it: the rest was thrown away with the connection

    def tell(self, checker: Checker, where: Mapping[str, int], upto: int) -> None:
        """Tell the checker of everything, once the log has been read: `where` each tag is in it."""
        for tag in self.confirmed:
            checker.confirmed(tag, where.get(tag, 2**62))  # what is nowhere is lost
        session = ""
        for number, each in enumerate(self._checks):
            session = f"{self.name}/{number}"
            checker.begun(session, self.name, checker.read_by(self.name))
            for tag in each.tags:
                checker.delivered(session, tag, where.get(tag, 0))
            last = where.get(each.tags[-1], 0)
            (checker.read if each.read else checker.read_asked)(self.name, last)
        if session:
            checker.caught_up(session, upto)
