"""What a hub would tell of one instance, its topics and a message, out of a snapshot of tests.dashboard.hours."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hub.errors import UnknownInstance, UnknownMessage
from tests.dashboard.hours import before, rfc3339

DAY = 86_400


def an_instance_closely(snapshot: dict[str, Any], name: str) -> dict[str, Any]:
    """GET /instances/NAME."""
    row = next((each for each in snapshot["instances"] if each["name"].lower() == name.lower()), None)
    if row is None:
        raise UnknownInstance(f"Nobody called {name} has registered.", "`hubbub ls` shows who has.")
    now = datetime.fromisoformat(snapshot["at"])
    held = {"since": 0, "until": None, "forwards_until": None}
    session = {"since": row["since"], "observer": False, "pushed": 0, "received": 0, "credit": 256}
    return {
        "at": snapshot["at"],
        **row,
        "received": 4712,
        "read": 4709,
        "names": [
            {"name": f"{row['name']}-old", **held, "forwards_until": rfc3339(now + timedelta(minutes=90))},
            {"name": row["name"], **held},
        ],
        "clients": [{"client": row["client"], **session}] * row["sessions"],
        "subscriptions": [{"topic": topic, "since": 12} for topic in row["topics"]],
    }


def a_queue_of(snapshot: dict[str, Any], name: str, limit: int) -> dict[str, Any]:
    """GET /instances/NAME/queue."""
    row = an_instance_closely(snapshot, name)
    mine = [each for each in snapshot["recent"] if each["to"].lower() == name.lower()]
    unread = mine[-row["unread"] :] if row["unread"] else []
    return {"messages": unread[:limit], "more": len(unread) > limit, "unread": row["unread"]}


def an_activity(snapshot: dict[str, Any], asked: str = "api") -> dict[str, Any]:
    """GET /instances/NAME/activity of an hour in which everything came up."""
    now = datetime.fromisoformat(snapshot["at"])
    states = ("unknown", "offline", "online", "working", "waiting", "idle")
    times = [before(now, minutes=10 * left) for left in range(len(states), -1, -1)]
    return {
        "since": times[0],
        "until": times[-1],
        "stretches": [
            {
                "state": state,
                "since": times[place],
                "until": times[place + 1],
                "asked": asked if state == "waiting" else None,
            }
            for place, state in enumerate(states)
        ],
    }


def some_replies(snapshot: dict[str, Any], name: str) -> dict[str, Any]:
    """GET /instances/NAME/replies."""
    others = [each["name"] for each in snapshot["instances"] if each["name"] != name]
    times = {"answers": 12, "p50": 1.25, "p95": 184.0}
    partners = [
        {"name": other, "answered": times, "answers": None if place else times} for place, other in enumerate(others)
    ]
    now = datetime.fromisoformat(snapshot["at"])
    return {"since": before(now, hours=2) if partners else None, "exchanges": 12 * len(partners), "partners": partners}


def some_topics(snapshot: dict[str, Any]) -> dict[str, Any]:
    """GET /topics."""
    now = datetime.fromisoformat(snapshot["at"])
    rows = [
        {
            **each,
            "lately": min(12, each["messages"]),
            "oldest_at": before(now, days=1),
            "goes_at": rfc3339(now + timedelta(days=29)),
        }
        for each in snapshot["topics"]
    ]
    return {
        "at": snapshot["at"],
        "since": before(now, hours=1),
        "kept_bytes": 300 * 2**20,
        "retention_age": 30 * DAY,
        "retention_size": 2**30,
        "bytes_an_hour": 2**20,
        "full_at": rfc3339(now + timedelta(hours=724)),
        "topics": rows,
    }


def a_message_closely(snapshot: dict[str, Any], message_id: str) -> dict[str, Any]:
    """GET /messages/ID: pushed to somebody, and read by who has answered."""
    said = snapshot["recent"]
    message = next((each for each in said if message_id in (each["id"], str(each["offset"]))), None)
    if message is None:
        raise UnknownMessage(f"There is no message {message_id!r}.", "`hubbub history` shows what is kept.")
    at = datetime.fromisoformat(message["at"])
    times = {"accepted": message["at"], "pushed": rfc3339(at + timedelta(milliseconds=240)), "received": None}
    step = {"name": message["to"], "state": "received", "at": None, "times": times, "online": True}
    lost = {"name": "docs", "state": "expired", "at": None, "times": {"accepted": message["at"]}, "online": False}
    return {"message": message, "ladder": [] if message["topic"].startswith("$") else [step, lost]}


def a_history(snapshot: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """GET /messages, as far as the pages ask: by words, sender, thread, reply and place."""
    if asked.get("from_") == "nobody":
        raise UnknownInstance("Nobody called nobody has registered.", "Did you mean nobody-2?")
    words = (asked.get("search") or "").lower().split()
    found = [
        each
        for each in snapshot["recent"]
        if not each["topic"].startswith("$")
        and all(word in each["body"].lower() for word in words)
        and (asked.get("from_") is None or each["from"].lower() == asked["from_"].lower())
        and (asked.get("topic") is None or each["topic"] == asked["topic"])
        and (asked.get("thread") is None or each["thread"] == asked["thread"])
        and (asked.get("reply_to") is None or each["reply_to"] == asked["reply_to"])
        and (asked.get("before") is None or each["offset"] < asked["before"])
        and each["offset"] > (asked.get("after") or 0)
    ]
    limit = asked["limit"]
    page = found[-limit:] if asked.get("after") is None else found[:limit]
    return {"messages": page, "more": len(found) > limit}
