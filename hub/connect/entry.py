"""What every client is told: the command to start beside an agent, which tools need no question, and the hooks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from hub.connect.edit import ABSENT, Edit, Include, Path, Put, find

NAME: Final = "hubbub"
READING: Final = ("check", "wait", "list_instances", "history", "status")  # the tools that send and change nothing
LONGEST_CALL: Final = 660  # seconds: `wait` and `ask` may take 600, and end by themselves
STARTING: Final = 60  # seconds: the first start after an installation compiles what it imports
HOOK_LIMIT: Final = 10  # seconds after which a client may give up on a hook; one takes a tenth of a second
CARRIED: Final = ("HUBBUB_HOME", "HUBBUB_CONFIG", "HUBBUB_URL")  # which hub; a token never stands in a client's file
ALL_OURS: Final = (*CARRIED, "HUBBUB_TOKEN", "HUBBUB_NAME")

Allow: TypeAlias = Literal["read", "all", "none"]

# How a command of ours ends, whatever the way to its executable; the events' names are the clients' own, and Wake.
_HOOK: Final = re.compile(r"""(?:hubbub(?:\.exe)?|-m hub)["']? hook [A-Za-z]+$""")


class Wish(NamedTuple):
    """What is to be connected: how our command is called, which hub it means, which tools are allowed."""

    words: tuple[str, ...]
    environ: Mapping[str, str]
    allow: Allow = "read"
    windows: bool = False

    @property
    def command(self) -> str:
        return self.words[0]

    @property
    def arguments(self) -> list[str]:
        return [*self.words[1:], "mcp"]

    def hook(self, event: str) -> str:
        """The command of a hook, as one line for a shell. Clients on Windows hand it to different ones."""
        if self.windows:  # quotes and slashes that Git Bash, PowerShell and cmd all understand
            return " ".join(f'"{word}"' if " " in word else word for word in _slashed(self.words)) + f" hook {event}"
        which = [f"{key}={shlex.quote(value)}" for key, value in self.environ.items()]
        return " ".join([*which, shlex.join(self.words), "hook", event])


def server(document: Any, path: tuple[str, ...], wish: Wish, **more: Any) -> list[Edit]:
    """The edits for an entry with `command` and `args` at `path`; `more` stands in it too.

    What somebody has added to an entry of ours stays, arguments behind `mcp` too.
    """
    present = find(document, path)
    arguments = wish.arguments
    if isinstance(present, dict) and _kept(present.get("args"), arguments):
        arguments = present["args"]
    kind = {"type": more.pop("type")} if "type" in more else {}  # first, as the clients themselves write it
    ours = {**kind, "command": wish.command, "args": arguments, **more}
    return table(document, path, ours, wish.environ, "env")


def table(
    document: Any, path: tuple[str, ...], ours: Mapping[str, Any], environ: Mapping[str, str], key: str
) -> list[Edit]:
    """The edits that put `ours` and our environment into the table at `path`, beside what is in it."""
    if find(document, path) is ABSENT:
        return [Put(path, {**ours, key: dict(environ)} if environ else dict(ours))]
    edits: list[Edit] = [Put((*path, name), value) for name, value in ours.items()]
    return edits + [Put((*path, key, name), value) for name, value in environ.items()]


def hooks(document: Any, path: tuple[str, ...], items: Iterable[tuple[str, dict[str, Any]]]) -> list[Edit]:
    """The edits for hooks below `path`: (event, item). An item of ours with an older command is replaced."""
    edits: list[Edit] = []
    for event, item in items:
        present = find(document, (*path, event))
        same = [each for each in present if ends_as(each, item)] if isinstance(present, list) else []
        edits.append(Include((*path, event), item, same[0] if same else ABSENT))
    return edits


def ends_as(present: Any, item: Any) -> bool:
    """Whether an item of a client's list of hooks is an older writing of `item`: `hubbub hook` for the same event."""
    told, ours = command_of(present), command_of(item)
    return bool(_HOOK.search(told)) and told.rsplit(" ", 1)[-1] == ours.rsplit(" ", 1)[-1]


def command_of(item: Any) -> str:
    """The command that an item runs, where it runs just one; else nothing."""
    if not isinstance(item, dict):
        return ""
    inner = item.get("hooks")
    if isinstance(inner, list):
        return command_of(inner[0]) if len(inner) == 1 else ""
    command = item.get("command")
    return command if isinstance(command, str) else ""


def is_ours(item: Any) -> bool:
    """Whether an item of a client's list of hooks runs `hubbub hook`, and nothing else."""
    return bool(_HOOK.search(command_of(item)))


def leftovers(
    document: Any, servers: Iterable[Path], hook_path: Path | None = None, allowed: Path | None = None
) -> list[Path]:
    """Where something of ours stands in a document of which no record tells, the last item of a list first."""
    found = [path for path in servers if find(document, path) is not ABSENT]
    events = find(document, hook_path) if hook_path else ABSENT
    for event, items in events.items() if isinstance(events, dict) else ():
        found += _items((*(hook_path or ()), event), items, is_ours)
    if allowed:
        found += _items(allowed, find(document, allowed), lambda each: re.match(rf"mcp__{NAME}(__|$)", str(each)))
    return found


def _items(path: Path, items: Any, ours: Callable[[Any], Any]) -> list[Path]:
    every = list(enumerate(items)) if isinstance(items, list) else []
    return [(*path, place) for place, item in reversed(every) if ours(item)]


def _kept(present: Any, arguments: list[str]) -> bool:
    return isinstance(present, list) and present[: len(arguments)] == arguments


def _slashed(words: Iterable[str]) -> list[str]:
    return [word.replace("\\", "/") for word in words]
