"""What the pages may ask of the hub. The hub hands in an object that has these; a test hands in another.

Each method gives what the route of the HTTP API that is named with it does, as a value that msgspec can encode.
"""

from __future__ import annotations

from typing import Any, Protocol


class Source(Protocol):
    async def about(self) -> Any:
        """What every page shows of the hub: GET /api/v1/status, without what has to be counted, and `at`, the time."""

    async def snapshot(self) -> Any:
        """GET /api/v1/snapshot."""

    async def health(self) -> Any:
        """GET /api/v1/health."""

    async def cost(self) -> Any:
        """GET /api/v1/cost."""

    async def conversation(self, **wanted: Any) -> Any:
        """GET /api/v1/messages?ladder=1; `wanted` are its `with_`, `topic`, `thread`, `before` and `limit`.

        And `head`, the newest offset that it took into account, and `parties`, `[{name, topics}]`: who there is, and
        what they hear. Raises HubbubError for a name or a topic that there cannot be.
        """

    async def pulse(self, after: int = 0) -> Any:
        """GET /api/v1/pulse."""
