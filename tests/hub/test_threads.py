"""A reply finds its thread."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from hub import threads
from hub.threads import Threads
from tests.hub.core import Core, message
from tests.hub.live import Live


def test_the_newest_messages_are_known_and_an_older_one_has_to_be_looked_up() -> None:
    known = Threads()
    for offset in range(1, threads.KEPT + 2):
        known.note(message(offset, thread="t" if offset % 2 else None))
    assert known.of("id-1") is UNSET
    assert (known.of("id-2"), known.of("id-3")) == (None, "t")
    assert known.of("never said") is UNSET


def test_what_was_in_the_log_before_the_start_is_known_too() -> None:
    assert Core(tail=[message(1, thread="t")]).hub.threads.of("id-1") == "t"


@pytest.mark.parametrize("looked_up", [False, True], ids=["known", "looked up in the log"])
async def test_a_reply_belongs_to_the_thread_of_what_it_answers_however_it_is_sent(hub: Live, looked_up: bool) -> None:
    async with hub.session("alice") as alice, hub.session("bob") as bob:
        asked = await bob.publish("alice", "ready?", thread="release")
        bare = await bob.publish("alice", "by the way")
        if looked_up:
            hub.app.node.hub.threads = Threads()
        await alice.publish("bob", "yes", reply_to=asked["id"])
        assert (await bob.frame("message"))["thread"] == "release"
        said = {"as": "alice", "to": "bob", "body": "quite", "reply_to": asked["id"]}
        assert (await hub.request("POST", "/api/v1/messages", said)).status_code == 201
        assert (await bob.frame("message"))["thread"] == "release"
        await alice.publish("bob", "aside", reply_to=asked["id"], thread="aside")
        assert (await bob.frame("message"))["thread"] == "aside", "a thread that is named is the one"
        for unknown in (bare["id"], "nothing-of-that-id"):
            await alice.publish("bob", "ok", reply_to=unknown)
            assert (await bob.frame("message"))["thread"] is None
