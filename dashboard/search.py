"""The page that finds messages: by words, sender, recipient, topic, thread and time. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Any

from msgspec import Struct

from dashboard.links import escaped
from dashboard.said import Piece, Said, said
from dashboard.view import BODY_SHOWN
from dashboard.words import count, plural, visible
from hub.fulltext import words
from hub.units import instant as moment

PAGE = 50  # messages
LEAD = 90  # characters of a body before the first word that was looked for
SNIPPET = 320
NAMES = 200  # suggested for sender and recipient

_FIELDS = ("q", "from", "to", "topic", "thread", "since", "until")
# A word as the full-text index knows it, with the marks that a letter may carry.
_WORD = re.compile(r"(?:[^\W_][\u0300-\u036f]*)+")


class Asked(Struct, frozen=True, kw_only=True):
    """What is looked for, as it was typed; it stands in the page's address, so that a link finds the same."""

    q: str = ""
    from_: str = ""
    to: str = ""
    topic: str = ""
    thread: str = ""
    since: str = ""
    until: str = ""
    before: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Asked:
        """Read it from an address."""
        typed = {_key(each): query.get(each, "").strip() for each in _FIELDS}
        before = query.get("before", "")
        return cls(**typed, before=int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None)

    @property
    def anything(self) -> bool:
        """Whether anything at all is asked."""
        return any(getattr(self, _key(each)) for each in _FIELDS)

    def link(self, *, before: int | None = None) -> str:
        """The address that asks this, a page further back with `before`."""
        parts = [(each, getattr(self, _key(each))) for each in _FIELDS]
        told = [f"{key}={escaped(value)}" for key, value in parts if value]
        if before is not None:
            told.append(f"before={before}")
        return "/search" + ("?" + "&".join(told) if told else "")

    def wanted(self, now: float) -> dict[str, Any]:
        """What to ask `Source.history` for; `now` is in seconds. Raises ValueError for what is no time.

        The message of the ValueError says which field it was.
        """
        wanted: dict[str, Any] = {"limit": PAGE, "before": self.before}
        for key, value in (("search", self.q), ("from_", self.from_), ("to", self.to), ("topic", self.topic)):
            wanted[key] = value or None
        wanted["thread"] = self.thread or None
        for key, value in (("since", self.since), ("until", self.until)):
            try:
                wanted[key] = moment(value, now) if value else None
            except (ValueError, OverflowError):
                raise ValueError(
                    f"“{visible(value)[:60]}” is neither a time such as 2026-11-22T09:00 nor a span such as 7d."
                ) from None
        return wanted


class Results(Struct, frozen=True, kw_only=True):
    asked: Asked
    title: str
    rows: list[Said]
    told: str  # what was found, in words
    refused: str  # why nothing could be looked for
    hint: str
    index: str  # how far the index has come, where that matters
    older: str  # the address of the next page, "" after the last
    newest: str  # that of the first, "" on it
    names: list[str]
    command: str  # that finds the same on the command line


def results(
    asked: Asked,
    found: Mapping[str, Any] | None,
    about: Mapping[str, Any],
    names: Iterable[str],
    *,
    now: int,
    refused: str = "",
    hint: str = "",
    zone: tzinfo | None = None,
) -> Results:
    """The page. `found` is what `Source.history` gave, None if nothing was asked or it was `refused`."""
    looked_for = frozenset(words(asked.q))
    messages = found["messages"][::-1] if found else []
    return Results(
        asked=asked,
        title=f"Search: {visible(asked.q)[:60]}" if asked.q else "Search",
        rows=[said(each, now, preview=snippet(each["body"], looked_for) or None, zone=zone) for each in messages],
        told=_told(asked, found),
        refused=refused,
        hint=hint,
        index=_index(asked, about),
        older=asked.link(before=messages[-1]["offset"]) if found and found["more"] else "",
        newest=asked.link() if asked.before is not None else "",
        names=[visible(each) for each in sorted(names, key=str.lower)[:NAMES]],
        command=_command(asked),
    )


def snippet(body: str, looked_for: frozenset[str]) -> list[Piece]:
    """The stretch of a body around the first word that was looked for, with all of them marked; none if none is near.

    Of a long body only the beginning is looked through: the rest is a click away.
    """
    shown = " ".join(visible(body[:BODY_SHOWN]).split())
    hits = [each.span() for each in _WORD.finditer(shown) if looked_for.intersection(words(each.group()))]
    if not hits:
        return []
    start = _word_start(shown, max(0, hits[0][0] - LEAD))
    end = min(len(shown), start + SNIPPET)
    pieces = [Piece("…")] if start else []
    at = start
    for begin, finish in hits:
        if finish > end:
            break
        pieces += [Piece(shown[at:begin])] if begin > at else []
        pieces.append(Piece(shown[begin:finish], marked=True))
        at = finish
    pieces.append(Piece(shown[at:end] + ("…" if end < len(shown) or len(body) > BODY_SHOWN else "")))
    return [each for each in pieces if each.text]


def _word_start(text: str, at: int) -> int:
    """The first place from `at` on, but not far, where a word begins."""
    blank = text.find(" ", at, at + 20) if at else -1
    return blank + 1 if blank >= 0 else at


def _told(asked: Asked, found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    number = len(found["messages"])
    if asked.q and not words(asked.q):
        return "There is no letter and no digit in that: nothing is found by other marks."
    if not number:
        return "Nothing older fits." if asked.before is not None else "No message fits."
    if found["more"] or asked.before is not None:
        which = "The next" if asked.before is not None else "The newest"
        return f"{which} {plural(number, 'message')} that fit{'s' if number == 1 else ''}, the newest first."
    return f"{plural(number, 'message')}, the newest first." if number > 1 else "1 message."


def _index(asked: Asked, about: Mapping[str, Any]) -> str:
    if not asked.q:
        return ""
    if about["indexed"] is None:
        return "This hub has no full-text index (its SQLite lacks FTS5): every message was read through, which is slow."
    behind = about["head"] - about["indexed"]
    if behind <= 0:
        return ""
    return (
        f"The index has yet to reach the newest {plural(behind, 'place')} of the log, up to {count(about['head'])}: "
        "the messages there were read through, so none is missing."
    )


def _command(asked: Asked) -> str:
    options = {"search": asked.q, "from": asked.from_, "to": asked.to, "topic": asked.topic, "thread": asked.thread}
    options |= {"since": asked.since, "until": asked.until}
    return " ".join(["hubbub history", *(f"--{key} {_quoted(value)}" for key, value in options.items() if value)])


def _quoted(text: str) -> str:
    """A word for a POSIX shell."""
    text = visible(text)
    return text if re.fullmatch(r"[\w@%+=:,./-]+", text, re.ASCII) else "'" + text.replace("'", "'\"'\"'") + "'"


def _key(field: str) -> str:
    return "from_" if field == "from" else field
