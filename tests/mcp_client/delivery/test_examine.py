"""What `hubbub doctor --agent` learns: each hop works, is not available, is broken, or nobody can know."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.config import load
from mcp_client.delivery import courier as courier_module
from mcp_client.delivery import examine
from mcp_client.delivery.courier import Rules
from mcp_client.delivery.examine import Examination
from mcp_client.delivery.hook_server import HookServer
from mcp_client.delivery.plan import Eager, Hop
from tests.hub.scripted_hub import ScriptedHub, scripted_hub
from tests.mcp_client.delivery.session_inbox import SessionInbox, session_inbox
from tests.mcp_client.desk import Desk, desk


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    async with scripted_hub() as hub:
        yield hub


@pytest.fixture
async def inbox(tmp_path: Path) -> AsyncIterator[SessionInbox]:
    async with session_inbox(tmp_path) as inbox:
        yield inbox


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "BOUND", {Hop.INBOX: 0.3, Hop.CHANNEL: 0.3})
    monkeypatch.setattr(examine, "SHOW", 0.3)


async def states(at: Desk, environ: dict[str, str]) -> dict[str, tuple[str, str]]:
    told = json.loads((await Examination(at.courier, environ)({})).out)
    return {each["hop"]: (each["state"], each["why"]) for each in told["hops"]}


async def test_without_anything_only_the_tools_work(hub: ScriptedHub, tmp_path: Path) -> None:
    async with desk(hub, tmp_path) as at:
        found = await states(at, {})
        assert {hop: state for hop, (state, _) in found.items()} == {
            "hub": "works",
            "inbox": "not available",
            "wake": "not available",
            "channel": "not available",
            "hooks": "not available",
            "wait": "works",
            "piggyback": "works",
            "check": "works",
        }
        assert "CLAUDE_CODE_MESSAGING_SOCKET" in found["inbox"][1]
        assert at.link.inbox.unread().messages == 0  # the test message is no mail
        await at.read(1)


async def test_hops_that_show_the_test_work(hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ) as at:

        async def client() -> None:
            waiting = asyncio.create_task(at.courier.wait_for_news({}))
            await inbox.has(1)
            at.courier.hook("UserPromptSubmit", {"prompt": inbox.texts[0]})
            handing = await waiting
            assert handing is not None
            at.courier.printed(handing)

        acting = asyncio.create_task(client())
        found = await states(at, inbox.environ)
        await acting
        assert {found[hop][0] for hop in ("hub", "inbox", "wake", "hooks")} == {"works"}
        assert "nothing to do" in inbox.texts[0]


@pytest.mark.parametrize(("trouble", "state"), [("silent", "unknown"), ("missing", "broken")])
async def test_a_hop_that_shows_nothing_is_unknown_and_one_that_fails_is_broken(
    hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path, trouble: str, state: str
) -> None:
    environ = inbox.environ
    if trouble == "missing":
        environ = environ | {"CLAUDE_CODE_MESSAGING_SOCKET": str(tmp_path / "none")}
    async with desk(hub, tmp_path, environ=environ) as at:
        found = await states(at, environ)
        assert found["inbox"][0] == state
        assert ("FileNotFoundError" in found["inbox"][1]) is (trouble == "missing")


async def test_a_channel_that_says_nothing_is_unknown(hub: ScriptedHub, tmp_path: Path) -> None:
    sent: list[str] = []

    async def notify(method: str, _: dict[str, Any]) -> None:
        sent.append(method)

    async with desk(hub, tmp_path) as at:
        at.courier.notify, at.courier.client = notify, "claude-code"
        assert (await states(at, {}))["channel"][0] == "unknown"
        assert sent == ["notifications/claude/channel"]


async def test_what_is_switched_off_is_named(hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path) -> None:
    off = Rules(Eager.OFF, Eager.OFF, Eager.OFF, Eager.OFF)
    async with desk(hub, tmp_path, environ=inbox.environ, rules=off) as at:
        found = await states(at, inbox.environ)
        assert [found[hop] for hop in ("inbox", "wake", "channel", "hooks")] == [
            ("not available", f"push_{hop} is off") for hop in ("inbox", "wake", "channel", "hooks")
        ]
        assert inbox.connections == 0


async def test_a_hub_that_is_away_is_where_it_breaks(hub: ScriptedHub, tmp_path: Path) -> None:
    async with desk(hub, tmp_path) as at:
        await at.link.hub()
        hub.swallow.add("publish")
        at.link.patience = 0.1
        examination = asyncio.wait_for(Examination(at.courier, {})({}), 60)
        hub.refuse["hello"] = examine.HubbubError("away")
        await hub.drop("alice")
        told = json.loads((await examination).out)
        assert [(each["hop"], each["state"]) for each in told["hops"]] == [("hub", "broken")]


async def test_the_doctor_finds_the_agent_by_its_name(hub: ScriptedHub, tmp_path: Path) -> None:
    from hub.cli.doctor_agent import examine as ask

    settings = load({}, {"HUBBUB_HOME": str(tmp_path)})
    async with desk(hub, tmp_path) as at:
        await at.link.hub()
        async with HookServer(at.courier, Examination(at.courier, {})).open(tmp_path, {}, tmp_path):
            found = await asyncio.to_thread(lambda: list(ask(settings, "Alice")))
            assert [each.hop for each in found][:2] == ["mcp", "hub"]
            assert found[0].state == found[1].state == "works"
            (nobody,) = await asyncio.to_thread(lambda: list(ask(settings, "carol")))
            assert nobody.state == "broken"
            assert "there are those of alice" in nobody.why
    (nobody,) = ask(settings, "alice")
    assert nobody.state == "broken"
