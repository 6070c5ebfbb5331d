"""An answer wanted by a time: the other's model is shown until when, and the sender's is told if none comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub import node as node_module
from mcp_client.delivery.courier import Rules
from tests.hub.live import Live, live
from tests.hub.scripted_hub import BOUND
from tests.mcp_client.delivery.session_inbox import SessionInbox, session_inbox
from tests.mcp_client.desk import Desk, desk

QUESTION = "which port is it?"


@pytest.fixture
async def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Live]:
    monkeypatch.setattr(node_module, "HOUSEKEEPING", 0.05)
    async with live(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
async def alice(hub: Live, tmp_path: Path) -> AsyncIterator[Desk]:
    (tmp_path / "alice").mkdir()
    async with desk(hub, tmp_path / "alice", "alice") as made:  # type: ignore[arg-type]
        yield made


@pytest.fixture
async def inbox(tmp_path: Path) -> AsyncIterator[SessionInbox]:
    async with session_inbox(tmp_path) as inbox:
        yield inbox


@pytest.fixture
async def bob(hub: Live, inbox: SessionInbox, tmp_path: Path) -> AsyncIterator[Desk]:
    """His session has an inbox, and only carol may wake him, beside the hub itself."""
    (tmp_path / "bob").mkdir()
    rules = Rules(senders=("carol",))
    async with desk(hub, tmp_path / "bob", "bob", environ=inbox.environ, rules=rules) as made:  # type: ignore[arg-type]
        yield made


async def test_the_sender_is_woken_by_the_hubs_word_and_status_says_missed(
    alice: Desk, bob: Desk, inbox: SessionInbox
) -> None:
    sent = await bob.good("send", to="alice", body=QUESTION, answer_by="300ms")
    assert f"If no answer has come by {sent.structured['answer_by']}, you are told." in sent.text
    await alice.has(1)
    (shown,) = (await alice.good("check")).structured["messages"]
    assert shown["answer_by"] == sent.structured["answer_by"]
    await inbox.has(1)
    assert "1 message from the hub itself." in inbox.texts[0]
    assert QUESTION in inbox.texts[0]
    where = await bob.good("status", message_id=sent.structured["id"])
    assert where.structured["answer"]["state"] == "missed"
    assert "none has come" in where.text
    await alice.good("send", to="bob", body="4820", reply_to=sent.structured["id"])
    where = await bob.good("status", message_id=sent.structured["id"])
    assert "it came late" in where.text


async def test_ask_goes_on_waiting_when_its_time_has_passed_and_is_answered_by_the_answer_alone(
    hub: Live, alice: Desk, bob: Desk, inbox: SessionInbox
) -> None:
    asking = asyncio.create_task(bob.good("ask", to="alice", body=QUESTION, timeout=BOUND, answer_by="300ms"))
    await alice.has(1)
    (shown,) = (await alice.good("check")).structured["messages"]
    await inbox.has(1)
    assert not asking.done()
    await alice.good("send", to="bob", body="4820", reply_to=shown["id"])
    answered = await asking
    assert [each["body"] for each in answered.structured["messages"]] == ["4820"]
    assert answered.structured["question"]["answer_by"] == shown["answer_by"]


async def test_a_time_that_is_none_is_refused_with_what_would_be_one(bob: Desk) -> None:
    refused = await bob("send", to="alice", body=QUESTION, answer_by="soon")
    assert refused.structured["error"]["code"] == "bad_value"
    assert "30m" in refused.text
