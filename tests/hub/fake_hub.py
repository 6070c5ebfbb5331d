"""The least that counts as a hub: it holds the lock, leaves its note and answers /healthz. Run as a program.

Arguments are words: `slow` is late to answer, `deaf` never answers, `broken` ends at once with a message, `stubborn`
ignores SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from hub.daemon import HubLock, remove_hub_json, write_hub_json
from hub.paths import Paths


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_: object) -> None:
        pass


def main(words: list[str]) -> int:
    if "broken" in words:
        print("the fake hub is broken")
        return 5
    home = Path(os.environ["HUBBUB_HOME"])
    paths = Paths(home, home)
    with HubLock(paths):
        if "slow" in words:
            time.sleep(0.3)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        ended = threading.Event()
        signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in words else lambda *_: ended.set())
        if "deaf" not in words:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        with (home / "starts").open("a") as starts:
            starts.write(f"{os.getpid()}\n")
        write_hub_json(paths, url=f"ws://127.0.0.1:{server.server_address[1]}/ws", mode="local")
        ended.wait(60)  # a test that forgets it leaves nothing behind
        remove_hub_json(paths)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
