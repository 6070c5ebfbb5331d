"""The browser's cookie: a signed note that the owner let this browser in.

It is signed with a key derived from the owner's token, so that nothing is kept for it anywhere, and so that
`hubbub token rotate` signs every browser out. Signing out deletes it in one browser.

Cookies do not tell ports apart (RFC 6265 §8.5), so the port is in the cookie's name and in what is signed: two hubs on
one machine leave each other's cookies alone.
"""

from __future__ import annotations

import hashlib
import secrets

from itsdangerous import BadSignature, TimestampSigner

from hub.errors import Unauthorized
from hub.origins import Scope, headers, port_seen, scheme
from hub.tokens import Identity, Keyring

MAX_AGE = 30 * 86_400  # seconds
NAME = "hubbub_session"
_TRIES = 4  # a page on another port of this host can add cookies of the same name; the right one may come second


class Cookies:
    """Makes and reads the cookie; times are seconds since 1970, passed in."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def sign_in(self, scope: Scope, now: float) -> str:
        """The Set-Cookie header that signs in the browser that made this request, for 30 days."""
        value = self._signer(scope, now).sign(secrets.token_urlsafe(16)).decode("ascii")
        return f"{_name(scope)}={value}; Max-Age={MAX_AGE}; {_attributes(scope)}"

    def sign_out(self, scope: Scope) -> str:
        """The Set-Cookie header that signs it out."""
        return f"{_name(scope)}=; Max-Age=0; {_attributes(scope)}"

    def find(self, scope: Scope, now: float) -> Identity | None:
        """Who the request's cookie says is asking; None without one. Raises Unauthorized if it does not hold."""
        name, signer = _name(scope), self._signer(scope, now)
        values = [
            value
            for header in headers(scope, b"cookie")
            for key, _, value in (part.strip().partition("=") for part in header.split(";"))
            if key == name
        ]
        for value in values[:_TRIES]:
            try:
                _, since = signer.unsign(value, max_age=MAX_AGE, return_timestamp=True)
            except BadSignature:  # SignatureExpired is one
                continue
            return self._keyring.browser(since.timestamp() + MAX_AGE)
        if values:
            raise Unauthorized(
                "This browser is signed out: its cookie is too old, or the token was replaced.",
                "hubbub open signs it in again.",
            )
        return None

    def _signer(self, scope: Scope, now: float) -> TimestampSigner:
        key = self._keyring.owner.cookie_key()
        return _Signer(key, salt=_name(scope).encode(), digest_method=hashlib.sha256, key_derivation="hmac", now=now)


class _Signer(TimestampSigner):
    def __init__(self, *args: object, now: float, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._now = int(now)

    def get_timestamp(self) -> int:
        return self._now


def _name(scope: Scope) -> str:
    return f"{NAME}_{port_seen(scope)}"


def _attributes(scope: Scope) -> str:
    # Strict: no other site's page ever sends it. HttpOnly: no script reads it.
    return "Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if scheme(scope) == "https" else "")
