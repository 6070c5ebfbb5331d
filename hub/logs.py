"""The hub's log: one line an event, to a file that is turned over, and to the terminal of a hub in the foreground.

What goes through the hub stays out of its log: bodies and tokens are struck out whoever logs them.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from typing import Any, TextIO

import structlog

from hub.config import Settings
from hub.paths import TOKEN_PREFIX, make_private

FILE_BYTES = 1_000_000
OLD_FILES = 5
STRUCK = "(not logged)"
SECRET_KEYS = frozenset({"authorization", "body", "cookie", "data", "password", "secret", "session", "token"})

# Below a warning these tell what passes through them: statements with their values, frames, requests.
LIBRARIES = ("aiosqlite", "asyncio", "uvicorn", "websockets")

_TOKEN = re.compile(re.escape(TOKEN_PREFIX) + r"[A-Za-z0-9_-]{16,}")


def setup(settings: Settings, *, detached: bool, terminal: TextIO | None = None) -> None:
    """Send this process's log where it belongs. Everything that logs by `logging` or structlog ends up there.

    Detached it is the file only; in the foreground `terminal` (standard error) as well. To be called once.
    """
    terminal = terminal or sys.stderr
    path = settings.paths.log_file
    make_private(path.parent)
    file = LogFile(path, maxBytes=FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8", delay=True)
    file.setFormatter(_formatter(settings.log_format, tty=False))
    handlers: list[logging.Handler] = [file]
    if not detached:
        shown = logging.StreamHandler(terminal)
        shown.setFormatter(_formatter(settings.log_format, tty=terminal.isatty()))
        handlers.append(shown)
    logging.basicConfig(level=settings.log_level.upper(), handlers=handlers, force=True)
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


class LogFile(RotatingFileHandler):
    """A log file whose disk may be full or read-only: that is said in one line, once, until a line gets through."""

    silent = False

    def emit(self, record: logging.LogRecord) -> None:
        self._failed = False
        super().emit(record)
        self.silent = self._failed

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name for it
        why = sys.exc_info()[1]
        if not isinstance(why, OSError):
            super().handleError(record)
            return
        self._failed = True
        if not self.silent and sys.stderr is not None:
            with suppress(OSError):
                sys.stderr.write(
                    f"The log {self.baseFilename} cannot be written ({why}); the hub goes on without it.\n"
                )


def strike_keys(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: takes out values that must not be in a log."""
    for key in SECRET_KEYS & event.keys():
        event[key] = STRUCK
    return event


def strike_tokens(_logger: Any, _method: str, line: Any) -> str:
    """The last processor: takes out what looks like a token, wherever in the line it stands."""
    return _TOKEN.sub(STRUCK, str(line))


def _shared() -> list[structlog.typing.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(look: str, *, tty: bool) -> logging.Formatter:
    if look == "auto":
        look = "console" if tty else "logfmt"
    renderer: list[structlog.typing.Processor]
    match look:
        case "console":
            renderer = [structlog.dev.ConsoleRenderer(colors=tty, exception_formatter=structlog.dev.plain_traceback)]
        case "json":
            renderer = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        case _:
            first = ["timestamp", "level", "logger", "event"]
            renderer = [structlog.processors.format_exc_info, structlog.processors.LogfmtRenderer(key_order=first)]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            strike_keys,
            *renderer,
            strike_tokens,
        ],
    )
