"""When to try again and why not to: what the client decides without touching a socket."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hub import errors
from hub.errors import HubbubError, Unavailable, Unreachable

_by_code = {kind.code: kind for kind in errors.tree()}
# Kinds that share a close code share their parent's meaning too: the first in the tree is the most general.
_by_close = {kind.close: kind for kind in reversed(errors.tree())}
_by_status = {401: errors.Unauthorized, 403: errors.Forbidden, 421: errors.HostRefused, 429: errors.TooMany}


class Backoff:
    """Exponential backoff with full jitter: the n-th wait is anything between 0 and min(cap, first·2ⁿ) seconds.

    Full jitter, because a hub that comes back is met by all its clients at once.
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)

    `random` gives numbers in [0, 1).
    """

    def __init__(self, random: Callable[[], float], *, first: float = 0.1, cap: float = 5.0) -> None:
        self._random = random
        self._first = first
        self._cap = cap
        self._ceiling = first

    def next(self) -> float:
        """Seconds to wait before the next attempt."""
        wait = self._random() * self._ceiling
        self._ceiling = min(self._cap, self._ceiling * 2)
        return wait

    def reset(self) -> None:
        """An attempt was good: begin again with short waits."""
        self._ceiling = self._first


def typed(code: str, message: str, hint: str | None) -> HubbubError:
    """The error that an `error` frame or an HTTP error body stands for; a code this version lacks keeps its text."""
    return _by_code.get(code, HubbubError)(message, hint)


def from_close(code: int | None, reason: str) -> HubbubError:
    """What a closed connection means; None is a connection that was lost without a word."""
    if code is None or code < 4000:
        said = f": {reason}" if reason else ""
        return Unavailable(f"The connection to the hub was lost{said}.")
    return _by_close.get(code, HubbubError)(reason or f"The hub closed the connection with code {code}.")


class _Body(msgspec.Struct):
    code: str = ""
    message: str = ""
    hint: str | None = None


def from_http(status: int, body: bytes) -> HubbubError:
    """What it means that the WebSocket handshake was answered with an HTTP error."""
    try:
        said = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = _Body()
    if said.code in _by_code and said.message:
        return typed(said.code, said.message, said.hint)
    if kind := _by_status.get(status):
        return kind(f"The hub refused the connection (HTTP {status}).", "See `hubbub doctor`.")
    if status >= 500:
        return Unavailable(f"The hub cannot take connections now (HTTP {status}).")
    return Unreachable(
        f"What answers there is not a Hubbub hub: it said HTTP {status}.", "Check the address: `hubbub config show`."
    )


def lasting(why: HubbubError, close_code: int | None = None) -> bool:
    """Whether trying again by itself cannot help. `close_code` is the connection's, where there was one."""
    return not errors.may_reconnect(why.close if close_code is None else close_code)
