"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hub.bench.process import ALL

LOOK = 1.0  # seconds between two looks at what comes from this process


def machine(folder: Path) -> dict[str, Any]:
    """Of this machine what bears on speed. `folder` is on the disk that is measured."""
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%d"),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": len(ALL) or os.cpu_count(),
        "pinned": len(ALL) > 1,
        "python": platform.python_version(),
        "fsync_us": round(fsync_us(folder)),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "commit": _commit(),
    }


class Others:
    """What other programs took of the machine's processors since this was made; its own children must have ended.

    The system tells a process what its children used once it has waited for them. A browser waits for few of its own,
    so beside that all that come from this process are looked at once a second: the larger of both sums is its own.
    """

    def __init__(self) -> None:
        self._begin = time.monotonic(), _busy(), _waited(), time.process_time()
        self._seen: dict[tuple[str, str], float] = {}
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._looking.start()

    def share(self) -> float | None:
        """Of all cores together, 0 to 1; None where the system does not say (proc(5), /proc/stat). Once."""
        self._over.set()
        self._looking.join()
        begin, busy, waited, own = self._begin
        now = _busy()
        if busy is None or now is None:
            return None
        used = time.process_time() - own + max(_waited() - waited, sum(self._seen.values()))
        return max(0.0, (now - busy - used) / ((time.monotonic() - begin) * (os.cpu_count() or 1)))

    def _look(self) -> None:
        while not self._over.wait(LOOK):
            self._seen |= descendants(os.getpid())


def descendants(pid: int, proc: Path = Path("/proc")) -> dict[tuple[str, str], float]:
    """Seconds of processor time that each process which comes from that one has used itself, by pid and start."""
    parents, found = {}, {}
    for stat in proc.glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            parents[stat.parent.name] = fields[1]
            found[stat.parent.name] = fields[19], (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))
    mine = {str(pid)}
    while more := {each for each, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return {(each, found[each][0]): found[each][1] for each in mine - {str(pid)}}


def _busy() -> float | None:
    """Seconds that all cores have worked since the machine started: all but idle and waiting for a disk."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    except OSError:
        return None
    return sum(int(each) for place, each in enumerate(fields) if place not in (3, 4)) / float(os.sysconf("SC_CLK_TCK"))


def _waited() -> float:
    used = os.times()
    return used.children_user + used.children_system


def fsync_us(folder: Path, times: int = 50) -> float:
    """Microseconds, median, to write 4 KiB to the end of a file there and have it on disk."""
    took = []
    path = folder / "fsync"
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            begin = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            took.append(time.perf_counter() - begin)
    path.unlink()
    return sorted(took)[times // 2] * 1e6


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str | None:
    here = Path(__file__).parent
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=here, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None
