"""Requests to a hub over HTTP, from a program that waits for each: the command line, and whoever starts the hub.

HTTP/1.1 over a socket, one connection a request. The standard library's client takes three times as long to import
as one request takes, which every `hubbub send` in every hook would pay; what a hub answers needs little of it:
a length, chunks, or the end of the connection.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple
from urllib.parse import urlencode, urlsplit

from hub import __version__
from hub.errors import BadValue, HubbubError, Unauthorized, Unreachable, tree

if TYPE_CHECKING:
    from ssl import SSLContext

API = "/api/v1"
TIMEOUT = 10.0  # seconds to connect, and between two bytes of an answer
MAX_LINE = 65_536
MAX_HEADERS = 100
PIECE = 2**18  # bytes read at once of a long answer


class Origin(NamedTuple):
    """Where a hub answers."""

    secure: bool
    host: str
    port: int

    @property
    def http(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.netloc}"

    @property
    def websocket(self) -> str:
        return f"{'wss' if self.secure else 'ws'}://{self.netloc}/ws"

    @property
    def netloc(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Event(NamedTuple):
    """One server-sent event."""

    kind: str
    id: str | None
    data: str


def origin(url: str) -> Origin:
    """Read a hub's URL: `ws://127.0.0.1:4820/ws` and `http://127.0.0.1:4820` name the same. Raises BadValue."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname or not _plain(parts.hostname):
        raise BadValue(f"{url!r} is not a hub's URL.", "It looks like ws://127.0.0.1:4820/ws or http://127.0.0.1:4820.")
    secure = parts.scheme in ("wss", "https")
    return Origin(secure, parts.hostname, port or (443 if secure else 80))


def tls_context(tls_cert: Path | None) -> SSLContext:
    """What a client trusts: what the system does; or, where `tls_cert` is given, that one certificate under any name.

    Raises Unreachable for a file that holds no certificate.
    """
    import ssl

    if tls_cert is None:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the hub's own certificate is the root of trust
    try:
        context.load_verify_locations(tls_cert)
    except OSError as why:
        raise Unreachable(
            f"The hub's certificate {tls_cert} cannot be read: {why}.", "hubbub doctor says more."
        ) from None
    return context


class Place(NamedTuple):
    """Where a hub is: its URL, the token to show, and the certificate to trust as its own, if it made that itself."""

    url: str
    token: str | None
    tls_cert: Path | None = None


class Requests:
    """The verbs of docs/http.md. An error that the hub answers is raised as the same class of `hub.errors`.

    Raises Unreachable where no hub answers in time. Follows no redirect and uses no proxy: the token goes to the hub
    that was named, and to nobody else. `tls_cert` is a certificate to trust as this hub's own.
    """

    def __init__(
        self, url: str, token: str | None = None, *, timeout: float = TIMEOUT, tls_cert: Path | None = None
    ) -> None:
        self.origin = origin(url)
        if token is not None and not _plain(token):
            raise Unauthorized(
                "The token has spaces or characters outside ASCII.", "hubbub token show prints the right one."
            )
        self._token = token
        self._timeout = timeout
        self.tls_cert = tls_cert

    def get(self, path: str, *, patience: float = 0, **query: Any) -> Any:
        """GET below /api/v1; parts of the query that are None are left out, `as_` stands for `as`.

        A path's parts are quoted by the caller, who knows which of them are somebody's text.

        `patience` is how many seconds more the answer may take, for a request that waits at the hub.
        """
        return self._json("GET", path, query, None, patience)

    def post(self, path: str, body: dict[str, Any], *, patience: float = 0) -> Any:
        return self._json("POST", path, {}, body, patience)

    def delete(self, path: str, **query: Any) -> Any:
        return self._json("DELETE", path, query, None, 0)

    def put(self, path: str, source: Iterable[bytes], length: int, **query: Any) -> Any:
        """PUT `length` bytes below /api/v1, as they come from `source`."""
        with self._exchange("PUT", API + path, query, None, 0, upload=(source, length)) as answer:
            if answer.status >= 400:
                raise answer.error()
            return answer.json()

    @contextmanager
    def download(self, path: str, start: int = 0, **query: Any) -> Iterator[Iterator[bytes]]:
        """GET bytes from `start` on, below /api/v1: pieces of them as they come."""
        more = [f"Range: bytes={start}-"] if start else []
        with self._exchange("GET", API + path, query, None, 0, more=more) as answer:
            if answer.status >= 400:
                raise answer.error()
            if answer.status != (206 if start else 200):
                raise Unreachable("The hub did not give the part that was asked for.", "hubbub doctor says more.")
            yield answer.pieces()

    def healthy(self) -> bool:
        """Whether a hub answers there at all; needs no token."""
        try:
            with self._exchange("GET", "/healthz", {}, None, 0) as answer:
                return answer.status == 200
        except HubbubError:
            return False

    def events(self, *, patience: float, **query: Any) -> Iterator[Event]:
        """Server-sent events until the connection ends; silence longer than `patience` seconds is Unreachable."""
        with self._exchange("GET", API + "/events", query, None, patience - self._timeout) as answer:
            if answer.status != 200:
                raise answer.error()
            yield from _events(answer.lines())

    def _json(self, method: str, path: str, query: dict[str, Any], body: Any, patience: float) -> Any:
        with self._exchange(method, API + path, query, body, patience) as answer:
            if answer.status >= 400:
                raise answer.error()
            return answer.json()

    def _exchange(
        self,
        method: str,
        path: str,
        query: dict[str, Any],
        body: Any,
        patience: float,
        *,
        upload: tuple[Iterable[bytes], int] | None = None,
        more: Sequence[str] = (),
    ) -> _Answer:
        given = {key.rstrip("_"): value for key, value in query.items() if value is not None}
        target = path + (f"?{urlencode(given)}" if given else "")
        payload = b"" if body is None else json.dumps(body).encode()
        head = [f"{method} {target} HTTP/1.1", f"Host: {self.origin.netloc}", "Connection: close"]
        head += [f"User-Agent: hubbub/{__version__}", "Accept: application/json, text/event-stream"]
        if self._token:
            head.append(f"Authorization: Bearer {self._token}")
        head += more
        if upload is not None:
            head += ["Content-Type: application/octet-stream", f"Content-Length: {upload[1]}"]
        if body is not None:
            head += ["Content-Type: application/json", f"Content-Length: {len(payload)}"]
        connection = self._connect()
        try:
            connection.settimeout(self._timeout + patience)
            with suppress(BrokenPipeError, ConnectionResetError):  # refused early: the answer says why
                connection.sendall("\r\n".join([*head, "", ""]).encode("ascii") + payload)
                for piece in upload[0] if upload is not None else ():
                    connection.sendall(piece)
            return _Answer(connection, self.origin)
        except OSError as why:
            connection.close()
            raise self._lost(why) from None
        except BaseException:
            connection.close()
            raise

    def _connect(self) -> socket.socket:
        where = self.origin
        try:
            connection = socket.create_connection((where.host, where.port), self._timeout)
        except OSError as why:
            raise self._lost(why) from None
        if not where.secure:
            return connection
        try:
            return tls_context(self.tls_cert).wrap_socket(connection, server_hostname=where.host)
        except OSError as why:
            connection.close()
            raise self._lost(why) from None
        except BaseException:
            connection.close()
            raise

    def _lost(self, why: OSError) -> Unreachable:
        return _lost(self.origin, why)


class _Answer:
    """An answer whose head was read; the body follows as far as it is asked for."""

    def __init__(self, connection: socket.socket, where: Origin) -> None:
        self._connection = connection
        self._where = where
        self._stream: BinaryIO = connection.makefile("rb")
        try:
            self.status, self._headers = self._head()
        except BaseException:
            self._stream.close()  # the socket is open as long as this is
            raise

    def __enter__(self) -> _Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._connection.close()

    def read(self) -> bytes:
        """The whole body. Raises Unreachable where it ends early."""
        return b"".join(self.pieces())

    def json(self) -> Any:
        body = self.read()
        try:
            return json.loads(body) if body else None
        except ValueError:
            raise self._not_a_hub() from None

    def error(self) -> HubbubError:
        """The error that the hub answered, as it was raised there."""
        try:
            told = json.loads(self.read())
            message, hint = str(told["message"]), told.get("hint")
            kinds = {kind.code: kind for kind in tree()}
            return kinds.get(told["code"], HubbubError)(message, None if hint is None else str(hint))
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._not_a_hub()

    def lines(self) -> Iterator[str]:
        """The body's lines as they come."""
        rest = b""
        for piece in self.pieces():
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line.rstrip(b"\r").decode("utf-8", "replace")

    def _head(self) -> tuple[int, dict[str, str]]:
        first = self._line().split(b" ", 2)
        if len(first) < 2 or not first[0].startswith(b"HTTP/1.") or not first[1].isdigit():
            raise self._not_a_hub()
        headers: dict[str, str] = {}
        for _ in range(MAX_HEADERS):
            line = self._line()
            if not line:
                return int(first[1]), headers
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        raise self._not_a_hub()

    def pieces(self) -> Iterator[bytes]:
        """The body, in the pieces in which it comes. Raises Unreachable where it ends early."""
        try:
            if "chunked" in self._headers.get("transfer-encoding", "").lower():
                while count := self._chunk_size():
                    yield self._exactly(count)
                    self._line()
            elif "content-length" in self._headers:
                left = int(self._headers["content-length"])
                if left <= PIECE:
                    yield self._exactly(left)
                    return
                while left > 0:
                    piece = self._exactly(min(PIECE, left))
                    left -= len(piece)
                    yield piece
            else:
                while piece := self._read(65_536):
                    yield piece
        except ValueError:
            raise self._not_a_hub() from None

    def _chunk_size(self) -> int:
        return int(self._line().partition(b";")[0], 16)

    def _exactly(self, count: int) -> bytes:
        if count < 0:
            raise ValueError(count)
        piece = self._read(count)
        if len(piece) < count:
            raise Unreachable("The hub's answer broke off.", "hubbub status says whether it still runs.")
        return piece

    def _read(self, count: int) -> bytes:
        try:
            return self._stream.read(count)
        except OSError as why:
            raise _lost(self._where, why) from None

    def _line(self) -> bytes:
        try:
            line = self._stream.readline(MAX_LINE)
        except OSError as why:
            raise _lost(self._where, why) from None
        if not line.endswith(b"\n"):
            raise _lost(self._where, ConnectionResetError("it closed the connection"))
        return line.rstrip(b"\r\n")

    def _not_a_hub(self) -> Unreachable:
        return Unreachable(
            f"What answers at {self._where.http} does not speak as a hub does.",
            "hubbub doctor says what holds the port.",
        )


def _plain(text: str) -> bool:
    """Whether a text can stand in a header as it is."""
    return text.isascii() and text.isprintable() and " " not in text


def _lost(where: Origin, why: OSError) -> Unreachable:
    if "CERTIFICATE_VERIFY_FAILED" in str(why):
        said = getattr(why, "verify_message", None) or str(why)
        return Unreachable(
            f"The certificate of {where.http} does not hold: {said}.",
            "If it is the right hub, set SSL_CERT_FILE to a file with the certificate that signed it.",
        )
    reason = "it took too long to answer" if isinstance(why, TimeoutError) else (why.strerror or str(why))
    return Unreachable(
        f"No hub answers at {where.http}: {reason}.", "hubbub start starts one; hubbub doctor looks closer."
    )


def _events(lines: Iterator[str]) -> Iterator[Event]:
    """Lines as events (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream)."""
    kind = "message"
    last_id: str | None = None
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield Event(kind, last_id, "\n".join(data))
            kind, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            kind = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            last_id = value
