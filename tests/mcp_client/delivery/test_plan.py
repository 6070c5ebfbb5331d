"""Which hop is next, and when: the whole decision as a table."""

from __future__ import annotations

import pytest

from mcp_client.delivery.plan import (
    BOUND,
    HOOKS_FIRST,
    PAUSE,
    Activity,
    Eager,
    GiveUp,
    Hop,
    Offer,
    Rest,
    Step,
    Try,
    View,
    Waiting,
    Way,
    decide,
)

NOW = 1000.0
INBOX, WAKE, CHANNEL = (Way(hop, True) for hop in Hop)
ALL = [INBOX, WAKE, CHANNEL]
ONE = [Waiting("m1", NOW)]
IDLE, WORKING, UNKNOWN = Activity.IDLE, Activity.WORKING, Activity.UNKNOWN


def tried(*hops: Hop) -> dict[str, frozenset[Hop]]:
    return {"m1": frozenset(hops)}


@pytest.mark.parametrize(
    ("view", "step"),
    [
        (View([], ALL), Rest(None)),
        (View(ONE, []), Rest(None)),
        (View(ONE, ALL), Try(Hop.INBOX)),
        (View(ONE, ALL, listening=True), Rest(None)),
        # the best that is open
        (View(ONE, [INBOX._replace(open=False), WAKE, CHANNEL]), Try(Hop.WAKE)),
        (View(ONE, [INBOX._replace(open=False), WAKE._replace(open=False), CHANNEL]), Try(Hop.CHANNEL)),
        (View(ONE, [way._replace(open=False) for way in ALL]), Rest(None)),
        # each hop once for a message
        (View(ONE, ALL, tried(Hop.INBOX)), Try(Hop.WAKE)),
        (View(ONE, ALL, tried(Hop.INBOX, Hop.WAKE)), Try(Hop.CHANNEL)),
        (View(ONE, ALL, tried(*Hop)), Rest(None)),
        (View([*ONE, Waiting("m2", NOW)], ALL, tried(*Hop)), Try(Hop.INBOX)),
        # evidence is waited for, up to a bound
        (View([], ALL, offer=Offer(Hop.INBOX, NOW + 3)), Rest(NOW + 3)),
        (View(ONE, ALL, offer=Offer(Hop.INBOX, NOW + 3)), Rest(NOW + 3)),
        (View(ONE, ALL, offer=Offer(Hop.INBOX, NOW)), GiveUp(Hop.INBOX)),
        (View([], ALL, offer=Offer(Hop.CHANNEL, NOW - 1), listening=True), GiveUp(Hop.CHANNEL)),
        # what swallowed a message is left alone for a while
        (View(ONE, [INBOX._replace(silent_until=NOW + 60), WAKE]), Try(Hop.WAKE)),
        (View(ONE, [INBOX._replace(silent_until=NOW + 60)]), Rest(NOW + 60)),
        (View(ONE, [INBOX._replace(silent_until=NOW)]), Try(Hop.INBOX)),
        # a burst becomes one
        (View(ONE, ALL, last_push=NOW - 0.5), Rest(NOW - 0.5 + PAUSE)),
        (View(ONE, ALL, last_push=NOW - PAUSE), Try(Hop.INBOX)),
        # how eager a hop may be
        (View(ONE, [INBOX._replace(eager=Eager.OFF), WAKE]), Try(Hop.WAKE)),
        (View(ONE, [way._replace(eager=Eager.OFF) for way in ALL]), Rest(None)),
        (View(ONE, [INBOX._replace(eager=Eager.WHEN_IDLE)], activity=IDLE), Try(Hop.INBOX)),
        (View(ONE, [INBOX._replace(eager=Eager.WHEN_IDLE)], activity=UNKNOWN), Try(Hop.INBOX)),
        (View(ONE, [INBOX._replace(eager=Eager.WHEN_IDLE)], activity=WORKING), Rest(None)),
        # who works is not woken; its own hooks come first
        (View(ONE, [WAKE], activity=WORKING), Rest(None)),
        (View(ONE, ALL, activity=WORKING), Try(Hop.INBOX)),
        (View(ONE, ALL, activity=WORKING, hooks=True), Rest(NOW + HOOKS_FIRST)),
        (View([Waiting("m1", NOW - HOOKS_FIRST)], ALL, activity=WORKING, hooks=True), Try(Hop.INBOX)),
        (View(ONE, ALL, activity=IDLE, hooks=True), Try(Hop.INBOX)),
    ],
)
def test_the_next_step(view: View, step: Step) -> None:
    assert decide(view, NOW) == step


def test_every_hop_that_gives_no_answer_has_a_bound() -> None:
    assert set(BOUND) == {Hop.INBOX, Hop.CHANNEL}
    assert all(0 < bound < HOOKS_FIRST for bound in BOUND.values())


def test_a_message_passes_every_hop_once_and_then_rests() -> None:
    """Whatever swallows everything: each hop gets it once, then nothing is said any more."""
    now, seen, gone, offer, last = NOW, [], {}, None, float("-inf")
    for _ in range(50):
        step = decide(View(ONE, ALL, gone, offer=offer, last_push=last), now)
        match step:
            case Try(hop):
                seen.append(hop)
                offer, last = Offer(hop, now + 10), now
            case GiveUp(hop):
                gone, offer = {"m1": gone.get("m1", frozenset()) | {hop}}, None
            case Rest(until):
                if until is None:
                    break
                now = until
    assert seen == list(Hop)
