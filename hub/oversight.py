"""What a person decides, for programs and the command line: hold, release, drop, pause, resume, purge.

    >>> desk = Oversight(Requests("http://127.0.0.1:4820", token), by="kay")
    >>> desk.hold("alice", "she is being moved")
    >>> for each in desk.held()["held"]:
    ...     desk.release(each["offset"])

Each verb is one request of docs/http.md and needs a token with the scope `admin`; docs/taking-part.md says what each
does. From asyncio, call it in a thread: `await asyncio.to_thread(desk.hold, "alice")`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from hub.request import Requests


class Oversight:
    """`by` is the name of the person who decides, as the log shall tell it; None is the owner.

    Every method raises Forbidden without the scope `admin`, Unreachable where no hub answers, and what is said there.
    """

    def __init__(self, requests: Requests, by: str | None = None) -> None:
        self._requests = requests
        self._by = by

    def held(self) -> dict[str, list[dict[str, Any]]]:
        """The messages that are `held`, the queues under `holds`, the agents under `paused`; the oldest first."""
        answer: dict[str, list[dict[str, Any]]] = self._requests.get("/held")
        return answer

    def hold(self, queue: str, reason: str | None = None) -> str:
        """Hold all that is sent to an instance, a `#topic` or `all` from now on; returns how the queue is written.

        Raises BadName, BadTopic; BadValue where it is held already.
        """
        return str(self._post("/holds", queue=queue, reason=reason)["held"])

    def unhold(self, queue: str, *, drop: bool = False) -> dict[str, int]:
        """End that, and send what waited for it alone, or `drop` it; returns how many were `released` and `dropped`.

        Raises BadValue where it is not held; and InboxFull where not all of it fits: then the hold goes on.
        """
        counts: dict[str, int] = self._requests.delete("/holds", queue=queue, drop=int(drop), by=self._by)
        return counts

    def release(self, offset: int, body: str | None = None) -> dict[str, Any]:
        """Send a held message; with `body` in the place of its own, which it says. Returns its `id` and `offset`.

        Raises UnknownMessage, BadValue where its time was over, InboxFull.
        """
        sent: dict[str, Any] = self._post(f"/held/{offset}/release", body=body)
        return sent

    def drop(self, offset: int) -> None:
        """Have a held message never be sent. Raises UnknownMessage."""
        self._requests.delete(f"/held/{offset}", by=self._by)

    def pause(self, name: str, reason: str | None = None) -> None:
        """Hold all that an agent sends from now on. Raises UnknownInstance; BadValue for a person, or one paused."""
        self._post(f"/instances/{quote(name, safe='')}/pause", reason=reason)

    def resume(self, name: str, *, drop: bool = False) -> dict[str, int]:
        """End that, as `unhold` does."""
        counts: dict[str, int] = self._post(f"/instances/{quote(name, safe='')}/resume", drop=drop)
        return counts

    def purge(self, name: str, confirm: str) -> int:
        """Have all that an instance has not read pass for read; returns how many messages that were.

        `confirm` is its name once more, spelled as it is. Raises UnknownInstance, BadValue.
        """
        return int(self._post(f"/instances/{quote(name, safe='')}/purge", confirm=confirm)["purged"])

    def _post(self, path: str, **body: Any) -> Any:
        given = {name: value for name, value in {**body, "by": self._by}.items() if value is not None}
        return self._requests.post(path, given)
