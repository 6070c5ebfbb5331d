"""Frames against the websockets library, which parses them."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from hub.framing import PING, close_frame, frame, text_frame
from hub.line import Texts


def parsed(data: bytes) -> list[Frame]:
    client = Protocol(Side.CLIENT, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None
    return [event for event in client.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000])
def test_a_text_of_any_size_is_one_frame(size: int) -> None:
    (one,) = parsed(text_frame(b"x" * size))
    assert (one.opcode, one.fin, one.data) == (Opcode.TEXT, True, b"x" * size)


def test_texts_are_framed_one_after_another_and_once() -> None:
    texts = Texts(text.encode() for text in ("a", "ü" * 100, "c" * 70_000))
    assert [bytes(each.data) for each in parsed(texts.framed())] == list(texts)
    assert texts.framed() is texts.framed()


def test_a_ping_is_one() -> None:
    (one,) = parsed(frame(PING, b"1234"))
    assert (one.opcode, one.data) == (Opcode.PING, b"1234")


@pytest.mark.parametrize(("reason", "said"), [("", ""), ("why", "why"), ("ü" * 100, "ü" * 61), ("x" * 200, "x" * 123)])
def test_a_goodbye_has_its_code_and_as_much_of_the_reason_as_there_is_room_for(reason: str, said: str) -> None:
    (one,) = parsed(close_frame(4012, reason))
    assert one.opcode is Opcode.CLOSE
    assert (int.from_bytes(one.data[:2]), bytes(one.data[2:]).decode()) == (4012, said)
