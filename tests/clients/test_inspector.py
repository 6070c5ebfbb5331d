"""MCP Inspector, the protocol's own client, calls every tool in both revisions of the protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_client.tools import TOOLS
from tests.clients.conftest import BOUND, Run, program

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

Call = Callable[..., Any]


@pytest.fixture(params=["legacy", "modern"])
def inspect(run: Run, environ: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Call]:
    """One run of the Inspector in one era of the protocol: what it printed, read."""
    hub = ["-e", f"HUBBUB_HOME={environ['HUBBUB_HOME']}", "-e", "HUBBUB_PORT=0"]

    def call(method: str, *more: str, name: str = "alice") -> Any:
        words = ["--cli", "--format", "json", "--quiet", "--connect-timeout", str(BOUND * 1000)]
        words += ["--protocol-era", request.param, *hub]
        return json.loads(
            run(program("mcp-inspector"), *words, "hubbub", "mcp", "--name", name, "--method", method, *more).stdout
        )

    yield call
    run("hubbub", "stop")


def tool(inspect: Call, called: str, **arguments: Any) -> dict[str, Any]:
    told = inspect("tools/call", "--tool-name", called, "--tool-args-json", json.dumps(arguments))["result"]
    assert not told.get("isError"), told
    assert told["content"][0]["text"]
    return dict(told["structuredContent"])


def test_it_lists_and_calls_every_tool(inspect: Call, run: Run, home: Path) -> None:
    listed = inspect("tools/list")["result"]["tools"]
    assert sorted(each["name"] for each in listed) == sorted(TOOLS)

    (home / "project" / "notes.md").write_text("what I know\n")
    run("hubbub", "send", "--as", "bob", "alice", "hello")
    called: dict[str, dict[str, Any]] = {
        "register": tool(inspect, "register", name="alice"),
        "send": (sent := tool(inspect, "send", to="bob", body="hi", thread="t", data={"a": [1]})),
        "broadcast": tool(inspect, "broadcast", body="all of you"),
        "list_instances": tool(inspect, "list_instances"),
        "check": tool(inspect, "check"),
        "wait": tool(inspect, "wait", timeout=0),
        "ask": tool(inspect, "ask", to="bob", body="are you there?", timeout=0, answer_by="1h"),
        "topics": tool(inspect, "topics", subscribe="build.>"),
        "history": tool(inspect, "history", **{"with": "bob"}),
        "share_file": tool(inspect, "share_file", to="bob", path="notes.md"),
        "status": tool(inspect, "status", message_id=sent["id"]),
        "rename": tool(inspect, "rename", new_name="alice2"),
    }
    assert called.keys() == TOOLS.keys()
    read = run("hubbub", "read", "--as", "bob", "--json").stdout.splitlines()
    assert called["register"]["you"] == "alice"
    assert [each["name"] for each in sent["to"]] == ["bob"]
    assert [each["body"] for each in called["check"]["messages"]] == ["hello"]
    assert called["wait"]["messages"] == []
    assert called["ask"]["answered"] is False
    assert called["ask"]["question"]["answer_by"] == json.loads(read[2])["answer_by"]
    assert called["topics"]["subscriptions"] == ["build.>"]
    assert {"hello", "hi"} <= {each["body"] for each in called["history"]["messages"]}
    assert called["share_file"]["file"]
    assert called["status"]["messages"][0]["id"] == sent["id"]
    assert called["rename"]["you"] == "alice2"
    assert [json.loads(line)["body"] for line in read] == ["hi", "all of you", "are you there?", "notes.md (12B)"]
    assert [each["name"] for each in json.loads(read[-1])["attachments"]] == ["notes.md"]


def test_its_check_of_the_schemas_finds_no_error(inspect: Call) -> None:
    assert inspect("tools/list", "--strict")["result"]["tools"]
