"""One attempt to reach a hub: to connect, and to be welcomed. What a client does before it has a session.

An attempt that fails says why, and whether the next may fare better: `hub.client` decides with that.
"""

from __future__ import annotations

import asyncio

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from hub import frames, wire
from hub.errors import BadFrame, HubbubError, Unreachable
from hub.reconnect import from_close, from_http, lasting, typed
from hub.request import Place, tls_context

LIMIT = 10.0  # seconds to connect, and to be welcomed, each


class Refused(Exception):
    """It failed: `why`, and whether that is `final`, so that trying again will not help."""

    def __init__(self, why: HubbubError, *, final: bool) -> None:
        super().__init__(why)
        self.why = why
        self.final = final


class _Dial(connect):
    """websockets' connect without its redirects: a token goes to the address that was asked for, and to no other."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def dial(place: Place, *, keepalive: tuple[float, float], max_frame: int) -> ClientConnection:
    """A WebSocket that speaks the hub's protocol, by `place.url` (`ws://` or `wss://`). Raises Refused.

    `keepalive` is seconds between pings and seconds for the answer; `max_frame` is in bytes.
    """
    interval, patience = keepalive
    try:
        socket = await _Dial(
            place.url,
            ssl=tls_context(place.tls_cert) if place.url.startswith("wss:") else None,
            subprotocols=[Subprotocol(wire.SUBPROTOCOL)],
            additional_headers={"Authorization": f"Bearer {place.token}"} if place.token else None,
            compression=None,  # on loopback it costs and gives nothing
            proxy=None,  # a proxy of the environment must not see the token
            max_size=max_frame,
            open_timeout=LIMIT,
            ping_interval=interval,
            ping_timeout=patience,
            close_timeout=3,
        )
    except InvalidStatus as why:
        error = from_http(why.response.status_code, bytes(why.response.body or b""))
        raise Refused(error, final=lasting(error)) from None
    except (InvalidHandshake, EOFError):
        error = Unreachable(
            f"What answers at {place.url} is not a Hubbub hub.", "Check the address: `hubbub config show`."
        )
        raise Refused(error, final=False) from None
    except OSError as why:
        reason = why.strerror or str(why) or type(why).__name__
        error = Unreachable(f"No hub answers at {place.url}: {reason}.", "Start it with `hubbub start`.")
        raise Refused(error, final=False) from None
    if socket.subprotocol != wire.SUBPROTOCOL:
        await socket.close()
        error = Unreachable(
            f"What answers at {place.url} does not speak {wire.SUBPROTOCOL}.",
            "Check the address, and that client and hub are of one version.",
        )
        raise Refused(error, final=False)
    return socket


async def greet(socket: ClientConnection, url: str, hello: frames.Hello) -> frames.Welcome:
    """Say hello, and return what the hub at `url` answers. Raises Refused; the socket is the caller's to close."""
    try:
        async with asyncio.timeout(LIMIT):
            await socket.send(wire.encode(hello), text=True)
            answer = wire.decode_from_hub(await socket.recv(decode=False))
            if isinstance(answer, frames.Welcome):
                return answer
            await socket.close()
    except (TimeoutError, ConnectionClosed):
        if socket.close_code is None:
            raise Refused(Unreachable(f"The hub at {url} does not answer."), final=False) from None
        why = from_close(socket.close_code, socket.close_reason or "")
        raise Refused(why, final=lasting(why, socket.close_code)) from None
    except BadFrame as bad:
        raise Refused(Unreachable(f"What {url} says is not a hub's: {bad.message}"), final=False) from None
    if isinstance(answer, frames.Error):
        told = typed(answer.code, answer.message, answer.hint)
        raise Refused(told, final=lasting(told))
    raise Refused(Unreachable(f"The hub at {url} did not say welcome."), final=False)
