"""What an agent did and when, out of the facts that the log has of it: stretches of working, waiting, idle and gone.

Nothing is stored for this. Presence is told as facts (docs/protocol.md, "Presence"), and one holds until the next.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from msgspec import Struct

from hub import fold
from hub.log import Exchange
from hub.message import Message
from hub.topic import INBOX

UNKNOWN = "unknown"  # before the first fact that is looked at
OFFLINE = "offline"


class Stretch(Struct, kw_only=True):
    """How an agent was from `begun` until `ended`, in seconds since 1970.

    `state` is one of presence's, or `unknown`. While it was `waiting`, `asked` is to whom it last wrote directly, if
    that was unanswered when the wait began: most likely whom it waited for, since nobody tells.
    """

    state: str
    begun: float
    ended: float
    asked: str | None = None


def stretches(
    facts: Iterable[Message], began: float, now: float, *, before: str = UNKNOWN, standing: tuple[str, float]
) -> list[Stretch]:
    """The stretches of one agent between `began` and `now`, the oldest first, without a gap between them.

    `facts` are those about it and about the hub's own life, in the log's order; earlier ones than `began` say how it
    was then. `before` is how it was before the first of them. `standing` is how it is now and since when: that holds
    also where the facts that told so are not among them.
    """
    found: list[Stretch] = []
    state, since = before, began
    for fact in facts:
        following = _after(state, fact)
        if following == state:
            continue
        at = min(max(fact.at, since), now)  # a clock may have been set back
        if at > since:
            found.append(Stretch(state=state, begun=since, ended=at))
        state, since = following, at
    if state != standing[0]:
        at = min(max(standing[1], since), now)
        if at > since:
            found.append(Stretch(state=state, begun=since, ended=at))
        state, since = standing[0], at
    if now > since:
        found.append(Stretch(state=state, begun=since, ended=now))
    return found


def _after(state: str, fact: Message) -> str:
    told = fact.data or {}
    match fact.topic:
        case fold.STARTED | fold.STOPPED:
            return OFFLINE
        case fold.LEFT if told.get("sessions") == 0:
            return OFFLINE
        case fold.JOINED if state in (OFFLINE, UNKNOWN):
            return "online"
        case fold.PRESENCE:
            return told.get("activity") or "online"
        case _:
            return state


def name_the_awaited(stretches: Iterable[Stretch], exchanges: Sequence[Exchange], origin: int) -> None:
    """Say in each stretch of waiting to whom the agent `origin` had last written without an answer."""
    asked = sorted(
        (each for each in exchanges if each.asker == origin and each.topic.startswith(INBOX)), key=lambda each: each.at
    )
    times = [each.at for each in asked]
    for stretch in stretches:
        if stretch.state == "waiting" and (place := bisect_right(times, stretch.begun)):
            last = asked[place - 1]
            if last.answered_at is None or last.answered_at > stretch.begun:
                stretch.asked = last.to
