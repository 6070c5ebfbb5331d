"""What retention will remove, and when: the rule of `Log.trim`, told beforehand.

A log is trimmed from its oldest message on, up to the first that is neither too old nor too much; the newest always
stays. Movements of read cursors (`$cursors`) have a shorter time of their own, and are not told here.
"""

from __future__ import annotations

from msgspec import Struct

from hub.log import Log, Retention

ROWS = 5000  # looked at in one read


class Ahead(Struct, kw_only=True):
    """`messages` and `bytes` may go now, up to `upto`; `oldest_at` is the oldest kept, `next_at` when the first goes
    that stays for now. Times are seconds since 1970; None where there is none."""

    messages: int = 0
    bytes: int = 0
    upto: int = 0
    oldest_at: float | None = None
    next_at: float | None = None


async def ahead(log: Log, retention: Retention, size: int, head: int, now: float) -> Ahead:
    """What `retention` lets go of a log of `size` bytes. It costs as much as there is to go."""
    found = Ahead()
    after = 0
    while rows := await log.ages(after, ROWS):
        for row in rows:
            if found.oldest_at is None:
                found.oldest_at = row.at
            old = row.at < now - retention.age
            if row.offset >= head or not (old or size - found.bytes > retention.size):
                found.next_at = row.at + retention.age
                return found
            found.messages += 1
            found.bytes += row.size
            found.upto = row.offset
        after = rows[-1].offset
    return found
