"""`python -m tests.soak.frail FAULT… serve`: the hub with faults planted in it, for the tests of the tests.

A fault is a function here. `checkpoints_often` is none: it only makes a short run do what otherwise a long one does.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

from hub import cli, database, writer
from hub.history import History
from hub.journal import Journal
from hub.message import Message
from hub.node import Node


def checkpoints_often() -> None:
    writer.CHECKPOINT_PAGES = 100


def never_syncs() -> None:
    _add_pragma("PRAGMA synchronous=OFF")


def syncs_now_and_then() -> None:
    _add_pragma("PRAGMA synchronous=NORMAL")


def confirms_before_it_commits() -> None:
    """The answers go out while the batch is still being committed."""
    under_way: list[asyncio.Task[None]] = []
    store = History._store

    async def one_after_another(log: History, messages: Sequence[Message], before: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*before)
        await store(log, messages)

    async def early(self: History, messages: Sequence[Message] = ()) -> None:
        under_way[:] = [asyncio.create_task(one_after_another(self, messages, under_way[:]))]
        self._whole = True

    History._store = early  # type: ignore[method-assign]


def says_goodbye_before_it_answers() -> None:
    """Connections are closed while what they have said is still being stored."""

    async def at_once(self: Journal) -> None:
        return

    Journal.settled = at_once  # type: ignore[method-assign]


def leaves_its_journal() -> None:
    async def never(self: History) -> None:
        os._exit(0)

    History.close = never  # type: ignore[method-assign]


def says_it_is_ready() -> None:
    Node.problems = lambda self: []  # type: ignore[method-assign]


def _add_pragma(pragma: str) -> None:
    plain = database.writer_pragmas
    for module in (database, writer):
        module.writer_pragmas = lambda level: (*plain(level), pragma)  # type: ignore[attr-defined]


def main() -> None:
    *faults, verb = sys.argv[1:]
    for fault in faults:
        globals()[fault]()
    sys.argv = ["hubbub", verb]
    cli.main()


if __name__ == "__main__":
    main()
