"""hubbub bench."""

from __future__ import annotations

from typing import Any

import click

from hub.cli import exits, show
from hub.cli.command import as_json, verb
from hub.config import Settings
from hub.errors import BadValue


@verb("hubbub bench", "hubbub bench --subscribers 1000", "hubbub bench --json")
@click.option("--subscribers", type=click.IntRange(1, 9000), default=100, help="How many hear a topic (100).")
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=2.0, help="How long each part takes (2).")
@as_json()
def bench(settings: Settings, *, subscribers: int, seconds: float, in_json: bool) -> int:
    """Measure what this machine gives: messages stored a second, deliveries a second, and how long one is on its way.

    It starts a hub of its own beside your data, on loopback, and removes it again. Your hub and your messages are
    left alone, but both hubs share the machine: stop yours for the best figures.
    """
    if settings.source("url").kind == "flag":
        raise BadValue("bench measures a hub of its own, on this machine.", "Leave --url out.")
    from hub.bench.measure import measure
    from hub.bench.process import Failed

    try:
        found = measure(settings, subscribers, seconds, lambda what: show.note(f"{what} …"))
    except Failed as why:
        show.note(f"The measuring failed: {why}")
        return exits.FAILED
    if in_json:
        show.put(found)
    else:
        show.say("\n".join(lines(found)))
    return exits.OK


def lines(found: dict[str, Any]) -> list[str]:
    """The result as people read it."""
    took = found["latency_ms"]
    synced = "each on disk before it is confirmed" if found["synchronous"] == "full" else "not synced to disk"
    told = [
        "",
        f"Hubbub {found['version']} here: {found['system']}, {found['cores']} cores, Python {found['python']}, "
        f"one fsync {found['fsync_ms']:.2f} ms",
        "",
        f"stored and confirmed  {found['confirmed_per_second']:>10,.0f} messages a second, 100 in flight",
        f"                      {found['one_by_one_per_second']:>10,.0f} one by one",
        f"pushed to {found['subscribers']:<5,}       {found['deliveries_per_second']:>10,.0f} deliveries a second",
        f"on its way            {took['p50']:>10.2f} ms for half of the messages; "
        f"{took['p90']:.2f} for 90 %, {took['p99']:.2f} for 99 %, {took['max']:.2f} at most",
        "",
        f"synchronous={found['synchronous']}: {synced}. Messages of {found['body_bytes']} bytes.",
    ]
    if found["hub_share"] is not None:
        told.append(f"While pushing, the hub used {found['hub_share']:.0%} of a core, and what measured it")
        told[-1] += f" {found['load_share']:.0%} of another."
    if found["peak_memory"] is not None:
        told.append(f"The hub held {found['peak_memory'] / 2**20:.0f} MiB at most.")
    return told
