"""The flags of `serve` and `start`: one for each setting of the hub, made from the table of settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from hub.config import flag_name, table
from hub.setting import Setting, Switch


def hub_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command every setting of the hub as a flag; what is not given is None."""
    for key, kind, default in reversed(list(table())):
        if kind.scope == "hub":
            function = _flag(key, kind, default)(function)
    return function


def _flag(key: str, kind: Setting, default: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    shown = kind.default_text or (kind.show(default) if default is not None else "")
    about = kind.about + (f" [{shown}]" if shown and not isinstance(kind, Switch) else "")
    if isinstance(kind, Switch):
        return click.option(flag_name(key), key, is_flag=True, default=None, help=about)
    return click.option(flag_name(key), key, metavar=kind.kind.upper(), help=about)
