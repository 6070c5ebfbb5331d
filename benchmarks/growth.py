"""What a long log costs: the same questions to a hub with a million stored messages and to one with next to none.

Both hubs run at once, with synchronous=FULL, the same people and the same settings. Each question is put to both, one
after the other and the next time the other way round, so that what the machine does meanwhile meets both. A ratio of
1.00 says that the number of stored messages makes no difference; the aim is 1.05 at most for publishing, catching up,
searching and turning pages. Absolute times say something about this machine only.

The window is made small, so that a reader that catches up reads from the disk in both.

    python benchmarks/growth.py [--messages 1000000] [--rounds 7] [--only WORD] [--json FILE] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import platform
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypedDict
from urllib.parse import urlencode, urlsplit

import uuid_utils
from websockets.asyncio.client import connect

from hub import fold
from hub.history import History
from hub.message import OVERHEAD, Draft
from hub.paths import Paths

HUBBUB = [sys.executable, "-m", "hub"]
BATCH = 5000  # drafts in one transaction while the log is made
TOPICS = ("build", "build.linux", "deploy", "chat", "review.code")
FIRST = ("ba", "de", "fi", "go", "ku", "la", "mo", "ne", "pu", "ra", "so", "tu", "wi")
WORDS = [first + last for first in FIRST for last in ("ban", "cor", "dim", "fel", "gat", "hup")]
RARE = "xylophone"
KEPT = 3000  # what both hubs hold: enough for every question
CAUGHT_UP = 1000  # messages that a reader is sent when it comes back
PEOPLE = 20
HEARD = 0.95  # of all messages; the newest are on a topic that nobody hears
NEVER_READ = 5  # of them: they hear everything, and have read nothing since they registered
WINDOW = 500
FLIGHT = 16  # publishes on the way at once
PUBLISHED = 48
SETTLED = 30.0  # seconds for the hub to do what it does behind the head
AIM = 1.05


class Maker:
    """Fills a database as a hub would have, but in big transactions."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._chance = random.Random(1)
        self._origins: dict[str, int] = {}
        self._at = time.time() - 3600

    async def people(self) -> None:
        names = [f"agent-{number}" for number in range(PEOPLE)]
        for draft, name in zip(
            await self._told(fold.REGISTERED, [{"name": name} for name in names]), names, strict=True
        ):
            self._origins[name] = draft.offset
        heard = [
            {"origin": self._origins[name], "name": name, "topic": topic}
            for name in names
            for topic in (*TOPICS, "review.>")
        ]
        await self._told(fold.SUBSCRIBED, heard)

    async def talk(self, count: int) -> None:
        """`count` messages, on topics, to all and to people; then everybody but a few has read them."""
        for begin in range(0, count, BATCH):
            numbers = range(begin, min(begin + BATCH, count))
            await self._history.append([self._say(number, unheard=number >= HEARD * count) for number in numbers])
            head = (await self._history.tail(1, 2**30))[0].offset
            for name in list(self._origins)[NEVER_READ:]:
                await self._told(fold.CURSORS, [{"moved": [self._moved(name, head)]}])
            for name in list(self._origins)[:NEVER_READ]:
                moved = {"origin": self._origins[name], "name": name, "received": 0, "read": 0}
                await self._told(fold.CURSORS, [{"moved": [moved]}])
        history = self._history
        for upkeep in (history.index_slice, history.merge_slice, history.tally_slice, history.frame_slice):
            while await upkeep():
                pass

    def _moved(self, name: str, head: int) -> dict[str, Any]:
        return {"origin": self._origins[name], "name": name, "received": head, "read": head}

    def _say(self, number: int, *, unheard: bool) -> Draft:
        name = f"agent-{self._chance.randrange(PEOPLE)}"
        kind = self._chance.random()
        if unheard:
            to, topic = "#quiet", "quiet"
        elif kind < 0.2:
            to, topic = "all", "all"
        elif kind < 0.4:
            whom = f"agent-{self._chance.randrange(NEVER_READ, PEOPLE)}"
            to, topic = whom, "inbox." + whom
        else:
            topic = self._chance.choice(TOPICS)
            to = "#" + topic
        words = self._chance.choices(WORDS, k=8)
        if number % 100 == 0:
            words.append(RARE)
        body = " ".join(words)
        self._at += 0.001
        return Draft(
            id=str(uuid_utils.uuid7()),
            sender=name,
            origin=self._origins[name],
            to=to,
            topic=topic,
            body=body,
            at=self._at,
            size=OVERHEAD + len(body),
        )

    async def _told(self, topic: str, each: list[dict[str, Any]]) -> list[Any]:
        return await self._history.append(
            [fold.fact(str(uuid_utils.uuid7()), topic, told, topic, self._at) for told in each]
        )


async def make(home: Path, messages: int) -> None:
    home.mkdir(parents=True, mode=0o700)
    async with await History.open(Paths(home, home).database, synchronous="normal") as history:
        maker = Maker(history)
        await maker.people()
        await maker.talk(messages)


class Hub:
    """One hub as a process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HUBBUB_")}
        self.environment = {
            **kept,
            "HUBBUB_HOME": str(home),
            "HUBBUB_PORT": "0",
            "HUBBUB_SYNCHRONOUS": "full",
            "HUBBUB_WINDOW_MESSAGES": str(WINDOW),
            "PYTHONPATH": os.pathsep.join(each for each in sys.path if each),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._http: http.client.HTTPConnection | None = None
        self.took = self.start()

    def start(self) -> float:
        """Start it; the seconds until it answers that it is ready."""
        begin = time.perf_counter()
        note = self.home / "hub.json"
        note.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [*HUBBUB, "serve"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not note.exists() or not note.read_text().endswith("}\n"):
            assert self._process.poll() is None, "the hub ended"
            time.sleep(0.001)
        self.url = str(json.loads(note.read_text())["url"])
        self.token = (self.home / "token").read_text().strip()
        address = urlsplit(self.url)
        self._http = http.client.HTTPConnection(address.hostname or "", address.port or 0, timeout=600)
        self.get("/readyz")
        return time.perf_counter() - begin

    def stop(self) -> None:
        self.hang_up()
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
            self._process = None

    def settle(self) -> None:
        """Return once the search index has come to the head: it is filled behind it, every few seconds."""
        with closing(sqlite3.connect(f"{Paths(self.home, self.home).database.as_uri()}?mode=ro", uri=True)) as db:
            until = time.monotonic() + SETTLED
            sql = "SELECT max(offset) - (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'indexed') FROM messages"
            while db.execute(sql).fetchone()[0] > 0 and time.monotonic() < until:
                time.sleep(0.1)

    def hang_up(self) -> None:
        if self._http is not None:
            self._http.close()

    def refresh(self) -> None:
        """Connect anew: the hub ends a connection on which nothing was asked for some seconds."""
        self.hang_up()
        self.get("/healthz")

    def get(self, path: str, **query: str | int) -> bytes:
        assert self._http is not None
        self._http.request(
            "GET", f"{path}?{urlencode(query)}" if query else path, headers={"Authorization": f"Bearer {self.token}"}
        )
        answer = self._http.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return body


# The questions. Each puts itself once, and returns the milliseconds of whatever it timed.

Ask: TypeAlias = Callable[[Hub], Awaitable[list[float]]]


async def publish(hub: Hub) -> list[float]:
    """From a publish to its confirmation, some always on the way."""
    took: list[float] = []
    async with connect(hub.url, compression=None, proxy=None, max_size=None) as connection:
        await connection.send(
            json.dumps({"type": "hello", "name": "publisher", "token": hub.token, "take_over": True, "credit": 0})
        )
        await connection.recv()
        sent: dict[int, float] = {}
        number = 0
        while len(took) < PUBLISHED:
            while len(sent) < FLIGHT and number < PUBLISHED:
                sent[number] = time.perf_counter()
                await connection.send(json.dumps({"type": "publish", "ref": number, "to": "#quiet", "body": "x" * 100}))
                number += 1
            answer = json.loads(await connection.recv())
            if answer["type"] == "published":
                took.append((time.perf_counter() - sent.pop(answer["ref"])) * 1000)
    return took


async def catch_up(hub: Hub) -> list[float]:
    """From a hello that resumes behind the window to the last of so many messages."""
    async with connect(hub.url, compression=None, proxy=None, max_size=None) as connection:
        begin = time.perf_counter()
        hello = {
            "type": "hello",
            "name": "agent-0",
            "token": hub.token,
            "share": True,
            "resume": 200,
            "credit": CAUGHT_UP,
        }
        await connection.send(json.dumps(hello))
        got = 0
        while got < CAUGHT_UP:
            got += json.loads(await connection.recv())["type"] == "message"
        return [(time.perf_counter() - begin) * 1000]


def getting(path: str, **query: Any) -> Ask:
    async def ask(hub: Hub) -> list[float]:
        begin = time.perf_counter()
        hub.get(path, **query)
        return [(time.perf_counter() - begin) * 1000]

    return ask


async def read(hub: Hub) -> list[float]:
    """`hubbub read`, a process from its start to its end."""
    begin = time.perf_counter()
    subprocess.run(
        [*HUBBUB, "read", "--as", "agent-7", "--json"], env=hub.environment, stdout=subprocess.DEVNULL, check=True
    )
    return [(time.perf_counter() - begin) * 1000]


async def start(hub: Hub) -> list[float]:
    """From `hubbub serve` to the answer on /readyz."""
    hub.stop()
    await asyncio.sleep(0.1)
    return [hub.start() * 1000]


class Question(NamedTuple):
    ask: Ask
    times: int  # in each round
    aimed: bool = False  # whether the aim is for it, too


MESSAGES = "/api/v1/messages"
QUESTIONS = {
    f"publish, {FLIGHT} in flight": Question(publish, 8, aimed=True),
    f"catch-up of {CAUGHT_UP}": Question(catch_up, 8, aimed=True),
    "search, a common word": Question(getting(MESSAGES, search=WORDS[0], limit=20), 60, aimed=True),
    "search, two words": Question(getting(MESSAGES, search=f"{WORDS[1]} {WORDS[2]}", limit=20), 60, aimed=True),
    "search, a rare word": Question(getting(MESSAGES, search=RARE, limit=20), 60, aimed=True),
    "history, newest page": Question(getting(MESSAGES, limit=50), 60, aimed=True),
    "history, an old page": Question(getting(MESSAGES, limit=50, before=2000), 60, aimed=True),
    "history with somebody": Question(getting(MESSAGES, **{"with": "agent-9", "limit": 50}), 60, aimed=True),
    "unread, one at the head": Question(getting(MESSAGES, **{"as": "agent-9", "unread": 1}), 60),
    "unread, one far behind": Question(getting(MESSAGES, **{"as": "agent-1", "unread": 1}), 60),
    "instances": Question(getting("/api/v1/instances"), 30),
    "topics": Question(getting("/api/v1/topics"), 30),
    "snapshot": Question(getting("/api/v1/snapshot"), 30),
    "hubbub read": Question(read, 1),
    "hub start": Question(start, 1),
}


class Figures(TypedDict):
    empty_ms: float  # the median of all times, of the hub with next to nothing
    full_ms: float  # and of the one with all the messages
    ratio: float  # of these two
    lowest: float  # of the ratios of each round's medians
    highest: float
    aimed: bool


async def measure(hubs: tuple[Hub, Hub], rounds: int, only: str) -> dict[str, Figures]:
    figures: dict[str, Figures] = {}
    for what, question in QUESTIONS.items():
        if only not in what:
            continue
        for hub in hubs:
            hub.settle()
            hub.refresh()
            await question.ask(hub)  # warm
        figures[what] = each = await compare(question, hubs, rounds)
        print(
            f"{what:26} {each['empty_ms']:9.2f} ms {each['full_ms']:9.2f} ms   {each['ratio']:5.2f}  "
            f"({each['lowest']:.2f} to {each['highest']:.2f})",
            flush=True,
        )
    return figures


async def compare(question: Question, hubs: tuple[Hub, Hub], rounds: int) -> Figures:
    took: tuple[list[float], list[float]] = ([], [])
    ratios = []
    for _ in range(rounds):
        now: tuple[list[float], list[float]] = ([], [])
        for hub in hubs:
            hub.refresh()
        for number in range(question.times):
            for which in (0, 1) if number % 2 else (1, 0):
                now[which].extend(await question.ask(hubs[which]))
        ratios.append(statistics.median(now[1]) / statistics.median(now[0]))
        for all_, these in zip(took, now, strict=True):
            all_.extend(these)
    empty, full = map(statistics.median, took)
    return Figures(
        empty_ms=empty,
        full_ms=full,
        ratio=full / empty,
        lowest=min(ratios),
        highest=max(ratios),
        aimed=question.aimed,
    )


def conclusion(figures: dict[str, Figures]) -> str:
    """One line: whether the aim is met."""
    aimed = {what: each["ratio"] for what, each in figures.items() if each["aimed"]}
    missed = [f"{what} ({ratio:.2f})" for what, ratio in aimed.items() if ratio > AIM]
    return f"{len(aimed) - len(missed)} of {len(aimed)} within {AIM:.2f}" + (
        f"; not {', '.join(missed)}" if missed else ""
    )


@contextmanager
def folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
    else:
        with tempfile.TemporaryDirectory(prefix="hubbub-growth-") as made:
            yield Path(made)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="only the questions that have this in their name")
    parser.add_argument("--keep", type=Path, help="keep the databases there, and use those that lie there")
    parser.add_argument("--json", type=Path, help="write the figures there")
    told = parser.parse_args()
    with folder(told.keep) as home:
        for name, count in (("empty", KEPT), ("full", told.messages)):
            if not (home / name).exists():
                begin = time.perf_counter()
                asyncio.run(make(home / name, count))
                print(f"{count:,} messages stored in {time.perf_counter() - begin:.1f} s", flush=True)
        hubs = (Hub(home / "empty"), Hub(home / "full"))
        try:
            print(f"{'':26} {KEPT:>12,} {told.messages:>12,}   ratio of the medians (rounds)")
            figures = asyncio.run(measure(hubs, told.rounds, told.only))
            print(conclusion(figures))
        finally:
            for hub in hubs:
                hub.stop()
    if told.json:
        described = {
            "messages": told.messages,
            "rounds": told.rounds,
            "python": platform.python_version(),
            "cores": os.cpu_count(),
        }
        told.json.write_text(json.dumps(described | {"figures": figures}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
