"""A message as one row of a list, on the pages that only the server draws: who to whom, and how it begins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, NamedTuple

from msgspec import Struct

from dashboard.name import Name
from dashboard.view import entry
from dashboard.words import clock, plural


class Piece(NamedTuple):
    """A run of text; `marked` if it is what was looked for."""

    text: str
    marked: bool = False


class Said(Struct, frozen=True, kw_only=True):
    offset: int
    link: str
    sent: str
    clock: str
    sender: Name
    to: Name | None  # None: it is no instance
    topic: str  # `#build` or `all`, where it is none
    topic_link: str
    thread: str
    thread_link: str
    reply: bool
    preview: list[Piece]
    files: str
    fact: str  # what the hub tells, in words; then `about` is the instance it is about
    about: Name | None


def said(
    message: Mapping[str, Any], now: int, *, preview: list[Piece] | None = None, zone: tzinfo | None = None
) -> Said:
    """A row of one message in its JSON form; `preview` in the place of how its body begins."""
    shown = entry(message)
    named = shown.to_kind == "name"
    return Said(
        offset=shown.offset,
        link=shown.link,
        sent=shown.sent,
        clock=clock(shown.at, now, zone),
        sender=Name(name=shown.sender, hue=shown.sender_hue, link=shown.sender_link),
        to=Name(name=shown.to, hue=shown.to_hue, link=shown.to_link) if named else None,
        topic="" if named else shown.to,
        topic_link="" if named else shown.to_link,
        thread=shown.thread or "",
        thread_link=shown.thread_link,
        reply=shown.reply_to is not None,
        preview=[Piece(shown.preview)] if preview is None else preview,
        files=plural(len(shown.files), "file") if shown.files else "",
        fact=shown.fact or "",
        about=Name(name=shown.about, hue=shown.about_hue, link=shown.about_link) if shown.about else None,
    )
