"""hubbub send."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from hub.cli.accepted import accepted
from hub.cli.command import acting, as_json, reach, span, speaker, verb, wanted_by
from hub.cli.show import note
from hub.config import Settings
from hub.errors import BadValue, TooLarge
from hub.request import Requests
from hub.units import size_text

_FILE = click.Path(path_type=Path)


def _json(context: click.Context, option: click.Parameter, value: str | None) -> Any:
    try:
        return None if value is None else json.loads(value)
    except ValueError as why:
        raise click.BadParameter(f"this is not JSON: {why}.", context, option) from None


@verb(
    'hubbub send --as bob alice "the build is green"',
    'hubbub send --as bob alice "which port is it?" --answer-by 30m',
    'hubbub send --as bob "#build.linux" "red again" --data \'{"run": 812}\'',
    "hubbub send --as bob alice --file notes.md --file build.log",
    "git diff | hubbub send --as bob alice -",
)
@click.argument("to")
@click.argument("text", required=False)
@speaker("Who sends.")
@click.option("--thread", metavar="NAME", help="What this belongs to.")
@click.option("--reply-to", metavar="ID", help="The id of the message that this answers.")
@click.option("--data", callback=_json, metavar="JSON", help="Any JSON beside the text.")
@click.option("--ttl", callback=span, metavar="SPAN", help="How long it is worth delivering, as 90s or 7d.")
@wanted_by()
@click.option("--file", "files", type=_FILE, multiple=True, metavar="PATH", help="A file to send along; repeatable.")
@click.option("--id", "message_id", metavar="ID", help="Makes it safe to send again: the same id is stored once.")
@click.option("--human", is_flag=True, help="Write as a person, under a name of your own; agents are told so.")
@as_json("Print {id, offset, to} as JSON.")
def send(
    settings: Settings,
    *,
    to: str,
    text: str | None,
    who: str | None,
    thread: str | None,
    reply_to: str | None,
    data: Any,
    ttl: float | None,
    answer_by: str | None,
    files: tuple[Path, ...],
    message_id: str | None,
    human: bool,
    in_json: bool,
) -> None:
    """Write TEXT to TO: an instance's name, a #topic, or all.

    The text - is standard input, as it is; with --file it may be left out. The name need not be known yet: the message
    waits for it.
    """
    name = acting(settings, who)
    if text is None and not files:
        raise click.UsageError("There is nothing to send: give a TEXT, or a --file.")
    body = ", ".join(path.name for path in files) if text is None else body_of(settings, text)
    hub = reach(settings)
    if human and files:  # what uploads first is else taken for an agent
        hub.post("/instances", {"name": name, "human": True})
    answer = publish(
        hub,
        name,
        to,
        body,
        thread=thread,
        reply_to=reply_to,
        data=data,
        ttl=ttl,
        answer_by=answer_by,
        id=message_id,
        human=human or None,
        attachments=[uploaded(settings, name, path) for path in files] or None,
    )
    accepted(to, answer, in_json=in_json)


def uploaded(settings: Settings, who: str, path: Path) -> dict[str, Any]:
    """Have a file at the hub, and say how a message names it. Raises BadValue, TooLarge and the hub's own errors."""
    from hub.transfer import open_file, upload

    hub = reach(settings)
    descriptor = open_file(path)
    try:
        limit = int(hub.get("/status")["max_attachment"])
        return upload(hub, descriptor, who=who, name=path.name, limit=limit).told()
    finally:
        os.close(descriptor)


def publish(hub: Requests, who: str, to: str, body: str, **parts: Any) -> dict[str, Any]:
    """Say it; the answer comes once it is on disk."""
    asked = {"as": who, "to": to, "body": body}
    asked |= {key: value for key, value in parts.items() if value is not None}
    answer = hub.post("/messages", asked)
    assert isinstance(answer, dict)
    return answer


def body_of(settings: Settings, text: str) -> str:
    """The text to send; for `-` what standard input holds. Raises TooLarge or BadValue."""
    if text != "-":
        return text
    if sys.stdin.isatty():
        note("(reading the message from the terminal; Ctrl-D ends it)")
    limit = settings.max_body
    raw = sys.stdin.buffer.read(limit + 1)
    if len(raw) > limit:
        raise TooLarge(
            f"Standard input has more than {size_text(limit)}, the most that a message can hold (max_body).",
            "Send a part of it, or write it to a file and send the path.",
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as why:
        raise BadValue(f"Standard input is not UTF-8: {why.reason} at byte {why.start}.") from None
