"""A message's data as a tree that can be folded: rows of finished words, bounded in number and depth."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from dashboard.words import plural, visible

MOST = 1_000  # nodes
DEEPEST = 12
LONGEST = 4_000  # characters of one value


class Node(Struct, kw_only=True):
    """A value: `text` if it is a plain one, otherwise `children` and in `text` what they amount to."""

    key: str
    kind: str  # text, number, word (true, false, null), list, object, more (what is left out)
    text: str
    children: list[Node] = []


def tree(value: Any) -> list[Node]:
    """The topmost nodes of any JSON. What is beyond MOST or DEEPEST is told as left out."""
    room = [MOST]
    if isinstance(value, (dict, list)) and value:
        return _children(value, room, 1)
    return [_node("", value, room, 1)]


def _children(value: Any, room: list[int], depth: int) -> list[Node]:
    pairs: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    found: list[Node] = []
    for key, each in pairs:
        if room[0] <= 0:
            found.append(Node(key="", kind="more", text=f"{plural(len(value) - len(found), 'more value')} left out"))
            break
        found.append(_node(visible(str(key)), each, room, depth))
    return found


def _node(key: str, value: Any, room: list[int], depth: int) -> Node:
    room[0] -= 1
    if isinstance(value, (dict, list)):
        kind = "object" if isinstance(value, dict) else "list"
        amount = plural(len(value), "key" if kind == "object" else "value")
        if depth >= DEEPEST and value:
            return Node(key=key, kind="more", text=f"{amount} left out, this deep")
        return Node(key=key, kind=kind, text=amount, children=_children(value, room, depth + 1))
    if isinstance(value, str):
        shown = visible(value)
        return Node(key=key, kind="text", text=shown[:LONGEST] + ("…" if len(shown) > LONGEST else ""))
    if value is None or isinstance(value, bool):
        return Node(key=key, kind="word", text=json.dumps(value))
    return Node(key=key, kind="number", text=json.dumps(value))
