"""Agents with the real MCP client, as processes: woken by a push, started all at once, killed all at once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.journeys.processes import BOUND, Agent, HubProcess, hub_process, run

TWENTY = 20


async def test_bob_s_send_comes_out_of_alice_s_pending_wait(tmp_path: Path) -> None:
    with hub_process(tmp_path / "home") as hub:
        alice, bob = await Agent.start(hub.home, "alice"), await Agent.start(hub.home, "bob")
        try:
            await alice.tool("check")
            waiting = alice.ask("tools/call", {"name": "wait", "arguments": {"timeout": BOUND}})
            sent = await bob.tool("send", to="alice", body="the build is green")
            result = await alice.answer(waiting)
            messages = result["structuredContent"]["messages"]
            assert [(each["from"], each["body"]) for each in messages] == [("bob", "the build is green")]
            await bob.tool("send", to="alice", body="and now?")
            await until(lambda: state_of(hub, sent["id"]) == "read")
        finally:
            await asyncio.gather(alice.kill(), bob.kill())


def state_of(hub: HubProcess, message_id: str) -> str:
    shown = json.loads(run(hub.home, "status", message_id, "--json").stdout)
    return str(shown["ladder"][0]["state"])


async def until(true: Any) -> None:
    async with asyncio.timeout(BOUND):
        while not await asyncio.to_thread(true):
            pass


async def test_twenty_agents_started_at_once_have_one_hub_and_it_outlives_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    own_group: dict[str, Any] = {} if sys.platform == "win32" else {"start_new_session": True}
    agents = await asyncio.gather(*(Agent.start(home, f"agent-{number}", **own_group) for number in range(TWENTY)))
    try:
        await asyncio.gather(*(agent.tool("check") for agent in agents))
        rows = json.loads(run(home, "ls", "--json").stdout)["instances"]
        assert {row["name"] for row in rows if row["online"]} == {f"agent-{number}" for number in range(TWENTY)}
        hub = json.loads((home / "hub.json").read_text())["pid"]
        started = [line for line in (home / "logs" / "hub.log").read_text().splitlines() if "listening" in line]
        assert len(started) == 1, "more than one hub was started"
        # Whichever of them started it: kill all, with all they have started in their own groups.
        for agent in agents:
            if sys.platform == "win32":
                agent.process.kill()
            else:
                os.killpg(agent.process.pid, signal.SIGKILL)
        await asyncio.gather(*(agent.kill() for agent in agents))
        status = json.loads(run(home, "status", "--json").stdout)
        assert status["pid"] == hub
        await until(lambda: json.loads(run(home, "status", "--json").stdout)["online"] == 0)
    finally:
        await asyncio.gather(*(agent.kill() for agent in agents))
        run(home, "stop", code=None)
