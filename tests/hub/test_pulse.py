"""The last hour in beats of five seconds: what is counted, what a latency is, what is let go."""

from __future__ import annotations

import pytest

from hub.pulse import BEAT, KEPT, Beat, Pulse

NOON = 1_773_489_600.0


def test_nothing_has_no_beats() -> None:
    assert list(Pulse().beats(0, NOON)) == []


def test_messages_fall_into_the_beat_in_which_they_were_stored() -> None:
    pulse = Pulse()
    for number, at in ((3, NOON), (4, NOON + 4.9), (1, NOON + 5), (0, NOON + 11)):
        pulse.stored(number, at)
    assert [(each.at - int(NOON), each.messages) for each in pulse.beats(0, NOON + 12)] == [(0, 7), (5, 1)]


def test_a_beat_without_a_confirmation_knows_no_latency() -> None:
    pulse = Pulse()
    pulse.stored(1, NOON)
    assert list(pulse.beats(0, NOON)) == [Beat(int(NOON), 1, 0, None, None)]


@pytest.mark.parametrize(
    ("waited", "p50", "p95"),
    [
        ([0.002], 2, 2),
        ([0.0], 0.1, 0.1),  # below a tenth of a millisecond nothing is told apart
        ([0.001] * 90 + [0.050] * 10, 1, 50),
        ([0.001] * 96 + [0.050] * 4, 1, 1),
        ([3600.0], 160_000, 160_000),  # the last bin has no upper end
        ([-5.0, 0.010], 10, 10),  # the clock was set back in between
    ],
)
def test_latencies_are_known_to_a_tenth(waited: list[float], p50: float, p95: float) -> None:
    pulse = Pulse()
    for each in waited:
        pulse.received(each, NOON)
    (beat,) = pulse.beats(0, NOON)
    assert beat.received == sum(each >= 0 for each in waited)
    assert (beat.p50, beat.p95) == (pytest.approx(p50, rel=0.11), pytest.approx(p95, rel=0.11))


def test_only_what_follows_is_told_again() -> None:
    pulse = Pulse()
    pulse.stored(1, NOON)
    pulse.stored(1, NOON + BEAT)
    assert [each.at for each in pulse.beats(int(NOON), NOON + 9)] == [int(NOON) + BEAT]


def test_an_hour_is_kept_and_no_more() -> None:
    pulse = Pulse()
    for number in range(2 * KEPT // BEAT):
        pulse.stored(1, NOON + number * BEAT)
    beats = list(pulse.beats(0, NOON + 2 * KEPT))
    assert beats[0].at == int(NOON) + KEPT + BEAT
    assert len(beats) == KEPT // BEAT - 1
    assert len(pulse._counts) <= KEPT // BEAT + 1
