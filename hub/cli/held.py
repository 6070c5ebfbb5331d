"""hubbub held and release."""

from __future__ import annotations

from typing import Any

import click

from hub.cli import show
from hub.cli.command import as_json, reach, verb
from hub.config import Settings


@verb("hubbub held", "hubbub held --json")
@as_json("Print {held} as JSON.")
def held(settings: Settings, *, in_json: bool) -> None:
    """List the messages that the loop guard holds: agents that answered one another with nothing new.

    Nobody has seen them. hubbub release lets one go, or drops it.
    """
    found = reach(settings).get("/held")["held"]
    if in_json:
        show.put({"held": found})
        return
    if not found:
        show.say("Nothing is held.")
        return
    for each in found:
        names = ", ".join(show.one_line(name) for name in each["names"])
        show.say(
            show.paint(f"{each['offset']}: {names}, {each['messages']} messages in a row with nothing new", "bold")
        )
        show.message(each)
    show.note("hubbub release OFFSET lets one go; with --drop nobody ever sees it.")


@verb("hubbub release 812", "hubbub release 812 815 --drop", "hubbub release --all")
@click.argument("offsets", nargs=-1, type=click.IntRange(min=1), metavar="[OFFSET]...")
@click.option("--all", "everything", is_flag=True, help="All that is held.")
@click.option("--drop", is_flag=True, help="Never send it, instead.")
def release(settings: Settings, *, offsets: tuple[int, ...], everything: bool, drop: bool) -> None:
    """Let held messages go, named by the OFFSET that hubbub held shows; their agents may go on from there.

    A released message is sent as if it were sent now. Only a person should decide this: it needs the scope admin.
    """
    if bool(offsets) == everything:
        raise click.UsageError("Which messages? Name offsets, or give --all.", click.get_current_context())
    hub = reach(settings)
    chosen: list[Any] = [each["offset"] for each in hub.get("/held")["held"]] if everything else list(offsets)
    for offset in chosen:
        if drop:
            hub.delete(f"/held/{offset}")
            show.say(f"{offset} is dropped")
        else:
            answer = hub.post(f"/held/{offset}/release", {})
            show.say(f"{offset} is sent: {answer['id']} at {answer['offset']}")
    if not chosen:
        show.say("Nothing is held.")
