"""hubbub register, rename, topics, subscribe and unsubscribe."""

from __future__ import annotations

from urllib.parse import quote

import click

from hub.cli import show
from hub.cli.command import acting, as_json, reach, speaker, verb
from hub.config import Settings


@verb("hubbub register alice")
@click.argument("name")
@as_json("Print {name, unread} as JSON.")
def register(settings: Settings, *, name: str, in_json: bool) -> None:
    """Make NAME known. Registering twice is the same as once; sending and reading register by themselves."""
    answer = reach(settings).post("/instances", {"name": name})
    if in_json:
        show.put({"name": answer["name"], "unread": answer["unread"]})
    else:
        waiting = f"; {answer['unread']} unread" if answer["unread"] else ""
        show.say(f"{show.one_line(answer['name'])} is registered{waiting}")


@verb("hubbub rename bob bob-debugging", "hubbub rename --as bob bob-debugging")
@click.argument("names", nargs=-1, required=True, metavar="[OLD] NEW")
@speaker("Who is renamed, where OLD is not given.")
@as_json("Print {name} as JSON.")
def rename(settings: Settings, *, names: tuple[str, ...], who: str | None, in_json: bool) -> None:
    """Call an instance NEW. Its messages, its history and its session stay; the old name forwards for two hours."""
    if len(names) > 2:
        raise click.UsageError("rename takes one name or two: [OLD] NEW.", click.get_current_context())
    old = names[0] if len(names) == 2 else acting(settings, who)
    answer = reach(settings).post(f"/instances/{quote(old, safe='')}/rename", {"name": names[-1]})
    if in_json:
        show.put({"name": answer["name"]})
    else:
        show.say(f"{old} is called {show.one_line(answer['name'])} now")


@verb("hubbub forget you demo-bob", "hubbub forget shop-2 --force")
@click.argument("names", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Also where unread messages wait: they are given up.")
def forget(settings: Settings, *, names: tuple[str, ...], force: bool) -> None:
    """Remove NAMES that nobody uses: who registers one later begins anew. What they said stays in the history.

    A name that a live session has stays, and one for which unread messages wait, unless --force gives them up.
    """
    hub = reach(settings)
    for name in names:
        answer = hub.delete(f"/instances/{quote(name, safe='')}", force=1 if force else None)
        show.say(f"{show.one_line(answer['forgot'])} is forgotten")


@verb("hubbub topics", "hubbub topics --as alice")
@click.option("--as", "who", metavar="NAME", help="What this instance subscribes to, instead of all topics.")
@as_json()
def topics(settings: Settings, *, who: str | None, in_json: bool) -> None:
    """List the topics: how much is kept of each, and which readers are how far behind."""
    hub = reach(settings)
    if who is not None:
        _subscriptions(hub.get("/subscriptions", as_=who)["subscriptions"], in_json)
        return
    found = hub.get("/topics")["topics"]
    if in_json:
        show.put({"topics": found})
        return
    if not found:
        show.say("There are no topics yet: hubbub send --as bob '#build' \"hello\" makes one.")
        return
    rows = []
    for topic in found:
        readers = topic["readers"]
        behind = [f"{each['name']} {each['backlog']}" for each in readers if each["backlog"]]
        rows.append((topic["topic"], str(topic["messages"]), str(len(readers)), ", ".join(behind[:5])))
    show.table(rows, ("TOPIC", "MESSAGES", "READERS", "BEHIND"))


@verb("hubbub subscribe --as alice build.linux", "hubbub subscribe --as alice 'build.*'")
@click.argument("topic")
@speaker("Who listens.")
@as_json("Print {subscriptions} as JSON.")
def subscribe(settings: Settings, *, topic: str, who: str | None, in_json: bool) -> None:
    """Hear TOPIC from now on. * stands for one word, a final > for all that follow."""
    answer = reach(settings).post("/subscriptions", {"as": acting(settings, who), "topic": topic})
    _subscriptions(answer["subscriptions"], in_json)


@verb("hubbub unsubscribe --as alice build.linux")
@click.argument("topic")
@speaker("Who listens no longer.")
@as_json("Print {subscriptions} as JSON.")
def unsubscribe(settings: Settings, *, topic: str, who: str | None, in_json: bool) -> None:
    """Stop hearing TOPIC, named as it was subscribed."""
    answer = reach(settings).delete("/subscriptions", as_=acting(settings, who), topic=topic)
    _subscriptions(answer["subscriptions"], in_json)


def _subscriptions(subscriptions: list[str], in_json: bool) -> None:
    if in_json:
        show.put({"subscriptions": subscriptions})
    elif subscriptions:
        show.say("\n".join(show.one_line(each) for each in subscriptions))
    else:
        show.note("No subscriptions.")
