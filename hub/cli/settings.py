"""hubbub config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hub.cli import show
from hub.cli.command import as_json, verb
from hub.config import Settings, environment_name, table
from hub.errors import NotFound

DERIVED = ("token_file", "database", "hub_json", "log_file")


@click.group(epilog="\b\nExamples:\n  hubbub config show\n  hubbub config get port")
def config() -> None:
    """Show settings and where each value comes from.

    A flag wins over the environment (HUBBUB_PORT), that over the file (port = 4820 in config.toml), that over the
    default. docs/configuration.md lists what each is for.
    """


@verb("hubbub config show", "hubbub config show --json")
@as_json()
def show_(settings: Settings, *, in_json: bool) -> None:
    """Every setting, its value, and where that comes from."""
    if in_json:
        show.put({"settings": [_told(settings, key) for key, _, _ in table()], "paths": _paths(settings)})
        return
    rows = [(key, settings.shown(key) or "-", str(settings.source(key))) for key, _, _ in table()]
    rows += [(key, path, "follows from home") for key, path in _paths(settings).items()]
    _aligned(rows)


@verb("hubbub config get port", 'TOKEN=$(cat "$(hubbub config get token-file)")')
@click.argument("key")
@as_json("Print the value with its source as JSON.")
def get(settings: Settings, *, key: str, in_json: bool) -> None:
    """Print one value: of a setting, or of token_file, database, hub_json or log_file."""
    wanted = key.lower().replace("-", "_")
    if wanted in DERIVED:
        path = _paths(settings)[wanted]
        show.put({"key": wanted, "value": path, "source": "home"}) if in_json else show.say(path)
        return
    known = [each for each, _, _ in table()]
    if wanted not in known:
        from hub.topic import near

        close = near(wanted, [*known, *DERIVED])
        raise NotFound(
            f"There is no setting {key}.", f"Did you mean {close[0]}?" if close else "hubbub config show lists them."
        )
    if in_json:
        show.put(_told(settings, wanted))
    else:
        show.say(settings.shown(wanted) or "")


@verb("hubbub config path")
def path(settings: Settings) -> None:
    """Print where the settings file is, or would be."""
    show.say(str(settings.config))
    if not settings.config.exists():
        show.note("There is none yet; every setting has its default.")


config.add_command(show_, "show")
config.add_command(get, "get")
config.add_command(path, "path")


def _paths(settings: Settings) -> dict[str, str]:
    return {key: str(getattr(settings.paths, key)) for key in DERIVED}


def _told(settings: Settings, key: str) -> dict[str, Any]:
    kind, default = next((kind, default) for each, kind, default in table() if each == key)
    value = getattr(settings, key)
    source = settings.source(key)
    if isinstance(value, Path) or kind.kind == "secret":
        value = None if value is None else kind.show(value)
    return {
        "key": key,
        "value": value,
        "source": source.kind,
        "where": source.where,
        "type": kind.kind,
        "unit": kind.unit or None,
        "default": kind.default_text if default is None else default,
        "limit": kind.limit or None,
        "environment": environment_name(key),
        "about": kind.about,
    }


def _aligned(rows: list[tuple[str, str, str]]) -> None:
    first, second = (max(len(row[place]) for row in rows) for place in (0, 1))
    for key, value, source in rows:
        show.say(f"{key:<{first}}  {value:<{min(second, 40)}}  {show.paint(source, 'dim')}".rstrip())
