"""How the page says numbers, spans of time, sizes and names: the smallest parts of a view.

`static/words.js` is the same in the browser's language; a test holds the two to each other.
Times are whole milliseconds since 1970, which both languages count exactly.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

HUES = 24

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def count(number: int) -> str:
    """`1204567` as `1,204,567`."""
    return f"{number:,}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """`1 message`, `2 messages`, `1,204 messages`; `many` where an s does not make it."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def size(number: int) -> str:
    """Bytes in the largest unit that leaves at least one: `0 B`, `999 B`, `1.5 KiB`, `20 MiB`."""
    if number < 1024:
        return f"{number} B"
    unit, step = "KiB", 1024
    for larger in ("MiB", "GiB", "TiB"):
        if number < step * 1024:
            break
        unit, step = larger, step * 1024
    tenths = number * 10 // step
    return f"{tenths // 10}.{tenths % 10} {unit}" if tenths < 100 else f"{count(tenths // 10)} {unit}"


def span(milliseconds: int) -> str:
    """A length of time in one unit, rounded down: `0 s`, `59 s`, `3 min`, `47 h`, `12 d`."""
    seconds = max(0, milliseconds) // 1000
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 48 * 3600:
        return f"{seconds // 3600} h"
    return f"{count(seconds // 86400)} d"


def took(milliseconds: int) -> str:
    """How long something took, finer where it was short: `240 ms`, `1.2 s`, `3 min`."""
    if milliseconds < 1000:
        return f"{max(0, milliseconds)} ms"
    return f"{milliseconds // 1000}.{milliseconds % 1000 // 100} s" if milliseconds < 10_000 else span(milliseconds)


def ago(milliseconds: int) -> str:
    """How long ago something was: `now` for the last five seconds, then `12 s ago`."""
    return "now" if milliseconds < 5000 else f"{span(milliseconds)} ago"


def instant(text: str) -> int:
    """An RFC 3339 time as milliseconds since 1970. Raises ValueError."""
    then = datetime.fromisoformat(text)
    return (then - datetime(1970, 1, 1, tzinfo=UTC)) // _MILLISECOND


def clock(at: int, now: int, zone: tzinfo | None) -> str:
    """The time of day where `at` is on the same day as `now`, else the day with it; None is the machine's zone."""
    then, today = _local(at, zone), _local(now, zone)
    if then.date() == today.date():
        return f"{then:%H:%M:%S}"
    return f"{then.day} {_MONTHS[then.month - 1]} {then:%H:%M}"


def hue(name: str) -> int:
    """Which of the 24 hues is a name's own: FNV-1a of its lower case, so that it is the same in every page.

    (http://www.isthe.com/chongo/tech/comp/fnv/)
    """
    mixed = 0x811C9DC5
    for byte in name.lower().encode("utf-8", "replace"):
        mixed = ((mixed ^ byte) * 0x01000193) & 0xFFFFFFFF
    return mixed % HUES


def visible(text: str) -> str:
    """Text with its control characters as pictures, so that a terminal escape is seen and not hidden.

    Line ends and tabs stay. (https://www.unicode.org/charts/PDF/U2400.pdf)
    """
    return _CONTROL.sub(_picture, text.replace("\r\n", "\n"))


def _picture(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "\ufffd"


def _local(at: int, zone: tzinfo | None) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + at * _MILLISECOND).astimezone(zone)


_MILLISECOND = datetime.resolution * 1000
