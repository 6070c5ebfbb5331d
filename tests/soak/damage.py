"""Damaged databases: each is noticed, set aside whole, and what can be read of it is there again; or does no harm."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from hub import writer
from hub.history import History
from hub.log import Retention
from hub.message import Message
from hub.tables import TokenRow
from tests.hub.memory_log import draft, fact
from tests.journeys.processes import hub_process
from tests.soak.disk import folder

EVERYTHING = 2**40
PAGE = 4096
NOW = 1_700_000_000.0


class Wrong(AssertionError):
    """A start on a damaged database that went as it must not."""


class Home:
    """A hub's files: after a proper end, after `kill -9`, and after a power cut, which leaves no index of it."""

    def __init__(self, scratch: Path) -> None:
        self.closed, self.killed, self.cut = (scratch / each for each in ("closed", "killed", "cut"))
        self.messages: dict[int, Message] = {}
        self.tables: list[Any] = []

    @classmethod
    async def make(cls, scratch: Path) -> Home:
        home = cls(scratch)
        chance = random.Random(0)
        writer.CHECKPOINT_PAGES, usual = 300, writer.CHECKPOINT_PAGES
        log = await History.open(scratch / "live" / "hubbub.db")
        await log.append([fact(number, "$instance.registered", name=f"a{number}") for number in range(12)])
        for start in range(0, 900, 9):
            topics = [chance.choice(["inbox.a1", "inbox.a2", "build", "all"]) for _ in range(9)]
            await log.append(
                [
                    draft(100 + start + number, topic=topic, body=f"{start + number} " * chance.randrange(1, 200))
                    for number, topic in enumerate(topics)
                ]
            )
            if start % 90 == 0:
                moved = [{"origin": each, "name": f"a{each - 1}", "received": start, "read": start} for each in (2, 3)]
                await log.append([fact(5000 + start, "$cursors", moved=moved)])
                await log.append([fact(6000 + start, "$subscription.added", origin=5, name="a4", topic=f"t{start}.>")])
                await log.index_slice()
        size = sum(each.size for each in await log.since(0, 10**6, EVERYTHING))
        await log.trim(Retention(age=1e12, size=size - 5000, facts_age=1e12), NOW)
        await log.save_token(TokenRow(id="t1", hash="ab" * 32, name="a1", scopes=("publish",), created_at=1.0))
        for number in range(5):
            await log.append([draft(9000 + number)])
        home.messages = {each.offset: each for each in await log.since(0, 10**6, EVERYTHING)}
        home.tables = await tables(log)
        shutil.copytree(log.path.parent, home.killed)
        await log.close()
        writer.CHECKPOINT_PAGES = usual
        shutil.copytree(log.path.parent, home.closed)
        shutil.copytree(home.killed, home.cut)
        (home.cut / "hubbub.db-shm").unlink()
        return home


async def tables(log: History) -> list[Any]:
    """What the hub knows beside the messages."""
    state = await log.load()
    parts = [state.head, state.floor, state.instances, state.holdings, state.subscriptions, state.topics]
    return [*parts, await log.tokens()]


# Damages: each takes a file's folder and a source of chance, and says what it did.


def flip(path: Path, places: list[int], chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for place in places:
        data[place] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def _near(path: Path, chance: random.Random, begin: int, length: int) -> str:
    many = chance.choice((1, 1, 2, 16))
    places = [begin + chance.randrange(length) for _ in range(many)]
    flip(path, places, chance)
    return f"{path.name}: bits at {sorted(places)[:3]}"


def head(home: Path, chance: random.Random) -> str:
    return _near(home / "hubbub.db", chance, 0, 100)


def anywhere(home: Path, chance: random.Random) -> str:
    return _near(home / "hubbub.db", chance, 0, (home / "hubbub.db").stat().st_size)


def page(home: Path, chance: random.Random) -> str:
    path = home / "hubbub.db"
    data = bytearray(path.read_bytes())
    begin = chance.randrange(len(data) // PAGE) * PAGE
    other = chance.randrange(len(data) // PAGE) * PAGE
    how = chance.choice(("zeros", "noise", "another"))
    data[begin : begin + PAGE] = {
        "zeros": bytes(PAGE),
        "noise": chance.randbytes(PAGE),
        "another": data[other : other + PAGE],
    }[how]
    path.write_bytes(data)
    return f"page {begin // PAGE + 1} is {how}"


def index(home: Path, chance: random.Random) -> str:
    with closing(sqlite3.connect(f"{(home / 'hubbub.db').as_uri()}?immutable=1", uri=True)) as db:
        roots = db.execute("SELECT name, rootpage FROM sqlite_schema WHERE type = 'index' AND rootpage > 0").fetchall()
    name, root = chance.choice(roots)
    return f"{name}: " + _near(home / "hubbub.db", chance, (root - 1) * PAGE, PAGE)


def cut_off(home: Path, chance: random.Random) -> str:
    size = chance.randrange((home / "hubbub.db").stat().st_size)
    with (home / "hubbub.db").open("r+b") as file:
        file.truncate(size)
    return f"cut off at {size}"


def journal(home: Path, chance: random.Random) -> str:
    return _near(home / "hubbub.db-wal", chance, 0, (home / "hubbub.db-wal").stat().st_size)


def journal_head(home: Path, chance: random.Random) -> str:
    return _near(home / "hubbub.db-wal", chance, 0, 32)


def journal_cut_off(home: Path, chance: random.Random) -> str:
    size = chance.randrange((home / "hubbub.db-wal").stat().st_size)
    with (home / "hubbub.db-wal").open("r+b") as file:
        file.truncate(size)
    return f"the journal cut off at {size}"


IN_FILE = (head, anywhere, anywhere, page, page, index, cut_off)
IN_JOURNAL = (journal, journal, journal_head, journal_cut_off)


async def harm(home: Home, scratch: Path, seed: int, *, with_hub: bool = False) -> Counter[str]:
    """Damage a copy by the seed, and start on it, twice. Raises Wrong."""
    chance = random.Random(seed)
    source = chance.choice((home.closed, home.closed, home.killed, home.cut))
    damages: tuple[Callable[[Path, random.Random], str], ...] = IN_FILE
    if source is not home.closed and chance.random() < 0.6:
        damages = IN_JOURNAL
    damage = chance.choice(damages)
    with folder(scratch / f"damage-{seed}") as here:
        left = here / "home"
        shutil.copytree(source, left)
        what = f"seed {seed}, {source.name}, {damage.__name__}: {damage(left, chance)}"
        try:
            found = await _start(home, left, tail_may_go=source is home.cut and damage in IN_JOURNAL)
            if with_hub:
                with hub_process(left) as hub:
                    assert hub.stop() == 0
                found += ", and a hub was started on it"
        except Exception as why:
            raise Wrong(f"{what}: {type(why).__name__}: {why}") from why
    return Counter({found: 1, "damaged": 1})


async def _start(home: Home, left: Path, *, tail_may_go: bool) -> str:
    before = {each.name: each.read_bytes() for each in left.iterdir() if not each.name.endswith("-shm")}
    async with await History.open(left / "hubbub.db", clock=lambda: NOW) as log:
        opened = log.opened
        stored = {each.offset: each for each in await log.since(0, 10**6, EVERYTHING)}
        known = await tables(log)
        state = await log.load()
        strange = [offset for offset, message in stored.items() if home.messages.get(offset) not in (message, None)]
        assert not strange, f"silently wrong: messages {strange[:3]}"
        if opened.set_aside is None:
            gone = sorted(home.messages.keys() - stored.keys())
            if gone:
                assert tail_may_go, f"silently gone: {gone[:3]} of {len(home.messages)}"
                assert gone == list(range(gone[0], gone[-1] + 1)), f"silently gone, not from the end: {gone[:5]}"
                assert state.head == gone[0] - 1
                found = "took the end of a journal without its index"
            else:
                found = "did no harm" if home.tables == known else "changed another table unnoticed"
        else:
            assert opened.recovered == len(stored)
            assert opened.told()
            assert opened.lost in (None, 0)
            assert opened.lost is None or stored.keys() >= home.messages.keys(), "some are lost, and it does not say so"
            kept = {
                each.name.replace(opened.set_aside.name, "hubbub.db"): each.read_bytes()
                for each in left.glob("*damaged*")
                if not each.name.endswith("-shm")
            }
            assert {name: kept.get(name) for name in before} == before, "what was set aside is not what was there"
            found = "set aside, all recovered" if stored.keys() >= home.messages.keys() else "set aside, some recovered"
        (message,) = await log.append([draft(10_000)])
        assert message.offset == state.head + 1
    async with await History.open(left / "hubbub.db") as again:
        assert again.opened.set_aside is None, "it was set aside again"
        assert len(await again.since(0, 10**6, EVERYTHING)) == len(stored) + 1
    return found
