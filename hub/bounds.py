"""What the hub bears before it says no."""

from __future__ import annotations

from msgspec import Struct

MAX_TTL = 10 * 365 * 86_400.0  # seconds
MAX_ID = 128  # characters of an id, a thread, a reply_to
MAX_DEPTH = 100  # levels of arrays and objects in a message's data
MAX_ATTACHMENT = 32 * 2**20  # bytes of a file, unless a setting says otherwise
MAX_NAMES = 16  # names of one instance at once: its own, and those that still forward to it


class Limits(Struct, kw_only=True, frozen=True):
    """Sizes in bytes, spans in seconds; each is a setting of the same name."""

    max_body: int = 2**20
    max_instances: int = 10_000
    max_sessions_per_name: int = 8
    max_subscriptions: int = 1000
    max_topics: int = 100_000
    inbox_messages: int = 10_000
    inbox_bytes: int = 64 * 2**20
    window_messages: int = 10_000
    window_bytes: int = 64 * 2**20
    unknown_ttl: float = 7 * 86_400.0
    forward_for: float = 2 * 3600.0
    cursor_tick: float = 0.1
    loop_bound: int = 20
