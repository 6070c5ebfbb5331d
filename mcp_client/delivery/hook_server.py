"""Where the hooks beside this process ask: a port on loopback, known from the note in HUBBUB_HOME (mcp_client.note).

The protocol stands in mcp_client.hook. Who does not begin with the note's secret is hung up on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from hub.errors import HubbubError
from mcp_client import note
from mcp_client.delivery import hooks
from mcp_client.delivery.courier import Courier, Handing
from mcp_client.delivery.hooks import Printed
from mcp_client.hook import LONGEST, WAKE

HEAD = 10.0  # seconds that the request may take
Examine: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Printed]]
EXAMINE = "Examine"  # not a client's event: `hubbub doctor --agent` asks

log = logging.getLogger(__name__)


class HookServer:
    """`examine` answers `hubbub doctor --agent`."""

    def __init__(self, courier: Courier, examine: Examine | None = None) -> None:
        self._courier = courier
        self._examine = examine
        self._secret = secrets.token_hex(16)
        self._busy: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self, home: Path, environ: Mapping[str, str], folder: Path) -> AsyncIterator[None]:
        """Listen, with a note for the hooks, until the block ends. Where that cannot be, there are no hooks, only."""
        server = None
        path = None
        try:
            server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=LONGEST)
            port = server.sockets[0].getsockname()[1]
            left = note.Note(
                port=port,
                secret=self._secret,
                parent=os.getppid(),
                session=environ.get("CLAUDE_CODE_SESSION_ID", ""),
                folder=str(folder),
                pid=os.getpid(),
            )
            path = note.write(home, left)
            note.tidy(home)
        except (OSError, HubbubError) as why:
            log.warning("no hooks: %s", why)
        try:
            yield
        finally:
            if path is not None:
                with contextlib.suppress(OSError):
                    path.unlink()
            if server is not None:
                server.close()
            for task in self._busy:
                task.cancel()
            await asyncio.gather(*self._busy, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError) as why:
            log.debug("a hook's connection ended: %r", why)
        except asyncio.CancelledError:
            pass  # this process ends
        except Exception:
            log.exception("a hook failed")
        finally:
            self._busy.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEAD):
            secret, event, length = (await reader.readuntil(b"\n")).decode("ascii").split()
            if not secrets.compare_digest(secret, self._secret) or not 0 <= int(length) <= LONGEST:
                return
            said = hooks.read(await reader.readexactly(int(length)))
        if event == EXAMINE and self._examine is not None:
            _write(writer, await self._examine(said))
            await writer.drain()
            return
        handing = await self._waited(said, reader) if event == WAKE else self._courier.hook(event, said)
        if handing is None:
            _write(writer, hooks.SILENT)
            await writer.drain()
            return
        done = False
        try:
            _write(writer, handing.printed)
            await writer.drain()
            # No time limit: until the hook has ended, nobody knows whether it prints.
            done = await reader.readline() == b"done\n"
        finally:
            if done:
                self._courier.printed(handing)
            else:
                self._courier.not_printed(handing)

    async def _waited(self, said: Mapping[str, Any], reader: asyncio.StreamReader) -> Handing | None:
        """What comes for a hook that waits; it may go away meanwhile."""
        waiting = asyncio.ensure_future(self._courier.wait_for_news(said))
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            raise ConnectionResetError("the waiting hook has ended")
        finally:
            for each in (waiting, leaving):
                each.cancel()
            await asyncio.gather(waiting, leaving, return_exceptions=True)


def _write(writer: asyncio.StreamWriter, printed: Printed) -> None:
    out, err = printed.out.encode(errors="replace"), printed.err.encode(errors="replace")
    writer.write(f"{printed.code} {len(out)} {len(err)}\n".encode() + out + err)
