"""Where a unit ends in other servers' protocols; and that everybody in the tables exists."""

from __future__ import annotations

import pytest

from benchmarks.aims import AIMS
from benchmarks.peers.nats import Core, Stored
from benchmarks.peers.redis import PubSub, Streams
from benchmarks.works import ALL
from benchmarks.works.start import Hook
from hub.bench.dialect import Dialect, Refused

ENTRY = b"*1\r\n*2\r\n$5\r\nbench\r\n*1\r\n*2\r\n$3\r\n7-0\r\n*2\r\n$1\r\nm\r\n$12\r\n@0000000003@\r\n"


@pytest.mark.parametrize(
    ("dialect", "unit"),
    [
        (Core(), b"MSG bench 1 12\r\n@0000000000@\r\n"),
        (Core(), b"MSG bench 1 _INBOX.x 12\r\n@0000000000@\r\n"),
        (Core(), b"PING\r\n"),
        (PubSub(), b":1000\r\n"),
        (PubSub(), b"*3\r\n$7\r\nmessage\r\n$5\r\nbench\r\n$2\r\nhi\r\n"),
        (PubSub(), b"$-1\r\n"),
        (PubSub(), b"*-1\r\n"),
        (Streams(), ENTRY),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else type(value).__name__,
)
def test_a_unit_ends_where_it_ends_and_not_before(dialect: Dialect, unit: bytes) -> None:
    for cut in range(len(unit)):
        assert dialect.end(unit[:cut], 0) == 0
    assert dialect.end(b"xx" + unit + b"MSG more", 2) == 2 + len(unit)


def test_a_reader_of_a_stream_asks_for_what_comes_after_the_last_entry() -> None:
    streams = Streams()
    streams._topic = "bench"
    assert streams.received(ENTRY).endswith(b"$3\r\n7-0\r\n")


@pytest.mark.parametrize(
    ("dialect", "unit"), [(PubSub(), b"-OOM no room\r\n"), (Stored(), b'MSG x 1 11\r\n{"error":{}}\r\n')]
)
def test_a_publish_that_was_refused_is_not_counted(dialect: Dialect, unit: bytes) -> None:
    with pytest.raises(Refused):
        dialect.confirmed(unit)


def test_every_aim_names_a_work() -> None:
    assert {aim.work for aim in AIMS} <= {work.name for work in ALL} | {Hook.name}
