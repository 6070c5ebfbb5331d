"""The form of each client's hooks, as their vendors describe it."""

from __future__ import annotations

import json

import pytest

from mcp_client.delivery.hooks import EVENTS, goes_on_already, read
from mcp_client.delivery.plan import Activity

CONTEXT = {"SessionStart", "UserPromptSubmit", "PostToolUse", "PostToolBatch", "BeforeAgent", "AfterTool"}


@pytest.mark.parametrize("name", sorted(CONTEXT))
def test_context_names_its_event(name: str) -> None:
    printed = EVENTS[name].print(name, 'a "text"\nof two lines')
    assert json.loads(printed.out) == {
        "hookSpecificOutput": {"hookEventName": name, "additionalContext": 'a "text"\nof two lines'}
    }
    assert (printed.err, printed.code) == ("", 0)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Stop", {"decision": "block", "reason": "text"}),
        ("sessionStart", {"additional_context": "text"}),
        ("postToolUse", {"additional_context": "text"}),
        ("stop", {"followup_message": "text"}),
    ],
)
def test_other_forms(name: str, told: dict[str, str]) -> None:
    printed = EVENTS[name].print(name, "text")
    assert json.loads(printed.out) == told
    assert printed.code == 0


def test_the_waiting_hook_wakes_with_code_2_and_the_text_on_standard_error() -> None:
    assert EVENTS["Wake"].print("Wake", "text") == ("", "text", 2)


@pytest.mark.parametrize("name", ["AfterAgent", "beforeSubmitPrompt"])
def test_where_nothing_can_be_said_nothing_is_printed(name: str) -> None:
    assert EVENTS[name].print(name, "text") == ("", "", 0)


@pytest.mark.parametrize(
    ("name", "activity"),
    [
        ("UserPromptSubmit", Activity.WORKING),
        ("PostToolUse", Activity.WORKING),
        ("Stop", Activity.IDLE),
        ("AfterAgent", Activity.IDLE),
        ("beforeSubmitPrompt", Activity.WORKING),
        ("Wake", None),
    ],
)
def test_what_an_event_tells_of_the_agent(name: str, activity: Activity | None) -> None:
    assert EVENTS[name].activity is activity


@pytest.mark.parametrize(
    ("said", "already"),
    [
        ({"stop_hook_active": True}, True),
        ({"stop_hook_active": False}, False),
        ({"status": "completed", "loop_count": 0}, False),
        ({"status": "completed", "loop_count": 1}, True),
        ({"status": "aborted", "loop_count": 0}, True),
        ({}, False),
    ],
)
def test_a_turn_is_kept_going_once(said: dict[str, object], already: bool) -> None:
    assert goes_on_already(said) is already


@pytest.mark.parametrize("said", [b"", b"{", b"[1]", b"null", b"\xff\xfe"])
def test_an_input_that_is_no_object_says_nothing(said: bytes) -> None:
    assert read(said) == {}
