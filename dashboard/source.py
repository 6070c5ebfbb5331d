"""What the pages may ask of the hub. The hub hands in an object that has these; a test hands in another.

Each method gives what the route of the HTTP API that is named with it does, as a value that msgspec can encode.
"""

from __future__ import annotations

from typing import Any, Protocol


class Source(Protocol):
    async def about(self) -> Any:
        """What every page shows of the hub: GET /api/v1/status, without what has to be counted, and `at`, the time.

        Of an earlier moment also `past`, as in a snapshot.
        """

    async def at(self, when: str | None) -> Source:
        """What gives the same answers of an earlier moment: `?at=`. Raises HubbubError for one that cannot be told."""

    async def snapshot(self) -> Any:
        """GET /api/v1/snapshot."""

    async def timeline(self, at: str | None = None) -> Any:
        """GET /api/v1/timeline. Raises as `at` does."""

    async def history(self, **asked: Any) -> Any:
        """GET /api/v1/messages. The parts of its query by their names, `from_` and `with_` with a line, `since` and
        `until` in seconds since 1970. Raises HubbubError for names and topics that there are not."""

    async def message(self, message_id: str) -> Any:
        """GET /api/v1/messages/ID, by an offset too. Raises UnknownMessage."""

    async def names(self) -> Any:
        """The names in GET /api/v1/instances."""

    async def instance(self, name: str) -> Any:
        """GET /api/v1/instances/NAME. Raises UnknownInstance or BadName, as the next three do."""

    async def queue(self, name: str, limit: int) -> Any:
        """GET /api/v1/instances/NAME/queue."""

    async def activity(self, name: str, hours: int) -> Any:
        """GET /api/v1/instances/NAME/activity."""

    async def replies(self, name: str) -> Any:
        """GET /api/v1/instances/NAME/replies."""

    async def topics(self) -> Any:
        """GET /api/v1/topics."""

    async def health(self) -> Any:
        """GET /api/v1/health."""

    async def cost(self) -> Any:
        """GET /api/v1/cost."""

    async def conversation(self, **wanted: Any) -> Any:
        """GET /api/v1/messages?ladder=1; `wanted` are its `with_`, `topic`, `thread`, `before` and `limit`.

        And `head`, the newest offset that it took into account, and `parties`, `[{name, also, topics}]`: who there is,
        the earlier names that lead to them, and what they hear. Raises HubbubError for a name or a topic that there
        cannot be.
        """

    async def pulse(self, after: int = 0) -> Any:
        """GET /api/v1/pulse."""
