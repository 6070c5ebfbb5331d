"""hubbub held, release and drop: the messages that wait for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hub.cli import show
from hub.cli.command import as_json, reach, verb
from hub.cli.overseeing import by, ended, oversight

if TYPE_CHECKING:
    from hub.config import Settings


@verb("hubbub held", "hubbub held --json")
@as_json("Print {held, holds, paused} as JSON.")
def held(settings: Settings, *, in_json: bool) -> None:
    """List what is held: queues, paused agents, and the messages that wait for a person.

    Nobody has seen these messages: a person or the loop guard holds them. hubbub release lets one go, hubbub drop never
    sends it.
    """
    found = reach(settings).get("/held")
    if in_json:
        show.put({part: found[part] for part in ("held", "holds", "paused")})
        return
    for each in found["holds"]:
        show.say(show.paint(f"What is sent to {show.one_line(each['queue'])} is held{_who(each)}", "bold"))
    for each in found["paused"]:
        show.say(show.paint(f"{show.one_line(each['name'])} is paused{_who(each)}", "bold"))
    for each in found["held"]:
        show.say(show.paint(f"{each['offset']}: {why(each)}", "bold"))
        show.message(each)
    if not any(found[part] for part in ("held", "holds", "paused")):
        show.say("Nothing is held.")
    elif found["held"]:
        show.note("hubbub release OFFSET lets one go, hubbub drop OFFSET never sends it.")


def why(held: dict[str, Any]) -> str:
    """Why a message is held, in one line."""
    if held["holds"] is None:
        names = ", ".join(show.one_line(name) for name in held["names"])
        return f"{names}, {held['messages']} messages in a row with nothing new"
    kinds = {each["kind"] for each in held["holds"]}
    said = [f"{show.one_line(held['from'])} is paused"] if "sender" in kinds else []
    said += [f"what is sent to {show.one_line(held['to'])} is held"] if "queue" in kinds else []
    return " and ".join(said)


def _who(each: dict[str, Any]) -> str:
    by_whom = f" by {show.one_line(each['by'])}" if each["by"] else ""
    reason = f" ({show.one_line(each['reason'])})" if each["reason"] else ""
    waiting = f"{each['messages']} message{'' if each['messages'] == 1 else 's'}"
    return f"{by_whom}{reason}; {waiting} wait{'s' if each['messages'] == 1 else ''}"


_ALL = "All messages that are held, whatever holds them."


@verb(
    "hubbub release 812",
    'hubbub release 812 --edit "delete the folder tmp"',
    "hubbub release alice",
    "hubbub release --all",
)
@click.argument("what", nargs=-1, metavar="[OFFSET|QUEUE]...")
@click.option("--all", "everything", is_flag=True, help=_ALL)
@click.option("--edit", metavar="TEXT", help="Send this in the place of its text; it says so, and by whom.")
@click.option("--drop", is_flag=True, help="Never send it, instead.")
@by
def release(
    settings: Settings, *, what: tuple[str, ...], everything: bool, edit: str | None, drop: bool, by: str | None
) -> None:
    """Let held messages go: by the OFFSET that hubbub held shows, or all of a QUEUE, which ends its hold.

    A QUEUE is an instance's name, a #topic or all. A released message is sent under its sender's name, as if it were
    sent now. Only a person should decide this: it needs the scope admin.
    """
    if bool(what) == everything:
        raise click.UsageError("Which messages? Name offsets or a queue, or give --all.", click.get_current_context())
    if edit is not None and (drop or len(what) != 1 or not what[0].isdecimal()):
        raise click.UsageError("--edit is for one message, named by its OFFSET.", click.get_current_context())
    desk = oversight(settings, by)
    offsets = [each["offset"] for each in desk.held()["held"]] if everything else _offsets(what)
    for offset in offsets:
        if drop:
            desk.drop(offset)
            show.say(f"{offset} is dropped")
        else:
            sent = desk.release(offset, edit)
            show.say(f"{offset} is sent: {sent['id']} at {sent['offset']}")
    for queue in _queues(what):
        ended(f"What is sent to {show.one_line(queue)} is held no longer", desk.unhold(queue, drop=drop))
    if everything and not offsets:
        show.say("Nothing is held.")


@verb("hubbub drop 812", "hubbub drop alice", "hubbub drop --all")
@click.argument("what", nargs=-1, metavar="[OFFSET|QUEUE]...")
@click.option("--all", "everything", is_flag=True, help=_ALL)
@by
def drop(settings: Settings, *, what: tuple[str, ...], everything: bool, by: str | None) -> None:
    """Have held messages never be sent: by the OFFSET that hubbub held shows, or all that wait for a QUEUE.

    The log keeps them, and who dropped them. A hold on the queue goes on; hubbub release --drop QUEUE ends it.
    """
    if bool(what) == everything:
        raise click.UsageError("Which messages? Name offsets or a queue, or give --all.", click.get_current_context())
    desk = oversight(settings, by)
    queues = {queue.lower() for queue in _queues(what)}
    waiting = desk.held()["held"] if queues or everything else []
    offsets = _offsets(what) + [each["offset"] for each in waiting if everything or each["to"].lower() in queues]
    for offset in offsets:
        desk.drop(offset)
        show.say(f"{offset} is dropped")
    if not offsets:
        show.say("Nothing is held.")


def _offsets(what: tuple[str, ...]) -> list[int]:
    return [int(each) for each in what if each.isdecimal()]


def _queues(what: tuple[str, ...]) -> list[str]:
    return [each for each in what if not each.isdecimal()]
