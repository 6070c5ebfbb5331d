"""What the dashboard's pages ask of the hub: what the HTTP API gives, without HTTP.

A page and a route that show the same come from one method here. `dashboard/source.py` says which there have to be.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from msgspec import structs

from hub import forecast, frames, inquiry, particulars, wire
from hub.cost import cost
from hub.errors import BadName
from hub.node import Node
from hub.past import Past, Pasts
from hub.pulse import BEAT
from hub.topic import name_key


class Source:
    """One hub's answers; `at` gives those of earlier moments, out of `pasts`. `health` is how it is: GET /health.

    `facts` is what only the process knows of it: its address, its mode, its notices. `scene` is what is asked: the hub
    as it runs, or as it was.
    """

    def __init__(
        self,
        node: Node,
        pasts: Pasts,
        facts: Callable[[], dict[str, Any]],
        health: Callable[[], Awaitable[dict[str, Any]]],
        past: Past | None = None,
    ) -> None:
        self.scene: inquiry.Scene = past or node
        self._node = node
        self._past = past
        self._pasts = pasts
        self._facts = facts
        self._health = health

    async def at(self, when: str | None) -> Source:
        """The same of an earlier moment, as `Pasts.at` takes it (None: of the present). Raises what that does."""
        if when is None:
            return self
        return Source(self._node, self._pasts, self._facts, self._health, await self._pasts.at(when))

    async def about(self) -> dict[str, Any]:
        """What every page shows of the hub; nothing has to be counted for it. `at` is the moment.

        Of an earlier one that is what is known of it, `past`, beside what the process is that tells it.
        """
        about = {"at": frames.moment(self.scene.now()), **self._facts(), **inquiry.standing(self.scene)}
        return about if self._past is None else about | {"version": self._node.version, "past": self._past.told()}

    async def status(self) -> dict[str, Any]:
        """The hub in a few numbers: GET /status."""
        return {**self._facts(), **await inquiry.totals(self.scene)}

    async def snapshot(self, recent: int = inquiry.RECENT) -> dict[str, Any]:
        """What the overview shows, with so many of the newest messages: GET /snapshot."""
        shot = await inquiry.snapshot(self.scene, recent)
        shot["hub"] = {**self._facts(), **shot["hub"]}
        if self._past is not None:  # of the process that ran then nothing is known
            shot["hub"] |= {"pid": None, "notices": [], "legacy": None}
            shot["past"] = self._past.told()
        return shot

    def _called(self, name: str) -> str:
        """What that one was called then who is called so now, unless somebody else was called so: one instance has many
        names in its time. A name that nobody has stays as it is."""
        with suppress(BadName):  # whoever is asked says so
            key = name_key(name)
            if self._past is not None and self._past.hub.registry.find(key) is None:
                now = self._node.hub.registry.find(key)
                then = self._past.hub.registry.instances.get(now.origin) if now is not None else None
                return name if then is None else then.name
        return name

    def meant(self, asked: inquiry.Asked) -> inquiry.Asked:
        """The same question in the names of this moment."""
        if self._past is None:
            return asked
        with_, from_, to = (
            each and ",".join(map(self._called, each.split(","))) for each in (asked.with_, asked.from_, asked.to)
        )
        return structs.replace(asked, with_=with_, from_=from_, to=to)

    async def history(self, **asked: Any) -> dict[str, Any]:
        """A page of old messages: GET /messages. What may be asked for is in `inquiry.Asked`."""
        found, more = await inquiry.history(self.scene, None, self.meant(inquiry.Asked(**asked)))
        return {"messages": [wire.raw(each) for each in found], "more": more}

    async def message(self, message_id: str) -> dict[str, Any]:
        """One message, by its id or its offset, and where it is for each recipient: GET /messages/ID."""
        return (await inquiry.message(self.scene, None, message_id)).told()

    async def names(self) -> list[str]:
        """Who there is, without what has to be counted."""
        return self.scene.hub.registry.names()

    async def instance(self, name: str) -> dict[str, Any]:
        """One instance with its names, sessions and subscriptions: GET /instances/NAME."""
        return await particulars.particulars(self.scene, self._called(name))

    async def queue(self, name: str, limit: int) -> dict[str, Any]:
        """What it has not read: GET /instances/NAME/queue."""
        return await particulars.queue(self.scene, self._called(name), limit)

    async def activity(self, name: str, hours: int) -> dict[str, Any]:
        """What it did lately: GET /instances/NAME/activity."""
        return await particulars.doings(self.scene, self._called(name), hours)

    async def replies(self, name: str) -> dict[str, Any]:
        """How quickly it answers and is answered: GET /instances/NAME/replies."""
        return await particulars.replies(self.scene, self._called(name))

    async def topics(self) -> dict[str, Any]:
        """Every topic, how fast it grows and what goes when: GET /topics."""
        return await forecast.topics(self.scene, self._node.retention if self._past is None else None)

    async def timeline(self, at: str | None = None) -> dict[str, Any]:
        """How much was said when, and what lies before and after a moment: GET /timeline."""
        return await self._pasts.timeline(at)

    async def health(self) -> dict[str, Any]:
        """How the hub is, and how much there is of what may run out: GET /health."""
        return await self._health()

    async def cost(self) -> dict[str, Any]:
        """What agents have read of one another, in estimated tokens: GET /cost."""
        if self._past is not None:
            return await cost(self._past, await self._pasts.newest(self._past.hub.head))
        hub = self._node.hub
        return await cost(self._node, hub.window.newest(hub.limits.window_messages))

    async def conversation(self, **wanted: Any) -> dict[str, Any]:
        """A page of what was said, as an observer has it: GET /messages?ladder=1; `wanted` is for `inquiry.Asked`.

        Beside that `head`, up to which it is complete, and `parties`: who there is, and what they hear.
        """
        head = self.scene.hub.head
        found, more = await inquiry.history(self.scene, None, self.meant(inquiry.Asked(**wanted)))
        return {
            "messages": [wire.raw(each) for each in found],
            "more": more,
            "ladders": await inquiry.states(self.scene, found),
            "senders": inquiry.senders(self.scene, found),
            "head": head,
            "parties": inquiry.parties(self.scene),
        }

    async def pulse(self, after: int = 0) -> dict[str, Any]:
        """The last hour, as far as this hub has seen it, past the beat that began at `after`: GET /pulse."""
        now = self._node.now()
        return {
            "at": frames.moment(now),
            "since": frames.moment(self._node.started_at),
            "beat": BEAT,
            "beats": [each._asdict() for each in self._node.pulse.beats(after, now)],
        }
