"""Spans of time, times and sizes as people write them: `7d`, `1h30m`, `2026-11-22T09:00`, `64MiB`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
BYTES: Final = {
    "b": 1,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}

_SPAN = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:ms|s|m|h|d|w)\s*)+")
_SPAN_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)?")


def seconds(text: str) -> float:
    """Seconds in `90s`, `15m`, `1h30m`, `7d`, `2w`, `250ms`; a bare number is seconds. Raises ValueError.

    >>> seconds("1h30m")
    5400.0
    """
    said = text.strip().lower().replace("_", "")
    if _NUMBER.fullmatch(said):
        return float(said)
    if not _SPAN.fullmatch(said):
        raise ValueError(text)
    return float(sum(float(number) * SECONDS[unit] for number, unit in _SPAN_PART.findall(said)))


def instant(text: str, now: float) -> float:
    """Seconds since 1970 of a time such as `2026-11-22` or `2026-11-22T09:00`, on this machine's clock unless it names
    its zone; or of how long before `now` it was, as `seconds` takes it. Raises ValueError or OverflowError.

    >>> instant("1970-01-02T00:00Z", 0.0)
    86400.0
    >>> instant("1h30m", 10_000.0)
    4600.0
    """
    try:
        return now - seconds(text)
    except ValueError:
        return datetime.fromisoformat(text.strip()).timestamp()


def size(text: str) -> int:
    """Bytes in `64MiB`, `1 GiB`, `10MB`, `4096`: `KiB` is 1024, `kB` is 1000. Raises ValueError.

    >>> size("64MiB")
    67108864
    """
    found = _SIZE.fullmatch(text.strip().lower().replace("_", ""))
    unit = found and (found[2] or "b")
    if not found or unit not in BYTES:
        raise ValueError(text)
    return int(float(found[1]) * BYTES[unit])


def span_text(value: float) -> str:
    """Seconds in the largest unit that shows them whole: 604800 is `7d`."""
    for unit in ("d", "h", "m", "s"):
        if value and value % SECONDS[unit] == 0:
            return f"{value / SECONDS[unit]:.0f}{unit}"
    return f"{value:g}s" if value >= 1 or not value else f"{value * 1000:g}ms"


def size_text(value: float) -> str:
    """Bytes in the largest unit that shows them whole: 67108864 is `64MiB`."""
    for unit, name in (("tib", "TiB"), ("gib", "GiB"), ("mib", "MiB"), ("kib", "KiB")):
        if value and value % BYTES[unit] == 0:
            return f"{value / BYTES[unit]:.0f}{name}"
    return f"{value:.0f}B"


def roughly(value: float) -> str:
    """Bytes as people say them: 5000 is `4.9 KiB`."""
    for name, unit in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= unit:
            return f"{value / unit:.1f} {name}"
    return f"{value:.0f} bytes"
