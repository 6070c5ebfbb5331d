"""Messages from elsewhere: of the system before this one, or of another hub.

They keep their times and the names under which they were sent, and stand in the log where they came in. What counts as
read is a cursor, one an instance; so what somebody had read there goes first, and its cursor over it as soon as it is
committed: nothing of it is delivered again. What somebody had not read waits as if it had just come.

A cursor is never moved over anything that is unread here. Where that would be needed, a message is left out, and said
to be: once its reader has read, it can be taken. Taking one twice stores it once, by its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, NamedTuple, TypeAlias

from msgspec import Meta, Struct, field, structs

from hub import frames, inquiry
from hub.errors import HubbubError, NameTaken
from hub.message import Draft, Message
from hub.node import Node
from hub.registry import Instance, hears
from hub.tables import SessionRow
from hub.topic import address, name_key
from hub.units import span_text

Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]


class Item(Struct, kw_only=True):
    """A message to be taken in.

    `from` is the name it was sent under, `sender` what that instance is called now; `unread` names those for whom it is
    unread, of everybody else who hears it here it counts as read. Without an end of its own, one for a name that nobody
    has waits as long as one that was sent here. An `answer_by` that is over is left out: its sender was told there.
    """

    id: str
    from_: str = field(name="from")
    sender: str | None = None
    to: str
    body: str
    at: Moment
    data: Any = None
    thread: str | None = None
    reply_to: str | None = None
    attachments: list[dict[str, Any]] | None = None
    expires_at: Moment | None = None
    answer_by: Moment | None = None
    unread: list[str] = []


class Forward(Struct, kw_only=True):
    """A name that somebody had before, and until when it leads to the new one."""

    name: str
    until: Moment


class Who(Struct, kw_only=True):
    """An instance to be taken in."""

    name: str
    last_seen: Moment | None = None
    topics: list[str] = []
    forwards: list[Forward] = []


class OldSession(Struct, kw_only=True):
    """A session of the old protocol, by the SHA-256 of its token in hex."""

    hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    name: str
    created_at: Moment
    expires_at: Moment


class Left(NamedTuple):
    """What was not taken: its id or name, the kind of reason, and the reason."""

    what: str
    code: str
    why: str


class Told(Struct, kw_only=True):
    """What has become of what was handed in. Each message is in one of `taken`, `known` and `left`.

    `again` of those taken had been read there, and are delivered again all the same: other mail came in that moment.
    """

    taken: int = 0
    known: int = 0
    again: int = 0
    left: list[Left] = []
    names: int = 0
    forwards: int = 0
    sessions: int = 0


class Intake:
    """Takes in what is handed to it. `adopt` keeps a session of the old protocol."""

    def __init__(self, node: Node, adopt: Callable[[SessionRow], Awaitable[None]]) -> None:
        self._node = node
        self._adopt = adopt
        self._turn = asyncio.Lock()  # what two hand in at a time would be in each other's way

    async def take(self, names: Sequence[Who], messages: Sequence[Item], sessions: Sequence[OldSession]) -> Told:
        """Take in names, then messages, then sessions. Raises StorageFailed or ShuttingDown; then do it all again."""
        told = Told()
        async with self._turn:
            for who in names:
                await self._name(who, told)
            await self._messages(messages, told)
            for session in sessions:
                await self._session(session, told)
        return told

    # Names

    async def _name(self, who: Who, told: Told) -> None:
        hub, now = self._node.hub, self._node.now()
        try:
            key = name_key(who.name)
            if hub.registry.find(key) is None:
                for forward in who.forwards:
                    await self._forward(who, forward, told)
            if hub.registry.find(key) is None:
                at = min(now, who.last_seen.timestamp()) if who.last_seen else now
                await self._node.register(who.name, at)
                told.names += 1
            instance = hub.instance(who.name)
            for topic in who.topics:
                await self._node.subscribe(instance, topic)
        except HubbubError as why:
            self._not_here(why)
            told.left.append(Left(who.name, why.code, why.message))

    async def _forward(self, who: Who, forward: Forward, told: Told) -> None:
        """Register under the old name, then rename: so that the old one leads to the new."""
        hub, until = self._node.hub, forward.until.timestamp()
        holding = hub.registry.held.get(name_key(forward.name))
        if until <= self._node.now() or holding is not None:
            return
        instance = hub.registry.find(name_key(who.name))
        if instance is None:
            instance = await self._node.register(forward.name)
            told.names += 1
        else:  # several old names: each is taken for a moment
            await self._node.rename(instance, forward.name, until)
        try:
            await self._node.rename(instance, who.name, until)
        except NameTaken as why:  # mail waits here for whoever registers so: then that is what it does
            told.left.append(Left(forward.name, why.code, why.message))
        else:
            told.forwards += 1

    async def _session(self, session: OldSession, told: Told) -> None:
        try:
            instance = self._node.hub.instance(session.name)
        except HubbubError as why:
            told.left.append(Left(session.name, why.code, why.message))
            return
        await self._adopt(
            SessionRow(
                hash=session.hash,
                origin=instance.origin,
                created_at=session.created_at.timestamp(),
                expires_at=session.expires_at.timestamp(),
            )
        )
        told.sessions += 1

    # Messages

    async def _messages(self, items: Sequence[Item], told: Told) -> None:
        node = self._node
        known: dict[str, list[Message]] = {}
        for each in await node.log.find(*{item.id for item in items}) if items else ():
            known.setdefault(each.id, []).append(each)
        clear: dict[int, bool] = {}  # by origin: nothing is unread here, and the cursor stands at the head
        written: list[asyncio.Future[HubbubError | None]] = []
        reading = False  # what somebody has read is on its way: it takes no room in an inbox once it is there
        for item in items:
            if item.unread and reading:
                await asyncio.wait(written)
                reading = False
            try:
                found = await self._place(item, known.get(item.id, ()), clear)
            except _Leave as why:
                told.left.append(Left(item.id, why.code, str(why)))
                continue
            except HubbubError as why:
                self._not_here(why)
                told.left.append(Left(item.id, why.code, str(why)))
                continue
            if found is None:
                told.known += 1
                continue
            await node.journal.room()
            done: asyncio.Future[HubbubError | None] = asyncio.get_running_loop().create_future()
            written.append(done)
            reading = reading or bool(found.readers)
            node.journal.put(found.draft, partial(self._settled, done, found.readers, told))
        for failure in await asyncio.gather(*written):
            if failure is not None:
                raise failure
        await node.flush()

    async def _place(self, item: Item, known: Sequence[Message], clear: dict[int, bool]) -> _Placed | None:
        """The draft for a message and who has read it; None for one that is here. Raises _Leave, HubbubError."""
        self._check_age(item)
        sender = await self._node.register(item.sender or item.from_, min(self._node.now(), item.at.timestamp()))
        readers = await self._readers(sender, item)
        if (message := _same(known, sender, item)) is not None:
            self._advance(readers, message)
            return None
        for reader in readers:
            if not await self._clear(reader, clear):
                raise _Leave(
                    "unread_mail",
                    f"{reader.name} has unread mail here, and what it had read elsewhere would come behind it. "
                    f"Have {reader.name} read, then import again: the rest is taken then.",
                )
        draft = self._draft(sender, item, capped=not readers)
        clear.update((each.origin, False) for each in self._unread_for(item))
        return _Placed(draft, readers)

    def _settled(
        self,
        done: asyncio.Future[HubbubError | None],
        readers: list[Instance],
        told: Told,
        result: Message | HubbubError,
    ) -> None:
        """A message is on disk, and no session has taken it yet: those who had read it never see it."""
        if isinstance(result, Message):
            told.taken += 1
            if not self._advance(readers, result):
                told.again += 1
        if not done.done():
            done.set_result(None if isinstance(result, Message) else result)

    def _advance(self, readers: list[Instance], message: Message) -> bool:
        """Move the cursors of those who have read it to a message, where nothing unread lies before it."""
        now = self._node.now()
        moved = True
        for reader in readers:
            if reader.read >= message.offset:
                continue
            if self._node.hub.nothing_unread_before(reader, message.offset, now):
                self._node.read(reader, message.offset)
            else:
                moved = False
        return moved

    async def _clear(self, instance: Instance, clear: dict[int, bool]) -> bool:
        """Whether an instance has nothing unread here. Then its cursor is moved to the head, which changes nothing."""
        if instance.origin not in clear:
            head = self._node.hub.head
            count, _ = await inquiry.unread_count(self._node, instance, self._node.now())
            clear[instance.origin] = not count
            if not count and instance.read < head:
                self._node.read(instance, head)
        return clear[instance.origin]

    async def _readers(self, sender: Instance, item: Item) -> list[Instance]:
        """Those who would hear a message here, and are not among those for whom it is unread."""
        registry = self._node.hub.registry
        goes = address(item.to)
        unread = {name.lower() for name in item.unread}
        if goes.name is not None:
            if goes.name.lower() in unread:
                return []
            return [await self._node.register(goes.name, min(self._node.now(), item.at.timestamp()))]
        unread_by = {each.origin for each in self._unread_for(item)} | {sender.origin}
        return [
            each for each in registry.instances.values() if each.origin not in unread_by and hears(each, goes.topic)
        ]

    def _unread_for(self, item: Item) -> list[Instance]:
        found = (self._node.hub.registry.find(name.lower()) for name in item.unread)
        return [each for each in found if each is not None]

    def _draft(self, sender: Instance, item: Item, *, capped: bool) -> Draft:
        node, now, at = self._node, self._node.now(), item.at.timestamp()
        said = frames.Publish(
            to=item.to, body=item.body, data=item.data, thread=item.thread, reply_to=item.reply_to, id=item.id
        )
        draft = node.hub.bring(sender, said, now, capped=capped)
        expires_at = item.expires_at.timestamp() if item.expires_at else None
        if expires_at is None and draft.expires_at is not None:  # it waits for a name that nobody has
            expires_at = at + node.hub.limits.unknown_ttl
        answer_by = item.answer_by.timestamp() if item.answer_by else None
        return structs.replace(
            draft,
            sender=item.from_,
            at=min(at, now),
            expires_at=expires_at,
            answer_by=answer_by if answer_by is not None and answer_by > now else None,
            attachments=item.attachments,
        )

    def _check_age(self, item: Item) -> None:
        age = self._node.retention.age
        if item.at.timestamp() < self._node.now() - age:
            raise _Leave(
                "retention_age",
                f"Older than retention_age ({span_text(age)}): it would be removed at once. "
                "Set retention_age to more and restart the hub, then import again.",
            )

    def _not_here(self, why: HubbubError) -> None:
        """Raise what concerns the hub and not the one thing that was handed in."""
        if why.status == 503:
            raise why


class _Placed(NamedTuple):
    draft: Draft
    readers: list[Instance]


class _Leave(Exception):
    """A message is left out; `code` is the kind of reason."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


def _same(found: Sequence[Message], sender: Instance, item: Item) -> Message | None:
    """The message that was taken from here before, be it that its sender is another instance since."""
    at = item.at.timestamp()
    for message in found:
        if message.origin == sender.origin or (message.body == item.body and abs(message.at - at) < 0.001):
            return message
    return None
