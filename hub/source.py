"""What the dashboard's pages ask of the hub: what the HTTP API gives, without HTTP.

A page and a route that show the same come from one method here. `dashboard/source.py` says which there have to be.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from hub import forecast, frames, inquiry, particulars, wire
from hub.cost import cost
from hub.node import Node
from hub.past import Pasts
from hub.pulse import BEAT


class Source:
    """One hub's answers; `pasts` gives those of earlier moments. `health` is how it is: GET /health.

    `facts` is what only the process knows of it: its address, its mode, its notices.
    """

    def __init__(
        self,
        node: Node,
        pasts: Pasts,
        facts: Callable[[], dict[str, Any]],
        health: Callable[[], Awaitable[dict[str, Any]]],
    ) -> None:
        self.node = node
        self._pasts = pasts
        self._facts = facts
        self._health = health

    async def about(self) -> dict[str, Any]:
        """What every page shows of the hub; nothing has to be counted for it. `at` is the moment."""
        return {"at": frames.moment(self.node.now()), **self._facts(), **inquiry.standing(self.node)}

    async def status(self) -> dict[str, Any]:
        """The hub in a few numbers: GET /status."""
        return {**self._facts(), **await inquiry.totals(self.node)}

    async def snapshot(self, recent: int = inquiry.RECENT, at: str | None = None) -> dict[str, Any]:
        """What the overview shows, with so many of the newest messages: GET /snapshot.

        `at` is an earlier moment, as `Pasts.at` takes it, and raises what that does.
        """
        if at is None:
            shot = await inquiry.snapshot(self.node, recent)
            shot["hub"] = {**self._facts(), **shot["hub"]}
            return shot
        past = await self._pasts.at(at)
        shot = await inquiry.snapshot(past, recent)
        then: dict[str, Any] = {
            "pid": None,
            "notices": [],
            "legacy": None,
        }  # of the process that ran then nothing is known
        shot["hub"] = {**self._facts(), **then, **shot["hub"]}
        shot["past"] = {"offset": past.hub.head, "running": past.running, "unsure": past.unsure_names()}
        return shot

    async def history(self, **asked: Any) -> dict[str, Any]:
        """A page of old messages: GET /messages. What may be asked for is in `inquiry.Asked`."""
        found, more = await inquiry.history(self.node, None, inquiry.Asked(**asked))
        return {"messages": [wire.raw(each) for each in found], "more": more}

    async def message(self, message_id: str) -> dict[str, Any]:
        """One message, by its id or its offset, and where it is for each recipient: GET /messages/ID."""
        return (await inquiry.message(self.node, None, message_id)).told()

    async def names(self) -> list[str]:
        """Who there is, without what has to be counted."""
        return self.node.hub.registry.names()

    async def instance(self, name: str) -> dict[str, Any]:
        """One instance with its names, sessions and subscriptions: GET /instances/NAME."""
        return await particulars.particulars(self.node, name)

    async def queue(self, name: str, limit: int) -> dict[str, Any]:
        """What it has not read: GET /instances/NAME/queue."""
        return await particulars.queue(self.node, name, limit)

    async def activity(self, name: str, hours: int) -> dict[str, Any]:
        """What it did lately: GET /instances/NAME/activity."""
        return await particulars.doings(self.node, name, hours)

    async def replies(self, name: str) -> dict[str, Any]:
        """How quickly it answers and is answered: GET /instances/NAME/replies."""
        return await particulars.replies(self.node, name)

    async def topics(self) -> dict[str, Any]:
        """Every topic, how fast it grows and what goes when: GET /topics."""
        return await forecast.topics(self.node)

    async def timeline(self, at: str | None = None) -> dict[str, Any]:
        """How much was said when, and what lies before and after a moment: GET /timeline."""
        return await self._pasts.timeline(at)

    async def health(self) -> dict[str, Any]:
        """How the hub is, and how much there is of what may run out: GET /health."""
        return await self._health()

    async def cost(self) -> dict[str, Any]:
        """What agents have read of one another, in estimated tokens: GET /cost."""
        return await cost(self.node)

    async def conversation(self, **wanted: Any) -> dict[str, Any]:
        """A page of what was said, as an observer has it: GET /messages?ladder=1; `wanted` is for `inquiry.Asked`.

        Beside that `head`, up to which it is complete, and `parties`: who there is, and what they hear.
        """
        head = self.node.hub.head
        found, more = await inquiry.history(self.node, None, inquiry.Asked(**wanted))
        return {
            "messages": [wire.raw(each) for each in found],
            "more": more,
            "ladders": await inquiry.states(self.node, found),
            "head": head,
            "parties": inquiry.parties(self.node),
        }

    async def pulse(self, after: int = 0) -> dict[str, Any]:
        """The last hour, as far as this hub has seen it, past the beat that began at `after`: GET /pulse."""
        now = self.node.now()
        return {
            "at": frames.moment(now),
            "since": frames.moment(self.node.started_at),
            "beat": BEAT,
            "beats": [each._asdict() for each in self.node.pulse.beats(after, now)],
        }
