"""What `hubbub doctor --agent` asks an MCP process: each hop is tried with a test, and says how it went.

It begins with a message of the agent to itself, by the hub and back: all hops stand on that.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

from hub.client import new_id
from hub.errors import HubbubError
from mcp_client.delivery import channel, claude_inbox
from mcp_client.delivery.courier import Courier
from mcp_client.delivery.hooks import Printed
from mcp_client.delivery.plan import Eager, Hop
from mcp_client.inbox import Item

TEST = "This is a test by `hubbub doctor`: whether a message gets here. There is nothing to do, and nothing to answer."
ARRIVE = 5.0  # seconds that the message may take to the hub and back
SHOW = 10.0  # seconds that a session may take to show a test
CONNECT = "hubbub connect --help"

WORKS = "works"
ABSENT = "not available"
UNKNOWN = "unknown"
BROKEN = "broken"


class Verdict(NamedTuple):
    """How one hop is, why, and what to type about it."""

    hop: str
    state: str
    why: str
    command: str | None = None


class Examination:
    """Of one agent. `environ` is this process's."""

    def __init__(self, courier: Courier, environ: Mapping[str, str]) -> None:
        self._courier = courier
        self._environ = environ
        self._one = asyncio.Lock()

    async def __call__(self, said: Mapping[str, Any]) -> Printed:
        """The verdicts as JSON; with `only: name` just who this is."""
        link = self._courier.link
        about: dict[str, Any] = {"name": link.name, "client": link.client}
        if said.get("only") != "name":
            async with self._one:
                about["activity"] = self._courier.activity.value
                about["hops"] = [verdict._asdict() async for verdict in self._verdicts()]
        return Printed(json.dumps(about))

    async def _verdicts(self) -> AsyncIterator[Verdict]:
        try:
            took = await self._loopback()
        except (HubbubError, TimeoutError) as why:
            said = str(why) or f"a message of {self._courier.link.name} to itself did not come back in {ARRIVE:g} s"
            yield Verdict("hub", BROKEN, said, "hubbub doctor")
            return
        yield Verdict(
            "hub", WORKS, f"a message of {self._courier.link.name} to itself came back in {took * 1000:.0f} ms"
        )
        yield await self._inbox()
        yield await self._wake()
        yield await self._channel()
        yield self._hooks()
        for tool in ("wait", "piggyback", "check"):
            yield Verdict(tool, WORKS, "the message stood in the buffer that this tool shows")

    async def _loopback(self) -> float:
        link, test = self._courier.link, new_id()

        def is_test(item: Item) -> bool:
            return getattr(item, "id", None) == test

        with self._courier.keeping_back(test):
            hub = await link.hub()
            start = time.monotonic()
            published = await hub.publish(link.name, TEST, id=test)
            inbox = link.inbox
            if not await link.bell.until(
                lambda: any(map(is_test, inbox.held())) or inbox.read >= published.offset, ARRIVE
            ):
                raise TimeoutError
            inbox.take_these(self, is_test)
            link.handed(self)
        return time.monotonic() - start

    async def _inbox(self) -> Verdict:
        rules = self._courier.rules
        if rules.inbox is Eager.OFF:
            return Verdict("inbox", ABSENT, "push_inbox is off", "hubbub config get push_inbox")
        if why := claude_inbox.missing(self._environ):
            return Verdict("inbox", ABSENT, why)
        path = self._environ[claude_inbox.SOCKET]
        return await self._try(Hop.INBOX, f"{path} took it, but neither a hook nor the transcript showed it")

    async def _wake(self) -> Verdict:
        if self._courier.rules.wake is Eager.OFF:
            return Verdict("wake", ABSENT, "push_wake is off", "hubbub config get push_wake")
        if not self._courier.is_open(Hop.WAKE):
            why = "no hook waits just now" if "Wake" in self._courier.heard else "no waiting hook was ever heard of"
            return Verdict("wake", ABSENT, why, CONNECT)
        return await self._try(Hop.WAKE, "the hook did not say that it wrote it out")

    async def _channel(self) -> Verdict:
        if self._courier.rules.channel is Eager.OFF:
            return Verdict("channel", ABSENT, "push_channel is off", "hubbub config get push_channel")
        if self._courier.client != channel.CLIENT:
            return Verdict("channel", ABSENT, "only Claude Code has channels")
        return await self._try(
            Hop.CHANNEL, "sent; a session that was not started with this channel drops it in silence"
        )

    async def _try(self, hop: Hop, unseen: str) -> Verdict:
        try:
            why = await self._courier.attempt(hop, TEST, SHOW)
        except HubbubError as busy:
            return Verdict(hop.value, UNKNOWN, busy.message)
        if why is None:
            return Verdict(hop.value, WORKS, "the test arrived")
        return Verdict(hop.value, BROKEN, why) if why else Verdict(hop.value, UNKNOWN, unseen)

    def _hooks(self) -> Verdict:
        heard = self._courier.heard
        if self._courier.rules.hooks is Eager.OFF:
            return Verdict("hooks", ABSENT, "push_hooks is off", "hubbub config get push_hooks")
        if not heard:
            return Verdict("hooks", ABSENT, "no hook of this session was heard yet", CONNECT)
        return Verdict("hooks", WORKS, f"heard from: {', '.join(sorted(heard))}")
