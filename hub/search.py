"""A Search as SQL: from which index its messages come, and what else they must be.

The answer is a page. So every search walks one index (or a few, merged), backwards unless it is asked forward, and
stops once the page is full; all that the index does not say is checked on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from msgspec import json

from hub import fulltext
from hub.log import Party, Search, Span
from hub.tables import COLUMNS, QUALIFIED
from hub.topic import is_open, is_pattern, matches

Query: TypeAlias = tuple[str, dict[str, Any]]

MOST_WALKS = 32  # indexes walked side by side; beyond that the log itself is walked
_LAST = 2**63 - 1


class Walk(NamedTuple):
    """One index walked backwards: the condition that picks it, with its parameters."""

    condition: str
    parameters: dict[str, Any]


NOWHERE = Walk("FALSE", {})


def sees(party: str, origin: int, topic: str, offset: int) -> bool:
    """Whether a Party (in JSON) has sent a message, or could hear it. SQL calls this."""
    who = _party(party)
    return (
        who.origin == origin
        or any(span.topic == topic and span.after < offset <= span.upto for span in who.spans)
        or any(since < offset and covers(pattern, topic) for pattern, since in who.patterns)
    )


@lru_cache(maxsize=65_536)
def covers(pattern: str, topic: str) -> bool:
    """Whether a topic is meant by a topic or pattern; wildcards reach open topics only. SQL calls this."""
    return pattern == topic or (is_pattern(pattern) and is_open(topic) and matches(pattern, topic))


@lru_cache(maxsize=64)
def _party(party: str) -> Party:
    return json.decode(party, type=Party)


def by_index(wanted: Search) -> Query:
    """The page without regard to `text`. Parameters that the caller may add to are named, not counted."""
    walks, conditions, parameters = _narrow(wanted)
    return _page(walks, conditions, parameters, wanted)


def by_scan(wanted: Search, words: list[str], indexed: int) -> Query:
    """The page of messages past `indexed` whose bodies have all these words, found by reading them."""
    walks, conditions, parameters = _narrow(wanted)
    conditions += ["offset > :indexed", "has_words(body, :words)"]
    parameters |= {"indexed": indexed, "words": " ".join(words)}
    return _page(walks, conditions, parameters, wanted)


def by_full_text(wanted: Search, words: list[str], upto: int) -> Query:
    """The page of messages up to `upto` whose bodies have all these words, found in the full-text index."""
    walks, conditions, parameters = _narrow(wanted)
    for walk in walks:
        parameters |= walk.parameters
    either = " OR ".join(f"({walk.condition})" for walk in walks)
    sql = f"""
        SELECT {QUALIFIED} FROM {fulltext.TABLE} CROSS JOIN messages ON messages.offset = {fulltext.TABLE}.rowid
         WHERE {fulltext.TABLE} MATCH :match AND {fulltext.TABLE}.rowid <= :upto
           AND {fulltext.TABLE}.rowid < :before AND {fulltext.TABLE}.rowid > :after
           AND ({either}) AND {" AND ".join(conditions)}
         ORDER BY {fulltext.TABLE}.rowid {_way(wanted)} LIMIT :limit
        """  # noqa: S608
    return sql, parameters | {"match": fulltext.match(words), "upto": upto, "limit": wanted.limit}


def _way(wanted: Search) -> str:
    return "ASC" if wanted.forward else "DESC"


def _page(walks: list[Walk], conditions: list[str], parameters: dict[str, Any], wanted: Search) -> Query:
    pages = []
    way = _way(wanted)
    for walk in walks:
        where = " AND ".join([walk.condition, *conditions])
        pages.append(f"SELECT * FROM (SELECT offset FROM messages WHERE {where} ORDER BY offset {way} LIMIT :limit)")  # noqa: S608
        parameters |= walk.parameters
    sql = f"""
        SELECT {COLUMNS} FROM messages WHERE offset IN ({" UNION ".join(pages)}) ORDER BY offset {way} LIMIT :limit
        """  # noqa: S608
    return sql, parameters | {"limit": wanted.limit}


def _narrow(wanted: Search) -> tuple[list[Walk], list[str], dict[str, Any]]:
    """The walks, and what is checked on each. A unary + keeps SQLite from walking an index that was not picked."""
    conditions, parameters = _bounds(wanted)
    walks: list[Walk] = []
    for places in _places(wanted):
        if not walks and len(places) <= MOST_WALKS:
            walks = places
            continue
        conditions.append("(" + " OR ".join(f"(+{place.condition})" for place in places) + ")")
        for place in places:
            parameters |= place.parameters
    parties = [*(wanted.between or ()), *([wanted.seen_by] if wanted.seen_by else [])]
    if not walks:
        walks = next((found for party in parties if (found := _walks_of(party))), [])
    for number, party in enumerate(parties):
        conditions.append(f"sees(:party{number}, origin, topic, offset)")
        parameters[f"party{number}"] = json.encode(party).decode()
    return walks or [Walk("TRUE", {})], conditions, parameters


def _bounds(wanted: Search) -> tuple[list[str], dict[str, Any]]:
    """What no index helps with, and what all of them do."""
    conditions = ["offset < :before", "offset > :after"]
    parameters: dict[str, Any] = {
        "before": _LAST if wanted.before is None else wanted.before,
        "after": wanted.after or 0,
    }
    if not wanted.hub_facts:
        conditions.append("+topic NOT GLOB '$*'")
    for condition, name, bound in (
        ("covers(:pattern, topic)", "pattern", wanted.topic if wanted.topic and is_pattern(wanted.topic) else None),
        ("at >= :since", "since", wanted.since),
        ("at < :until", "until", wanted.until),
        ("json_extract(data, '$.origin') = :about", "about", wanted.about),
    ):
        if bound is not None:
            conditions.append(condition)
            parameters[name] = bound
    return conditions, parameters


def _places(wanted: Search) -> Iterator[list[Walk]]:
    """Everything about a search that an index has, each as the walks that together find it; the best first."""
    for column, value in (
        ("topic", wanted.topic if wanted.topic and not is_pattern(wanted.topic) else None),
        ("reply_to", wanted.reply_to),
        ("thread", wanted.thread),
    ):
        if value is not None:
            yield [Walk(f"{column} = :{column}", {column: value})]
    if wanted.within is not None:
        yield _walks_in(wanted.within, "within") or [NOWHERE]
    if wanted.origin is not None:
        yield [Walk("origin = :origin", {"origin": wanted.origin})]
    if wanted.senders is not None:
        yield _walks_by(wanted.senders) or [NOWHERE]


def _walks_by(senders: tuple[int, ...]) -> list[Walk]:
    """One walk for each sender."""
    return [Walk(f"origin = :sender{place}", {f"sender{place}": each}) for place, each in enumerate(senders)]


def _walks_of(party: Party) -> list[Walk]:
    """One walk for each place where messages that a party sees stand together; none if they stand everywhere."""
    if any(is_pattern(pattern) for pattern, _ in party.patterns):
        return []
    walks = [Walk("origin = :origin", {"origin": party.origin})]
    walks += _walks_in((*party.spans, *(Span(topic, since, _LAST) for topic, since in party.patterns)), "heard")
    return walks if len(walks) <= MOST_WALKS else []


def _walks_in(spans: Iterable[Span], called: str) -> list[Walk]:
    """A walk for each of these stretches; `called` keeps their parameters apart from others'."""
    walks = []
    for number, (topic, after, upto) in enumerate(spans):
        t, a, u = (f"{called}_{part}{number}" for part in ("topic", "after", "upto"))
        walks.append(Walk(f"topic = :{t} AND offset > :{a} AND offset <= :{u}", {t: topic, a: after, u: upto}))
    return walks
