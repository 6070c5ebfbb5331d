"""The note that an MCP process leaves for the hooks beside it: where it listens, and which session it belongs to.

HUBBUB_HOME/agents/PID   0600   six lines: port, secret, the client's pid, the client's session, the folder, "end"

A hook reads it with nothing imported, so it is lines and not JSON. It is named by a process id, and goes with the
process; what a killed process left is refused a connection, and is removed by the next MCP process that starts.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER = "agents"
GENERATIONS = 4  # how far above a hook its client may be: the hook, a shell, a wrapper
NOTHING = "-"


class Note:
    """What one MCP process says of itself. `session` is "" where its client told it none."""

    def __init__(self, *, port: int, secret: str, parent: int, session: str, folder: str, pid: int) -> None:
        self.port = port
        self.secret = secret
        self.parent = parent
        self.session = session
        self.folder = folder
        self.pid = pid


def write(home: Path, note: Note) -> Path:
    """Leave the note. Raises Unavailable or OSError where HUBBUB_HOME cannot be written."""
    from hub.paths import make_private, write_private

    folder = home / FOLDER
    make_private(folder)
    path = folder / str(note.pid)
    lines = (note.port, note.secret, note.parent, note.session or NOTHING, note.folder.replace("\n", " "), "end")
    write_private(path, "\n".join(map(str, lines)) + "\n")
    return path


def read_all(home: str) -> Iterator[Note]:
    """Every note that can be read, the newest process first as far as numbers tell."""
    folder = os.path.join(home, FOLDER)  # noqa: PTH118 - pathlib takes as long to import as a hook takes
    try:
        names = os.listdir(folder)  # noqa: PTH208 - see above
    except OSError:
        return
    for name in sorted((name for name in names if name.isdigit()), key=int, reverse=True):
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as file:  # noqa: PTH118, PTH123 - see above
                port, secret, parent, session, where, end = file.read().splitlines()
            if end == "end":
                session = "" if session == NOTHING else session
                yield Note(
                    port=int(port), secret=secret, parent=int(parent), session=session, folder=where, pid=int(name)
                )
        except (OSError, ValueError):
            continue


def tidy(home: Path) -> None:
    """Remove the notes of processes that are gone. Never fails."""
    for note in read_all(str(home)):
        if _gone(note.pid):
            try:
                (home / FOLDER / str(note.pid)).unlink()
            except OSError:
                continue


def _gone(pid: int) -> bool:
    if os.name == "nt":
        return False  # there signal 0 is not a question; a hook finds out by the connection
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def beside(home: str, environ: Mapping[str, str], said: bytes, folder: str) -> list[Note]:
    """The notes of MCP processes that belong to the same client as this hook, the surest first.

    A client is known by its process (`CLAUDE_PID`, or the hook's ancestors), or by its session: the environment's, or
    one that `said`, the hook's input, names. Only where no process tells who its parent is, a folder that a single
    note names is enough: on other systems it could be another agent's.
    """
    notes = list(read_all(home))
    above = _ancestors()
    client = environ.get("CLAUDE_PID", "")
    if client.isdigit():
        above = [int(client), *above]
    session = environ.get("CLAUDE_CODE_SESSION_ID", "")
    kin = [note for pid in dict.fromkeys(above) for note in notes if note.parent == pid and pid > 1]
    kin += [note for note in notes if note.session and note.session == session]
    kin += [note for note in notes if note.session and b'"' + note.session.encode() + b'"' in said]
    if not kin and not sys.platform.startswith("linux"):
        here = [note for note in notes if note.folder == (environ.get("CLAUDE_PROJECT_DIR") or folder)]
        kin = here if len(here) == 1 else []
    return list({note.pid: note for note in kin}.values())


def _ancestors() -> list[int]:
    """This process's parent, and that one's as far as the system tells without another program."""
    found = [os.getppid()]
    while len(found) < GENERATIONS and found[-1] > 1:
        try:
            with open(f"/proc/{found[-1]}/stat", "rb") as file:  # noqa: PTH123 - see above
                # pid (name) state ppid …; a name may have spaces and brackets (proc_pid_stat(5))
                found.append(int(file.read().rpartition(b")")[2].split()[1]))
        except (OSError, ValueError, IndexError):
            break
    return found
