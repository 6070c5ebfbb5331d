"""What is known of a message's recipients: what its sender is told at once, and the ladder later."""

from __future__ import annotations

from datetime import datetime

from hub import frames
from hub.message import Message
from hub.presence import Presence
from hub.registry import Instance, Registry, hears_since
from hub.session import END
from hub.topic import INBOX, near

SHOWN_RECIPIENTS = 20
MAX_KEPT = 10_000  # answers kept for the next publish, whatever names and topics come


class Receipts:
    """Answers about recipients. Who hears a topic, and which names are like another, is kept between publishes."""

    def __init__(self, registry: Registry, presence: Presence) -> None:
        self._registry = registry
        self._presence = presence
        self._hearers: dict[str, tuple[list[frames.Recipient], int]] = {}
        self._near: dict[str, list[str]] = {}

    def came_or_went(self) -> None:
        """Somebody is online who was not, or the other way round."""
        self._hearers.clear()

    def changed(self) -> None:
        """Names or subscriptions are not what they were."""
        self._hearers.clear()
        self._near.clear()

    def published(self, said: frames.Publish, message: Message) -> frames.Published:
        """What the sender is told of a message that is on disk."""
        if message.topic.startswith(INBOX):
            to, hint = self._direct(said.to, message)
            return frames.Published(ref=said.ref, id=message.id, offset=message.offset, to=[to], hint=hint)
        shown, count = self._heard_by(message)
        hint = None
        if not count:
            hint = f"Nobody else hears {message.to} yet: a message reaches those who subscribed before it was sent."
        return frames.Published(
            ref=said.ref, id=message.id, offset=message.offset, to=shown, recipients=count, hint=hint
        )

    def _direct(self, meant: str, message: Message) -> tuple[frames.Recipient, str | None]:
        instance = self._registry.find(message.topic[len(INBOX) :])
        if instance is None:
            known = self.near(message.to)
            seconds = (message.expires_at or message.at) - message.at
            hint = f"Nobody is called {message.to}; the message waits {_span(seconds)} for them."
            if known:
                hint += f" Did you mean {' or '.join(known)}?"
            return frames.Recipient(name=message.to, state="accepted", known=False, near=known), hint
        forwarded: str | None = None
        if meant.lower() != instance.name.lower():
            forwarded = f"{meant} is called {instance.name} now; the message was forwarded."
        return self._recipient(instance), forwarded

    def _heard_by(self, message: Message) -> tuple[list[frames.Recipient], int]:
        known = self._hearers.get(message.topic)
        if known is None:
            hearing = [
                instance
                for instance in self._registry.instances.values()
                if hears_since(instance, message.topic) < END
            ]
            shown = [self._recipient(instance) for instance in hearing[: SHOWN_RECIPIENTS + 1]]
            if len(self._hearers) >= MAX_KEPT:
                self._hearers.clear()
            known = self._hearers[message.topic] = (shown, len(hearing))
        shown, count = known
        mine = self._registry.instances.get(message.origin)
        if mine is not None and hears_since(mine, message.topic) < END:  # nobody is sent their own words
            count -= 1
            shown = [each for each in shown if each.name != mine.name]
        return shown[:SHOWN_RECIPIENTS], count

    def _recipient(self, instance: Instance) -> frames.Recipient:
        return frames.Recipient(name=instance.name, state="accepted", online=self._presence.online(instance))

    def near(self, name: str) -> list[str]:
        """Up to three registered names that `name` may have been meant for, best first."""
        known = self._near.get(name)
        if known is None:
            if len(self._near) >= MAX_KEPT:
                self._near.clear()
            known = self._near[name] = near(name, self._registry.names())
        return known

    def ladder(self, message: Message, answered: dict[int, float], now: float) -> list[frames.Step]:
        """Where a message is for each recipient. `answered` says which origins have replied to it, and when."""
        steps: list[frames.Step] = []
        for instance in self._registry.recipients(message):
            live = self._presence.of(instance)
            at: datetime | None = None
            if instance.origin in answered:
                state, at = "answered", frames.moment(answered[instance.origin])
            elif instance.read >= message.offset:
                state = "read"
            elif instance.received >= message.offset:
                state = "received"
            elif any(each.pushed >= message.offset for each in live if not each.observer):
                state = "pushed"
            elif message.expired(now):
                state, at = "expired", frames.moment(message.expires_at or now)
            else:
                state, at = "accepted", frames.moment(message.at)
            steps.append(frames.Step(name=instance.name, state=state, at=at, online=bool(live)))
        if not steps and message.topic.startswith(INBOX):
            state = "expired" if message.expired(now) else "accepted"
            steps.append(frames.Step(name=message.to, state=state, at=frames.moment(message.at)))
        return steps


def _span(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = round(seconds / length)
            return f"{number} {unit}{'s' if number != 1 else ''}"
    return f"{seconds:g} s"
