"""What the first page shows for a snapshot."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.view import (
    BODY_SHOWN,
    INSTANCES_SHOWN,
    PREVIEW,
    QUEUES_SHOWN,
    READERS_SHOWN,
    File,
    Filter,
    entries,
    entry,
    flow,
    nothing,
    older,
    overview,
)
from dashboard.words import instant

EVERYTHING = Filter()


def show(snapshot: dict[str, Any], chosen: Filter = EVERYTHING) -> Any:
    return overview(snapshot, chosen)


def test_the_totals_of_a_busy_hour(make: Any) -> None:
    totals = [(each.label, each.value, each.note, each.late) for each in show(make.a_busy_hour()).totals]
    assert totals == [
        ("online", "5", "of 6 instances", False),
        ("unread", "6", "messages", False),
        ("oldest unread", "22 min", "for docs", True),
        ("kept", "163", "83 KiB", False),
        ("head", "4,713", "newest offset", False),
        ("up", "3 h", "pid 4242", False),
    ]


def test_what_the_hub_tells_is_not_counted_as_kept(make: Any, noon: datetime) -> None:
    topics = [make.a_queue("$cursors", 900, 9_000, 1_000), make.a_queue("all", 2, 20, 7)]
    assert show(make.a_snapshot(noon, topics=topics)).totals[3].value == "2"


def test_without_unread_messages_nothing_is_the_oldest(make: Any, noon: datetime) -> None:
    oldest = show(make.a_snapshot(noon, instances=[make.an_instance("alice", noon)])).totals[2]
    assert (oldest.value, oldest.note, oldest.late) == ("none", "all is read", False)


def test_what_nobody_knows_is_said_to_be_unknown(make: Any, noon: datetime) -> None:
    view = show(make.a_snapshot(noon, instances=[make.an_instance("alice", noon, unread=3)], hub={"unread": None}))
    assert view.totals[1].value == "unknown"
    assert view.title == "Hubbub: 1 online, unknown unread"


@pytest.mark.parametrize(
    ("more", "state", "unread", "oldest", "late", "seen"),
    [
        ({}, "online", "0", "", False, "now"),
        ({"sessions": 2}, "online, 2 sessions", "0", "", False, "now"),
        ({"online": False, "sessions": 0, "last_seen": None}, "offline", "0", "", False, "never"),
        ({"unread": 1, "oldest_unread_at": "2026-03-14T11:55:01Z"}, "online", "1", "4 min", False, "now"),
        ({"unread": 1_200, "oldest_unread_at": "2026-03-14T11:55:00Z"}, "online", "1,200", "5 min", True, "now"),
        ({"last_seen": "2026-03-14T11:59:00Z"}, "online", "0", "", False, "1 min ago"),
        ({"state": "idle", "wakes": True}, "idle for 7 min", "0", "", False, "now"),
        ({"state": "working", "wakes": False}, "working for 7 min, not woken", "0", "", False, "now"),
        ({"state": "waiting", "wakes": False}, "waiting for 7 min", "0", "", False, "now"),
        ({"state": "online", "wakes": False, "sessions": 2}, "online, not woken, 2 sessions", "0", "", False, "now"),
    ],
)
def test_an_instance_in_words(
    make: Any, noon: datetime, more: dict[str, Any], state: str, unread: str, oldest: str, late: bool, seen: str
) -> None:
    row = show(make.a_snapshot(noon, instances=[make.an_instance("alice", noon, **more)])).instances[0]
    assert (row.state, row.unread, row.oldest, row.late, row.seen) == (state, unread, oldest, late, seen)


def test_instances_that_are_here_come_first_and_then_the_alphabet(make: Any, noon: datetime) -> None:
    names = [("zoe", True), ("bob", False), ("Ann", True), ("alice", False)]
    instances = [make.an_instance(name, noon, online=online) for name, online in names]
    view = show(make.a_snapshot(noon, instances=instances))
    assert [row.who.name for row in view.instances] == ["Ann", "zoe", "alice", "bob"]


def test_of_many_instances_those_away_with_nothing_unread_are_folded(make: Any, noon: datetime) -> None:
    away = [make.an_instance(f"w{number:02}", noon, online=False) for number in range(INSTANCES_SHOWN)]
    waiting = make.an_instance("docs", noon, online=False, unread=1, oldest_unread_at=make.before(noon, hours=1))
    few = show(make.a_snapshot(noon, instances=away))
    assert (len(few.instances), few.more_instances) == (INSTANCES_SHOWN, [])
    many = show(make.a_snapshot(noon, instances=[*away, waiting]))
    assert [row.who.name for row in many.instances] == ["docs"]
    assert many.instances_folded == "20 more instances, offline with nothing unread"


def test_the_worst_queue_comes_first_and_its_worst_reader_too(make: Any, noon: datetime) -> None:
    topics = [
        make.a_queue("$session.joined", 900, 9_000, 1_000, watcher=99),
        make.a_queue("quiet", 1, 10, 5, ann=0),
        make.a_queue("wide", 9, 10, 6, ann=3, bob=3),
        make.a_queue("deep", 9, 10, 7, cat=1, bob=4, ann=1),
        make.a_queue("narrow", 9, 10, 8, ann=3),
        make.a_queue("alone", 9, 10, 9),
    ]
    queues = show(make.a_snapshot(noon, topics=topics)).queues
    assert [row.topic for row in queues] == ["deep", "wide", "narrow", "alone", "quiet", "$session.joined"]
    assert [(cell.who.name, cell.backlog) for cell in queues[0].readers] == [("bob", "4"), ("ann", "1"), ("cat", "1")]
    assert (queues[0].backlog, queues[0].waiting) == ("4", True)
    assert (queues[3].backlog, queues[3].waiting) == ("", False)


def test_a_queue_that_goes_round_or_is_stuck_comes_before_a_longer_one(make: Any, noon: datetime) -> None:
    def queue(name: str, backlog: int, minutes: float | None, bounced: int = 0) -> dict[str, Any]:
        made = make.a_queue(f"inbox.{name}", 9, 10, 6, **{name: backlog})
        made["readers"][0]["oldest_at"] = None if minutes is None else make.before(noon, minutes=minutes)
        return {**made, "bounced": bounced}

    topics = [
        queue("long", 90, 1),
        queue("away", 1, 30),
        queue("far", 1, None),
        queue("stuck", 1, 6),
        queue("lost", 0, None, bounced=3),
        queue("round", 1, 0.5),
        queue("done", 0, None),
    ]
    instances = [make.an_instance(name, noon, online=name != "away") for name in ("long", "away", "stuck", "round")]
    held = [make.a_held(9, "round", "x", "again", noon)]
    rows = show(make.a_snapshot(noon, instances=instances, topics=topics, held=held)).queues
    assert [(row.rest, row.marks, row.oldest, row.late) for row in rows] == [
        ("round", "looping", "30 s", False),
        ("stuck", "stuck", "6 min", True),
        ("lost", "3 expired", "", False),
        ("far", "", "unknown", False),
        ("away", "", "30 min", True),
        ("long", "", "1 min", False),
        ("done", "", "", False),
    ]


def test_an_inbox_shows_its_name_in_its_hue(make: Any, noon: datetime) -> None:
    row = show(make.a_snapshot(noon, topics=[make.a_queue("inbox.alice", 1, 10, 5)])).queues[0]
    assert (row.prefix, row.rest, row.rest_hue, row.link) == ("inbox.", "alice", 23, "/instances/alice")


def test_a_name_and_a_topic_lead_to_their_pages(make: Any, noon: datetime) -> None:
    view = show(
        make.a_snapshot(
            noon, instances=[make.an_instance("alice", noon)], topics=[make.a_queue("build", 1, 10, 5, alice=1)]
        )
    )
    assert view.instances[0].who.link == view.queues[0].readers[0].who.link == "/instances/alice"
    assert view.queues[0].link == "/conversation?topic=build"


def test_many_queues_and_many_readers_are_folded(make: Any, noon: datetime) -> None:
    readers = {f"w{number}": number for number in range(READERS_SHOWN + 3)}
    topics = [make.a_queue("all", 1, 1, 1, **readers)]
    topics += [make.a_queue(f"t{number:02}", 1, 1, 1, ann=0) for number in range(QUEUES_SHOWN)]
    view = show(make.a_snapshot(noon, topics=topics))
    assert (len(view.queues), len(view.more_queues)) == (QUEUES_SHOWN, 1)
    assert view.queues_folded == "1 more queue, nothing unread"
    assert [cell.backlog for cell in view.queues[0].more_readers] == ["2", "1", "0"]
    assert view.queues[0].more == "3 more readers, 3 unread"


@pytest.mark.parametrize(("made", "empty"), [("nobody_yet", True), ("a_busy_hour", False)])
def test_a_hub_where_nobody_ever_was_says_how_to_begin(make: Any, made: str, empty: bool) -> None:
    assert show(getattr(make, made)()).empty is empty


def test_a_chosen_name_that_nobody_has_is_a_choice_all_the_same(make: Any) -> None:
    names = show(make.a_busy_hour(), Filter(with_="Nobody")).names
    assert [each.value for each in names if each.chosen] == ["Nobody"]
    assert [each.value for each in names] == ["api", "ci", "docs", "Nobody", "planner", "Reviewer_2", "web"]


@pytest.mark.parametrize(
    ("query", "link"),
    [
        ({}, "?"),
        ({"with": " alice "}, "?with=alice"),
        ({"topic": "#Build.>", "with": "bob"}, "?with=bob&topic=build.%3E"),
        ({"thread": "a&b=c ü'"}, "?thread=a%26b%3Dc%20%C3%BC'"),
        ({"facts": "0", "unknown": "x"}, "?facts=0"),
        ({"facts": "nonsense"}, "?"),
    ],
)
def test_a_filter_survives_the_address(query: dict[str, str], link: str) -> None:
    assert Filter.of(query).link() == link


@pytest.mark.parametrize(
    ("chosen", "offsets"),
    [
        (Filter(), [1, 2, 3, 4, 5, 6]),
        (Filter(facts=False), [2, 3, 4, 5, 6]),
        (Filter(with_="ALICE"), [1, 2, 3]),
        (Filter(with_="bob"), [2, 3, 4, 5]),
        (Filter(with_="bob", thread="t"), [3]),
        (Filter(topic="build.*"), [4]),
        (Filter(topic="inbox.alice"), [2]),
        (Filter(topic="all"), [5, 6]),
        (Filter(thread="t"), [3, 6]),
        (Filter(with_="nobody"), []),
    ],
)
def test_the_filter_leaves_what_was_asked_for(make: Any, noon: datetime, chosen: Filter, offsets: list[int]) -> None:
    at = make.rfc3339(noon)
    held = entries(
        [
            make.a_fact(1, "$session.joined", at, name="alice"),
            make.a_message(2, "bob", "Alice", "hello", at),
            make.a_message(3, "alice", "bob", "hello yourself", at, thread="t"),
            make.a_message(4, "bob", "#Build.linux", "green", at),
            make.a_message(5, "bob", "all", "done", at),
            make.a_message(6, "carol", "all", "thanks", at, thread="t"),
        ]
    )
    rows = flow(held, chosen, now=instant(at), zone=UTC)
    assert [row.entry.offset for row in rows] == offsets


def test_a_reply_points_at_what_it_answers_if_that_is_on_the_page(make: Any, noon: datetime) -> None:
    at = make.rfc3339(noon)
    held = entries(
        [
            make.a_message(7, "bob", "alice", "ready?", at, reply_to="long-gone"),
            make.a_message(8, "alice", "bob", "yes", at, reply_to="id-7"),
        ]
    )
    assert [row.answers for row in flow(held, EVERYTHING, now=instant(at), zone=UTC)] == [None, 7]


def test_until_when_an_answer_is_wanted_stands_beside_the_message(make: Any, noon: datetime) -> None:
    said = make.a_message(1, "a", "b", "?", make.before(noon, minutes=5), answer_by=make.before(noon, minutes=-30))
    plain = make.a_message(2, "a", "b", "!", make.before(noon, minutes=4))
    rows = flow(entries([said, plain]), EVERYTHING, now=instant(make.rfc3339(noon)), zone=UTC)
    assert [(row.entry.answer_by, row.wanted) for row in rows] == [("2026-03-14T12:30:00.000Z", "12:30:00"), (None, "")]


def test_what_is_held_says_why_and_how_to_let_it_go_and_many_are_cut(make: Any, noon: datetime) -> None:
    held = [make.a_held(offset, "bob", "alice", "thanks\n" * 9, noon) for offset in range(10, 17)]
    view = show(make.a_snapshot(noon, held=held))
    assert [each.offset for each in view.held] == [10, 11, 12, 13, 14]
    assert view.held_more == "2 more messages held"
    assert view.held[0].why == "21 messages in a row with nothing new among alice, bob"
    assert (view.held[0].preview, view.held[0].command) == ("thanks\nthanks\nthanks…", "hubbub release 10")
    assert show(make.a_snapshot(noon)).held == []


def test_movements_of_cursors_are_no_part_of_the_flow(make: Any) -> None:
    assert entries([make.a_fact(3, "$cursors", "2026-03-14T12:00:00Z", moved=[])]) == []


@pytest.mark.parametrize(
    ("body", "preview", "long"),
    [
        ("", "", False),
        ("hello", "hello", False),
        ("\n\n one\n\n\n two\n", " one\n two", False),
        ("1\n2\n3", "1\n2\n3", False),
        ("1\n2\n3\n4", "1\n2\n3…", True),
        ("x" * PREVIEW, "x" * PREVIEW, False),
        ("x" * (PREVIEW + 1), "x" * (PREVIEW - 1) + "…", True),
        (" " * (BODY_SHOWN + 1), "…", True),
    ],
)
def test_a_preview_is_the_first_lines_that_say_something(make: Any, body: str, preview: str, long: bool) -> None:
    made = entry(make.a_message(1, "a", "b", body, "2026-03-14T12:00:00Z"))
    assert (made.preview, made.long) == (preview, long)


def test_a_large_body_is_cut_and_says_how_large_it_is(make: Any) -> None:
    made = entry(make.a_message(1, "a", "b", "ü" * 2**19, "2026-03-14T12:00:00Z"))
    assert (len(made.body), made.whole, made.size) == (BODY_SHOWN, False, "1.0 MiB")


def test_large_data_is_cut_too(make: Any) -> None:
    made = entry(make.a_message(1, "a", "b", "", "2026-03-14T12:00:00Z", data=["x" * 10_000]))
    assert made.data is not None
    assert len(made.data) == BODY_SHOWN + 1


@pytest.mark.parametrize(
    ("attachment", "said", "link"),
    [
        (
            {"name": "log.txt", "size": 2_048, "sha256": "ab12"},
            "log.txt, 2.0 KiB",
            "/api/v1/attachments/ab12?message=id-1",
        ),
        ({"name": "log.txt"}, "log.txt", ""),
        ({"size": 1, "sha256": 7}, "unnamed, 1 B", ""),
        ({"name": "a\x1b[2J"}, "a␛[2J", ""),
        ({"name": "a", "size": 1, "sha256": "ab12", "here": False}, "a, 1 B, not in this replay", ""),
    ],
)
def test_a_file_in_words(make: Any, attachment: dict[str, Any], said: str, link: str) -> None:
    assert entry(make.a_message(1, "a", "b", "", "2026-03-14T12:00:00Z", attachments=[attachment])).files == [
        File(text=said, link=link)
    ]


@pytest.mark.parametrize(
    ("topic", "data", "about", "said"),
    [
        ("$hub.started", {"version": "0.1.0"}, "", "the hub started, version 0.1.0"),
        ("$hub.stopped", {"reason": "asked to"}, "", "the hub stopped: asked to"),
        ("$instance.registered", {"name": "alice"}, "alice", "registered"),
        ("$instance.renamed", {"old": "al", "name": "alice"}, "alice", "is the new name of al"),
        ("$instance.forgot", {"name": "al"}, "al", "is a free name again"),
        ("$session.joined", {"name": "alice", "client": "codex/1", "sessions": 1}, "alice", "joined with codex/1"),
        ("$session.joined", {"name": "alice", "client": None, "sessions": 2}, "alice", "joined, 2 sessions"),
        ("$session.left", {"name": "alice", "reason": "gone", "sessions": 0}, "alice", "left: gone"),
        ("$session.left", {"name": "alice", "sessions": 1}, "alice", "left, 1 session still here"),
        ("$subscription.added", {"name": "alice", "topic": "build.>"}, "alice", "hears build.>"),
        ("$subscription.removed", {"name": "alice", "topic": "build.>"}, "alice", "no longer hears build.>"),
        ("$instance.forgot", {"origin": 3, "name": "al"}, "al", "is forgotten"),
        (
            "$loop.noticed",
            {"names": ["alice", "bob"], "messages": 10},
            "",
            "alice, bob: 10 messages in a row with nothing new",
        ),
        (
            "$loop.held",
            {"name": "bob", "to": "alice", "messages": 21},
            "bob",
            "has a message to alice held: 21 messages in a row with nothing new",
        ),
        ("$loop.released", {"name": "bob", "held": 7}, "bob", "has its held message sent"),
        ("$loop.dropped", {"name": "bob", "held": 7}, "bob", "has its held message dropped"),
        ("$loop.noticed", {"names": 7, "messages": "x"}, "", ": 0 messages in a row with nothing new"),
        ("$message.unanswered", {"name": "bob", "to": "#build"}, "bob", "has no answer from #build in time"),
        ("$something.newer", {"name": "alice"}, "", "$something.newer"),
        ("$session.joined", {"name": 7, "client": ["x"], "sessions": "two"}, "", "joined"),
    ],
)
def test_a_fact_in_words(make: Any, topic: str, data: dict[str, Any], about: str, said: str) -> None:
    made = entry(make.a_fact(5, topic, "2026-03-14T12:00:00Z", **data))
    assert (made.about, made.fact) == (about, said)


def test_a_fact_from_a_newer_hub_is_told_in_the_hubs_own_words(make: Any) -> None:
    said = make.a_fact(5, "$instance.paused", "2026-03-14T12:00:00Z") | {"body": "alice is paused"}
    assert entry(said).fact == "alice is paused"


def test_an_empty_flow_says_why(make: Any) -> None:
    held = entries(make.a_busy_hour()["recent"])
    assert nothing([], EVERYTHING) == "Nothing has been said yet."
    assert nothing(held, Filter(with_="x")) == "None of the last 17 messages fits. Older ones may."


@pytest.mark.parametrize(("floor", "there"), [(1, True), (4690, False), (0, True)])
def test_older_messages_are_offered_only_where_the_log_keeps_some(make: Any, floor: int, there: bool) -> None:
    snapshot = make.a_busy_hour() | {"hub": {"floor": floor}}
    assert older(entries(snapshot["recent"]), snapshot) is there


def test_any_snapshot_can_be_shown(any_snapshot: dict[str, Any]) -> None:
    view = show(any_snapshot)
    assert len(view.instances) + len(view.more_instances) == len(any_snapshot["instances"])
