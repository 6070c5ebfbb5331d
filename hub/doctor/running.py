"""The hub: whether one runs, where, and whether it answers, takes the token, and is well."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

from hub import __version__
from hub.config import Settings
from hub.daemon import Running, port_holder, probe, read_hub_json
from hub.doctor.finding import Finding, broken, note, ok, warning
from hub.errors import HubbubError, Unauthorized
from hub.lock import is_held
from hub.paths import default_home, read_token
from hub.processes import Process, command_of, variable
from hub.request import origin, tls_context
from hub.standstill import standstill
from hub.units import roughly

LIMIT = 5.0  # seconds that one step over the network may take
RESTART = "hubbub stop && hubbub start"


def here(settings: Settings, hub: Running) -> Iterator[Finding]:
    """The hub of this home, which holds its lock."""
    yield ok("hub", f"runs, pid {hub.pid}, version {hub.version}, at {hub.url}")
    if hub.version != __version__:
        said = f"the hub that runs is version {hub.version}, this command is {__version__}"
        yield warning("hub", "version_differs", said, RESTART)
    port = origin(hub.url).port
    if settings.port and port != settings.port:
        said = f"the hub listens on port {port}, since {holder(settings.port)} had {settings.port} when it started"
        yield note("port", "port_moved", said, "hubbub status")
    else:
        yield ok("port", f"{port} is the hub's: {holder(port)}")


def absent(settings: Settings) -> Iterator[Finding]:
    """There is none, or one that does not say where it is."""
    paths = settings.paths
    if is_held(paths.hub_lock):
        said = f"a hub is just starting, or hangs: it holds {paths.hub_lock} and says nowhere"
        yield warning("hub", "hub_silent", said, f"tail -n 30 {paths.log_file}")
    elif read_hub_json(paths):
        said = "no hub runs; the last one was killed, which loses nothing"
        yield note("hub", "hub_killed", said, "hubbub start")
    else:
        yield note("hub", "hub_absent", "no hub runs; whatever needs it first starts it", "hubbub start")
    if settings.port and port_holder(settings.port):
        said = f"{holder(settings.port)} listens on port {settings.port}; a hub will take the next free one"
        yield note("port", "port_taken", said, "hubbub config get port")


def holder(port: int) -> str:
    """Who listens on a port: its name, its id and its command, as far as the system tells."""
    told = port_holder(port)
    if told is None:
        return "somebody who cannot be told"
    pid = re.search(r"\(pid (\d+)\)", told)
    command = command_of(int(pid[1])) if pid else None
    return f"{told}: {command}" if command else told


def others(settings: Settings, hub: Running | None, found: Sequence[Process]) -> Iterator[Finding]:
    """Other hubs of this machine, and MCP processes of another installation. `found` are the processes there are."""
    for each in found:
        if not _is_hub(each) or (hub is not None and each.pid == hub.pid):
            continue
        home = variable(each.pid, "HUBBUB_HOME") or (str(default_home()) if _readable(each.pid) else None)
        where = f"HUBBUB_HOME={home}" if home else "whose it is cannot be told"
        if home and Path(home) == settings.home:
            said = f"another process calls itself the hub of this home: pid {each.pid}; one of them is leaving or stuck"
            yield warning("hubs", "two_hubs", said, f"kill {each.pid}")
        else:
            said = f"another hub runs: pid {each.pid}, {where}; agents of the two do not see one another"
            yield note("hubs", "another_hub", said, f"HUBBUB_HOME={home} hubbub status" if home else f"ps {each.pid}")
    strangers = [each for each in found if _is_client(each) and not _is_ours(each)]
    if strangers:
        first = strangers[0]
        said = (
            f"{len(strangers)} MCP process{'es' if len(strangers) > 1 else ''} of another installation "
            f"({first.words[0]}, pid {first.pid}): its versions may differ from this one's"
        )
        yield note("clients", "client_of_another_installation", said, f"{first.words[0]} --version")


def _is_hub(process: Process) -> bool:
    return _called(process, "serve")


def _is_client(process: Process) -> bool:
    return _called(process, "mcp")


def _called(process: Process, word: str) -> bool:
    """Whether a process is `hubbub WORD` or `python -m hub WORD`; one that only starts such a one is not."""
    if word not in process.words[1:]:
        return False
    *runner, last = process.words[: process.words.index(word, 1)]
    by_python = not runner or PurePath(runner[0]).stem.startswith("python")
    return by_python and (PurePath(last).stem == "hubbub" or [*runner, last][-2:] == ["-m", "hub"])


def _is_ours(process: Process) -> bool:
    """Whether a process's Python, or script, lies where ours does."""
    ours = Path(sys.executable).parent
    return any(Path(each).parent in (ours, ours.resolve()) for each in process.words[:2])


def _readable(pid: int) -> bool:
    return variable(pid, "PATH") is not None


def answers(settings: Settings, hub: Running) -> Iterator[Finding]:
    """HTTP with the token, what the hub says of itself, and the WebSocket."""
    where = origin(hub.url)
    if not probe(hub, LIMIT):
        by = "" if settings.url or port_holder(where.port) is None else f"; {holder(where.port)} listens there"
        said = f"nothing that is a hub answers at {where.http}{by}"
        yield broken("http", "hub_deaf", said, RESTART if not settings.url else f"curl {where.http}/healthz")
        return
    try:
        told = hub.requests(LIMIT).get("/status")
    except Unauthorized as why:
        yield _refused(settings, hub, why)
        return
    except HubbubError as why:
        said = f"{where.http} answers, but not as it should: {why.message}"
        yield broken("http", "hub_odd", said, why.hint or RESTART)
        return
    yield ok("http", f"{where.http} takes the token; mode {told['mode']}, {told['instances']} instances")
    yield from _well(settings, told)
    yield _websocket(hub)


def _refused(settings: Settings, hub: Running, why: Unauthorized) -> Finding:
    """Which side has the wrong token."""
    said = f"{origin(hub.url).http} answers, and refuses the token: {why.message}"
    try:
        other = read_token(settings.paths.token_file)
        if other and other != hub.token:
            hub._replace(token=other).requests(LIMIT).get("/status")
            said += f" {settings.source('token')} says it; the one in {settings.paths.token_file} holds"
            return broken("http", "token_refused", said, "unset HUBBUB_TOKEN")
    except HubbubError:
        pass
    return broken("http", "token_refused", said, why.hint or "hubbub token show")


def _well(settings: Settings, told: dict[str, Any]) -> Iterator[Finding]:
    """What the hub itself says is wrong."""
    look = f"curl {origin(settings.url).http}/readyz" if settings.url else f"tail -n 30 {settings.paths.log_file}"
    problems = told.get("problems") or []
    for problem in problems:
        yield broken("ready", "hub_problem", str(problem), look)
    if not problems:
        yield ok("ready", "the hub is well, and stores what it confirms")
    if held := standstill(told):
        yield warning("held", "held", held, "hubbub held")
    for each in told.get("notices") or []:
        yield warning("notice", "hub_notice", str(each), look)


def remote(told: dict[str, Any]) -> Iterator[Finding]:
    """The disk of a hub that is not of this home, by its own word (`GET /health`)."""
    disk = told.get("volume")
    if disk is None:
        return
    room = f"{roughly(disk['free_bytes'])} of {roughly(disk['disk_bytes'])} are free on the hub's disk"
    if disk["state"] in ("full", "read-only"):
        yield broken("disk", "disk_full" if disk["state"] == "full" else "disk_read_only", room, "hubbub status")
    else:
        yield ok("disk", room)


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
        return broken("websocket", "websocket_fails", f"{where} does not work: {why}", RESTART)
    if answer.get("type") != "welcome":
        said = f"{where} refuses: {answer.get('message')}"
        return broken("websocket", "websocket_refuses", said, answer.get("hint") or "hubbub token show")
    return ok("websocket", f"{where} says welcome")
