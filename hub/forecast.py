"""What is kept of each topic and for how long still: how fast it grows, and when its oldest message goes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hub import frames, inquiry
from hub.inquiry import Scene
from hub.log import Retention

HOUR = 3600.0
FAR = 10 * 365 * 24 * HOUR  # seconds; what lies further ahead is not foretold
LATELY = 50_000  # messages of the window that are looked at, at most, for how fast the topics grow


async def topics(node: Scene, rule: Retention | None) -> dict[str, Any]:
    """Every topic as in `inquiry.topics`, with what it got lately and when its oldest message goes; and the rule.

    "Lately" is the last hour, or as much of it as the window in memory goes back. Of an earlier moment there is no
    `rule`: it is not known, nor what goes when; nor what there was of a topic of which retention has taken some since.
    """
    now = node.now()
    rows = await inquiry.topics(node)
    newest = node.hub.window.newest(LATELY)
    late = [each for each in newest if each.at > now - HOUR]
    cut = late and len(late) == len(newest) and late[0].offset > node.hub.floor  # there were more within the hour
    since = late[0].at if cut else now - HOUR
    messages = Counter(each.topic for each in late)
    growth = sum(each.size for each in late) / max(1.0, now - since)  # bytes a second
    stocks = node.hub.registry.topics
    kept = (
        None
        if node.past and any(each.trimmed for each in stocks.values())
        else sum(each.size for each in stocks.values())
    )
    full = FAR if rule is None or kept is None or not growth else max(0.0, rule.size - kept) / growth
    oldest = await node.log.oldest([row["topic"] for row in rows])
    for row in rows:
        known = row["messages"] is not None
        at = oldest.get(row["topic"]) if known else None
        row["lately"] = messages[row["topic"]] if known else None
        row["oldest_at"] = None if at is None else frames.moment(at)
        row["goes_at"] = None if at is None or rule is None else frames.moment(at + rule.age)
    return {
        "at": frames.moment(now),
        "since": frames.moment(since),
        "kept_bytes": kept,
        "retention_age": None if rule is None else rule.age,
        "retention_size": None if rule is None else rule.size,
        "bytes_an_hour": round(growth * HOUR),
        "full_at": frames.moment(now + full) if full < FAR else None,
        "topics": rows,
    }
