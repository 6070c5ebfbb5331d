"""What is known of a message's recipients: what its sender is told at once, and the ladder later."""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import datetime
from itertools import islice
from math import inf
from typing import Any

from hub import fold, frames
from hub.message import Message
from hub.milestones import RUNGS
from hub.presence import Presence
from hub.registry import Instance, Registry, hears
from hub.topic import ALL, INBOX, is_pattern, near

SHOWN_RECIPIENTS = 20
UNKNOWN = "unknown"  # a state: nobody can tell how far a message had come
MAX_KEPT = 10_000  # answers kept for the next publish, whatever names and topics come


class Receipts:
    """Answers about recipients. Who hears a topic, and which names are like another, is kept between publishes.

    Who of them is online is not: people come and go more often than they subscribe.
    """

    def __init__(self, registry: Registry, presence: Presence) -> None:
        self._registry = registry
        self._presence = presence
        self._hearers: dict[str, tuple[list[Instance], int]] = {}  # topic -> the first few, and how many
        self._near: dict[str, list[str]] = {}
        self._last: tuple[tuple[str, int], list[frames.Recipient], int] | None = None  # who asked last, and the answer

    def forget(self) -> None:
        """Somebody came or went, or the hub has told something: the next answer is made anew."""
        self._last = None

    def changed(self, topic: str, told: dict[str, Any]) -> None:
        """The hub has told that names or subscriptions are not what they were."""
        if topic not in (fold.SUBSCRIBED, fold.UNSUBSCRIBED):
            self._near.clear()
            if topic == fold.FORGOT:
                self._hearers.clear()
        elif is_pattern(told["topic"]):
            self._hearers.clear()
        else:
            self._hearers.pop(told["topic"], None)

    def published(self, said: frames.Publish, message: Message) -> frames.Published:
        """What the sender is told of a message that is on disk."""
        by = _moment(message.answer_by)
        if message.topic.startswith(INBOX):
            to, hint = self._direct(said.to, message)
            return frames.Published(
                ref=said.ref, id=message.id, offset=message.offset, to=[to], answer_by=by, hint=hint
            )
        shown, count = self._heard_by(message)
        hint = None
        if not count:
            hint = f"Nobody else hears {message.to} yet: a message reaches those who subscribed before it was sent."
        return frames.Published(
            ref=said.ref,
            id=message.id,
            offset=message.offset,
            to=shown,
            recipients=count,
            answer_by=by,
            hint=hint,
        )

    def held(self, said: frames.Publish, fact: Message, *, dropped: bool = False) -> frames.Published:
        """What the sender is told of a message that is held, or that a person has `dropped` since."""
        kept = fact.data
        state = "dropped" if dropped else "held"
        to = frames.Recipient(name=kept["to"], state=state)
        decided = "Dropped, not sent: a person has decided so. Do not say it again; your user can tell you why."
        hint = decided if dropped else _why_held(fact)
        return frames.Published(ref=said.ref, id=kept["id"], offset=fact.offset, to=[to], recipients=0, hint=hint)

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
        asked = (message.topic, message.origin)
        if self._last is not None and self._last[0] == asked:  # one sender's burst is answered alike
            return self._last[1], self._last[2]
        hearing, count = self._hearing(message.topic)
        mine = self._registry.instances.get(message.origin)
        if mine is not None and hears(mine, message.topic):  # nobody is sent their own words
            count -= 1
            hearing = [each for each in hearing if each is not mine]
        shown = [self._recipient(each) for each in hearing[:SHOWN_RECIPIENTS]]
        self._last = (asked, shown, count)
        return shown, count

    def _hearing(self, topic: str) -> tuple[list[Instance], int]:
        """Who hears a topic: the first few, one more than are shown, and how many in all."""
        everybody = self._registry.instances
        if topic == ALL:
            return list(islice(everybody.values(), SHOWN_RECIPIENTS + 1)), len(everybody)
        known = self._hearers.get(topic)
        if known is None:
            hearing = self._registry.hearers(topic)
            if len(self._hearers) >= MAX_KEPT:
                self._hearers.clear()
            known = self._hearers[topic] = (hearing[: SHOWN_RECIPIENTS + 1], len(hearing))
        return known

    def _recipient(self, instance: Instance) -> frames.Recipient:
        if not self._presence.online(instance):
            return frames.Recipient(name=instance.name, state="accepted")
        return frames.Recipient(
            name=instance.name, state="accepted", online=True, activity=instance.activity, wakes=instance.wakes
        )

    def near(self, name: str) -> list[str]:
        """Up to three registered names that `name` may have been meant for, best first."""
        known = self._near.get(name)
        if known is None:
            if len(self._near) >= MAX_KEPT:
                self._near.clear()
            known = self._near[name] = near(name, self._registry.names())
        return known

    def reached(self, message: Message) -> dict[int, set[str]]:
        """The rungs that cursors have carried a message to, for each recipient's origin."""
        return {each.origin: self._rungs(each, message.offset) for each in self._registry.recipients(message)}

    def _rungs(self, instance: Instance, offset: int) -> set[str]:
        if instance.read >= offset:
            return {"pushed", "received", "read"}
        if instance.received >= offset:
            return {"pushed", "received"}
        live = self._presence.of(instance)
        return {"pushed"} if any(each.pushed >= offset for each in live if not each.observer) else set()

    def ladder(
        self,
        message: Message,
        answered: Mapping[int, float],
        now: float,
        expired: Set[int],
        times: Mapping[tuple[int, str], float],
        *,
        purged: Mapping[int, float],
        unknown: Mapping[int, tuple[str, ...]],
    ) -> list[frames.Step]:
        """Where a message is for each recipient, and when it came there.

        `answered` says which origins have replied to it, and when; for the origins in `expired` its time was over
        before it reached them, whatever their cursors have passed since; for those in `purged` a person had the cursor
        pass over it then; `times` is a `Milestones.at`. `unknown` are the rungs of which nobody can tell: where that is
        more than whether it was pushed, so is the state.
        """
        steps: list[frames.Step] = []
        for instance in self._registry.recipients(message):
            origin = instance.origin
            unsure = unknown.get(origin, ())
            rungs = {each for each in self._rungs(instance, message.offset) if each not in unsure}
            climbed = {"accepted": _moment(message.at)}
            if origin in expired or (not rungs and len(unsure) < 2 and message.expired(now)):
                climbed["expired"] = _moment(message.expires_at)
            elif origin in purged:
                # The cursor does not tell what had reached the client before; its movements may.
                reached = {rung: at for rung in RUNGS[:-1] if (at := times.get((origin, rung), inf)) < purged[origin]}
                climbed |= {rung: _moment(at) for rung, at in reached.items()}
                climbed["purged"] = _moment(purged[origin])
            else:
                climbed |= {rung: _moment(times.get((origin, rung))) for rung in RUNGS if rung in rungs}
            if origin in answered:
                climbed["answered"] = _moment(answered[origin])
            step = _step(instance.name, climbed, online=self._presence.online(instance))
            if unsure and step.state == "accepted":
                step.unknown = list(unsure)
                if len(unsure) > 1:
                    step.state, step.at = UNKNOWN, None
            steps.append(step)
        if not steps and message.topic.startswith(INBOX):
            climbed = {"accepted": _moment(message.at)}
            if message.expired(now):
                climbed["expired"] = _moment(message.expires_at)
            steps.append(_step(message.to, climbed))
        return steps


def _why_held(fact: Message) -> str:
    """What the sender of a held message has to know, and had best do."""
    kept = fact.data
    if fact.topic == fold.HELD:
        names = " and ".join(filter(None, (", ".join(kept["names"][:-1]), kept["names"][-1])))
        return (
            f"Held, not sent: {names} have sent one another {kept['messages'] - 1} messages in a row that bring "
            "nothing new, and loop_bound allows no more. Do not say it again in other words. What is really new "
            "goes through; else stop here, and tell your user, who can let it go: "
            f"`hubbub release {fact.offset}`."
        )
    said = []
    for each in kept["holds"]:
        what = "you are paused" if each["kind"] == "sender" else f"all that is sent to {kept['to']} is held"
        by = f" by {each['by']}" if each["by"] else ""
        said.append(f"{what}{by}" + (f" ({each['reason']})" if each["reason"] else ""))
    return (
        f"Held, not sent yet: {' and '.join(said)}. It is kept, and a person decides what becomes of it: do not send "
        f"it again, and do not wait for an answer. `hubbub release {fact.offset}` lets it go."
    )


def _step(name: str, climbed: dict[str, datetime | None], *, online: bool = False) -> frames.Step:
    state = list(climbed)[-1]
    return frames.Step(name=name, state=state, at=climbed[state], times=climbed, online=online)


def _moment(at: float | None) -> datetime | None:
    return None if at is None else frames.moment(at)


def _span(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = round(seconds / length)
            return f"{number} {unit}{'s' if number != 1 else ''}"
    return f"{seconds:g} s"
