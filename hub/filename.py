"""A name for a file of our own: its hash, or made of what somebody else calls theirs."""

from __future__ import annotations

import re
import unicodedata

from hub.errors import BadValue

LONGEST = 120  # bytes in UTF-8: with a number, and the draft's ending, below the 255 of common file systems
NAMELESS = "file"

_DIRECTIONS = re.compile("[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")  # unseen, or turn the writing around
_HASH = re.compile("[0-9a-f]{64}")
_UNSAFE = re.compile(r'[<>:"|?*]')  # what Windows forbids; a colon there opens another stream of a file
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\.|$)", re.IGNORECASE)


def is_hash(text: str) -> bool:
    """Whether a text is a SHA-256 as the hub writes it."""
    return bool(_HASH.fullmatch(text))


def check_hash(sha256: str) -> str:
    """The hash itself. Raises BadValue for what is none."""
    if not is_hash(sha256):
        raise BadValue("A SHA-256 is 64 digits of 0-9 and a-f.", "sha256sum FILE prints a file's.")
    return sha256


def safe_name(text: str) -> str:
    """The last part of a name, harmless on every system: no folder, nothing hidden, nothing reserved, nothing unseen.

    >>> safe_name("../../.ssh/authorized_keys")
    'authorized_keys'
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", text[:4096]))[-1]
    last = "".join(" " if each.isspace() else each for each in _DIRECTIONS.sub("", last))
    last = "".join(each for each in last if each.isprintable())
    last = _short(
        _UNSAFE.sub("_", last).lstrip(" .-~").rstrip(" .")
    )  # a leading dash would be a flag where it is typed
    if _RESERVED.match(last):
        last = f"_{last}"
    return last or NAMELESS


def numbered(name: str, number: int) -> str:
    """The name for the so-manieth file of that name.

    >>> numbered("notes.md", 2)
    'notes-2.md'
    """
    if number <= 1:
        return name
    stem, dot, ending = name.rpartition(".")
    return f"{stem}-{number}.{ending}" if dot and stem else f"{name}-{number}"


def _short(name: str) -> str:
    """At most LONGEST bytes, with its ending kept where that is a short one."""
    if len(name.encode("utf-8", "replace")) <= LONGEST:
        return name
    stem, dot, ending = name.rpartition(".")
    tail = f".{ending}" if dot and stem and len(ending.encode("utf-8", "replace")) <= 16 else ""
    room = LONGEST - len(tail.encode())
    head = (stem if tail else name).encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    return head.rstrip(" .") + tail
