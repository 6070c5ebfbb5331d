"""hubbub connect and disconnect."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from difflib import unified_diff

import click

from hub.cli import exits, show
from hub.cli.command import verb
from hub.config import Settings
from hub.connect import here
from hub.connect.clients import CLIENTS
from hub.connect.clients.client import Client
from hub.connect.entry import Allow, Wish
from hub.connect.plan import Change, carry_out, connecting, disconnecting, take_back
from hub.connect.record import Record
from hub.errors import BadValue, HubbubError, NotFound

ALL = "all"
WIDEST = 200  # characters of a line that are shown: a file written in one line may hold its owner's keys
_names = click.argument("clients", nargs=-1, metavar=f"[{'|'.join(CLIENTS)}|all]...")
_dry_run = click.option("--dry-run", is_flag=True, help="Show what would change; write nothing.")
_yes = click.option("--yes", is_flag=True, help="Write without asking.")


@verb("hubbub connect claude", "hubbub connect codex gemini --yes", "hubbub connect all --dry-run")
@_names
@_dry_run
@_yes
@click.option(
    "--allow",
    type=click.Choice(["read", "all", "none"]),
    help="Which tools the client need not ask about: those that read, all, or none. Default: read.",
)
@click.option("--undo", is_flag=True, help="Take it back, as disconnect does.")
def connect(
    settings: Settings, *, clients: tuple[str, ...], dry_run: bool, yes: bool, allow: Allow | None, undo: bool
) -> int:
    """Tell the clients of your agents of Hubbub: its MCP server, its hooks, and which tools need no question.

    It shows what it changes in their configuration and asks before it writes. What else stands there stays, comments
    too; a copy is kept, and hubbub disconnect puts it back byte for byte. `all` means every client that is found.
    """
    if undo:
        return _each(clients, lambda client: _disconnect(settings, client, dry_run=dry_run, yes=yes))
    if settings.token and settings.source("token").kind == "flag":
        raise BadValue(
            "A token does not belong into a client's configuration.",
            "Set HUBBUB_TOKEN where the client is started, or token in the settings file (hubbub config path).",
        )
    wish = here.wish(settings, allow or "read")
    if here.in_a_cache(wish.words):
        show.note("This hubbub lies in a cache that may be emptied; `uv tool install` gives it a lasting place.")
    asks = allow is None and not (yes or dry_run)
    return _each(clients, lambda client: _connect(settings, client, wish, asks=asks, dry_run=dry_run, yes=yes))


@verb("hubbub disconnect claude", "hubbub disconnect all --yes")
@_names
@_dry_run
@_yes
def disconnect(settings: Settings, *, clients: tuple[str, ...], dry_run: bool, yes: bool) -> int:
    """Take Hubbub out of the configuration of your agents' clients.

    A file that nobody else has written to since is restored byte for byte; of another, only what is ours is taken out.
    """
    return _each(clients, lambda client: _disconnect(settings, client, dry_run=dry_run, yes=yes))


def _each(names: tuple[str, ...], act: Callable[[Client], None]) -> int:
    """Do it for each client; one that fails keeps no other from being done."""
    failed: list[HubbubError] = []
    for client in _meant(names):
        try:
            act(client)
        except HubbubError as why:
            show.note(f"error: {client.title}: {why.message}")
            if why.hint:
                show.note(f"  {why.hint}")
            failed.append(why)
    return exits.code_of(failed[0]) if failed else exits.OK


def _meant(names: tuple[str, ...]) -> list[Client]:
    place = here.place()
    if not names:
        found = [client.name for client in CLIENTS.values() if here.is_here(client, place)]
        which = f"Found here: {', '.join(found)}." if found else "None of them is found here."
        raise BadValue(f"Which client? {which}", f"hubbub connect {found[0] if found else 'claude'}")
    for name in names:
        if name not in CLIENTS and name != ALL:
            from hub.topic import near

            close = near(name, [*CLIENTS, ALL])
            known = f"Did you mean {close[0]}?" if close else f"There are {', '.join(CLIENTS)}, and all."
            raise NotFound(f"There is no client {name}.", known)
    if ALL in names:
        everyone = [client for client in CLIENTS.values() if client.name in names or here.is_here(client, place)]
        if not everyone:
            raise NotFound("No client is found here.", f"Name one: {', '.join(CLIENTS)}.")
        return everyone
    return [CLIENTS[name] for name in dict.fromkeys(names)]


def _connect(settings: Settings, client: Client, wish: Wish, *, asks: bool, dry_run: bool, yes: bool) -> None:
    record = Record(settings.home, client.name).read()
    changes = connecting(client, here.place(), wish)
    if all(change.is_none for change in changes):
        show.say(f"{client.title} is connected already; nothing to change.")
        return
    if asks and client.can_allow and sys.stdin.isatty():
        show.say(f"{client.title} asks you before each tool that it was not allowed. Reading mail is allowed now.")
        if click.confirm("May the agent also send, and the rest, without asking you each time?", default=False):
            changes = connecting(client, here.place(), wish._replace(allow="all"))
    _show(changes)
    if dry_run:
        show.note(f"{client.title}: nothing was written.")
        return
    if not _agreed(yes, f"hubbub connect {client.name} --yes"):
        show.note(f"{client.title}: nothing was written.")
        return
    carry_out(changes, record)
    show.say(f"{client.title} is connected. {client.next}")
    show.note(f"hubbub disconnect {client.name} takes it back.")


def _disconnect(settings: Settings, client: Client, *, dry_run: bool, yes: bool) -> None:
    record = Record(settings.home, client.name).read()
    changes = disconnecting(client, here.place(), record)
    if not changes and not record.entries:
        show.say(f"{client.title} is not connected; nothing to change.")
        return
    _show(changes)
    for remark in (remark for change in changes for remark in change.remarks):
        show.note(remark)
    if dry_run:
        show.note(f"{client.title}: nothing was written.")
        return
    if not all(change.is_none for change in changes) and not _agreed(yes, f"hubbub disconnect {client.name} --yes"):
        show.note(f"{client.title}: nothing was written.")
        return
    take_back(changes, record)
    show.say(f"{client.title} is not connected any more. Sessions that run keep what they have.")


def _agreed(yes: bool, command: str) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise BadValue("Nothing was written: nobody can be asked, standard input is no terminal.", command)
    return click.confirm("Write this?", default=True)


def _show(changes: Iterable[Change]) -> None:
    for change in changes:
        if change.is_none:
            continue
        path = str(change.found.path)
        before, after = (_lines(content) for content in (change.found.content, change.after))
        names = ("/dev/null" if change.found.content is None else path, "/dev/null" if change.after is None else path)
        for line in unified_diff(before, after, *names, lineterm="", n=1):
            show.say(_coloured(show.one_line(line if len(line) <= WIDEST else line[:WIDEST] + " …")))
    show.flush()


def _lines(content: bytes | None) -> list[str]:
    return (content or b"").decode("utf-8", "replace").splitlines()


def _coloured(line: str) -> str:
    style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
    return show.paint(line, style) if style and not line.startswith(("+++", "---")) else line
