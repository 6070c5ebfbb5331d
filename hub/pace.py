"""How quickly agents answer one another: the half and the slowest twentieth of what was answered, by partner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil

from msgspec import Struct

from hub.log import Exchange


class Times(Struct, kw_only=True):
    """So many answers; half of them came within `p50` seconds, nineteen of twenty within `p95`."""

    answers: int
    p50: float
    p95: float


class Partner(Struct, kw_only=True):
    """Another agent: how quickly it was answered, and how quickly it answers. None where nobody has."""

    origin: int
    name: str  # by which it spoke last
    answered: Times | None
    answers: Times | None


def partners(exchanges: Iterable[Exchange], origin: int) -> list[Partner]:
    """Everybody with whom `origin` has exchanged a message and its answer, the most answers first.

    An answer is the first message by somebody that names the other in `reply_to`.
    """
    by_me: dict[int, list[float]] = {}
    by_them: dict[int, list[float]] = {}
    names: dict[int, tuple[float, str]] = {}
    for each in exchanges:
        if each.answered_at is None or each.answerer is None or each.answerer_name is None:
            continue
        mine = each.asker != origin
        partner, name, spoke = (
            (each.asker, each.asker_name, each.at) if mine else (each.answerer, each.answerer_name, each.answered_at)
        )
        if partner == origin:
            continue
        (by_me if mine else by_them).setdefault(partner, []).append(max(0.0, each.answered_at - each.at))
        names[partner] = max(names.get(partner, (spoke, name)), (spoke, name))
    found = [
        Partner(origin=partner, name=name, answered=times(by_me.get(partner)), answers=times(by_them.get(partner)))
        for partner, (_, name) in names.items()
    ]
    return sorted(found, key=lambda each: (-_answers(each), each.name.lower()))


def times(seconds: Sequence[float] | None) -> Times | None:
    """The nearest-rank percentiles of some lengths of time, which are always among them; None of none.

    (https://www.itl.nist.gov/div898/handbook/prc/section2/prc262.htm)

    >>> times([4.0, 1.0, 2.0, 3.0])
    Times(answers=4, p50=2.0, p95=4.0)
    """
    if not seconds:
        return None
    ranked = sorted(seconds)
    return Times(answers=len(ranked), p50=_rank(ranked, 0.5), p95=_rank(ranked, 0.95))


def _rank(ranked: Sequence[float], share: float) -> float:
    return ranked[ceil(share * len(ranked)) - 1]


def _answers(partner: Partner) -> int:
    return sum(each.answers for each in (partner.answered, partner.answers) if each is not None)
