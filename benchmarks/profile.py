"""Where the hub's time goes: py-spy looks at it while it does the work of each path.

    python -m benchmarks.profile [--seconds 4]

Writes benchmarks/results/profile-PATH.txt (py-spy's raw stacks, for a flame graph) and the profile in
docs/performance.md. py-spy has to be allowed to look: as root, or where the system lets one trace one's own processes.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peers.hubbub import Hubbub
from benchmarks.report import HERE, PAGE, put
from benchmarks.server import Running, running

BEGIN, END = "<!-- profile: make profile writes what follows -->", "<!-- profile: end -->"
RATE = 500
SHOWN = 8
FRAME = re.compile(r"^(?P<function>.+) \((?P<file>[^:]+)(?::\d+)?\)$")


HEAD = "| function, with the C that it calls | share |"


class Way(NamedTuple):
    """One way through the hub, and what sends the hub along it."""

    name: str
    about: str
    join: dict[str, Any]
    ask: dict[str, Any]


CROWD = {"subscribers": 1000, "publishers": 1}
PATHS = [
    Way("fan-out", "1,000 subscribers, 32 in flight", CROWD, {"do": "run"}),
    Way("one to many", "1,000 subscribers, 1 in flight", CROWD, {"do": "run", "in_flight": 1}),
    Way("way in", "confirmed publishes, 100 in flight", {"publishers": 1}, {"do": "run", "in_flight": 100, "to": "no"}),
    Way("one to one", "1,000 messages a second", {"subscribers": 1, "publishers": 1}, {"do": "pace", "rate": 1000}),
]


class Profile(NamedTuple):
    """What was found on one path: samples by function where it stood, and by where in Hubbub or a library."""

    path: Way
    samples: int
    own: Counter[str]
    system_share: float | None  # of processor time, what the kernel had


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="of work on each path (default 4)")
    told = parser.parse_args()
    HERE.mkdir(parents=True, exist_ok=True)
    found = []
    for path in PATHS:
        print(f"{path.name}: {path.about}", flush=True)
        with (
            tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder,
            running(Hubbub(), Path(folder) / "hub") as hub,
        ):
            hub.ask("join", **path.join)
            found.append(_look(path, hub, told.seconds))
        print("\n".join(_lines(found[-1])), flush=True)
    put(PAGE, BEGIN, END, "\n".join(line for each in found for line in (*_lines(each), "")))
    print(f"docs/performance.md has it; the stacks are in {HERE}.")
    return 0


def _look(path: Way, hub: Running, seconds: float) -> Profile:
    ask = {**path.ask, "seconds": seconds}
    working = threading.Thread(target=lambda: hub.ask(ask.pop("do"), **ask))
    stacks = HERE / f"profile-{path.name.replace(' ', '-')}.txt"
    before = _times(hub.pid)
    working.start()
    subprocess.run(
        [
            *(str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(hub.pid), "--output", str(stacks)),
            *("--rate", str(RATE), "--duration", str(max(1, int(seconds))), "--format", "raw", "--nonblocking"),
        ],
        check=True,
        capture_output=True,
    )
    working.join()
    after = _times(hub.pid)
    own: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        own[_place(stack.split(";"))] += int(count)
    user, system = (b - a for a, b in zip(before, after, strict=True))
    return Profile(path, sum(own.values()), own, system / (user + system) if user + system else None)


def _times(pid: int) -> tuple[int, int]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]), int(fields[12])


def _place(frames: list[str]) -> str:
    """The innermost function, and below it nothing: time in C (sockets, SQLite, JSON) counts for who called it."""
    match = FRAME.match(frames[-1])
    if match is None:
        return frames[-1]
    file = match["file"].replace("\\", "/")
    for folder in ("site-packages/", "/lib/python"):
        file = file.rpartition(folder)[2]
    return f"{match['function']} ({file})"


def _lines(found: Profile) -> list[str]:
    system = "" if found.system_share is None else f" The kernel had {found.system_share:.0%} of the processor time."
    lines = [f"**{found.path.name}**: {found.path.about}.{system}", "", HEAD, "|---|--:|"]
    for place, count in found.own.most_common(SHOWN):
        lines.append(f"| `{place}` | {count / max(1, found.samples):.0%} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
