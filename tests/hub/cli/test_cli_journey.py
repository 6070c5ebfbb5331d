"""The command line against the real hub, as a person types it: processes, sockets and a database."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.config import load
from hub.daemon import Running, locate
from hub.demo.play import Play
from hub.demo.script import SCRIPT, Join, Leave, Rename, Say
from hub.lock import is_held
from hub.request import Place, Requests
from hub.topic import ALL

LIMIT = 60


@pytest.fixture
def real(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose hub takes any free port, and is gone afterwards."""
    monkeypatch.setenv("HUBBUB_PORT", "0")
    yield home
    found = locate(load())
    if found:
        os.kill(found.pid, signal.SIGTERM)
        until = time.monotonic() + LIMIT
        while is_held(home / "hub.lock"):
            assert time.monotonic() < until, "the hub did not stop"
            time.sleep(0.02)


def start(*words: str, **more: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-X", "faulthandler", "-m", "hub", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def said_by(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=LIMIT)
    return process.returncode, out, err


def instances(hub: Running) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = Requests(hub.url, hub.token).get("/instances")["instances"]
    return told


def test_a_message_waits_for_a_name_and_is_read_once(real: Path, hubbub: Callable[..., Any]) -> None:
    sent = hubbub("send", "--as", "bob", "Alice", "hello ünï€ö", "--data", '{"n": 1}', "--thread", "t", "--json")
    assert sent.code == 0
    assert sent.json["to"] == [{"name": "Alice", "state": "accepted", "known": False, "near": []}]
    assert "waits" in sent.err

    peeked = hubbub("read", "--as", "alice", "--peek", "--json").lines
    read = hubbub("read", "--as", "alice", "--json").lines
    assert peeked == read
    (message,) = read
    assert message.keys() == {
        "offset", "id", "from", "to", "topic", "thread", "reply_to", "body", "data", "at", "attachments",
    }  # fmt: skip
    assert (message["id"], message["offset"]) == (sent.json["id"], sent.json["offset"])
    assert (message["from"], message["to"], message["topic"]) == ("bob", "Alice", "inbox.alice")
    assert (message["body"], message["data"], message["thread"]) == ("hello ünï€ö", {"n": 1}, "t")
    assert hubbub("read", "--as", "alice", "--json").lines == []
    assert hubbub("history", "--with", "alice", "--json").lines == read
    assert hubbub("history", "--from", "bob", "--to", "alice", "--since", "1h", "--json").lines == read
    assert hubbub("history", "--from", "bob", "--until", "1h", "--json").lines == []


def test_the_same_id_is_stored_once(real: Path, hubbub: Callable[..., Any]) -> None:
    first, again = (hubbub("send", "--as", "bob", "alice", "x", "--id", "mine", "--json").json for _ in range(2))
    assert first["offset"] == again["offset"]
    assert len(hubbub("read", "--as", "alice", "--json").lines) == 1


def test_a_megabyte_arrives_whole(real: Path, hubbub: Callable[..., Any]) -> None:
    body = "x" * (2**20 - 3) + "€"
    process = start("send", "--as", "bob", "alice", "-", "--json", stdin=subprocess.PIPE, encoding="utf-8")
    process.communicate(body, timeout=LIMIT)
    assert process.returncode == 0
    assert hubbub("read", "--as", "alice", "--json").lines[0]["body"] == body


def test_who_waits_is_woken_and_who_asks_is_answered(real: Path, hubbub: Callable[..., Any]) -> None:
    hubbub("register", "alice")
    waiting = start("wait", "--as", "alice", "--timeout", str(LIMIT), "--json")
    asking = start("ask", "--as", "bob", "alice", "ready?", "--timeout", str(LIMIT), "--json")
    code, out, _ = said_by(waiting)
    question = json.loads(out)
    assert (code, question["body"]) == (0, "ready?")
    hubbub("send", "--as", "alice", "bob", "yes", "--reply-to", question["id"])
    code, out, _ = said_by(asking)
    assert (code, json.loads(out)["body"]) == (0, "yes")
    assert hubbub("read", "--as", "bob", "--json").lines == []


def test_waiting_for_nothing_ends_with_4(real: Path, hubbub: Callable[..., Any]) -> None:
    assert hubbub("wait", "--as", "alice", "--timeout", "0.2").code == 4
    assert hubbub("ask", "--as", "bob", "alice", "?", "--timeout", "0.2").code == 4


def test_watch_goes_on_by_itself_over_a_restart_of_the_hub(real: Path, hubbub: Callable[..., Any]) -> None:
    hubbub("send", "--as", "bob", "alice", "before")
    watching = start("watch", "--after", "0", "--json")

    def next_from_bob() -> str:
        assert watching.stdout
        for line in iter(watching.stdout.readline, ""):
            told = json.loads(line)
            if told["from"] == "bob":
                return str(told["body"])
        raise AssertionError("it ended")

    try:
        assert next_from_bob() == "before"
        hubbub("stop")
        hubbub("send", "--as", "bob", "alice", "after")
        assert next_from_bob() == "after"
    finally:
        watching.send_signal(signal.SIGABRT)  # with its stack: where it hangs, if it does
        print(watching.communicate(timeout=LIMIT)[1])
        print((real / "logs" / "hub.log").read_text())


def test_topics_subscriptions_and_a_rename(real: Path, hubbub: Callable[..., Any]) -> None:
    assert hubbub("subscribe", "--as", "alice", "build.*", "--json").json == {"subscriptions": ["build.*"]}
    assert hubbub("send", "--as", "bob", "#build.linux", "red").code == 0
    assert hubbub("rename", "alice", "alice-two").code == 0
    assert hubbub("send", "--as", "bob", "alice", "by the old name").code == 0
    bodies = [each["body"] for each in hubbub("read", "--as", "alice-two", "--json").lines]
    assert bodies == ["red", "by the old name"]
    listed = hubbub("ls", "--json").json["instances"]
    assert {each["name"] for each in listed} == {"alice-two", "bob"}
    shown = {"name", "online", "sessions", "unread", "last_seen", "state", "since", "hops", "wakes", "client", "human"}
    assert all(each.keys() == shown for each in listed)


def test_a_rotated_token_holds_at_once_and_the_old_one_no_longer(real: Path, hubbub: Callable[..., Any]) -> None:
    old = hubbub("token", "show").out.strip()
    assert hubbub("token", "rotate").code == 0
    assert (real / "token").read_text().strip() != old
    assert hubbub("ls").code == 0
    said = hubbub("ls", "--token", old)
    assert said.code == 5
    assert "hubbub token show" in said.err


def test_a_made_token_may_do_what_it_was_made_for_and_nothing_else(real: Path, hubbub: Callable[..., Any]) -> None:
    token = hubbub("token", "create", "--name", "ci", "--scope", "publish").out.strip()
    assert hubbub("send", "--token", token, "--as", "ci", "alice", "x").code == 0
    assert hubbub("send", "--token", token, "--as", "bob", "alice", "x").code == 5
    assert hubbub("read", "--token", token, "--as", "ci").code == 5
    (listed,) = hubbub("token", "list", "--json").json["tokens"]
    assert hubbub("token", "revoke", listed["id"]).code == 0
    assert hubbub("send", "--token", token, "--as", "ci", "alice", "x").code == 5


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["send", "--as", "bob", "no name", "x"], 2),
        (["send", "--as", "bob", "#a..b", "x"], 2),
        (["send", "--as", "system", "alice", "x"], 2),
        (["rename", "nobody", "x"], 6),
        (["token", "revoke", "none"], 6),
        (["history", "--with", "nobody"], 6),
        (["history", "--since", "yesterday"], 2),
        (["history", "--since", "99999999999999d"], 2),
        (["ls", "--token", "hub_wrong"], 5),
    ],
)
def test_what_the_hub_refuses_has_its_exit_code(
    real: Path, hubbub: Callable[..., Any], words: list[str], code: int
) -> None:
    said = hubbub(*words)
    assert said.code == code
    assert said.err.startswith("error: ")


def test_doctor_and_status_of_a_hub_that_runs(real: Path, hubbub: Callable[..., Any]) -> None:
    hubbub("start")
    doctor = hubbub("doctor", "--json")
    assert doctor.code == 0
    states = {each["check"]: each["state"] for each in doctor.json["findings"]}
    assert states["hub"] == states["http"] == states["websocket"] == states["database"] == states["token"] == "ok"

    status = hubbub("status", "--json").json
    counts = {"head", "instances", "online", "unread"}
    assert status.keys() == {"url", "pid", "mode", "version", "retention"} | counts
    note = json.loads((real / "hub.json").read_text())
    assert {key: status[key] for key in note} == note


def test_twenty_verbs_at_once_start_one_hub(real: Path) -> None:
    racers = [start("register", f"agent-{number}") for number in range(20)]
    ended = [said_by(racer) for racer in racers]
    assert [code for code, _, _ in ended] == [0] * 20, [err for code, _, err in ended if code]
    found = locate(load())
    assert found is not None
    assert len(instances(found)) == 20
    log = (real / "logs" / "hub.log").read_text()
    assert log.count("event=listening") == 1


def test_a_hub_on_every_interface_is_called_by_loopback(real: Path, hubbub: Callable[..., Any]) -> None:
    assert hubbub("start", "--host", "0.0.0.0", "--insecure").code == 0
    status = hubbub("status", "--json").json
    assert status["url"].startswith("ws://127.0.0.1:")
    assert status["mode"] == "insecure"
    assert hubbub("doctor").code == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_hub_with_its_own_certificate_is_trusted_by_its_own_verbs_and_by_no_other(
    real: Path, tmp_path: Path, hubbub: Callable[..., Any]
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    named = ["-subj", "/CN=hub.example", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", *make, *named], check=True, capture_output=True)
    assert hubbub("start", "--tls-cert", str(cert), "--tls-key", str(key)).code == 0
    assert hubbub("send", "--as", "bob", "alice", "hello").code == 0
    assert hubbub("status", "--json").json["mode"] == "tls"
    assert hubbub("doctor").code == 0

    found = locate(load())
    assert found is not None
    said = hubbub("ls", "--url", found.url)
    assert said.code == 3
    assert "certificate" in said.err
    assert "SSL_CERT_FILE" in said.err


@pytest.mark.skipif(os.name != "posix", reason="signals are Unix's")
def test_serve_in_the_foreground_ends_cleanly_by_ctrl_c(real: Path) -> None:
    serving = start("serve")
    assert serving.stderr
    assert any("listening" in line for line in iter(serving.stderr.readline, ""))
    second = start("serve")
    code, _, err = said_by(second)
    assert code == 1
    assert f"pid {serving.pid}" in err
    serving.send_signal(signal.SIGINT)
    code, _, err = said_by(serving)
    assert code in (0, 130)
    assert "Traceback" not in err
    assert not (real / "hub.json").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals are Unix's")
def test_no_token_and_no_body_is_in_the_hubs_log(real: Path, hubbub: Callable[..., Any]) -> None:
    hubbub("start", "--log-level", "debug")
    hubbub("send", "--as", "bob", "alice", "the-secret-body")
    hubbub("open", "--print")
    hubbub("ls", "--token", "hub_" + "w" * 43)
    token = (real / "token").read_text().strip()
    hubbub("stop")
    log = (real / "logs" / "hub.log").read_text() + (real / "logs" / "start.log").read_text()
    assert log
    assert "the-secret-body" not in log
    assert token not in log
    assert "w" * 43 not in log


# demo


def test_the_demos_script_holds_together() -> None:
    here: set[str] = set()
    hears: dict[str, tuple[str, ...]] = {}
    said: dict[str, Say] = {}
    for step in SCRIPT:
        match step:
            case Join():
                here.add(step.who)
                hears[step.who] = step.topics
            case Leave():
                here.remove(step.who)
            case Rename():
                assert step.who in here
            case Say():
                assert step.who in here, step
                if step.answers:
                    question = said[step.answers]
                    heard = any(step.to == each.who for each in (question,)) or step.to.startswith("#")
                    assert heard, f"{step.text} answers somebody else"
                    assert question.to in (ALL, step.who) or question.to.startswith("#")
                if step.label:
                    said[step.label] = step
    texts = [step for step in SCRIPT if isinstance(step, Say)]
    assert {step.to for step in texts} > {ALL}
    assert any(step.to.startswith("#") for step in texts)
    assert any(topic.endswith((">", "*")) for topics in hears.values() for topic in topics)
    emil_joins = next(place for place, step in enumerate(SCRIPT) if isinstance(step, Join) and step.who == "emil")
    assert any(isinstance(step, Say) and step.to == "emil" for step in SCRIPT[:emil_joins])
    assert 40 <= sum(step.after for step in SCRIPT) <= 65


def test_the_demo_leaves_its_conversation_in_the_history(real: Path, hubbub: Callable[..., Any]) -> None:
    demo = start("demo", "--fast")
    code, out, err = said_by(demo)
    assert (code, err) == (0, "")
    assert "/open?code=" in out.splitlines()[0]

    told = hubbub("history", "--limit", "1000", "--json").lines
    lines = [step for step in SCRIPT if isinstance(step, Say)]
    assert [each["body"] for each in told] == [step.text for step in lines]
    ids = {step.label: each["id"] for step, each in zip(lines, told, strict=True) if step.label}
    assert [each["reply_to"] for each in told] == [ids.get(step.answers) for step in lines]
    assert len(hubbub("ls", "--json").json["instances"]) == 5


async def test_the_demo_can_be_played_twice_and_ended_at_any_time(real: Path, hubbub: Callable[..., Any]) -> None:
    import asyncio

    hubbub("start")
    found = locate(load())
    assert found is not None
    told: list[str] = []
    again = asyncio.Event()

    def tell(line: str) -> None:
        told.append(line)
        if sum("goes out today" in each for each in told) == 2:
            again.set()

    play = Play(Place(found.url, found.token), pace=0.01, told=tell)
    playing = asyncio.create_task(play.run(SCRIPT, forever=True))
    async with asyncio.timeout(LIMIT):
        waiting = asyncio.create_task(again.wait())
        await asyncio.wait({playing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert again.is_set(), playing.exception()
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        while any(each["online"] for each in instances(found)):
            await asyncio.sleep(0.02)
    assert len(instances(found)) == 5
