"""The estimate of what agents have read: the rule, that the sums are right, and what a real hub says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import cost
from hub.cost import Bill, tokens
from hub.frames import MessageJson, moment
from hub.message import OVERHEAD, Message
from mcp_client import framing
from mcp_client.shelf import Shelf
from tests.hub.live import live


def a_message(
    offset: int, topic: str, origin: int, body: str = "", data: int = 0, thread: str | None = None
) -> Message:
    return Message(
        offset=offset, id=f"0198a7c2-{offset:012}", sender=f"agent-{origin}", origin=origin, to=f"#{topic}",
        topic=topic, body=body, at=float(offset), size=len(body.encode()) + data + OVERHEAD, data=None, thread=thread,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "data", "expected"),
    [
        ("", 0, 34),  # the line around it
        ("x" * 400, 0, 134),
        ("é" * 200, 0, 134),  # bytes, not characters
        ("x" * 400, 400, 234),
        ("x" * 10_240, 0, 2_594),
        ("x" * 10_241, 0, 184),  # a file, and its beginning
        ("x" * 400, 50_000, 134),  # data in a file, of which nothing is shown
        ("x" * 50_000, 50_000, 184),
    ],
)
def test_tokens_follow_from_bytes(body: str, data: int, expected: int) -> None:
    assert tokens(a_message(1, "a", 1, body, data)) == expected


def test_the_rule_is_what_the_client_shows(tmp_path: Path) -> None:
    assert (cost.LONG, cost.BEGINNING) == (framing.LONG, framing.PREVIEW)
    said = [
        a_message(7, "review", 4, "Reviewed. One remark: hash the address.", thread="release-2.4") for _ in range(3)
    ]
    told = [
        framing.structured(
            MessageJson(
                offset=each.offset, id="0198a7c2-5b1e-7c3a-9d55-1f0e8a7c2b11", from_=each.sender, to=each.to,
                topic=each.topic, thread=each.thread, reply_to=None, body=each.body, data=None, at=moment(each.at),
                attachments=None,
            ),
            "epoch",
            Shelf(tmp_path),
        )
        for each in said
    ]  # fmt: skip
    shown = len(framing.as_text(told).encode()) / cost.BYTES_PER_TOKEN
    assert sum(map(tokens, said)) == pytest.approx(shown, rel=0.25)


TOPICS = ("all", "build", "inbox.bob")


@given(
    said=st.lists(st.tuples(st.sampled_from(TOPICS), st.integers(1, 4), st.integers(0, 99), st.sampled_from("xyz"))),
    heard=st.lists(st.tuples(st.integers(1, 4), st.sampled_from(TOPICS), st.integers(0, 30), st.integers(0, 30))),
)
def test_the_sums_are_those_of_counting_one_by_one(said: Any, heard: Any) -> None:
    messages = [
        a_message(offset, topic, origin, "w" * length, thread=thread)
        for offset, (topic, origin, length, thread) in enumerate(said, 1)
    ]
    bill = Bill()
    for message in messages:
        bill.add(message)
    spans: dict[int, dict[str, tuple[str, int, int]]] = {}
    for origin, topic, after, upto in heard:
        spans.setdefault(origin, {})[topic] = (topic, after, upto)  # a topic once, as the registry gives them
    read: dict[int, list[int]] = {}
    by_thread = {message.thread: 0 for message in messages}
    for origin, each in spans.items():
        bill.read(origin, f"agent-{origin}", list(each.values()))
        read[origin] = [
            tokens(message)
            for message in messages
            if message.topic in each
            and each[message.topic][1] < message.offset <= each[message.topic][2]
            and (message.origin != origin or message.topic.startswith("inbox."))
        ]
        for message in messages:
            if message.topic in each and each[message.topic][1] < message.offset <= each[message.topic][2]:
                own = message.origin == origin and not message.topic.startswith("inbox.")
                by_thread[message.thread] += 0 if own else tokens(message)
    for origin, worth in read.items():
        share = bill.shares[origin]
        assert (share.read, share.messages_read) == (sum(worth), len(worth))
    assert {thread: each.read for thread, each in bill.threads().items()} == by_thread
    assert sum(each.written for each in bill.shares.values()) == sum(map(tokens, messages))


async def test_a_hub_tells_who_has_read_how_much(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub, hub.session("alice") as alice, hub.session("bob") as bob:
        first = await alice.publish("bob", "x" * 400, thread="release")
        await alice.publish("bob", "y" * 400, thread="release")
        await hub.request("POST", "/api/v1/read", {"as": "bob", "offset": first["offset"]})
        told = (await hub.request("GET", "/api/v1/cost")).json()
        agents = {each["name"]: each for each in told["agents"]}
        assert (agents["bob"]["read"], agents["bob"]["messages_read"]) == (134, 1)
        assert (agents["alice"]["written"], agents["alice"]["read"]) == (268, 0)
        (thread,) = told["threads"]
        assert (thread["thread"], thread["read"], thread["written"], thread["names"]) == (
            "release",
            134,
            268,
            ["alice"],
        )
        assert (told["read"], told["estimate"], told["window"]["messages"]) == (134, True, 2)
        assert told["window"]["whole"] is True
        assert bob.welcome["name"] == "bob"


async def test_what_one_has_read_that_nobody_knows_is_in_no_sum(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub, hub.session("alice") as alice, hub.session("bob"):
        await alice.publish("bob", "x" * 400, thread="release")
        node = hub.app.node
        bob = node.hub.registry.find("bob")
        assert bob is not None
        then = SimpleNamespace(hub=node.hub, unsure=frozenset({bob.origin}), now=node.now)
        told = await cost.cost(then, node.hub.window.newest(100))  # type: ignore[arg-type]
        shares = {each.name: (each.read, each.messages_read) for each in told["agents"]}
        assert shares == {"alice": (0, 0), "bob": (None, None)}
        assert (told["read"], told["threads"][0]["read"], told["without_thread"]["read"]) == (None, None, None)
        assert told["written"] == told["threads"][0]["written"] == 134


async def test_an_empty_hub_costs_nothing(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub:
        told = (await hub.request("GET", "/api/v1/cost")).json()
        assert (told["read"], told["agents"], told["threads"]) == (0, [], [])
        assert told["without_thread"]["last_at"] is None


async def test_the_cost_is_for_those_who_may_observe(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub:
        made = await hub.request("POST", "/api/v1/tokens", {"name": "bob", "scopes": ["publish"]})
        headers = {"Authorization": f"Bearer {made.json()['token']}"}
        assert (await hub.request("GET", "/api/v1/cost", headers=headers)).status_code == 403
