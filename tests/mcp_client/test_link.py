from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hub import frames, request
from hub.errors import BadName, HubbubError, ShuttingDown, TakenOver, Unauthorized, Unreachable
from mcp_client.bell import Bell
from mcp_client.finder import Finder, Ways
from mcp_client.link import Link
from tests.hub.scripted_hub import BOUND, TOKEN, ScriptedHub, scripted_hub


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    async with scripted_hub() as hub:
        yield hub


class Links:
    """Makes links and closes them; notes what they asked of whoever finds the hub."""

    def __init__(self, hub: ScriptedHub) -> None:
        self.hub = hub
        self.asked: list[bool] = []
        self.fail: HubbubError | None = None
        self._made: list[Link] = []

    def start(self, name: str = "alice", **settings: Any) -> Link:
        link = Link(name, self._find, random=lambda: 0.0, patience=BOUND, **settings)
        link.start()
        self._made.append(link)
        return link

    async def _find(self, start: bool) -> request.Place:
        self.asked.append(start)
        if self.fail is not None:
            raise self.fail
        return request.Place(self.hub.url, TOKEN)

    async def close(self) -> None:
        for link in self._made:
            await link.close()


@pytest.fixture
async def links(hub: ScriptedHub) -> AsyncIterator[Links]:
    made = Links(hub)
    yield made
    await made.close()


async def until(link: Link, true: Any) -> None:
    async with asyncio.timeout(BOUND):
        await link.bell.until(true, None)


# Names


async def test_a_name_in_use_gets_a_number_and_the_model_is_told_once(hub: ScriptedHub, links: Links) -> None:
    first = links.start()
    await first.hub()
    second, third = links.start(), links.start()
    await second.hub()
    await third.hub()
    assert {link.name for link in (first, second, third)} == {"alice", "alice-2", "alice-3"}
    assert first.notice is None
    assert second.notice is not None
    assert second.name in second.notice


async def test_a_number_that_is_free_again_is_used_again(hub: ScriptedHub, links: Links) -> None:
    await links.start().hub()
    second = links.start()
    await second.hub()
    await second.close()
    await hub.until(lambda: len(hub.lines) == 1)
    again = links.start()
    await again.hub()
    assert again.name == "alice-2"


async def test_after_a_rename_a_break_does_not_bring_the_old_name_back(hub: ScriptedHub, links: Links) -> None:
    link = links.start()
    await link.hub()
    await link.rename("fred")
    await hub.drop("fred")
    await until(link, lambda: not link.online)
    await link.hub()
    assert [line.name() for line in hub.lines] == ["fred"]


async def test_a_bad_name_is_final_until_another_is_registered(hub: ScriptedHub, links: Links) -> None:
    hub.refuse["hello"] = BadName("That is no name.")
    link = links.start("alice")
    with pytest.raises(BadName, match="register"):
        await link.hub()
    hub.refuse.clear()
    assert await link.register("fred") == "fred"
    assert (await link.hub()).name == "fred"


async def test_who_was_taken_over_stays_away_until_it_registers(hub: ScriptedHub, links: Links) -> None:
    link = links.start()
    await link.hub()
    await hub.drop("alice", error=TakenOver("Somebody took alice over."))
    await until(link, lambda: isinstance(link.trouble, TakenOver))
    with pytest.raises(TakenOver, match="Call register with another name"):
        await link.hub()
    assert len(hub.heard(frames.Hello)) == 1
    assert await link.register("alice-too") == "alice-too"


# Finding the hub


async def test_a_hub_that_was_lost_is_started_again(hub: ScriptedHub, links: Links) -> None:
    link = links.start()
    await link.hub()
    await hub.drop("alice")
    await until(link, lambda: not link.online)
    await link.hub()
    assert all(links.asked)


async def test_a_hub_that_said_goodbye_is_only_looked_for_until_a_tool_needs_it(hub: ScriptedHub, links: Links) -> None:
    link = links.start()
    await link.hub()
    links.asked.clear()
    links.fail = Unreachable("No hub runs.")
    await hub.drop("alice", error=ShuttingDown("Going away."))
    await until(link, lambda: len(links.asked) >= 3)
    assert not any(links.asked)
    needing = asyncio.create_task(link.hub())
    await until(link, lambda: links.asked[-1])
    links.fail = None
    assert (await needing).name == "alice"


async def test_a_token_that_was_replaced_is_looked_up_again(hub: ScriptedHub, links: Links) -> None:
    link = links.start()
    await link.hub()
    hub.turn_away = Unauthorized("The token was replaced.")
    await hub.drop("alice")
    await until(link, lambda: isinstance(link.trouble, Unauthorized))
    hub.turn_away = None
    assert (await link.hub()).name == "alice"


async def test_another_database_keeps_what_is_here_and_begins_a_new_numbering(hub: ScriptedHub, links: Links) -> None:
    link = links.start()
    await link.hub()
    await hub.tell("alice", "of the old")
    await until(link, lambda: link.inbox.unread().messages == 1)
    await hub.another_database()
    await hub.drop("alice")
    await hub.tell("alice", "of the new")
    await until(link, lambda: link.inbox.unread().messages == 2)
    link.inbox.take("a", 9)
    link.handed("a")
    await hub.until(lambda: hub.people["alice"].read == 1)


async def test_leaving_says_what_was_read(hub: ScriptedHub, links: Links) -> None:
    link = links.start()
    await link.hub()
    await hub.tell("alice", "one")
    await until(link, lambda: link.inbox.unread().messages == 1)
    link.inbox.take("a", 9)
    link.handed("a")
    await link.close()
    assert hub.people["alice"].read == 1


def bug(*_: Any) -> Any:
    raise KeyError("a planted bug")


async def test_a_link_that_meets_a_bug_begins_anew_and_misses_nothing(
    hub: ScriptedHub, links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = links.start()
    await link.hub()
    troubles: list[HubbubError] = []
    rest = link._rest

    async def noting(why: HubbubError) -> None:
        troubles.append(why)
        await rest(why)

    monkeypatch.setattr(link, "_rest", noting)
    monkeypatch.setattr(link.inbox, "put", bug)  # of this connection's inbox only
    await hub.tell("alice", "one")
    await until(link, lambda: link.inbox.unread().messages == 1)
    assert "a planted bug" in str(troubles[0])
    assert [item.body for item in link.inbox.take("a", 9) if isinstance(item, frames.Message)] == ["one"]


async def test_a_read_that_could_not_be_told_is_in_the_log(
    hub: ScriptedHub, links: Links, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    link = links.start()
    client = await link.hub()
    await hub.tell("alice", "one")
    await until(link, lambda: link.inbox.unread().messages == 1)
    monkeypatch.setattr(client, "_ask", bug)
    link.inbox.take("a", 9)
    link.handed("a")
    async with asyncio.timeout(BOUND):
        while "the hub was not told what was read" not in caplog.text:
            await asyncio.sleep(0)


@pytest.mark.parametrize("crash", ["before the result", "after the result", "in the tool"])
async def test_a_crash_between_push_tool_and_read_loses_nothing(hub: ScriptedHub, links: Links, crash: str) -> None:
    seen: list[str] = []
    for number in range(50):
        await hub.tell("alice", f"m{number}")
        link = links.start()
        await link.hub()
        await until(link, lambda link=link: link.inbox.has_news())
        shown = [item.body for item in link.inbox.take("a", 3) if isinstance(item, frames.Message)]
        if crash == "in the tool":
            link.give_back("a")
        elif crash == "after the result":
            link.handed("a")
            seen += shown
            if number % 2:  # at times the hub learns of it before the crash, at times not
                await hub.until(lambda link=link: hub.people["alice"].read == link.inbox.read)
        life, link._life = link._life, None
        assert life
        life.cancel()
        hub_client, link._hub = link._hub, None
        assert hub_client
        assert hub_client._socket
        hub_client._socket.transport.abort()
        await hub_client.close()
        await hub.until(lambda: not hub.lines)
    link = links.start()
    await link.hub()
    read = hub.people["alice"].read
    await until(link, lambda: link.inbox.unread().messages == 50 - read)
    rest = [item.body for item in link.inbox.take("z", 99) if isinstance(item, frames.Message)]
    assert set(seen) | set(rest) == {f"m{number}" for number in range(50)}
    assert rest == [f"m{number}" for number in range(read, 50)]
    assert (read > 0) is (crash == "after the result")


# What it stands on


class Place(NamedTuple):
    url: str = "ws://127.0.0.1:1/ws"
    token: str | None = None
    tls_cert: Path | None = None


async def test_looking_for_the_hub_begins_before_the_loop_asks() -> None:
    begun = threading.Event()

    def ensure() -> Place:
        begun.set()
        return Place("ws://127.0.0.1:2/ws")

    finder = Finder(Ways(ensure, Place))
    finder.begin()
    assert await asyncio.to_thread(begun.wait, BOUND)
    assert await finder(False) == ("ws://127.0.0.1:2/ws", None, None)
    assert await finder(False) == ("ws://127.0.0.1:1/ws", None, None)


@pytest.mark.parametrize("start", [True, False])
async def test_a_hub_is_started_only_where_that_is_wanted(start: bool) -> None:
    asked: list[str] = []

    def ensure() -> Place:
        asked.append("ensure")
        return Place()

    def locate() -> Place:
        asked.append("locate")
        return Place()

    await Finder(Ways(ensure, locate))(start)
    assert asked == ["ensure" if start else "locate"]


@pytest.mark.parametrize(
    ("why", "kind"), [(Unauthorized("The token file is empty."), Unauthorized), (OSError("disk"), Unreachable)]
)
async def test_what_goes_wrong_while_looking_is_a_typed_error(why: Exception, kind: type[HubbubError]) -> None:
    def fail() -> Place:
        raise why

    with pytest.raises(kind):
        await Finder(Ways(fail, fail))(True)


async def test_no_hub_is_unreachable_with_the_command_that_helps() -> None:
    with pytest.raises(Unreachable, match="hubbub start"):
        await Finder(Ways(Place, lambda: None))(False)


async def test_the_bell_wakes_all_who_wait_and_only_for_what_is_true() -> None:
    bell, things = Bell(), []
    waiting = [asyncio.create_task(bell.until(lambda wanted=wanted: len(things) >= wanted, BOUND)) for wanted in (1, 2)]
    await asyncio.sleep(0)
    things.append(1)
    bell.ring()
    assert await waiting[0]
    assert not waiting[1].done()
    things.append(2)
    bell.ring()
    assert await waiting[1]
    assert not await bell.until(lambda: False, 0.01)
    assert bell._waiting == []
