"""What talk costs: `GET /api/v1/cost` as rows of finished words. Pure; every figure of tokens is an estimate."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from msgspec import Struct

from dashboard import links
from dashboard.name import Name, named
from dashboard.words import ago, clock, count, instant, plural, size, span, visible

NAMES_SHOWN = 4
AGENTS_SHOWN = 50
UNKNOWN = "unknown"  # of an earlier moment: nobody can tell


class AgentRow(Struct, frozen=True, kw_only=True):
    who: Name
    read: str
    share: str  # of all that was read
    part: int  # the same in whole percent, for a bar
    messages_read: str
    written: str
    messages_written: str


class ThreadRow(Struct, frozen=True, kw_only=True):
    thread: str
    link: str
    read: str
    written: str
    messages: str
    names: list[Name]
    more_names: str
    last: str
    last_at: str


class Cost(Struct, frozen=True, kw_only=True):
    read: str
    known: bool  # how much was read; of an earlier moment it may not be
    written: str
    factor: str
    window: str
    rule: list[str]
    agents: list[AgentRow]
    more_agents: list[AgentRow]
    agents_folded: str
    threads: list[ThreadRow]
    threads_left: str  # what is not shown
    loose: str  # what belongs to no thread
    empty: bool


def cost(told: dict[str, Any], *, zone: tzinfo | None = None) -> Cost:
    """The page."""
    now, read = instant(told["at"]), told["read"]
    factored = read is not None and told["written"]
    agents = [_agent(each, read) for each in told["agents"] if each["read"] != 0 or each["written"]]
    loose, left = told["without_thread"], told["more_threads"]
    return Cost(
        read=about(read),
        known=read is not None,
        written=about(told["written"]),
        factor=f"{read / told['written']:.1f} times what was written" if factored else "",
        window=_window(told["window"], now, zone),
        rule=_rule(told["rule"]),
        agents=agents[:AGENTS_SHOWN],
        more_agents=agents[AGENTS_SHOWN:],
        agents_folded=f"{plural(len(agents) - AGENTS_SHOWN, 'more agent')}",
        threads=[_thread(each, now) for each in told["threads"]],
        threads_left=f"{plural(left, 'more thread')}, each of which cost less." if left else "",
        loose=f"{plural(loose['messages'], 'message')} in no thread: {about(loose['read'])} read."
        if loose["messages"]
        else "",
        empty=not told["window"]["messages"],
    )


def about(tokens: int | None) -> str:
    """An estimate in two figures, which is more than it is good for: `~0`, `~840`, `~13k`, `~1.3M`; None is unknown."""
    if tokens is None:
        return UNKNOWN
    if tokens < 1_000:
        return f"~{tokens}"
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if tokens >= unit:
            return f"~{tokens / unit:.1f}{name}" if tokens < 10 * unit else f"~{count(tokens // unit)}{name}"
    raise AssertionError(tokens)


def _window(told: dict[str, Any], now: int, zone: tzinfo | None) -> str:
    if not told["messages"]:
        return "Nothing has been said yet."
    began = instant(told["since"])
    said = f"{plural(told['messages'], 'message')} since {clock(began, now, zone)}, {span(now - began)}"
    offsets = f"offsets {count(told['from'])} to {count(told['to'])}"
    which = "all that is kept" if told["whole"] else "the newest, as many as the hub holds in memory"
    return f"{said}; {offsets}: {which}."


def _rule(told: dict[str, Any]) -> list[str]:
    return [
        f"Tokens = (bytes of body and data + {told['bytes_around']} for the line around a message) ÷ "
        f"{told['bytes_per_token']}, rounded up.",
        f"A body or data over {size(told['long'])} is not read: the MCP client saves it as a file and shows "
        f"about {told['beginning']} bytes of it.",
        "An agent has read what it hears up to where its cursor stands, but not its own words; what it heard under a "
        "name or topic that it has given up since is not counted.",
        "No tokenizer was asked: English prose comes out about right, code and other scripts take more. What a model "
        "reads again with each turn is not in it.",
    ]


def _agent(each: dict[str, Any], all_read: int | None) -> AgentRow:
    part = None if all_read is None else round(100 * each["read"] / all_read) if all_read else 0
    return AgentRow(
        who=named(each["name"]),
        read=about(each["read"]),
        share="" if part is None else f"{part} %",
        part=part or 0,
        messages_read=UNKNOWN if each["messages_read"] is None else count(each["messages_read"]),
        written=about(each["written"]),
        messages_written=count(each["messages_written"]),
    )


def _thread(each: dict[str, Any], now: int) -> ThreadRow:
    names = each["names"]
    return ThreadRow(
        thread=visible(each["thread"]),
        link=links.thread(each["thread"]),
        read=about(each["read"]),
        written=about(each["written"]),
        messages=count(each["messages"]),
        names=[named(name) for name in names[:NAMES_SHOWN]],
        more_names=f"and {plural(len(names) - NAMES_SHOWN, 'other')}" if len(names) > NAMES_SHOWN else "",
        last=ago(now - instant(each["last_at"])),
        last_at=each["last_at"],
    )
