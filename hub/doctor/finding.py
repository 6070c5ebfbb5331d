"""What was found: a stable code, a sentence with the cause, and the one command that helps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

OK, NOTE, WARNING, BROKEN, FIXED = STATES = ("ok", "note", "warning", "broken", "fixed")


class Mend(NamedTuple):
    """What --fix may do: in words, and the deed. That raises OSError or HubbubError where it cannot be done."""

    what: str
    do: Callable[[], object]


class Finding(NamedTuple):
    """One thing that was looked at.

    `check` says what, `state` how it is, `code` what is the matter (None where nothing is): both are stable, while
    `message` is for people. `command` is what to type about it.
    """

    check: str
    state: str
    message: str
    command: str | None = None
    code: str | None = None
    mend: Mend | None = None

    @property
    def fixed(self) -> bool | None:
        """Whether --fix has mended it; None where it could not."""
        return None if self.mend is None else self.state == FIXED


def ok(check: str, message: str) -> Finding:
    """It is as it should be."""
    return Finding(check, OK, message)


def note(check: str, code: str, message: str, command: str | None = None, mend: Mend | None = None) -> Finding:
    """Nothing is wrong; somebody may want to know."""
    return Finding(check, NOTE, message, command, code, mend)


def warning(check: str, code: str, message: str, command: str, mend: Mend | None = None) -> Finding:
    """It works, and somebody should do something."""
    return Finding(check, WARNING, message, command, code, mend)


def broken(check: str, code: str, message: str, command: str, mend: Mend | None = None) -> Finding:
    """It does not work."""
    return Finding(check, BROKEN, message, command, code, mend)
