from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.log import Exchange
from hub.pace import Partner, Times, partners, times

ME, BOB, CAROL = 1, 2, 3
NAMES = {ME: "me", BOB: "bob", CAROL: "carol"}


def exchange(asker: int, answerer: int | None, at: float, seconds: float = 0.0) -> Exchange:
    answered = None if answerer is None else at + seconds
    return Exchange(asker, NAMES[asker], "x", "inbox.x", at, answerer, answerer and NAMES[answerer], answered)


def test_each_partner_has_both_directions_and_the_most_answers_come_first() -> None:
    found = partners(
        [
            exchange(ME, CAROL, 100, 30),
            exchange(ME, BOB, 100, 4),
            exchange(ME, BOB, 200, 2),
            exchange(BOB, ME, 300, 7),
            exchange(ME, None, 400),
            exchange(ME, ME, 500, 1),
        ],
        ME,
    )
    assert found == [
        Partner(
            origin=BOB, name="bob", answered=Times(answers=1, p50=7, p95=7), answers=Times(answers=2, p50=2, p95=4)
        ),
        Partner(origin=CAROL, name="carol", answered=None, answers=Times(answers=1, p50=30, p95=30)),
    ]


def test_a_partner_has_the_name_it_spoke_under_last_whatever_the_order() -> None:
    old = exchange(ME, BOB, 100, 1)._replace(answerer_name="robert")
    for exchanges in ([old, exchange(ME, BOB, 200, 1)], [exchange(ME, BOB, 200, 1), old]):
        assert [each.name for each in partners(exchanges, ME)] == ["bob"]


def test_an_answer_before_its_question_took_no_time() -> None:
    assert partners([exchange(ME, BOB, 100, -5)], ME)[0].answers == Times(answers=1, p50=0, p95=0)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_are_of_the_values_and_leave_no_more_than_their_share_above(seconds: list[float]) -> None:
    found = times(seconds)
    assert found is not None
    for share, value in ((0.5, found.p50), (0.95, found.p95)):
        assert value in seconds
        assert sum(each <= value for each in seconds) >= share * len(seconds)
        assert sum(each < value for each in seconds) < share * len(seconds)
