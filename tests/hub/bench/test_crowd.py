"""What makes the figures worth something: a load generator that sees every byte that is missing, doubled or other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.bench import websocket
from hub.bench.crowd import Group, Subscriber, Wrong
from hub.bench.dialect import Dialect
from hub.bench.wire import Wire

PING = b"\x89\x02hi"


class Frames(Dialect):
    """Text frames, and pings between them; every second message is to be acknowledged."""

    received_every = 2

    async def subscriber(self, wire: Wire, number: int, topic: str) -> None: ...

    async def publisher(self, wire: Wire, number: int) -> None: ...

    def message(self, topic: str, body: bytes) -> bytes:
        return body

    def end(self, data: bytes, start: int) -> int:
        return websocket.end(data, start)

    def reply(self, unit: bytes) -> bytes | None:
        return websocket.pong(unit)

    def received(self, unit: bytes) -> bytes:
        return b"had " + unit[-11:-1]


def frame(number: int, filler: bytes = b"") -> bytes:
    payload = filler + b"@%010d@" % number
    return bytes([0x81, len(payload)]) + payload


class Crowd:
    """Some subscribers of one topic, what they have said, and how many messages all of them have."""

    def __init__(self, members: int) -> None:
        self.all_have = 0
        self.group = Group(Frames(), self._complete)
        self.said: list[list[bytes]] = []
        for _ in range(members):
            wire: Any = Wire(lambda why: None)
            self.said.append([])
            wire.send = self.said[-1].append
            Subscriber(wire, self.group)
        self.group.begin(0, 1)

    def _complete(self, count: int) -> None:
        self.all_have += count

    def take(self, member: int, data: bytes) -> None:
        self.group.members[member].take(data)


def test_a_message_is_done_when_all_have_it() -> None:
    crowd = Crowd(3)
    crowd.take(0, frame(0))
    crowd.take(1, frame(0))
    assert crowd.all_have == 0
    crowd.take(2, frame(0))
    assert crowd.all_have == 1


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_it_does_not_matter_how_the_bytes_are_cut_nor_where_pings_stand(data: st.DataObject) -> None:
    crowd = Crowd(3)
    streams = []
    for _ in range(3):
        pings = data.draw(st.lists(st.booleans(), min_size=6, max_size=6))
        streams.append(b"".join((PING if ping else b"") + frame(number) for number, ping in enumerate(pings)))
    while any(streams):
        member = data.draw(st.sampled_from([number for number, left in enumerate(streams) if left]))
        size = data.draw(st.sampled_from([1, 7, 20, 60]))
        crowd.take(member, streams[member][:size])
        streams[member] = streams[member][size:]
    assert crowd.all_have == 6
    assert [member.have for member in crowd.group.members] == [6, 6, 6]


def test_a_ping_is_answered_by_whoever_was_asked() -> None:
    crowd = Crowd(2)
    crowd.take(0, PING)
    assert crowd.said == [[websocket.frame(websocket.PONG, b"hi")], []]


def test_messages_are_acknowledged_as_often_as_the_dialect_says() -> None:
    crowd = Crowd(2)
    for number in range(5):
        for member in range(2):
            crowd.take(member, frame(number))
    assert crowd.said == [[b"had 0000000001", b"had 0000000003"]] * 2


@pytest.mark.parametrize("sent", [[0, 2], [0, 0], [1]], ids=["missing", "twice", "not the first"])
def test_the_first_to_be_sent_something_else_is_noticed(sent: list[int]) -> None:
    crowd = Crowd(1)
    with pytest.raises(Wrong, match="should have come"):
        crowd.take(0, b"".join(map(frame, sent)))


@pytest.mark.parametrize("other", [frame(1), frame(0, b"y"), frame(2)], ids=["missing", "another", "out of order"])
def test_a_later_one_that_is_sent_something_else_is_noticed(other: bytes) -> None:
    crowd = Crowd(2)
    crowd.take(0, frame(0, b"x") + frame(1))
    with pytest.raises(Wrong, match="different things"):
        crowd.take(1, other)


def test_of_several_topics_each_has_its_own_messages_only() -> None:
    crowd = Crowd(1)
    crowd.group.begin(1, 3)
    crowd.take(0, frame(1) + frame(4) + frame(7))
    with pytest.raises(Wrong, match="message 10 should have come, and 8 did"):
        crowd.take(0, frame(8))


async def test_a_wire_keeps_what_comes_before_somebody_takes_it() -> None:
    wire = Wire(lambda why: None)
    taken: list[bytes] = []
    wire.data_received(b"one\r\ntwo")
    async with asyncio.timeout(30):
        assert await wire.until(b"\r\n") == b"one\r\n"
    wire.hand_to(taken.append)
    wire.data_received(b"three")
    assert taken == [b"two", b"three"]
