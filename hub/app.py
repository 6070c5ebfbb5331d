"""The server: every layer put together, the routes, and the process's life from the lock to the last goodbye."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from itertools import count
from types import FrameType
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp

from dashboard import pages
from hub import __version__, archive, signin
from hub.api import Api, answering
from hub.attachments import Attachments
from hub.bridge import Bounds as BridgeBounds
from hub.bridge import Bridge
from hub.config import Settings
from hub.connection import Connections, Terms
from hub.cookies import Cookies
from hub.daemon import HubLock, remove_hub_json, write_hub_json
from hub.depot import Depot
from hub.desk import Desk
from hub.door import Door
from hub.errors import HubbubError, StorageFailed, Unauthorized, Unavailable
from hub.exposure import Mode, check_exposure, check_tls
from hub.guard import Guard
from hub.health import Health
from hub.history import History
from hub.hub import Limits
from hub.legacy import SECRET, Legacy, Rules
from hub.link import Link
from hub.log import Retention
from hub.metrics import CONTENT_TYPE, HubCollector, exposition
from hub.node import Node
from hub.origins import Own
from hub.past import Pasts
from hub.paths import ensure_token, read_token
from hub.ports import port_holder
from hub.protocol import Bounds, ServerConfig, WebSocketProtocol
from hub.request import Place
from hub.source import Source
from hub.stage import Stage
from hub.tokens import HINT, Identity, Keyring, OwnerToken
from hub.vault import Vault

logger = structlog.get_logger("hubbub")

LOOK = 2.0  # seconds between looks at who may stay, and whether there is still a home
SAVE_USED = 30  # of these looks, between two savings of when tokens were last used
SPARE_FILES = 256  # for the database, the logs and Python itself
GARBAGE = 20_000  # objects more than before, after which Python looks for circles among the newest; as it comes: 700
GOODBYE = 3.0  # seconds for all connections to take their last answers
SWITCH = 0.0005  # seconds for which a busy loop may keep the database's threads waiting, each time they come back
PORTS_TRIED = 20  # the port asked for, and those after it


class App:
    """One hub as an ASGI app, with what the process around it has to reach. Made by `build()`."""

    def __init__(
        self,
        settings: Settings,
        node: Node,
        door: Door,
        mode: Mode,
        *,
        history: History,
        attachments: Attachments,
        notices: Sequence[str] = (),
    ) -> None:
        self.settings = settings
        self.node = node
        self.history = history
        self.door = door
        self.mode = mode
        self.notices = list(notices)  # what a person must be told: on the page, in `hubbub status`
        self.url = ""  # known once a socket listens
        self.stop: Callable[[], None] = lambda: None  # once it runs: as SIGTERM does
        self.links = signin.Links()
        self.cut: Counter[str] = Counter()
        self.connections = Connections(
            node,
            Terms(
                hello_timeout=settings.hello_timeout,
                slow_reader_timeout=settings.slow_reader_timeout,
                publish_rate=settings.publish_rate,
                max_unwelcomed=settings.max_unwelcomed,
            ),
            self._who_says_hello,
        )
        node.concerns.append(lambda: door.keyring.owner.problem)
        self.health = Health(
            node,
            self.connections,
            attachments,
            settings,
            facts=self.facts,
            refused=lambda: door.refused,
            cut=lambda: self.cut,
            identify=lambda request: door.identify(request.scope),
        )
        self.stage = Stage(
            identify=lambda request: door.identify(request.scope),
            place=lambda: Place(self.url, read_token(settings.paths.token_file), settings.tls_cert),
            fault=node.fault,
        )
        pasts = Pasts(history, node.hub.limits, node.now)
        self.source = Source(node, pasts, self.facts, self.health.told)
        self.api = Api(
            node,
            identify=lambda request: door.identify(request.scope),
            source=self.source,
            max_frame=settings.max_frame,
            publish_rate=settings.publish_rate,
            attachments=attachments,
        )
        self.vault = Vault(door, self.links, self.facts)
        self._metrics = exposition(
            HubCollector(node, self.connections, attachments, refused=lambda: door.refused, cut=lambda: self.cut)
        )
        own = Own(settings.host, settings.allowed_hosts, settings.allowed_origins)
        self.legacy: int | None = None  # the port for old scripts, once it listens
        legacy = Legacy(
            node,
            history,
            Rules(
                secret=os.environ.get(SECRET, ""),
                rate=settings.legacy_rate,
                rename_every=settings.legacy_rename_every,
                files=settings.paths.long_messages,
            ),
        )
        self.depot = Depot(
            node,
            identify=lambda request: door.identify(request.scope),
            adopt=legacy.adopt,
            max_frame=settings.max_frame,
            pasts=pasts,
        )
        self.desk = Desk(node, identify=lambda request: door.identify(request.scope), max_frame=settings.max_frame)
        self.bridge = Bridge(
            legacy,
            BridgeBounds(
                request=settings.max_frame, seconds=settings.hello_timeout, connections=settings.max_unwelcomed
            ),
        )
        self.asgi: ASGIApp = Guard(self._starlette(), own, door)

    async def look_around(self) -> None:
        """End connections whose token holds no longer, and the hub when its home is gone; until cancelled."""
        keyring, home = self.door.keyring, self.settings.home
        for beat in count(1):
            await asyncio.sleep(LOOK)
            if not home.exists():  # nobody can find this hub any more, and what it stores goes nowhere
                logger.error("home_is_gone", home=str(home))
                self.stop()
            now = self.node.now()
            await self.node.dismiss(
                lambda identity: keyring.holds(identity, now),  # noqa: B023 - called before the next turn
                Unauthorized("The token that opened this connection holds no longer.", HINT),
            )
            if beat % SAVE_USED == 0:
                with suppress(StorageFailed):
                    await keyring.save_used()

    async def replay(self, file: str) -> None:
        """Stand for a file that was exported, instead of running: nothing is written, and nothing can be changed."""
        self.node.replay = file
        head = self.node.hub.head
        then = await self.history.ask(self.history.archive.then, archive.Place(head, head + 1), self.node.now(), "")
        self.node.live = False
        self.node.attended = then.attendance.known
        self.node.hub.attend(then.attendance, self.node.now())

    def nobody_caught(self, loop: asyncio.AbstractEventLoop, told: dict[str, Any]) -> None:
        """The event loop's last resort: an exception in a timer, a callback, or a task that nobody waits for."""
        why = told.get("exception")
        of_a_peer = isinstance(why, OSError) and "transport" in told  # a cable was pulled: no fault of the hub's
        if isinstance(why, Exception) and not of_a_peer:
            self.node.fault("a callback", why)
        else:
            loop.default_exception_handler(told)

    def facts(self) -> dict[str, Any]:
        """What only the process knows of the hub."""
        return {
            "url": self.url,
            "pid": os.getpid(),
            "mode": self.mode,
            "notices": self.notices,
            "max_attachment": self.settings.max_attachment,
            "legacy": None if self.legacy is None else {"port": self.legacy, "mode": self.bridge.mode},
        }

    async def open_bridge(self) -> None:
        """Listen for old scripts, if that is wished. A port that cannot be had is told, and the hub goes on."""
        if self.settings.legacy_port is None:
            return
        try:
            self.legacy = await self.bridge.start(self.settings.legacy_port)
        except Unavailable as why:
            logger.warning("bridge_not_open", why=str(why))
            self.notices.append(str(why))
            return
        logger.info("bridge_open", port=self.legacy, mode=self.bridge.mode)

    def _starlette(self) -> Starlette:
        parts = (self.api, self.vault, self.depot, self.desk, self.health, self.stage)
        return Starlette(
            routes=[
                WebSocketRoute("/ws", self.connections),
                Mount("/api/v1", routes=[route for each in parts for route in each.routes()]),
                Route("/healthz", self._healthz, methods=["GET"]),
                Route("/readyz", self._readyz, methods=["GET"]),
                Route("/metrics", answering(self._serve_metrics), methods=["GET"]),
                *signin.routes(self.links, pages.link_expired_page),
                *self.desk.forms(),
                *pages.routes(self.source, may_see=self._may_see),
            ],
            exception_handlers={404: self._not_found},
        )

    def _who_says_hello(self, token: str | None, scope: Any) -> Identity:
        return self.door.admit(token, scope) if token is not None else self.door.identify(scope)

    def _may_see(self, request: Request) -> bool:
        try:
            self.door.identify(request.scope).require("observe")
        except HubbubError:
            return False
        return True

    async def _healthz(self, request: Request) -> Response:
        return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})

    async def _readyz(self, request: Request) -> Response:
        problems = self.node.problems()
        said = "".join(f"{each}\n" for each in problems) or "ready\n"
        return PlainTextResponse(said, 503 if problems else 200, {"Cache-Control": "no-store"})

    async def _serve_metrics(self, request: Request) -> Response:
        self.door.identify(request.scope)
        return Response(self._metrics(), media_type=CONTENT_TYPE)

    async def _not_found(self, request: Request, why: Exception) -> Response:
        return pages.not_found_page()


def limits(settings: Settings) -> Limits:
    """The core's part of the settings."""
    return Limits(
        max_body=settings.max_body,
        max_instances=settings.max_instances,
        max_sessions_per_name=settings.max_sessions_per_name,
        max_subscriptions=settings.max_subscriptions,
        max_topics=settings.max_topics,
        inbox_messages=settings.inbox_messages,
        inbox_bytes=settings.inbox_bytes,
        window_messages=settings.window_messages,
        window_bytes=settings.window_bytes,
        unknown_ttl=settings.unknown_ttl,
        forward_for=settings.forward_for,
        loop_bound=settings.loop_bound,
    )


@asynccontextmanager
async def build(settings: Settings, clock: Callable[[], float] = time.time) -> AsyncIterator[App]:
    """A hub on this home's database, not listening yet. Raises StorageFailed or BadValue."""
    mode = check_exposure(settings.host, settings.tls_cert, settings.tls_key, settings.insecure)
    if settings.tls_cert is not None and settings.tls_key is not None:
        check_tls(settings.tls_cert, settings.tls_key)
    ensure_token(settings.paths.token_file)
    history = await History.open(
        settings.paths.database,
        synchronous="full" if settings.synchronous == "full" else "normal",
        clock=clock,
    )
    try:
        attachments = Attachments(
            settings.paths.attachments,
            most=settings.max_attachment,
            quota=settings.attachments_size,
            grace=settings.attachment_grace,
        )
        await asyncio.to_thread(attachments.open)
        bounds = limits(settings)
        tail = await history.tail(bounds.window_messages, bounds.window_bytes)
        node = Node(
            history,
            await history.load(),
            tail,
            limits=bounds,
            retention=Retention(
                age=settings.retention_age, size=settings.retention_size, facts_age=settings.cursor_retention
            ),
            version=__version__,
            upkeep={
                "the search index": history.index_slice,
                "the merging of the search index": history.merge_slice,
                "the tallies": history.tally_slice,
                "the keyframes": history.frame_slice,
                "the attachments": partial(attachments.sweep, history.named),
            },
            uploaded=attachments.size_for,
            clock=clock,
        )
        keyring = Keyring(OwnerToken(settings.paths.token_file), history)
        await keyring.load()
        told = history.opened.told()
        notices = [told] if told else []
        yield App(
            settings,
            node,
            Door(keyring, Cookies(keyring)),
            mode,
            history=history,
            attachments=attachments,
            notices=notices,
        )
    finally:
        await history.close()


class Signals:
    """SIGINT and SIGTERM from the first moment on: one that comes before there is a server waits for it.

    A signal ends the server and is done with: uvicorn would raise it again, and a hub that was stopped look killed.
    """

    def __init__(self) -> None:
        self.came: list[int] = []
        self._server: Server | None = None

    @contextmanager
    def caught(self) -> Iterator[Signals]:
        """Catch them, in the main thread; in another there are none to catch."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {each: signal.signal(each, self._came) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def end(self, server: Server) -> None:
        """End this server on a signal, also one that came before."""
        self._server = server
        for each in self.came:
            server.handle_exit(each, None)

    def _came(self, number: int, frame: FrameType | None) -> None:
        self.came.append(number)
        if self._server is not None:
            self._server.handle_exit(number, frame)
        elif len(self.came) > 1:
            raise KeyboardInterrupt


class Server(uvicorn.Server):
    """uvicorn's server, which says goodbye to every session before it closes their connections."""

    def __init__(self, config: ServerConfig, app: App) -> None:
        super().__init__(config)
        self._app = app
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they are caught already

    def stop(self) -> None:
        """End as on SIGTERM."""
        self.handle_exit(signal.SIGTERM, None)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal, at any moment: a second one by Ctrl-C waits for nobody any more."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        """Until told to stop. uvicorn would look ten times a second; what it does else is due once a second."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, say goodbye, and return once all is closed: uvicorn's own way would wait for fixed times."""
        for listening in self.servers:
            listening.close()
        for each in sockets or []:
            each.close()
        await self._app.bridge.stop()
        await self._app.stage.stop()
        await self._app.node.stop()
        await self._part()
        for listening in self.servers:
            await listening.wait_closed()

    async def _part(self) -> None:
        """Let every connection take its last answers and end, and cut off what has not by GOODBYE.

        A WebSocket ends when it is closed from both sides: to close one while the peer still sends would have the
        system reset it, and the peer might never see what was said last.
        """
        self._app.connections.hurry()
        connections, requests = self.server_state.connections, self.server_state.tasks
        for each in list(connections):
            if not isinstance(each, WebSocketProtocol | Link):
                each.shutdown()
        await self._empty(connections)
        for each in list(connections):
            each.transport.abort()
        await self._empty(requests)
        for task in list(requests):
            task.cancel()

    async def _empty(self, what: set[Any]) -> None:
        until = asyncio.get_running_loop().time() + GOODBYE
        while what and not self.force_exit and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # uvicorn tells nobody that one has ended


def listen(settings: Settings) -> socket.socket:
    """A listening socket at the settings' address; the next free port if that one is taken. Raises Unavailable."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    last: OSError | None = None
    for port in range(settings.port, min(settings.port + PORTS_TRIED, 65_536)) if settings.port else (0,):
        sock = socket.socket(family, socket.SOCK_STREAM)
        if sys.platform != "win32":  # there it would let two hubs have one port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((settings.host, port))
            sock.listen(2048)
        except OSError as why:
            sock.close()
            last = why
            if port == settings.port:
                logger.warning("port_taken", port=port, by=port_holder(port) or "unknown")
            continue
        sock.setblocking(False)
        return sock
    raise Unavailable(
        f"No port from {settings.port} on could be had on {settings.host}: {last}.",
        "Give another with --port, or 0 for any free one.",
    )


async def run(settings: Settings, ready: Any = None) -> int:
    """Serve until told to stop; returns the exit code. `ready` is called with the App once it answers."""
    with Signals().caught() as signals:
        return await _run(settings, signals, ready)


async def _run(settings: Settings, signals: Signals, ready: Any) -> int:
    async with build(settings) as app:
        server, sock = prepare(app)
        signals.end(server)
        asyncio.get_running_loop().set_exception_handler(app.nobody_caught)
        await app.node.start(server.stop)
        app.node.watch("the look at tokens", app.look_around())
        await app.open_bridge()
        write_hub_json(settings.paths, url=app.url, mode=app.mode, tls_cert=settings.tls_cert)
        logger.info("listening", url=app.url, mode=app.mode, home=str(settings.home))
        if ready is not None:
            ready(app)
        try:
            await server.serve(sockets=[sock])
        finally:
            remove_hub_json(settings.paths)
            asyncio.get_running_loop().set_exception_handler(None)
        return 1 if app.node.broken else 0


def prepare(app: App) -> tuple[Server, socket.socket]:
    """A server for an app, and its listening socket; `app.url` is known then. Raises Unavailable."""
    settings = app.settings
    sock = listen(settings)
    port = sock.getsockname()[1]
    # Every interface is an address to listen on, not one to call: this machine's programs call loopback.
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    app.url = f"{'wss' if app.mode == 'tls' else 'ws'}://{host}:{port}/ws"
    config = ServerConfig(
        app.asgi,
        Bounds(connections=settings.max_connections),
        lifespan="off",
        log_config=None,
        access_log=False,
        ws_max_size=settings.max_frame,
        ws_ping_interval=settings.ping_interval,
        ws_ping_timeout=settings.ping_timeout,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    app.cut = config.counts
    server = Server(config, app)
    app.stop = server.stop
    return server, sock


def open_enough_files(connections: int) -> None:
    """Raise the limit on open files to what `connections` take, as far as the system allows without asking."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
        if granted < wanted:
            logger.warning("few_open_files", allowed=granted, max_connections=connections)


def spare_the_collector() -> None:
    """Have Python's search for garbage in circles pass over all that is here to stay, and come less often.

    Hardly anything in a hub is a circle, and to look through it held everybody up for 50 ms now and then.
    https://docs.python.org/3/library/gc.html#gc.freeze
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


def serve(settings: Settings, ready: Any = None) -> int:
    """Run the hub in this process until SIGINT or SIGTERM; returns the exit code. Raises Unavailable if one runs."""
    with HubLock(settings.paths):
        open_enough_files(settings.max_connections)
        sys.setswitchinterval(SWITCH)

        def begun(app: App) -> None:
            spare_the_collector()
            if ready is not None:
                ready(app)

        if sys.platform != "win32":
            import uvloop

            runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        else:
            runner = asyncio.Runner()
        with runner:
            try:
                return runner.run(run(settings, begun))
            except KeyboardInterrupt:
                return 128 + signal.SIGINT
