"""What is decided without a socket: how long to wait, and whether to try again at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import errors
from hub.errors import (
    NameTaken,
    ShuttingDown,
    TakenOver,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from hub.reconnect import Backoff, from_close, from_http, lasting, typed


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=30))
def test_waits_grow_exponentially_with_full_jitter_up_to_the_cap(draws: list[float]) -> None:
    numbers = iter(draws)
    backoff = Backoff(lambda: next(numbers), first=0.1, cap=5.0)
    for attempt, draw in enumerate(draws):
        assert backoff.next() == pytest.approx(draw * min(5.0, 0.1 * 2**attempt))


def test_a_good_connection_makes_the_waits_short_again() -> None:
    backoff = Backoff(lambda: 1.0, first=0.1, cap=5.0)
    assert [round(backoff.next(), 1) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    backoff.reset()
    assert backoff.next() == 0.1


@pytest.mark.parametrize("kind", errors.tree())
def test_an_error_frame_becomes_the_class_that_the_hub_raised(kind: type[errors.HubbubError]) -> None:
    why = typed(kind.code, "what happened", "what helps")
    assert type(why) is kind
    assert (why.message, why.hint) == ("what happened", "what helps")


def test_a_code_of_a_newer_hub_keeps_its_text() -> None:
    assert typed("of_tomorrow", "something new", None).message == "something new"


@pytest.mark.parametrize(
    ("code", "kind", "final"),
    [
        (None, Unavailable, False),
        (1000, Unavailable, False),
        (1001, Unavailable, False),
        (1006, Unavailable, False),
        (1009, Unavailable, False),
        (4002, ShuttingDown, False),
        (4012, errors.SlowReader, False),
        (4499, errors.HubbubError, False),
        (4511, Unauthorized, True),
        (4513, NameTaken, True),
        (4514, TakenOver, True),
        (4999, errors.HubbubError, True),
    ],
)
def test_a_close_code_says_what_happened_and_whether_to_try_again(
    code: int | None, kind: type[errors.HubbubError], final: bool
) -> None:
    why = from_close(code, "")
    assert type(why) is kind
    assert lasting(why, code if code is not None else 1006) is final


@pytest.mark.parametrize(
    ("status", "body", "kind", "final"),
    [
        (401, b'{"code":"unauthorized","message":"no token","hint":null}', Unauthorized, True),
        (401, b"no json", Unauthorized, True),
        (403, b'{"code":"origin_refused","message":"no","hint":null}', errors.OriginRefused, True),
        (421, b"", errors.HostRefused, True),
        (429, b"", errors.TooMany, False),
        (503, b"", Unavailable, False),
        (404, b"<html>", Unreachable, False),
        (200, b"\xff", Unreachable, False),
    ],
)
def test_a_refused_handshake_is_a_typed_error(
    status: int, body: bytes, kind: type[errors.HubbubError], final: bool
) -> None:
    why = from_http(status, body)
    assert type(why) is kind
    assert lasting(why) is final
