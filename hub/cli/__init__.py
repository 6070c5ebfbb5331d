"""The command line. One module a group of verbs, imported when the verb is used.

Two verbs stand in the way of people and agents many times an hour: `send`, in scripts and hooks, and `hook`, which a
client runs at every step of its agent. click alone takes longer to import than Python takes to start, so these two are
looked at before it: `hook` always, `send` where its words are plain (hub.cli.quick).
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

HELP = ("-h", "--help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code. Errors go to standard error as sentences.

    HUBBUB_DEBUG=1 in the environment shows a traceback where there would be a sentence.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    match words[:1]:
        case ["hook"] if len(words) > 1 and not any(word in HELP for word in words):
            from mcp_client.hook import main as hook

            return hook(words[1:])
        case ["send"]:
            from hub.cli.quick import send

            code, words[1:] = send(words[1:])
            if code is not None:
                return code
    from hub.cli.group import main as all_verbs

    return all_verbs(words)
