"""An agent's MCP client, killed between push, tool and read; alone, or together with the hub.

What the model has is what left the process: a reply cut off in the middle never reached it. Each process is a session
of its own; what its model had, and the hub was not told to be read, may come again to the next. Nothing else may.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

from tests.journeys.processes import BOUND, HUBBUB, Agent, HubProcess
from tests.soak.checker import Checker, Verdict
from tests.soak.storm import free_port, tag_of


class Killings:
    """Alice's agent, who has no luck; and bob, who writes to her over HTTP."""

    def __init__(self, home: Path, seed: int, *, hub_too: bool, command: Sequence[str] = HUBBUB) -> None:
        self.chance = random.Random(seed)
        self.checker = Checker()
        self.kills = 0
        self.hub_kills = 0
        self._hub_killed = False
        self._home = home
        self._hub_too = hub_too
        self._command = command  # what the agent is, instead of `hubbub`
        self._port = str(free_port())
        self._sent = 0
        self._lives = 0
        self._had: set[str] = set()

    async def run(self, rounds: int) -> Verdict:
        """So many kills of the agent, then one that lives and takes what is left; returns what the checker says."""
        hub = await self._start_hub()
        try:
            for _ in range(rounds):
                await self._round(hub)
                if self._hub_killed:
                    await asyncio.to_thread(hub.process.wait, BOUND)
                    self.hub_kills += 1
                    self._hub_killed = False
                    hub = await self._start_hub()
            await self._last(hub)
        finally:
            if hub.process.poll() is None:
                hub.kill()
        return self.checker.verdict()

    async def _start_hub(self) -> HubProcess:
        return await asyncio.to_thread(HubProcess, self._home, HUBBUB_PORT=self._port)

    async def _start_agent(self, hub: HubProcess) -> tuple[Agent, str]:
        # Told where the hub is, it starts none of its own when that is killed.
        place = {"HUBBUB_URL": hub.url, "HUBBUB_TOKEN": hub.token}
        agent = await Agent.start(self._home, "alice", place, self._command)
        self._lives += 1
        session = f"alice/{self._lives}"
        self.checker.begun(session, "alice", 0)
        return agent, session

    async def _round(self, hub: HubProcess) -> None:
        chance = self.chance
        agent, session = await self._start_agent(hub)
        killing: list[asyncio.TimerHandle] = []
        loop = asyncio.get_running_loop()
        try:
            if chance.random() < 0.5:
                # Connected before anything comes, so that it is pushed.
                self._take(session, await agent.tool("check"))
            await self._write(hub)
            if self._hub_too:
                killing.append(loop.call_later(chance.uniform(0, 0.03), self._kill_hub, hub))
            moment = chance.choice(["before the tool", "in the tool", "after the tool"])
            if moment != "before the tool":
                asked = agent.ask("tools/call", {"name": "check", "arguments": {}})
                if moment == "in the tool":
                    killing.append(loop.call_later(chance.uniform(0, 0.03), agent.process.kill))
                with suppress(EOFError, ConnectionError):
                    self._take(session, await agent.answer(asked))
                    await asyncio.sleep(chance.uniform(0, 0.005))  # while it tells the hub that this was read
        finally:
            await agent.kill()
            self.kills += 1
            for each in killing:
                each.cancel()
            if self._hub_too and not self._hub_killed:
                self._kill_hub(hub)

    def _kill_hub(self, hub: HubProcess) -> None:
        self._hub_killed = True
        hub.process.kill()

    def _take(self, session: str, told: dict[str, Any]) -> int:
        if told.get("isError"):
            return 0
        messages = told.get("structuredContent", told)["messages"]
        for message in messages:
            self.checker.delivered(session, tag_of(message["body"]), message["offset"])
            self.checker.read_asked("alice", message["offset"])
            self._had.add(tag_of(message["body"]))
        return len(messages)

    async def _write(self, hub: HubProcess) -> None:
        headers = {"Authorization": f"Bearer {hub.token}"}
        async with httpx2.AsyncClient(
            base_url=hub.http, headers=headers, timeout=BOUND, trust_env=False, verify=False
        ) as http:
            for _ in range(self.chance.randrange(1, 4)):
                self._sent += 1
                tag = f"bob-{self._sent}"
                self.checker.sent(tag, "bob", "alice")
                said = {"as": "bob", "to": "alice", "body": tag + ".", "id": tag}
                answer = (await http.post("/api/v1/messages", json=said)).json()
                self.checker.confirmed(tag, answer["offset"])

    async def _last(self, hub: HubProcess) -> None:
        await self._write(hub)
        agent, session = await self._start_agent(hub)
        try:
            while self._take(session, await agent.tool("check")):
                pass
            headers = {"Authorization": f"Bearer {hub.token}"}
            async with httpx2.AsyncClient(
                base_url=hub.http, headers=headers, timeout=BOUND, trust_env=False, verify=False
            ) as http:
                head = (await http.get("/api/v1/status")).json()["head"]
            self.checker.caught_up(session, head)
        finally:
            await agent.kill()

    @property
    def never_had(self) -> int:
        """Messages that no model ever had: whatever was said to have been read."""
        return self._sent - len(self._had)
