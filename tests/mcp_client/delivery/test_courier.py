"""One message, many ways to the model: it gets there once, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_client.delivery import courier as courier_module
from mcp_client.delivery.courier import Handing, Rules
from mcp_client.delivery.plan import Activity, Eager, Hop
from tests.hub.scripted_hub import BOUND, ScriptedHub, scripted_hub
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
    """What takes seconds with people takes moments here; what must not happen by time alone, takes for ever."""
    monkeypatch.setattr(courier_module, "BOUND", {Hop.INBOX: 0.3, Hop.CHANNEL: 0.3})
    monkeypatch.setattr(courier_module, "LOOKS", (0.05,))
    monkeypatch.setattr(courier_module, "READING", 0.1)
    monkeypatch.setattr("mcp_client.delivery.plan.PAUSE", 0.0)


async def until(at: Desk, true: Callable[[], object]) -> None:
    async with asyncio.timeout(BOUND):
        await at.link.bell.until(true, None)


def asked(at: Desk, prompt: str = "") -> Handing | None:
    return at.courier.hook("UserPromptSubmit", {"prompt": prompt})


def amid(at: Desk) -> Handing | None:
    return at.courier.hook("PostToolUse", {})


async def nothing_more(at: Desk) -> None:
    """No hop has anything left to say: not a hook, not a tool."""
    assert amid(at) is None
    assert asked(at) is None
    assert "No new messages" in (await at.good("check")).text


# The session's inbox


async def test_the_prompt_that_a_session_takes_up_is_the_evidence(
    hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path
) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ) as at:
        await at.link.hub()
        await hub.tell("alice", "the build is red")
        await inbox.has(1)
        assert "the build is red" in inbox.texts[0]
        assert "from bob to alice" in inbox.texts[0]
        assert hub.people["alice"].read == 0  # a write that was accepted is not delivery
        assert asked(at, inbox.texts[0]) is None
        await at.read(1)
        assert at.courier.tallies[Hop.INBOX].shown == 1
        await nothing_more(at)


async def test_the_transcript_is_evidence_too(hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path) -> None:
    transcript = tmp_path / "projects" / "p" / "abc.jsonl"
    transcript.parent.mkdir(parents=True)
    transcript.write_text("{}\n")
    environ = inbox.environ | {"CLAUDE_CONFIG_DIR": str(tmp_path), "CLAUDE_CODE_SESSION_ID": "abc"}
    async with desk(hub, tmp_path, environ=environ) as at:
        await at.link.hub()
        await hub.tell("alice", "hello")
        await inbox.has(1)
        mark = inbox.texts[0][-9:-1]
        with transcript.open("a") as file:
            file.write(f'{{"type":"user","message":{{"content":"(Hubbub, {mark})"}}}}\n')
        await at.read(1)
        await nothing_more(at)


async def test_a_notice_in_the_sessions_own_queue_is_waited_for(
    hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path
) -> None:
    transcript = tmp_path / "projects" / "p" / "abc.jsonl"
    transcript.parent.mkdir(parents=True)
    transcript.write_text("")
    environ = inbox.environ | {"CLAUDE_CONFIG_DIR": str(tmp_path), "CLAUDE_CODE_SESSION_ID": "abc"}
    async with desk(hub, tmp_path, environ=environ) as at:
        await at.link.hub()
        await hub.tell("alice", "hello")
        await inbox.has(1)
        mark = inbox.texts[0][-9:-1]
        transcript.write_text(f'{{"type":"queue-operation","content":"(Hubbub, {mark})"}}\n')
        out = at.courier._out
        assert out is not None
        due = out.due
        await until_due_moves(at, due)
        assert amid(at) is None  # it is on its way: saying it again would say it twice
        assert "No new messages" in (await at.good("check")).text
        assert asked(at, inbox.texts[0]) is None
        await at.read(1)


async def until_due_moves(at: Desk, due: float) -> None:
    async with asyncio.timeout(BOUND):
        while at.courier._out is not None and at.courier._out.due == due:
            await asyncio.sleep(0.01)
    assert at.courier._out is not None


@pytest.mark.parametrize("trouble", ["missing", "refused", "closing", "blocking", "silent"])
async def test_whatever_is_wrong_with_the_inbox_the_next_hop_has_the_message_once(
    hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    write = courier_module.claude_inbox.write
    monkeypatch.setattr(courier_module.claude_inbox, "write", lambda *words: write(*words, 0.2))
    environ = inbox.environ
    if trouble == "missing":
        environ = environ | {"CLAUDE_CODE_MESSAGING_SOCKET": str(tmp_path / "none")}
    elif trouble == "refused":
        environ = environ | {"CLAUDE_CODE_MESSAGING_SOCKET": left_behind(tmp_path)}
    elif trouble != "silent":
        inbox.behaviour = trouble
        monkeypatch.setattr(courier_module.claude_inbox, "lines", lambda *_: b"x" * 900_000)
    async with desk(hub, tmp_path, environ=environ) as at:
        await at.link.hub()
        await hub.tell("alice", "the build is red")
        await until(at, lambda: at.courier._tried)
        tally = at.courier.tallies[Hop.INBOX]
        assert (tally.shown, tally.failed + tally.unseen) == (0, 1)
        assert bool(tally.why) is (trouble != "silent")
        handing = amid(at)
        assert handing is not None
        assert "the build is red" in handing.printed.out
        at.courier.printed(handing)
        await at.read(1)
        await nothing_more(at)


async def test_an_inbox_that_goes_while_the_process_stays_costs_no_message(
    hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path
) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ) as at:
        await at.link.hub()
        await hub.tell("alice", "one")
        await inbox.has(1)
        assert asked(at, inbox.texts[0]) is None  # the session has taken it up
        await at.read(1)
        inbox.path.unlink()  # the client was started again, and listens elsewhere
        await hub.tell("alice", "two")
        await until(at, lambda: at.courier.tallies[Hop.INBOX].failed)
        handing = amid(at)
        assert handing is not None
        assert ("two" in handing.printed.out, "one" in handing.printed.out) == (True, False)
        at.courier.printed(handing)
        await at.read(2)
        await nothing_more(at)


async def test_a_client_that_is_started_again_before_it_showed_a_notice_is_given_it_anew(
    hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path
) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ) as at:
        await at.link.hub()
        await hub.tell("alice", "one")
        await inbox.has(1)  # written, and the client ends before it has looked
    assert hub.people["alice"].read == 0
    (tmp_path / "again").mkdir()
    async with session_inbox(tmp_path / "again") as later, desk(hub, tmp_path, environ=later.environ) as at:
        await later.has(1)
        assert "one" in later.texts[0]
        assert asked(at, later.texts[0]) is None
        await at.read(1)
        await nothing_more(at)
        assert len(later.texts) == 1


def left_behind(folder: Path) -> str:
    import socket

    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "left"))
    return str(folder / "left")


async def test_evidence_that_comes_late_still_counts(hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ) as at:
        await at.link.hub()
        await hub.tell("alice", "hello")
        await inbox.has(1)
        await until(at, lambda: at.courier._tried)
        assert asked(at, inbox.texts[0]) is None
        await at.read(1)
        await nothing_more(at)


async def test_while_it_is_out_no_hook_says_it_again(hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ) as at:
        await at.link.hub()
        await hub.tell("alice", "hello")
        await inbox.has(1)
        assert amid(at) is None
        assert asked(at, "something else") is None


async def test_check_shows_what_the_session_did_not(hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ) as at:
        await at.link.hub()
        await hub.tell("alice", "hello")
        await inbox.has(1)
        assert "hello" in (await at.good("check")).text
        await at.read(1)
        await nothing_more(at)


async def test_a_tool_that_waits_has_it_and_nothing_is_pushed(
    hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path
) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ) as at:
        await at.link.hub()
        waiting = asyncio.create_task(at.good("wait", timeout=BOUND))
        await until(at, lambda: at.courier._listeners)
        await hub.tell("alice", "hello")
        assert "hello" in (await waiting).text
        await at.read(1)
        assert inbox.connections == 0


async def test_what_is_swallowed_once_is_not_fed_again_and_the_next_message_does_not_wait(
    hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path
) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ) as at:
        await at.link.hub()
        await hub.tell("alice", "one")
        await until(at, lambda: at.courier._tried)
        await hub.tell("alice", "two")
        await at.has(2)
        handing = amid(at)
        assert handing is not None
        assert "one" in handing.printed.out
        assert "two" in handing.printed.out
        assert inbox.connections == 1


# Hooks


async def test_a_hook_that_is_killed_leaves_the_message_to_the_next(hub: ScriptedHub, tmp_path: Path) -> None:
    async with desk(hub, tmp_path) as at:
        await at.link.hub()
        await hub.tell("alice", "hello")
        await at.has(1)
        first = amid(at)
        assert first is not None
        assert amid(at) is None  # two hooks at once: one has it
        at.courier.not_printed(first)
        again = amid(at)
        assert again is not None
        assert "hello" in again.printed.out
        at.courier.printed(again)
        await at.read(1)
        await nothing_more(at)


async def test_many_are_announced_once(hub: ScriptedHub, tmp_path: Path) -> None:
    async with desk(hub, tmp_path) as at:
        await at.link.hub()
        for number in range(9):
            await hub.tell("alice", f"m{number}")
        await at.has(9)
        handing = amid(at)
        assert handing is not None
        assert "9 unread: bob" in handing.printed.out
        at.courier.printed(handing)
        assert amid(at) is None
        await hub.tell("alice", "m9")
        await at.has(10)
        handing = amid(at)
        assert handing is not None
        assert "10 unread" in handing.printed.out
        assert "m9" not in handing.printed.out  # it would overtake the nine
        at.courier.printed(handing)
        assert len((await at.good("check")).structured["messages"]) == 10


async def test_a_hook_that_waits_is_given_what_comes(hub: ScriptedHub, tmp_path: Path) -> None:
    async with desk(hub, tmp_path) as at:
        await at.link.hub()
        waiting = asyncio.create_task(at.courier.wait_for_news({}))
        await until(at, lambda: at.courier._waker)
        await hub.tell("alice", "hello")
        handing = await waiting
        assert handing is not None
        assert handing.printed.code == 2
        assert "hello" in handing.printed.err
        at.courier.printed(handing)
        await at.read(1)
        await nothing_more(at)


async def test_a_hook_that_waits_anew_takes_the_place_of_the_old(hub: ScriptedHub, tmp_path: Path) -> None:
    async with desk(hub, tmp_path) as at:
        old = asyncio.create_task(at.courier.wait_for_news({}))
        await until(at, lambda: at.courier._waker)
        new = asyncio.create_task(at.courier.wait_for_news({}))
        assert await old is None
        await at.link.hub()
        await hub.tell("alice", "hello")
        assert await new is not None


async def test_a_hook_that_goes_away_as_it_is_given_something_loses_nothing(hub: ScriptedHub, tmp_path: Path) -> None:
    async with desk(hub, tmp_path, rules=Rules(wake=Eager.OFF)) as at:
        await at.link.hub()
        waiting = asyncio.create_task(at.courier.wait_for_news({}))
        await until(at, lambda: at.courier._waker)
        await hub.tell("alice", "hello")
        await at.has(1)
        waker = at.courier._waker
        assert waker is not None
        waker.set_result(at.courier._take(waking=True))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        handing = amid(at)
        assert handing is not None
        assert "hello" in handing.printed.out


async def test_the_end_of_a_turn_is_held_once_by_what_waits(hub: ScriptedHub, tmp_path: Path) -> None:
    async with desk(hub, tmp_path) as at:
        await at.link.hub()
        await hub.tell("alice", "one")
        await at.has(1)
        assert at.courier.hook("Stop", {"stop_hook_active": True}) is None
        assert at.courier.activity is Activity.IDLE
        handing = at.courier.hook("Stop", {"stop_hook_active": False})
        assert handing is not None
        assert '"decision": "block"' in handing.printed.out
        assert at.courier.activity is Activity.WORKING


async def test_an_event_that_nobody_knows_is_silent(hub: ScriptedHub, tmp_path: Path) -> None:
    async with desk(hub, tmp_path) as at:
        await at.link.hub()
        await hub.tell("alice", "hello")
        await at.has(1)
        assert at.courier.hook("NoSuchEvent", {}) is None


# The channel


async def test_a_channel_that_drops_in_silence_costs_a_bound_and_no_message(hub: ScriptedHub, tmp_path: Path) -> None:
    sent: list[dict[str, Any]] = []

    async def notify(_: str, params: dict[str, Any]) -> None:
        sent.append(params)

    async with desk(hub, tmp_path) as at:
        at.courier.notify, at.courier.client = notify, "claude-code"
        await at.link.hub()
        await hub.tell("alice", "hello")
        await until(at, lambda: at.courier._tried)
        assert at.courier.tallies[Hop.CHANNEL].unseen == 1
        handing = amid(at)
        assert handing is not None
        assert "hello" in handing.printed.out
        at.courier.printed(handing)
        await at.read(1)
        await hub.tell("alice", "again")
        await at.has(1)
        assert len(sent) == 1


async def test_a_channel_event_that_the_session_takes_up_is_delivered(hub: ScriptedHub, tmp_path: Path) -> None:
    async with desk(hub, tmp_path) as at:

        async def notify(method: str, params: dict[str, Any]) -> None:
            assert method == "notifications/claude/channel"
            asked(at, f'<channel source="hubbub">{params["content"]}</channel>')

        at.courier.notify, at.courier.client = notify, "claude-code"
        await at.link.hub()
        await hub.tell("alice", "hello")
        await at.read(1)
        await nothing_more(at)


async def test_other_clients_are_sent_no_channel_event(hub: ScriptedHub, tmp_path: Path) -> None:
    async def notify(_: str, __: dict[str, Any]) -> None:
        raise AssertionError

    async with desk(hub, tmp_path) as at:
        at.courier.notify, at.courier.client = notify, "codex-mcp-client"
        await at.link.hub()
        await hub.tell("alice", "hello")
        await at.has(1)
        assert amid(at) is not None


# Settings


async def test_who_may_not_wake_waits_until_the_agent_is_asked(
    hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path
) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ, rules=Rules(senders=("carol",))) as at:
        await at.link.hub()
        await hub.tell("alice", "from bob")
        await at.has(1)
        assert amid(at) is None
        assert at.courier.hook("Stop", {}) is None
        await hub.tell("alice", "from carol", sender="Carol")
        await inbox.has(1)
        assert "from carol" in inbox.texts[0]
        assert "from bob" not in inbox.texts[0]
        handing = asked(at, inbox.texts[0])
        assert handing is not None
        assert "from bob" in handing.printed.out
        at.courier.printed(handing)
        await at.read(2)


@pytest.mark.parametrize(
    ("eager", "amid_work", "with_the_prompt"),
    [(Eager.OFF, False, False), (Eager.WHEN_IDLE, False, True), (Eager.ALWAYS, True, True)],
)
async def test_how_eager_hooks_may_be(
    hub: ScriptedHub, tmp_path: Path, eager: Eager, amid_work: bool, with_the_prompt: bool
) -> None:
    async with desk(hub, tmp_path, rules=Rules(hooks=eager)) as at:
        await at.link.hub()
        await hub.tell("alice", "hello")
        await at.has(1)
        for event, says in (("PostToolUse", amid_work), ("UserPromptSubmit", with_the_prompt)):
            handing = at.courier.hook(event, {})
            assert (handing is not None) is says
            if handing is not None:
                at.courier.not_printed(handing)


async def test_a_hop_that_is_off_is_not_used(hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ, rules=Rules(inbox=Eager.OFF)) as at:
        await at.link.hub()
        await hub.tell("alice", "hello")
        await at.has(1)
        assert amid(at) is not None
        assert inbox.connections == 0


# Another name


async def test_another_name_has_another_inbox_and_nothing_of_the_old(
    hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path
) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ) as at:
        await at.link.hub()
        await hub.tell("alice", "for alice")
        await inbox.has(1)
        await at.good("register", name="carol")
        assert asked(at, inbox.texts[0]) is None
        assert amid(at) is None
        assert hub.people["carol"].read == 0


# What others are told


async def test_the_hub_is_told_what_the_agent_does_and_which_hops_reach_it(
    hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path
) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ) as at:
        await at.link.hub()
        said = at.link._presence
        await until(at, lambda: said.get("wakes") is True)
        assert said["hops"] == ["inbox", "wait", "piggyback", "check"]
        asked(at, "what a person typed")
        assert said["activity"] == "working"
        assert said["hops"] == ["inbox", "hooks", "wait", "piggyback", "check"]
        at.courier.hook("Stop", {})
        assert said["activity"] == "idle"


async def test_a_hop_that_swallowed_a_message_is_no_longer_promised(
    hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path
) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ) as at:
        await at.link.hub()
        await hub.tell("alice", "hello")
        await until(at, lambda: at.courier._tried)
        await until(at, lambda: at.link._presence.get("wakes") is False)


@pytest.mark.parametrize(
    ("prompt", "prompted"),
    [("what a person typed", True), ("<task-notification> a hook woke it", False), ("a notice of ours", False)],
)
async def test_only_what_a_person_typed_counts_as_a_prompt(
    hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path, prompt: str, prompted: bool
) -> None:
    async with desk(hub, tmp_path, environ=inbox.environ) as at:
        client = await at.link.hub()
        await hub.tell("alice", "hello")
        await inbox.has(1)
        told: list[dict[str, Any]] = []
        at.link.tell = lambda **presence: told.append(presence)  # type: ignore[method-assign]
        asked(at, inbox.texts[0] if prompt == "a notice of ours" else prompt)
        assert ({"prompted": True} in told) is prompted
        assert client.state == "online"


async def test_a_courier_that_meets_a_bug_goes_on(
    hub: ScriptedHub, inbox: SessionInbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide, bugs = courier_module.decide, iter([True])

    def fails_once(*parts: Any) -> Any:
        if next(bugs, False):
            raise RuntimeError("planted")
        return decide(*parts)

    monkeypatch.setattr(courier_module, "decide", fails_once)
    async with desk(hub, tmp_path, environ=inbox.environ) as at:
        await at.link.hub()
        await hub.tell("alice", "carried all the same")
        await inbox.has(1)
        assert next(bugs, None) is None
