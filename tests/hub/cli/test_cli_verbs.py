from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hub import __version__, daemon
from hub.cli import show
from hub.config import load, table
from hub.daemon import HubLock, write_hub_json
from hub.lock import is_held

ANY = dict[str, Any]
FAKE = [sys.executable, str(Path(__file__).parents[1] / "fake_hub.py")]


@pytest.fixture
def fake(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever starts a hub starts the fake one."""
    monkeypatch.setattr(daemon, "_serve", lambda _: FAKE)
    yield
    paths = load().paths
    note = daemon.read_hub_json(paths)
    if note and is_held(paths.hub_lock):
        os.kill(note["pid"], signal.SIGTERM)


# look


def instance(name: str, **parts: Any) -> ANY:
    told = {"name": name, "online": True, "sessions": 1, "unread": 0, "last_seen": "2026-11-22T12:00:00Z"}
    told |= {"state": "online", "since": told["last_seen"], "hops": None, "wakes": None, "client": "codex"}
    told |= {"human": False}
    return {**told, "registered_at": "2026-11-22T11:00:00Z", "topics": [], **parts}


def test_ls_in_json_is_the_contracts_five_parts_and_how_each_is(hub: Any, talk: Any) -> None:
    hub.on("GET", "/instances", {"instances": [instance("alice", unread=3)]})
    assert talk("ls", "--json").json == {
        "instances": [
            {
                "name": "alice",
                "online": True,
                "sessions": 1,
                "unread": 3,
                "last_seen": "2026-11-22T12:00:00Z",
                "state": "online",
                "since": "2026-11-22T12:00:00Z",
                "hops": None,
                "wakes": None,
                "client": "codex",
                "human": False,
            }
        ]
    }


def test_ls_is_a_table_with_numbers_to_the_right(hub: Any, talk: Any) -> None:
    offline = instance("bob", online=False, state="offline", unread=1200, since=None, client=None)
    woken = instance("carol", state="idle", since=None, wakes=True)
    person = instance("kay", state="online", since=None, human=True)
    everybody = [instance("alice-with-a-long-name", since=None), woken, offline, person]
    hub.on("GET", "/instances", {"instances": everybody})
    assert talk("ls").out.splitlines() == [
        "NAME                    STATE    SINCE  WOKEN    UNREAD  CLIENT",
        "alice-with-a-long-name  online       -  unknown       0  codex",
        "carol                   idle         -  yes           0  codex",
        "bob                     offline      -  -          1200",
        "kay (a person)          online       -  unknown       0  codex",
    ]


def test_ls_of_nobody_says_how_to_begin(hub: Any, talk: Any) -> None:
    hub.on("GET", "/instances", {"instances": []})
    assert "hubbub send" in talk("ls").out


def test_history_passes_on_how_it_is_narrowed(hub: Any, talk: Any, make_message: Any) -> None:
    hub.on("GET", "/messages", {"messages": [make_message(3), make_message(4)], "more": True})
    narrowed = ["--with", "alice", "--topic", "#build.*", "--thread", "t", "--search", "red & blue", "--before", "9"]
    said = talk("history", *narrowed, "--as", "bob", "--limit", "2", "--json")
    assert [each["offset"] for each in said.lines] == [3, 4]
    assert hub.asked[0].query == {
        "with": "alice",
        "topic": "build.*",
        "thread": "t",
        "search": "red & blue",
        "before": "9",
        "as": "bob",
        "limit": "2",
    }
    assert "--before 3" in talk("history").err


def test_open_prints_a_fresh_link(hub: Any, talk: Any) -> None:
    hub.on("POST", "/links", (201, {"url": "http://127.0.0.1:4820/open?code=x", "expires_in": 600}))
    assert talk("open", "--print").out == "http://127.0.0.1:4820/open?code=x\n"


@pytest.mark.parametrize(("opens", "out"), [(True, "in your browser"), (False, "http://127.0.0.1:4820/open?code=x")])
def test_open_prints_the_link_where_there_is_no_browser(
    hub: Any, talk: Any, monkeypatch: pytest.MonkeyPatch, opens: bool, out: str
) -> None:
    seen: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: bool(seen.append(url)) or opens)
    hub.on("POST", "/links", (201, {"url": "http://127.0.0.1:4820/open?code=x", "expires_in": 600}))
    assert out in talk("open").out
    assert seen == ["http://127.0.0.1:4820/open?code=x"]


# names and topics


def test_register_says_what_waits(hub: Any, talk: Any) -> None:
    hub.on("POST", "/instances", (201, {"name": "Alice", "unread": 2}))
    assert talk("register", "Alice").out == "Alice is registered; 2 unread\n"
    assert talk("register", "Alice", "--json").json == {"name": "Alice", "unread": 2}
    assert hub.asked[0].body == {"name": "Alice"}


@pytest.mark.parametrize("words", [["bob", "bobby"], ["--as", "bob", "bobby"]])
def test_rename_takes_the_old_name_as_a_word_or_as_the_speaker(hub: Any, talk: Any, words: list[str]) -> None:
    hub.on("POST", "/instances/bob/rename", {"name": "bobby"})
    assert talk("rename", *words).out == "bob is called bobby now\n"
    assert hub.asked[0].body == {"name": "bobby"}


def test_rename_cannot_reach_another_path(hub: Any, talk: Any) -> None:
    hub.on("POST", "/instances/..%2F..%2Ftokens/rename", (400, {"code": "bad_name", "message": "No.", "hint": None}))
    assert talk("rename", "../../tokens", "x").code == 2


def test_topics_shows_who_is_behind(hub: Any, talk: Any) -> None:
    readers = [{"name": "alice", "backlog": 3}, {"name": "bob", "backlog": 0}]
    hub.on("GET", "/topics", {"topics": [{"topic": "build", "messages": 7, "bytes": 9, "head": 9, "readers": readers}]})
    assert talk("topics").out.splitlines()[1].split() == ["build", "7", "2", "alice", "3"]


def test_subscriptions_come_and_go(hub: Any, talk: Any) -> None:
    hub.on("POST", "/subscriptions", {"subscriptions": ["build.>"]})
    hub.on("DELETE", "/subscriptions", {"subscriptions": []})
    hub.on("GET", "/subscriptions", {"subscriptions": ["build.>"]})
    assert talk("subscribe", "--as", "alice", "build.>", "--json").json == {"subscriptions": ["build.>"]}
    assert talk("topics", "--as", "alice").out == "build.>\n"
    assert talk("unsubscribe", "--as", "alice", "build.>").err == "No subscriptions.\n"
    assert hub.asked[0].body == {"as": "alice", "topic": "build.>"}
    assert hub.asked[2].query == {"as": "alice", "topic": "build.>"}


# tokens


def test_token_show_makes_the_token_if_there_is_none(home: Path, hubbub: Callable[..., Any]) -> None:
    said = hubbub("token", "show")
    assert said.out == (home / "token").read_text()
    assert hubbub("token", "show").out == said.out


def test_a_token_is_made_listed_and_revoked(hub: Any, talk: Any) -> None:
    made = {"id": "3f", "name": "ci", "scopes": ["publish"], "expires_at": None, "last_used": None, "note": "x"}
    hub.on("POST", "/tokens", (201, {**made, "token": "hub_new"}))
    hub.on("GET", "/tokens", {"tokens": [made]})
    hub.on("DELETE", "/tokens/3f", {"revoked": "3f"})
    words = ["token", "create", "--name", "ci", "--scope", "publish", "--expires-in", "90d", "--note", "x"]
    assert talk(*words).out == "hub_new\n"
    assert hub.asked[0].body == {"scopes": ["publish"], "name": "ci", "expires_in": 90 * 86_400, "note": "x"}
    assert talk("token", "list").out.splitlines()[1].split() == ["3f", "ci", "publish", "for", "ever", "-", "x"]
    assert talk("token", "revoke", "3f").code == 0


def test_rotate_says_where_the_new_token_is_and_does_not_print_it(hub: Any, talk: Any) -> None:
    hub.on("POST", "/tokens/rotate", {"token": "hub_new"})
    said = talk("token", "rotate")
    assert said.code == 0
    assert "hub_new" not in said.out


# configuration


def test_config_show_tells_every_setting_and_its_source(
    home: Path, hubbub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBUB_PORT", "5000")
    monkeypatch.setenv("HUBBUB_TOKEN", "hub_secret")
    home.mkdir()
    (home / "config.toml").write_text('max_body = "2MiB"\n')
    shown = {line.split()[0]: line for line in hubbub("config", "show").out.splitlines()}
    assert {key for key, _, _ in table()} | {"token_file", "database", "hub_json", "log_file"} == shown.keys()
    assert re.search(r"5000 +environment HUBBUB_PORT$", shown["port"])
    assert shown["max_body"].endswith(f"2MiB                                      file {home / 'config.toml'}") or (
        "2MiB" in shown["max_body"] and "file" in shown["max_body"]
    )
    assert "hub_secret" not in "".join(shown.values())

    told = hubbub("config", "show", "--json")
    assert "hub_secret" not in told.out
    port = next(each for each in told.json["settings"] if each["key"] == "port")
    assert (port["value"], port["source"], port["where"]) == (5000, "environment", "HUBBUB_PORT")
    assert told.json["paths"]["token_file"] == str(home / "token")


@pytest.mark.parametrize(
    ("key", "value"), [("port", "4820"), ("max-body", "1MiB"), ("max_body", "1MiB"), ("url", ""), ("insecure", "false")]
)
def test_config_get_prints_one_value(hubbub: Callable[..., Any], key: str, value: str) -> None:
    said = hubbub("config", "get", key)
    assert (said.code, said.out) == (0, value + "\n")


def test_config_get_knows_the_paths_too(home: Path, hubbub: Callable[..., Any]) -> None:
    assert hubbub("config", "get", "token-file").out == f"{home / 'token'}\n"
    assert hubbub("config", "get", "database", "--json").json["value"] == str(home / "hubbub.db")


def test_config_get_of_nothing_is_not_found_with_what_was_meant(hubbub: Callable[..., Any]) -> None:
    said = hubbub("config", "get", "max_bdy")
    assert said.code == 6
    assert "Did you mean max_body?" in said.err


def test_a_bad_setting_ends_every_verb_with_2_and_says_which(
    hubbub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBUB_PORT", "many")
    for words in (["ls"], ["serve"], ["config", "show"]):
        said = hubbub(*words)
        assert said.code == 2
        assert "HUBBUB_PORT" in said.err


# the hub's life


def test_start_status_stop(fake: None, hub: Any, home: Path, hubbub: Callable[..., Any]) -> None:
    before = hubbub("status")
    assert before.code == 3
    assert "hubbub start" in before.err

    assert hubbub("start").out.startswith("The hub runs now: http://127.0.0.1:")
    again = hubbub("start", "--log-level", "debug")
    assert again.out.startswith("The hub runs already: http://127.0.0.1:")
    assert "keeps the settings" in again.err

    assert re.fullmatch(r"The hub \(pid \d+\) has stopped\.\n", hubbub("stop").out)
    assert hubbub("stop").out == "No hub runs here.\n"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"by": "2026-01-31T12:00:00Z", "state": "missed", "at": None}, ": none has come\n"),
        ({"by": "2026-01-31T12:00:00Z", "state": "late", "at": "2026-01-31T13:00:00Z"}, ": it came late at 2026-"),
    ],
)
def test_status_of_a_message_says_what_became_of_the_wish_for_an_answer(
    hub: Any, talk: Any, answer: Any, said: str
) -> None:
    message = {"id": "m7", "from": "bob", "to": "alice", "body": "?", "at": "2026-01-31T11:00:00Z"}
    hub.on(
        "GET", "/messages/m7", (200, {"message": message | {"answer_by": answer["by"]}, "ladder": [], "answer": answer})
    )
    told = talk("status", "m7").out
    assert said in told
    assert told.count("answer wanted by 2026-") == 2


def test_status_in_json_is_the_contracts_parts(hub: Any, talk: Any) -> None:
    told = {
        "url": hub.url,
        "pid": 7,
        "mode": "local",
        "version": "0.1.0",
        "head": 9,
        "instances": 2,
        "online": 1,
        "unread": 3,
    }
    hub.on("GET", "/trim", (403, {"code": "forbidden", "message": "Not for this token.", "hint": None}))
    hub.on("GET", "/status", {**told, "floor": 1, "epoch": "e", "started_at": "2026-11-22T12:00:00Z", "problems": []})
    assert talk("status", "--json").json == {**told, "retention": None}, "a token that may not look at the log"
    rule = {"retention_age": 60.0, "retention_size": 2**20, "kept_bytes": 5000, "oldest_at": None, "next_at": None}
    hub.on("GET", "/trim", {**rule, "messages": 12, "bytes": 400, "upto": 12, "unread": 1})
    assert talk("status", "--json").json["retention"] == {
        "age": 60.0,
        "size": 2**20,
        "kept_bytes": 5000,
        "oldest_at": None,
        "next_at": None,
        "due": 12,
        "due_bytes": 400,
        "due_unread": 1,
    }
    assert "1m, 1MiB; 4.9 KiB kept; 12 messages go now" in talk("status").out
    assert "only this machine can reach it" in talk("status").out


def test_a_verb_that_needs_the_hub_starts_it(fake: None, home: Path, hubbub: Callable[..., Any]) -> None:
    hubbub("ls")
    assert len((home / "starts").read_text().split()) == 1


@pytest.mark.parametrize("words", [["status"], ["stop"], ["doctor"], ["config", "show"], ["token", "show"]])
def test_a_verb_that_only_looks_starts_nothing(
    fake: None, home: Path, hubbub: Callable[..., Any], words: list[str]
) -> None:
    hubbub(*words)
    assert not (home / "starts").exists()


@pytest.mark.parametrize("verb", ["serve", "start", "stop"])
@pytest.mark.parametrize("flag", [["--url", "ws://127.0.0.1:1/ws"], ["--token", "hub_x"]])
def test_what_concerns_this_machines_hub_refuses_the_name_of_another(
    fake: None, hubbub: Callable[..., Any], verb: str, flag: list[str]
) -> None:
    said = hubbub(verb, *flag)
    assert said.code == 2
    assert f"{flag[0]} does not belong here" in said.err


def test_start_refuses_where_the_environment_names_another_hub(
    fake: None, hubbub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBUB_URL", "ws://127.0.0.1:1/ws")
    said = hubbub("start")
    assert said.code == 2
    assert "HUBBUB_URL" in said.err


@pytest.mark.parametrize("verb", ["serve", "start"])
def test_a_hub_that_others_could_reach_in_the_clear_is_refused(
    fake: None, hubbub: Callable[..., Any], verb: str
) -> None:
    said = hubbub(verb, "--host", "0.0.0.0")
    assert said.code == 2
    assert "--insecure" in said.err


def test_serve_hands_over_the_settings_and_says_how_it_ended(
    home: Path, hubbub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import hub.app
    import hub.logs

    seen: list[Any] = []
    monkeypatch.setattr(hub.app, "serve", lambda settings, ready: seen.append(settings) or 7)
    monkeypatch.setattr(hub.logs, "setup", lambda settings, detached: seen.append(detached))
    assert hubbub("serve", "--port", "0", "--data-dir", str(home / "d"), "--max-body", "2MiB").code == 7
    detached, settings = seen
    assert detached is False
    assert (settings.port, settings.data_dir, settings.max_body) == (0, home / "d", 2 * 2**20)


# doctor


def test_doctor_of_a_fresh_home_finds_nothing_broken(home: Path, hubbub: Callable[..., Any]) -> None:
    said = hubbub("doctor", "--json")
    assert said.code == 0
    assert said.json["ok"] is True
    checks = {each["check"]: each["state"] for each in said.json["findings"]}
    assert checks["hub"] == checks["home"] == checks["token"] == checks["database"] == "note"
    assert not home.exists()


def findings(hubbub: Callable[..., Any], *words: str) -> dict[str, ANY]:
    said = hubbub("doctor", "--json", *words)
    told: dict[str, ANY] = {each["check"]: each for each in said.json["findings"]}
    assert said.json["ok"] == (said.code == 0) == all(each["state"] != "broken" for each in told.values())
    return told


@pytest.mark.skipif(os.name != "posix", reason="modes are Unix's")
def test_doctor_names_what_others_can_read_and_how_to_close_it(home: Path, hubbub: Callable[..., Any]) -> None:
    home.mkdir()
    home.chmod(0o755)
    (home / "token").write_text("hub_x\n")
    (home / "token").chmod(0o644)
    found = findings(hubbub)
    assert (found["home"]["state"], found["home"]["command"]) == ("warning", f"chmod 700 {home}")
    assert (found["token"]["state"], found["token"]["command"]) == ("warning", f"chmod 600 {home / 'token'}")


def test_doctor_names_a_token_file_that_holds_none(home: Path, hubbub: Callable[..., Any]) -> None:
    home.mkdir(mode=0o700)
    (home / "token").write_text("")
    assert findings(hubbub)["token"]["state"] == "broken"


def test_doctor_names_a_token_in_the_environment_that_is_another(
    home: Path, hubbub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hubbub("token", "show")
    monkeypatch.setenv("HUBBUB_TOKEN", "hub_other")
    found = findings(hubbub)["token"]
    assert (found["state"], found["command"]) == ("warning", "unset HUBBUB_TOKEN")


def test_doctor_reads_the_database(home: Path, hubbub: Callable[..., Any]) -> None:
    home.mkdir(mode=0o700)
    (home / "hubbub.db").write_bytes(b"this is no database, and long enough to be seen as none" * 100)
    assert findings(hubbub)["database"]["state"] == "broken"
    (home / "hubbub.db").unlink()
    with closing(sqlite3.connect(home / "hubbub.db")) as database:
        database.execute("CREATE TABLE messages (body TEXT)")
    assert "another program" in findings(hubbub)["database"]["message"]


def test_doctor_names_who_holds_the_port(hubbub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        monkeypatch.setenv("HUBBUB_PORT", str(stranger.getsockname()[1]))
        if sys.platform == "linux":
            assert f"(pid {os.getpid()})" in findings(hubbub)["port"]["message"]


def test_doctor_knows_a_hub_that_was_killed(home: Path, hubbub: Callable[..., Any]) -> None:
    home.mkdir(mode=0o700)
    write_hub_json(load().paths, url="ws://127.0.0.1:1/ws", mode="local")
    assert "was killed" in findings(hubbub)["hub"]["message"]


def test_doctor_names_a_hub_that_does_not_answer(home: Path, hubbub: Callable[..., Any]) -> None:
    paths = load().paths
    with HubLock(paths), socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
        gone.close()
        write_hub_json(paths, url=f"ws://127.0.0.1:{port}/ws", mode="local")
        found = findings(hubbub)
    assert found["http"]["state"] == "broken"
    assert f"http://127.0.0.1:{port}" in found["http"]["message"]


def test_doctor_names_a_hub_of_another_version(home: Path, hubbub: Callable[..., Any]) -> None:
    paths = load().paths
    with HubLock(paths):
        write_hub_json(paths, url="ws://127.0.0.1:1/ws", mode="local")
        note = json.loads(paths.hub_json.read_text())
        paths.hub_json.write_text(json.dumps({**note, "version": "9.9.9"}))
        found = [each for each in hubbub("doctor", "--json").json["findings"] if each["state"] == "warning"]
    assert any("9.9.9" in each["message"] and __version__ in each["message"] for each in found)


def test_doctor_names_a_token_that_the_hub_refuses(hub: Any, hubbub: Callable[..., Any]) -> None:
    found = findings(hubbub, "--url", hub.url, "--token", "hub_wrong")
    assert found["http"]["state"] == "broken"
    assert "refuses the token" in found["http"]["message"]


def test_doctor_names_a_websocket_that_does_not_work_though_http_does(hub: Any, talk: Any) -> None:
    hub.on("GET", "/status", {"mode": "local", "instances": 1, "problems": []})
    told = {each["check"]: each for each in talk("doctor", "--json").json["findings"]}
    assert told["http"]["state"] == "ok"
    assert told["websocket"]["state"] == "broken"


# what people see


def test_colour_is_for_terminals_and_not_where_it_is_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(key, raising=False)
    assert show.paint("x", "red") == "x"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert show.paint("x", "red") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("TERM", "dumb")
    assert show.paint("x", "red") == "x"
    monkeypatch.delenv("TERM")
    monkeypatch.setenv("NO_COLOR", "1")
    assert show.paint("x", "red") == "x"


@pytest.mark.parametrize("code", [*range(9), 11, 12, 13, *range(14, 32), *range(127, 160), 0x202E, 0x2066, 0x200F])
def test_a_character_that_a_terminal_obeys_is_shown(code: int) -> None:
    assert show.clean(f"a{chr(code)}b") not in (f"a{chr(code)}b", "ab")
    assert chr(code) not in show.one_line(f"a{chr(code)}b")


@pytest.mark.parametrize("text", ["plain", "ünï€ö", "🎉 日本語", "a\tb\nc", "שלום"])
def test_text_that_is_only_text_stays_as_it_is(text: str) -> None:
    assert show.clean(text) == text
