"""The forms in which clients take what a hook has to say. Pure.

Each event of each client is a row: what it tells us of the agent, and how a text reaches the model there. Where an
event takes no text, or has none to give, the hook prints nothing at all.

Claude Code: https://code.claude.com/docs/en/hooks · Codex: https://developers.openai.com/codex/hooks (the same form)
Gemini CLI and Antigravity: https://geminicli.com/docs/hooks/reference · Cursor: https://cursor.com/docs/agent/hooks
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from mcp_client.delivery.plan import Activity
from mcp_client.hook import WAKE


class Printed(NamedTuple):
    """What a hook writes, and its exit code."""

    out: str = ""
    err: str = ""
    code: int = 0


SILENT: Final = Printed()


def _context(event: str, text: str) -> Printed:
    return Printed(json.dumps({"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}}))


def _go_on(_: str, text: str) -> Printed:
    return Printed(json.dumps({"decision": "block", "reason": text}))


def _cursor_context(_: str, text: str) -> Printed:
    return Printed(json.dumps({"additional_context": text}))


def _cursor_follow_up(_: str, text: str) -> Printed:
    return Printed(json.dumps({"followup_message": text}))


def _wake(_: str, text: str) -> Printed:
    return Printed(err=text, code=2)


class Event(NamedTuple):
    """One event. `activity` is what the agent does once it is over, None where that says nothing.

    `say` is None where nothing can be said. `interrupts`: a text here comes amid work. `ends`: a text here keeps the
    agent from ending its turn.
    """

    activity: Activity | None
    say: Callable[[str, str], Printed] | None
    interrupts: bool = False
    ends: bool = False

    def print(self, name: str, text: str) -> Printed:
        """What the hook of this event writes to say `text`."""
        return SILENT if self.say is None else self.say(name, text)


_STARTS = Event(Activity.IDLE, _context)
_ASKED = Event(Activity.WORKING, _context)
_AMID = Event(Activity.WORKING, _context, interrupts=True)

EVENTS: Final[dict[str, Event]] = {
    "SessionStart": _STARTS,  # Claude Code, Codex, Gemini CLI
    "UserPromptSubmit": _ASKED,  # Claude Code, Codex
    "PostToolUse": _AMID,
    "PostToolBatch": _AMID,
    "Stop": Event(Activity.IDLE, _go_on, ends=True),
    WAKE: Event(None, _wake),  # Claude Code, with asyncRewake
    "BeforeAgent": _ASKED,  # Gemini CLI, Antigravity
    "AfterTool": _AMID,
    "AfterAgent": Event(Activity.IDLE, None),  # a text there would throw the answer away
    "sessionStart": Event(Activity.IDLE, _cursor_context),  # Cursor
    "beforeSubmitPrompt": Event(Activity.WORKING, None),  # takes no context
    "postToolUse": Event(Activity.WORKING, _cursor_context, interrupts=True),
    "stop": Event(Activity.IDLE, _cursor_follow_up, ends=True),
}


def goes_on_already(said: Mapping[str, Any]) -> bool:
    """Whether the turn that ends now was itself kept going by a hook, or was broken off: then it may end.

    Claude Code and Codex say `stop_hook_active`, Cursor counts `loop_count` and has a `status`.
    """
    return bool(said.get("stop_hook_active") or said.get("loop_count") or said.get("status") in ("aborted", "error"))


def read(said: bytes) -> dict[str, Any]:
    """A hook's input. What is no JSON object is as if nothing had been said."""
    try:
        found = json.loads(said)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
