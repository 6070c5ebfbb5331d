"""How the hub is: what `GET /api/v1/health` gives, as rows of finished words. Pure; the time comes with it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from dashboard.words import count, instant, span


class Row(Struct, frozen=True, kw_only=True):
    label: str
    value: str
    note: str = ""


class Health(Struct, frozen=True, kw_only=True):
    rows: list[Row]


def health(told: dict[str, Any]) -> Health:
    """The page's rows."""
    up = instant(told["at"]) - instant(told["started_at"])
    return Health(
        rows=[
            Row(label="version", value=told["version"]),
            Row(label="up", value=span(up), note=f"pid {told['pid']}"),
            Row(label="head", value=count(told["head"]), note="newest offset"),
        ]
    )
