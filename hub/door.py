"""Who is asking: a token or the browser's cookie, read off a request; and how often somebody may be wrong.

A token that holds is let in always, however many wrong ones came from the same address before: behind one address may
be all agents of a machine, and one with an old token must not shut out the rest. So the limit on wrong tokens
is not what keeps guessers out: that is the token's 256 bits. It keeps a confused client's noise out of the logs, and
tells it to slow down.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

from hub.cookies import Cookies
from hub.errors import HubbubError, OriginRefused, RateLimited, Unauthorized
from hub.limits import Buckets
from hub.origins import Scope, headers
from hub.refusal import wants_page
from hub.tokens import HINT, Identity, Keyring

KEY = "hubbub.door"  # where the guard leaves the door in an ASGI scope

# Wrong tokens: (a second, at once). On loopback a whole machine is one address.
REMOTE = (0.2, 20.0)
LOCAL = (5.0, 100.0)


class Door:
    """Lets in who has a token or a cookie that holds. `clock` is seconds since 1970, `monotonic` of any beginning.

    `refused` counts who was not let in, by the error's code: for metrics.
    """

    def __init__(
        self,
        keyring: Keyring,
        cookies: Cookies,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keyring = keyring
        self.cookies = cookies
        self.clock = clock
        self.refused: Counter[str] = Counter()
        self._monotonic = monotonic
        self._remote: Buckets[str] = Buckets(*REMOTE)
        self._local: Buckets[str] = Buckets(*LOCAL)

    def identify(self, scope: Scope) -> Identity:
        """Who made this request: by its bearer token, otherwise by its cookie, never by its URL.

        Raises Unauthorized, RateLimited; and OriginRefused for a cookie on anything but a GET that no page of the
        hub is known to have made.
        """
        shown = headers(scope, b"authorization")
        if shown:
            return self.admit(self._bearer(shown), scope)
        try:
            identity = self.cookies.find(scope, self.clock())
            if identity is None:
                raise Unauthorized(*_nothing_shown(scope))
            _made_by_own_page(scope)
        except HubbubError as why:
            self.refused[why.code] += 1
            raise
        return identity

    def admit(self, secret: str | None, scope: Scope) -> Identity:
        """Whose token this is, wherever in the request or after it it stood. Raises Unauthorized, RateLimited."""
        try:
            return self.keyring.check(secret, self.clock())
        except Unauthorized as why:
            if secret:
                self.count_wrong(scope)
            self.refused[why.code] += 1
            raise

    def count_wrong(self, scope: Scope) -> None:
        """Somebody showed what does not hold. Raises RateLimited if that address did so too often."""
        address, is_local = _peer(scope)
        wait = (self._local if is_local else self._remote).take(address, self._monotonic())
        if wait:
            self.refused[RateLimited.code] += 1
            raise RateLimited(
                f"Too many wrong tokens or links came from this address; wait {math.ceil(wait)} s before another.", HINT
            )

    def _bearer(self, shown: list[str]) -> str:
        kind, _, secret = shown[0].partition(" ")
        if len(shown) == 1 and kind.lower() == "bearer" and secret.strip():
            return secret.strip()
        self.refused[Unauthorized.code] += 1
        raise Unauthorized(
            "The Authorization header is not one bearer token.", f"`Authorization: Bearer TOKEN`. {HINT}"
        )


def identify(scope: Scope) -> Identity:
    """Who made the request of an ASGI scope that came through the guard. Raises as Door.identify."""
    door: Door = scope[KEY]
    return door.identify(scope)


def _nothing_shown(scope: Scope) -> tuple[str, str]:
    if wants_page(scope):
        return "This browser is not signed in.", "hubbub open signs it in, by a link that works once."
    return "This needs a token, and none was sent.", f"Send it as `Authorization: Bearer TOKEN`. {HINT}"


def _made_by_own_page(scope: Scope) -> None:
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
        return
    # The guard has refused every Origin but the hub's own and those allowed by name; here one must be there.
    if headers(scope, b"origin") or headers(scope, b"sec-fetch-site") == ["same-origin"]:
        return
    raise OriginRefused(
        "A request with the browser's cookie must say which page made it, and this one does not.",
        "Programs use a token: `Authorization: Bearer TOKEN`.",
    )


def _peer(scope: Scope) -> tuple[str, bool]:
    """The address that wrong tokens are counted for, and whether it is this machine. Of IPv6, the /64 that one
    customer has; what has no address is this machine's."""
    address = (scope.get("client") or ("",))[0]
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address, True
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        elif not ip.is_loopback:
            return str(ip_network((int(ip), 64), strict=False)), False
    return str(ip), ip.is_loopback
