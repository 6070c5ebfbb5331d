"""The Python client: one connection to the hub that comes back by itself.

    >>> async with connect("ws://127.0.0.1:4820/ws", token, "alice") as hub:
    ...     await hub.publish("bob", "is the build green?")
    ...     async for message in hub:
    ...         print(message.from_, message.body)
    ...         await hub.read(message.offset)

The first connection either stands or raises; after that a break is mended in the background (`hub.lifeline`). Iterating
confirms `received` by itself. `read` is the application's to say: whatever was not read is delivered again to the next
session of this name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import uuid_utils
from msgspec import UNSET, UnsetType

from hub import frames, wire
from hub.errors import BadFrame, TooLarge, Unreachable
from hub.lifeline import Asking, Event, Lifeline, State, json_only, look_away

__all__ = ["Answered", "Client", "Event", "Page", "State", "Whereabouts", "connect", "new_id"]


class Page(NamedTuple):
    """One page of history, oldest first; `more` says that there is an older one."""

    messages: list[frames.MessageJson]
    more: bool


class Whereabouts(NamedTuple):
    """One message, where it is for each recipient, and what became of the wish for an answer where there is one."""

    message: frames.MessageJson
    ladder: list[frames.Step]
    answer: frames.Answer | None = None


class Answered(NamedTuple):
    """A question as the hub has accepted it, and the first answer to it; None if none came in time."""

    question: frames.Published
    answer: frames.Message | None


def connect(url: str, token: str | None, name: str | None = None, **settings: Any) -> Client:
    """A `Client` to be used with `async with`; the settings are the class's."""
    return Client(url, token, name, **settings)


class Client(Lifeline):
    """A session of `name` at the hub.

    `url` is the hub's, `ws://127.0.0.1:4820/ws` or `http://127.0.0.1:4820`. `credit` is how many messages may wait
    here unconsumed, or a function that says how many more fit now. `observe` reads everything and needs no name.
    `take_over` takes the name from a live session, once; `share` joins it; `human` says that a person speaks,
    whose name is no agent's, and needs a token with the scope `admin`. With `confirm=False` iterating confirms
    nothing: call `received`. `on_state(state, error)` is called at each change of `state`. `locate`, if given, is asked
    before every attempt for the (url, token) of now, and may start a hub. `limit` is how many seconds a request may
    take in all. `random`, `sleep` and `keepalive` (seconds between pings, seconds for the answer) are there for tests.
    """

    # What arrives

    def __aiter__(self) -> AsyncIterator[frames.Message]:
        return self._messages()

    async def _messages(self) -> AsyncIterator[frames.Message]:
        async for event in self.events():
            if isinstance(event, frames.Message):
                yield event

    # What this agent tells of itself

    def presence(
        self,
        *,
        activity: frames.Activity | UnsetType | None = UNSET,
        hops: Sequence[str] | UnsetType | None = UNSET,
        wakes: bool | UnsetType | None = UNSET,
        client: str | UnsetType = UNSET,
        prompted: bool = False,
    ) -> None:
        """Tell what this agent is doing and how a message gets to its model; see `frames.Presence`.

        What is left out stays as it was, None says that it is not known. Nothing to wait for: it goes out with the
        next write, and again after each break.
        """
        said = self._presence
        if activity is not UNSET:
            said.activity = activity
        if hops is not UNSET:
            said.hops = None if hops is None else list(hops)
        if wakes is not UNSET:
            said.wakes = wakes
        if client is not UNSET:
            said.client = self._client = client
        said.prompted = said.prompted or prompted
        self._presence_due = True
        self._something_to_send.set()

    async def read(self, offset: int, *, wait: bool = True) -> None:
        """Everything up to `offset` was handed over for good: it is unread no longer.

        With `wait`, returns once it is on disk. Without, it is said again after a break until the hub confirms it.
        """
        answer = self._ask(frames.Read(offset=offset))
        if wait:
            await self._answer(answer)
            return
        if self._marking is not None:
            self._marking.cancel()  # the later one covers it
        self._marking = answer
        answer.add_done_callback(look_away)

    # Requests

    async def publish(
        self,
        to: str,
        body: str,
        data: Any = None,
        *,
        thread: str | None = None,
        reply_to: str | None = None,
        ttl: float | None = None,
        answer_by: float | str | None = None,
        id: str | None = None,
        attachments: Sequence[frames.Attachment] | None = None,
        limit: float | None = None,
    ) -> frames.Published:
        """Say something; returns once it is on disk. `ttl` is in seconds.

        `answer_by` is until when an answer is wanted: seconds from now, a span as "30m", or a time in RFC 3339. The
        recipient is shown it; if it passes without an answer, the hub says so in a message to this instance.
        `attachments` are files that were uploaded before, by `hub.transfer`.

        It always carries an id (a new UUIDv7 unless given) and is sent again under it after a break, so it is stored
        once. Raises the hub's typed error; or Unreachable after `limit` seconds: then it may or may not be stored, and
        publishing again with the same id is safe.
        """
        frame = frames.Publish(
            to=to,
            body=body,
            data=data,
            thread=thread,
            reply_to=reply_to,
            ttl=ttl,
            answer_by=answer_by,
            id=id or new_id(),
            attachments=list(attachments) if attachments else None,
        )
        self._check_size(frame)
        try:
            published: frames.Published = await self._answer(self._ask(frame), limit)
        except Unreachable as why:
            raise Unreachable(why.message, f"It may be stored all the same; its id is {frame.id}.") from None
        return published

    async def ask(
        self,
        to: str,
        body: str,
        data: Any = None,
        *,
        thread: str | None = None,
        reply_to: str | None = None,
        answer_by: float | str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - at the limit it returns what is known instead of raising
    ) -> Answered:
        """Ask, and wait for the first message that answers: whose `reply_to` is the question's id.

        Waits `timeout` seconds, or for ever; over breaks and restarts of the hub. What the hub said of the recipients
        is in `question` (`to[0].online` and `known` tell early that nobody may be there to answer). The answer comes
        among the events too, and somebody has to iterate over them: unconsumed messages use up the credit.
        """
        question = new_id()
        answer: asyncio.Future[frames.Message] = asyncio.get_running_loop().create_future()
        self._asked[question] = answer
        try:
            published = await self.publish(
                to, body, data, thread=thread, reply_to=reply_to, answer_by=answer_by, id=question
            )
            if any(each.state == "held" for each in published.to):
                return Answered(published, None)
            async with asyncio.timeout(timeout):
                return Answered(published, await answer)
        except TimeoutError:
            return Answered(published, None)
        finally:
            del self._asked[question]

    def _check_size(self, frame: frames.Publish) -> None:
        # What is far too large would have the hub close the connection, and be sent again after each break.
        if self.welcome is None:
            return
        with json_only():
            size = len(frame.body.encode()) + wire.data_size(frame.data)
        most = self.welcome.max_body
        if size > most:
            raise TooLarge(f"The message has {size} bytes; this hub takes up to {most}.", "Send it in parts.")

    async def subscribe(self, topic: str) -> list[str]:
        """Hear a topic or pattern from now on; returns all subscriptions. Raises BadTopic, TooMany."""
        return (await self._request(frames.Subscribe(topic=topic))).subscriptions or []

    async def unsubscribe(self, topic: str) -> list[str]:
        """Stop hearing a topic or pattern, named as it was subscribed; returns what remains."""
        return (await self._request(frames.Unsubscribe(topic=topic))).subscriptions or []

    async def subscriptions(self) -> list[str] | None:
        """What this instance hears beside its inbox and `all`, as far as the hub tells; None if it doesn't."""
        mine = (self.name or "").lower()
        for instance in await self.instances():
            if str(instance.get("name", "")).lower() == mine:
                topics = instance.get("topics")
                return list(topics) if isinstance(topics, list) else None
        return None

    async def rename(self, name: str) -> str:
        """Take another name: queue, history and session stay. Raises BadName, NameTaken.

        Reconnects go by the new name from then on.
        """
        reply = await self._request(frames.Rename(name=name))
        self.name = reply.name or name
        return self.name

    async def instances(self) -> list[dict[str, Any]]:
        """Who there is: name, online, sessions, unread, last_seen and more."""
        return (await self._request(frames.Instances())).instances or []

    async def history(
        self,
        *,
        with_: str | None = None,
        from_: str | None = None,
        to: str | None = None,
        topic: str | None = None,
        thread: str | None = None,
        search: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        before: int | None = None,
        after: int | None = None,
    ) -> Page:
        """Old messages this instance may see, a page at a time; `before` an offset turns to the page further back.

        With `after` an offset they come from there on. `since` (included) and `until` (not) must know their time zone:
        ValueError otherwise.
        """
        if any(each is not None and each.tzinfo is None for each in (since, until)):
            raise ValueError("since and until need a time zone: datetime.now(UTC), not datetime.now()")
        reply = await self._request(
            frames.History(
                with_=with_,
                from_=from_,
                to=to,
                topic=topic,
                thread=thread,
                search=search,
                since=since,
                until=until,
                limit=limit,
                before=before,
                after=after,
            )
        )
        return Page([_message(each) for each in reply.messages or []], bool(reply.more))

    async def status(self) -> dict[str, Any]:
        """How the hub is: url, pid, mode, version, head, instances, online, unread."""
        return (await self._request(frames.Status())).status or {}

    async def whereabouts(self, message_id: str) -> Whereabouts:
        """Where a message is for each recipient. Raises UnknownMessage."""
        reply = await self._request(frames.Status(id=message_id))
        if reply.message is None:
            raise BadFrame("The hub's answer about a message does not have the message.")
        return Whereabouts(_message(reply.message), reply.ladder or [], reply.answer)

    async def _request(self, frame: Asking) -> frames.Reply:
        reply: frames.Reply = await self._answer(self._ask(frame))
        return reply


def new_id() -> str:
    """A message id: a UUIDv7, so that ids sort by time. (RFC 9562, section 5.7)"""
    return str(uuid_utils.uuid7())


def _message(shown: Any) -> frames.MessageJson:
    try:
        if isinstance(shown, msgspec.Raw):
            return msgspec.json.decode(shown, type=frames.MessageJson)
        return msgspec.convert(shown, frames.MessageJson)
    except (msgspec.ValidationError, msgspec.DecodeError) as why:
        raise BadFrame(f"The hub's answer has a message that does not fit: {why}.") from None
