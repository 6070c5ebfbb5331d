"""How many messages lie in a stretch of a topic, without looking at each: tallies, made behind the head.

Readers may be a million messages behind, and the dashboard asks how far on every refresh. So for every SLICE offsets
each topic that was written to gets a row in `tallies` that says how many messages and bytes it has had so far, and each
speaker on it another, since nobody's own words are unread. A stretch is then the difference of two such rows, and what
lies between them and its ends is counted: at most two slices, and what no slice has come to yet.

That is right because a topic is trimmed from its old end only, and what lies before its oldest message is left out.
"""

from __future__ import annotations

from collections.abc import Iterable

from hub.log import Span

SLICE = 2000  # offsets
EVERYBODY = -1  # as a speaker: all together; no instance has this origin


def _adding(who: str, among: str) -> str:
    so_far = """
        coalesce((SELECT {what} FROM tallies WHERE tallies.topic = slice.topic AND tallies.origin = slice.who
                   ORDER BY offset DESC LIMIT 1), 0)
        """
    return f"""
        INSERT INTO tallies (topic, origin, offset, messages, bytes)
        SELECT topic, who, :upto, messages + {so_far.format(what="messages")}, bytes + {so_far.format(what="bytes")}
          FROM (SELECT topic, {who} AS who, count(*) AS messages, sum(size) AS bytes FROM messages
                 WHERE offset > :after AND offset <= :upto AND {among} GROUP BY 1, 2) AS slice
        """  # noqa: S608


# One slice. (:after, :upto)
ADD = (
    _adding(str(EVERYBODY), "TRUE"),
    # One's own words come back on these topics, or nobody hears them.
    _adding("origin", "topic NOT GLOB 'inbox.*' AND topic NOT GLOB '$*'"),
)
FORGET = "DELETE FROM tallies WHERE offset < :floor"


def _rows(what: str, after: str, upto: str) -> str:
    """What is counted one by one. `part` is the stretch it belongs to."""
    where = f"topic = part.topic AND offset > {after} AND offset <= {upto}"
    return f"""
        CASE part.who
        WHEN {EVERYBODY} THEN (SELECT {what} FROM messages INDEXED BY messages_topic WHERE {where})
        ELSE (SELECT {what} FROM messages INDEXED BY messages_origin WHERE origin = part.who AND {where}) END
        """  # noqa: S608


def _total(column: str, what: str) -> str:
    """The sum over a stretch: by the tallies where there are two, otherwise row by row."""
    told = "(SELECT {} FROM tallies WHERE topic = part.topic AND origin = part.who AND offset = part.{})"
    return f"""
        CASE WHEN first < last
        THEN {told.format(column, "last")} - {told.format(column, "first")}
           + {_rows(what, "part.after", "part.first")} + {_rows(what, "part.last", "part.upto")}
        ELSE {_rows(what, "part.after", "part.upto")} END
        """


# `span` has the stretches that are asked for, `speaker` for whom. A sign of -1 takes off what is not to be counted.
_PARTS = """
    part (sign, who, topic, after, upto, first, last) AS (
        SELECT sign, who, topic, after, upto,
               (SELECT offset FROM tallies WHERE tallies.topic = span.topic AND tallies.origin = who
                   AND tallies.offset >= span.after ORDER BY offset LIMIT 1),
               (SELECT offset FROM tallies WHERE tallies.topic = span.topic AND tallies.origin = who
                   AND tallies.offset <= span.upto ORDER BY offset DESC LIMIT 1)
          FROM span JOIN speaker ON sign > 0 OR topic NOT GLOB 'inbox.*'
         WHERE after < upto
    )
    """

# Messages in all of :spans, which are `apart`, without those of :besides and those that have expired by :now.
COUNT = f"""
    WITH
    asked (topic, after, upto) AS (
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
          FROM json_each(:spans)
    ),
    span (topic, after, upto) AS MATERIALIZED (
        SELECT topic,
               max(after, coalesce((SELECT min(offset) - 1 FROM messages WHERE messages.topic = asked.topic), upto)),
               upto
          FROM asked
    ),
    speaker (sign, who) AS (VALUES (1, {EVERYBODY}), (-1, :besides)),
    {_PARTS}
    SELECT coalesce((SELECT sum(sign * ({_total("messages", "count(*)")})) FROM part), 0)
         - (SELECT count(*) FROM span CROSS JOIN messages INDEXED BY messages_expiring
             WHERE messages.topic = span.topic AND messages.offset > span.after AND messages.offset <= span.upto
               AND expires_at IS NOT NULL AND expires_at <= :now
               AND (origin <> :besides OR messages.topic GLOB 'inbox.*'))
    """  # noqa: S608

# Each topic's stock up to :upto: what is kept of it, and its newest offset.
TOPICS = f"""
    WITH RECURSIVE
    known (topic) AS (
        SELECT min(topic) FROM messages
        UNION ALL
        SELECT (SELECT min(topic) FROM messages WHERE messages.topic > known.topic) FROM known WHERE topic IS NOT NULL
    ),
    span (topic, after, upto) AS MATERIALIZED (
        SELECT topic, (SELECT min(offset) - 1 FROM messages WHERE messages.topic = known.topic),
               (SELECT max(offset) FROM messages WHERE messages.topic = known.topic AND messages.offset <= :upto)
          FROM known WHERE topic IS NOT NULL
    ),
    speaker (sign, who) AS (VALUES (1, {EVERYBODY})),
    {_PARTS}
    SELECT topic, {_total("messages", "count(*)")}, {_total("bytes", "coalesce(sum(size), 0)")}, upto FROM part
    """  # noqa: S608


def apart(spans: Iterable[Span]) -> list[Span]:
    """The same messages in spans of which none overlap."""
    found: list[Span] = []
    for span in sorted(spans):
        last = found[-1] if found else None
        if last is not None and last.topic == span.topic and span.after <= last.upto:
            found[-1] = last._replace(upto=max(last.upto, span.upto))
        else:
            found.append(span)
    return found
