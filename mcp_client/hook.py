"""`hubbub hook EVENT`: what a client runs at its events, in the way of its user until it ends.

So it imports next to nothing and thinks nothing: it hands what the client said to the MCP process beside it, which has
the messages in memory, and prints what that says. The two talk over loopback:

    hook     SECRET EVENT LENGTH LF, and LENGTH bytes of what the client said
    process  CODE LENGTH LENGTH LF, and so many bytes for standard output and for standard error
    hook     done LF, once both are written out

Until `done` the messages are only claimed: a hook that is killed before leaves them to the next hop. Whatever goes
wrong here ends with exit code 0 and silence: a hub that is down must not cost anybody a session.

Without an MCP process beside it, a hook that is told a name by HUBBUB_NAME asks the hub itself (`alone`).
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Mapping

WAKE = "Wake"  # our own event: wait in the background, and end with code 2 when something comes
QUICK = 1.0  # seconds that an ordinary hook waits for an answer
APPEAR = 30.0  # seconds that a waiting hook looks for a process that is just starting
APPEAR_NAMED = 5.0  # the same, for one that could ask the hub instead
LOOK = 0.25  # seconds between two looks
LONGEST = 1024 * 1024  # bytes: of a longer input nothing is passed on; no event needs that much


def main(arguments: list[str]) -> int:
    """Answer one event. The exit code is 0, but 2 where a waiting hook wakes its session."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        return 0
    try:
        return answer(arguments[0], os.environ)
    except (Exception, KeyboardInterrupt):
        return 0


def answer(event: str, environ: Mapping[str, str]) -> int:
    """The same, for an environment; may raise."""
    said = _said()
    home = environ.get("HUBBUB_HOME") or _default_home()
    code = _beside(event, environ, said, home)
    if code is None and event == WAKE:
        code = _when_it_appears(environ, said, home)
    if code is None and environ.get("HUBBUB_NAME"):
        from mcp_client.delivery.alone import answer_alone

        code = answer_alone(event, said)
    return code or 0


def _beside(event: str, environ: Mapping[str, str], said: bytes, home: str) -> int | None:
    """The exit code that the MCP process beside this hook gives; None if there is none."""
    from mcp_client.note import beside

    try:
        folder = os.getcwd()  # noqa: PTH109 - no pathlib here
    except OSError:
        folder = ""
    for note in beside(home, environ, said, folder):
        connection = _connect(note.port)
        if connection is None:
            continue
        try:
            head = f"{note.secret} {event} {len(said)}\n".encode()
            connection.sendall(head + said)
            return _hand_over(connection, None if event == WAKE else QUICK)
        except OSError:
            return 0
        finally:
            connection.close()
    return None


def _connect(port: int) -> _socket.socket | None:
    import _socket  # the module socket takes three times as long to import as all else here

    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    connection.settimeout(QUICK)
    try:
        connection.connect(("127.0.0.1", port))
    except OSError:
        connection.close()
        return None
    return connection


def _hand_over(connection: _socket.socket, patience: float | None) -> int:
    connection.settimeout(patience)
    got = bytearray()
    while b"\n" not in got:
        _more(connection, got)
    head, _, rest = bytes(got).partition(b"\n")
    code, out, err = map(int, head.split())
    got = bytearray(rest)
    connection.settimeout(QUICK)
    while len(got) < out + err:
        _more(connection, got)
    _write(1, got[:out])
    _write(2, got[out : out + err])
    connection.sendall(b"done\n")
    return code


def _more(connection: _socket.socket, got: bytearray) -> None:
    piece = connection.recv(65_536)
    if not piece:
        raise ConnectionResetError
    got += piece


def _write(descriptor: int, text: bytes | bytearray) -> None:
    left = memoryview(text)
    while left:
        left = left[os.write(descriptor, left) :]


def _said() -> bytes:
    """All that the client says on standard input; nothing where that is a terminal."""
    try:
        if os.isatty(0):
            return b""
        pieces = []
        while piece := os.read(0, 65_536):
            pieces.append(piece)
        said = b"".join(pieces)
    except OSError:
        return b""
    return said if len(said) <= LONGEST else b""


def _when_it_appears(environ: Mapping[str, str], said: bytes, home: str) -> int | None:
    """A session's hooks and its MCP server start at the same time; this one may be first."""
    import time

    end = time.monotonic() + (APPEAR_NAMED if environ.get("HUBBUB_NAME") else APPEAR)
    while time.monotonic() < end:
        time.sleep(LOOK)
        code = _beside(WAKE, environ, said, home)
        if code is not None:
            return code
    return None


def _default_home() -> str:
    if sys.platform == "linux" and "XDG_DATA_HOME" not in os.environ:
        return os.path.expanduser("~/.local/share/hubbub")  # noqa: PTH111 - as hub.paths has it, without its imports
    from hub.paths import default_home

    return str(default_home())
