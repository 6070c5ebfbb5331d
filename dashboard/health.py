"""How the hub is: what `GET /api/v1/health` gives, as rows of finished words. Pure; the time comes with it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from dashboard.words import count, instant, plural, size, span, visible

SLOW_TURN = 0.25  # seconds for which everybody waits: above that a person notices
LONG_WRITE = 1.0  # seconds of one write: a disk in order takes some thousandths

# What a limit's name means; docs/metrics.md has the same names.
LIMITS = {
    "too_many_connections": "refused: as many connections were open as max_connections allows",
    "stalled": "took nothing of what waited for it",
    "closed_unread": "closed, and did not take the last words",
    "header_timeout": "sent no whole header in time",
    "header_too_large": "sent a header that is too large",
    "body_timeout": "sent its body too slowly",
    "handshake_timeout": "did not complete its handshake in time",
    "ping_timeout": "did not answer a ping",
    "broken_frame": "sent a broken WebSocket frame",
}


class Row(Struct, frozen=True, kw_only=True):
    """`state` is ok, warning or broken; a page shows it by a shape as well as by colour."""

    label: str
    value: str
    note: str = ""
    state: str = "ok"


class Part(Struct, frozen=True, kw_only=True):
    key: str  # of the heading, in the address
    title: str
    rows: list[Row]
    nothing: str = ""  # what stands there without rows


class SettingRow(Struct, frozen=True, kw_only=True):
    key: str
    value: str
    source: str


class Health(Struct, frozen=True, kw_only=True):
    ready: bool
    verdict: str
    parts: list[Part]
    chosen: list[SettingRow]  # settings that somebody has set
    defaults: list[SettingRow]
    defaults_folded: str


def health(told: dict[str, Any]) -> Health:
    """The page, of what the hub tells of itself."""
    parts = [_hub(told), _disk(told), _lag(told), _background(told), _refused(told), _limits(told)]
    warnings = sum(row.state == "warning" for part in parts for row in part.rows)
    rows = [
        SettingRow(key=each["key"], value=_value(each), source=visible(each["source"])) for each in told["settings"]
    ]
    defaults = [row for row in rows if row.source == "default"]
    return Health(
        ready=told["ready"],
        verdict=_verdict(told["ready"], warnings),
        parts=parts,
        chosen=[row for row in rows if row.source != "default"],
        defaults=defaults,
        defaults_folded=f"{plural(len(defaults), 'setting')} left at the default",
    )


def _verdict(ready: bool, warnings: int) -> str:
    if not ready:
        return "Not ready: what is wrong stands above."
    if warnings:
        return f"Ready, and {plural(warnings, 'thing')} to look at."
    return "Ready: the log can be written, and every background task runs."


def _hub(told: dict[str, Any]) -> Part:
    rows = [
        Row(label="mode", value=told["mode"], note=_MODES.get(told["mode"], "")),
        Row(label="address", value=visible(told["url"])),
        Row(
            label="version",
            value=told["version"],
            note=f"Python {told['python']}, SQLite {told['sqlite']}, {visible(told['installation'])}",
        ),
        Row(
            label="up",
            value=span(instant(told["at"]) - instant(told["started_at"])),
            note=f"since {told['started_at']}, pid {told['pid']}",
        ),
        Row(
            label="connections",
            value=count(told["connections"]),
            note=f"{plural(told['sessions'], 'session')}, those that only look included",
        ),
    ]
    if told["memory"] is not None:
        most = f"{size(told['memory']['peak_bytes'])} at most so far"
        rows.append(Row(label="memory", value=size(told["memory"]["bytes"]), note=most))
    legacy = told["legacy"]
    if legacy is not None:
        note = "for scripts written for claude-ipc-mcp"
        rows.append(Row(label="old scripts", value=f"port {legacy['port']}, {legacy['mode']}", note=note))
    return Part(key="hub", title="Hub", rows=rows)


_MODES = {
    "local": "only programs of this machine reach it",
    "tls": "other machines reach it, encrypted",
    "insecure": "other machines reach it, and what is said crosses the network readable by all",
}


def _disk(told: dict[str, Any]) -> Part:
    volume, log, kept, files = told["volume"], told["log"], told["retention"], told["attachments"]
    rows = []
    if volume is None:
        rows.append(Row(label="disk", value="has not answered for 2 s", state="broken"))
    else:
        rows += [
            Row(label="database", value=size(volume["database_bytes"]), note=visible(volume["database"])),
            Row(
                label="its journal",
                value=size(volume["journal_bytes"]),
                note="written back into the database by itself",
            ),
            Row(
                label="free",
                value=size(volume["free_bytes"]),
                note=_DISK[volume["state"]].format(size(volume["disk_bytes"])),
                state={"ok": "ok", "low": "warning"}.get(volume["state"], "broken"),
            ),
        ]
    most = f"of {size(kept['size'])} and {span(int(kept['age'] * 1000))} that are kept"
    rows += [
        Row(
            label="log",
            value=plural(log["messages"], "message"),
            note=f"{size(log['bytes'])} {most}; offsets {count(log['floor'])} to {count(log['head'])}",
        ),
        Row(
            label="files",
            value=plural(files["files"], "file"),
            note=f"{size(files['bytes'])} of {size(files['quota'])}",
        ),
    ]
    return Part(key="disk", title="Disk", rows=rows)


_DISK = {
    "ok": "of a disk of {}",
    "low": "of a disk of {}: soon too little",
    "full": "of a disk of {}: nothing can be written",
    "read-only": "of a disk of {}, which is read-only",
}


def _lag(told: dict[str, Any]) -> Part:
    lag = told["lag"]
    turn, write = lag["turn_seconds"], lag["write_seconds"]
    slow, long = turn > SLOW_TURN, write > LONG_WRITE
    return Part(
        key="lag",
        title="Lag",
        rows=[
            Row(
                label="waited for a turn",
                value=_short(turn),
                note="how long the hub kept this page waiting among everything else",
                state="warning" if slow else "ok",
            ),
            Row(
                label="to be stored",
                value=plural(lag["waiting"], "message"),
                note="confirmed to nobody before",
            ),
            Row(
                label="write under way",
                value=f"for {_short(write)}" if write else "none",
                state="warning" if long else "ok",
            ),
            Row(label="gaps", value=count(told["gaps"]), note="times a reader was told that what it lacks is gone"),
        ],
    )


def _background(told: dict[str, Any]) -> Part:
    tasks = [
        Row(label=each["name"], value="runs" if each["runs"] else "has ended", state="ok" if each["runs"] else "broken")
        for each in told["tasks"]
    ]
    upkeep = [
        Row(label=each["name"], value="in order")
        if each["trouble"] is None
        else Row(label=each["name"], value="failed, and is tried again", note=visible(each["trouble"]), state="broken")
        for each in told["upkeep"]
    ]
    return Part(key="background", title="Background tasks", rows=tasks + upkeep)


def _refused(told: dict[str, Any]) -> Part:
    rows = [Row(label=code, value=count(number)) for code, number in _most_first(told["refused"])]
    if told["publishes_refused"]:
        note = "the sender was told why"
        rows.append(Row(label="messages refused", value=count(told["publishes_refused"]), note=note))
    nothing = "Nobody was refused since the hub started."
    return Part(key="refused", title="Refused logins and messages", rows=rows, nothing=nothing)


def _limits(told: dict[str, Any]) -> Part:
    rows = [
        Row(label=name, value=count(number), note=LIMITS.get(name, ""))
        for name, number in _most_first(told["limits_hit"])
    ]
    nothing = "No connection was ended at a limit since the hub started."
    return Part(key="limits", title="Limits hit", rows=rows, nothing=nothing)


def _most_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(((name, number) for name, number in counts.items() if number), key=lambda each: (-each[1], each[0]))


def _value(setting: dict[str, Any]) -> str:
    return "absent" if setting["value"] is None else visible(setting["value"]) or "empty"


def _short(seconds: float) -> str:
    """A length of time of which thousandths matter: `0.4 ms`, `12 ms`, `3.1 s`."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
