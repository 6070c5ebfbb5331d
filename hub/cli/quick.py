"""`hubbub send` on its short way: plain words, no settings file, and a hub that runs in this home.

The message goes out under an id of its own. So whatever is not plain here, or goes wrong, or is refused, is said again
with the same id by the long way (hub.cli.send), which knows all settings, starts a hub, and explains errors: what
arrived at the first attempt is stored once.
"""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WITH_VALUE = {
    "--as": "as",
    "--thread": "thread",
    "--reply-to": "reply_to",
    "--data": "data",
    "--id": "id",
}
LONG_WAY = ("HUBBUB_URL", "HUBBUB_CONFIG", "HUBBUB_DEBUG", "HUBBUB_TOKEN", "XDG_DATA_HOME")
LIMIT = 10.0  # seconds to connect, and between two pieces of the answer


def send(words: list[str]) -> tuple[int | None, list[str]]:
    """Run `hubbub send` with these words. Returns the exit code; or None, and the words for the long way."""
    asked = _plain(words)
    place = _place() if asked else None
    if asked is None or place is None:
        return None, words
    if "id" not in asked:
        asked["id"] = new_id()
        words = ["--id", asked["id"], *words]
    in_json = asked.pop("json", False)
    try:
        answer = _post(*place, json.dumps(asked).encode())
        ready = isinstance(answer["to"], list) and answer["id"] and answer["offset"]
    except (OSError, ValueError, KeyError, TypeError):
        return None, words
    if not ready:
        return None, words
    from hub.cli.accepted import accepted

    try:
        accepted(asked["to"], answer, in_json=in_json)
        flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever was reading has enough
        return 1, words
    return 0, words


def flush() -> None:
    from hub.cli import show

    show.flush()


def new_id() -> str:
    """A UUIDv7 (RFC 9562, section 5.7), as the hub makes them, without the module uuid."""
    number = int.from_bytes((time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _plain(words: list[str]) -> dict[str, Any] | None:
    """The request that these words make; None where click has to read them."""
    asked: dict[str, Any] = {}
    rest: list[str] = []
    left = iter(words)
    for word in left:
        key, given, value = word.partition("=")
        if word == "--json":
            asked["json"] = True
        elif key in WITH_VALUE:
            value = value if given else next(left, "")
            if not value or (not given and value.startswith("-")):
                return None
            asked[WITH_VALUE[key]] = value
        elif word.startswith("-"):
            return None
        else:
            rest.append(word)
    if len(rest) != 2:
        return None
    asked["to"], asked["body"] = rest
    asked.setdefault("as", os.environ.get("HUBBUB_NAME", "").strip())
    try:
        if "data" in asked:
            asked["data"] = json.loads(asked["data"])
        " ".join(rest).encode()  # what the locale could not read is for the long way to say
    except ValueError:
        return None
    return asked if asked["as"] and asked["to"] and asked["body"] else None


def _place() -> tuple[str, int, str] | None:
    """Host, port and token of the hub that runs in this home without TLS; None where that is not plain to see."""
    if any(os.environ.get(name) for name in LONG_WAY):
        return None
    home = os.environ.get("HUBBUB_HOME", "").strip() or os.path.expanduser("~/.local/share/hubbub")  # noqa: PTH111
    if os.name != "posix" or os.uname().sysname != "Linux":
        return None  # where a user's data lies there, platformdirs knows
    try:
        with open(os.path.join(home, "hub.json"), encoding="utf-8") as file:  # noqa: PTH118, PTH123 - pathlib is slow
            note = json.load(file)
        with open(os.path.join(home, "token"), encoding="utf-8") as file:  # noqa: PTH118, PTH123 - as above
            token = file.read().strip()
        scheme, _, rest = note["url"].partition("://")
        host, _, port = rest.partition("/")[0].rpartition(":")
        settings = os.path.exists(os.path.join(home, "config.toml"))  # noqa: PTH110, PTH118 - as above
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    known = scheme == "ws" and host == "127.0.0.1" and port.isdigit() and token.isascii() and len(token.split()) == 1
    return (host, int(port), token) if known and not settings else None


def _post(host: str, port: int, token: str, body: bytes) -> dict[str, Any]:
    """POST /api/v1/messages. Raises OSError or ValueError for anything but a message that was accepted."""
    import _socket  # the module socket takes longer to import than this takes to run

    head = (
        f"POST /api/v1/messages HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        connection.settimeout(LIMIT)
        connection.connect((host, port))
        connection.sendall(head.encode() + body)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    finally:
        connection.close()
    said, _, told = answer.partition(b"\r\n\r\n")
    lines = said.lower().split(b"\r\n")
    if lines[0].split()[1:2] not in ([b"200"], [b"201"]) or b"content-length: %d" % len(told) not in lines:
        raise ValueError("not accepted")
    found = json.loads(told)
    if not isinstance(found, dict):
        raise TypeError("not a hub")
    return found
