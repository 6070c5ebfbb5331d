"""Measure Hubbub beside its peers.

    python -m benchmarks [WORK…] [--rounds 5] [--seconds 1] [--list]

WORK is the name of a work or its beginning; without any, everything is measured. Results go to benchmarks/results/;
with five rounds or more also into docs/performance.md. Nothing beyond this machine's loopback is touched.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import report, table
from benchmarks.aims import quiet
from benchmarks.machine import Others, machine
from benchmarks.works import ALL

ENOUGH = 5  # rounds whose figures may go into the docs


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", nargs="*", help="the name of a work, or its beginning; all of them by default")
    parser.add_argument("--rounds", type=int, default=ENOUGH, help=f"of each (default {ENOUGH})")
    parser.add_argument("--seconds", type=float, default=1.0, help="that each works in a round (default 1)")
    parser.add_argument("--list", action="store_true", help="print the names of all works")
    parser.add_argument(
        "--folder", type=Path, help="where servers keep their files: on the disk that is to be measured"
    )
    told = parser.parse_args()
    works = [each for each in ALL if not told.work or any(meant(each.name, word) for word in told.work)]
    if told.list or not works:
        print("\n".join(f"{each.name:20} {each.title}" for each in ALL))
        return 0 if told.list else 2
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-", dir=told.folder) as name:
        folder = Path(name)
        here = machine(folder)
        print(table.machine_line(here), flush=True)
        if not here["pinned"]:
            print("This system has one core, or does not let one choose: server and load share it.", flush=True)
        for work in works:
            work.seconds = told.seconds
            begin = time.monotonic()
            print(f"\n{work.name}: {work.title}", flush=True)
            others = Others()
            result = work.measure(told.rounds, folder / work.name, lambda line: print(line, flush=True))
            print("\n".join(table.table(result)), flush=True)
            print(f"  ({time.monotonic() - begin:.0f} s)", flush=True)
            share = others.share()
            if not quiet(share):
                print("  Other programs took " + (f"{share:.0%}" if share is not None else "an unknown part"), end="")
                print(" of the machine: too much for a verdict.", flush=True)
            report.keep(result, {**machine(folder), "others": share})
    report.write([work.name for work in works], into_docs=told.rounds >= ENOUGH)
    return 0


def meant(name: str, word: str) -> bool:
    """Whether a word names a work: by its whole name, or by how names begin if none is called just that."""
    return name == word if any(work.name == word for work in ALL) else name.startswith(word)


if __name__ == "__main__":
    sys.exit(main())
