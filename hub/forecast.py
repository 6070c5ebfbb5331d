"""What is kept of each topic and for how long still: how fast it grows, and when its oldest message goes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hub import frames, inquiry
from hub.node import Node

HOUR = 3600.0
FAR = 10 * 365 * 24 * HOUR  # seconds; what lies further ahead is not foretold
LATELY = 50_000  # messages of the window that are looked at, at most, for how fast the topics grow


async def topics(node: Node) -> dict[str, Any]:
    """Every topic as in `inquiry.topics`, with what it got lately and when its oldest message goes; and the rule.

    "Lately" is the last hour, or as much of it as the window in memory goes back.
    """
    now = node.now()
    rows = await inquiry.topics(node)
    newest = node.hub.window.newest(LATELY)
    late = [each for each in newest if each.at > now - HOUR]
    cut = late and len(late) == len(newest) and late[0].offset > node.hub.floor  # there were more within the hour
    since = late[0].at if cut else now - HOUR
    messages = Counter(each.topic for each in late)
    growth = sum(each.size for each in late) / max(1.0, now - since)  # bytes a second
    rule, kept = node.retention, sum(stock.size for stock in node.hub.registry.topics.values())
    full = max(0.0, rule.size - kept) / growth if growth else FAR
    oldest = await node.log.oldest([row["topic"] for row in rows])
    for row in rows:
        at = oldest.get(row["topic"])
        row["lately"] = messages[row["topic"]]
        row["oldest_at"] = None if at is None else frames.moment(at)
        row["goes_at"] = None if at is None else frames.moment(at + rule.age)
    return {
        "at": frames.moment(now),
        "since": frames.moment(since),
        "kept_bytes": kept,
        "retention_age": rule.age,
        "retention_size": rule.size,
        "bytes_an_hour": round(growth * HOUR),
        "full_at": frames.moment(now + full) if full < FAR else None,
        "topics": rows,
    }
