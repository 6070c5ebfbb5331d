from __future__ import annotations

import pytest

from hub.bench import websocket
from hub.bench.dialect import Refused


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_the_end_of_a_frame_is_found_once_all_of_it_is_there(size: int) -> None:
    masked = websocket.frame(websocket.BINARY, b"x" * size)
    sent = bytes([masked[0], masked[1] & 0x7F]) + masked[2 : -size - 4 or -4] + b"x" * size  # as a server would
    for missing in (1, 2, size, len(sent)):
        if 0 < missing <= len(sent):
            assert websocket.end(sent[:-missing], 0) == 0
    assert websocket.end(b"before" + sent + b"after", 6) == 6 + len(sent)
    assert websocket.payload(sent) == b"x" * size


def test_a_ping_is_answered_with_what_it_said() -> None:
    assert websocket.pong(b"\x89\x03abc") == b"\x8a\x83\0\0\0\0abc"
    assert websocket.pong(b"\x81\x03abc") is None


def test_a_close_is_not_overlooked() -> None:
    with pytest.raises(Refused, match="closes"):
        websocket.pong(b"\x88\x02\x03\xe8")
