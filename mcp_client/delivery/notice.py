"""What a hop says: the messages themselves where they are few and short, else that they wait and from whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hub.frames import Gap
from mcp_client import framing
from mcp_client.delivery import piggyback
from mcp_client.inbox import Unread

FEW = 5  # messages that are shown whole
SHORT = 8_000  # characters in all; Claude Code puts a hook's context past 10,000 into a file
ANSWER = "To answer, use Hubbub's tool send with reply_to set to the message's id; not every message wants an answer."


class Notice(NamedTuple):
    """A text for the model. `mark` is random and stands in it, so that it is known where it turns up again.

    `whole`: it has the messages themselves; otherwise it only announces them.
    """

    text: str
    mark: str
    whole: bool


def compose(shown: Sequence[dict[str, Any] | Gap], unread: Unread, *, waiting_before: int = 0) -> Notice:
    """The notice of these messages. `unread` counts all that wait, `waiting_before` those announced earlier:
    while they are unread, new ones are only announced too, so that none is read before an older one.
    """
    bodies = [str(each["body"]) for each in shown if isinstance(each, dict)]
    mark = framing.new_mark([*bodies, *(str(each.get("data")) for each in shown if isinstance(each, dict))])
    if not waiting_before and len(shown) <= FEW:
        text = f"{framing.as_text(shown, mark=mark)}\n\n{ANSWER}\n(Hubbub, {mark})"
        if len(text) <= SHORT:
            return Notice(text, mark, True)
    what = piggyback.line(unread) or "messages are missing (check says which)"
    return Notice(f"Hubbub: {what}.\n(Hubbub, {mark})", mark, False)
