"""All findings, in the order in which they depend on each other: what stands first explains what comes after it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hub.config import Settings
from hub.connect import here
from hub.daemon import Running, locate, token_for
from hub.doctor import attachments, bridge, clients, clock, database, home, installation, predecessor, running, token
from hub.doctor import settings as settings_
from hub.doctor.finding import Finding, note
from hub.errors import HubbubError
from hub.processes import processes


def examine(settings: Settings) -> Iterator[Finding]:
    """The findings as they are made."""
    found = list(processes())
    yield from installation.examine()
    yield from predecessor.examine(here.place(), found)
    yield from settings_.examine(settings)
    if settings.url:
        hub = Running(settings.url, token_for(settings, settings.url), 0, "")
        said = f"{settings.source('url')} names {settings.url}: nothing is started or stopped here"
        yield note("hub", "hub_elsewhere", said, "hubbub status")
        yield from _of_running(settings, hub)
    else:
        yield from _here(settings, found)
    yield from clients.examine(settings)


def _here(settings: Settings, found: Any) -> Iterator[Finding]:
    """This machine's own hub, and what it lives of."""
    hub = locate(settings)
    yield from home.examine(settings)
    yield token.examine(settings)
    yield from database.examine(settings, hub)
    yield from attachments.examine(settings)
    yield from running.others(settings, hub, found)
    if hub is not None:
        yield from running.here(settings, hub)
        yield from _of_running(settings, hub)
        return
    yield from running.absent(settings)
    now = datetime.now(UTC)
    yield from clock.examine(None, settings.paths.database, now, now)


def _of_running(settings: Settings, hub: Running) -> Iterator[Finding]:
    """What a hub that runs says of itself."""
    findings = list(running.answers(settings, hub))
    yield from findings
    if any(each.check == "http" and each.state != "ok" for each in findings):
        return
    requests = hub.requests(running.LIMIT)
    try:
        yield from bridge.examine(requests.get("/status").get("legacy"))
        before = datetime.now(UTC)
        health = requests.get("/health")
        after = datetime.now(UTC)
    except HubbubError:
        return  # a token that may not observe: the clock is not told
    if settings.url:
        yield from running.remote(health)
    yield from clock.examine(health, settings.paths.database, before, after)
