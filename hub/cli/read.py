"""hubbub read and wait."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from hub.cli import exits, show
from hub.cli.command import acting, as_json, reach, span, speaker, verb
from hub.cli.enduring import enduring
from hub.config import Settings
from hub.request import Requests

PAGE = 100  # messages a request
LONGEST_WAIT = 60.0  # seconds the hub holds one request; after that it is asked again


@verb("hubbub read --as alice", "hubbub read --as alice --peek --json")
@speaker("Whose mail.")
@click.option("--peek", is_flag=True, help="Only look: everything stays unread.")
@click.option("--limit", type=click.IntRange(1, 1000), help="At most so many; the rest stays unread.")
@as_json("Print each message as one line of JSON.")
def read(settings: Settings, who: str | None, peek: bool, limit: int | None, in_json: bool) -> None:
    """Print what is unread, oldest first, and mark it read.

    A message is marked only once it was written out: if the pipe breaks, it stays unread.
    """
    hub, name = reach(settings), acting(settings, who)
    if peek:
        page = hub.get("/messages", as_=name, unread=1, limit=limit or 1000)
        hand_over(page["messages"], in_json)
        if page["more"]:
            show.note("There is more; read without --peek to get past these.")
        return
    if take(hub, name, limit, in_json) == 0 and not in_json:
        show.note(f"Nothing is unread for {name}.")


@verb("hubbub wait --as alice --timeout 5m", "hubbub wait --as alice --timeout 30 --json | my-script")
@speaker("Whose mail.")
@click.option("--timeout", callback=span, metavar="SPAN", help="How long to wait, as 30, 90s or 5m. Default: for ever.")
@as_json("Print each message as one line of JSON.")
def wait(settings: Settings, who: str | None, timeout: float | None, in_json: bool) -> int:
    """Wait until something is unread, print it, and mark it read.

    What is unread already is printed at once. Exit code 4 says that the time limit was reached and nothing came.
    """
    hub, name = reach(settings), acting(settings, who)
    if not waited(settings, hub, timeout, as_=name, unread=1, limit=1):
        show.note(f"Nothing came for {name} in time.")
        return exits.TIME_LIMIT
    take(hub, name, None, in_json)
    return exits.OK


def take(hub: Requests, name: str, limit: int | None, in_json: bool) -> int:
    """Print unread messages, mark each page read once it is out, and return how many there were."""
    count = 0
    while limit is None or count < limit:
        page = hub.get("/messages", as_=name, unread=1, limit=min(PAGE, PAGE if limit is None else limit - count))
        messages = page["messages"]
        if not messages:
            break
        hand_over(messages, in_json)
        hub.post("/read", {"as": name, "offset": messages[-1]["offset"]})
        count += len(messages)
        if not page["more"]:
            break
    return count


def hand_over(messages: Sequence[dict[str, Any]], in_json: bool) -> None:
    """Write messages out and make sure that they are out. Raises BrokenPipeError if nobody reads."""
    for told in messages:
        if in_json:
            show.put(told)
        else:
            show.message(told)
    show.flush()


def waited(settings: Settings, hub: Requests, timeout: float | None, **query: Any) -> list[dict[str, Any]]:
    """What a waiting request brings within `timeout` seconds (None: for ever); nothing if the time is over.

    A hub that goes away meanwhile is waited for too.
    """
    until = None if timeout is None else time.monotonic() + timeout
    first: Requests | None = hub

    def ask(hub: Requests) -> list[dict[str, Any]]:
        left = LONGEST_WAIT if until is None else min(LONGEST_WAIT, max(0.0, until - time.monotonic()))
        found: list[dict[str, Any]] = hub.get("/messages", patience=left, wait=round(left, 3), **query)["messages"]
        return found

    while True:
        messages = enduring(settings, ask, hub=first, until=until)
        first = None
        if messages or (until is not None and time.monotonic() >= until):
            return messages
