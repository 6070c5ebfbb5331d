"""The door for old scripts: whether it answers, and whether the shared secret is the same on both sides.

The secret is compared without being shown, and without registering anybody: a request to register a name that cannot
be one is refused for its secret if that is wrong, and else for its name.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from hub.doctor.finding import Finding, broken, ok, warning
from hub.doctor.running import holder

SECRET = "IPC_SHARED_SECRET"  # noqa: S105 - a variable's name
NOBODY = "?"  # no name of an instance
LIMIT = 5.0  # seconds
MAX_REPLY = 65_536


def examine(told: dict[str, Any] | None) -> Iterator[Finding]:
    """`told` is what the hub says of its bridge: its port and mode; nothing where it is closed."""
    secret = os.environ.get(SECRET, "")
    if told is None:
        if secret:
            said = f"{SECRET} is set here, and no bridge for old scripts is open: nothing asks for it"
            yield warning("bridge", "bridge_closed", said, "hubbub stop && hubbub start --legacy-port 9876")
        return
    port = int(told["port"])
    try:
        refusal = _ask(port, secret)
    except (OSError, ValueError) as why:
        said = f"the bridge for old scripts does not answer on port {port} ({why}); {holder(port)} has it"
        yield broken("bridge", "bridge_deaf", said, "hubbub stop && hubbub start")
        return
    if refusal == "Invalid auth token" and secret:
        said = f"{SECRET} of this shell is not the one that the hub was started with: its scripts are refused"
        yield warning("bridge", "secret_differs", said, "hubbub stop && hubbub start")
    elif refusal == "Invalid auth token":
        said = f"the bridge asks for a shared secret, and {SECRET} is not set in this shell: its scripts are refused"
        yield warning("bridge", "secret_missing", said, f"read -rs {SECRET} && export {SECRET}")
    elif told["mode"] == "open":
        more = f"; {SECRET} is set here, and the hub was started without it" if secret else ""
        said = f"port {port} is open: any program of this machine may have any name there{more}"
        if secret:
            yield warning("bridge", "secret_unused", said, "hubbub stop && hubbub start")
        else:
            yield ok("bridge", said)
    else:
        yield ok("bridge", f"port {port} takes the shared secret of this shell")


def _ask(port: int, secret: str) -> str:
    """What the bridge says to a name that cannot be one. Raises OSError, and ValueError for what is no bridge."""
    proof = sha256(f"{NOBODY}:{secret}".encode()).hexdigest() if secret else ""
    said = {"action": "register", "instance_id": NOBODY, "auth_token": proof}
    with socket.create_connection(("127.0.0.1", port), LIMIT) as connection:
        connection.sendall(json.dumps(said).encode())
        reply = json.loads(connection.recv(MAX_REPLY))
    if not isinstance(reply, dict) or reply.get("status") != "error":
        raise ValueError("it is something else")
    return str(reply.get("message"))
