"""A Search as SQL: from which index its messages come, and what else they must be.

The answer is a page, newest first. So every search walks one index (or a few, merged) backwards and stops once the
page is full; all that the index does not say is checked on the way.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from msgspec import json

from hub import fulltext
from hub.log import Party, Search
from hub.tables import COLUMNS, QUALIFIED
from hub.topic import is_open, is_pattern, matches

Query: TypeAlias = tuple[str, dict[str, Any]]

MOST_WALKS = 32  # indexes walked side by side; beyond that the log itself is walked
_LAST = 2**63 - 1


class Walk(NamedTuple):
    """One index walked backwards: the condition that picks it, with its parameters."""

    condition: str
    parameters: dict[str, Any]


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
    return _page(walks, conditions, parameters, wanted.limit)


def by_scan(wanted: Search, words: list[str], after: int) -> Query:
    """The page of messages past `after` whose bodies have all these words, found by reading them."""
    walks, conditions, parameters = _narrow(wanted)
    conditions += ["offset > :after", "has_words(body, :words)"]
    parameters |= {"after": after, "words": " ".join(words)}
    return _page(walks, conditions, parameters, wanted.limit)


def by_full_text(wanted: Search, words: list[str], upto: int) -> Query:
    """The page of messages up to `upto` whose bodies have all these words, found in the full-text index."""
    walks, conditions, parameters = _narrow(wanted)
    for walk in walks:
        parameters |= walk.parameters
    either = " OR ".join(f"({walk.condition})" for walk in walks)
    sql = f"""
        SELECT {QUALIFIED} FROM {fulltext.TABLE} CROSS JOIN messages ON messages.offset = {fulltext.TABLE}.rowid
         WHERE {fulltext.TABLE} MATCH :match AND {fulltext.TABLE}.rowid <= :upto
           AND {fulltext.TABLE}.rowid < :before AND ({either}) AND {" AND ".join(conditions)}
         ORDER BY {fulltext.TABLE}.rowid DESC LIMIT :limit
        """  # noqa: S608
    return sql, parameters | {"match": fulltext.match(words), "upto": upto, "limit": wanted.limit}


def _page(walks: list[Walk], conditions: list[str], parameters: dict[str, Any], limit: int) -> Query:
    pages = []
    for walk in walks:
        where = " AND ".join([walk.condition, *conditions])
        pages.append(f"SELECT * FROM (SELECT offset FROM messages WHERE {where} ORDER BY offset DESC LIMIT :limit)")  # noqa: S608
        parameters |= walk.parameters
    sql = f"""
        SELECT {COLUMNS} FROM messages WHERE offset IN ({" UNION ".join(pages)}) ORDER BY offset DESC LIMIT :limit
        """  # noqa: S608
    return sql, parameters | {"limit": limit}


def _narrow(wanted: Search) -> tuple[list[Walk], list[str], dict[str, Any]]:
    """The walks, and what is checked on each. A unary + keeps SQLite from walking an index that was not picked."""
    parameters: dict[str, Any] = {"before": _LAST if wanted.before is None else wanted.before}
    conditions = ["offset < :before"]
    if not wanted.hub_facts:
        conditions.append("+topic NOT GLOB '$*'")
    walks: list[Walk] = []
    if wanted.topic is not None:
        if is_pattern(wanted.topic):
            conditions.append("covers(:topic, topic)")
            parameters["topic"] = wanted.topic
        else:
            walks = [Walk("topic = :topic", {"topic": wanted.topic})]
    for column, value in (("reply_to", wanted.reply_to), ("thread", wanted.thread)):
        if value is None:
            continue
        if walks:
            conditions.append(f"+{column} = :{column}")
            parameters[column] = value
        else:
            walks = [Walk(f"{column} = :{column}", {column: value})]
    parties = [*(wanted.between or ()), *([wanted.seen_by] if wanted.seen_by else [])]
    if not walks:
        walks = next((found for party in parties if (found := _walks_of(party))), [])
    for number, party in enumerate(parties):
        conditions.append(f"sees(:party{number}, origin, topic, offset)")
        parameters[f"party{number}"] = json.encode(party).decode()
    return walks or [Walk("TRUE", {})], conditions, parameters


def _walks_of(party: Party) -> list[Walk]:
    """One walk for each place where messages that a party sees stand together; none if they stand everywhere."""
    if any(is_pattern(pattern) for pattern, _ in party.patterns):
        return []
    walks = [Walk("origin = :origin", {"origin": party.origin})]
    heard = (*party.spans, *((topic, since, _LAST) for topic, since in party.patterns))
    for number, (topic, after, upto) in enumerate(heard):
        t, a, u = f"topic{number}", f"after{number}", f"upto{number}"
        walks.append(Walk(f"topic = :{t} AND offset > :{a} AND offset <= :{u}", {t: topic, a: after, u: upto}))
    return walks if len(walks) <= MOST_WALKS else []
