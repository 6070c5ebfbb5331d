"""What talk costs: an estimate of the tokens that agents have read, of as many messages as the hub holds in memory.

The rule is printed wherever the figures are: bytes through BYTES_PER_TOKEN, those of the line around each message
included. No model's own tokenizer is asked, so it is an estimate: English prose comes out about right, code and other
scripts take more. (https://help.openai.com/en/articles/4936856) A long body is not read but saved as a file by the MCP
client, and counts as the beginning that is shown of it.

An agent has read what it hears up to where its cursor stands. What that takes is a pass over the window, in slices
between which others have their turn, and two look-ups for each topic that an agent hears: never the messages times
the agents.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field

from hub import frames
from hub.inquiry import Scene
from hub.message import OVERHEAD, Message
from hub.topic import INBOX

BYTES_PER_TOKEN = 4
AROUND = 136  # bytes of the line and the marks around a message, as the MCP client shows it
LONG = 10 * 1024  # bytes of a body or of data past which the client saves it as a file
BEGINNING = 600  # bytes, about, that are shown of such a body
SLICE = 500  # messages, or agents times ten, between two turns of others
MOST_THREADS = 200  # told, the costliest


class Share(Struct):
    """What one agent has read and written; `read` and `messages_read` are None where nobody knows."""

    name: str
    read: int | None = 0
    messages_read: int | None = 0
    written: int = 0
    messages_written: int = 0


class Talk(Struct):
    """What one thread holds, and what reading it has cost."""

    read: int = 0
    written: int = 0
    messages: int = 0
    names: set[str] = field(default_factory=set)
    at: float = 0.0


class _Lane(Struct):
    """One topic's messages, or those of them that one agent said; `sums[n]` is what the first n come to."""

    offsets: list[int] = field(default_factory=list)
    sums: list[int] = field(default_factory=lambda: [0])
    places: list[int] = field(default_factory=list)  # in the whole
    readers: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))  # where more or fewer read on

    def add(self, message: Message, tokens: int, place: int) -> None:
        self.offsets.append(message.offset)
        self.sums.append(self.sums[-1] + tokens)
        self.places.append(place)

    def between(self, after: int, upto: int) -> tuple[int, int]:
        begin = bisect_right(self.offsets, after)
        return begin, bisect_right(self.offsets, upto, lo=begin)


def tokens(message: Message) -> int:
    """About how many a model takes to read a message."""
    return -(-(_shown(message) + AROUND) // BYTES_PER_TOKEN)


def _shown(message: Message) -> int:
    size = message.size - OVERHEAD
    if size <= LONG:
        return size
    body = len(message.body.encode("utf-8", "replace"))
    data = size - body
    return (body if body <= LONG else BEGINNING) + (data if data <= LONG else 0)


class Bill:
    """Adds it up: first every message, then every agent, then `threads`."""

    def __init__(self) -> None:
        self.shares: dict[int, Share] = {}  # by origin
        self._said: list[tuple[Message, int]] = []
        self._lanes: dict[str, _Lane] = {}
        self._own: dict[tuple[str, int], _Lane] = {}
        self._skipped: defaultdict[int, int] = defaultdict(int)  # message -> how many read past it as their own

    def add(self, message: Message) -> None:
        worth, place = tokens(message), len(self._said)
        self._said.append((message, worth))
        self._lanes.setdefault(message.topic, _Lane()).add(message, worth, place)
        if not message.topic.startswith(INBOX):
            self._own.setdefault((message.topic, message.origin), _Lane()).add(message, worth, place)
        share = self.shares.setdefault(message.origin, Share(name=message.sender))
        share.name = message.sender  # as it is called in the newest
        share.written += worth
        share.messages_written += 1

    def unknown(self, origin: int, name: str) -> None:
        """How much that agent has read is not known."""
        share = self.shares.setdefault(origin, Share(name=name))
        share.name, share.read, share.messages_read = name, None, None

    def read(self, origin: int, name: str, spans: Sequence[tuple[str, int, int]]) -> None:
        """An agent has read these spans: topic, after, up to; no message is in two of them."""
        share = self.shares.setdefault(origin, Share(name=name))
        share.name = name
        read = messages = 0
        for topic, after, upto in spans:
            lane = self._lanes.get(topic)
            if lane is None:
                continue
            begin, end = lane.between(after, upto)
            lane.readers[begin] += 1
            lane.readers[end] -= 1
            read += lane.sums[end] - lane.sums[begin]
            messages += end - begin
            own = self._own.get((topic, origin))
            if own is not None:
                begin, end = own.between(after, upto)
                read -= own.sums[end] - own.sums[begin]
                messages -= end - begin
                for place in own.places[begin:end]:
                    self._skipped[place] += 1
        share.read, share.messages_read = read, messages

    def threads(self) -> dict[str | None, Talk]:
        """Each thread, and what belongs to none under None."""
        readers = [0] * len(self._said)
        for lane in self._lanes.values():
            now = 0
            for nth, place in enumerate(lane.places):
                now += lane.readers.get(nth, 0)
                readers[place] = now - self._skipped.get(place, 0)
        found: dict[str | None, Talk] = {}
        for (message, worth), number in zip(self._said, readers, strict=True):
            thread = found.setdefault(message.thread, Talk())
            thread.written += worth
            thread.read += worth * number
            thread.messages += 1
            thread.names.add(message.sender)
            thread.at = message.at
        return found


async def cost(scene: Scene, held: Sequence[Message]) -> dict[str, Any]:
    """What these messages have cost up to a moment, the newest before it, the oldest first: GET /cost.

    At an earlier moment nobody may know how far some had read (`Scene.unsure`): then what they have read is None, and
    so is what all have.
    """
    hub = scene.hub
    since, head = (held[0].at, held[-1].offset) if held else (None, hub.head)
    bill = Bill()
    for nth, message in enumerate(held):
        if nth % SLICE == SLICE - 1:
            await asyncio.sleep(0)
        if not message.topic.startswith("$"):
            bill.add(message)
    first = held[0].offset if held else hub.head + 1
    for nth, instance in enumerate(list(hub.registry.instances.values())):  # more may register meanwhile
        if nth % (SLICE // 10) == SLICE // 10 - 1:
            await asyncio.sleep(0)
        if instance.origin in scene.unsure:
            bill.unknown(instance.origin, instance.name)
            continue
        bill.read(instance.origin, instance.name, hub.registry.spans(instance, first - 1, min(instance.read, head)))
    known = all(each.read is not None for each in bill.shares.values())
    threads = bill.threads()
    loose = threads.pop(None, Talk())
    dearest = sorted(threads.items(), key=lambda each: (-each[1].read, -each[1].at))
    shares = sorted(bill.shares.values(), key=lambda each: (-(each.read or 0), each.name.lower()))
    return {
        "at": frames.moment(scene.now()),
        "estimate": True,
        "rule": {
            "bytes_per_token": BYTES_PER_TOKEN,
            "bytes_around": AROUND,
            "long": LONG,
            "beginning": BEGINNING,
        },
        "window": {
            "messages": sum(each.messages_written for each in shares),
            "from": first,
            "to": head,
            "since": None if since is None else frames.moment(since),
            "whole": first <= hub.floor,
        },
        "read": sum(each.read or 0 for each in shares) if known else None,
        "written": sum(each.written for each in shares),
        "agents": shares,
        "threads": [_told(name, each, known) for name, each in dearest[:MOST_THREADS]],
        "more_threads": max(0, len(threads) - MOST_THREADS),
        "without_thread": _told(None, loose, known),
    }


def _told(name: str | None, thread: Talk, known: bool) -> dict[str, Any]:
    return {
        "thread": name,
        "read": thread.read if known else None,
        "written": thread.written,
        "messages": thread.messages,
        "names": sorted(thread.names),
        "last_at": frames.moment(thread.at) if thread.messages else None,
    }
