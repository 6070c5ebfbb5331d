from __future__ import annotations

import io
import json
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from hub.config import Settings, load
from hub.logs import FILE_BYTES, LIBRARIES, OLD_FILES, LogFile, setup

TOKEN = "hub_" + "x" * 43


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Logging belongs to the process: hand it back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in LIBRARIES}
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


def settings(home: Path, **flags: str) -> Settings:
    return load(flags, {"HUBBUB_HOME": str(home)})


def written(home: Path) -> str:
    return (home / "logs" / "hub.log").read_text("utf-8")


def fail(why: str) -> None:
    try:
        int(why)
    except ValueError:
        logging.getLogger("hubbub").exception("failed")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_detached_hub_logs_to_its_file_only(tmp_path: Path) -> None:
    terminal = Terminal()
    setup(settings(tmp_path), detached=True, terminal=terminal)
    structlog.get_logger("hubbub").info("listening", port=4820)
    logging.getLogger("some.library").warning("%s of %s", "loss", "power")
    first, second = written(tmp_path).splitlines()
    assert first.endswith("level=info logger=hubbub event=listening port=4820")
    assert second.endswith('level=warning logger=some.library event="loss of power"')
    assert terminal.getvalue() == ""


def test_a_hub_in_the_foreground_tells_its_terminal_too(tmp_path: Path) -> None:
    terminal = Terminal()
    setup(settings(tmp_path), detached=False, terminal=terminal)
    structlog.get_logger("hubbub").info("listening", port=4820)
    assert "listening" in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()
    assert "\x1b[" not in written(tmp_path)


def test_a_foreground_that_is_no_terminal_gets_plain_lines(tmp_path: Path) -> None:
    pipe = io.StringIO()
    setup(settings(tmp_path), detached=False, terminal=pipe)
    structlog.get_logger("hubbub").info("listening")
    assert pipe.getvalue() == written(tmp_path)


def test_json_is_one_object_a_line(tmp_path: Path) -> None:
    setup(settings(tmp_path, log_format="json"), detached=True)
    fail("a\nb")
    (line,) = written(tmp_path).splitlines()
    told = json.loads(line)
    assert told["event"] == "failed"
    assert "ValueError" in told["exception"]


@pytest.mark.parametrize("look", ["console", "logfmt", "json"])
def test_tokens_and_bodies_are_struck_out_whoever_logs_them(tmp_path: Path, look: str) -> None:
    setup(settings(tmp_path, log_format=look, log_level="debug"), detached=True)
    structlog.get_logger("hubbub").info("published", body="private", data={"a": "private"}, token="private", to="alice")
    structlog.get_logger("hubbub").info(f"refused {TOKEN}", why=f"not {TOKEN}!")
    logging.getLogger("some.library").info("request with %s", TOKEN)
    fail(TOKEN)
    for library in LIBRARIES:
        logging.getLogger(library).debug("INSERT INTO messages private")
    text = written(tmp_path)
    assert "alice" in text
    assert "private" not in text
    assert TOKEN not in text


def test_the_level_is_a_setting(tmp_path: Path) -> None:
    setup(settings(tmp_path, log_level="error"), detached=True)
    logging.getLogger("hubbub").warning("not said")
    logging.getLogger("hubbub").error("said")
    assert "not said" not in written(tmp_path)
    assert "event=said" in written(tmp_path)


def test_the_file_is_turned_over_and_no_more_than_five_old_ones_are_kept(tmp_path: Path) -> None:
    setup(settings(tmp_path), detached=True)
    line = "x" * 100_000
    for _ in range(80):
        logging.getLogger("hubbub").info(line)
    files = sorted(each.name for each in (tmp_path / "logs").iterdir())
    assert files == ["hub.log", *(f"hub.log.{number}" for number in range(1, OLD_FILES + 1))]
    assert all(each.stat().st_size <= FILE_BYTES for each in (tmp_path / "logs").iterdir())


@pytest.mark.skipif(os.name != "posix", reason="modes are Unix's")
def test_others_cannot_look_into_the_logs(tmp_path: Path) -> None:
    setup(settings(tmp_path), detached=True)
    assert stat.S_IMODE((tmp_path / "logs").stat().st_mode) == 0o700


def test_a_log_that_cannot_be_written_is_said_once_in_one_line_and_goes_on_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "logs" / "hub.log"
    log = logging.Logger("a log of its own")
    log.addHandler(handler := LogFile(path, delay=True))
    for line in ("one", "two"):
        log.error(line)  # the folder is not there
    path.parent.mkdir()
    log.error("three")
    handler.close()
    assert path.read_text() == "three\n"
    said = capsys.readouterr().err
    assert said.count("cannot be written") == said.count("\n") == 1
    assert "Traceback" not in said
