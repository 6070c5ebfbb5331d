"""Everything the hub remembers, read from its tables: as it stands at the head, or as it stood at an earlier offset.

The tables that facts change (`schema.FOLDED`) are taken as they are: at an offset before the
head it is for the caller to hand in a connection on which they stand as they did then. See hub/archive.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from msgspec import json

from hub import tally
from hub.deadlines import PREVIEW
from hub.fold import AwaitedRow, Holding, HoldRow, InstanceRow, Scope, State, SubscriptionRow, TopicRow, WaitingRow
from hub.log import Span
from hub.tables import QUALIFIED, message_of
from hub.topic import INBOX

PLACE = """
    SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages'), 0), (SELECT min(offset) FROM messages)
    """
_TOPICS = """
    SELECT topic, count(*), sum(size), max(offset) FROM messages INDEXED BY messages_topic
     WHERE offset <= :upto GROUP BY topic
    """
IN_SPAN = """
    topic = json_extract(span.value, '$[0]')
       AND offset > json_extract(span.value, '$[1]') AND offset <= json_extract(span.value, '$[2]')
    """
_WAITING = f"""
    SELECT topic, offset, size, at, expires_at, iif(expires_at IS NULL, NULL, m.id)
      FROM json_each(:spans) span CROSS JOIN messages m
     WHERE {IN_SPAN} AND (expires_at IS NULL OR expires_at > :now OR NOT EXISTS (
           SELECT 1 FROM messages told
            WHERE told.reply_to = m.id AND told.topic = '$message.expired' AND told.origin = 0
              AND told.offset <= :upto))
     ORDER BY offset
    """  # noqa: S608

# By the index of topics: hence the + before the offset, which would otherwise be looked through.
# What was sent is held no longer, whatever tells of it: a crash may have come between the message and the fact.
_HELD = f"""
    SELECT {QUALIFIED}, EXISTS (SELECT 1 FROM messages told WHERE told.reply_to = messages.reply_to AND told.origin = 0
                                   AND told.topic IN ('$loop.dropped', '$hold.dropped') AND told.offset <= :upto
                                   AND json_extract(told.data, '$.origin') = json_extract(messages.data, '$.origin'))
      FROM messages
     WHERE (topic = '$loop.held' OR topic > '$held.' AND topic < '$held/') AND +offset <= :upto
       AND NOT EXISTS (SELECT 1 FROM messages sent
                        WHERE sent.id = messages.reply_to AND sent.origin = json_extract(messages.data, '$.origin')
                          AND sent.offset <= :upto)
     ORDER BY offset
    """  # noqa: S608

# What has been answered by somebody else, or of which it was told that nobody has.
_AWAITED = f"""
    SELECT answer_by, offset, id, origin, "to", thread, substr(body, 1, {PREVIEW})
      FROM messages asked INDEXED BY messages_answer_by
     WHERE answer_by IS NOT NULL AND offset <= :upto
       AND NOT EXISTS (SELECT 1 FROM messages answer
                        WHERE answer.reply_to = asked.id AND answer.origin <> asked.origin
                          AND answer.offset <= :upto
                          AND (answer.topic NOT GLOB '$*' OR (answer.topic = '$message.unanswered'
                               AND json_extract(answer.data, '$.offset') = asked.offset)))
    """  # noqa: S608


def stocks(length: int) -> str:
    """SQL for each topic with its messages, their bytes and its newest offset up to :upto.

    `length` is about how long the log is: a short one is read through sooner than each of its topics is looked up.
    """
    return _TOPICS if length < 10 * tally.SLICE else tally.TOPICS


def load(db: sqlite3.Connection, *, epoch: str, now: float, upto: int | None = None) -> State:
    """The hub's tables, all of one moment if `db` is in a transaction. `upto` None is the head."""
    head, floor = db.execute(PLACE).fetchone()
    floor = head + 1 if floor is None else floor
    upto = head if upto is None else upto
    instances = [
        InstanceRow(
            origin=origin, name=name, registered_at=at, last_seen=seen, received=received, read=read, human=bool(human)
        )
        for origin, name, at, seen, received, read, human in db.execute(
            "SELECT origin, name, registered_at, last_seen, received, read,"
            " EXISTS (SELECT 1 FROM people WHERE people.origin = instances.origin) FROM instances ORDER BY origin"
        )
    ]
    holdings = [
        Holding(key=key, name=name, origin=origin, since=since, until=until, forwards_until=forwards_until)
        for key, name, origin, since, until, forwards_until in db.execute(
            "SELECT key, name, origin, since, until, forwards_until FROM holdings ORDER BY rowid"
        )
    ]
    subscriptions = [
        SubscriptionRow(origin=origin, pattern=pattern, since=since)
        for origin, pattern, since in db.execute(
            "SELECT origin, pattern, since FROM subscriptions ORDER BY since, origin, pattern"
        )
    ]
    trimmed: dict[str, int] = dict(db.execute("SELECT topic, upto FROM trimmed").fetchall())
    topics = [
        TopicRow(topic=topic, messages=count, size=size, head=newest, trimmed=trimmed.pop(topic, 0))
        for topic, count, size, newest in db.execute(stocks(head - floor), {"upto": upto})
    ]
    topics += [TopicRow(topic=topic, messages=0, size=0, head=gone, trimmed=gone) for topic, gone in trimmed.items()]
    spans = _unread_spans(topics, holdings, {each.origin: each.read for each in instances})
    waiting = [
        WaitingRow(topic=topic, offset=offset, size=size, at=at, expires_at=expires_at, id=known_by)
        for topic, offset, size, at, expires_at, known_by in db.execute(
            _WAITING, {"spans": as_json(spans), "now": now, "upto": upto}
        )
    ]
    holds = [
        HoldRow(scope=Scope(kind, origin, topic), since=since, at=at, by=by, reason=reason)
        for kind, origin, topic, since, at, by, reason in db.execute(
            'SELECT kind, origin, topic, since, at, "by", reason FROM holds ORDER BY since'
        )
    ]
    held = [(message_of(row), dropped) for *row, dropped in db.execute(_HELD, {"upto": upto})]
    return State(
        epoch=epoch,
        head=upto,
        floor=floor,
        instances=instances,
        holdings=holdings,
        subscriptions=subscriptions,
        topics=topics,
        waiting=waiting,
        held=[fact for fact, dropped in held if not dropped],
        dropped=[fact for fact, dropped in held if dropped],
        holds=holds,
        awaited=[
            AwaitedRow(answer_by=by, offset=offset, id=id_, origin=origin, to=to, thread=thread, preview=preview)
            for by, offset, id_, origin, to, thread, preview in db.execute(_AWAITED, {"upto": upto})
        ],
    )


def as_json(value: Any) -> str:
    """A parameter that SQL takes apart again."""
    return json.encode(value).decode()


def _unread_spans(topics: Iterable[TopicRow], holdings: Iterable[Holding], read: dict[int, int]) -> list[Span]:
    """What is left of each inbox without the stretches that their holders have read."""
    done: dict[str, list[tuple[int, int]]] = {}
    for holding in holdings:
        done_upto = read.get(holding.origin, holding.until or 0)  # nobody is to read what a forgotten instance had
        upto = done_upto if holding.until is None else min(done_upto, holding.until)
        if upto > holding.since:
            done.setdefault(INBOX + holding.key, []).append((holding.since, upto))
    spans: list[Span] = []
    for topic in topics:
        if not topic.topic.startswith(INBOX) or not topic.messages:
            continue
        after = 0
        for since, upto in sorted(done.get(topic.topic, ())):
            if since > after:
                spans.append(Span(topic.topic, after, since))
            after = max(after, upto)
        if topic.head > after:
            spans.append(Span(topic.topic, after, topic.head))
    return spans
