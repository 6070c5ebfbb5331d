"""hubbub serve, start, stop and status: the hub's life."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from hub.cli import exits, show
from hub.cli.command import as_json, reach_running, verb
from hub.cli.flags import hub_flags
from hub.config import Settings, flag_name, load
from hub.daemon import ensure
from hub.daemon import stop as stop_hub
from hub.errors import BadValue, HubbubError
from hub.request import Requests, origin
from hub.standstill import standstill
from hub.units import roughly, size_text, span_text

_BRIDGE = {
    "open": "open: any program of this machine may have any name there; IPC_SHARED_SECRET closes it",
    "secure": "a name needs the shared secret",
}
_STATUS = ("url", "pid", "mode", "version", "head", "instances", "online", "unread")


@verb("hubbub serve", "hubbub serve --port 0 --data-dir /var/lib/hubbub")
@hub_flags
@click.option("--detached", is_flag=True, hidden=True)
def serve(settings: Settings, *, detached: bool, **flags: Any) -> int:
    """Run the hub here, in the foreground, until Ctrl-C.

    Every flag is a setting: also HUBBUB_ and its name in capitals in the environment, and its name in config.toml.
    """
    settings = _local(settings, flags)
    from hub.logs import setup

    setup(settings, detached=detached)
    try:
        from hub.app import serve as run

        return run(settings, None if detached else _welcome)
    except HubbubError:
        raise
    except Exception:
        import logging

        logging.getLogger("hubbub").exception("the hub failed")
        raise


@verb("hubbub start", "hubbub start --port 4821 --log-level debug")
@hub_flags
def start(settings: Settings, **flags: Any) -> None:
    """Start the hub in the background, unless it runs already.

    There is rarely a need: whatever needs the hub first starts it.
    """
    settings = _local(settings, flags)
    if settings.url:
        raise BadValue(
            f"{settings.source('url').where} names the hub to use, {settings.url}; that one is not started from here.",
            "Unset it to have a hub on this machine.",
        )
    hub = ensure(settings)
    state = "runs now" if hub.started else "runs already"
    show.say(f"The hub {state}: {origin(hub.url).http} (pid {hub.pid})")
    if not hub.started and any(value is not None for value in flags.values()):
        show.note("It keeps the settings it was started with: hubbub stop, then start it again.")


_ANSWER = {"open": "none yet", "answered": "it came", "missed": "none has come", "late": "it came late"}
RUNGS = ("held", "dropped", "accepted", "pushed", "received", "read", "answered", "expired", "purged")


@verb("hubbub stop")
def stop(settings: Settings) -> None:
    """Stop the hub. Everything that was confirmed is on disk; agents reconnect when it is back."""
    _refuse_url(settings, "stop ends this machine's own hub")
    gone = stop_hub(settings)
    show.say("No hub runs here." if gone is None else f"The hub (pid {gone.pid}) has stopped.")


@verb("hubbub status", "hubbub status --json", "hubbub status 019a6d3e-1c1b-7d0a-8c51-0f4b2a5b7c11")
@click.argument("message_id", metavar="[ID]", required=False)
@as_json()
def status(settings: Settings, *, message_id: str | None, in_json: bool) -> int:
    """Say whether the hub runs, where, in which mode, and how much waits. Exit code 3: it does not run.

    With a message's ID, say where that message is for each recipient (accepted, pushed, received, read, answered) and
    when it came there: - where it has not come there, unknown where the log no longer shows when.
    """
    hub = reach_running(settings)
    if hub is None:
        show.note("No hub runs here. hubbub start starts one; so does whatever needs it first.")
        return exits.UNREACHABLE
    if message_id is not None:
        return _ladder(hub.get(f"/messages/{quote(message_id, safe='')}"), in_json=in_json)
    told = hub.get("/status")
    if in_json:
        bridge = {"legacy": told["legacy"]} if told.get("legacy") else {}
        waiting = {key: told[key] for key in ("held", "holds", "paused") if told.get(key)}
        show.put({key: told[key] for key in _STATUS} | {"retention": _retention(hub, told)} | bridge | waiting)
        return exits.OK
    rows = [
        ("hub", f"{told['url']} (pid {told['pid']}, version {told['version']})"),
        ("mode", _mode(told["mode"])),
        ("page", f"{hub.origin.http}/ (hubbub open signs you in)"),
        ("instances", f"{told['instances']}, {told['online']} online"),
        ("unread", str(told["unread"])),
        ("log", f"up to offset {told['head']}"),
    ]
    if ahead := _retention(hub, told):
        rows.append(("retention", _forecast(ahead)))
    if bridge := told.get("legacy"):
        rows.append(("bridge", f"port {bridge['port']} for old scripts ({_BRIDGE[bridge['mode']]})"))
    if not settings.url:
        rows.append(("home", str(settings.home)))
    if held := standstill(told):
        rows.append(("held", f"{held} (hubbub held)"))
    rows += [("problem", problem) for problem in told.get("problems") or []]
    rows += [("notice", notice) for notice in told.get("notices") or []]
    for name, value in rows:
        show.say(f"{name:<10}{show.one_line(value)}")
    return exits.OK


def _retention(hub: Requests, told: Any) -> dict[str, Any] | None:
    """What goes by itself, and when; None where the hub is not well, or the token may not look at the log."""
    if told.get("problems"):
        return None  # the log is asked for it: a disk that hangs would have this wait, too
    try:
        ahead = hub.get("/trim")
    except HubbubError:
        return None
    return {
        "age": ahead["retention_age"],
        "size": ahead["retention_size"],
        "kept_bytes": ahead["kept_bytes"],
        "oldest_at": ahead["oldest_at"],
        "next_at": ahead["next_at"],
        "due": ahead["messages"],
        "due_bytes": ahead["bytes"],
        "due_unread": ahead["unread"],
    }


def _forecast(ahead: dict[str, Any]) -> str:
    rule = f"{span_text(ahead['age'])}, {size_text(ahead['size'])}; {roughly(ahead['kept_bytes'])} kept"
    if ahead["due"]:
        rule += f"; {ahead['due']:,} messages go now"
    if ahead["next_at"]:
        rule += f"; the next goes {show.clock(ahead['next_at'])}"
    return f"{rule} (hubbub trim --dry-run)"


def _ladder(told: Any, *, in_json: bool) -> int:
    if in_json:
        show.put(told)
        return exits.OK
    show.message(told["message"])
    rungs = [rung for rung in RUNGS if any(rung in step["times"] for step in told["ladder"])]
    rows = [
        (step["name"], step["state"], *(_reached(step["times"], rung) for rung in rungs), _presence(step))
        for step in told["ladder"]
    ]
    show.table(rows, ("RECIPIENT", "STATE", *(rung.upper() for rung in rungs), ""))
    if answer := told.get("answer"):
        at = f" at {show.clock(answer['at'])}" if answer.get("at") else ""
        show.say(f"answer wanted by {show.clock(answer['by'])}: {_ANSWER[answer['state']]}{at}")
    return exits.OK


def _reached(times: dict[str, str | None], rung: str) -> str:
    if rung not in times:
        return "-"
    at = times[rung]
    return show.clock(at) if at else "unknown"


def _presence(step: Any) -> str:
    return "online" if step.get("online") else "offline"


def _welcome(app: Any) -> None:
    """What a person sees who has just started a hub in the foreground."""
    http = origin(app.url).http
    click.echo(f"Hubbub listens at {http}. Ctrl-C ends it; what was confirmed is on disk.")
    click.echo(f"The page, by a link that works once within 10 minutes: {app.vault.new_link()}")
    click.echo("Later: hubbub open. Something to look at: hubbub demo, in another terminal.")


def _local(settings: Settings, flags: dict[str, Any]) -> Settings:
    """The settings of a hub that is to run here, from these flags too; refused early where they make no sense."""
    _refuse_url(settings, "a hub runs on the machine where it is started")
    settings = load(flags)
    from hub.exposure import check_exposure

    check_exposure(settings.host, settings.tls_cert, settings.tls_key, settings.insecure)
    return settings


def _refuse_url(settings: Settings, why: str) -> None:
    for key in ("url", "token"):
        if settings.source(key).kind == "flag":
            raise BadValue(f"{flag_name(key)} does not belong here: {why}.", "Leave it out.")


def _mode(mode: str) -> str:
    about = {
        "local": "only this machine can reach it, with the token",
        "tls": "encrypted; others can reach it, with a token",
        "insecure": "others can reach it, with a token, and can read what they carry",
    }
    return f"{mode} ({about[mode]})" if mode in about else mode
