"""What `hubbub bench` measures: a hub of its own, in a folder of its own, on loopback, for some seconds."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hub import __version__
from hub.bench.process import SERVER, LoadProcess, cores, start
from hub.config import Settings, load
from hub.daemon import Running, locate, probe
from hub.errors import Unavailable
from hub.paths import make_private
from hub.processes import cpu_seconds, memory
from hub.request import origin

RATE = 200  # messages a second while latency is measured: an idle hub's, not a busy one's
BODY = 200  # bytes of each message
START = 20.0  # seconds for the hub to answer


class Part(NamedTuple):
    """One thing that was measured, and what it is called in the result."""

    key: str
    about: str
    ask: dict[str, Any]


def parts(subscribers: int, seconds: float) -> list[Part]:
    """What is done, in this order."""
    return [
        Part("confirmed", "storing", {"do": "run", "to": "quiet", "in_flight": 100, "seconds": seconds}),
        Part("one_by_one", "storing one by one", {"do": "run", "to": "quiet", "in_flight": 1, "seconds": seconds / 2}),
        Part("fan_out", f"pushing to {subscribers:,}", {"do": "run", "in_flight": 32, "seconds": seconds}),
        Part("latency", "timing", {"do": "pace", "to": "one", "rate": RATE, "seconds": seconds}),
    ]


def measure(settings: Settings, subscribers: int, seconds: float, told: Callable[[str], None]) -> dict[str, Any]:
    """Start a hub beside the user's own data, measure it, and end it; `told` hears what is being done.

    The disk is the one that the user's hub writes to, and `synchronous` is as the user has set it. Everything else is
    as it comes. Raises Unavailable if that hub does not start.
    """
    make_private(settings.home)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=settings.home) as name:
        folder = Path(name)
        sync = fsync_seconds(folder)
        with _hub(folder / "home", settings.synchronous) as hub:
            where = origin(hub.url)
            host = f"{where.host}:{where.port}"
            options = {"host": host, "token": hub.token}
            with LoadProcess(where.host, where.port, "hub.bench.speech:Hubbub", options) as generator:
                told(f"connecting {subscribers:,}")
                generator.ask("join", subscribers=subscribers, publishers=1)
                generator.ask("join", subscribers=1, hears="one")
                found = {}
                for part in parts(subscribers, seconds):
                    told(part.about)
                    before = cpu_seconds(hub.pid)
                    answer = generator.ask(body=BODY, **part.ask)
                    after = cpu_seconds(hub.pid)
                    known = before is not None and after is not None
                    share = (after - before) / answer["seconds"] if known else None  # type: ignore[operator]
                    found[part.key] = {**answer, "hub_share": share}
                held = memory(hub.pid)
    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": len(cores()) or os.cpu_count(),
        "synchronous": settings.synchronous,
        "fsync_ms": sync * 1000,
        "body_bytes": BODY,
        "confirmed_per_second": _rate(found["confirmed"], "messages"),
        "one_by_one_per_second": _rate(found["one_by_one"], "messages"),
        "subscribers": subscribers,
        "deliveries_per_second": _rate(found["fan_out"], "deliveries"),
        "latency_ms": {key: found["latency"][key] / 1000 for key in ("p50", "p90", "p99", "max")},
        "hub_share": found["fan_out"]["hub_share"],
        "load_share": found["fan_out"]["load_share"],
        "peak_memory": held and held[1],
    }


def fsync_seconds(folder: Path, times: int = 30) -> float:
    """The median of so many writes of 4 KiB to the end of a file there, each until it is on disk."""
    took = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(times):
            begin = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            took.append(time.perf_counter() - begin)
    return sorted(took)[times // 2]


def _rate(answer: dict[str, Any], what: str) -> float:
    return float(answer[what] / answer["seconds"])


@contextmanager
def _hub(home: Path, synchronous: str) -> Iterator[Running]:
    """A hub on any free port, with no settings but this one."""
    kept_out = {key: "" for key in os.environ if key.startswith("HUBBUB_")}  # an empty one counts as not set
    own = {"HUBBUB_HOME": str(home), "HUBBUB_PORT": "0", "HUBBUB_SYNCHRONOUS": synchronous}
    process = start(
        [sys.executable, "-P", "-m", "hub", "serve"],
        SERVER,
        kept_out | own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        settings = load({}, own)
        until = time.monotonic() + START
        while (found := locate(settings)) is None or not probe(found):
            if process.poll() is not None or time.monotonic() > until:
                raise Unavailable(
                    "The hub that was to be measured did not start.",
                    "hubbub serve shows what is wrong; so does doctor.",
                )
            time.sleep(0.02)
        yield found
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
