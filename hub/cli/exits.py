"""Exit codes: one number a kind of ending, so that a script need not read the words."""

from __future__ import annotations

from typing import Final

from hub import errors

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
TIME_LIMIT: Final = 4
REFUSED: Final = 5
NOT_FOUND: Final = 6
LIMIT: Final = 7
INTERRUPTED: Final = 130

MEANING: Final = {
    OK: "done",
    FAILED: "failed",
    USAGE: "what was asked for makes no sense",
    UNREACHABLE: "no hub answers",
    TIME_LIMIT: "the time limit was reached first",
    REFUSED: "refused: the token, or a name that is taken",
    NOT_FOUND: "there is no such thing",
    LIMIT: "a limit was hit; the message names it",
    INTERRUPTED: "interrupted",
}

_BY_KIND: Final = (  # the first that fits
    (errors.TooLarge, LIMIT),
    (errors.BadRequest, USAGE),
    (errors.Refused, REFUSED),
    (errors.NotFound, NOT_FOUND),
    (errors.LimitHit, LIMIT),
    (errors.ShuttingDown, UNREACHABLE),
    (errors.Unreachable, UNREACHABLE),
)


def code_of(error: errors.HubbubError) -> int:
    """The exit code for an error."""
    return next((code for kind, code in _BY_KIND if isinstance(error, kind)), FAILED)
