"""hubbub ask."""

from __future__ import annotations

import click

from hub.cli import exits, show
from hub.cli.accepted import warn
from hub.cli.command import acting, as_json, reach, span, speaker, verb
from hub.cli.read import hand_over, waited
from hub.cli.send import body_of, publish
from hub.config import Settings


@verb('hubbub ask --as bob alice "is the build green?" --timeout 2m')
@click.argument("to")
@click.argument("question")
@speaker("Who asks.")
@click.option("--timeout", callback=span, metavar="SPAN", help="How long to wait, as 30, 90s or 5m. Default: for ever.")
@click.option("--thread", metavar="NAME", help="What this belongs to.")
@as_json("Print the answer as one line of JSON.")
def ask(
    settings: Settings,
    *,
    to: str,
    question: str,
    who: str | None,
    timeout: float | None,
    thread: str | None,
    in_json: bool,
) -> int:
    """Send QUESTION to TO and print the answer when it comes.

    An answer is a message that names the question in reply_to. The question - is standard input. If the time limit
    is reached (exit code 4), a late answer still arrives as a message.
    """
    name = acting(settings, who)
    asked = publish(settings, name, to, body_of(settings, question), thread=thread)
    warn(asked)
    for each in asked["to"]:
        if each.get("known", True) and not each.get("online") and not asked.get("hint"):
            show.note(f"{each['name']} is offline; the question waits.")
    hub = reach(settings)
    answers = waited(hub, timeout, as_=name, reply_to=asked["id"])
    if not answers:
        show.note(f"No answer yet. A late one is a message like any other: hubbub read --as {name}")
        return exits.TIME_LIMIT
    hand_over(answers[:1], in_json)
    # The answer is read now; but a cursor moves past everything before it, so only if nothing else waits before it.
    first = hub.get("/messages", as_=name, unread=1, limit=1)["messages"]
    if first and first[0]["id"] == answers[0]["id"]:
        hub.post("/read", {"as": name, "offset": answers[0]["offset"]})
    return exits.OK
