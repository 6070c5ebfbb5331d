"""The old protocol's verbs, for the scripts of claude-ipc-mcp: docs/legacy.md.

Each takes a request as those scripts send it, and gives the reply that their broker gave, in its words. Behind them is
the same hub as everybody's: a name is an instance, `send` a publish, `check` a read.

Who asks is whoever the session token was given to, whatever else the request says. Tokens are kept hashed, for a day.
A shared secret in IPC_SHARED_SECRET is asked for when a name is registered; without one, any program of this machine
may have any name: that is what the old system called its open mode.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import structlog
from msgspec import Struct, structs

from hub import fold, frames, inquiry
from hub.errors import BadName, HubbubError, InboxFull, NameTaken
from hub.limits import Buckets
from hub.log import Search
from hub.message import Message
from hub.node import Node
from hub.registry import Instance
from hub.tables import SessionRow
from hub.topic import ALL, INBOX, name_key

SECRET = "IPC_SHARED_SECRET"  # noqa: S105 - the variable's name in the old system's scripts
SESSION_SECONDS = 86_400.0
MAX_REPLY = 65_536  # bytes: an old script reads once, so much
LEAST_REPLY = 4096  # bytes that one read brings under any system
MAX_CHECKED = 100  # messages in one reply: what an old queue held
SUMMARY = 150  # characters of a message that does not fit into a reply
SYSTEM = "system"  # who tells of a rename; reserved, so nobody can have the name

_NO_SESSION = "Invalid or missing session token"
_BAD_NAME = "Invalid instance ID format. Use 1-32 alphanumeric characters, hyphens, or underscores."

logger = structlog.get_logger("hubbub.legacy")

Json = dict[str, Any]


class SessionStore(Protocol):
    """Where sessions outlive the hub, by the token's hash. Each call is durable when it returns; or StorageFailed."""

    async def save_session(self, session: SessionRow, now: float) -> None:
        """Store one, and forget those that are over."""

    async def sessions(self, now: float) -> list[SessionRow]:
        """All that hold."""


class Rules(Struct, kw_only=True, frozen=True):
    """What the bridge is held to.

    `secret` is the shared one, empty in open mode; `rate` requests a minute for one name (0: no limit); an instance
    may be renamed once in `rename_every` seconds. `files` is the folder for what is too long for a reply.
    """

    secret: str = ""
    rate: int = 0
    rename_every: float = 3600.0
    files: Path


class Reply(NamedTuple):
    """What to answer; `settle` is told then, once, whether that has reached the other side whole."""

    said: Json
    settle: Callable[[bool], Awaitable[None]] | None = None


class _Refused(Exception):
    """A request that gets an error, in the old broker's words."""


class Legacy:
    """The verbs. Made by the app; `load()` comes first."""

    def __init__(self, node: Node, store: SessionStore, rules: Rules) -> None:
        self.rules = rules
        self._node = node
        self._store = store
        self._sessions: dict[str, SessionRow] = {}
        self._checking: dict[int, asyncio.Event] = {}  # by origin: a `check` that is not settled yet
        self._fits: dict[int, int] = {}  # by origin: bytes of a reply, where MAX_REPLY did not arrive
        self._rates = Buckets[int](rules.rate / 60, rules.rate, 10_000) if rules.rate else None
        self._verbs: dict[str, Callable[[Instance, Json], Awaitable[Reply]]] = {
            "send": self._send,
            "broadcast": self._broadcast,
            "check": self._check,
            "list": self._list,
            "rename": self._rename,
        }

    async def load(self) -> None:
        """Take up the sessions of the hub before this one. Raises StorageFailed."""
        self._sessions = {each.hash: each for each in await self._store.sessions(self._node.now())}

    async def adopt(self, session: SessionRow) -> None:
        """Let a session of the old system go on here: for a day at most, as any. Raises StorageFailed."""
        now = self._node.now()
        session = structs.replace(session, expires_at=min(session.expires_at, now + SESSION_SECONDS))
        if session.expires_at > now:
            await self._store.save_session(session, now)
            self._sessions[session.hash] = session

    async def answer(self, request: Any) -> Reply:
        """The reply to a request. Raises nothing that a script could have caused."""
        if not isinstance(request, dict):
            return refusal("A request is one JSON object")
        try:
            if request.get("action") == "register":
                return await self._register(request)
            instance = self._who(request)
            if verb := self._verbs.get(str(request.get("action"))):
                return await verb(instance, request)
        except (_Refused, HubbubError) as why:
            return refusal(str(why))
        except Exception as why:
            self._node.fault("the bridge", why)
            return refusal("The hub met a fault of its own; nothing is lost. hubbub status says more")
        return refusal(f"Unknown action: {request.get('action')}")

    # Who is asking

    async def _register(self, request: Json) -> Reply:
        name = request.get("instance_id")
        if not isinstance(name, str):
            raise _Refused(_BAD_NAME)
        self._check_secret(name, request.get("auth_token"))
        try:
            instance = await self._node.register(name, human=False)
        except BadName:
            raise _Refused(_BAD_NAME) from None
        now = self._node.now()
        self._heed_rate(instance, now)
        self._node.hub.seen(instance, now)
        token = secrets.token_urlsafe(32)
        session = SessionRow(
            hash=_digest(token), origin=instance.origin, created_at=now, expires_at=now + SESSION_SECONDS
        )
        await self._store.save_session(session, now)
        self._sessions = {key: each for key, each in self._sessions.items() if each.expires_at > now}
        self._sessions[session.hash] = session
        waiting, _ = await inquiry.unread_count(self._node, instance, now)
        queued = f" with {waiting} queued messages" if waiting else ""
        return Reply({"status": "ok", "session_token": token, "message": f"Registered {instance.name}{queued}"})

    def _check_secret(self, name: str, shown: Any) -> None:
        if not self.rules.secret:
            return
        wanted = sha256(f"{name}:{self.rules.secret}".encode()).hexdigest()
        if not isinstance(shown, str) or not compare_digest(shown.encode(), wanted.encode()):
            logger.warning("wrong_shared_secret", name=name[:32], hint=f"{SECRET} differs, or is not set on that side")
            raise _Refused("Invalid auth token")

    def _who(self, request: Json) -> Instance:
        token, now = request.get("session_token"), self._node.now()
        session = self._sessions.get(_digest(token)) if isinstance(token, str) else None
        instance = self._node.hub.registry.instances.get(session.origin) if session else None
        if session is None or session.expires_at <= now or instance is None:
            raise _Refused(_NO_SESSION)
        self._heed_rate(instance, now)
        self._node.hub.seen(instance, now)
        return instance

    def _heed_rate(self, instance: Instance, now: float) -> None:
        if self._rates is not None and (wait := self._rates.take(instance.origin, now)) > 0:
            raise _Refused(
                f"Rate limit exceeded: legacy_rate allows {self.rules.rate} requests a minute; "
                f"try again in {wait:.0f} seconds"
            )

    # Saying

    async def _send(self, sender: Instance, request: Json) -> Reply:
        meant = request.get("to_id")
        try:
            name_key(meant if isinstance(meant, str) else "")
        except BadName:
            raise _Refused("Invalid recipient ID format") from None
        try:
            published = await self._publish(sender, str(meant), request)
        except InboxFull:
            limit = self._node.hub.limits.inbox_messages
            raise _Refused(f"Message queue full for {meant} ({limit} message limit)") from None
        to = published.to[0]
        if to.state == "held":
            raise _Refused(published.hint or "Held by the loop guard")
        if not to.known:
            return _ok(f"Message queued for {to.name} (not yet registered)")
        if to.name.lower() != str(meant).lower():
            return _ok(f"Message forwarded from {meant} to {to.name}")
        return _ok("Message sent")

    async def _broadcast(self, sender: Instance, request: Json) -> Reply:
        published = await self._publish(sender, ALL, request)
        if any(each.state == "held" for each in published.to):
            raise _Refused(published.hint or "Held by the loop guard")
        return _ok(f"Broadcast to {published.recipients} instances")

    async def _publish(self, sender: Instance, to: str, request: Json) -> frames.Published:
        message = request.get("message")
        if not isinstance(message, dict) or not isinstance(message.get("content", ""), str):
            raise _Refused('A message is an object with the text in "content"')
        await self._node.journal.room()
        # An empty object stood for no data in the old clients.
        said = frames.Publish(to=to, body=message.get("content", ""), data=message.get("data") or None)
        return await self._node.publish(sender, said)

    # Reading

    async def _check(self, instance: Instance, request: Json) -> Reply:
        while (earlier := self._checking.get(instance.origin)) is not None:
            await earlier.wait()  # what that one was given is not to be given twice
        settled = self._checking[instance.origin] = asyncio.Event()
        try:
            entries, upto = await self._unread(instance)
        except BaseException:
            self._settled(instance, settled)
            raise

        async def settle(arrived: bool) -> None:
            try:
                if not arrived:  # a client that reads once may have been given a part: next time it is less
                    self._fits[instance.origin] = max(LEAST_REPLY, self._most(instance) // 2)
                elif entries:
                    self._node.read(instance, upto)
                    await self._node.flush()
            except HubbubError as why:  # the disk; the journal tells it, and tries again
                logger.warning("read_not_stored", name=instance.name, why=why.message)
            finally:
                self._settled(instance, settled)

        return Reply({"status": "ok", "messages": entries}, settle)

    def _settled(self, instance: Instance, settled: asyncio.Event) -> None:
        del self._checking[instance.origin]
        settled.set()

    def _most(self, instance: Instance) -> int:
        return self._fits.get(instance.origin, MAX_REPLY)

    async def _unread(self, instance: Instance) -> tuple[list[Json], int]:
        """What is unread, as far as it fits into one reply, and the offset up to which that is everything."""
        head = self._node.hub.head
        found, more = await inquiry.unread(self._node, instance, MAX_CHECKED)
        known = found[-1].offset if more else head
        notices = [each for each in await self._renames(instance) if each.offset <= known]
        entries: list[Json] = []
        size = len(encoded({"status": "ok", "messages": []}))
        upto = 0
        for message in sorted([*found, *notices], key=lambda each: each.offset):
            entry = self._entry(instance, message)
            if not entries and size + len(encoded(entry)) > self._most(instance):
                entry = self._entry(instance, message, in_file=True)
            size += len(encoded(entry)) + len(", ")
            if entries and size > self._most(instance):
                break
            entries.append(entry)
            upto = message.offset
        return entries, upto

    def _entry(self, reader: Instance, message: Message, *, in_file: bool = False) -> Json:
        """A message as the old broker showed it."""
        if message.topic == fold.RENAMED:
            said: Json = {"content": f"📝 {message.data['old']} renamed to {message.data['name']}"}
        else:
            said = {"content": message.body}
            if message.data is not None:
                said["data"] = message.data
            if in_file:
                said = self._in_file(message)
        direct = message.topic == ALL or message.topic.startswith((INBOX, "$"))
        return {
            "from": SYSTEM if message.topic.startswith("$") else message.sender,
            "to": reader.name if direct else message.to,
            "timestamp": _local(message.at),
            "message": said,
        }

    def _in_file(self, message: Message) -> Json:
        """What stands for a message that one reply cannot hold: its beginning, and where the whole of it is."""
        path = self.rules.files / f"{message.offset}.md"
        self.rules.files.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = "" if message.data is None else f"\n\n{json.dumps(message.data, indent=2, ensure_ascii=False)}\n"
        if not path.exists():
            draft = path.with_suffix(".part")
            draft.touch(mode=0o600)
            draft.write_text(message.body + data, encoding="utf-8", errors="replace")
            draft.replace(path)
        return {
            "content": f"{summary(message.body)} Full content saved to: {path}",
            "data": {"large_message_file": str(path), "original_size_kb": round(message.size / 1024, 1)},
        }

    async def _renames(self, instance: Instance) -> list[Message]:
        """The renames of others that an instance has not been told of, as long as their old names forward."""
        newest = await self._node.log.search(Search(topic=fold.RENAMED, hub_facts=True, limit=MAX_CHECKED))
        since = self._node.now() - self._node.hub.limits.forward_for
        after = max(instance.read, instance.origin)
        return [
            each
            for each in newest
            if each.offset > after and each.at > since and each.data["origin"] != instance.origin
        ]

    async def _list(self, instance: Instance, request: Json) -> Reply:
        entries: list[Json] = []
        size = len(encoded({"status": "ok", "instances": []}))
        everybody = self._node.hub.registry.instances.values()
        now = self._node.now()
        for each in sorted(everybody, key=lambda each: -each.last_seen):
            seen = now if self._node.hub.sessions_of(each) else each.last_seen
            entry = {"id": each.name, "last_seen": _local(seen)}
            size += len(encoded(entry)) + len(", ")
            if size > MAX_REPLY:
                break
            entries.append(entry)
        return Reply({"status": "ok", "instances": entries})

    # Names

    async def _rename(self, instance: Instance, request: Json) -> Reply:
        old, new = instance.name, request.get("new_id")
        try:
            name_key(new if isinstance(new, str) else "")
        except BadName:
            raise _Refused("Invalid new instance ID format") from None
        if (left := self._rename_in(instance)) > 0:
            raise _Refused(f"Rate limit: can rename again in {int(left / 60)} minutes")
        try:
            await self._node.rename(instance, str(new))
        except NameTaken:
            raise _Refused(f"Instance {new} already exists") from None
        return _ok(f"Renamed {old} to {instance.name}")

    def _rename_in(self, instance: Instance) -> float:
        """Seconds until an instance may be renamed again: the names it has left tell when it was."""
        forward_for = self._node.hub.limits.forward_for
        renamed_at = max(
            (each.forwards_until - forward_for for each in instance.holdings if each.forwards_until), default=0.0
        )
        return renamed_at + self.rules.rename_every - self._node.now()


def refusal(why: str) -> Reply:
    """An error, as the old broker gave it."""
    return Reply({"status": "error", "message": why})


def encoded(said: Json) -> bytes:
    """JSON byte for byte as the old broker wrote it, which was Python's own."""
    return json.dumps(said).encode()


def summary(text: str) -> str:
    """The first two sentences of a text, or its beginning."""
    text = text.strip()
    ends = [place + 1 for place, char in enumerate(text[: 4 * SUMMARY]) if char in ".!?" and place > 10][:2]
    if ends:
        return text[: ends[-1]]
    return text if len(text) <= SUMMARY else text[:SUMMARY].rstrip() + "..."


def _ok(said: str) -> Reply:
    return Reply({"status": "ok", "message": said})


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()


def _local(at: float) -> str:
    """Local time without a zone, as the old clients read it."""
    return datetime.fromtimestamp(at).isoformat()
