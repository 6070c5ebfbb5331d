"""The standing connection: who this agent is at the hub, and the inbox that fills while the model works.

It connects in the background and by itself: it starts the hub where none runs, takes the next free name where the
wanted one is a live session's, comes back after a break, and follows the hub to another port or database.
A hub that said goodbye (`hubbub stop`) is not started again until a tool needs it; one that was lost is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random as random_module
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable, Iterator
from typing import Any

from hub import frames
from hub.client import Client, State
from hub.errors import BadName, HubbubError, NameTaken, ShuttingDown, TakenOver, Unreachable
from hub.reconnect import Backoff
from hub.request import Place
from hub.topic import name_key
from mcp_client.bell import Bell
from mcp_client.inbox import Inbox
from mcp_client.naming import numbered

Find = Callable[[bool], Awaitable[Place]]

PATIENCE = 20.0  # seconds that a tool waits for the hub: longer than one may take to start
SETTLING = 2.0  # seconds from the welcome on in which a check waits for the mail that it promised
LEAVING = 1.0  # seconds to tell the hub what was read before the process ends

HOPS = ("wait", "piggyback", "check")  # how a message gets to any model that has our tools

log = logging.getLogger(__name__)


class Link:
    """`name` is the wanted one. `find(start)` says where the hub is, and starts it if none runs and `start` is true.

    `client` is what the hub shows people about this agent. `inbox` is the buffer; another one after `register`.
    """

    def __init__(
        self,
        name: str,
        find: Find,
        *,
        client: str = "mcp",
        new_inbox: Callable[[], Inbox] = Inbox,
        random: Callable[[], float] = random_module.random,
        patience: float = PATIENCE,
    ) -> None:
        self.name = name
        self.client = client
        self.patience = patience
        self.inbox = new_inbox()
        self.bell = Bell()
        self.trouble: HubbubError | None = None
        self.notice: str | None = None  # something about the name that the model has to be told once
        self.epoch = ""
        self._new_inbox = new_inbox
        self._find = find
        self._wanted = name
        self._random = random
        self._backoff = Backoff(random)
        self._presence: dict[str, Any] = {"hops": HOPS, "wakes": False}
        self._hub: Client | None = None
        self._joining = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._needed = False
        self._left = False  # the hub said goodbye
        self._promised = 0  # messages of the welcome's backlog that are still on their way
        self._settled_at = 0.0  # the loop's time from which on they are not waited for
        self._life: asyncio.Task[None] | None = None
        self._errands: set[asyncio.Task[Any]] = set()

    # Life

    def start(self) -> None:
        """Begin to connect, in the background."""
        self._life = asyncio.create_task(self._live(), name="link")

    async def close(self) -> None:
        """Say what was read, and leave."""
        hub, self._hub = self._hub, None
        if self._life is not None:
            self._life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._life
        if hub is not None:
            if hub.state == "online" and self.inbox.read:
                with contextlib.suppress(HubbubError, TimeoutError):
                    await asyncio.wait_for(hub.read(self.inbox.read), LEAVING)
            await hub.close()
        for errand in self._errands:
            errand.cancel()

    @property
    def online(self) -> bool:
        return self._hub is not None and self._hub.state == "online"

    @property
    def current(self) -> Client | None:
        """The client, if it is online."""
        return self._hub if self.online else None

    @property
    def people(self) -> frozenset[str]:
        """The names, in small letters, that are persons' and no agents'."""
        return self._hub.people if self._hub else frozenset()

    @property
    def url(self) -> str | None:
        return self._hub.url if self._hub else None

    async def hub(self) -> Client:
        """The client, online. Raises why it is not, after `patience` seconds at most; starts the hub if need be."""
        self._needed = True
        self._hurry.set()
        await self.bell.until(lambda: self.online or self._is_final(self.trouble), self.patience)
        if self._hub is not None and self.online:
            return self._hub
        raise self._why_not()

    async def settled(self) -> None:
        """Wait for mail that the hub has announced and not pushed yet: only in the first moment of a connection."""
        if self.epoch and self._promised > 0:
            left = self._settled_at - asyncio.get_running_loop().time()
        else:
            left = 0.0 if self.epoch else SETTLING
        if left > 0:
            await self.bell.until(lambda: (self.epoch and self._promised <= 0) or not self.online, left)

    # Names

    async def register(self, name: str) -> str:
        """Be `name` from now on: its waiting mail comes here, and mail for the name of before waits for that name.

        Raises BadName; NameTaken where a live session has it; Unreachable. On an error everything stays as it was.
        """
        key = name_key(name)
        self._needed = True
        self._hurry.set()
        async with self._joining:
            if not (self.online and self.name.lower() == key):
                await self._join([name])
                self._wanted = self.name
        return self.name

    async def rename(self, name: str) -> str:
        """Another name for the same instance: its mail, history and subscriptions stay."""
        self.name = self._wanted = await (await self.hub()).rename(name)
        return self.name

    # What the hub is told of this agent

    def introduce(self, client: str) -> None:
        """What people are shown beside the name, now that the agent's client has said what it is."""
        if client != self.client:
            self.client = client
            self.tell(client=client)

    def tell(self, **presence: Any) -> None:
        """What the agent is doing, and how a message gets to its model: see `hub.client.Client.presence`.

        It is kept over breaks, and over another name.
        """
        self._presence |= {key: value for key, value in presence.items() if key not in ("client", "prompted")}
        if self._hub is not None:
            self._hub.presence(**presence)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """While a tool call waits for a message, the agent has it the moment it comes."""
        before = self._presence.get("activity")
        self.tell(activity="waiting")
        try:
            yield
        finally:
            if self._presence.get("activity") == "waiting":
                self.tell(activity=before)

    # What goes out

    def handed(self, claim: Hashable) -> None:
        """A tool's result has been written: its messages are read, and there is room for more."""
        room = self.inbox.credit()
        offset = self.inbox.handed(claim)
        if self._hub is None:
            return
        if offset is not None:
            self._errand(self._hub.read(offset, wait=False))
        if self.inbox.credit() != room:
            self._make_room()

    def give_back(self, claim: Hashable) -> None:
        """A tool's result was not written: its messages wait again."""
        if self.inbox.give_back(claim):
            self.bell.ring()

    # Inside

    async def _live(self) -> None:
        while True:
            try:
                if self._hub is None:
                    async with self._joining:
                        if self._hub is None:
                            await self._join(dict.fromkeys([self.name, *numbered(self._wanted)]))
                await self._follow()
            except HubbubError as why:
                log.warning("not connected: %s", why)
                await self._rest(why)
            except Exception as why:
                log.exception("the connection's task failed")
                await self._rest(HubbubError(f"The connection failed: {why!r}."))

    async def _rest(self, why: HubbubError) -> None:
        self.trouble = why
        self.bell.ring()
        if self._is_final(why):
            await self.bell.until(lambda: self._hub is not None, None)
        else:
            await self._nap(self._backoff.next())

    async def _join(self, names: Iterable[str]) -> None:
        """Connect under the first of these names that is free, and go by it. Raises the last refusal."""
        taken: NameTaken | None = None
        for name in names:
            inbox = self._new_inbox()
            place = await self._place()
            hub = Client(
                place.url,
                place.token,
                name,
                tls_cert=place.tls_cert,
                credit=inbox.credit,
                client=self.client,
                confirm=False,
                locate=self._place,
                on_state=self._state,
                random=self._random,
                sleep=self._nap,
            )
            try:
                await hub.start()
            except NameTaken as why:
                taken = why
                continue
            if taken:
                self.notice = f"The name {self.name} is in use by another live session, so you are {hub.name}."
            await self._adopt(hub, inbox)
            return
        assert taken is not None
        raise taken

    async def _adopt(self, hub: Client, inbox: Inbox) -> None:
        before, self._hub, self.inbox = self._hub, hub, inbox
        self.name = hub.name or self.name
        self.trouble = None
        self._backoff.reset()
        self._promised = 0
        self.epoch = ""
        hub.presence(client=self.client, **self._presence)  # it may have become known while this connected
        log.info("online as %s at %s", self.name, hub.url)
        if before is not None:
            await before.close()
        self._hurry.set()
        self.bell.ring()

    async def _follow(self) -> None:
        """Take what arrives, until this connection ends. Raises why, unless another has taken its place."""
        hub = self._hub
        if hub is None:
            return
        try:
            async for event in hub.events():
                if self._hub is not hub:
                    return
                self._take(event)
        except HubbubError:
            if self._hub is hub:
                self._hub = None
                raise
        except Exception:
            # What has come so far may have a hole: begin anew, from what was read.
            if self._hub is hub:
                self._hub = None
            await hub.close()
            raise

    def _take(self, event: Any) -> None:
        match event:
            case frames.Message():
                self._promised -= 1
                self.inbox.put(event)
            case frames.Gap():
                self.inbox.put_gap(event)
            case frames.Read():
                self.inbox.read_elsewhere(event.offset)
            case frames.Welcome():
                self._welcomed(event)
        self._make_room()
        self.bell.ring()

    def _welcomed(self, welcome: frames.Welcome) -> None:
        if self.epoch and self.epoch != welcome.epoch:
            log.warning("the hub has another database: epoch %s", welcome.epoch)
            self.inbox.renumber()
        self.epoch = welcome.epoch
        self.name = welcome.name or self.name
        self.trouble = None
        self._needed = self._left = False
        self.inbox.largest = max(welcome.max_body, 1)
        if not welcome.resumed:
            # Unread that cannot be counted at once is at least one.
            self._promised = min(1 if welcome.unread is None else welcome.unread, welcome.credit)
            self._settled_at = asyncio.get_running_loop().time() + SETTLING

    def _make_room(self) -> None:
        if self._hub is not None and self.inbox.last:
            self._hub.received(self.inbox.last, self.inbox.credit())

    def _state(self, state: State, error: HubbubError | None) -> None:
        if state == "offline" and error is not None:
            self.trouble = error
            self._left = self._left or isinstance(error, ShuttingDown)
            log.info("offline: %s", error)
        self.bell.ring()

    async def _place(self) -> Place:
        try:
            return await self._find(self._needed or not self._left)
        except HubbubError as why:
            self.trouble = why
            self.bell.ring()
            raise

    async def _nap(self, seconds: float) -> None:
        """Wait, but not longer than until somebody needs the hub."""
        self._hurry.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds)

    def _is_final(self, why: HubbubError | None) -> bool:
        return isinstance(why, TakenOver | BadName | NameTaken)

    def _why_not(self) -> HubbubError:
        match self.trouble:
            case TakenOver():
                return TakenOver(
                    f"Another session took the name {self.name} over, so this one is disconnected.",
                    "Call register with another name to come back.",
                )
            case BadName() | NameTaken() as why:
                return type(why)(why.message, "Call register with another name.")
            case None:
                return Unreachable("The hub has not answered yet.", "`hubbub doctor` finds out why; try again.")
            case why if why.hint:
                return why
            case why:
                return type(why)(why.message, "`hubbub start` starts the hub; `hubbub doctor` finds out what is wrong.")

    def _errand(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(doing)
        self._errands.add(task)
        task.add_done_callback(self._done)

    def _done(self, errand: asyncio.Task[Any]) -> None:
        self._errands.discard(errand)
        if not errand.cancelled() and (why := errand.exception()) is not None:
            log.warning("the hub was not told what was read, and may deliver it again", exc_info=why)
