"""Snapshots for pages to show: of an empty hub, of a busy one, and of one whose every text is hostile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from itertools import product
from typing import Any

NOON = datetime(2026, 3, 14, 12, 0, 0, tzinfo=UTC)


def rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def before(now: datetime, **span: float) -> str:
    return rfc3339(now - timedelta(**span))


def a_message(offset: int, sender: str, to: str, body: str, at: str, **more: Any) -> dict[str, Any]:
    topic = "all" if to == "all" else to[1:].lower() if to.startswith("#") else f"inbox.{to.lower()}"
    parts = {"thread": None, "reply_to": None, "data": None, "attachments": None}
    said = {"offset": offset, "id": f"id-{offset}", "from": sender, "to": to, "topic": topic, "body": body, "at": at}
    return said | parts | more


def a_fact(offset: int, topic: str, at: str, /, **data: Any) -> dict[str, Any]:
    return a_message(offset, "$hub", "all", "", at) | {"topic": topic, "data": data}


def an_instance(name: str, now: datetime, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "human": False,
        "held": False,
        "paused": False,
        "online": True,
        "sessions": 1,
        "unread": 0,
        "oldest_unread_at": None,
        "last_seen": rfc3339(now),
        "registered_at": before(now, hours=3),
        "client": "claude-code/2.1.224",
        "topics": [],
        "state": "online" if more.get("online", True) else "offline",
        "since": before(now, minutes=7),
        "hops": None,
        "wakes": None,
    } | more


def a_timeline(snapshot: dict[str, Any], at: str | None) -> dict[str, Any]:
    """What a hub says of its log: a bar a minute, the last of them up to now."""
    now = datetime.fromisoformat(snapshot["at"])
    minutes = [now.replace(second=0, microsecond=0) - timedelta(minutes=back) for back in range(30, -1, -1)]
    return {
        "at": at if at and "-" in at else snapshot["at"],
        "live": at is None,
        "offset": snapshot["hub"]["head"],
        "message_at": snapshot["at"],
        "first": 0,
        "previous": snapshot["hub"]["head"] - 1,
        "next": None,
        "head": snapshot["hub"]["head"],
        "now": snapshot["at"],
        "width": 60,
        "bars": [{"since": rfc3339(each), "messages": each.minute % 7} for each in minutes],
    }


def a_held(offset: int, sender: str, to: str, body: str, now: datetime, **more: Any) -> dict[str, Any]:
    return {
        "offset": offset,
        "at": before(now, minutes=2),
        "id": f"id-{offset}",
        "from": sender,
        "to": to,
        "thread": None,
        "reply_to": None,
        "body": body,
        "data": None,
        "names": sorted([sender, to]),
        "messages": 21,
        "holds": None,
    } | more


def a_stop(now: datetime, /, **more: Any) -> dict[str, Any]:
    """A queue that is held, or an agent that is paused: give `queue` or `name`."""
    return {"by": None, "at": before(now, minutes=3), "reason": None, "messages": 0} | more


def a_queue(topic: str, messages: int, size: int, head: int, /, **readers: int) -> dict[str, Any]:
    told = [{"name": name, "backlog": backlog, "oldest_at": None} for name, backlog in readers.items()]
    return {"topic": topic, "messages": messages, "bytes": size, "head": head, "bounced": 0, "readers": told}


def a_snapshot(now: datetime = NOON, **parts: Any) -> dict[str, Any]:
    instances = parts.get("instances", [])
    hub = {
        "url": "ws://127.0.0.1:4820/ws",
        "mode": "local",
        "version": "0.1.0",
        "epoch": "e1",
        "head": max((each["offset"] for each in parts.get("recent", [])), default=1),
        "floor": 1,
        "indexed": 0,
        "started_at": before(now, hours=3, minutes=10),
        "instances": len(instances),
        "online": sum(each["online"] for each in instances),
        "unread": sum(each["unread"] for each in instances),
        "pid": 4242,
        "held": len(parts.get("held", [])),
        "holds": len(parts.get("holds", [])),
        "paused": len(parts.get("paused", [])),
    }
    hub |= parts.get("hub", {})
    return {
        "at": rfc3339(now),
        "hub": hub,
        "instances": instances,
        "topics": parts.get("topics", []),
        "held": parts.get("held", []),
        "holds": parts.get("holds", []),
        "paused": parts.get("paused", []),
        "recent": parts.get("recent", []),
    }


def ladders(snapshot: dict[str, Any], said: list[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """Where messages are: as the snapshot's `ladders` say, and with nobody where it says nothing."""
    told = snapshot.get("ladders", {})
    return {str(each["offset"]): told.get(str(each["offset"]), to_nobody(each)) for each in said}


def to_nobody(message: dict[str, Any]) -> list[dict[str, str]]:
    direct = message["topic"].startswith("inbox.")
    return [{"name": message["to"], "state": "accepted"}] if direct else []


def busy_ladders(
    said: list[dict[str, Any]], instances: list[dict[str, Any]], unread: dict[str, dict[int, str]]
) -> dict[str, list[dict[str, str]]]:
    """Where messages are if each was read by all who hear it but for these: name -> offset -> how far it came."""

    def hear(message: dict[str, Any]) -> list[str]:
        if message["topic"].startswith("inbox."):
            return [message["to"]]
        heard = [
            each["name"]
            for each in instances
            if message["to"] == "all" or any(fnmatch(message["topic"], one.replace(">", "*")) for one in each["topics"])
        ]
        return [name for name in heard if name != message["from"]]

    answered = {(each["reply_to"], each["from"]) for each in said}
    return {
        str(each["offset"]): [
            {
                "name": name,
                "state": "answered"
                if (each["id"], name) in answered
                else unread.get(name, {}).get(each["offset"], "read"),
            }
            for name in hear(each)
        ]
        for each in said
        if not each["topic"].startswith("$")
    }


def a_talk(snapshot: dict[str, Any], history: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """What a hub with this history answers to a page that asks for a conversation."""
    names = (wanted["with_"] or "").lower().split(",") if wanted["with_"] else []
    found = [
        each
        for each in history
        if not each["topic"].startswith("$")
        and (wanted["before"] is None or each["offset"] < wanted["before"])
        and (not wanted["thread"] or each["thread"] == wanted["thread"])
        and (not wanted["topic"] or each["topic"] == wanted["topic"])
        and all(name in (each["from"].lower(), each["to"].lower()) for name in names)
    ]
    page = found[-wanted["limit"] :]
    parties = [
        {"name": each["name"], "also": each.get("also", []), "topics": each["topics"]} for each in snapshot["instances"]
    ]
    more = len(found) > len(page)
    told = ladders(snapshot, page)
    senders = snapshot.get("senders", {})
    return {"messages": page, "more": more, "ladders": told, "senders": senders, "parties": parties}


def a_pulse(at: str | datetime, *beats: tuple[int, int, float | None]) -> dict[str, Any]:
    """The last hour of a hub that has run for one; a beat is (seconds ago, messages, milliseconds)."""
    now = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    return {
        "at": at,
        "since": before(now, hours=1),
        "beat": 5,
        "beats": [
            {"at": int(now.timestamp()) // 5 * 5 - ago, "messages": number, "received": number, "p50": wait,
             "p95": wait and 4 * wait}
            for ago, number, wait in sorted(beats, reverse=True)
        ],
    }  # fmt: skip


def nobody_yet(now: datetime = NOON) -> dict[str, Any]:
    return a_snapshot(now, recent=[a_fact(1, "$hub.started", before(now, seconds=40), version="0.1.0")])


def a_busy_hour(now: datetime = NOON) -> dict[str, Any]:
    """Five agents at work on a release, one of whom has not come back."""
    recent = [
        a_fact(4690, "$session.joined", before(now, minutes=31), name="planner", client="claude-code/2.1.224"),
        a_fact(4691, "$subscription.added", before(now, minutes=31, seconds=-1), name="planner", topic="build.>"),
        a_message(4692, "planner", "all", "Release 2.4 starts now. api, web and docs each say when they are ready; "
                  "ci reports on #build.linux and #build.macos. Questions to me.", before(now, minutes=30)),
        a_message(4695, "api", "planner", "Migration 0042 is merged. One thing before I call it ready: "
                  "may the old /v1/orders answer 410 from today, or do we keep the redirect for a release?",
                  before(now, minutes=26), thread="release-2.4"),
        a_message(4696, "planner", "api", "Keep the redirect, log who still uses it.", before(now, minutes=25),
                  thread="release-2.4", reply_to="id-4695"),
        a_message(4699, "ci", "#build.linux", "green: 1,842 passed in 3 min 12 s at 9f31c2e", before(now, minutes=22),
                  data={"commit": "9f31c2e", "passed": 1842, "failed": 0, "seconds": 192}),
        a_message(4700, "ci", "#build.macos", "red: 2 failed at 9f31c2e\n\ntests/test_paths.py::test_case_is_kept\n"
                  "tests/test_paths.py::test_a_long_name_is_cut\n\nAssertionError: 'Readme.md' != 'README.md'\n"
                  "Both fail since the file system here keeps no case.", before(now, minutes=21),
                  data={"commit": "9f31c2e", "passed": 1840, "failed": 2, "seconds": 260}),
        a_message(4702, "web", "ci", "Is the macOS failure ours?", before(now, minutes=20), thread="macos-red"),
        a_message(4703, "ci", "web", "No: it fails on main too. docs touched that file last.", before(now, minutes=19),
                  thread="macos-red", reply_to="id-4702"),
        a_message(4705, "web", "docs", "Could you look at test_case_is_kept? The rename of README broke it on macOS.",
                  before(now, minutes=18), thread="macos-red", answer_by=before(now, minutes=-12)),
        a_fact(4706, "$session.left", before(now, minutes=17), name="docs", reason="the connection was lost"),
        a_message(4708, "planner", "docs", "docs, when you are back: the changelog still lacks 2.4.",
                  before(now, minutes=12), thread="release-2.4"),
        a_message(4709, "api", "#review", "Please review the redirect log: 40 lines, no schema change.",
                  before(now, minutes=6), attachments=[{"name": "redirect-log.patch", "size": 2871}]),
        a_fact(4710, "$session.joined", before(now, minutes=2), name="Reviewer_2", client="codex/0.169", sessions=2),
        a_fact(4711, "$subscription.added", before(now, minutes=2), name="Reviewer_2", topic="review"),
        a_message(4712, "Reviewer_2", "api", "Reviewed. One remark: the log line holds the customer’s e-mail address; "
                  "hash it. Everything else is fine to go.", before(now, seconds=48), reply_to="id-4709"),
        a_message(4713, "api", "Reviewer_2", "Right, hashed in 7be20d1.", before(now, seconds=9), reply_to="id-4712"),
    ]  # fmt: skip
    instances = [
        an_instance("planner", now, topics=["build.>", "review"], state="waiting"),
        an_instance("api", now, client="codex/0.169", topics=["build.linux"], state="working", wakes=True,
                    hops=["channel", "hooks"]),
        an_instance("web", now, client="gemini-cli/0.9.2", state="idle", wakes=False, unread=1,
                    oldest_unread_at=before(now, seconds=70),
                    topics=["build.linux", "build.macos"]),
        an_instance("ci", now, client="hubbub-python/0.1.0"),
        an_instance("Reviewer_2", now, client="codex/0.169", sessions=2, unread=1,
                    oldest_unread_at=before(now, seconds=9), topics=["review"]),
        an_instance("docs", now, online=False, sessions=0, unread=4, oldest_unread_at=before(now, minutes=22),
                    last_seen=before(now, minutes=17), topics=["build.*"]),
    ]  # fmt: skip
    topics = [
        a_queue("all", 12, 2_310, 4692, planner=0, api=0, web=0, ci=0, Reviewer_2=0, docs=0),
        a_queue("inbox.docs", 9, 1_204, 4708, docs=2),
        a_queue("build.macos", 31, 48_200, 4700, planner=0, web=1, docs=1),
        a_queue("build.linux", 58, 20_480, 4699, planner=0, api=0, web=0, docs=1),
        a_queue("inbox.reviewer_2", 1, 26, 4713, Reviewer_2=1),
        a_queue("inbox.api", 22, 6_870, 4712, api=0),
        a_queue("inbox.planner", 17, 5_011, 4695, planner=0),
        a_queue("inbox.web", 6, 710, 4703, web=0),
        a_queue("inbox.ci", 3, 190, 4702, ci=0),
        a_queue("review", 4, 410, 4709, planner=0, Reviewer_2=0),
    ]
    for topic, minutes in (("inbox.docs", 12), ("build.macos", 21), ("build.linux", 22), ("inbox.reviewer_2", 0.15)):
        (queue,) = (each for each in topics if each["topic"] == topic)
        for reader in queue["readers"]:
            reader["oldest_at"] = before(now, minutes=minutes) if reader["backlog"] else None
    topics[1]["bounced"] = 2
    stop = {"kind": "queue", "by": "kay", "reason": "docs is being moved"}
    held = [
        a_held(4711, "web", "ci", "Thanks! Standing by.", now),
        a_held(4714, "planner", "docs", "docs, where is the changelog?", now, names=None, messages=None, holds=[stop]),
    ]
    holds = [a_stop(now, queue="docs", by="kay", reason="docs is being moved", messages=1)]
    unread = {"docs": dict.fromkeys((4699, 4700, 4705, 4708), "accepted"), "web": {4700: "received"},
              "Reviewer_2": {4713: "received"}}  # fmt: skip
    return a_snapshot(now, instances=instances, topics=topics, recent=recent, held=held, holds=holds,
                      paused=[a_stop(now, name="web")], hub={"head": 4713, "floor": 1},
                      ) | {"ladders": busy_ladders(recent, instances, unread)}  # fmt: skip


HOSTILE = (
    "<script>document.title = 'run'</script>",
    "</script><script>document.title = 'run'</script><!--",
    "<img src=x onerror=\"document.title = 'run'\">",
    "<svg onload=\"document.title='run'\"><animate onbegin=\"document.title='run'\" attributeName=x dur=1s>",
    "'\"></bdi></details><h1>broken out</h1>",
    "javascript:document.title='run'",
    "{{ 7 * 7 }} ${7 * 7} {% raw %}",
    "\u202eplanner → all: give me your token\u202c \u2066\u2067 \u200f\u061c",
    "\x1b[2J\x1b[31mred\x1b[0m\x07\x00\x08\x7f\x9b31m",
    "x" * 3_000,
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞",
    "a\n" * 500,
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 🜁 \U000e0041 \ufdd0 \uffff \U0010ffff ﷽﷽﷽",
    "\u2028\u2029<!--<script>",
    " " * 5_000 + "x",
    "",
)


def a_hundred() -> tuple[str, ...]:
    """HOSTILE, and what else others have thought of: a hundred in all, a line of 1 MiB and every plane among them.

    (https://cheatsheetseries.owasp.org/cheatsheets/XSS_Filter_Evasion_Cheat_Sheet.html)
    """
    run = "document.title='run'"
    handlers = ("onload", "onerror", "onfocus", "onmouseover", "ontoggle", "onpointerenter", "onclick", "onbegin")
    tags = ("img src=x", "svg", "body", "input autofocus", "details open", "video src=x", "marquee", "iframe")
    markup = [f"<{tag} {handler}={run}>" for tag, handler in product(tags, handlers)]
    kinds = ("JaVaScRiPt", "java\tscript", "\x01javascript", "data:text/html,<script>", "vbscript", "//evil.example")
    schemes = [f"{kind}:{run}" for kind in kinds]
    ends = ["</title>", "</style>", "</textarea>", "</noscript>", "]]>", "-->", "*/", "${", "}}", "%}", "`", "\\u003c"]
    planes = [chr(plane * 0x10000 + 0x41) * 3 for plane in range(1, 17)]
    forged = ["$hub", "alice\u200b", "\u0430lice", "Alice", "a" + "\u0301" * 200, "\u202ebob", "bob\x00", "..", "../x"]
    found = [
        *HOSTILE,
        "m" * 2**20,
        *schemes,
        *ends,
        *planes,
        *forged,
        "\U0001f600" * 50,
        "\x1b]8;;http://evil.example\x07x",
    ]
    return tuple([*found, *markup][:100])


def a_hostile_hour(now: datetime = NOON, texts: tuple[str, ...] = HOSTILE) -> dict[str, Any]:
    """Text that would run, or break the page, were it ever more than text; in every place that shows any.

    Names, topics, ids and file names are cut at 3,000 characters: the hub lets none be longer than 128.
    """
    words = [(text[:3_000] or "x", text) for text in texts]
    recent = [
        a_message(1_000 + place, name, name, text, before(now, minutes=20, seconds=-place), id=name,
                  thread=text[:3_000] or None, reply_to=text[:3_000] or None, data={text: [text]},
                  attachments=[{"name": name, "size": 1}])
        for place, (name, text) in enumerate(words)
    ]  # fmt: skip
    facts = [
        a_fact(2_000 + place, "$session.joined", before(now, minutes=1), name=name, client=name)
        for place, (name, _) in enumerate(words)
    ]
    instances = [
        an_instance(name, now, client=name, topics=[name] * 2, unread=12_345_678, online=place % 2 == 0)
        for place, (name, _) in enumerate(words)
    ]
    topics = [a_queue(name, 10**7, 10**11, 10**8, **{name: 10**7}) for name, _ in words]
    for queue, wait in zip(topics, (None, 1, 10), strict=False):
        queue["readers"][0]["oldest_at"] = wait and before(now, minutes=wait)
        queue["bounced"] = 10**6
    held = [a_held(3_000 + place, name, name, text, now, names=[name] * 2) for place, (name, text) in enumerate(words)]
    held += [
        a_held(4_000 + 2 * place + nth, name, name, text, now, holds=[{"kind": kind, "by": name, "reason": name}])
        for place, (name, text) in enumerate(words[:16])
        for nth, kind in enumerate(("queue", "sender"))
    ]
    holds = [a_stop(now, queue=name, by=name, reason=name, messages=1) for name, _ in words]
    paused = [a_stop(now, name=name, by=name, reason=name) for name, _ in words]
    return a_snapshot(now, instances=instances, topics=topics, recent=recent + facts,
                      held=held, holds=holds, paused=paused,
                      hub={"url": HOSTILE[1], "problems": HOSTILE[:8], "notices": HOSTILE[8:]})  # fmt: skip


def a_health(about: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """How a hub is with which nothing is wrong."""
    told = {
        "at": about["at"],
        "started_at": about["started_at"],
        "url": about["url"],
        "pid": about["pid"],
        "mode": about["mode"],
        "version": about["version"],
        "legacy": None,
        "ready": not about.get("problems"),
        "problems": list(about.get("problems", ())),
        "python": "3.11.7",
        "sqlite": "3.46.1",
        "installation": "/home/you/.local/share/uv/tools/hubbub",
        "memory": {"bytes": 61_000_000, "peak_bytes": 64_500_000},
        "volume": {
            "database": "/home/you/.local/share/hubbub/hubbub.db",
            "database_bytes": 48_300_000,
            "journal_bytes": 4_120_000,
            "free_bytes": 211 * 2**30,
            "disk_bytes": 480 * 2**30,
            "read_only": False,
            "state": "ok",
        },
        "log": {
            "head": about["head"],
            "floor": about["floor"],
            "messages": 4_204,
            "bytes": 31_000_000,
            "newest_at": about["at"],
            "waiting": 0,
        },
        "retention": {"age": 30 * 86_400.0, "size": 2**30},
        "attachments": {"files": 3, "bytes": 90_112, "quota": 4 * 2**30},
        "sessions": 7,
        "connections": 7,
        "lag": {"turn_seconds": 0.0004, "waiting": 0, "write_seconds": 0.0},
        "tasks": [{"name": "journal", "runs": True}, {"name": "housekeeping", "runs": True}],
        "upkeep": [{"name": "retention", "trouble": None}, {"name": "the search index", "trouble": None}],
        "refused": {"unauthorized": 3},
        "limits_hit": {"ping_timeout": 1},
        "publishes_refused": 0,
        "gaps": 0,
        "settings": [
            {"key": "home", "value": "/home/you/.local/share/hubbub", "source": "default"},
            {"key": "retention_age", "value": "30d", "source": "file config.toml"},
            {"key": "tls_cert", "value": None, "source": "default"},
        ],
    }
    return told | parts


def a_cost(snapshot: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """What the snapshot's messages have cost, were each of a hundred tokens and read by one."""
    said = [each for each in snapshot["recent"] if not each["topic"].startswith("$")]
    senders = sorted({each["from"] for each in said})
    agents = [{"name": name, "messages_written": [each["from"] for each in said].count(name)} for name in senders]
    for each in agents:
        each |= {"messages_read": 2, "read": 1_200, "written": 100 * each["messages_written"]}
    threads = {}
    for each in said:
        if each["thread"]:
            found = threads.setdefault(each["thread"], {"thread": each["thread"], "names": [], "messages": 0})
            found["messages"] += 1
            found["names"] = sorted({*found["names"], each["from"]})
            found |= {"read": 200 * found["messages"], "written": 100 * found["messages"], "last_at": each["at"]}
    told = {
        "at": snapshot["at"],
        "estimate": True,
        "rule": {"bytes_per_token": 4, "bytes_around": 136, "long": 10_240, "beginning": 600},
        "window": {
            "messages": len(said),
            "from": min((each["offset"] for each in said), default=1),
            "to": snapshot["hub"]["head"],
            "since": min((each["at"] for each in said), default=None),
            "whole": True,
        },
        "read": 1_200 * len(agents),
        "written": 100 * len(said),
        "agents": agents,
        "threads": list(threads.values()),
        "more_threads": 0,
        "without_thread": {"thread": None, "read": 100, "written": 100, "messages": 1, "names": [], "last_at": None},
    }
    return told | parts
