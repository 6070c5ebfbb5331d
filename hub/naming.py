"""Who may take which name.

A name is claimed first, then the fact that gives it goes on the log: in between nobody else gets it. Whoever claimed
it releases it, whatever became of the fact.
"""

from __future__ import annotations

from collections.abc import Callable

from hub.bounds import MAX_NAMES, Limits
from hub.errors import NameTaken, TooMany
from hub.posting import Posting
from hub.presence import Presence
from hub.registry import Instance, Registry
from hub.topic import INBOX, MAX_NAME, name_key

NEW = 0  # who claims a name that is to be a new instance's


class Naming:
    """The claims, and the rules about names. `posting` knows what is under way to a name nobody has yet."""

    def __init__(self, registry: Registry, presence: Presence, posting: Posting, limits: Limits) -> None:
        self._registry = registry
        self._presence = presence
        self._posting = posting
        self._limits = limits
        self._claims: dict[str, int] = {}  # key -> origin of the instance that wants it, or NEW
        self._wanting: set[int] = set()  # the origins among them: an instance claims one name at a time

    def claimed(self, key: str) -> bool:
        """Whether somebody is about to have this name."""
        return key in self._claims

    def release(self, key: str) -> None:
        """What was claimed is held now, or given up."""
        self._wanting.discard(self._claims.pop(key, NEW))

    def claim_new(self, key: str, name: str) -> None:
        """Claim a name nobody has, for a new instance. Raises NameTaken or TooMany."""
        if key in self._claims:
            raise self.taken(name)
        count = len(self._registry.instances) + len(self._claims) - len(self._wanting)
        if count >= self._limits.max_instances:
            raise TooMany(
                f"The hub has {count:,} instances, and max_instances allows no more.",
                "Use a name that exists (`hubbub ls`), or raise the setting.",
            )
        self._claims[key] = NEW

    def claim_other(self, instance: Instance, name: str, now: float) -> None:
        """Claim another name for an instance. Raises BadName, NameTaken or TooMany."""
        key = name_key(name)
        holding = self._registry.held.get(key)
        if key in self._claims or (holding is not None and holding.origin != instance.origin):
            raise self.taken(name)
        if instance.origin in self._wanting:
            raise NameTaken(f"{instance.name} is being given another name already.", "Try again in a moment.")
        if holding is None:
            if (waiting := self._posting.waiting(INBOX + key, now)) > 0:
                # They lie before this instance's cursor, which never goes back: only a new reader finds them.
                raise NameTaken(
                    f"{waiting} {'messages wait' if waiting > 1 else 'message waits'} for whoever registers as {name}.",
                    "Register under that name instead, or choose another.",
                )
            if len([each for each in instance.holdings if each.until is None]) >= MAX_NAMES:
                raise TooMany(
                    f"{instance.name} has {MAX_NAMES} names already, with those that still forward to it.",
                    f"Go back to one of them, or wait: a name forwards for {self._limits.forward_for:g} s.",
                )
        self._claims[key] = instance.origin
        self._wanting.add(instance.origin)

    def claim_last(self, instance: Instance) -> None:
        """Claim an instance's own name, so that nobody comes under it while it is being forgotten."""
        self._claims[name_key(instance.name)] = instance.origin
        self._wanting.add(instance.origin)

    def taken(self, name: str) -> NameTaken:
        """Why this name cannot be had, and one that can."""
        holder = self._registry.find(name.lower())
        like = name
        if holder is None:
            why = f"{name} is being registered by somebody else."
        elif holder.name.lower() != name.lower():
            why = f"{name} is taken: it forwards to {holder.name}, who was called so until lately."
        else:
            like = holder.name
            why = f"{holder.name} is taken{' by a live session' if self._presence.online(holder) else ''}."
        return NameTaken(why, f"{self._free(like)} is free. A hello with take_over takes a live session's place.")

    def _free(self, name: str) -> str:
        def with_number(number: int) -> str:
            return f"{name[: MAX_NAME - len(str(number)) - 1]}-{number}"

        def is_free(number: int) -> bool:
            key = with_number(number).lower()
            return key not in self._registry.held and key not in self._claims

        return with_number(_first(is_free))


def _first(is_free: Callable[[int], bool]) -> int:
    """A number from 2 on that is free, while the one before it is not: the lowest, where none below is free.

    Found by doubling and halving: of a thousand who want the same name, the last must not try them all.
    """
    taken, free = 1, 2
    while not is_free(free):
        taken, free = free, 2 * free
    while free - taken > 1:
        middle = (taken + free) // 2
        if is_free(middle):
            free = middle
        else:
            taken = middle
    return free
