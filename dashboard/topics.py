"""The page of all topics: what is kept of each, who is behind, how fast it grows and when its oldest message goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any

from msgspec import Struct

from dashboard import links
from dashboard.name import named
from dashboard.view import UNKNOWN, ReaderCell
from dashboard.words import clock, count, hue, instant, plural, size, span, visible

INBOX = "inbox."
READERS = 6  # shown of each topic; the others are folded
HOUR = 3_600_000
THEN = (
    "How large the log might become, and when its messages were to go, is not known of an earlier moment; nor what "
    "there was of a topic of which some has gone since."
)


class TopicRow(Struct, frozen=True, kw_only=True):
    topic: str
    link: str
    prefix: str  # `inbox.`, where the rest is a name
    rest: str
    hue: int
    backlog: str  # of the reader furthest behind
    waiting: bool
    readers: list[ReaderCell]
    more_readers: list[ReaderCell]
    folded: str
    messages: str
    size: str
    lately: str
    head: str
    oldest: str  # how long ago its oldest message came
    oldest_at: str
    goes: str  # in how long that one goes, at the latest
    goes_at: str


class Topics(Struct, frozen=True, kw_only=True):
    rows: list[TopicRow]
    total: str
    lately: str  # what the column of that name counts
    kept: str
    forecast: str
    full: int | None  # per cent of what the log may have; None: nobody knows what it might


def topics(told: Mapping[str, Any], *, zone: tzinfo | None = None) -> Topics:
    """`told` is what `GET /topics` gives. The one whose reader is furthest behind comes first."""
    now = instant(told["at"])
    since = instant(told["since"])
    rows = sorted(told["topics"], key=_worst_first)
    return Topics(
        rows=[_row(each, now) for each in rows],
        total=plural(len(rows), "topic"),
        lately="Last hour" if now - since >= HOUR else f"Since {clock(since, now, zone)}",
        kept=_kept(told),
        forecast=_forecast(told, now) if told["retention_age"] is not None else THEN,
        full=None if told["retention_size"] is None else min(100, told["kept_bytes"] * 100 // told["retention_size"]),
    )


def _known(number: int | None, said: Callable[[int], str]) -> str:
    return UNKNOWN if number is None else said(number)


def _kept(told: Mapping[str, Any]) -> str:
    kept = _known(told["kept_bytes"], size)
    return kept if told["retention_size"] is None else f"{kept} of {size(told['retention_size'])}"


def _row(each: Mapping[str, Any], now: int) -> TopicRow:
    topic = visible(each["topic"])
    prefix = INBOX if topic.startswith(INBOX) else ""
    readers = [
        ReaderCell(who=named(reader["name"]), backlog=_known(reader["backlog"], count), behind=bool(reader["backlog"]))
        for reader in sorted(each["readers"], key=lambda reader: (-(reader["backlog"] or 0), reader["name"].lower()))
    ]
    rest = topic.removeprefix(prefix)
    oldest, goes, known = each["oldest_at"], each["goes_at"], each["messages"] is not None
    return TopicRow(
        topic=topic,
        link=links.topic(each["topic"]),
        prefix=prefix,
        rest=rest,
        hue=hue(rest),
        backlog=readers[0].backlog if readers else "",
        waiting=bool(readers) and readers[0].behind,
        readers=readers[:READERS],
        more_readers=readers[READERS:],
        folded=plural(len(readers) - READERS, "more reader"),
        messages=_known(each["messages"], count),
        size=_known(each["bytes"], size),
        lately=_known(each["lately"], count),
        head=count(each["head"]),
        oldest=span(now - instant(oldest)) if oldest else "" if known else UNKNOWN,
        oldest_at=oldest or "",
        goes="" if goes is None else "now" if instant(goes) <= now else f"in {span(instant(goes) - now)}",
        goes_at=goes or "",
    )


def _forecast(told: Mapping[str, Any], now: int) -> str:
    kept = f"A message is kept for {span(round(told['retention_age'] * 1000))}"
    grows = f"the log grows by {size(told['bytes_an_hour'])} an hour"
    if told["full_at"] is None:
        return f"{kept}; {grows}, which leaves room for all of that time."
    left = instant(told["full_at"]) - now
    if left >= told["retention_age"] * 1000:
        return f"{kept}; {grows}: at that pace it would be full only in {span(left)}."
    if left <= 0:
        return f"{kept}, or less: the log is full, and the oldest go as new ones come ({grows})."
    return f"{kept}, or less: {grows}, at that pace it is full in {span(left)}, and then the oldest go."


def _worst_first(each: Mapping[str, Any]) -> tuple[int, int, str]:
    backlogs = [reader["backlog"] or 0 for reader in each["readers"]]
    return -max(backlogs, default=0), -sum(backlogs), each["topic"]
