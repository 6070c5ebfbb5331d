from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from hub.doctor import bridge
from tests.hub.live import live


@pytest.mark.parametrize(
    ("hubs", "ours", "mode", "code"),
    [
        ("", "", "open", None),
        ("", "right", "open", "secret_unused"),
        ("right", "right", "secure", None),
        ("right", "wrong", "secure", "secret_differs"),
        ("right", "", "secure", "secret_missing"),
    ],
)
async def test_the_secret_is_compared_without_being_shown_or_anybody_registered(
    user: Path, monkeypatch: pytest.MonkeyPatch, hubs: str, ours: str, mode: str, code: str | None
) -> None:
    monkeypatch.setenv("IPC_SHARED_SECRET", hubs)
    async with live(user / "hubbub", legacy_port=0) as hub:
        monkeypatch.setenv("IPC_SHARED_SECRET", ours)
        told = (await hub.request("GET", "/api/v1/status")).json()
        assert told["legacy"]["mode"] == mode
        (found,) = await asyncio.to_thread(lambda: list(bridge.examine(told["legacy"])))
        assert found.code == code
        assert not hub.app.node.hub.registry.instances
        for secret in ("right", "wrong"):
            assert secret not in f"{found.message} {found.command}".split()


@pytest.mark.parametrize(("secret", "codes"), [("", []), ("x", ["bridge_closed"])])
def test_a_secret_without_a_bridge_is_said_to_be_of_no_use(
    user: Path, monkeypatch: pytest.MonkeyPatch, secret: str, codes: list[str]
) -> None:
    monkeypatch.setenv("IPC_SHARED_SECRET", secret)
    assert [each.code for each in bridge.examine(None)] == codes


def test_a_bridge_that_does_not_answer_is_named(user: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        told: dict[str, Any] = {"port": gone.getsockname()[1], "mode": "open"}
    (found,) = bridge.examine(told)
    assert (found.state, found.code) == ("broken", "bridge_deaf")
