"""`hubbub mcp`: the MCP server beside one agent, on standard input and output.

What is imported here is small: the hub is being found or started while the MCP package, by far the slowest part of
the start, is still importing. Nothing but the protocol goes to standard output; the log is a file below HUBBUB_HOME.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hub import __version__
from hub.config import Settings, load
from hub.errors import HubbubError
from hub.paths import make_private
from mcp_client.finder import Finder, Ways
from mcp_client.naming import default_name
from mcp_client.pipes import Pipes, claim

if TYPE_CHECKING:
    from mcp_client.delivery.courier import Rules

LOGS_KEPT = 7 * 86_400.0  # seconds
FAILED = 1

log = logging.getLogger(__name__)


def main(name: str | None = None, url: str | None = None, token: str | None = None) -> int:
    """Serve MCP until standard input closes; returns the exit code.

    `name` is the one to register under, else HUBBUB_NAME, else the working folder's name; a number is appended where
    a live session has it. With `url` that hub is used and never started; `token` is the one to show.
    """
    try:
        settings = load({"url": url, "token": token, "name": name})
        log_file = _log_to(settings)
    except HubbubError as why:
        sys.stderr.write(f"hubbub mcp: {why}\n")
        return FAILED
    finder = Finder(_ways(settings))
    finder.begin()
    if sys.stdin is not None and sys.stdin.isatty():
        sys.stderr.write(
            "This is the MCP server that an agent's client starts and talks to; there is nothing to type here.\n"
            "  hubbub connect claude\n"
            "tells Claude Code of it, and hubbub connect others. Ctrl-D ends it.\n"
        )
    pipes = claim()
    try:
        asyncio.run(_serve(settings, finder, pipes, log_file))
    except (KeyboardInterrupt, asyncio.CancelledError):
        log.info("told to end")
    except Exception as why:
        log.exception("failed")
        sys.stderr.write(f"hubbub mcp failed: {why!r}. Its log is {log_file}; `hubbub doctor` looks further.\n")
        return FAILED
    return 0


async def _serve(settings: Settings, finder: Finder, pipes: Pipes, log_file: Path) -> None:
    task = asyncio.current_task()
    assert task is not None
    if sys.platform != "win32":
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)

    from mcp_client.calls import Calls
    from mcp_client.delivery.courier import Courier
    from mcp_client.delivery.examine import Examination
    from mcp_client.delivery.hook_server import HookServer
    from mcp_client.files import Files
    from mcp_client.link import Link
    from mcp_client.service import serve
    from mcp_client.shelf import Shelf

    folder = Path(os.environ.get("CLAUDE_PROJECT_DIR") or Path.cwd())
    shelf = Shelf(settings.home / "bodies")
    shelf.tidy()
    files = Files(settings.home / "files", [*map(Path, settings.share_folders)] or [folder])
    files.tidy()
    link = Link(settings.name or default_name(os.environ, Path.cwd()), finder, client=_client(os.environ))
    courier = Courier(link, shelf, _rules(settings), environ=os.environ)
    async with HookServer(courier, Examination(courier, os.environ)).open(settings.home, os.environ, folder):
        await serve(pipes, link, Calls(link, shelf, files, courier), courier, str(log_file))
    log.info("standard input closed")


def _rules(settings: Settings) -> Rules:
    from mcp_client.delivery.courier import Rules
    from mcp_client.delivery.plan import Eager

    return Rules(
        Eager(settings.push_inbox),
        Eager(settings.push_channel),
        Eager(settings.push_wake),
        Eager(settings.push_hooks),
        tuple(name.lower() for name in settings.wake_from),
    )


def _ways(settings: Settings) -> Ways:
    from hub.daemon import ensure, locate

    return Ways(ensure=lambda: ensure(settings), locate=lambda: ensure(settings) if settings.url else locate(settings))


def _client(environ: Mapping[str, str]) -> str:
    """What people are shown beside the name."""
    own = f"hubbub mcp {__version__}"
    return f"claude-code, {own}" if environ.get("CLAUDECODE") else own


def _log_to(settings: Settings) -> Path:
    """One file a process, so that none turns over another's; old ones go. Raises Unavailable."""
    from logging.handlers import RotatingFileHandler

    folder = settings.paths.log_file.parent
    make_private(folder)
    path = folder / f"mcp-{os.getpid()}.log"
    _tidy(folder, time.time())
    with suppress(OSError):
        path.touch(mode=0o600)
    handler = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    logging.raiseExceptions = False  # a full disk must not print into the client's console
    for chatty in ("asyncio", "websockets", "mcp"):
        logging.getLogger(chatty).setLevel(logging.WARNING)  # at debug level websockets logs the token
    return path


def _tidy(folder: Path, now: float) -> None:
    for path in folder.glob("mcp-*.log*"):
        with suppress(OSError):
            if now - path.stat().st_mtime > LOGS_KEPT:
                path.unlink()
