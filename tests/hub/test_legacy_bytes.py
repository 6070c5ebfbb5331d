"""The replies that scripts of claude-ipc-mcp match on, byte for byte: in the old broker's words, order and spacing."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hub.legacy import SECRET
from tests.hub.live import Live, live
from tests.hub.test_bridge import Script

TOKEN = rb"[\w-]{43}"
TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?"
NO_SESSION = b'{"status": "error", "message": "Invalid or missing session token"}'
BAD_TOKEN = b'{"status": "error", "message": "Invalid auth token"}'
BAD_NAME = (
    b'{"status": "error", "message": "Invalid instance ID format. '
    b'Use 1-32 alphanumeric characters, hyphens, or underscores."}'
)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path / "home", legacy_port=0) as running:
        yield running


async def raw(hub: Live, **request: Any) -> bytes:
    return await Script(hub, "").bytes(json.dumps(request).encode())


async def register(hub: Live, name: str) -> str:
    reply = await raw(hub, action="register", instance_id=name, auth_token="")
    return str(json.loads(reply)["session_token"])


def ok(message: str) -> bytes:
    return b'{"status": "ok", "message": "%s"}' % message.encode()


async def test_register(hub: Live) -> None:
    reply = await raw(hub, action="register", instance_id="fred", auth_token="")
    assert re.fullmatch(rb'\{"status": "ok", "session_token": "%s", "message": "Registered fred"\}' % TOKEN, reply)
    fred = json.loads(reply)["session_token"]
    for text in ("one", "two"):
        await raw(hub, action="send", from_id="fred", to_id="wilma", message={"content": text}, session_token=fred)
    reply = await raw(hub, action="register", instance_id="wilma")
    assert reply.endswith(b'"message": "Registered wilma with 2 queued messages"}')
    for name in ("", "a b", "x" * 33, "ä", None):
        assert await raw(hub, action="register", instance_id=name) == BAD_NAME


async def test_send_check_list_rename_and_broadcast(hub: Live) -> None:
    fred, barney = await register(hub, "fred"), await register(hub, "barney")

    async def ask(token: str, **request: Any) -> bytes:
        return await raw(hub, **request, session_token=token)

    message = {"content": "die Ampel ist grün: ✓", "data": {"run": 7}}
    assert await ask(fred, action="send", from_id="fred", to_id="barney", message=message) == ok("Message sent")
    reply = await ask(barney, action="check", instance_id="barney")
    shown = rb'\{"from": "fred", "to": "barney", "timestamp": "%s", "message": %s\}' % (
        TIME,
        re.escape(json.dumps(message).encode()),
    )
    assert re.fullmatch(rb'\{"status": "ok", "messages": \[%s\]\}' % shown, reply), reply
    assert await ask(barney, action="check", instance_id="barney") == b'{"status": "ok", "messages": []}'
    reply = await ask(fred, action="list")
    one = rb'\{"id": "(?:fred|barney)", "last_seen": "%s"\}' % TIME
    assert re.fullmatch(rb'\{"status": "ok", "instances": \[%s, %s\]\}' % (one, one), reply), reply
    queued = ok("Message queued for wilma (not yet registered)")
    assert await ask(fred, action="send", from_id="fred", to_id="wilma", message={"content": "hi"}) == queued
    assert await ask(fred, action="rename", old_id="fred", new_id="freddy") == ok("Renamed fred to freddy")
    forwarded = ok("Message forwarded from fred to freddy")
    assert await ask(barney, action="send", from_id="barney", to_id="fred", message={"content": "hi"}) == forwarded
    assert re.fullmatch(
        rb'\{"status": "error", "message": "Rate limit: can rename again in (?:59|60) minutes"\}',
        await ask(fred, action="rename", old_id="freddy", new_id="fred3"),
    )
    taken = b'{"status": "error", "message": "Instance freddy already exists"}'
    assert await ask(barney, action="rename", old_id="barney", new_id="freddy") == taken
    assert await ask(fred, action="broadcast", from_id="freddy", message={"content": "bye"}) == ok(
        "Broadcast to 1 instances"
    )
    unknown = b'{"status": "error", "message": "Unknown action: dance"}'
    assert await ask(fred, action="dance") == unknown


async def test_who_is_not_who_they_say(hub: Live) -> None:
    mallory, barney = await register(hub, "mallory"), await register(hub, "barney")
    spoofed = {"action": "send", "from_id": "fred", "to_id": "barney", "message": {"content": "trust me"}}
    assert await raw(hub, **spoofed, session_token=mallory) == ok("Message sent")
    assert b'"from": "mallory"' in await raw(hub, action="check", instance_id="mallory", session_token=barney)
    for more in ({}, {"session_token": ""}, {"session_token": "x" * 43}, {"session_token": None}, {"session_token": 7}):
        for action in ("send", "broadcast", "check", "list", "rename", "dance"):
            assert await raw(hub, **{**spoofed, "action": action, "instance_id": "fred"}, **more) == NO_SESSION


@pytest.mark.parametrize(
    ("token", "right"),
    [
        (sha256(b"fred:s3cret").hexdigest(), True),
        (sha256(b"fred:other").hexdigest(), False),
        (sha256(b"barney:s3cret").hexdigest(), False),
        ("", False),
        (None, False),
    ],
)
async def test_with_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str | None, right: bool) -> None:
    monkeypatch.setenv(SECRET, "s3cret")
    async with live(tmp_path / "home", legacy_port=0) as hub:
        reply = await raw(hub, action="register", instance_id="fred", auth_token=token)
        assert (reply == BAD_TOKEN) is not right
        assert (b'"message": "Registered fred"' in reply) is right
