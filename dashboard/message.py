"""The page of one message: all of it, where it is for each recipient, and what was said around it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from markupsafe import Markup
from msgspec import Struct

from dashboard import links
from dashboard.markdown import MOST, markdown
from dashboard.said import Said, said
from dashboard.tree import Node, tree
from dashboard.view import ELSEWHERE
from dashboard.words import clock, hue, instant, size, took, visible
from hub.topic import HUB, INBOX

AROUND = 8  # messages before it and as many after it: of its thread, or what it answers and who answered it
LONGEST = 200_000  # characters of a body, or of the raw JSON, that the page holds
RUNGS = ("accepted", "pushed", "received", "read", "answered")
BECAME = {"open": "none yet", "answered": "it came", "missed": "none has come", "late": "it came late"}
ENDED = ("expired", "held", "dropped", "purged")  # states that are no rung of the ladder


class File(Struct, frozen=True, kw_only=True):
    name: str
    size: str
    kind: str
    link: str  # "" where nothing can be fetched
    elsewhere: str  # then why


class Rung(Struct, frozen=True, kw_only=True):
    """Whether a recipient's copy has come this far; `time` is "" where that is not known, `after` since the sending."""

    name: str
    reached: bool
    unknown: bool  # nobody can tell whether it had
    time: str
    at: str
    after: str


class Where(Struct, frozen=True, kw_only=True):
    """One recipient's line. `state` is how far it has come, or what became of it instead."""

    name: str
    hue: int
    link: str
    state: str
    ended: bool
    online: bool
    rungs: list[Rung]


class Reply(Struct, frozen=True, kw_only=True):
    """What the form to answer is filled with, as the hub knows it."""

    to: str
    thread: str
    reply_to: str


class MessagePage(Struct, frozen=True, kw_only=True):
    title: str
    row: Said
    id: str
    permalink: str
    sent: str
    topic: str
    size: str
    reply_to: str
    reply_link: str
    wanted: str  # until when an answer is wanted, and what became of that; "" where none is
    body: str
    cut: bool  # whether `body` is not all of it
    as_markdown: Markup | None  # None: as text
    too_long: bool  # for Markdown
    text_link: str
    markdown_link: str
    data: list[Node]
    files: list[File]
    where: list[Where]
    undated: bool  # whether there is a rung that was reached nobody knows when
    nobody: str  # what stands there without recipients
    before: list[Said]
    after: list[Said]
    more_before: bool
    more_after: bool
    thread: str
    thread_link: str
    reply: Reply | None  # None: nobody can be answered
    raw: str
    raw_cut: bool
    raw_link: str


def message_page(
    told: Mapping[str, Any],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    now: int,
    read_as: str = "",
    zone: tzinfo | None = None,
) -> MessagePage:
    """`told` is what `GET /messages/ID` gives, `before` and `after` pages of what was said around it; `now` is in
    milliseconds since 1970."""
    message = told["message"]
    row = said(message, now, zone=zone)
    body = visible(message["body"])
    permalink = links.message(message["id"], message["offset"])
    as_markdown = read_as == "markdown" and len(body) <= MOST
    raw = visible(json.dumps(message, indent=2, ensure_ascii=False))
    sender, to = visible(message["from"]), visible(message["to"])
    ladder = [_where(each, instant(message["at"]), now, zone) for each in told["ladder"]]
    return MessagePage(
        title=row.fact or f"{sender} to {to}",
        row=row,
        id=visible(message["id"]),
        permalink=permalink,
        sent=message["at"],
        topic=visible(message["topic"]),
        size=size(len(message["body"].encode("utf-8", "replace"))),
        reply_to=visible(message["reply_to"] or ""),
        reply_link=links.message(message["reply_to"]) if message["reply_to"] else "",
        wanted=_wanted(told.get("answer"), now, zone),
        body=body[:LONGEST],
        cut=len(body) > LONGEST,
        as_markdown=markdown(body) if as_markdown else None,
        too_long=len(body) > MOST,
        text_link=permalink,
        markdown_link=f"{permalink}?as=markdown",
        data=[] if message["data"] is None else tree(message["data"]),
        files=[_file(each, message["id"]) for each in message["attachments"] or ()],
        where=ladder,
        undated=any(rung.reached and not rung.time for each in ladder for rung in each.rungs),
        nobody="Told by the hub, to whoever observes." if row.fact else "Nobody heard it: no one is on this topic.",
        before=[said(each, now, zone=zone) for each in before["messages"]],
        after=[said(each, now, zone=zone) for each in after["messages"]],
        more_before=before["more"],
        more_after=after["more"],
        thread=visible(message["thread"] or ""),
        thread_link=links.thread(visible(message["thread"])) if message["thread"] else "",
        reply=_reply(message),
        raw=raw[:LONGEST],
        raw_cut=len(raw) > LONGEST,
        raw_link=f"/api/v1{permalink}",
    )


def _wanted(answer: Mapping[str, Any] | None, now: int, zone: tzinfo | None) -> str:
    if answer is None:
        return ""
    at = f" at {clock(instant(answer['at']), now, zone)}" if answer["at"] else ""
    return f"{clock(instant(answer['by']), now, zone)}: {BECAME.get(answer['state'], answer['state'])}{at}"


def _reply(message: Mapping[str, Any]) -> Reply | None:
    """What was said to many is answered there, what was said to one is answered to whoever said it."""
    if message["from"] == HUB:
        return None
    one = message["topic"].startswith(INBOX)
    to = message["from"] if one else message["to"]
    return Reply(to=to, thread=message["thread"] or "", reply_to=message["id"])


def _file(attachment: Mapping[str, Any], message_id: str) -> File:
    length, sha256 = attachment.get("size"), attachment.get("sha256")
    elsewhere = attachment.get("here") is False
    return File(
        name=visible(str(attachment.get("name") or "unnamed")),
        size=size(length) if isinstance(length, int) else "",
        kind=visible(str(attachment.get("media_type") or "")),
        link=links.attachment(sha256, message_id) if isinstance(sha256, str) and not elsewhere else "",
        elsewhere=ELSEWHERE if elsewhere else "",
    )


def _where(step: Mapping[str, Any], sent: int, now: int, zone: tzinfo | None) -> Where:
    times: Mapping[str, str | None] = step["times"]
    name = visible(step["name"])
    ended = step["state"] in ENDED
    rungs = [_rung(rung, step, sent, now, zone) for rung in RUNGS]
    rungs += [_rung(rung, step, sent, now, zone) for rung in times if rung not in RUNGS]
    return Where(
        name=name,
        hue=hue(name),
        link=links.instance(name),
        state=step["state"],
        ended=ended,
        online=bool(step.get("online")),
        rungs=rungs,
    )


def _rung(rung: str, step: Mapping[str, Any], sent: int, now: int, zone: tzinfo | None) -> Rung:
    times: Mapping[str, str | None] = step["times"]
    text = times.get(rung)
    at = None if text is None else instant(text)
    return Rung(
        name=rung,
        reached=rung in times,
        unknown=rung in step.get("unknown", ()),
        time="" if at is None else clock(at, now, zone),
        at=text or "",
        after="" if at is None or rung == "accepted" else f"+{took(at - sent)}",
    )
