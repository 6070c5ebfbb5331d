from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from hub.cli import main


class Stdin:
    def __init__(self, raw: bytes) -> None:
        self.buffer = io.BytesIO(raw)

    def isatty(self) -> bool:
        return False


def accepted(**parts: Any) -> tuple[int, dict[str, Any]]:
    answer = {"id": "m7", "offset": 7, "to": [{"name": "alice", "state": "pushed", "online": True}], "recipients": 1}
    return 201, {**answer, "hint": None, **parts}


# send


def test_send_says_it_and_tells_where_it_is(hub: Any, talk: Any) -> None:
    hub.on("POST", "/messages", accepted())
    said = talk("send", "--as", "bob", "alice", "hello")
    assert (said.code, said.out, said.err) == (0, "alice: pushed (m7 at 7)\n", "")
    assert hub.asked[0].body == {"as": "bob", "to": "alice", "body": "hello"}


def test_send_passes_on_every_part_of_a_message(hub: Any, talk: Any) -> None:
    hub.on("POST", "/messages", accepted())
    words = ["send", "--as", "bob", "#build.linux", "red", "--thread", "t", "--reply-to", "m1", "--id", "mine"]
    assert talk(*words, "--data", '{"run": [1, null]}', "--ttl", "1h30m").code == 0
    assert hub.asked[0].body == {
        "as": "bob",
        "to": "#build.linux",
        "body": "red",
        "thread": "t",
        "reply_to": "m1",
        "id": "mine",
        "data": {"run": [1, None]},
        "ttl": 5400,
    }


def test_send_in_json_is_id_offset_and_to(hub: Any, talk: Any) -> None:
    hub.on("POST", "/messages", accepted())
    said = talk("send", "--as", "bob", "alice", "hello", "--json")
    assert said.json == {"id": "m7", "offset": 7, "to": [{"name": "alice", "state": "pushed"}]}
    assert said.err == ""


def test_until_when_an_answer_is_wanted_is_passed_on_and_said(hub: Any, talk: Any) -> None:
    hub.on("POST", "/messages", accepted(answer_by="2026-01-31T12:00:00Z"))
    words = ["send", "--as", "bob", "alice", "which port?", "--answer-by", "30m"]
    assert "An answer is wanted by " in talk(*words).err
    assert hub.asked[0].body["answer_by"] == "30m"
    assert talk(*words, "--json").json["answer_by"] == "2026-01-31T12:00:00Z"


def test_send_to_an_unknown_name_is_accepted_and_said_to_be_unknown(hub: Any, talk: Any) -> None:
    recipient = {"name": "alcie", "state": "accepted", "known": False, "near": ["alice"]}
    hub.on("POST", "/messages", accepted(to=[recipient]))
    said = talk("send", "--as", "bob", "alcie", "hello", "--json")
    assert said.code == 0
    assert said.json["to"] == [{"name": "alcie", "state": "accepted", "known": False, "near": ["alice"]}]
    assert said.err == "alcie is unknown; the message waits for it. Did you mean alice?\n"


def test_send_to_a_topic_counts_who_hears_it(hub: Any, talk: Any) -> None:
    hub.on("POST", "/messages", accepted(to=[], recipients=3))
    assert talk("send", "--as", "bob", "#build", "red").out == "#build: 3 recipients (m7 at 7)\n"


def test_the_speaker_is_hubbub_name_unless_as_says_otherwise(
    hub: Any, talk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.on("POST", "/messages", accepted())
    monkeypatch.setenv("HUBBUB_NAME", "carol")
    talk("send", "alice", "one")
    talk("send", "--as", "bob", "alice", "two")
    assert [each.body["as"] for each in hub.asked] == ["carol", "bob"]


@pytest.mark.parametrize("words", [["send", "alice", "hello"], ["read"], ["wait"], ["ask", "alice", "?"]])
def test_a_verb_that_nobody_speaks_for_is_refused(hub: Any, talk: Any, words: list[str]) -> None:
    said = talk(*words)
    assert said.code == 2
    assert "--as NAME" in said.err
    assert "HUBBUB_NAME" in said.err
    assert hub.asked == []


@pytest.mark.parametrize("body", ["", "two\nlines\n", "ünï€ö🎉", "x" * 2**20, "\x00\x1b[2J"], ids=repr)
def test_standard_input_arrives_as_it_is(hub: Any, talk: Any, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    hub.on("POST", "/messages", accepted())
    monkeypatch.setattr(sys, "stdin", Stdin(body.encode()))
    assert talk("send", "--as", "bob", "alice", "-").code == 0
    assert hub.asked[0].body["body"] == body


def test_standard_input_over_the_limit_is_refused_before_it_is_sent(
    hub: Any, talk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b"x" * (2**20 + 1)))
    said = talk("send", "--as", "bob", "alice", "-")
    assert said.code == 7
    assert "1MiB" in said.err
    assert "max_body" in said.err
    assert hub.asked == []


def test_standard_input_that_is_not_utf8_is_refused(hub: Any, talk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b"ok\xff"))
    said = talk("send", "--as", "bob", "alice", "-")
    assert said.code == 2
    assert "byte 2" in said.err


@pytest.mark.parametrize(("option", "value", "word"), [("--data", "{", "JSON"), ("--ttl", "soon", "90s")])
def test_an_option_that_makes_no_sense_is_refused(hub: Any, talk: Any, option: str, value: str, word: str) -> None:
    said = talk("send", "--as", "bob", "alice", "hello", option, value)
    assert said.code == 2
    assert word in said.err
    assert hub.asked == []


# read


def page(*messages: dict[str, Any], more: bool = False) -> dict[str, Any]:
    return {"messages": list(messages), "more": more, "unread": len(messages)}


def test_read_prints_what_is_unread_and_then_marks_it(hub: Any, talk: Any, make_message: Any) -> None:
    hub.on("GET", "/messages", page(make_message(4), make_message(9, body="two\nlines", thread="t", data={"a": 1})))
    hub.on("POST", "/read", {"offset": 9})
    said = talk("read", "--as", "alice")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].endswith("bob → alice  m4")
    assert lines[1] == "  hello"
    assert lines[2].endswith("bob → alice  [t]  m9")
    assert lines[3:] == ["  two", "  lines", '  data {"a": 1}']
    assert [each.body for each in hub.asks("POST", "/read")] == [{"as": "alice", "offset": 9}]
    assert hub.asked[0].query == {"as": "alice", "unread": "1", "limit": "100"}


def test_read_in_json_is_one_message_a_line_as_the_hub_tells_it(hub: Any, talk: Any, make_message: Any) -> None:
    messages = [make_message(4, body="ünï\n€ \x1b[31m"), make_message(9)]
    hub.on("GET", "/messages", page(*messages))
    hub.on("POST", "/read", {"offset": 9})
    assert talk("read", "--as", "alice", "--json").lines == messages


def test_read_goes_on_until_nothing_is_left(hub: Any, talk: Any, make_message: Any) -> None:
    hub.on(
        "GET", "/messages", page(make_message(1), more=True), page(make_message(2), more=True), page(make_message(3))
    )
    hub.on("POST", "/read", {"offset": 0})
    said = talk("read", "--as", "alice", "--json")
    assert [each["offset"] for each in said.lines] == [1, 2, 3]
    assert [each.body["offset"] for each in hub.asks("POST", "/read")] == [1, 2, 3]


def test_read_takes_no_more_than_the_limit(hub: Any, talk: Any, make_message: Any) -> None:
    hub.on("GET", "/messages", page(make_message(1), make_message(2), more=True))
    hub.on("POST", "/read", {"offset": 0})
    assert len(talk("read", "--as", "alice", "--limit", "2", "--json").lines) == 2
    assert hub.asked[0].query["limit"] == "2"
    assert len(hub.asks("GET", "/messages")) == 1


def test_peek_marks_nothing(hub: Any, talk: Any, make_message: Any) -> None:
    hub.on("GET", "/messages", page(make_message(4)))
    assert talk("read", "--as", "alice", "--peek", "--json").lines == [make_message(4)]
    assert hub.asks("POST", "/read") == []


def test_nothing_unread_says_so_beside_the_result(hub: Any, talk: Any) -> None:
    hub.on("GET", "/messages", page())
    said = talk("read", "--as", "alice")
    assert (said.code, said.out, said.err) == (0, "", "Nothing is unread for alice.\n")
    assert talk("read", "--as", "alice", "--json").err == ""


def test_what_could_not_be_printed_is_not_marked(hub: Any, talk: Any, make_message: Any) -> None:
    hub.on("GET", "/messages", page(make_message(4, body="x" * 100_000)))
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "hub", "read", "--as", "alice", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ)
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 1
    assert errors == b""
    assert hub.asks("GET", "/messages")
    assert hub.asks("POST", "/read") == []


def test_escapes_of_another_agent_are_shown_on_a_terminal_and_not_obeyed(
    hub: Any, talk: Any, make_message: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trick = "\x1b[2Jgone\x07\x9b31m\u202eevil\r\n\tok"
    hub.on("GET", "/messages", page(make_message(4, body=trick, thread="\x1b]0;title\x07\nfake")))
    hub.on("POST", "/read", {"offset": 4})
    assert "\x1b[2J" in talk("read", "--as", "alice").out

    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    shown = talk("read", "--as", "alice").out
    assert not set(shown) & set("\x1b\x07\x9b\u202e\r")
    assert r"  \x1b[2Jgone\x07\x9b31m\u202eevil\r" + "\n  \tok\n" in shown
    assert r"[\x1b]0;title\x07\nfake]" in shown


# wait


def test_wait_prints_and_marks_what_came(hub: Any, talk: Any, make_message: Any) -> None:
    hub.on("GET", "/messages", page(make_message(4)))
    hub.on("POST", "/read", {"offset": 4})
    said = talk("wait", "--as", "alice", "--timeout", "5", "--json")
    assert (said.code, said.lines) == (0, [make_message(4)])
    assert float(hub.asked[0].query["wait"]) == pytest.approx(5, abs=1)
    assert len(hub.asks("POST", "/read")) == 1


def test_wait_ends_with_4_at_the_time_limit(hub: Any, talk: Any) -> None:
    def held(request: Any) -> Any:
        time.sleep(float(request.query["wait"]))
        return page()

    hub.on("GET", "/messages", held)
    began = time.monotonic()
    said = talk("wait", "--as", "alice", "--timeout", "0.3", "--json")
    assert (said.code, said.out) == (4, "")
    assert time.monotonic() - began < 5


def test_wait_asks_again_when_the_hub_has_held_the_request_as_long_as_it_may(
    hub: Any, talk: Any, make_message: Any
) -> None:
    hub.on("GET", "/messages", page(), page(), page(make_message(4)))
    hub.on("POST", "/read", {"offset": 4})
    assert talk("wait", "--as", "alice", "--json").lines == [make_message(4)]
    assert [each.query["wait"] for each in hub.asks("GET", "/messages")[:3]] == ["60.0"] * 3


# ask


def test_ask_prints_the_answer_and_marks_it_if_nothing_waits_before_it(hub: Any, talk: Any, make_message: Any) -> None:
    answer = make_message(8, body="green", reply_to="m7")
    hub.on("POST", "/messages", accepted())
    hub.on("GET", "/messages", page(answer))
    hub.on("POST", "/read", {"offset": 8})
    said = talk("ask", "--as", "bob", "alice", "is it green?", "--timeout", "5", "--json")
    assert (said.code, said.lines, said.err) == (0, [answer], "")
    first = hub.asks("GET", "/messages")[0]
    assert (first.query["reply_to"], first.query["as"]) == ("m7", "bob")
    assert hub.asks("POST", "/read")[0].body == {"as": "bob", "offset": 8}


def test_ask_marks_nothing_if_other_mail_waits_before_the_answer(hub: Any, talk: Any, make_message: Any) -> None:
    hub.on("POST", "/messages", accepted())
    hub.on("GET", "/messages", page(make_message(8, reply_to="m7")), page(make_message(3), make_message(8)))
    assert talk("ask", "--as", "bob", "alice", "?").code == 0
    assert hub.asks("POST", "/read") == []


@pytest.mark.parametrize(
    ("recipient", "told"),
    [
        ({"name": "alice", "state": "accepted"}, "alice is offline; the question waits.\n"),
        (
            {"name": "alcie", "state": "accepted", "known": False, "near": ["alice"]},
            "alcie is unknown; the message waits for it. Did you mean alice?\n",
        ),
    ],
)
def test_ask_says_at_once_that_nobody_is_there_to_answer(
    hub: Any, talk: Any, recipient: dict[str, Any], told: str
) -> None:
    hub.on("POST", "/messages", accepted(to=[recipient]))
    hub.on("GET", "/messages", page())
    said = talk("ask", "--as", "bob", recipient["name"], "?", "--timeout", "0")
    assert said.code == 4
    assert said.err.startswith(told)


def test_a_question_and_its_answer_survive_a_hub_that_goes_away(hub: Any, talk: Any, make_message: Any) -> None:
    away = (503, {"code": "shutting_down", "message": "The hub is shutting down.", "hint": None})
    hub.on("POST", "/messages", away, accepted())
    hub.on("GET", "/messages", away, away, page(make_message(8, reply_to="m7")))
    hub.on("POST", "/read", away, {"offset": 8})
    said = talk("ask", "--as", "bob", "alice", "?", "--timeout", "30", "--reply-to", "m1", "--thread", "t", "--json")
    assert (said.code, said.lines) == (0, [make_message(8, reply_to="m7")])
    assert said.err.count("(lost the hub: The hub is shutting down. Trying again.)") == 3
    first, second = hub.asks("POST", "/messages")
    assert first.body == second.body, "under one id, it is stored once"
    assert (first.body["reply_to"], first.body["thread"]) == ("m1", "t")
    assert first.body["id"]


def test_a_hub_that_stays_away_ends_the_waiting_at_its_limit(hub: Any, talk: Any) -> None:
    hub.on("POST", "/messages", accepted())
    hub.on("GET", "/messages", (503, {"code": "shutting_down", "message": "Going.", "hint": None}))
    said = talk("ask", "--as", "bob", "alice", "?", "--timeout", "0.5")
    assert said.code == 3


def test_ask_says_early_that_nothing_wakes_the_one_who_is_asked(hub: Any, talk: Any) -> None:
    hub.on("POST", "/messages", accepted(to=[{"name": "alice", "state": "accepted", "online": True, "wakes": False}]))
    hub.on("GET", "/messages", page())
    said = talk("ask", "--as", "bob", "alice", "?", "--timeout", "0")
    assert said.err.startswith("alice is online, but nothing wakes it: it sees the message when it next calls a tool.")


def test_a_question_that_is_held_is_not_waited_for(hub: Any, talk: Any) -> None:
    hub.on(
        "POST", "/messages", accepted(to=[{"name": "alice", "state": "held"}], hint="Held, not sent: hubbub release 7")
    )
    said = talk("ask", "--as", "bob", "alice", "?")
    assert (said.code, said.out, said.err) == (7, "", "Held, not sent: hubbub release 7\n")
    said = talk("send", "--as", "bob", "alice", "thanks")
    assert (said.code, said.out, said.err) == (0, "alice: held (m7 at 7)\n", "Held, not sent: hubbub release 7\n")


HELD = {
    "offset": 812,
    "at": "2026-11-22T12:00:00Z",
    "id": "m1",
    "from": "bob",
    "to": "alice",
    "thread": None,
    "reply_to": None,
    "body": "thanks",
    "data": None,
    "names": ["alice", "bob"],
    "messages": 21,
    "holds": None,
}
STOPPED = {
    "names": None,
    "messages": None,
    "holds": [{"kind": "sender", "by": "kay", "reason": None}, {"kind": "queue", "by": None, "reason": None}],
}
NOBODY: dict[str, list[Any]] = {"held": [], "holds": [], "paused": []}


def stop(**parts: Any) -> dict[str, Any]:
    return {"by": None, "at": "2026-11-22T12:00:00Z", "reason": None, "messages": 1, **parts}


def test_held_lists_what_waits_for_a_person(hub: Any, talk: Any) -> None:
    everything = {
        "held": [HELD, {**HELD, "offset": 813, **STOPPED}],
        "holds": [stop(queue="alice", by="kay", reason="moving")],
        "paused": [stop(name="bob", messages=2)],
    }
    hub.on("GET", "/held", everything, everything, NOBODY)
    assert talk("held", "--json").json == everything
    said = talk("held")
    assert [line for line in said.out.splitlines() if not line.startswith(" ") and "→" not in line] == [
        "What is sent to alice is held by kay (moving); 1 message waits",
        "bob is paused; 2 messages wait",
        "812: alice, bob, 21 messages in a row with nothing new",
        "813: bob is paused and what is sent to alice is held",
    ]
    assert "thanks" in said.out
    assert "hubbub release OFFSET" in said.err
    assert talk("held").out == "Nothing is held.\n"


def test_release_lets_go_or_drops_by_offset_or_all(hub: Any, talk: Any) -> None:
    hub.on("GET", "/held", {**NOBODY, "held": [HELD]}, NOBODY)
    hub.on("POST", "/held/812/release", {"id": "m1", "offset": 900})
    hub.on("DELETE", "/held/812", {"dropped": 812})
    assert talk("release", "812").out == "812 is sent: m1 at 900\n"
    assert talk("release", "812", "--drop").out == "812 is dropped\n"
    assert talk("release", "--all").out == "812 is sent: m1 at 900\n"
    assert talk("release", "--all").out == "Nothing is held.\n"
    assert talk("release").code == talk("release", "812", "--all").code == 2


def test_release_edits_one_message_and_ends_the_hold_of_a_queue(hub: Any, talk: Any) -> None:
    hub.on("POST", "/held/812/release", {"id": "m1", "offset": 900})
    hub.on("DELETE", "/holds", {"released": 2, "dropped": 0}, {"released": 0, "dropped": 0})
    talk("release", "812", "--edit", "no", "--by", "kay")
    assert hub.asks("POST", "/held/812/release")[0].body == {"body": "no", "by": "kay"}
    assert talk("release", "#build").out == "What is sent to #build is held no longer; 2 released\n"
    assert talk("release", "alice", "--drop").out == "What is sent to alice is held no longer; nothing waited\n"
    asked = [each.query for each in hub.asks("DELETE", "/holds")]
    assert asked == [{"queue": "#build", "drop": "0"}, {"queue": "alice", "drop": "1"}]
    for words in (["alice", "--edit", "x"], ["1", "2", "--edit", "x"], ["1", "--edit", "x", "--drop"]):
        assert talk("release", *words).code == 2


def test_drop_takes_offsets_or_all_that_wait_for_a_queue(hub: Any, talk: Any) -> None:
    held = [HELD, {**HELD, "offset": 813, "to": "carol"}]
    hub.on("GET", "/held", {**NOBODY, "held": held}, {**NOBODY, "held": held}, NOBODY)
    for offset in (7, 812, 813):
        hub.on("DELETE", f"/held/{offset}", {"dropped": offset})
    assert talk("drop", "7", "ALICE", "--by", "kay").out == "7 is dropped\n812 is dropped\n"
    assert hub.asks("DELETE", "/held/812")[0].query == {"by": "kay"}
    assert talk("drop", "--all").out == "812 is dropped\n813 is dropped\n"
    assert talk("drop", "--all").out == "Nothing is held.\n"
    assert talk("drop").code == talk("drop", "7", "--all").code == 2


def test_hold_pause_resume_and_purge_say_what_they_did(hub: Any, talk: Any) -> None:
    hub.on("POST", "/holds", (201, {"held": "alice"}))
    hub.on("POST", "/instances/bob/pause", {"paused": "bob"})
    hub.on("POST", "/instances/bob/resume", {"released": 1, "dropped": 2})
    hub.on("POST", "/instances/alice/purge", {"purged": 3, "read": 9})
    assert (
        talk("hold", "alice", "--reason", "moving", "--by", "kay").out == "What is sent to alice is held from now on\n"
    )
    assert hub.asks("POST", "/holds")[0].body == {"queue": "alice", "reason": "moving", "by": "kay"}
    assert talk("pause", "bob").out == "bob is paused: what it sends is held\n"
    assert talk("resume", "bob", "--drop").out == "bob is resumed; 1 released and 2 dropped\n"
    assert hub.asks("POST", "/instances/bob/resume")[0].body == {"drop": True}
    assert talk("purge", "alice", "--confirm", "alice").out == "alice: 3 unread purged\n"
    unconfirmed = talk("purge", "alice")
    assert (unconfirmed.code, "--confirm alice" in unconfirmed.err) == (2, True)
    assert len(hub.asks("POST", "/instances/alice/purge")) == 1


def test_a_person_writes_as_one_and_an_agent_does_not(hub: Any, talk: Any) -> None:
    hub.on("POST", "/messages", accepted())
    talk("send", "--human", "--as", "kay", "alice", "wait for me")
    assert hub.asks("POST", "/messages")[0].body["human"] is True
    talk("send", "--as", "bob", "alice", "x")
    assert "human" not in hub.asks("POST", "/messages")[-1].body


def test_forget_takes_names_and_gives_up_mail_only_by_force(hub: Any, talk: Any) -> None:
    hub.on("DELETE", "/instances/shop-2", {"forgot": "shop-2"})
    hub.on("DELETE", "/instances/bob", (409, {"code": "name_taken", "message": "bob is online.", "hint": None}))
    said = talk("forget", "shop-2", "bob")
    assert (said.code, said.out) == (5, "shop-2 is forgotten\n")
    assert talk("forget", "shop-2", "--force").code == 0
    assert [each.query for each in hub.asks("DELETE", "/instances/shop-2")] == [{}, {"force": "1"}]


# watch


def stream(*events: str) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    return head + "".join(f"{event}\n\n" for event in events).encode()


def told(message: dict[str, Any]) -> str:
    return f"id: {message['offset']}\nevent: message\ndata: {json.dumps(message)}"


def test_watch_goes_on_behind_the_last_message_it_has_after_a_break(hub: Any, talk: Any, make_message: Any) -> None:
    joined = make_message(6, topic="$session.joined", body="", data={"name": "alice"})
    hub.on("GET", "/status", {"head": 3})
    hub.on(
        "GET",
        "/events",
        stream(": hello", told(make_message(4))),
        stream('event: gap\ndata: {"from":5,"to":5}', told(joined)),
        (403, {"code": "forbidden", "message": "Enough.", "hint": None}),
    )
    said = talk("watch")
    assert said.code == 5
    assert [each.query["after"] for each in hub.asks("GET", "/events")] == ["3", "4", "6"]
    lines = said.out.splitlines()
    assert lines[1] == "  hello"
    assert lines[2].endswith("alice is online")
    assert "5 to 5 are no longer kept" in said.err


def test_watch_in_json_is_everything_one_message_a_line(hub: Any, talk: Any, make_message: Any) -> None:
    moved = make_message(5, topic="$cursors", data={"moved": []})
    hub.on(
        "GET",
        "/events",
        stream(told(make_message(4)), told(moved)),
        (403, {"code": "forbidden", "message": "Enough.", "hint": None}),
    )
    said = talk("watch", "--after", "0", "--as", "alice", "--json")
    assert said.lines == [make_message(4), moved]
    assert hub.asked[0].query == {"as": "alice", "after": "0"}


def test_a_verb_with_no_hub_in_reach_ends_with_3(hub: Any, home: Any, hubbub: Callable[..., Any]) -> None:
    url = hub.url
    hub.close()
    said = hubbub("send", "--url", url, "--as", "bob", "alice", "hello")
    assert said.code == 3
    assert "No hub answers at http://127.0.0.1" in said.err
    assert main(["ls", "--url", url]) == 3
