"""What is left of claude-ipc-mcp: processes, entries in clients' configurations, folders, messages.

Each of it does harm of its own: its broker holds the port that old scripts know, its entry gives agents a second set of
tools with the same names, and its messages wait where nobody looks. --fix leaves all of it alone: it is not ours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from hub.claude_ipc import KNOWN
from hub.connect.clients import CLIENTS
from hub.connect.clients.client import Client, Place
from hub.connect.edit import Unfit
from hub.connect.files import look
from hub.doctor.finding import Finding, note, ok, warning
from hub.doctor.installation import removal
from hub.errors import HubbubError
from hub.processes import Process

PACKAGE = "claude-ipc-mcp"
PROGRAMS = frozenset({"claude_ipc_server", "claude-ipc-mcp", "claude-ipc"})  # stems of its script and its commands
RUNNERS = ("python", "uv", "uvx", "claude-ipc")  # what a process of it begins with
FOLDERS = (Path("~/claude-ipc-mcp"), Path("~/.local/share/uv/tools/claude-ipc-mcp"))
TABLES = frozenset({"mcpServers", "mcp_servers", "servers", "mcp"})  # where clients keep their servers
REMOVAL = {"claude": "claude mcp remove {}", "gemini": "gemini mcp remove {}", "codex": "codex mcp remove {}"}


class Entry(NamedTuple):
    """A server in a client's configuration."""

    client: Client
    path: Path
    name: str
    told: Any


def examine(place: Place, found: Sequence[Process]) -> Iterator[Finding]:
    """What there is of it; `found` are the processes of this machine."""
    entries = list(_entries(place))
    seen = list(_examine(entries, found))
    yield from seen or [ok("claude-ipc-mcp", "nothing of claude-ipc-mcp is left here")]


def _examine(entries: Sequence[Entry], found: Sequence[Process]) -> Iterator[Finding]:
    for process in found:
        if _is_old(process):
            said = f"claude-ipc-mcp runs, pid {process.pid}: {process.command}"
            end = f"kill {process.pid}" if os.name == "posix" else f"taskkill /PID {process.pid}"
            yield warning("claude-ipc-mcp", "old_process", said, end)
    for entry in entries:
        said = (
            f"{entry.client.title} still starts claude-ipc-mcp ({entry.name} in {entry.path}): "
            "its tools have the same names as Hubbub's"
        )
        command = REMOVAL.get(entry.client.name, f'"${{EDITOR:-vi}}" "{entry.path}"').format(entry.name)
        yield warning("claude-ipc-mcp", "old_entry", said, command)
    for folder in _folders(entries, found):
        said = f"an installation of claude-ipc-mcp is at {folder}"
        yield warning("claude-ipc-mcp", "old_installation", said, _removal(folder))
    if _is_package():
        said = "claude-ipc-mcp is installed beside hubbub, in the same Python"
        yield warning("claude-ipc-mcp", "old_installation", said, removal(Path(sys.executable), PACKAGE))
    for path in KNOWN:
        if path.expanduser().is_file():
            said = f"messages of claude-ipc-mcp lie in {path.expanduser()}; to import them again takes nothing twice"
            yield note("claude-ipc-mcp", "old_messages", said, "hubbub import claude-ipc")


def _is_old(process: Process) -> bool:
    first = PurePath(process.words[0]).name.lower()
    return first.startswith(RUNNERS) and any(PurePath(word).stem in PROGRAMS for word in process.words[:6])


def _entries(place: Place) -> Iterator[Entry]:
    for client in CLIENTS.values():
        for file in client.files(place):
            try:
                document = file.form.read(look(file.path).text)
            except (HubbubError, Unfit):
                continue  # said where the client itself is looked at
            for name, told in _servers(document):
                if any(PurePath(word).stem in PROGRAMS or PACKAGE in word for word in _words(told)):
                    yield Entry(client, file.path, name, told)


def _servers(document: Any) -> Iterator[tuple[str, Any]]:
    """Each server of a document, also of one project only."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key in TABLES and isinstance(value, dict):
                yield from ((name, told) for name, told in value.items() if isinstance(told, dict))
            yield from _servers(value)


def _words(told: Any) -> Iterator[str]:
    """The words with which a server is started."""
    for part in (told.get("command"), told.get("args"), told.get("cwd")):
        yield from (str(each) for each in part) if isinstance(part, list) else [part] if isinstance(part, str) else []


def _folders(entries: Sequence[Entry], found: Sequence[Process]) -> list[Path]:
    """Where it is installed: the usual folders, and those that entries and processes name."""
    named = [word for entry in entries for word in _words(entry.told)]
    named += [word for process in found if _is_old(process) for word in process.words]
    folders = [folder.expanduser() for folder in FOLDERS]
    for word in named:
        path = Path(word).expanduser()
        parts = path.parts
        if path.is_absolute() and PACKAGE in parts:
            folders.append(Path(*parts[: parts.index(PACKAGE) + 1]))
    return [each for each in dict.fromkeys(folders) if each.is_dir()]


def _is_package() -> bool:
    try:
        metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return False
    return True


def _removal(folder: Path) -> str:
    if "uv" in folder.parts and "tools" in folder.parts:
        return f"uv tool uninstall {PACKAGE}"
    return f'rm -r "{folder}"'
