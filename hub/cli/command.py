"""What all verbs share: --url, --token, an example in the help, and the way to the hub."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

import click

from hub.config import Settings, load
from hub.daemon import Running, ensure, locate, token_for
from hub.errors import BadValue
from hub.request import Requests
from hub.units import instant, seconds

Callback = TypeVar("Callback", bound=Callable[..., Any])
Decorator: TypeAlias = Callable[[Callback], Callback]


def verb(*examples: str, name: str | None = None) -> Callable[[Callable[..., int | None]], click.Command]:
    """Make a command of a function: it is called with the settings first, then its own options.

    What the function returns is the exit code; None is 0.
    """

    def make(function: Callable[..., int | None]) -> click.Command:
        def call(url: str | None, token: str | None, **rest: Any) -> int | None:
            return function(load({"url": url, "token": token}), **rest)

        # click finds a command's options where decorators leave them, the last one first
        call.__click_params__ = [_token(), _url(), *getattr(function, "__click_params__", [])]  # type: ignore[attr-defined]
        call.__doc__ = function.__doc__
        heading = "Example:" if len(examples) == 1 else "Examples:"
        epilog = "\b\n" + "\n".join([heading, *(f"  {example}" for example in examples)])
        return click.command(name or function.__name__.rstrip("_"), epilog=epilog)(call)

    return make


def speaker(about: str) -> Decorator[Any]:
    """The option --as: which instance the verb acts for."""
    return click.option("--as", "who", metavar="NAME", help=f"{about} Default: HUBBUB_NAME.")


def as_json(about: str = "Print JSON.") -> Decorator[Any]:
    return click.option("--json", "in_json", is_flag=True, help=about)


def span(context: click.Context, option: click.Parameter, value: str | None) -> float | None:
    """The callback of an option that takes a span of time: seconds, or with a unit."""
    try:
        return None if value is None else seconds(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is not a span of time such as 30, 90s, 15m or 7d.", context, option
        ) from None


def when(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """The callback of an option that takes a time, or how long ago."""
    try:
        return None if value is None else datetime.fromtimestamp(instant(value, time.time()), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(
            f"{value!r} is neither a time such as 2026-11-22T09:00 nor a span such as 7d.", context, option
        ) from None


def wanted_by() -> Decorator[Any]:
    """The option that says until when an answer is wanted."""
    return click.option(
        "--answer-by", metavar="WHEN", help="An answer is wanted by then: 30m from now, or 2026-01-31T12:00:00Z."
    )


def acting(settings: Settings, who: str | None) -> str:
    """The instance that a verb acts for. Raises BadValue if nobody said."""
    name = who or settings.name
    if name is None:
        raise BadValue("Nobody said who speaks.", "Give --as NAME, or set HUBBUB_NAME.")
    return name


def reach(settings: Settings) -> Requests:
    """The way to the hub, which is started if none runs here and none was named."""
    if settings.url:
        return Requests(settings.url, token_for(settings, settings.url))
    found = locate(settings)
    if found is None:
        found = ensure(settings)
        _tell(found)
    return found.requests()


def reach_running(settings: Settings) -> Requests | None:
    """The way to a hub that runs already; None if there is none."""
    if settings.url:
        return Requests(settings.url, token_for(settings, settings.url))
    found = locate(settings)
    return found and found.requests()


def _tell(found: Running) -> None:
    if found.started and sys.stderr.isatty():
        from hub.cli.show import note

        note(f"(started the hub: {found.url}, pid {found.pid})")


def _url() -> click.Option:
    return click.Option(["--url"], metavar="URL", help="The hub to talk to, instead of this machine's own.")


def _token() -> click.Option:
    return click.Option(["--token"], metavar="TOKEN", help="The token to show, instead of the token file's.")
