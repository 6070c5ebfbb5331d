"""Tokens: who may come in, and what for.

The owner's token is the one line in the file `token`; it may do everything, under any name. Further tokens are made
by the owner for a purpose: a few scopes, perhaps one name, perhaps an end. A token's text is shown once, when it is
made; what is kept is its SHA-256. A plain hash is enough because a token is 256 random bits: there is no list of
likely ones to try, which is what slow password hashes are against.

Times are seconds since 1970, passed in.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest, digest
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias, get_args

from msgspec import Struct, structs

from hub.errors import BadValue, Forbidden, HubbubError, NotFound, TooMany, Unauthorized
from hub.paths import new_token, read_token, write_private
from hub.tables import TokenRow
from hub.topic import name_key

Scope: TypeAlias = Literal["publish", "subscribe", "observe", "admin"]
SCOPES: frozenset[Scope] = frozenset(get_args(Scope))
BROWSER_SCOPES: frozenset[Scope] = frozenset({"observe"})  # all that the dashboard's pages need

MAX_GRANTS = 1000
MAX_NOTE = 200  # characters
OWNER = "owner"  # the id of the owner's own grant; made ones are hexadecimal
HINT = "hubbub token show prints this hub's token; if HUBBUB_TOKEN is set, it may be another hub's."


class Grant(Struct, frozen=True, kw_only=True):
    """What a token is good for.

    publish: send, under `name` or, without one, under any. subscribe: hear what a name hears, and read its mail.
    observe: read everything, `$` topics included. admin: make and revoke tokens. None of them includes another.
    """

    id: str
    scopes: frozenset[Scope]
    name: str | None = None
    created_at: float = 0.0
    expires_at: float | None = None
    last_used: float | None = None
    note: str | None = None

    def expired(self, now: float) -> bool:
        return self.expires_at is not None and self.expires_at <= now


class TokenStore(Protocol):
    """Where tokens outlive the hub, by their hash. Each call is durable when it returns; or raises StorageFailed."""

    async def save_token(self, token: TokenRow) -> None:
        """Store a row, in the place of one with the same id."""

    async def tokens(self) -> list[TokenRow]:
        """All rows."""

    async def delete_token(self, token_id: str) -> bool:
        """Remove a row; returns whether it was there."""


class Identity(Struct, frozen=True, kw_only=True):
    """Who is asking: the grant that was shown, and how it was shown."""

    grant: Grant
    via: Literal["token", "cookie"] = "token"
    generation: int = 0  # which owner's token it came in under: a rotation ends it

    @property
    def is_owner(self) -> bool:
        return self.grant.id == OWNER

    def require(self, scope: Scope) -> None:
        """Raises Forbidden unless the grant has `scope`."""
        if scope not in self.grant.scopes:
            has = ", ".join(sorted(self.grant.scopes)) or "none"
            raise Forbidden(
                f"This needs the scope {scope}; this {'browser session' if self.via == 'cookie' else 'token'} "
                f"has {has}.",
                f"hubbub token create --scope {scope} makes a token that has it.",
            )

    def require_owner(self) -> None:
        """Raises Forbidden for all but the owner's token: what hands out the owner's rights needs them."""
        if not self.is_owner:
            raise Forbidden("Only the owner's token may do this.", "hubbub token show prints it.")

    def require_person(self) -> None:
        """Raises Forbidden unless it has the scope admin, or is the owner's own browser: a page that only looks, and
        lets a person decide what becomes of what is held."""
        if self.via != "cookie":
            self.require("admin")

    def may_act_as(self, name: str) -> None:
        """Raises Forbidden if the grant is bound to another name, BadName for what is none."""
        key, bound = name_key(name), self.grant.name
        if bound is not None and key != name_key(bound):
            raise Forbidden(
                f"This token is bound to the name {bound}; it cannot act as {name}.",
                f"Act as {bound}, or make a token for {name}: hubbub token create --name {name}",
            )


class _OwnerKey(NamedTuple):
    hash: bytes
    cookies: bytes


class OwnerToken:
    """The owner's token, followed as its file changes, so that `hubbub token rotate` needs no restart.

    The file is looked at no more than once in `every` seconds (one stat), and read only if it is another one then.
    What cannot be read, or holds no token, changes nothing: the last good token stays, and `problem` says why.
    `clock` is monotonic seconds. Raises Unauthorized if there is no token to begin with.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic, every: float = 1.0) -> None:
        self.path = path
        self.problem: str | None = None
        self.generation = 0
        self._clock = clock
        self._every = every
        self._looked = clock()
        self._seen = self._stamp()
        token = read_token(path)
        if token is None:
            raise Unauthorized(f"There is no token file {path}.", "hubbub start makes one.")
        self._key = _derive(token)

    def hash(self) -> bytes:
        """The SHA-256 of the token that holds now."""
        self.look()
        return self._key.hash

    def cookie_key(self) -> bytes:
        """A secret for signing browsers' cookies, another one after each rotation."""
        self.look()
        return self._key.cookies

    def rotate(self) -> str:
        """Put a new token in the place of the old one, and return it. The old one is void at once."""
        token = new_token()
        write_private(self.path, token + "\n")
        self.look(now=True)
        return token

    def look(self, *, now: bool = False) -> None:
        """Take up the file's token if it changed; with `now`, also if it was looked at a moment ago."""
        at = self._clock()
        if not now and at - self._looked < self._every:
            return
        self._looked = at
        stamp = self._stamp()
        if stamp == self._seen:
            self.problem = None  # the same file is back
            return
        try:
            token = read_token(self.path)
        except HubbubError as why:
            self.problem = str(why)
            return
        if token is None:
            self.problem = f"The token file {self.path} is gone; the last token still holds."
            return
        self._seen = stamp  # from before the read: a change between the two is seen the next time
        self.problem = None
        key = _derive(token)
        if not compare_digest(key.hash, self._key.hash):
            self._key = key
            self.generation += 1

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino, stat.st_size


class Issued(NamedTuple):
    """A new grant with its token. The token's text exists here and nowhere else."""

    grant: Grant
    secret: str


class Keyring:
    """All tokens that hold, in memory; `store` keeps the made ones. One a hub."""

    def __init__(self, owner: OwnerToken, store: TokenStore) -> None:
        self.owner = owner
        self._store = store
        self._grants: dict[str, Grant] = {}  # by id
        self._ids: dict[bytes, str] = {}  # id by hash
        self._hashes: dict[str, bytes] = {}  # and back
        self._used: set[str] = set()  # ids whose `last_used` is not stored yet

    async def load(self) -> None:
        """Read the stored grants; before the first check, once."""
        for row in await self._store.tokens():
            self._keep(_grant(row), bytes.fromhex(row.hash))

    def check(self, secret: str | None, now: float) -> Identity:
        """Whose token this is. Raises Unauthorized: none was sent, it is unknown here, or its time is over."""
        if not secret:
            raise Unauthorized(
                "This needs a token, and none was sent.", f"Send it as `Authorization: Bearer TOKEN`. {HINT}"
            )
        shown = _hash(secret)
        if compare_digest(shown, self.owner.hash()):
            return self._owner()
        # The lookup's time depends on the hash, which nobody can steer towards one that is stored.
        grant_id = self._ids.get(shown)
        if grant_id is None:
            self.owner.look(now=True)  # it may be the new token, a moment after the rotation
            if compare_digest(shown, self.owner.hash()):
                return self._owner()
            raise Unauthorized("This hub does not know the token that was sent.", HINT)
        grant = self._grants[grant_id]
        if grant.expired(now):
            assert grant.expires_at is not None
            when = datetime.fromtimestamp(grant.expires_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
            raise Unauthorized(f"This token expired at {when}.", "hubbub token create makes another.")
        if grant.last_used is None or now - grant.last_used >= 60:
            grant = self._grants[grant_id] = structs.replace(grant, last_used=now)
            self._used.add(grant_id)
        return Identity(grant=grant, generation=self.owner.generation)

    def holds(self, identity: Identity, now: float) -> bool:
        """Whether who came in before may stay: for connections that outlive a rotation, a revocation or an end."""
        self.owner.look()
        if identity.grant.expired(now):
            return False
        if identity.is_owner or identity.via == "cookie":
            return identity.generation == self.owner.generation
        return identity.grant.id in self._grants

    def browser(self, expires_at: float) -> Identity:
        """The owner, in a browser: only what the dashboard needs."""
        grant = Grant(id="browser", scopes=BROWSER_SCOPES, expires_at=expires_at)
        return Identity(grant=grant, via="cookie", generation=self.owner.generation)

    def grants(self) -> list[Grant]:
        """Every grant that was made and not revoked, expired ones too, oldest first."""
        return sorted(self._grants.values(), key=lambda grant: (grant.created_at, grant.id))

    async def issue(
        self,
        by: Identity,
        *,
        scopes: Collection[str],
        now: float,
        name: str | None = None,
        expires_at: float | None = None,
        note: str | None = None,
    ) -> Issued:
        """Make a token. Nobody hands out more than they have.

        Raises Forbidden without the scope admin or for more than `by` has; BadValue, BadName or TooMany.
        """
        by.require("admin")
        wanted = _scopes(scopes)
        if name is not None:
            name_key(name)
        if expires_at is not None and expires_at <= now:
            raise BadValue("A token cannot expire before it is made.", "Give a time in the future, or none.")
        if note is not None and len(note) > MAX_NOTE:
            raise BadValue(f"A token's note has at most {MAX_NOTE} characters; this one has {len(note)}.")
        for scope in sorted(wanted):
            by.require(scope)
        if by.grant.name is not None:
            if name is None:
                raise Forbidden(f"This token is bound to the name {by.grant.name}, and so must be what it makes.")
            by.may_act_as(name)
        if by.grant.expires_at is not None and (expires_at is None or expires_at > by.grant.expires_at):
            raise Forbidden("A token that expires cannot make one that outlives it.", "Give an earlier end.")
        if len(self._grants) >= MAX_GRANTS:
            raise TooMany(f"There are {MAX_GRANTS} tokens, which is the limit.", "hubbub token revoke ID removes one.")
        grant = Grant(
            id=secrets.token_hex(6), scopes=wanted, name=name, created_at=now, expires_at=expires_at, note=note
        )
        secret = new_token()
        key = _hash(secret)
        await self._store.save_token(_row(grant, key))
        self._keep(grant, key)
        return Issued(grant, secret)

    async def revoke(self, by: Identity, grant_id: str) -> None:
        """Void a token that was made. Raises Forbidden without the scope admin, NotFound."""
        by.require("admin")
        if grant_id == OWNER:
            raise BadValue("The owner's token cannot be revoked, only replaced.", "hubbub token rotate does that.")
        if grant_id not in self._grants:
            raise NotFound(f"No token has the id {grant_id[:32]!r}.", "hubbub token list shows them.")
        # Void in memory first, so that save_used cannot bring the row back while it is being deleted.
        grant, key = self._grants.pop(grant_id), self._hashes.pop(grant_id)
        del self._ids[key]
        self._used.discard(grant_id)
        try:
            await self._store.delete_token(grant_id)
        except BaseException:
            self._keep(grant, key)
            raise

    def rotate(self, by: Identity) -> str:
        """Replace the owner's token and return the new one; every browser is signed out. Raises Forbidden."""
        by.require_owner()
        return self.owner.rotate()

    async def save_used(self) -> None:
        """Store when tokens were last used; for the hub to call now and then. At most a minute is lost."""
        while self._used:
            grant_id = self._used.pop()
            try:
                await self._store.save_token(_row(self._grants[grant_id], self._hashes[grant_id]))
            except BaseException:
                self._used.update({grant_id} & self._grants.keys())
                raise

    def _owner(self) -> Identity:
        return Identity(grant=Grant(id=OWNER, scopes=SCOPES), generation=self.owner.generation)

    def _keep(self, grant: Grant, key: bytes) -> None:
        self._grants[grant.id] = grant
        self._ids[key] = grant.id
        self._hashes[grant.id] = key


def _hash(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _derive(token: str) -> _OwnerKey:
    return _OwnerKey(_hash(token), digest(token.encode(), b"hubbub browser session", "sha256"))


def _scopes(names: Collection[str]) -> frozenset[Scope]:
    known = frozenset(scope for scope in SCOPES if scope in names)
    if not names or len(known) != len(set(names)):
        given = ", ".join(sorted(set(names) - known)) or "none"
        raise BadValue(f"A token's scopes are some of {', '.join(sorted(SCOPES))}; not {given}.")
    return known


def _row(grant: Grant, key: bytes) -> TokenRow:
    return TokenRow(
        id=grant.id,
        hash=key.hex(),
        name=grant.name,
        scopes=tuple(sorted(grant.scopes)),
        created_at=grant.created_at,
        expires_at=grant.expires_at,
        last_used=grant.last_used,
        note=grant.note,
    )


def _grant(row: TokenRow) -> Grant:
    return Grant(
        id=row.id,
        scopes=frozenset(scope for scope in SCOPES if scope in row.scopes),  # a newer hub's scope means nothing here
        name=row.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used=row.last_used,
        note=row.note,
    )
