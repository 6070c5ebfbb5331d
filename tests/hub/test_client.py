from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from websockets.utils import accept_key

from hub import errors, frames, wire
from hub.client import Client, connect
from hub.errors import (
    BadValue,
    Forbidden,
    HubbubError,
    InboxFull,
    ShuttingDown,
    StorageFailed,
    TakenOver,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnknownMessage,
    Unreachable,
)
from hub.request import Place
from tests.hub.live import live
from tests.hub.scripted_hub import BOUND, TOKEN, ScriptedHub, scripted_hub


async def at_once(_: float) -> None:
    await asyncio.sleep(0)


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    async with scripted_hub() as hub:
        yield hub


def client(hub: ScriptedHub, name: str | None = "alice", **settings: Any) -> Client:
    return connect(hub.url, TOKEN, name, sleep=at_once, **settings)


async def take(alice: Client, count: int) -> list[str]:
    async with asyncio.timeout(BOUND):
        bodies: list[str] = []
        async for message in alice:
            bodies.append(message.body)
            if len(bodies) == count:
                break
        return bodies


class States:
    """Notes each state, and waits for one."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self.errors: list[Exception | None] = []
        self._changed = asyncio.Event()

    def __call__(self, state: str, error: Exception | None) -> None:
        self.all.append(state)
        self.errors.append(error)
        self._changed.set()

    async def reach(self, state: str, times: int = 1) -> None:
        async with asyncio.timeout(BOUND):
            while self.all.count(state) < times:
                self._changed.clear()
                await self._changed.wait()


# Messages


async def test_messages_come_in_order_and_are_confirmed_as_they_are_consumed(hub: ScriptedHub) -> None:
    async with client(hub, credit=3) as alice:
        for number in range(10):
            await hub.tell("alice", f"m{number}")
        assert await take(alice, 10) == [f"m{number}" for number in range(10)]
        await hub.until(lambda: any(frame.offset >= 9 for frame in hub.heard(frames.Received)))
    assert hub.most_outstanding <= 3


async def test_what_is_not_consumed_is_not_sent_beyond_the_credit(hub: ScriptedHub) -> None:
    for number in range(20):
        await hub.tell("alice", f"m{number}")
    async with client(hub, credit=5) as alice:
        await hub.until(lambda: hub.pushed == 5)
        await alice.instances()  # the hub has had time to send more, had it meant to
        assert hub.pushed == 5
        assert await take(alice, 20) == [f"m{number}" for number in range(20)]


async def test_a_gap_is_in_its_place_among_the_events(hub: ScriptedHub) -> None:
    async with client(hub) as alice:
        await hub.tell("alice", "before")
        await hub.until(lambda: hub.pushed == 1)
        await hub.say("alice", frames.Gap(from_=2, to=9))
        hub.log.extend(hub.log[:1] * 8)  # offsets 2 to 9 are taken
        for line in hub.lines:
            line.position = 9
        await hub.tell("alice", "after")
        seen = []
        async with asyncio.timeout(BOUND):
            async for event in alice.events():
                seen.append(event)
                if isinstance(event, frames.Message) and event.body == "after":
                    break
        kinds = [type(event).__name__ for event in seen]
        assert kinds == ["Welcome", "Message", "Gap", "Message"]
        assert alice.gaps == 1


async def test_how_far_another_session_has_read_is_an_event(hub: ScriptedHub) -> None:
    async with client(hub) as alice:
        await hub.say("alice", frames.Read(offset=7))
        async with asyncio.timeout(BOUND):
            async for event in alice.events():
                if isinstance(event, frames.Read):
                    assert event.offset == 7
                    break


async def test_a_frame_that_only_a_newer_hub_knows_is_passed_over(hub: ScriptedHub) -> None:
    async with client(hub) as alice:
        await hub.say("alice", b'{"type":"of_tomorrow","offset":1}')
        await hub.tell("alice", "after it")
        assert await take(alice, 1) == ["after it"]
        assert alice.state == "online"


async def test_iterating_ends_when_the_client_is_closed(hub: ScriptedHub) -> None:
    alice = await client(hub).start()
    rest = asyncio.create_task(take(alice, 1))
    await asyncio.sleep(0)
    await alice.close()
    async with asyncio.timeout(BOUND):
        assert await rest == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("x", id="one byte"),
        pytest.param("é" * 2**19, id="1 MiB of UTF-8"),
        pytest.param("\x01" * 2**20, id="1 MiB that JSON writes as six"),
        pytest.param("a\u2028b\ud7ff\U0010ffff\x00", id="odd characters"),
    ],
)
async def test_a_body_arrives_whole(hub: ScriptedHub, body: str) -> None:
    async with client(hub) as alice, client(hub, "bob") as bob:
        await bob.publish("alice", body)
        async with asyncio.timeout(BOUND):
            async for message in alice:
                assert message.body == body
                break


# Requests


async def test_a_publish_resolves_with_the_offset_and_always_has_an_id(hub: ScriptedHub) -> None:
    async with client(hub) as alice:
        published = await alice.publish("nobody", "hi", thread="t", reply_to="r", ttl=60)
    (said,) = hub.heard(frames.Publish)
    assert (published.offset, published.id, said.thread, said.reply_to, said.ttl) == (1, said.id, "t", "r", 60)
    assert said.id.count("-") == 4
    assert not published.to[0].known


async def test_the_hubs_refusal_of_a_publish_is_its_typed_error(hub: ScriptedHub) -> None:
    hub.refuse["publish"] = InboxFull("alice's inbox is full.", "Wait.")
    async with client(hub, "bob") as bob:
        with pytest.raises(InboxFull, match="inbox is full"):
            await bob.publish("alice", "hi")


async def test_a_message_over_the_limit_is_not_even_sent(hub: ScriptedHub) -> None:
    hub.max_body = 10
    async with client(hub) as alice:
        await alice.publish("bob", "0123456789")
        with pytest.raises(TooLarge, match="11 bytes"):
            await alice.publish("bob", "01234567890")
    assert len(hub.heard(frames.Publish)) == 1


@pytest.mark.parametrize(
    ("body", "data"), [("\ud800", None), ("hi", object()), ("hi", {1.5: object()})], ids=["surrogate", "object", "key"]
)
async def test_what_json_cannot_say_is_a_typed_error_and_breaks_nothing(hub: ScriptedHub, body: str, data: Any) -> None:
    async with client(hub) as alice:
        with pytest.raises(BadValue, match="JSON"):
            await alice.publish("bob", body, data)
        assert (await alice.publish("bob", "still here")).offset == 1


async def test_every_request_has_its_answer(hub: ScriptedHub) -> None:
    async with client(hub) as alice:
        published = await alice.publish("bob", "find me")
        await alice.publish("bob", "and me")
        assert await alice.subscribe("build.*") == ["build.*"]
        assert await alice.subscribe("deploy") == ["build.*", "deploy"]
        assert await alice.subscriptions() == ["build.*", "deploy"]
        assert await alice.unsubscribe("deploy") == ["build.*"]
        assert [each["name"] for each in await alice.instances()] == ["alice"]
        page = await alice.history(search="find", limit=1)
        assert [message.body for message in page.messages] == ["find me"]
        assert not page.more
        assert (await alice.history(limit=1)).more
        page = await alice.history(from_="alice", to="bob", since=datetime(2020, 1, 1, tzinfo=UTC), after=0, limit=1)
        assert ([message.body for message in page.messages], page.more) == (["find me"], True)
        assert (await alice.history(until=datetime(2020, 1, 1, tzinfo=UTC))).messages == []
        with pytest.raises(ValueError, match="time zone"):
            await alice.history(since=datetime(2020, 1, 1))
        assert (await alice.status())["head"] == 2
        where = await alice.whereabouts(published.id)
        assert (where.message.body, where.ladder[0].state) == ("find me", "received")
        with pytest.raises(UnknownMessage):
            await alice.whereabouts("nothing")
        await alice.read(2)
    assert hub.people["alice"].read == 2


async def test_a_hub_that_never_answers_is_given_up_at_the_limit(hub: ScriptedHub) -> None:
    hub.swallow.add("publish")
    async with client(hub, limit=0.05) as alice:
        with pytest.raises(Unreachable, match="its id is the-id"):
            await alice.publish("bob", "hi", id="the-id")


async def test_an_answer_that_does_not_fit_the_request_is_an_error_and_not_a_hang(hub: ScriptedHub) -> None:
    hub.swallow.add("publish")
    async with client(hub) as alice:
        publishing = asyncio.create_task(alice.publish("bob", "hi"))
        (said,) = await hub.saw(frames.Publish)
        await hub.say("alice", frames.Reply(ref=said.ref))
        with pytest.raises(errors.BadFrame):
            await publishing


# Breaks


async def test_after_a_break_the_client_resumes_and_nothing_is_lost_or_doubled(hub: ScriptedHub) -> None:
    states = States()
    async with client(hub, on_state=states) as alice:
        await hub.tell("alice", "one")
        assert await take(alice, 1) == ["one"]
        await hub.drop("alice")
        await hub.tell("alice", "two")
        assert await take(alice, 1) == ["two"]
        first, second = hub.heard(frames.Hello)
        assert (first.resume, first.session) == (None, None)
        assert (second.resume, second.epoch, second.session) == (1, "epoch-1", "secret-1")
    assert states.all == ["connecting", "online", "offline", "connecting", "online", "closed"]


async def test_an_observer_that_saw_nothing_before_the_break_is_not_told_all_that_ever_was(hub: ScriptedHub) -> None:
    states = States()
    await hub.tell("alice", "long ago")
    async with client(hub, None, observe=True, on_state=states) as eye:
        await hub.drop(None)
        await states.reach("online", 2)
        await hub.tell("alice", "news")
        assert await take(eye, 1) == ["news"]
    assert hub.heard(frames.Hello)[1].resume == 1


async def test_messages_that_were_here_before_are_dropped_and_free_their_credit(hub: ScriptedHub) -> None:
    states = States()
    async with client(hub, credit=2, on_state=states) as alice:
        for body in ("one", "two"):
            await hub.tell("alice", body)
        assert await take(alice, 2) == ["one", "two"]
        hub.forgets_resume = True  # so it begins after what was read: with "one"
        await hub.drop("alice")
        await states.reach("online", 2)
        for body in ("three", "four", "five"):
            await hub.tell("alice", body)
        assert await take(alice, 3) == ["three", "four", "five"]
        assert hub.pushed == 7


async def test_a_publish_cut_off_before_its_answer_is_sent_again_and_stored_once(hub: ScriptedHub) -> None:
    async with client(hub, "bob") as bob:
        hub.swallow.add("publish")
        publishing = asyncio.create_task(bob.publish("alice", "once"))
        (said,) = await hub.saw(frames.Publish)
        hub._commit("bob", said)  # it was stored; only the answer was lost
        hub.swallow.clear()
        await hub.drop("bob")
        async with asyncio.timeout(BOUND):
            published = await publishing
    assert (published.id, published.offset) == (said.id, 1)
    assert [message.body for message in hub.log] == ["once"]
    assert len(hub.heard(frames.Publish)) == 2


async def test_publishes_made_while_offline_go_out_in_order(hub: ScriptedHub) -> None:
    states = States()
    async with client(hub, "bob", on_state=states) as bob:
        await hub.stop()
        await states.reach("offline")
        publishing = [asyncio.create_task(bob.publish("alice", f"m{number}")) for number in range(5)]
        await asyncio.sleep(0)
        await hub.start()
        async with asyncio.timeout(BOUND):
            offsets = [(await each).offset for each in publishing]
    assert offsets == [1, 2, 3, 4, 5]
    assert [message.body for message in hub.log] == [f"m{number}" for number in range(5)]


async def test_what_a_hub_that_goes_away_refuses_is_asked_of_the_next(hub: ScriptedHub) -> None:
    async with client(hub, "bob") as bob:
        hub.refuse["publish"] = ShuttingDown("Going away.")
        publishing = asyncio.create_task(bob.publish("alice", "hi"))
        await hub.saw(frames.Publish)
        await asyncio.sleep(0)
        hub.refuse.clear()
        await hub.drop("bob", code=4002)
        async with asyncio.timeout(BOUND):
            assert (await publishing).offset == 1


async def test_a_failed_write_is_said_and_not_retried_in_secret(hub: ScriptedHub) -> None:
    hub.refuse["publish"] = StorageFailed("The disk is full.")
    async with client(hub, "bob") as bob:
        with pytest.raises(StorageFailed):
            await bob.publish("alice", "hi")


@pytest.mark.parametrize(
    "why", [Unauthorized("The token was replaced."), TakenOver("Somebody took the name."), Forbidden("No.")]
)
async def test_where_trying_again_cannot_help_everybody_who_waits_is_told(
    hub: ScriptedHub, why: errors.HubbubError
) -> None:
    states = States()
    hub.swallow.add("publish")
    async with client(hub, on_state=states) as alice:
        waiting = [asyncio.create_task(alice.publish("bob", "hi")), asyncio.create_task(take(alice, 1))]
        await hub.saw(frames.Publish)
        await hub.drop("alice", error=why)
        async with asyncio.timeout(BOUND):
            for each in waiting:
                with pytest.raises(type(why), match=why.message):
                    await each
        assert alice.state == "closed"
        with pytest.raises(type(why)):
            await alice.instances()
    assert len(hub.heard(frames.Hello)) == 1


async def test_a_token_that_no_longer_holds_ends_the_reconnecting(hub: ScriptedHub) -> None:
    states = States()
    async with client(hub, on_state=states) as alice:
        hub.turn_away = Unauthorized("The token was replaced.", "hubbub doctor")
        await hub.drop("alice")
        await states.reach("closed")
        with pytest.raises(Unauthorized):
            await alice.instances()


async def test_a_hub_that_is_busy_is_asked_until_it_is_not(hub: ScriptedHub) -> None:
    states = States()
    async with client(hub, on_state=states):
        hub.turn_away = Unavailable("Not now.")
        await hub.drop("alice")
        await states.reach("offline", 3)
        hub.turn_away = None
        await states.reach("online", 2)


@pytest.mark.parametrize("part", ["encode", "decode_from_hub"], ids=["while it writes", "while it reads"])
async def test_a_client_that_meets_a_bug_says_so_and_looks_alive_no_longer(
    hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def bug(_: object) -> bytes:
        raise KeyError("a planted bug")

    async with client(hub) as alice:
        with monkeypatch.context() as patch:
            patch.setattr(wire, part, bug)
            if part == "encode":
                alice.received(0)
            else:
                await hub.tell("alice", "to be heard")
            async with asyncio.timeout(BOUND):
                with pytest.raises(HubbubError, match="The client failed: KeyError"):
                    await take(alice, 1)
        with pytest.raises(HubbubError, match="The client failed"):
            await alice.publish("alice", "x")


async def test_the_wait_before_reconnecting_is_drawn_from_the_jitter(hub: ScriptedHub) -> None:
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    states = States()
    draws = random.Random(1)
    async with connect(hub.url, TOKEN, "alice", on_state=states, sleep=note, random=draws.random):
        hub.turn_away = Unavailable("Not now.")
        await hub.drop("alice")
        await states.reach("offline", 9)
    again = random.Random(1)
    for attempt, waited in enumerate(waits):
        assert waited == pytest.approx(again.random() * min(5.0, 0.1 * 2**attempt))


async def test_another_database_starts_a_new_numbering(hub: ScriptedHub) -> None:
    states = States()
    async with client(hub, on_state=states) as alice:
        for body in ("one", "two", "three"):
            await hub.tell("alice", body)
        assert await take(alice, 3) == ["one", "two", "three"]
        hub.swallow.add("read")
        reading = asyncio.create_task(alice.read(3))
        await hub.saw(frames.Read)
        await hub.another_database()
        hub.swallow.clear()
        await hub.drop("alice")
        with pytest.raises(Unavailable, match="another database"):
            await reading
        await hub.tell("alice", "first of the new")
        assert await take(alice, 1) == ["first of the new"]
        assert alice.last == 1
    assert hub.people["alice"].read == 0


async def test_after_a_rename_it_reconnects_under_the_new_name(hub: ScriptedHub) -> None:
    async with client(hub) as alice:
        assert await alice.rename("Alicia") == "Alicia"
        states = States()
        alice._on_state = states
        await hub.drop("Alicia")
        await states.reach("online")
        assert [hello.name for hello in hub.heard(frames.Hello)] == ["alice", "Alicia"]


async def test_a_rename_whose_answer_was_lost_is_seen_in_the_welcome(hub: ScriptedHub) -> None:
    async with client(hub) as alice:
        hub.swallow.add("rename")
        renaming = asyncio.create_task(alice.rename("Alicia"))
        await hub.saw(frames.Rename)
        person = hub.people["alice"]
        person.name = "Alicia"  # it was done, and the old name forwards
        await hub.drop("Alicia")
        async with asyncio.timeout(BOUND):
            assert await renaming == "Alicia"
        assert alice.name == "Alicia"


async def test_taking_over_is_done_once_and_not_at_each_reconnect(hub: ScriptedHub) -> None:
    states = States()
    async with client(hub, take_over=True, on_state=states):
        await hub.drop("alice")
        await states.reach("online", 2)
    assert [hello.take_over for hello in hub.heard(frames.Hello)] == [True, False]


async def test_the_place_of_the_hub_is_asked_for_before_each_attempt(hub: ScriptedHub) -> None:
    asked = 0

    async def locate() -> Place:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise Unreachable("Not found just now.")
        return Place(hub.url, TOKEN)

    states = States()
    async with connect("ws://127.0.0.1:1/ws", None, "alice", locate=locate, on_state=states, sleep=at_once):
        await hub.drop("alice")
        await states.reach("online", 2)
    assert asked == 3


async def test_a_background_read_is_said_again_after_a_break(hub: ScriptedHub) -> None:
    async with client(hub) as alice:
        await hub.tell("alice", "one")
        await take(alice, 1)
        hub.swallow.add("read")
        await alice.read(1, wait=False)
        await hub.saw(frames.Read)
        hub.swallow.clear()
        await hub.drop("alice")
        await hub.until(lambda: hub.people["alice"].read == 1)


async def test_a_later_background_read_stands_for_the_earlier_ones(hub: ScriptedHub) -> None:
    async with client(hub) as alice:
        await hub.tell("alice", "one")
        hub.swallow.add("read")
        for offset in (1, 2, 3):
            await alice.read(offset, wait=False)
        await hub.saw(frames.Read)
        assert len(alice._pending) == 1


async def test_a_silent_peer_is_noticed_by_the_keepalive(hub: ScriptedHub) -> None:
    states = States()
    async with silent_after_welcome() as url:
        alice = Client(url, TOKEN, "alice", keepalive=(0.05, 0.05), on_state=states)
        await alice.start()
        await states.reach("offline")
        assert isinstance(states.errors[states.all.index("offline")], Unavailable)
        await alice.close()


@asynccontextmanager
async def silent_after_welcome() -> AsyncIterator[str]:
    """A hub that says welcome and then not a byte, not even a pong, as when its machine loses power."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = re.search(r"(?i)sec-websocket-key: (\S+)", request)
        assert key
        welcome = frames.Welcome(
            name="alice",
            session="secret",
            epoch="epoch-1",
            head=0,
            floor=1,
            read=0,
            resumed=False,
            unread=0,
            credit=1,
            max_body=1,
            version="1",
        )
        text = wire.encode(welcome)
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: hubbub.v1\r\nSec-WebSocket-Accept: "
            + accept_key(key[1]).encode()
            + b"\r\n\r\n\x81\x7e"
            + len(text).to_bytes(2, "big")
            + text
        )
        await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
    finally:
        over.set()
        server.close()


async def test_what_it_tells_of_its_agent_is_told_again_after_a_break(tmp_path: Path) -> None:
    async with (
        live(tmp_path) as real,
        connect(real.url, real.token, observe=True) as watcher,
        connect(real.url, real.token, "alice", random=lambda: 0.0) as alice,
    ):
        facts = aiter(watcher)

        async def told() -> dict[str, Any]:
            async with asyncio.timeout(BOUND):
                while (fact := await anext(facts)).topic != "$instance.presence":
                    pass
            return dict(fact.data)

        alice.presence(activity="working", hops=["hook"], wakes=False, client="test 1")
        first = await told()
        assert (first["activity"], first["hops"], first["wakes"]) == ("working", ["hook"], False)
        alice.presence(wakes=True, prompted=True)
        second = await told()
        assert second == first | {"wakes": True, "prompted": True}
        alice._socket.transport.abort()  # type: ignore[union-attr]
        third = await told()
        assert third == second | {"prompted": False, "number": third["number"]}, "a prompt is told once"


async def test_a_question_finds_its_answer_over_a_break_and_a_restart_of_the_hub(tmp_path: Path) -> None:
    async with AsyncExitStack() as first, AsyncExitStack() as rest:
        real = await first.enter_async_context(live(tmp_path))
        url, token = real.url, real.token
        bob = await connect(url, token, "bob", random=lambda: 0.0).start()
        consuming = asyncio.create_task(_consume(bob))
        asking = asyncio.create_task(bob.ask("alice", "ready?", thread="release", timeout=BOUND))
        async with connect(url, token, "alice") as alice, asyncio.timeout(BOUND):
            question = await anext(aiter(alice))
        assert (question.body, question.thread) == ("ready?", "release")
        bob._socket.transport.abort()  # type: ignore[union-attr]
        await first.aclose()
        await rest.enter_async_context(live(tmp_path, port=int(url.removesuffix("/ws").rpartition(":")[2])))
        async with connect(url, token, "alice") as alice:
            await alice.publish("bob", "by the way", thread="release")
            await alice.publish("bob", "yes", reply_to=question.id)
            asked, answer = await asking
        assert answer is not None
        assert (answer.body, answer.thread) == ("yes", "release")
        assert (asked.id, asked.to[0].name) == (question.id, "alice")
        _, nothing = await bob.ask("alice", "and now?", timeout=0.05)
        assert nothing is None
        await bob.close()
        await consuming


async def _consume(client: Client) -> None:
    async for _ in client:
        pass
