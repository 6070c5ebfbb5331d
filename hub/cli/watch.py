"""hubbub watch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import click

from hub.cli import show
from hub.cli.command import as_json, reach, reach_running, verb
from hub.cli.enduring import PAUSES
from hub.config import Settings
from hub.errors import Unavailable
from hub.request import Event, Requests

SILENCE = 90.0  # seconds after which a stream that says nothing, not even a comment, is taken for dead

_FACTS = {
    "$hub.started": "the hub started",
    "$hub.stopped": "the hub stopped",
    "$instance.registered": "{name} is registered",
    "$instance.renamed": "{old} is called {name} now",
    "$instance.forgot": "the name {name} is free again",
    "$instance.presence": "{name} is {activity}",
    "$message.unanswered": "nobody has answered the message {offset} of {name} to {to} in time",
    "$loop.noticed": "{names}: {messages} messages in a row with nothing new",
    "$loop.held": "held, nobody sees it: a message from {name} to {to} (hubbub held)",
    "$loop.released": "released: the message {id} of {name}",
    "$loop.dropped": "dropped: the message {id} of {name}",
    "$hold.began": "what is sent to {queue} is held from now on",
    "$hold.ended": "what is sent to {queue} is held no longer",
    "$pause.began": "{name} is paused",
    "$pause.ended": "{name} is resumed",
    "$hold.released": "released: the message {id} of {name}",
    "$hold.dropped": "dropped: the message {id} of {name}",
    "$queue.purged": "{messages} unread of {name} were purged",
    "$session.joined": "{name} is online",
    "$session.left": "{name} is offline",
    "$subscription.added": "{name} hears #{topic}",
    "$subscription.removed": "{name} no longer hears #{topic}",
}


@verb("hubbub watch", "hubbub watch --as alice --json", "hubbub watch --after 0")
@click.option("--as", "who", metavar="NAME", help="Only what this instance hears. Default: everything.")
@click.option("--after", type=click.IntRange(min=0), metavar="OFFSET", help="Begin behind this place in the log.")
@as_json("Print each message as one line of JSON; what the hub tells, on topics that begin with $, included.")
def watch(settings: Settings, who: str | None, after: int | None, in_json: bool) -> None:
    """Follow everything as it happens, until Ctrl-C. Nothing is marked read.

    After a break it goes on by itself where it was.
    """
    hub = reach(settings)
    for event in follow(settings, who, hub.get("/status")["head"] if after is None else after):
        if event.kind == "error":
            show.note(f"(the hub ended the stream: {json.loads(event.data)['message']})")
        elif event.kind == "gap":
            gap = json.loads(event.data)
            show.note(f"(the messages {gap['from']} to {gap['to']} are no longer kept)")
        elif event.kind == "message":
            told = json.loads(event.data)
            if in_json:
                show.put(told)
            elif told["topic"].startswith("$"):
                _fact(told)
            else:
                show.message(told)
        show.flush()


def follow(settings: Settings, who: str | None, after: int) -> Iterator[Event]:
    """All events from `after` on, across breaks: each message once."""
    tries = 0
    while True:
        hub = reach_running(settings)  # a hub that was restarted may answer elsewhere
        try:
            for event in _stream(hub, who, after):
                tries = 0
                if event.kind == "message" and event.id:
                    after = int(event.id)
                yield event
        except Unavailable as why:
            if tries == 0:
                show.note(f"(lost the hub: {why.message} Trying again.)")
        time.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
        tries += 1


def _stream(hub: Requests | None, who: str | None, after: int) -> Iterator[Event]:
    if hub is None:
        raise Unavailable("It does not run.")
    return hub.events(patience=SILENCE, as_=who, after=after)


def _fact(told: dict[str, Any]) -> None:
    data = {key: show.one_line(str(value)) for key, value in (told["data"] or {}).items()}
    text = _FACTS.get("$loop.held" if told["topic"].startswith("$held.") else told["topic"])
    if text and data.get("activity") != "None":
        show.say(show.paint(f"{show.clock(told['at'])}  {text.format_map(data)}", "dim"))
