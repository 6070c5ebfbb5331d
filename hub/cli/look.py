"""hubbub ls, history and open."""

from __future__ import annotations

from typing import Any

import click

from hub.cli import show
from hub.cli.command import as_json, reach, verb, when
from hub.cli.read import hand_over
from hub.config import Settings

_INSTANCE = ("name", "online", "sessions", "unread", "last_seen", "state", "since", "hops", "wakes", "client", "human")


@verb("hubbub ls", "hubbub ls --json")
@as_json()
def ls(settings: Settings, *, in_json: bool) -> None:
    """List the instances: how each is and since when, whether a message wakes it, and how much waits unread."""
    instances = reach(settings).get("/instances")["instances"]
    if in_json:
        show.put({"instances": [{key: each[key] for key in _INSTANCE} for each in instances]})
        return
    if not instances:
        show.say("Nobody is registered yet: hubbub send, hubbub register or an agent's MCP client does it.")
        return
    rows = [
        (
            f"{each['name']}{' (a person)' if each['human'] else ''}",
            each["state"],
            show.ago(each["since"]),
            _woken(each),
            str(each["unread"]),
            each["client"] or "",
        )
        for each in instances
    ]
    show.table(rows, ("NAME", "STATE", "SINCE", "WOKEN", "UNREAD", "CLIENT"))


@verb("hubbub history --with alice --limit 20", 'hubbub history --search "build red" --json')
@click.option("--as", "who", metavar="NAME", help="Only what this instance may see. Default: everything.")
@click.option("--with", "with_", metavar="NAME", help="Only what this instance sent or was sent.")
@click.option("--from", "from_", metavar="NAME", help="Only what this instance sent.")
@click.option("--to", metavar="ADDRESS", help="Only what was sent to this name, #topic or all.")
@click.option("--topic", metavar="TOPIC", help="Only this topic or pattern, as build.* or inbox.alice.")
@click.option("--thread", metavar="NAME", help="Only this thread.")
@click.option("--since", metavar="TIME", callback=when, help="From this time on; 7d is seven days ago.")
@click.option("--until", metavar="TIME", callback=when, help="Before this time.")
@click.option("--search", metavar="WORDS", help="Only messages that have all these words.")
@click.option("--before", type=click.IntRange(min=1), metavar="OFFSET", help="Only what is older than this place.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
@as_json("Print each message as one line of JSON.")
def history(settings: Settings, *, in_json: bool, who: str | None, topic: str | None, **narrow: Any) -> None:
    """Print old messages, the oldest of them first. Nothing is marked read."""
    topic = topic.removeprefix("#") if topic else None
    page = reach(settings).get("/messages", as_=who, topic=topic, **narrow)
    hand_over(page["messages"], in_json)
    if page["more"] and not in_json:
        show.note(f"There is more: hubbub history --before {page['messages'][0]['offset']} turns the page.")
    if not page["messages"] and not in_json:
        show.note("No message fits.")


@verb("hubbub open", "hubbub open --print", name="open")
@click.option("--print", "only_print", is_flag=True, help="Print the link instead of opening it.")
def open_(settings: Settings, *, only_print: bool) -> None:
    """Open the live page in the browser, signed in by a link that works once."""
    link = reach(settings).post("/links", {})
    if only_print:
        show.say(link["url"])
        return
    import webbrowser

    if webbrowser.open(link["url"]):
        show.say("The page is open in your browser.")
    else:
        show.say(link["url"])
        show.note(f"No browser could be opened here. The link works once, within {int(link['expires_in'])} s.")


def _woken(instance: dict[str, Any]) -> str:
    """Whether a message wakes it, as far as that is known."""
    if not instance["online"]:
        return "-"
    return {True: "yes", False: "no", None: "unknown"}[instance["wakes"]]
