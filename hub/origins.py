"""Which names and which web pages are this hub's own.

A hub on loopback is in reach of every page its user opens. Two things stand between: a request must call the hub by
a name that is its own, or else a page could point its own name at 127.0.0.1 (DNS rebinding); and a page that
makes requests must be the hub's own, or else any page could open a WebSocket to it (cross-site hijacking).
Browsers set Host, Origin and Sec-Fetch-* themselves; no page's script can change them.
(Host: RFC 9110 §7.2, RFC 9112 §3.2; Origin: RFC 6454 §7; Sec-Fetch-*: W3C Fetch Metadata Request Headers)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple, TypeAlias

from hub.errors import BadRequest, BadValue, HostRefused, OriginRefused

Scope: TypeAlias = MutableMapping[str, Any]  # ASGI's

_NAMED = re.compile(r"([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(?::([0-9]{1,5}))?")
_IPV6 = re.compile(r"\[([0-9a-f:.]+)\](?::([0-9]{1,5}))?")
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#@\\\s]+)")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Authority(NamedTuple):
    """A host in its plainest spelling (lower case, no brackets, no trailing dot), and a port."""

    host: str
    port: int


def authority(text: str, scheme: str) -> Authority | None:
    """Read `host` or `host:port`; None for whatever is no such thing. `scheme` (http or https) says the port if
    `text` does not."""
    text = text.lower()
    if found := _IPV6.fullmatch(text):
        try:
            host = IPv6Address(found[1]).compressed
        except ValueError:
            return None
    elif found := _NAMED.fullmatch(text):
        host = found[1]
    else:
        return None
    port = int(found[2]) if found[2] else _DEFAULT_PORTS[scheme]
    return Authority(host, port) if 0 < port < 65536 else None


def headers(scope: Scope, name: bytes) -> list[str]:
    """Every value of a request's header, in order. `name` is in lower case, as ASGI has it."""
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key == name]


def scheme(scope: Scope) -> str:
    """`http` or `https`, of a WebSocket too."""
    return "https" if scope["scheme"] in ("https", "wss") else "http"


def port_seen(scope: Scope) -> int | None:
    """The port by which the client knows this hub: what its Host says, which behind a port forwarding is not the
    port that the hub listens on."""
    hosts = headers(scope, b"host")
    at = authority(hosts[0], scheme(scope)) if hosts else None
    return at.port if at else None


def is_navigation(scope: Scope) -> bool:
    """Whether a browser says that its user goes to a page: a GET for a whole tab, which no other page can read."""
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and headers(scope, b"sec-fetch-mode") == ["navigate"]
        and headers(scope, b"sec-fetch-dest") == ["document"]
    )


class Own:
    """The hub's own names and origins.

    Its own are localhost, 127.0.0.1, [::1], the address it was told to listen on, and the address that the connection
    came in on, all with the port it listens on; an address cannot be rebound, only a name can. `allowed_hosts` adds
    `name` (any port) or `name:port`, `allowed_origins` adds `scheme://host[:port]`. Raises BadValue for anything else.
    """

    def __init__(self, host: str, allowed_hosts: Iterable[str] = (), allowed_origins: Iterable[str] = ()) -> None:
        self._names = {*_LOOPBACK, host.lower().strip("[]").removesuffix(".")} - {"", "0.0.0.0", "::"}  # noqa: S104
        self._hosts = {_allowed_host(text) for text in allowed_hosts}
        self._origins = {_allowed_origin(text) for text in allowed_origins}

    def check(self, scope: Scope) -> None:
        """Let an HTTP request or WebSocket handshake pass, by its Host, Origin and Sec-Fetch-Site.

        Raises BadRequest unless it has one Host, HostRefused for a name that is not the hub's, OriginRefused for
        another site's page, unless that page only sent its user here.
        """
        hosts = headers(scope, b"host")
        if len(hosts) != 1:
            raise BadRequest(f"A request has one Host header; this one has {len(hosts)}.")
        at = authority(hosts[0], scheme(scope))
        if at is None or not self._is_host(at, scope):
            raise HostRefused(
                f"This hub does not go by the name {_shown(hosts[0])}.",
                "Use its own address, or add the name to the setting allowed_hosts.",
            )
        origins = headers(scope, b"origin")
        site = headers(scope, b"sec-fetch-site")
        if scope["type"] == "http" and origins == ["null"] and site == ["same-origin"]:
            return  # a form of the hub's own page, where that has the referrer policy no-referrer
        if origins and (len(origins) > 1 or not self._is_origin(origins[0], scope)):
            if is_navigation(scope):
                return
            raise OriginRefused(
                f"Pages of {_shown(', '.join(origins))} may not talk to this hub.",
                "If they should, add that origin to the setting allowed_origins.",
            )
        if not origins and site not in ([], ["same-origin"], ["none"]):
            if is_navigation(scope):
                return
            raise OriginRefused(
                "Pages of other sites may not talk to this hub, nor show parts of it.",
                "Open the hub's page itself: hubbub open",
            )

    def _is_host(self, at: Authority, scope: Scope) -> bool:
        if at in self._hosts or (at.host, None) in self._hosts:
            return True
        address, port = scope.get("server") or (None, None)
        return at.port == port and (at.host in self._names or at.host == _plain(address))

    def _is_origin(self, origin: str, scope: Scope) -> bool:
        parts = _origin(origin)
        if parts is None:
            return False
        if parts in self._origins:
            return True
        written, at = parts
        return written == scheme(scope) and isinstance(at, Authority) and self._is_host(at, scope)


def _origin(text: str) -> tuple[str, Authority | str] | None:
    found = _ORIGIN.fullmatch(text.lower())
    if not found:
        return None
    if found[1] not in _DEFAULT_PORTS:
        return found[1], found[2]  # an app's or an extension's; nothing is known of its parts
    at = authority(found[2], found[1])
    return (found[1], at) if at else None


def _allowed_host(text: str) -> tuple[str, int | None]:
    at = authority(text, "http")
    if at is None:
        raise BadValue(
            f"allowed_hosts cannot have {_shown(text)}.",
            "It takes names, with a port or without: hub.lan, hub.lan:8443",
        )
    return at if re.search(r":[0-9]+$", text) else (at.host, None)


def _allowed_origin(text: str) -> tuple[str, Authority | str]:
    origin = _origin(text)
    if origin is None:
        raise BadValue(
            f"allowed_origins cannot have {_shown(text)}.",
            "It takes scheme, host and port, without a path: https://hub.example.com",
        )
    return origin


def _plain(address: str | None) -> str | None:
    """A socket's own address, spelled as `authority` would: an IPv4 one on an IPv6 socket is that IPv4 one."""
    try:
        ip = ip_address((address or "").partition("%")[0])
    except ValueError:
        return address
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return (mapped or ip).compressed


def _shown(text: str) -> str:
    return repr(text if len(text) <= 64 else text[:63] + "…")
