"""hubbub hold, pause, resume and purge: what a person decides about queues and agents."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from hub.cli import show
from hub.cli.command import reach, verb
from hub.errors import BadValue
from hub.oversight import Oversight

if TYPE_CHECKING:
    from hub.config import Settings

by = click.option("--by", metavar="NAME", help="Who decides, as the log tells it. Default: the owner.")
_reason = click.option("--reason", metavar="TEXT", help="Why; senders are told.")


def oversight(settings: Settings, by: str | None) -> Oversight:
    """The way to the hub for whoever decides."""
    return Oversight(reach(settings), by)


def ended(what: str, counts: dict[str, int]) -> None:
    """Say what ending a hold has let go."""
    parts = [f"{counts[each]} {each}" for each in ("released", "dropped") if counts[each]]
    show.say(f"{what}; {' and '.join(parts) if parts else 'nothing waited'}")


@verb('hubbub hold alice --reason "she is being moved"', 'hubbub hold "#build"', "hubbub hold all")
@click.argument("queue")
@_reason
@by
def hold(settings: Settings, *, queue: str, reason: str | None, by: str | None) -> None:
    """Hold all that is sent to QUEUE from now on: an instance's name, a #topic, or all.

    What is sent waits, and its senders are told so. hubbub held lists it, hubbub release QUEUE sends it and ends the
    hold. What a person says is not held.
    """
    shown = oversight(settings, by).hold(queue, reason)
    show.say(f"What is sent to {show.one_line(shown)} is held from now on")


@verb('hubbub pause alice --reason "it goes in circles"')
@click.argument("name")
@_reason
@by
def pause(settings: Settings, *, name: str, reason: str | None, by: str | None) -> None:
    """Hold all that the agent NAME sends from now on; it is told so. What is sent to it waits as usual."""
    oversight(settings, by).pause(name, reason)
    show.say(f"{show.one_line(name)} is paused: what it sends is held")


@verb("hubbub resume alice", "hubbub resume alice --drop")
@click.argument("name")
@click.option("--drop", is_flag=True, help="Never send what was held meanwhile.")
@by
def resume(settings: Settings, *, name: str, drop: bool, by: str | None) -> None:
    """Let a paused agent speak again, and send what it said meanwhile, in its order."""
    ended(f"{show.one_line(name)} is resumed", oversight(settings, by).resume(name, drop=drop))


@verb("hubbub purge alice", "hubbub purge alice --confirm alice")
@click.argument("name")
@click.option("--confirm", metavar="NAME", help="The name once more, for scripts; else it is asked for.")
@by
def purge(settings: Settings, *, name: str, confirm: str | None, by: str | None) -> None:
    """Have all that NAME has not read pass for read: it never sees it. The log keeps the messages.

    Its cursor moves to the newest message, and does not go back.
    """
    if confirm is None:
        if not sys.stdin.isatty():
            raise BadValue("Nothing was purged: nobody confirmed it.", f"--confirm {name} does, where nobody can type.")
        unread: Any = next(
            (each["unread"] for each in reach(settings).get("/instances")["instances"] if each["name"] == name), "all"
        )
        confirm = click.prompt(f"{show.one_line(name)} will never see {unread} unread. Type its name to go on")
    purged = oversight(settings, by).purge(name, confirm)
    show.say(f"{show.one_line(name)}: {purged} unread purged")
