"""hubbub trim: what retention removes, now or by and by."""

from __future__ import annotations

from typing import Any

import click

from hub.cli import show
from hub.cli.command import as_json, reach, span, verb
from hub.config import Settings
from hub.units import size_text, span_text

PATIENCE = 3600.0  # seconds for the removal of a large log


@verb("hubbub trim --dry-run", "hubbub trim --dry-run --within 7d", "hubbub trim --older-than 7d")
@click.option("--older-than", metavar="SPAN", callback=span, help="What is older goes. Default: as retention_age says.")
@click.option("--dry-run", is_flag=True, help="Only say what would go, and when the next goes by itself.")
@click.option("--within", metavar="SPAN", callback=span, help="With --dry-run: what will have gone by then, too.")
@as_json("Print the hub's answer as JSON.")
def trim(settings: Settings, *, older_than: float | None, dry_run: bool, within: float | None, in_json: bool) -> None:
    """Remove the oldest messages from the log, as retention does by itself; read or not.

    Removal goes from the oldest on, up to the first that may stay. Backups and exports are not touched.
    """
    if within is not None and not dry_run:
        raise click.UsageError("--within only looks ahead: hubbub trim --dry-run --within 7d")
    hub = reach(settings)
    if dry_run:
        ahead = hub.get("/trim", older_than=older_than, within=within, patience=PATIENCE)
        if in_json:
            show.put(ahead)
        else:
            _tell(ahead, within)
        return
    done = hub.post("/trim", {"older_than": older_than}, patience=PATIENCE)
    if in_json:
        show.put(done)
    elif done["removed"]:
        show.say(f"{done['removed']:,} messages are gone, {done['bytes']:,} bytes; the oldest kept is {done['floor']}.")
    else:
        show.say("Nothing had to go.")


def _tell(ahead: dict[str, Any], within: float | None) -> None:
    rule = f"retention_age {span_text(ahead['retention_age'])}, retention_size {size_text(ahead['retention_size'])}"
    when = f"within {span_text(within)}" if within else "now"
    if ahead["messages"]:
        show.say(
            f"{ahead['messages']:,} messages would go {when}, {ahead['bytes']:,} bytes, up to offset {ahead['upto']}."
        )
    else:
        show.say(f"Nothing would go {when}.")
    if ahead["unread"]:
        show.say(f"{ahead['unread']:,} of them wait unread in somebody's inbox, who is then told of a gap.")
    if ahead["next_at"] is not None:
        show.say(f"The oldest that stays goes {show.clock(ahead['next_at'])}, or sooner if the log grows too large.")
    show.note(f"({rule}; kept: {ahead['kept_bytes']:,} bytes)")
