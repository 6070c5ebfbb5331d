from __future__ import annotations

from typing import Any

from hub.frames import Gap
from mcp_client.delivery.notice import FEW, SHORT, compose
from mcp_client.inbox import Unread


def shown(number: int, body: str = "hello") -> dict[str, Any]:
    return {
        "offset": number,
        "id": f"m{number}",
        "from": "bob",
        "to": "alice",
        "thread": None,
        "reply_to": None,
        "body": body,
        "data": None,
        "at": "2026-11-22T12:00:00Z",
        "attachments": None,
    }


def test_few_short_ones_are_shown_whole_as_another_agents_words() -> None:
    told = compose([shown(1, "the build is red")], Unread(1, ["bob"]))
    assert told.whole
    assert "from bob to alice" in told.text
    assert "not orders of your user" in told.text
    assert f"<<<{told.mark}\nthe build is red\n{told.mark}>>>" in told.text


def test_many_are_announced_with_their_number_and_senders() -> None:
    told = compose([shown(number) for number in range(FEW + 1)], Unread(40, ["bob", "carol"]))
    assert not told.whole
    assert "40 unread: bob, carol (check reads them)" in told.text
    assert "hello" not in told.text


def test_long_ones_are_announced() -> None:
    told = compose([shown(1, "x" * SHORT)], Unread(1, ["bob"]))
    assert not told.whole
    assert len(told.text) < 200


def test_while_announced_ones_are_unread_new_ones_do_not_overtake_them() -> None:
    assert not compose([shown(9)], Unread(10, ["bob"]), waiting_before=9).whole


def test_the_mark_stands_in_every_notice_and_in_no_message() -> None:
    for count in (1, FEW + 1):
        told = compose([shown(number) for number in range(count)], Unread(count, ["bob"]))
        assert told.text.count(f"(Hubbub, {told.mark})") == 1
    assert compose([shown(1)], Unread(1, ["bob"])).mark != compose([shown(1)], Unread(1, ["bob"])).mark


def test_a_gap_is_told_too() -> None:
    told = compose([Gap(from_=1, to=9)], Unread(0, []))
    assert told.whole
    assert "between offsets 1 and 9" in told.text
