"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hub.bench.process import ALL


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
    """What other programs took of the machine's processors since this was made; its own children must have ended."""

    def __init__(self) -> None:
        self._begin = time.monotonic(), _busy(), _own()

    def share(self) -> float | None:
        """Of all cores together, 0 to 1; None where the system does not say (proc(5), /proc/stat)."""
        begin, busy, own = self._begin
        now = _busy()
        if busy is None or now is None:
            return None
        cores = os.cpu_count() or 1
        return max(0.0, (now - busy - (_own() - own)) / ((time.monotonic() - begin) * cores))


def _busy() -> float | None:
    """Seconds that all cores have worked since the machine started: all but idle and waiting for a disk."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    except OSError:
        return None
    return sum(int(each) for place, each in enumerate(fields) if place not in (3, 4)) / float(os.sysconf("SC_CLK_TCK"))


def _own() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


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
