from __future__ import annotations

from typing import Any

import pytest

from hub.connect import entry, jsonc
from hub.connect.edit import apply
from hub.connect.entry import Wish
from mcp_client.tools import TOOLS

WISH = Wish(("/opt/hubbub/bin/hubbub",), {})


def test_the_tools_that_are_allowed_by_default_are_those_that_read() -> None:
    assert sorted(entry.READING) == sorted(name for name, tool in TOOLS.items() if tool.reads)


@pytest.mark.parametrize(
    ("wish", "line"),
    [
        (WISH, "/opt/hubbub/bin/hubbub hook Stop"),
        (Wish(("/a b/hubbub",), {}), "'/a b/hubbub' hook Stop"),
        (Wish(("/usr/bin/python3", "-m", "hub"), {}), "/usr/bin/python3 -m hub hook Stop"),
        (Wish(("/h",), {"HUBBUB_HOME": "/my home"}), "HUBBUB_HOME='/my home' /h hook Stop"),
        (Wish(("C:\\a\\hubbub.exe",), {"HUBBUB_HOME": "D:\\h"}, windows=True), "C:/a/hubbub.exe hook Stop"),
        (Wish(("C:\\a b\\hubbub.exe",), {}, windows=True), '"C:/a b/hubbub.exe" hook Stop'),
    ],
)
def test_a_hook_is_one_line_for_a_shell(wish: Wish, line: str) -> None:
    assert wish.hook("Stop") == line


@pytest.mark.parametrize(
    ("item", "ours"),
    [
        ({"command": WISH.hook("stop")}, True),
        ({"hooks": [{"type": "command", "command": WISH.hook("Stop")}]}, True),
        ({"hooks": [{"command": "HUBBUB_HOME=/x '/a b/hubbub' hook Stop"}]}, True),
        ({"hooks": [{"command": "/usr/bin/python3 -m hub hook Stop"}]}, True),
        ({"hooks": [{"command": '"C:/a b/hubbub.exe" hook Wake'}]}, True),
        ({"hooks": [{"command": WISH.hook("Stop")}, {"command": "mine"}]}, False),
        ({"hooks": [{"command": "echo hubbub hooks"}]}, False),
        ({"hooks": [{"command": "hubbub hook Stop && mine"}]}, False),
        ({"hooks": []}, False),
        ({"command": ["hubbub", "hook", "Stop"]}, False),
        ("hubbub hook Stop", False),
    ],
)
def test_only_what_runs_nothing_else_is_taken_for_ours(item: Any, ours: bool) -> None:
    assert entry.is_ours(item) is ours


@pytest.mark.parametrize(
    ("present", "after"),
    [
        ('{"s": {"hubbub": {"command": "other"}}}', {"command": "/opt/hubbub/bin/hubbub", "args": ["mcp"]}),
        (
            '{"s": {"hubbub": {"command": "hubbub", "args": ["mcp", "--name", "bob"], "env": {"A": "b"}}}}',
            {"command": "/opt/hubbub/bin/hubbub", "args": ["mcp", "--name", "bob"], "env": {"A": "b"}},
        ),
        (
            '{"s": {"hubbub": {"command": "x", "args": ["serve"], "disabled": true}}}',
            {"command": "/opt/hubbub/bin/hubbub", "args": ["mcp"], "disabled": True},
        ),
    ],
)
def test_what_somebody_added_to_our_entry_stays(present: str, after: dict[str, Any]) -> None:
    edits = entry.server(jsonc.read(present), ("s", "hubbub"), WISH)
    assert jsonc.read(apply(jsonc, present, edits))["s"]["hubbub"] == after


def test_our_environment_is_put_beside_what_is_in_the_entry() -> None:
    present = {"s": {"hubbub": {"env": {"A": "b"}}}}
    edits = entry.server(present, ("s", "hubbub"), WISH._replace(environ={"HUBBUB_HOME": "/h"}))
    after = jsonc.read(apply(jsonc, '{"s": {"hubbub": {"env": {"A": "b"}}}}', edits))
    assert after["s"]["hubbub"]["env"] == {"A": "b", "HUBBUB_HOME": "/h"}
