"""Claude Code's session inbox: a socket of each session, at which a line of JSON starts a turn.

Path and token stand in the environment of what a session starts. There is no answer, and the form of the line is not
documented: it was found with Claude Code 2.1.330 (tests/clients), so what was written is only offered, not delivered.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping

SOCKET = "CLAUDE_CODE_MESSAGING_SOCKET"
TOKEN = "CLAUDE_CODE_MESSAGING_TOKEN"  # noqa: S105 - the name of a variable
SENDER = "hubbub"  # who Claude Code says it is from; the notice itself names the verified senders
LIMIT = 2.0  # seconds to connect and to write: a session that reads nothing is not waited for
LONGEST = 1024 * 1024  # bytes of a line


def missing(environ: Mapping[str, str]) -> str | None:
    """Why there is no inbox, or None if there is one."""
    absent = [name for name in (SOCKET, TOKEN) if not environ.get(name)]
    return f"{' and '.join(absent)} not set: not started by Claude Code 2.1.224 or later" if absent else None


def lines(text: str, token: str, mark: str) -> bytes:
    """The two lines that a session takes: who we are, and what to say."""
    turn = {
        "type": "user",
        "message": {"role": "user", "content": text},
        "from": SENDER,
        "msg_id": mark,
        "priority": "next",
    }
    return b"".join(json.dumps(each).encode() + b"\n" for each in ({"type": "auth", "token": token}, turn))


def write(environ: Mapping[str, str], text: str, mark: str, limit: float = LIMIT) -> None:
    """Put `text` into the session's inbox. Blocks up to about `limit` seconds.

    Raises OSError where nobody listens, the connection breaks, or the session does not read; ValueError for a text
    that is too long. That it returns says only that the system took the bytes.
    """
    content = lines(text, environ[TOKEN], mark)
    if len(content) > LONGEST:
        raise ValueError(f"{len(content)} bytes are more than a session's inbox takes")
    path = environ[SOCKET]
    if sys.platform == "win32":
        with open(path, "wb", buffering=0) as pipe:  # noqa: PTH123 - a named pipe is opened by its name as it is
            pipe.write(content)
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(limit)
        connection.connect(path)
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        # A session that refuses the token closes at once, with bytes of ours unread: that is a reset.
        connection.settimeout(0.05)
        try:
            while connection.recv(4096):
                pass
        except TimeoutError:
            pass
