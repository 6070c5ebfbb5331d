"""hubbub ask."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import click

from hub.cli import exits, show
from hub.cli.accepted import warn
from hub.cli.command import acting, as_json, reach, reach_running, span, speaker, verb, wanted_by
from hub.cli.enduring import enduring
from hub.cli.read import hand_over, waited
from hub.cli.send import body_of, publish
from hub.config import Settings
from hub.outlook import outlook
from hub.request import Requests

PATIENCE = 20.0  # seconds to get the question out, and the mark that its answer was read, if the hub is away just then


@verb('hubbub ask --as bob alice "is the build green?" --timeout 2m')
@click.argument("to")
@click.argument("question")
@speaker("Who asks.")
@click.option("--timeout", callback=span, metavar="SPAN", help="How long to wait, as 30, 90s or 5m. Default: for ever.")
@click.option("--thread", metavar="NAME", help="What this belongs to.")
@click.option("--reply-to", metavar="ID", help="The id of the message that this answers with a question.")
@wanted_by()
@as_json("Print the answer as one line of JSON.")
def ask(
    settings: Settings,
    *,
    to: str,
    question: str,
    who: str | None,
    timeout: float | None,
    thread: str | None,
    reply_to: str | None,
    answer_by: str | None,
    in_json: bool,
) -> int:
    """Send QUESTION to TO and print the answer when it comes.

    An answer is a message that names the question in reply_to. The question - is standard input. If the time limit
    is reached (exit code 4), a late answer still arrives as a message.
    """
    name, body = acting(settings, who), body_of(settings, question)
    parts = {"thread": thread, "reply_to": reply_to, "answer_by": answer_by, "id": str(uuid4())}

    def put(hub: Requests) -> dict[str, Any]:
        return publish(hub, name, to, body, **parts)

    hub = reach(settings)
    asked = enduring(settings, put, hub=hub, until=time.monotonic() + PATIENCE)
    warn(asked)
    if any(each["state"] == "held" for each in asked["to"]):
        return exits.LIMIT
    if not asked.get("hint"):
        _foretell(asked["to"])
    answers = waited(settings, hub, timeout, as_=name, reply_to=asked["id"])
    if not answers:
        show.note(f"No answer yet. A late one is a message like any other: hubbub read --as {name}")
        return exits.TIME_LIMIT
    hand_over(answers[:1], in_json)

    # The answer is read now; but a cursor moves past everything before it, so only if nothing else waits before it.
    def mark(hub: Requests) -> None:
        first = hub.get("/messages", as_=name, unread=1, limit=1)["messages"]
        if first and first[0]["id"] == answers[0]["id"]:
            hub.post("/read", {"as": name, "offset": answers[0]["offset"]})

    enduring(settings, mark, hub=reach_running(settings), until=time.monotonic() + PATIENCE)
    return exits.OK


def _foretell(recipients: list[dict[str, Any]]) -> None:
    """Say early where the answer may take long: nobody is there, or nothing wakes who is."""
    for each in recipients:
        if each.get("known", True) and not each.get("online"):
            show.note(f"{each['name']} is offline; the question waits.")
        elif each.get("wakes") is False:
            show.note(f"{each['name']} {outlook(online=True, activity=each.get('activity'), wakes=False)}.")
