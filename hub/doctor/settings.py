"""The settings: the file, and each value that is not the default, with where it comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches

from hub.config import PREFIX, Settings, environment_name, table
from hub.doctor.finding import Finding, broken, ok, warning
from hub.errors import HubbubError

OTHERS = ("HUBBUB_DEBUG",)  # what is no setting, and known all the same


def examine(settings: Settings) -> Iterator[Finding]:
    """The file, the values, and what in the environment looks like a setting and is none."""
    if settings.config.exists():
        yield ok("settings", f"{settings.config} is in order")
    else:
        yield ok("settings", f"no settings file ({settings.config}): all defaults, but what the environment sets")
    said = [
        f"{key} = {kind.show(getattr(settings, key))} ({settings.source(key)})"
        for key, kind, _ in table()
        if settings.source(key).kind != "default"
    ]
    yield ok("values", "; ".join(said) if said else "every setting has its default")
    known = [environment_name(key) for key, _, _ in table()] + list(OTHERS)
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            close = get_close_matches(name, known, n=1)
            meant = f"; {close[0]} may be meant" if close else ""
            yield warning(
                "values", "unknown_variable", f"{name} is set, and is no setting of Hubbub's{meant}", f"unset {name}"
            )


def unreadable(why: HubbubError) -> Finding:
    """What is said of settings that make no sense: then nothing else can be looked at."""
    return broken("settings", "settings_unreadable", why.message, why.hint or "hubbub config path")
