"""Hubbub as it is served, with everything on: token, keepalive, backpressure, topics, the log on disk."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.server import HOST, Server
from hub import __version__

ROOM = "20000"  # instances and connections: more than any work here has


class Hubbub(Server):
    name = "Hubbub"
    settings = "synchronous=full; owner's token; every other setting as it comes, but for room for 20,000 instances"
    dialect = "hub.bench.speech:Hubbub"
    synchronous = "full"

    def version(self) -> str:
        return __version__

    def command(self, folder: Path, port: int) -> Sequence[str]:
        return [sys.executable, "-P", "-m", "hub", "serve"]

    def environment(self, folder: Path, port: int) -> Mapping[str, str]:
        return {
            "HUBBUB_HOME": str(folder / "home"),
            "HUBBUB_PORT": str(port),
            "HUBBUB_SYNCHRONOUS": self.synchronous,
            "HUBBUB_MAX_INSTANCES": ROOM,
            "HUBBUB_MAX_CONNECTIONS": ROOM,
            "HUBBUB_MAX_TOPICS": "100000",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }

    def options(self, folder: Path, port: int) -> Mapping[str, Any]:
        return {"host": f"{HOST}:{port}", "token": (folder / "home" / "token").read_text().strip()}


class Unsynced(Hubbub):
    name = "Hubbub, synchronous=normal"
    settings = "synchronous=normal: stored before it is confirmed, but not synced to disk"
    synchronous = "normal"
