"""A hub in a process of its own, which a test may kill and start again on the same port."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit


class RealHub:
    """`hubbub serve` in a process of its own, with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        (self.home / "hub.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", "hub", "serve", "--port", str(self.port)]
        self._process = subprocess.Popen(
            command, env=self._environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(600):
            assert self._process.poll() is None, "the hub ended by itself"
            if (self.home / "hub.json").exists() and (text := (self.home / "hub.json").read_text()):
                self.port = urlsplit(json.loads(text)["url"]).port or 0
                return
            time.sleep(0.05)
        raise AssertionError("the hub did not come up within 30 s")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def run(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "hub", *arguments]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, timeout=30, check=True)
        return done.stdout.strip()

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HUBBUB_")}
        return kept | {"HUBBUB_HOME": str(self.home)}
