"""Files to other agents and from them. Transfers run in a thread; the tool call waits, and reports how far it is.

What was sent to this agent is put below `HUBBUB_HOME/files/NAME/` when the message is handed to the model: so an agent
that was offline gets it too, and what nobody reads is not fetched. Names there are of our own making (hub/filename.py).
"""

from __future__ import annotations

import asyncio
import codecs
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from hub.bounds import MAX_ATTACHMENT
from hub.errors import HubbubError
from hub.request import Requests
from hub.transfer import READING, Progress, Sent, fetch, upload
from hub.units import size_text
from mcp_client.delivery.waiting import Progress as Report
from mcp_client.sharing import opened

TELL_EVERY = 1.0  # seconds between two reports of a transfer
AT_ONCE = 64 * 2**20  # bytes fetched for one tool call; the rest is fetched when its message is asked for
HEAD = 2000  # bytes that are shown of a text file
KEPT = 30 * 86_400.0  # seconds; the hub's own history goes back as far by default

Answer = TypeVar("Answer")


class Files:
    """`folder` is where files are put, one folder a name; `roots` are where files may be shared from."""

    def __init__(self, folder: Path, roots: Sequence[Path]) -> None:
        self.folder = folder
        self.roots = list(roots)

    async def share(self, requests: Requests, who: str, path: str, report: Report) -> Sent:
        """Have a file at the hub, ready to be named in a message. Raises Forbidden, BadValue, TooLarge, Unreachable."""
        with opened(self.roots, path) as file:
            size = os.fstat(file.descriptor).st_size
            name = file.file.rpartition("/")[2]
            descriptor = os.dup(file.descriptor)  # the thread's own: it may outlive a call that is cancelled

        def work(progress: Progress) -> Sent:
            try:
                limit = int(requests.get("/status").get("max_attachment") or MAX_ATTACHMENT)
                return upload(requests, descriptor, who=who, name=name, limit=limit, progress=progress)
            finally:
                os.close(descriptor)

        return await _in_thread(work, size, f"sending {name}", report)

    async def collect(self, requests: Requests, who: str, shown: Sequence[dict[str, Any]], report: Report) -> None:
        """Fetch what these messages carry, and say in each attachment where it is, or why it is not here."""
        room = AT_ONCE
        for message in shown:
            carried = message["attachments"]
            if not carried or message["from"] == who:
                continue
            message["attachments"] = carried = [dict(each) for each in carried]
            for each in carried:
                size = each.get("size")
                if not isinstance(size, int) or size > room:
                    continue
                room -= size
                try:
                    path = await self._get(requests, who, message["id"], each, report)
                    each["file"] = str(path)
                    if text := await asyncio.to_thread(head, path, size):
                        each["head"] = text
                except HubbubError as why:
                    each["trouble"] = str(why)
                    room += size

    async def _get(
        self, requests: Requests, who: str, message_id: str, attachment: dict[str, Any], report: Report
    ) -> Path:
        folder = self.folder / who.lower()

        def work(progress: Progress) -> Path:
            return fetch(requests, message_id, attachment, folder, who=who, private=True, progress=progress)

        return await _in_thread(work, attachment["size"], f"fetching {size_text(attachment['size'])}", report)

    def tidy(self, now: float | None = None) -> int:
        """Remove files older than `KEPT`; returns how many. Never fails: another process may be doing the same."""
        now = time.time() if now is None else now
        removed = 0
        with suppress(OSError):
            for path in self.folder.glob("*/*"):
                with suppress(OSError):
                    if path.is_file() and now - path.lstat().st_mtime > KEPT:
                        path.unlink()
                        removed += 1
        return removed


def head(path: Path, size: int) -> str | None:
    """The beginning of a text file in UTF-8; None for one that is none, or is empty."""
    try:
        descriptor = os.open(path, READING)
    except OSError:
        return None
    try:
        start = os.read(descriptor, HEAD)
    finally:
        os.close(descriptor)
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start, final=len(start) >= size)
    except UnicodeDecodeError:
        return None
    return text if text and "\0" not in text else None


class _GivenUp(Exception):
    """Nobody waits for this transfer any more."""


async def _in_thread(work: Callable[[Progress], Answer], total: int, about: str, report: Report) -> Answer:
    """Run a transfer, and report its progress; a call that is cancelled ends it at its next block."""
    done = 0
    given_up = False

    def progress(count: int) -> None:
        nonlocal done
        if given_up:
            raise _GivenUp
        done += count

    transfer = asyncio.ensure_future(asyncio.to_thread(work, progress))
    try:
        while not (await asyncio.wait([transfer], timeout=TELL_EVERY))[0]:
            await report(float(done), float(total), about)
        return transfer.result()
    finally:
        given_up = True
        transfer.cancel()
