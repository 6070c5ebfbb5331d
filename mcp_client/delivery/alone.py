"""A hook without an MCP process beside it, but with a name (HUBBUB_NAME): it asks the hub itself, over HTTP.

Each message is shown once, whole where it is short, oldest first, and marked as read once it is written out; one hook
of a name at a time. A hub is never started for it: where none runs, the hook is silent.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from hub.config import Settings, load
from hub.daemon import locate, token_for
from hub.frames import MessageJson
from hub.lock import FileLock
from hub.paths import make_private
from hub.request import Requests
from mcp_client import framing
from mcp_client.delivery import hooks
from mcp_client.delivery.notice import FEW, SHORT
from mcp_client.hook import WAKE
from mcp_client.note import FOLDER
from mcp_client.shelf import Shelf

LIMIT = 1.0  # seconds that the hub may take: a hook stands in the user's way
HELD = 55.0  # seconds that one request waits at the hub, for the hook that waits in the background
QUEUE = 1.0  # seconds that one hook waits for another of the same name


def answer_alone(event: str, said: bytes) -> int:
    """Print what is new in the client's form. Returns the exit code; raises HubbubError where there is no hub."""
    kind = hooks.EVENTS.get(event)
    settings = load()
    hub, name = _reach(settings), settings.name
    silent = kind is None or kind.say is None or (kind.ends and hooks.goes_on_already(hooks.read(said)))
    if hub is None or name is None or silent or settings.push_hooks == "off":
        return 0
    assert kind is not None
    while True:
        if event == WAKE:
            hub.get("/messages", patience=HELD, as_=name, unread=1, limit=1, wait=HELD)
        with _only_one(settings, name) as first:
            page = hub.get("/messages", as_=name, unread=1, limit=FEW) if first else {"messages": []}
            if page["messages"]:
                shown = _shown(hub, page, settings)
                text, offset = _fitting(name, shown, more=page["more"])
                printed = kind.print(event, text)
                _write(printed)
                hub.post("/read", {"as": name, "offset": offset})
                return printed.code
        if event != WAKE:
            return 0


def _reach(settings: Settings) -> Requests | None:
    if settings.url:
        return Requests(settings.url, token_for(settings, settings.url), timeout=LIMIT)
    found = locate(settings)
    return found and found.requests(LIMIT)


def _shown(hub: Requests, page: dict[str, Any], settings: Settings) -> list[dict[str, Any]]:
    epoch = str(hub.get("/status").get("epoch", ""))
    shelf = Shelf(settings.home / "bodies")
    messages = msgspec.convert(page["messages"], list[MessageJson])
    people = {str(name).lower() for name in page.get("people", ())}
    return [framing.structured(each, epoch, shelf, people) for each in messages]


def _fitting(name: str, shown: Sequence[dict[str, Any]], *, more: bool) -> tuple[str, int]:
    """As many as fit, but at least one, as text; and the offset of the last."""
    count = len(shown)
    while count > 1 and len(_text(name, shown[:count], more=True)) > SHORT:
        count -= 1
    return _text(name, shown[:count], more=more or count < len(shown)), shown[count - 1]["offset"]


def _write(printed: hooks.Printed) -> None:
    sys.stdout.write(printed.out)
    sys.stderr.write(printed.err)
    sys.stdout.flush()
    sys.stderr.flush()


def _text(name: str, shown: Sequence[dict[str, Any]], *, more: bool) -> str:
    text = framing.as_text(shown)
    text += f"\n\nTo answer: hubbub send --as {name} TO --reply-to ID TEXT; not every message wants an answer."
    return text + (" More wait: hubbub read --as " + name if more else "")


@contextlib.contextmanager
def _only_one(settings: Settings, name: str) -> Iterator[bool]:
    """Whether this is the only hook of its name that reads now: two would show the same."""
    folder = settings.home / FOLDER
    make_private(folder)
    lock = FileLock(folder / f"{name.lower()}.lock")
    held = lock.acquire(timeout=QUEUE)
    try:
        yield held
    finally:
        if held:
            lock.release()
