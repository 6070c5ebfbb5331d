"""hubbub token."""

from __future__ import annotations

from typing import Any

import click

from hub.cli import show
from hub.cli.command import as_json, reach, span, verb
from hub.config import Settings
from hub.paths import ensure_token

SCOPES = ("publish", "subscribe", "observe", "admin")


@click.group(epilog="\b\nExamples:\n  hubbub token show\n  hubbub token create --name ci --scope publish")
def token() -> None:
    """Show, make and revoke tokens.

    The owner's token is the one line of the file `token` in HUBBUB_HOME and may do everything. Others are for one
    purpose: some scopes, perhaps one name, perhaps an end.
    """


@verb("hubbub token show")
def show_(settings: Settings) -> None:
    """Print the owner's token; it is made if there is none yet."""
    show.say(ensure_token(settings.paths.token_file))


@verb("hubbub token list", name="list")
@as_json()
def list_(settings: Settings, *, in_json: bool) -> None:
    """List the tokens that were made, without their secrets."""
    tokens = reach(settings).get("/tokens")["tokens"]
    if in_json:
        show.put({"tokens": tokens})
        return
    rows = [
        (
            str(each["id"]),
            each.get("name") or "any name",
            " ".join(each.get("scopes") or []),
            _until(each.get("expires_at")),
            show.ago(each.get("last_used")),
            each.get("note") or "",
        )
        for each in tokens
    ]
    if rows:
        show.table(rows, ("ID", "FOR", "SCOPES", "UNTIL", "LAST USED", "NOTE"))
    else:
        show.say("There is only the owner's token: hubbub token show prints it.")


@verb("hubbub token create --name ci --scope publish --expires-in 90d")
@click.option("--name", metavar="NAME", help="The only instance it may act as. Default: any.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="What it may do; give it repeatedly.")
@click.option(
    "--expires-in", callback=span, metavar="SPAN", help="How long it holds, as 12h or 90d. Default: for ever."
)
@click.option("--note", metavar="TEXT", help="What it is for, to know it again in the list.")
@as_json("Print the whole answer as JSON.")
def create(
    settings: Settings,
    *,
    name: str | None,
    scopes: tuple[str, ...],
    expires_in: float | None,
    note: str | None,
    in_json: bool,
) -> None:
    """Make a token and print it: this is the only time that it is shown.

    Without --scope it may publish and subscribe.
    """
    asked: dict[str, Any] = {"scopes": list(scopes or SCOPES[:2])}
    asked |= {key: value for key, value in (("name", name), ("expires_in", expires_in), ("note", note)) if value}
    made = reach(settings).post("/tokens", asked)
    if in_json:
        show.put(made)
    else:
        show.say(made["token"])


@verb("hubbub token revoke 3f2a")
@click.argument("token_id", metavar="ID")
def revoke(settings: Settings, *, token_id: str) -> None:
    """Make a token void at once. hubbub token list shows the IDs."""
    from urllib.parse import quote

    reach(settings).delete(f"/tokens/{quote(token_id, safe='')}")
    show.say(f"The token {show.one_line(token_id)} is void.")


@verb("hubbub token rotate")
def rotate(settings: Settings) -> None:
    """Replace the owner's token. The old one is void at once; no restart is needed.

    Agents that read it from the token file take up the new one when they reconnect.
    """
    reach(settings).post("/tokens/rotate", {})
    show.say(f"The owner's token is new; it is in {settings.paths.token_file}." if not settings.url else "Done.")


token.add_command(show_, "show")
token.add_command(list_, "list")
token.add_command(create, "create")
token.add_command(revoke, "revoke")
token.add_command(rotate, "rotate")


def _until(at: str | None) -> str:
    return "for ever" if at is None else show.clock(at)
