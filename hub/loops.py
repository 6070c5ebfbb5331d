"""The loop guard: agents that only answer one another, with nothing new in what they say, are noticed and held.

docs/loops.md has the rule, why it is so, and what it cannot see. In short: each message has a cause, the message that
it answers. A message that closes a circle (its reader has spoken in this chain of causes before) and brings nothing new
against what the chain has said makes the chain's `stale` one longer; anything new begins it anew. What would make it
longer than `loop_bound` is held: it becomes a fact instead of a message, until a person releases it.

Pure: told what the log holds, in its order. Nothing here is stored: a start goes through the log's tail again.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any, NamedTuple

from hub import wire
from hub.message import Draft, Message
from hub.registry import Instance, Registry
from hub.topic import ALL, INBOX

DEPTH = 32  # how many messages back a chain remembers what was said
SPEAKERS = 256  # how many agents a circle may have
KEPT = 4096  # messages whose answers find their chain; and topics and agents whose newest message is known
TEXT = 2000  # characters of a body, and of its data, that are compared
WORDS = 200  # different words of one message
NEW = 6  # a message is new if one in so many of its words is

# Chinese and Japanese are written without spaces: there each character counts as a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
# A time of day or a date says nothing that the message's own time does not.
_CLOCK = re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\S*)?|\b\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?\b")


class Said:
    """What one message says, as words; taken apart only if somebody answers it."""

    __slots__ = ("_text", "_words")

    def __init__(self, said: Draft | Message) -> None:
        self._text = said.body[:TEXT]
        if said.data is not None:
            # A lot of data is looked at by its size alone: to take it apart costs more than this is worth.
            data = wire.data_json(said.data).decode()[:TEXT] if said.size < 16 * TEXT else str(said.size)
            self._text += " " + data
        self._words: frozenset[str] | None = None

    @property
    def words(self) -> frozenset[str]:
        if self._words is None:
            found = dict.fromkeys(_WORD.findall(_CLOCK.sub(" ", self._text).casefold()))
            self._words = frozenset(list(found)[:WORDS])
            self._text = ""
        return self._words


def is_new(said: Said, before: tuple[Said, ...]) -> bool:
    """Whether a sixth of its words, or more, are in none of the messages before. No words are nothing new."""
    words = said.words
    if not words:
        return False
    unseen = words
    for each in reversed(before):
        unseen = unseen - each.words
        if len(unseen) * NEW < len(words):
            return False
    return True


class Trace:
    """One message in its chain. `stale` messages in a row, this one the last, have brought nothing new."""

    __slots__ = ("before", "cause", "offset", "origin", "said", "speakers", "stale")

    def __init__(
        self,
        origin: int,
        said: Said,
        *,
        stale: int = 0,
        speakers: tuple[int, ...],
        before: tuple[Said, ...] = (),
        cause: int = 0,
    ) -> None:
        self.offset = 0  # until it has a place in the log
        self.origin = origin
        self.said = said
        self.stale = stale
        self.speakers = speakers  # origins, this one's last
        self.before = before  # what the chain said, the newest last
        self.cause = cause  # the offset of what it answers; 0 for nothing


class Loop(NamedTuple):
    """A circle of agents, by origin, and how many messages in a row it has gone round with nothing new."""

    speakers: tuple[int, ...]
    messages: int


class Loops:
    """The chains. `bound` is how many messages in a row may bring nothing new; 0 switches the guard off."""

    def __init__(self, registry: Registry, bound: int) -> None:
        self.bound = bound
        self.noticed: list[Loop] = []  # not told yet
        self._judged: dict[tuple[str, int], Trace] = {}  # drafts on their way to the log
        self._registry = registry
        self._by_id: OrderedDict[tuple[str, int], Trace] = OrderedDict()
        self._ids: dict[str, Trace] = {}
        self._newest: OrderedDict[str, tuple[Trace, Trace | None]] = OrderedDict()  # and the newest by somebody else
        self._last: OrderedDict[int, Trace] = OrderedDict()  # origin -> the newest that it said
        self._prompted: dict[int, int] = {}  # origin -> offset at which its user last spoke to it

    # Deciding

    def judge(self, sender: Instance, draft: Draft) -> Loop | None:
        """The loop that a draft would lengthen beyond the bound; None if it may go out."""
        key = (draft.id, draft.origin)
        if not self.bound or key in self._by_id:
            return None
        trace = self._trace(sender, draft)
        if trace.stale > self.bound:
            return _loop(trace)
        if len(self._judged) >= KEPT:
            self._judged.clear()
        self._judged[key] = trace
        return None

    def warning(self, message: Message) -> Loop | None:
        """The loop that a message on the log is part of, once it is half as long as it may become."""
        trace = self._by_id.get((message.id, message.origin))
        return _loop(trace) if trace is not None and self.bound and trace.stale * 2 >= self.bound else None

    # What the log says

    def note(self, message: Message, *, released: bool = False) -> None:
        """Somebody has said something; `released`: it was held until a person let it go."""
        if not self.bound:
            return
        sender = self._registry.instances.get(message.origin)
        if sender is None:
            return
        key = (message.id, message.origin)
        trace = self._judged.pop(key, None) or self._trace(sender, message)
        if released:  # a person has looked at it: the chain begins anew
            trace = Trace(message.origin, trace.said, speakers=(message.origin,))
        if sender.human:  # what those say next to whom a person has spoken follows from that
            for each in self._registry.recipients(message):
                self._prompted[each.origin] = message.offset
        trace.offset = message.offset
        self._last[message.origin] = self._by_id[key] = self._ids[message.id] = trace
        if len(self._by_id) > KEPT:
            (old, _), _ = self._by_id.popitem(last=False)
            self._ids.pop(old, None)
        newest, other = self._newest.pop(message.topic, (None, None))
        if newest is not None and newest.origin != message.origin:
            other = newest
        self._newest[message.topic] = (trace, other)
        self._last.move_to_end(message.origin)
        for newest_first in (self._newest, self._last):
            if len(newest_first) > KEPT:
                newest_first.popitem(last=False)
        if trace.stale and trace.stale == (self.bound + 1) // 2:
            self.noticed.append(_loop(trace))

    def prompt(self, origin: int, offset: int) -> None:
        """An agent's user has spoken to it: what it says next follows from that, and from nothing before."""
        self._prompted[origin] = offset

    # Inside

    def _trace(self, sender: Instance, said: Draft | Message) -> Trace:
        """One that has no place in the log yet."""
        me = said.origin
        words = Said(said)
        cause = self._cause(sender, said)
        if cause is None or sender.human:
            return Trace(me, words, speakers=(me,))
        before = (*cause.before[1 - DEPTH :], cause.said)
        speakers = (*(each for each in cause.speakers[-SPEAKERS:] if each != me), me)
        stale = 0
        if self._closes(me, said.topic, cause) and not is_new(words, before):
            stale = self._length(me, cause) + 1
        return Trace(me, words, stale=stale, speakers=speakers, before=before, cause=cause.offset)

    def _length(self, me: int, cause: Trace) -> int:
        """How long the chain is that ends with `cause`. In one that is half way to being held, saying twice that there
        is nothing new makes it longer too: agents on a timer would go round for ever otherwise."""
        last = self._last.get(me)
        if last is not None and last.cause == cause.offset and cause.stale * 2 >= self.bound:
            return max(cause.stale, last.stale)
        return cause.stale

    def _cause(self, sender: Instance, said: Draft | Message) -> Trace | None:
        """What this answers: what it names, or the newest that its sender has been given; of the two the worse."""
        me = sender.origin
        since = self._prompted.get(me, 0)
        if sender.received <= since and said.reply_to is None:  # it has been given nothing that it could answer
            return None
        implied: Trace | None = None
        for topic in (*(INBOX + each.key for each in sender.holdings if each.until is None), ALL, said.topic):
            pair = self._newest.get(topic)
            if pair is None:
                continue
            trace = pair[1] if pair[0].origin == me else pair[0]
            if trace is not None and since < trace.offset <= sender.received:
                implied = trace if implied is None or trace.offset > implied.offset else implied
        named = self._ids.get(said.reply_to) if said.reply_to is not None else None
        if named is None or named.origin == me or named.offset <= since:
            return implied
        return named if implied is None or named.stale >= implied.stale else implied

    def _closes(self, me: int, topic: str, cause: Trace) -> bool:
        """Whether a message goes back to somebody who has spoken in this chain."""
        if not topic.startswith(INBOX):
            return me in cause.speakers  # to a topic: its sender itself is back
        reader = self._registry.find(topic[len(INBOX) :])
        return reader is not None and reader.origin in cause.speakers


def _loop(trace: Trace) -> Loop:
    """The speakers of the stretch that is stale; a longer chain may have had more."""
    return Loop(trace.speakers[-max(2, trace.stale) :], trace.stale)


def told(loop: Loop, registry: Registry) -> dict[str, Any]:
    """A loop as the hub tells it."""
    names = [registry.instances[each].name for each in loop.speakers if each in registry.instances]
    return {"names": sorted(names, key=str.lower), "messages": loop.messages}
