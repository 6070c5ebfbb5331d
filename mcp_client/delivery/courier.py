"""Carries what waits in the inbox to the model: does what `plan` decides, and hears the evidence of it.

A message that is on its way is claimed, so that nobody else hands it over meanwhile. It ends in one of two ways: handed
(a hook wrote it out, or the notice was seen in the session) or given back, and then the next hop may have it.
A notice that only announces claims nothing; once it has been seen, its messages are not announced again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from hub.errors import Unavailable
from hub.frames import Gap
from hub.topic import HUB
from mcp_client import framing
from mcp_client.delivery import channel, claude_inbox, hooks, notice, transcript
from mcp_client.delivery.hooks import SILENT, Event, Printed
from mcp_client.delivery.plan import (
    BOUND,
    SILENCE,
    Activity,
    Eager,
    GiveUp,
    Hop,
    Offer,
    Rest,
    Try,
    View,
    Waiting,
    Way,
    decide,
)
from mcp_client.delivery.transcript import Seen
from mcp_client.hook import WAKE
from mcp_client.inbox import Inbox, Item
from mcp_client.link import HOPS, Link
from mcp_client.shelf import Shelf

Notify: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[None]]

LOOKS = (0.5, 1.5, 4.0)  # seconds after a write at which the transcript is looked at, beside the bound
QUEUED = 600.0  # seconds at most that a session's own queue may hold a notice
READING = 1.0  # seconds that a tool waits to learn whether what it would show has been shown just now
REMEMBERED = 50  # notices whose late evidence still counts

log = logging.getLogger(__name__)


class Rules(NamedTuple):
    """How eager each hop may be, and who may wake or interrupt this agent; an empty tuple is everybody."""

    inbox: Eager = Eager.ALWAYS
    channel: Eager = Eager.ALWAYS
    wake: Eager = Eager.ALWAYS
    hooks: Eager = Eager.ALWAYS
    senders: tuple[str, ...] = ()

    def of(self, hop: Hop) -> Eager:
        return {Hop.INBOX: self.inbox, Hop.CHANNEL: self.channel, Hop.WAKE: self.wake}[hop]


@dataclass(eq=False)
class Handing:
    """A notice on its way: itself the claim on its messages."""

    notice: notice.Notice
    ids: frozenset[str]
    inbox: Inbox
    printed: Printed = SILENT
    ended: Callable[[bool], None] | None = None  # told at the end whether it arrived


@dataclass(eq=False)
class _Out:
    """A notice that was written where no answer comes."""

    hop: Hop
    handing: Handing
    at: float
    due: float
    transcript: Path | None
    start: int
    looks: list[float] = field(default_factory=list)


class Tally(NamedTuple):
    """What became of the offers to one hop so far, and what the last failure was."""

    shown: int = 0
    unseen: int = 0
    failed: int = 0
    why: str = ""


class Courier:
    """`environ` is this process's; `notify` writes a notification to the client, once there is one to write to."""

    def __init__(
        self,
        link: Link,
        shelf: Shelf,
        rules: Rules,
        *,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.link = link
        self.rules = rules
        self.client = ""  # as it named itself
        self.activity = Activity.UNKNOWN
        self.heard: dict[str, float] = {}  # each hook event, and when it was last heard
        self.notify: Notify | None = None
        self.tallies = dict.fromkeys(Hop, Tally())
        self._shelf = shelf
        self._environ = environ
        self._clock = clock
        self._inbox = link.inbox
        self._listeners = 0  # tool calls that wait for messages
        self._since: dict[str, float] = {}
        self._tried: dict[str, frozenset[Hop]] = {}
        self._announced: set[str] = set()
        self._kept_back: set[str] = set()  # what an examination looks for: no hop carries it
        self._marks: deque[str] = deque(maxlen=REMEMBERED)  # of all that was said lately
        self._told: tuple[list[str], bool] | None = None
        self._silent: dict[Hop, float] = {}
        self._out: _Out | None = None
        self._last_push = float("-inf")
        self._waker: asyncio.Future[Handing | None] | None = None
        self._remembered: OrderedDict[str, Handing] = OrderedDict()
        self._transcript: Path | None = None
        self._life: asyncio.Task[None] | None = None

    # Life

    def start(self) -> None:
        """Begin to carry, in the background."""
        self._life = asyncio.create_task(self._live(), name="courier")

    async def close(self) -> None:
        """Carry no more; what is out is given back, and stays unread at the hub."""
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)
        if self._out is not None:
            self._take_back("")
        self._let_go_of_waker()

    async def _live(self) -> None:
        while True:
            try:
                await self._go_on()
            except Exception:
                log.exception("carrying failed")
                await asyncio.sleep(1)

    async def _go_on(self) -> None:
        self._tell()
        step = decide(self._view(), self._clock())
        match step:
            case Rest():
                await self._rest(step)
                await self._look()
            case Try(hop):
                await self._push(hop)
            case GiveUp(hop):
                await self._overdue(hop)

    async def _rest(self, step: Rest) -> None:
        """Until there is something else to do, or a look to take."""
        ends = [step.until] if step.until is not None else []
        if self._out is not None:
            ends += self._out.looks[:1]
        limit = max(0.0, min(ends) - self._clock()) if ends else None
        await self.link.bell.until(lambda: decide(self._view(), self._clock()) != step, limit)

    # What waits

    def _view(self) -> View:
        self._follow_inbox()
        now = self._clock()
        return View(
            waiting=[Waiting(_id(item), self._since.get(_id(item), now)) for item in self._new(waking=True)],
            ways=[self._way(hop) for hop in Hop],
            tried=self._tried,
            activity=self.activity,
            listening=self._listeners > 0,
            hooks=self.rules.hooks is Eager.ALWAYS and any(hooks.EVENTS[each].interrupts for each in self.heard),
            offer=None if self._out is None else Offer(self._out.hop, self._out.due),
            last_push=self._last_push,
        )

    def _follow_inbox(self) -> None:
        """Note what is new and forget what is gone; another name has another inbox."""
        if self.link.inbox is not self._inbox:
            self._inbox, self._out = self.link.inbox, None
            self._since, self._tried, self._announced = {}, {}, set()
            self._remembered.clear()
        now = self._clock()
        there = [_id(item) for item in self._inbox.held()]
        self._since = {each: self._since.get(each, now) for each in there}
        self._tried = {each: hops for each, hops in self._tried.items() if each in self._since}
        self._announced &= self._since.keys()

    def _new(self, *, waking: bool) -> list[Item]:
        """What nobody has claimed or announced; with `waking` only what may wake or interrupt."""
        return [
            item
            for item in self._inbox.peek(self._inbox.capacity)
            if _id(item) not in self._announced | self._kept_back and not (waking and not self._may_wake(item))
        ]

    def _may_wake(self, item: Item) -> bool:
        allowed = self.rules.senders
        return not allowed or isinstance(item, Gap) or item.from_ == HUB or item.from_.lower() in allowed

    def is_open(self, hop: Hop) -> bool:
        """Whether something is there to write to."""
        match hop:
            case Hop.INBOX:
                return claude_inbox.missing(self._environ) is None
            case Hop.WAKE:
                return self._waker is not None and not self._waker.done()
            case Hop.CHANNEL:
                return self.notify is not None and self.client == channel.CLIENT

    def _way(self, hop: Hop) -> Way:
        return Way(hop, self.is_open(hop), self.rules.of(hop), self._silent.get(hop, 0.0))

    def _take(self, *, waking: bool) -> Handing | None:
        """Claim what is new, as one notice; None if nothing is."""
        self._follow_inbox()
        new = self._new(waking=waking)
        if not new:
            return None
        waiting_before = len(self._announced)
        shown = [
            each if isinstance(each, Gap) else framing.structured(each, self.link.epoch, self._shelf, self.link.people)
            for each in new[: notice.FEW + 1]
        ]
        told = notice.compose(shown, self._inbox.unread(), waiting_before=waiting_before)
        ids = frozenset(_id(item) for item in new)
        self._marks.append(told.mark)
        handing = Handing(told, ids, self._inbox)
        if told.whole:
            self._inbox.take_these(handing, lambda item: _id(item) in ids)
        return handing

    def _arrived(self, handing: Handing) -> None:
        """The model has the notice."""
        if handing.ended is not None:
            handing.ended(True)
        if handing.inbox is not self.link.inbox:
            return
        if handing.notice.whole:
            self.link.handed(handing)
        else:
            self._announced |= handing.ids
        self.link.bell.ring()

    def _came_back(self, handing: Handing) -> None:
        """The model does not have it."""
        if handing.ended is not None:
            handing.ended(False)
        if handing.inbox is self.link.inbox and handing.notice.whole:
            self.link.give_back(handing)
        self.link.bell.ring()

    # Pushing

    async def _push(self, hop: Hop) -> None:
        handing = self._take(waking=True)
        if handing is None:
            return
        self._last_push = self._clock()
        await self._send(hop, handing)

    async def _send(self, hop: Hop, handing: Handing) -> None:
        now = self._clock()
        if hop is Hop.WAKE:
            waker = self._waker
            if waker is None or waker.done():
                self._came_back(handing)
            else:
                handing.printed = hooks.EVENTS[WAKE].print(WAKE, handing.notice.text)
                waker.set_result(handing)
            return
        path = self._transcript or transcript.find(self._environ)
        self._out = _Out(
            hop, handing, now, now + BOUND[hop], path, transcript.size(path), looks=[now + each for each in LOOKS]
        )
        try:
            await self._write(hop, handing.notice)
        except (OSError, ValueError) as why:
            log.info("%s: %s", hop.value, why)
            self._take_back(f"{type(why).__name__}: {why}")

    async def _write(self, hop: Hop, told: notice.Notice) -> None:
        if hop is Hop.INBOX:
            await asyncio.to_thread(claude_inbox.write, self._environ, told.text, told.mark)
        else:
            assert self.notify is not None
            await self.notify(channel.METHOD, channel.params(told.text, told.mark))

    async def _look(self) -> None:
        """See whether the transcript shows what is out."""
        out = self._out
        if out is None or not out.looks or self._clock() < out.looks[0]:
            return
        while out.looks and out.looks[0] <= self._clock():
            out.looks.pop(0)
        if await self._seen(out) is Seen.SHOWN and self._out is out:
            self._confirm(out)

    async def _seen(self, out: _Out) -> Seen:
        path = out.transcript or self._transcript or transcript.find(self._environ)
        return await asyncio.to_thread(transcript.look, path, out.handing.notice.mark, out.start)

    async def _overdue(self, hop: Hop) -> None:
        out = self._out
        if out is None:
            return
        seen = await self._seen(out)
        if self._out is not out:
            return
        now = self._clock()
        if seen is Seen.SHOWN:
            self._confirm(out)
        elif seen is Seen.QUEUED and now < out.at + QUEUED:
            out.due = now + BOUND[hop]
        else:
            self._silent[hop] = now + SILENCE
            self._take_back("")

    def _confirm(self, out: _Out) -> None:
        self._out = None
        tally = self.tallies[out.hop]
        self.tallies[out.hop] = tally._replace(shown=tally.shown + 1)
        self._silent.pop(out.hop, None)
        self._arrived(out.handing)

    def _take_back(self, why: str) -> None:
        """Give up what is out; `why` it failed, or "" if nothing was seen of it. Late evidence still counts."""
        out, self._out = self._out, None
        if out is None:
            return
        tally = self.tallies[out.hop]
        if why:
            self.tallies[out.hop] = tally._replace(failed=tally.failed + 1, why=why)
            self._silent[out.hop] = self._clock() + BOUND[out.hop]
        else:
            self.tallies[out.hop] = tally._replace(unseen=tally.unseen + 1)
            self._remembered[out.handing.notice.mark] = out.handing
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        for each in out.handing.ids:
            self._tried[each] = self._tried.get(each, frozenset()) | {out.hop}
        self._came_back(out.handing)

    # Hooks

    def hook(self, name: str, said: Mapping[str, Any]) -> Handing | None:
        """A hook of the client fired: what it is to print. To be ended with `printed` or `not_printed`."""
        event = hooks.EVENTS.get(name)
        if event is None:
            return None
        self._note(name, event, said)
        handing = self._take(waking=event.interrupts or event.ends) if self._may_say(event, said) else None
        if handing is not None and event.say is not None:
            handing.printed = event.print(name, handing.notice.text)
            if event.ends:
                self._be(Activity.WORKING)
        self.link.bell.ring()
        return handing

    async def wait_for_news(self, said: Mapping[str, Any]) -> Handing | None:
        """A hook waits in the background: what it is to print when something comes, or None if another has come."""
        self._note(WAKE, hooks.EVENTS[WAKE], said)
        self._let_go_of_waker()
        waker: asyncio.Future[Handing | None] = asyncio.get_running_loop().create_future()
        self._waker = waker
        self._tell()
        self.link.bell.ring()
        try:
            return await waker
        except asyncio.CancelledError:
            if waker.done() and not waker.cancelled() and (handing := waker.result()) is not None:
                self._came_back(handing)  # it was given one in the moment in which it went away
            raise
        finally:
            if self._waker is waker:
                self._waker = None
                self._tell()

    def printed(self, handing: Handing) -> None:
        """The hook has written it out."""
        self._arrived(handing)

    def not_printed(self, handing: Handing) -> None:
        """The hook has ended before."""
        self._came_back(handing)

    def _let_go_of_waker(self) -> None:
        waker, self._waker = self._waker, None
        if waker is not None and not waker.done():
            waker.set_result(None)

    def _may_say(self, event: Event, said: Mapping[str, Any]) -> bool:
        if event.say is None or self.rules.hooks is Eager.OFF or (event.ends and hooks.goes_on_already(said)):
            return False
        return not ((event.interrupts or event.ends) and self.rules.hooks is Eager.WHEN_IDLE)

    def _note(self, name: str, event: Event, said: Mapping[str, Any]) -> None:
        self.heard[name] = self._clock()
        if event.activity is not None:
            self._be(event.activity)
        path = said.get("transcript_path")
        if isinstance(path, str) and path and not said.get("agent_id"):
            self._transcript = Path(path)
        prompt = said.get("prompt")
        if isinstance(prompt, str):
            self._evidence(prompt)
            if event.activity is Activity.WORKING and not self._is_ours(prompt):
                self.link.tell(prompted=True)
        self._tell()

    def _be(self, activity: Activity) -> None:
        if activity is not self.activity:
            self.activity = activity
            self.link.tell(activity=None if activity is Activity.UNKNOWN else activity.value)

    def _evidence(self, prompt: str) -> None:
        """The session has taken this text up: perhaps it is a notice of ours."""
        if self._out is not None and self._out.handing.notice.mark in prompt:
            self._confirm(self._out)
        for mark in [mark for mark in self._remembered if mark in prompt]:
            self._arrived_late(self._remembered.pop(mark))

    def _arrived_late(self, handing: Handing) -> None:
        if handing.inbox is not self.link.inbox:
            return
        if handing.notice.whole:
            handing.inbox.take_these(handing, lambda item: _id(item) in handing.ids)
        self._arrived(handing)

    def _is_ours(self, prompt: str) -> bool:
        """Whether no person typed this prompt: it is a notice of ours, or the client's own word of a task's end."""
        return prompt.startswith("<task-notification") or any(mark in prompt for mark in self._marks)

    # What others are told

    def hops(self) -> list[str]:
        """How a message gets to this model, by name, the best first."""
        ways = [self._way(hop) for hop in Hop]
        if WAKE in self.heard and self.activity is Activity.WORKING:  # it waits again when the turn ends
            ways = [way._replace(open=True) if way.hop is Hop.WAKE else way for way in ways]
        now = self._clock()
        pushing = [way.hop.value for way in ways if way.open and way.eager is not Eager.OFF and way.silent_until <= now]
        if Hop.CHANNEL.value in pushing and not self.tallies[Hop.CHANNEL].shown:
            pushing.remove(Hop.CHANNEL.value)  # whether the session listens to it is not known
        return [*pushing, *(["hooks"] if self.heard and self.rules.hooks is not Eager.OFF else []), *HOPS]

    def _tell(self) -> None:
        hops = self.hops()
        told = (hops, any(hop.value in hops for hop in Hop))
        if told != self._told:
            self._told = told
            self.link.tell(hops=hops, wakes=told[1])

    # Tools

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While a tool call waits for messages, nothing is pushed: it takes them by itself."""
        self._listeners += 1
        self.link.bell.ring()
        try:
            yield
        finally:
            self._listeners -= 1
            self.link.bell.ring()

    async def before_reading(self) -> None:
        """A tool is about to show what waits: what was pushed just now is either known to be shown, or its to show."""
        out = self._out
        if out is None:
            return
        end = self._clock() + READING
        while self._out is out:
            seen = await self._seen(out)
            if self._out is not out or seen is Seen.QUEUED:
                return
            if seen is Seen.SHOWN:
                self._confirm(out)
            elif self._clock() >= min(end, out.at + READING):
                self._take_back("")
            else:
                await asyncio.sleep(0.1)

    # To be examined

    @contextmanager
    def keeping_back(self, message_id: str) -> Iterator[None]:
        """While a message is looked for, no hop carries it."""
        self._kept_back.add(message_id)
        try:
            yield
        finally:
            self._kept_back.discard(message_id)

    async def attempt(self, hop: Hop, text: str, limit: float) -> str | None:
        """Say `text` by this hop alone: None if it arrived, else why not; "" if that cannot be known.

        Raises Unavailable where the hop is busy with a message.
        """
        if self._out is not None:
            raise Unavailable("It is busy with a message; try again in a moment.")
        mark = framing.new_mark([text])
        self._marks.append(mark)
        ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        told = notice.Notice(f"{text}\n(Hubbub, {mark})", mark, False)
        handing = Handing(told, frozenset(), self.link.inbox, ended=partial(_settle, ended))
        before = self.tallies[hop]
        await self._send(hop, handing)
        self._hasten(handing, self._clock() + limit)
        done, _ = await asyncio.wait({ended}, timeout=limit + BOUND[Hop.INBOX])
        if done and ended.result():
            return None
        return self.tallies[hop].why if self.tallies[hop].failed > before.failed else ""

    def _hasten(self, handing: Handing, due: float) -> None:
        if self._out is not None and self._out.handing is handing:
            self._out.due = min(self._out.due, due)
            self.link.bell.ring()


def _settle(future: asyncio.Future[bool], value: bool) -> None:
    if not future.done():
        future.set_result(value)


def _id(item: Item) -> str:
    return f"gap {item.to}" if isinstance(item, Gap) else item.id
