"""A client's connection that is closed whatever ends its task."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect


@asynccontextmanager
async def dial(url: str, **options: Any) -> AsyncIterator[ClientConnection]:
    """Also by a task that is cancelled: before Python 3.11.3 the limit of the close is taken for a second cancelling
    there (cpython gh-102780), which leaves the socket open.

    Who leaves amid what it has not read does not wait for the hub's goodbye behind that.
    """
    connection = await connect(url, compression=None, proxy=None, close_timeout=0.1, **options)
    try:
        yield connection
    finally:
        try:
            await connection.close()
        finally:
            connection.transport.abort()
