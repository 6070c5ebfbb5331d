"""What one reader that takes nothing costs the others: their latency with it and without it, side by side in one run.

Two hubs, each with a hundred clients that hear broadcasts, spoken to in turn; the latency is from before the publish is
sent until a client has the message. One of the hubs has one client more, whose socket is full before the round begins
and stays full; in the next round the other hub has it. A ratio of 1.00 says that it costs the others nothing. Absolute
times say something about this machine only.

    python benchmarks/slow_reader.py [--readers 100] [--rounds 10] [--messages 60] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.journeys.processes import HubProcess, hub_process
from tests.soak.crowds import CrowdProcess, Talker, crowd, resident
from tests.soak.slow import FILL, LARGE, StuckClient

PAUSE = 0.02  # seconds between two broadcasts: latency is measured, not throughput
PATIENCE = "600s"  # of the hub with the stuck one: it is to stay for the whole round


class Side:
    """One hub with its crowd and its talker."""

    def __init__(self, hub: HubProcess, people: CrowdProcess) -> None:
        self.hub = hub
        self.people = people
        self.talker = Talker()

    async def begin(self) -> None:
        await self.talker.connect(self.hub)
        await self.people.ask("join", self.hub.url)

    async def fill(self, name: str) -> StuckClient:
        """One more client, with as much on its way as nobody's buffers hold."""
        stuck = await asyncio.to_thread(StuckClient, self.hub, name)
        for _ in range(FILL):
            await self.talker.publish({"to": name, "body": LARGE})
        return stuck

    async def say(self) -> None:
        await self.talker.say(f"@{time.monotonic()} {'x' * 500}")

    async def took(self) -> list[float]:
        """Milliseconds of each delivery since the last time."""
        await self.people.ask("heard", self.talker.said)
        told = await self.people.ask("report")
        assert (told["lost"], told["doubled"], told["gaps"]) == (0, 0, 0), told
        return [each * 1000 for each in told["latency"]]


async def talk(sides: Sequence[Side], messages: int) -> None:
    for _ in range(messages):
        for side in sides:
            await side.say()
            await asyncio.sleep(PAUSE)


async def measure(home: Path, readers: int, rounds: int, messages: int) -> dict[str, object]:
    alone: list[float] = []
    beside: list[float] = []
    ratios: list[float] = []
    settings = {"HUBBUB_SLOW_READER_TIMEOUT": PATIENCE, "HUBBUB_PING_TIMEOUT": PATIENCE}
    async with AsyncExitStack() as stack:
        sides = []
        for name in ("one", "other"):
            hub = stack.enter_context(hub_process(home / name, **settings))
            sides.append(Side(hub, await stack.enter_async_context(crowd(home, readers, hub.token))))
            await sides[-1].begin()
        await talk(sides, 10)  # warm
        for side in sides:
            await side.took()
        before = resident(sides[0].hub)
        for number in range(rounds):
            has_it, has_not = sides if number % 2 else reversed(sides)
            stuck = await has_it.fill(f"stuck-{number}")
            await talk(sides, messages)
            with_it, without = await has_it.took(), await has_not.took()
            stuck.close()
            beside += with_it
            alone += without
            ratios.append(statistics.median(with_it) / statistics.median(without))
            print(
                f"round {number + 1}: alone p50 {statistics.median(without):6.2f} ms   "
                f"beside a stuck one p50 {statistics.median(with_it):6.2f} ms   ratio {ratios[-1]:.2f}",
                flush=True,
            )
        after = resident(sides[0].hub)
        for side in sides:
            await side.talker.close()
    return {
        "deliveries": len(alone),
        "alone_p50_ms": statistics.median(alone),
        "beside_p50_ms": statistics.median(beside),
        "ratio_of_medians": statistics.median(beside) / statistics.median(alone),
        "ratio_median": statistics.median(ratios),
        "ratio_lowest": min(ratios),
        "ratio_highest": max(ratios),
        "memory_before_mib": before,
        "memory_after_mib": after,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--readers", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--messages", type=int, default=60, help="in each round, without and with it")
    parser.add_argument("--json", type=Path, help="write the figures there")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        figures = asyncio.run(measure(Path(folder) / "home", told.readers, told.rounds, told.messages))
    print(
        f"\n{told.readers} readers, {figures['deliveries']:,} deliveries each way: alone p50 "
        f"{figures['alone_p50_ms']:.2f} ms, beside one that takes nothing {figures['beside_p50_ms']:.2f} ms\n"
        f"ratio of the medians {figures['ratio_of_medians']:.2f} (rounds: median {figures['ratio_median']:.2f}, "
        f"{figures['ratio_lowest']:.2f} to {figures['ratio_highest']:.2f}); "
        f"hub {figures['memory_before_mib']:.0f} MiB before, {figures['memory_after_mib']:.0f} MiB after"
    )
    if told.json:
        told.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
