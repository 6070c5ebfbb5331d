"""hubbub doctor: looks at each thing that has to hold, in the order in which they depend on each other."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from hub import __version__
from hub.cli import exits, show
from hub.cli.command import as_json, verb
from hub.config import Settings
from hub.daemon import Running, locate, port_holder, probe, read_hub_json, token_for
from hub.errors import HubbubError, Unauthorized
from hub.lock import is_held
from hub.paths import read_token
from hub.request import origin, tls_context

LIMIT = 5.0  # seconds that one step over the network may take


class Finding(NamedTuple):
    """One thing that was looked at. `state` is ok, note, warning or broken; `command` is what to type about it."""

    check: str
    state: str
    message: str
    command: str | None = None


@verb("hubbub doctor", "hubbub doctor --agent alice", "hubbub doctor --json")
@click.option("--agent", metavar="NAME", help="Also whether a message gets to this agent's model: tries each hop.")
@as_json("Print {ok, findings} as JSON.")
def doctor(settings: Settings, *, agent: str | None, in_json: bool) -> int:
    """Find out what is wrong, and what to type about it. Looks only: it changes and starts nothing.

    With --agent the agent sends itself a message, and each of its hops is tried with a test, which its model sees.
    Exit code 1: something is broken.
    """
    findings = list(examine(settings))
    if agent is not None:
        findings += _hops(settings, agent)
    broken = any(finding.state == "broken" for finding in findings)
    if in_json:
        show.put({"ok": not broken, "findings": [finding._asdict() for finding in findings]})
    else:
        for finding in findings:
            _print(finding)
    return exits.FAILED if broken else exits.OK


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, as they are made."""
    yield Finding("version", "ok", f"hubbub {__version__} on Python {sys.version.split()[0]}, {sys.prefix}")
    yield _on_path()
    yield _settings_file(settings)
    if settings.url:
        hub = Running(settings.url, token_for(settings, settings.url), 0, "")
        yield Finding(
            "hub", "note", f"{_whence(settings, 'url')} names {settings.url}: nothing is started or stopped here"
        )
    else:
        yield _home(settings)
        yield _token_file(settings)
        yield _database(settings)
        found = locate(settings)
        if found is None:
            yield from _no_hub(settings)
            return
        hub = found
        yield Finding("hub", "ok", f"runs, pid {hub.pid}, version {hub.version}")
        if hub.version != __version__:
            yield Finding(
                "hub",
                "warning",
                f"the hub that runs is version {hub.version}, this command is {__version__}",
                "hubbub stop && hubbub start",
            )
    yield from _http(settings, hub)


def _hops(settings: Settings, agent: str) -> Iterator[Finding]:
    from hub.cli.doctor_agent import examine as examine_agent

    states = {"works": "ok", "not available": "note", "unknown": "warning", "broken": "broken"}
    for verdict in examine_agent(settings, agent):
        said = verdict.why if verdict.state == "works" else f"{verdict.state}: {verdict.why}"
        yield Finding(f"{agent}: {verdict.hop}", states[verdict.state], said, verdict.command)


def _on_path() -> Finding:
    found = shutil.which("hubbub")
    if found is None:
        return Finding(
            "command",
            "note",
            "there is no `hubbub` on your PATH; agents' clients need its full path",
            f"{Path(sys.executable).parent / 'hubbub'} --version",
        )
    if Path(found).resolve().parent != Path(sys.executable).parent.resolve() and not _links_here(Path(found)):
        return Finding(
            "command", "warning", f"the `hubbub` on your PATH is another installation: {found}", _removal(Path(found))
        )
    return Finding("command", "ok", f"{found} is this installation")


def _removal(script: Path) -> str:
    """What removes the installation that a script is part of, by whoever installed it."""
    real = script.resolve()
    if "uv" in real.parts and "tools" in real.parts:
        return "uv tool uninstall hubbub"
    if "pipx" in real.parts:
        return "pipx uninstall hubbub"
    python = real.with_name("python.exe" if os.name == "nt" else "python")
    return f"{python} -m pip uninstall hubbub" if python.exists() else f"rm {script}"


def _links_here(script: Path) -> bool:
    """Whether a script's first line names this Python: tools that install commands put the script elsewhere."""
    try:
        with script.open("rb") as file:
            return str(Path(sys.prefix)).encode() in file.readline(512)
    except OSError:
        return False


def _settings_file(settings: Settings) -> Finding:
    if settings.config.exists():
        return Finding("settings", "ok", f"{settings.config} is in order")
    return Finding(
        "settings", "ok", f"no settings file ({settings.config}): all defaults, but what the environment sets"
    )


def _home(settings: Settings) -> Finding:
    home = settings.home
    if not home.is_dir():
        return Finding("home", "note", f"{home} is not there yet; the first start makes it")
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Finding("home", "broken", f"{home} is not yours to read and write", f"ls -ld {home}")
    if os.name == "posix" and home.stat().st_mode & 0o077:
        return Finding("home", "warning", f"others on this machine can look into {home}", f"chmod 700 {home}")
    return Finding("home", "ok", f"{home} ({_whence(settings, 'home')})")


def _token_file(settings: Settings) -> Finding:
    path = settings.paths.token_file
    try:
        token = read_token(path)
    except HubbubError as why:
        return Finding("token", "broken", why.message, why.hint)
    if token is None:
        return Finding("token", "note", f"{path} is not there yet; the first start makes it")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        return Finding("token", "warning", f"others on this machine can read {path}", f"chmod 600 {path}")
    if settings.token and settings.token != token:
        return Finding(
            "token", "warning", f"{_whence(settings, 'token')} sets another token than {path} has", "unset HUBBUB_TOKEN"
        )
    return Finding("token", "ok", f"{path} has the owner's token, for your eyes only")


def _database(settings: Settings) -> Finding:
    import sqlite3
    from contextlib import closing

    path = settings.paths.database
    if not path.exists():
        return Finding("database", "note", f"{path} is not there yet; the first start makes it")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=LIMIT)) as database:
            tables = database.execute("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").fetchone()[0]
    except sqlite3.Error as why:
        return Finding(
            "database",
            "broken",
            f"{path} cannot be read: {why}",
            "hubbub stop && hubbub start" if locate(settings) else "hubbub start",
        )
    if not tables:
        return Finding("database", "broken", f"{path} is empty", "hubbub start")
    return Finding("database", "ok", f"{path} can be read, {path.stat().st_size:,} bytes")


def _no_hub(settings: Settings) -> Iterator[Finding]:
    paths = settings.paths
    if is_held(paths.hub_lock):
        yield Finding(
            "hub", "warning", "a hub is just starting, or hangs: it holds its lock and says nowhere", "hubbub doctor"
        )
    elif read_hub_json(paths):
        yield Finding("hub", "note", "no hub runs; the last one was killed, which loses nothing", "hubbub start")
    else:
        yield Finding("hub", "note", "no hub runs; whatever needs it first starts it", "hubbub start")
    holder = port_holder(settings.port) if settings.port else None
    if holder:
        yield Finding(
            "port",
            "note",
            f"{holder} listens on port {settings.port}; a hub will take the next free one",
            "hubbub config get port",
        )


def _http(settings: Settings, hub: Running) -> Iterator[Finding]:
    where = origin(hub.url)
    if not probe(hub, LIMIT):
        holder = None if settings.url else port_holder(where.port)
        yield Finding(
            "http",
            "broken",
            f"nothing that is a hub answers at {where.http}" + (f"; {holder} listens there" if holder else ""),
            "hubbub stop && hubbub start" if not settings.url else f"curl {where.http}/healthz",
        )
        return
    try:
        told = hub.requests(LIMIT).get("/status")
    except Unauthorized as why:
        yield Finding("http", "broken", f"{where.http} answers, and refuses the token: {why.message}", why.hint)
        return
    except HubbubError as why:
        yield Finding("http", "broken", f"{where.http} answers, but not as it should: {why.message}", why.hint)
        return
    yield Finding("http", "ok", f"{where.http} takes the token; mode {told['mode']}, {told['instances']} instances")
    for problem in told.get("problems") or []:
        yield Finding("hub", "broken", str(problem), f"less {settings.paths.log_file}" if not settings.url else None)
    yield _websocket(hub)


def _websocket(hub: Running) -> Finding:
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect
    from websockets.typing import Subprotocol

    where = origin(hub.url).websocket
    try:
        with connect(
            where,
            ssl=tls_context(hub.tls_cert) if origin(hub.url).secure else None,
            subprotocols=[Subprotocol("hubbub.v1")],
            open_timeout=LIMIT,
            close_timeout=LIMIT,
            proxy=None,
        ) as socket:
            socket.send(json.dumps({"type": "hello", "observe": True, "token": hub.token, "credit": 0}))
            answer = json.loads(socket.recv(timeout=LIMIT))
    except (OSError, WebSocketException, ValueError) as why:
        return Finding("websocket", "broken", f"{where} does not work: {why}", "hubbub stop && hubbub start")
    if answer.get("type") != "welcome":
        return Finding("websocket", "broken", f"{where} refuses: {answer.get('message')}", answer.get("hint"))
    return Finding("websocket", "ok", f"{where} says welcome")


def _whence(settings: Settings, key: str) -> str:
    source = settings.source(key)
    return source.where or source.kind


def _print(finding: Finding) -> None:
    style = {"ok": "green", "note": "cyan", "warning": "yellow", "broken": "red"}[finding.state]
    show.say(f"{show.paint(f'{finding.state:<8}', style)}{finding.check:<11}{show.one_line(finding.message)}")
    if finding.command:
        show.say(f"{'':19}→ {show.one_line(finding.command)}")
