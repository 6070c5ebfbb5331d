"""Names, topics and patterns: who a message can be for, and who hears it.

A topic is dotted words, as in NATS: `build.linux.failed`. Three kinds are the hub's own:
`inbox.<name>` (direct messages), `all` (broadcast) and whatever begins with `$` (what the hub tells).
A pattern is a topic in which `*` stands for one word and a final `>` for one or more.
(https://docs.nats.io/nats-concepts/subjects)

Names and topics match without case: the log holds them in lower case, a message's `to` as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Generic, NamedTuple, TypeVar

from hub.errors import BadName, BadTopic

MAX_NAME = 32
MAX_TOPIC = 200  # characters, the words and dots together
MAX_WORDS = 16
ALL = "all"
INBOX = "inbox."
HUB = "$hub"  # the sender of what the hub itself tells; `$` is in no name, so nobody can claim it
RESERVED_NAMES = frozenset({ALL, "system"})

_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_WORD = re.compile(r"[A-Za-z0-9_-]+")


class Address(NamedTuple):
    """Where a message goes: `to` as written, `topic` as the log has it, `name` when it is one instance."""

    to: str
    topic: str
    name: str | None


def name_key(name: str) -> str:
    """What two spellings of one name have in common. Raises BadName outside 1-32 of A-Za-z0-9_-."""
    if not _NAME.fullmatch(name):
        raise BadName(
            f"{_shown(name)} is not a name: 1 to {MAX_NAME} of A-Z, a-z, 0-9, _ and - make one.",
            "Choose another name.",
        )
    key = name.lower()
    if key in RESERVED_NAMES:
        raise BadName(f"{_shown(name)} is reserved and cannot be an instance's name.", "Choose another name.")
    return key


def inbox(name: str) -> str:
    """The topic of direct messages to `name`."""
    return INBOX + name_key(name)


def address(to: str) -> Address:
    """Read a message's `to`: an instance's name, `#topic`, or `all`. Raises BadName or BadTopic."""
    if to.startswith("#"):
        return Address(to, topic_key(to[1:]), None)
    if to.lower() == ALL:
        return Address(ALL, ALL, None)
    return Address(to, inbox(to), to)


def topic_key(text: str) -> str:
    """A topic that a client may publish to, in the log's spelling. Raises BadTopic."""
    words = _words(text)
    for word in words:
        if not _WORD.fullmatch(word):
            raise BadTopic(
                f"{_shown(text)} is not a topic to publish to: words of A-Z, a-z, 0-9, _ and -, "
                "separated by dots, make one.",
                "Wildcards are for subscriptions only." if word in ("*", ">") else None,
            )
    return _key(words, text)


def pattern_key(text: str) -> str:
    """A topic or pattern to subscribe to, in the log's spelling; a leading `#` is accepted. Raises BadTopic."""
    words = _words(text.removeprefix("#"))
    last = len(words) - 1
    for place, word in enumerate(words):
        if word == ">" and place != last:
            raise BadTopic(f"{_shown(text)} is not a pattern: > can only be its last word.")
        if word not in ("*", ">") and not _WORD.fullmatch(word):
            raise BadTopic(
                f"{_shown(text)} is not a topic or pattern: words of A-Z, a-z, 0-9, _ and -, "
                "separated by dots, make one; * stands for one word, a final > for all that follow."
            )
    return _key(words, text)


def is_pattern(key: str) -> bool:
    """Whether a subscription can match more than one topic."""
    return "*" in key or key.endswith(">")


def is_open(topic: str) -> bool:
    """Whether wildcards reach this topic: not inboxes, not `all`, not what the hub tells."""
    return not (topic.startswith((INBOX, "$")) or topic == ALL)


def matches(pattern: str, topic: str) -> bool:
    """Whether one pattern covers one topic. The tree below answers for many patterns at once."""
    want, have = pattern.split("."), topic.split(".")
    if want[-1] == ">":
        want.pop()
        if len(have) <= len(want):
            return False
        have = have[: len(want)]
    return len(want) == len(have) and all(w in ("*", h) for w, h in zip(want, have, strict=True))


def near(name: str, known: Iterable[str]) -> list[str]:
    """Up to three known names that `name` may have been meant for, best first."""
    by_key = {each.lower(): each for each in known}
    return [by_key[key] for key in get_close_matches(name.lower(), by_key, n=3, cutoff=0.6)]


def _words(text: str) -> list[str]:
    words = text.split(".")
    if not text or len(text) > MAX_TOPIC or len(words) > MAX_WORDS:
        raise BadTopic(
            f"A topic has 1 to {MAX_TOPIC} characters and at most {MAX_WORDS} words; this one has "
            f"{len(text)} characters and {len(words)} words."
        )
    return words


def _key(words: list[str], text: str) -> str:
    first = words[0].lower()
    if first in ("inbox", ALL):
        raise BadTopic(
            f"{_shown(text)} is the hub's own: `{first}` cannot begin a topic.",
            "Write to a name for a direct message, or to all for a broadcast.",
        )
    return ".".join(words).lower()


def _shown(text: str) -> str:
    """Somebody's text in an error: quoted, with control characters visible, not endless."""
    return repr(text if len(text) <= 48 else text[:47] + "…")


Reader = TypeVar("Reader")


class _Node(Generic[Reader]):
    __slots__ = ("here", "next")

    def __init__(self) -> None:
        self.here: dict[Reader, None] = {}  # a set that keeps its order: delivery is the same in every run
        self.next: dict[str, _Node[Reader]] = {}


class Tree(Generic[Reader]):
    """Who reads a topic, found word by word: the cost is the topic's words, not the number of patterns.

    >>> tree = Tree[str]()
    >>> tree.add("build.*", "alice")
    >>> list(tree.match("build.linux"))
    ['alice']
    """

    def __init__(self) -> None:
        self._root: _Node[Reader] = _Node()

    def add(self, pattern: str, reader: Reader) -> None:
        """Let `reader` hear what `pattern` covers; adding twice is adding once."""
        node = self._root
        for word in pattern.split("."):
            node = node.next.setdefault(word, _Node())
        node.here[reader] = None

    def remove(self, pattern: str, reader: Reader) -> None:
        """Take a reader off a pattern, and cut the branch that this leaves bare; unknown ones are ignored."""
        path = [self._root]
        words = pattern.split(".")
        for word in words:
            step = path[-1].next.get(word)
            if step is None:
                return
            path.append(step)
        path[-1].here.pop(reader, None)
        for parent, word in zip(reversed(path[:-1]), reversed(words), strict=True):
            child = parent.next[word]
            if child.here or child.next:
                return
            del parent.next[word]

    def match(self, topic: str) -> dict[Reader, None]:
        """All readers of a topic, each once."""
        found: dict[Reader, None] = {}
        level = [self._root]
        for word in topic.split("."):
            deeper: list[_Node[Reader]] = []
            for node in level:
                if tail := node.next.get(">"):
                    found.update(tail.here)
                if exact := node.next.get(word):
                    deeper.append(exact)
                if star := node.next.get("*"):
                    deeper.append(star)
            level = deeper
        for node in level:
            found.update(node.here)
        return found

    def patterns(self) -> Iterator[str]:
        """Every pattern somebody is on, in no particular order."""
        stack: list[tuple[list[str], _Node[Reader]]] = [([], self._root)]
        while stack:
            words, node = stack.pop()
            if node.here:
                yield ".".join(words)
            stack.extend(([*words, word], child) for word, child in node.next.items())
