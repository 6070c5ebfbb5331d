"""Which hop is tried next, and when. Pure: the time is passed in, and what it says is done elsewhere.

Only hops that reach a model which asked for nothing are planned here: the session inbox, the channel, and the waiting
hook. The others are the agent's own doing (a hook that fires, a tool that is called) and take what they find.

A hop is offered messages, and they count as handed over only on evidence: the hook said that it wrote them out, or the
text was seen in the session. Without it the offer is taken back after a bound, and the next hop is tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple, TypeAlias


class Hop(Enum):
    """A way to a model that asked for nothing, the best first; the channel last, since it may be off without a word."""

    INBOX = "inbox"
    WAKE = "wake"
    CHANNEL = "channel"


class Eager(Enum):
    """How eager a hop may be."""

    OFF = "off"
    WHEN_IDLE = "when-idle"
    ALWAYS = "always"


class Activity(Enum):
    """What the agent does, as far as hooks have told."""

    UNKNOWN = "unknown"
    IDLE = "idle"
    WORKING = "working"


BOUND: Final = {Hop.INBOX: 15.0, Hop.CHANNEL: 10.0}  # seconds that what was written waits for evidence
HOOKS_FIRST = 30.0  # seconds that a working session's own hooks have before anything is pushed at it
PAUSE = 2.0  # seconds between two pushes, so that a burst becomes one
SILENCE = 600.0  # seconds for which a hop that showed nothing is not tried again


class Way(NamedTuple):
    """One hop as it is now. `open`: something is there to write to. `silent_until`: it swallowed what it was given."""

    hop: Hop
    open: bool
    eager: Eager = Eager.ALWAYS
    silent_until: float = 0.0


class Waiting(NamedTuple):
    """A message that nobody has claimed and that may wake the agent; it is here `since` then."""

    id: str
    since: float


class Offer(NamedTuple):
    """What is out with a hop; `due` is when it is taken back."""

    hop: Hop
    due: float


class View(NamedTuple):
    """All that the decision rests on. `tried` has the hops that each message was given to in vain.

    `listening`: a tool call waits for messages and takes them by itself. `hooks`: this session's hooks were heard.
    """

    waiting: Sequence[Waiting]
    ways: Sequence[Way]
    tried: Mapping[str, frozenset[Hop]] = {}
    activity: Activity = Activity.UNKNOWN
    listening: bool = False
    hooks: bool = False
    offer: Offer | None = None
    last_push: float = float("-inf")


class Rest(NamedTuple):
    """Nothing to do until something changes, or until then."""

    until: float | None


class Try(NamedTuple):
    """Offer what waits to this hop."""

    hop: Hop


class GiveUp(NamedTuple):
    """Take the offer back from this hop: nothing has shown that it arrived."""

    hop: Hop


Step: TypeAlias = Rest | Try | GiveUp


def decide(view: View, now: float) -> Step:
    """The next step. Times are seconds on any one clock."""
    if view.offer is not None:
        return Rest(view.offer.due) if now < view.offer.due else GiveUp(view.offer.hop)
    if not view.waiting or view.listening:
        return Rest(None)
    later: list[float] = []
    for way in view.ways:
        new = [each for each in view.waiting if way.hop not in view.tried.get(each.id, ())]
        if not new or not way.open or not _may(way, view.activity):
            continue
        when = max(way.silent_until, view.last_push + PAUSE)
        if view.hooks and view.activity is Activity.WORKING:
            when = max(when, min(each.since for each in new) + HOOKS_FIRST)
        if when <= now:
            return Try(way.hop)
        later.append(when)
    return Rest(min(later, default=None))


def _may(way: Way, activity: Activity) -> bool:
    if way.eager is Eager.OFF:
        return False
    if activity is Activity.WORKING:
        # The waiting hook wakes; who is awake has the other hooks.
        return way.eager is Eager.ALWAYS and way.hop is not Hop.WAKE
    return True
