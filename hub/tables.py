"""Rows: what a message, an instance or a token is in SQL, and what a fact changes in the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import Any, TypeAlias
from zlib import crc32

from msgspec import Struct, json

from hub import fold
from hub.message import Draft, Message

Parameters: TypeAlias = dict[str, Any] | list[Any]
Statement: TypeAlias = tuple[str, Parameters]

_FIRST = (  # those that a message had when rows got a checksum
    *("offset", "id", "origin", "sender", '"to"', "topic", "thread", "reply_to"),
    *("at", "expires_at", "size", "body", "data", "attachments"),
)
_NAMES = (*_FIRST, "answer_by")
FIRST_COLUMNS = ", ".join(_FIRST)
COLUMNS = ", ".join(_NAMES)
QUALIFIED = ", ".join(f"messages.{name}" for name in _NAMES)  # for a join
INSERT = f"INSERT INTO messages ({COLUMNS}, crc) VALUES ({', '.join('?' * (len(_NAMES) + 1))})"  # noqa: S608


class TokenRow(Struct, kw_only=True):
    """A token as the database keeps it: never the secret, only its `hash`. Times are seconds since 1970.

    `name` is the instance it is bound to, None if it is bound to none; `scopes` are words without spaces.
    """

    id: str
    hash: str
    name: str | None
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None = None
    last_used: float | None = None
    note: str | None = None


class SessionRow(Struct, kw_only=True):
    """A session of the old protocol: the `hash` of its token, whose it is, and when it ends. Seconds since 1970."""

    hash: str
    origin: int
    created_at: float
    expires_at: float


def checksum(row: tuple[Any, ...]) -> int:
    """The CRC-32 of a row of COLUMNS: SQLite does not notice when a disk gives back other bytes than it was given.

    Columns that came later count where they hold something: so the rows from before are right as they are.
    """
    while len(row) > len(_FIRST) and row[-1] is None:
        row = row[:-1]
    return crc32(json.encode(row))


def row_of(message: Message) -> tuple[Any, ...]:
    """A message in the order of COLUMNS, and its checksum."""
    row = (
        message.offset,
        message.id,
        message.origin,
        message.sender,
        message.to,
        message.topic,
        message.thread,
        message.reply_to,
        message.at,
        message.expires_at,
        message.size,
        message.body,
        None if message.data is None else json.encode(message.data).decode(),
        None if message.attachments is None else json.encode(message.attachments).decode(),
        message.answer_by,
    )
    return (*row, checksum(row))


def message_of(row: Iterable[Any]) -> Message:
    """The message in a row of COLUMNS."""
    offset, id_, origin, sender, to, topic, thread, reply_to, at, expires_at, size, body, data, attachments, by = row
    return Message(
        offset=offset,
        id=id_,
        origin=origin,
        sender=sender,
        to=to,
        topic=topic,
        thread=thread,
        reply_to=reply_to,
        at=at,
        expires_at=expires_at,
        size=size,
        body=body,
        data=None if data is None else json.decode(data),
        attachments=None if attachments is None else json.decode(attachments),
        answer_by=by,
    )


def place(
    drafts: Iterable[Draft], head: int, known: dict[tuple[int, str], Message]
) -> tuple[list[Message], list[Message]]:
    """Give drafts their offsets after `head`; returns the messages for all of them, and those that are new.

    A draft with `retry` that is `known`, or stood in the same batch before, is answered with the message there is; and
    one with `unless` with the message of that name.
    """
    known = dict(known)
    answers: list[Message] = []
    fresh: list[Message] = []
    for draft in drafts:
        message = known.get(draft.unless) if draft.unless is not None else None
        if message is None and draft.retry:
            message = known.get((draft.origin, draft.id))
        if message is None:
            head += 1
            message = Message.of(draft, head)
            fresh.append(message)
            known[draft.origin, draft.id] = message
        answers.append(message)
    return answers, fresh


def folding(messages: Iterable[Message]) -> Iterator[tuple[str, list[Parameters]]]:
    """What the facts among these messages change in the tables: SQL, and the parameters of each time it is to run."""
    for moving, facts in groupby(messages, key=lambda message: message.topic == fold.CURSORS):
        if moving:
            for fact in facts:
                yield from _movements(fact)
        else:
            yield from following(change for fact in facts for change in fold.changes(fact))


def following(changes: Iterable[fold.Change]) -> Iterator[tuple[str, list[Parameters]]]:
    """The same of changes."""
    steps = (step for change in changes for step in _statements(change))
    for sql, run in groupby(steps, key=lambda step: step[0]):
        yield sql, [parameters for _, parameters in run]


def _movements(fact: Message) -> Iterator[tuple[str, list[Parameters]]]:
    """A fact has each cursor once, and a crowd's has thousands: many rows a statement, as in `hub.ledger`."""
    moved = [(each.origin, each.received, each.read) for each in fold.changes(fact) if isinstance(each, fold.Moved)]
    place = 0
    for rows, sql in _MOVES.items():
        while len(moved) - place >= rows:
            yield sql, [[*chain.from_iterable(moved[place : place + rows]), fact.at]]
            place += rows


_NEW_INSTANCE = """
    INSERT INTO instances (origin, name, registered_at, last_seen, received, read)
    VALUES (:origin, :name, :at, :at, 0, 0)
    """
_NEW_PERSON = "INSERT INTO people (origin) VALUES (:origin)"
# Whoever takes a name that only forwarded ends that.
_RELEASE = "UPDATE holdings SET until = :offset WHERE key = :key AND until IS NULL AND origin <> :origin"
# A new instance has what waited for its name since the last holder let go; a renamed one what comes from then on.
_HOLD = """
    INSERT INTO holdings (key, name, origin, since)
    VALUES (:key, :name, :origin, coalesce((SELECT max(until) FROM holdings WHERE key = :key), 0))
    """
_HOLD_FROM_NOW = """
    INSERT INTO holdings (key, name, origin, since)
    SELECT :key, :name, :origin, :offset
     WHERE NOT EXISTS (SELECT 1 FROM holdings WHERE key = :key AND origin = :origin AND until IS NULL)
    """
_RENAME = "UPDATE instances SET name = :name WHERE origin = :origin"
_FORWARD = """
    UPDATE holdings SET forwards_until = :forwards_until
     WHERE key = :old_key AND origin = :origin AND until IS NULL
    """
_RETURN = """
    UPDATE holdings SET name = :name, forwards_until = NULL
     WHERE key = :key AND origin = :origin AND until IS NULL
    """
_FORGET = "UPDATE holdings SET until = :offset WHERE key = :key AND until IS NULL AND forwards_until IS NOT NULL"
_LET_GO = "UPDATE holdings SET until = :offset WHERE origin = :origin AND until IS NULL"
_LEAVE = "DELETE FROM subscriptions WHERE origin = :origin"
_REMOVE = "DELETE FROM instances WHERE origin = :origin"
_NOBODY = "DELETE FROM people WHERE origin = :origin"
_UNHOLD_ALL = "DELETE FROM holds WHERE origin = :origin"
# A hold of a name is its instance's, if it has one: it follows that instance to other names.
_HOLDER = "(SELECT origin FROM holdings WHERE 'inbox.' || key = :topic AND until IS NULL)"
_HOLD_BACK = f"""
    INSERT INTO holds SELECT :kind, coalesce({_HOLDER}, :origin), iif({_HOLDER} IS NULL, :topic, ''),
                             :since, :at, :by, :reason
     WHERE :origin = 0 OR EXISTS (SELECT 1 FROM instances WHERE origin = :origin) ON CONFLICT DO NOTHING
    """  # noqa: S608
_UNHOLD = f"""
    DELETE FROM holds
     WHERE kind = :kind
       AND origin = coalesce({_HOLDER}, :origin) AND topic = iif({_HOLDER} IS NULL, :topic, '')
    """  # noqa: S608
_TAKE_OVER_HOLD = """
    UPDATE OR IGNORE holds SET origin = :origin, topic = ''
     WHERE kind = 'queue' AND origin = 0 AND topic = 'inbox.' || :key
    """
_NOBODYS_HOLD = "DELETE FROM holds WHERE kind = 'queue' AND origin = 0 AND topic = 'inbox.' || :key"
_SEE = "UPDATE instances SET last_seen = :at WHERE origin = :origin"
_SUBSCRIBE = "INSERT INTO subscriptions VALUES (:origin, :pattern, :since) ON CONFLICT DO NOTHING"
_UNSUBSCRIBE = "DELETE FROM subscriptions WHERE origin = :origin AND pattern = :pattern"
_MOVES = {
    rows: f"""
        WITH moved (origin, received, read) AS (VALUES {", ".join(["(?, ?, ?)"] * rows)})
        UPDATE instances
           SET read = max(instances.read, moved.read),
               received = max(instances.received, moved.received, moved.read),
               last_seen = max(last_seen, ?)
          FROM moved WHERE instances.origin = moved.origin
        """  # noqa: S608
    for rows in (256, 64, 16, 4, 1)
}


_RENAMING = (_RENAME, _FORWARD, _RETURN, _RELEASE, _HOLD_FROM_NOW, _TAKE_OVER_HOLD, _NOBODYS_HOLD)


def _statements(change: fold.Change) -> Iterator[Statement]:
    match change:
        case fold.Moved(origin=origin, received=received, read=read, at=at):  # of no fact: see hub/archive.py
            yield _MOVES[1], [origin, received, read, at]
        case fold.Registered(origin=origin, key=key, name=name, at=at):
            told = {"origin": origin, "key": key, "name": name, "at": at, "offset": origin}
            yield from ((sql, told) for sql in (_NEW_INSTANCE, _RELEASE, _HOLD, _TAKE_OVER_HOLD))
            if change.human:
                yield _NEW_PERSON, {"origin": origin}
        case fold.Renamed(origin=origin, old_key=old_key, key=key, name=name):
            told = {
                "origin": origin,
                "old_key": old_key,
                "key": key,
                "name": name,
                "offset": change.offset,
                "forwards_until": change.forwards_until,
            }
            yield from ((sql, told) for sql in _RENAMING)
        case fold.Forgot(key=key, offset=offset):
            yield _FORGET, {"key": key, "offset": offset}
        case fold.Gone(origin=origin, offset=offset):
            yield _LET_GO, {"origin": origin, "offset": offset}
            yield from ((sql, {"origin": origin}) for sql in (_LEAVE, _REMOVE, _NOBODY, _UNHOLD_ALL))
        case fold.Seen(origin=origin, at=at) | fold.Announced(origin=origin, at=at):
            yield _SEE, {"origin": origin, "at": at}
        case fold.Subscribed(origin=origin, pattern=pattern, since=since):
            yield _SUBSCRIBE, {"origin": origin, "pattern": pattern, "since": since}
        case fold.Unsubscribed(origin=origin, pattern=pattern):
            yield _UNSUBSCRIBE, {"origin": origin, "pattern": pattern}
        case fold.HoldBegan(scope=scope, offset=since, at=at, by=by, reason=reason):
            yield _HOLD_BACK, {**scope._asdict(), "since": since, "at": at, "by": by, "reason": reason}
        case fold.HoldEnded(scope=scope):
            yield _UNHOLD, scope._asdict()
