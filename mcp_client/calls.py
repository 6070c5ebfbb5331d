"""What the twelve tools do. Each says it as text and as structured content, both complete: some clients show a model
only the one, some only the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from hub.client import Client, new_id
from hub.errors import BadValue, HubbubError, UnknownAttachment
from hub.frames import Answer, Attachment, Gap, MessageJson, Published, Recipient, Step
from hub.outlook import outlook
from hub.request import Requests
from hub.topic import ALL
from hub.units import size_text
from mcp_client import framing, tools
from mcp_client.delivery import check, piggyback, waiting
from mcp_client.delivery.courier import Courier
from mcp_client.files import Files
from mcp_client.inbox import Item
from mcp_client.link import Link
from mcp_client.shelf import Shelf

SHOWN = 50  # names in one line


class Result(NamedTuple):
    """What a tool says. `error` marks it as failed."""

    text: str
    structured: dict[str, Any]
    error: bool = False


class Call(NamedTuple):
    """One tool call under way: its claim on messages, and how to report progress."""

    claim: Hashable
    progress: waiting.Progress


class Calls:
    """The tools, over one `link`. Long bodies go to `shelf`; `files` shares files and gets those that were sent.

    `courier` may be carrying to the model what a tool would show.
    """

    def __init__(self, link: Link, shelf: Shelf, files: Files, courier: Courier) -> None:
        self._link = link
        self._courier = courier
        self._shelf = shelf
        self._files = files
        self._by_name: dict[str, Callable[[Any, Call], Awaitable[Result]]] = {
            "register": self._register,
            "send": self._send,
            "broadcast": self._broadcast,
            "check": self._check,
            "wait": self._wait,
            "ask": self._ask,
            "list_instances": self._list_instances,
            "rename": self._rename,
            "topics": self._topics,
            "history": self._history,
            "share_file": self._share_file,
            "status": self._status,
        }

    async def __call__(self, name: str, arguments: dict[str, Any], call: Call) -> Result:
        """Run a tool. What goes wrong in a way that a user can meet is a result too."""
        try:
            result = await self._run(name, arguments, call)
        except HubbubError as why:
            self._link.give_back(call.claim)
            result = Result(str(why), {"error": {"code": why.code, "message": why.message, "hint": why.hint}}, True)
        except BaseException:
            self._link.give_back(call.claim)
            raise
        notice, self._link.notice = self._link.notice, None
        unread = self._link.inbox.unread()
        parts = [notice, result.text, piggyback.line(unread)]
        structured = result.structured | ({"notice": notice} if notice else {}) | piggyback.fields(unread)
        return Result("\n\n".join(part for part in parts if part), structured, result.error)

    async def _run(self, name: str, arguments: dict[str, Any], call: Call) -> Result:
        if name not in self._by_name:
            raise BadValue(f"There is no tool {name}.", f"There are: {', '.join(self._by_name)}.")
        return await self._by_name[name](tools.read_arguments(tools.TOOLS[name], arguments), call)

    # Names

    async def _register(self, asked: tools.Register, _: Call) -> Result:
        before = self._link.name
        name = await self._link.register(asked.name)
        await self._link.settled()
        text = f"You are {name}."
        if name.lower() != before.lower():
            text += f" Mail for {before} waits for whoever registers as {before}."
        return Result(text, {"you": name})

    async def _rename(self, asked: tools.Rename, _: Call) -> Result:
        before = (await self._link.hub()).name
        name = await self._link.rename(asked.new_name)
        return Result(
            f"You are {name} now. Messages to {before} are forwarded to you for two hours.",
            {"you": name, "before": before},
        )

    # Sending

    async def _publish(self, asked: tools.Send, message_id: str | None = None) -> Published:
        hub = await self._link.hub()
        return await hub.publish(
            asked.to,
            asked.body,
            asked.data,
            thread=asked.thread,
            reply_to=asked.reply_to,
            ttl=asked.ttl,
            answer_by=asked.answer_by,
            id=message_id,
        )

    async def _send(self, asked: tools.Send, _: Call) -> Result:
        return self._sent(await self._publish(asked), asked.to)

    async def _broadcast(self, asked: tools.Broadcast, _: Call) -> Result:
        return self._sent(await self._publish(tools.Send(to=ALL, body=asked.body, data=asked.data)), ALL)

    def _sent(self, published: Published, to: str) -> Result:
        structured = {
            "id": published.id,
            "offset": published.offset,
            "to": [_filled(recipient) for recipient in published.to],
            "recipients": published.recipients,
            "hint": published.hint,
        }
        wanted = ""
        if published.answer_by is not None:
            by = structured["answer_by"] = framing.moment(published.answer_by)
            wanted = f" If no answer has come by {by}, you are told."
        return Result(f"{_whither(published, to)} Its id is {published.id}.{wanted}", structured)

    async def _share_file(self, asked: tools.ShareFile, call: Call) -> Result:
        message_id = new_id()
        for last in (False, True):
            hub = await self._link.hub()
            who = hub.name or self._link.name
            sent = await self._files.share(_requests(hub), who, asked.path, call.progress)
            try:
                published = await hub.publish(
                    asked.to,
                    asked.note or f"{sent.name} ({size_text(sent.size)})",
                    reply_to=asked.reply_to,
                    id=message_id,
                    attachments=[Attachment(**sent.told())],
                )
                break
            except UnknownAttachment:  # the hub was started again between the two
                if last:
                    raise
        told = self._sent(published, asked.to)
        return Result(f"{sent.name} ({size_text(sent.size)}): {told.text}", told.structured | {"file": sent.told()})

    # Receiving

    async def _check(self, asked: tools.Check, call: Call) -> Result:
        await self._ready()
        await self._courier.before_reading()
        return await self._mail(check.take(self._link.inbox, call.claim, asked.limit), "No new messages.", call)

    async def _wait(self, asked: tools.Wait, call: Call) -> Result:
        await self._ready()
        await self._courier.before_reading()
        with self._link.waiting(), self._courier.listening():
            items = await waiting.for_news(self._link, call.claim, asked.timeout, call.progress)
        return await self._mail(
            items, f"Nothing came within {asked.timeout:g} s. Call wait again to go on waiting.", call
        )

    async def _ask(self, asked: tools.Ask, call: Call) -> Result:
        await self._link.hub()
        question = new_id()
        inbox = self._link.inbox
        inbox.await_reply(question)
        try:
            said = tools.Send(
                to=asked.to, body=asked.body, thread=asked.thread, reply_to=asked.reply_to, answer_by=asked.answer_by
            )
            published = await self._publish(said, question)
            whither = _whither(published, asked.to)
            if any(recipient.state == "held" for recipient in published.to):
                held = self._sent(published, asked.to)
                return Result(held.text, {"messages": [], "answered": False, "question": held.structured})
            if not any(_answers_soon(recipient) for recipient in published.to):
                await call.progress(0.0, asked.timeout, f"{whither} Waiting all the same.")
            with self._link.waiting():
                reply = await waiting.for_reply(self._link, call.claim, question, asked.timeout, call.progress)
        finally:
            inbox.stop_awaiting(question)
            self._link.bell.ring()
        sent = self._sent(published, asked.to).structured
        if reply is not None:
            mail = await self._mail([reply], "", call)
            return Result(mail.text, mail.structured | {"answered": True, "question": sent})
        text = (
            f"No reply within {asked.timeout:g} s. {whither} A late reply comes like any message: call wait to go on "
            f"waiting, or check later. The question's id is {question}; status says whether it was read."
        )
        if not inbox.credit():
            text += " Your buffer is full, and the reply may be behind it: check reads it empty."
        return Result(text, {"messages": [], "answered": False, "question": sent})

    async def _ready(self) -> None:
        """At the very start, wait for the connection and what it brings; later the buffer answers by itself."""
        if not self._link.epoch:
            await self._link.hub()
        await self._link.settled()

    async def _mail(self, items: Sequence[Item], nothing: str, call: Call) -> Result:
        shown = self._shown(items)
        await self._collect(shown, call)
        structured: dict[str, Any] = {"messages": [each for each in shown if isinstance(each, dict)]}
        if items:
            structured["note"] = framing.NOTE
        if missing := [{"from": each.from_, "to": each.to} for each in items if isinstance(each, Gap)]:
            structured["gaps"] = missing
        text = framing.as_text(shown) if items else nothing
        if not self._link.online:
            structured["offline"] = str(self._link.trouble or "not connected")
            text += f"\n\nNot connected just now: {structured['offline']} What is sent meanwhile comes afterwards."
        return Result(text, structured)

    async def _collect(self, shown: Iterable[dict[str, Any] | Gap], call: Call) -> None:
        """Get the files that these messages carry, if the hub is there."""
        carrying = [each for each in shown if isinstance(each, dict) and each["attachments"]]
        if carrying and (hub := self._link.current) is not None:
            await self._files.collect(_requests(hub), hub.name or self._link.name, carrying, call.progress)

    def _shown(self, items: Iterable[Item | MessageJson]) -> list[dict[str, Any] | Gap]:
        return [
            each
            if isinstance(each, Gap)
            else framing.structured(each, self._link.epoch, self._shelf, self._link.people)
            for each in items
        ]

    # Looking

    async def _list_instances(self, _asked: tools.ListInstances, _: Call) -> Result:
        hub = await self._link.hub()
        found = await hub.instances()
        online = [each for each in found if each.get("online")]
        offline = [each for each in found if not each.get("online")]
        lines = [f"You are {hub.name}."]
        lines.append(f"Online ({len(online)}): {_listed(_person(each, hub.name) for each in online)}")
        if offline:
            lines.append(f"Offline ({len(offline)}): {_listed(_person(each, hub.name) for each in offline)}")
        return Result("\n".join(lines), {"you": hub.name, "instances": msgspec.to_builtins(found)})

    async def _topics(self, asked: tools.Topics, _: Call) -> Result:
        hub = await self._link.hub()
        if asked.subscribe is not None:
            await hub.subscribe(asked.subscribe)
        if asked.unsubscribe is not None:
            await hub.unsubscribe(asked.unsubscribe)
        hearers: dict[str, list[str]] = {}
        for instance in await hub.instances():
            for topic in instance.get("topics") or []:
                hearers.setdefault(str(topic), []).append(str(instance.get("name")))
        mine = sorted(topic for topic, names in hearers.items() if hub.name in names)
        text = f"Topics you hear, beside your own mail and broadcasts: {_listed(f'#{topic}' for topic in mine)}."
        others = {topic: [name for name in names if name != hub.name] for topic, names in sorted(hearers.items())}
        lines = [f"#{topic}: {_listed(names)}" for topic, names in others.items() if names]
        if lines:
            text += "\nHeard by others:\n" + "\n".join(lines[:SHOWN])
        readers = [{"topic": topic, "readers": names} for topic, names in sorted(hearers.items())]
        return Result(text, {"subscriptions": mine, "topics": readers})

    async def _history(self, asked: tools.History, _: Call) -> Result:
        hub = await self._link.hub()
        page = await hub.history(
            with_=asked.with_,
            topic=asked.topic,
            thread=asked.thread,
            search=asked.search,
            limit=asked.limit,
            before=asked.before,
        )
        shown = self._shown(page.messages)
        structured: dict[str, Any] = {"messages": shown, "more": page.more, "note": framing.NOTE}
        if not shown:
            return Result("No messages there.", structured)
        text = framing.as_text(shown, heading=f"{len(shown)} from the history, oldest first; {framing.HEADING}.")
        if page.more:
            text += f"\n\nOlder ones: the same with before={page.messages[0].offset}."
        return Result(text, structured)

    async def _status(self, asked: tools.Status, call: Call) -> Result:
        if asked.message_id is not None:
            return await self._whereabouts(asked.message_id, call)
        link = self._link
        try:
            hub = await link.hub()
            status = await hub.status()
        except HubbubError as why:
            text = f"Not connected as {link.name}: {why}"
            return Result(text, {"you": link.name, "connected": False, "trouble": str(why), "hub": None})
        return Result(
            f"Connected as {hub.name} to the hub at {hub.url}, version {status.get('version')}: "
            f"{status.get('online')} online. Messages are pushed; nothing has to be started.",
            {"you": hub.name, "connected": True, "url": hub.url, "hub": msgspec.to_builtins(status)},
        )

    async def _whereabouts(self, message_id: str, call: Call) -> Result:
        where = await (await self._link.hub()).whereabouts(message_id)
        steps = [_climbed(step) for step in where.ladder[:SHOWN]] or ["nobody was there to get it."]
        if len(where.ladder) > SHOWN:
            counts = Counter(step.state for step in where.ladder)
            steps.insert(
                0, f"{len(where.ladder)} recipients: " + ", ".join(f"{n} {state}" for state, n in counts.items())
            )
            steps.append(f"and {len(where.ladder) - SHOWN} more")
        shown = self._shown([where.message])
        files = ""
        if where.message.attachments and where.message.from_ != self._link.name:
            await self._collect(shown, call)
            files = "\n\n" + framing.as_text(shown)
        structured: dict[str, Any] = {
            "messages": shown,
            "ladder": msgspec.to_builtins(where.ladder[:SHOWN]),
            "recipients": len(where.ladder),
            "note": framing.NOTE,
        }
        if where.answer is not None:
            steps.append(_wish(where.answer))
            structured["answer"] = msgspec.to_builtins(where.answer)
        return Result(
            f"Message to {where.message.to}, sent {_moment(where.message.at)}:\n" + "\n".join(steps) + files, structured
        )


def _answers_soon(recipient: Recipient) -> bool:
    """Whether nothing speaks against it: it is there, and is not known to sleep through messages."""
    return recipient.online and (recipient.wakes is not False or recipient.activity == "waiting")


def _climbed(step: Step) -> str:
    """One recipient's rungs: `bob: read (accepted 09:00:01Z, pushed 09:00:01Z, received unknown, read 09:00:07Z)`."""
    times = [f"{rung} {f'{at:%H:%M:%S}Z' if at else 'at a time not known'}" for rung, at in step.times.items()]
    climbed = f" ({', '.join(times)})" if times else ""
    return f"{step.name}: {step.state}{climbed}{'' if step.online else ', offline'}"


def _wish(answer: Answer) -> str:
    at = f" at {_moment(answer.at)}" if answer.at else ""
    became = {"open": "none yet", "answered": "it came", "missed": "none has come", "late": "it came late"}
    return f"An answer was wanted by {_moment(answer.by)}: {became.get(answer.state, answer.state)}{at}."


def _requests(hub: Client) -> Requests:
    return Requests(hub.place.url, hub.place.token, tls_cert=hub.place.tls_cert)


def _filled(recipient: Any) -> dict[str, Any]:
    return {name: getattr(recipient, name) for name in recipient.__struct_fields__}


def _whither(published: Published, to: str) -> str:
    """Who gets it, in words."""
    if any(recipient.state == "held" for recipient in published.to):
        return published.hint or "Held, not sent."
    if to.lower() == ALL or to.startswith("#"):
        if not published.recipients:
            return f"Stored, but nobody hears {to} yet."
        online = sum(recipient.online for recipient in published.to)
        names = _listed(recipient.name for recipient in published.to)
        whom = "everybody" if to.lower() == ALL else to
        return f"Sent to {whom}: {published.recipients} recipients, {online} of these online: {names}."
    recipient = published.to[0] if published.to else None
    if recipient is None:
        return f"Sent to {to}."
    if published.hint:
        return published.hint if recipient.known else f"Sent to {recipient.name}. {published.hint}"
    if not recipient.known:
        meant = f" Did you mean {' or '.join(recipient.near)}?" if recipient.near else ""
        return f"Nobody is called {to}; the message waits for them.{meant}"
    done = "Sent to" if recipient.online else "Stored for"
    how = outlook(online=recipient.online, activity=recipient.activity, wakes=recipient.wakes)
    return f"{done} {recipient.name}, who {how}."


def _person(instance: dict[str, Any], you: str | None) -> str:
    notes = []
    if instance.get("name") == you:
        notes.append("you")
    if instance.get("human"):
        notes.append("a person")
    if instance.get("state") in ("working", "waiting", "idle"):
        notes.append(f"{instance['state']} since {str(instance['since'])[:19].replace('T', ' ')}Z")
    if instance.get("online") and instance.get("wakes") is False and instance.get("state") != "waiting":
        notes.append("not woken by messages")
    if not instance.get("online") and instance.get("last_seen"):
        notes.append(f"last seen {str(instance['last_seen'])[:19].replace('T', ' ')}Z")
    if instance.get("unread"):
        notes.append(f"{instance['unread']} unread")
    noted = f" ({', '.join(notes)})" if notes else ""
    return f"{instance.get('name')}{noted}"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    if not names:
        return "none"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _moment(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
