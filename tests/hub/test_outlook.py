"""What a sender is told to expect."""

from __future__ import annotations

import pytest

from hub.outlook import outlook


@pytest.mark.parametrize(
    ("online", "activity", "wakes", "says"),
    [
        (False, None, None, "is offline and gets it on coming back"),
        (False, "idle", True, "is offline and gets it on coming back"),
        (True, None, None, "is online"),
        (True, "working", None, "is working"),
        (True, "waiting", False, "waits for messages and has it at once"),
        (True, "idle", True, "is idle; the message wakes it"),
        (True, "working", True, "is working and is told of it before its turn ends"),
        (True, None, True, "is online; the message wakes it"),
        (True, None, False, "is online, but nothing wakes it: it sees the message when it next calls a tool"),
        (True, "idle", False, "is idle, but nothing wakes it: it sees the message when it next calls a tool"),
        (True, "working", False, "is working, but nothing wakes it: it sees the message when it next calls a tool"),
    ],
)
def test_the_sentence_says_whether_it_is_there_and_whether_it_is_woken(
    online: bool, activity: str | None, wakes: bool | None, says: str
) -> None:
    assert outlook(online=online, activity=activity, wakes=wakes) == says
