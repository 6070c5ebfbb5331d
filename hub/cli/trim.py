"""hubbub trim: what retention removes, now or by and by."""

from __future__ import annotations

from typing import Any

import click

from hub.cli import show
from hub.cli.command import as_json, reach, span, verb
from hub.config import Settings
from hub.units import size_text, span_text

PATIENCE = 3600.0  # seconds for the removal of a large log


@verb("hubbub trim --dry-run", "hubbub trim --older-than 7d")
@click.option("--older-than", metavar="SPAN", callback=span, help="What is older goes. Default: as retention_age says.")
@click.option("--dry-run", is_flag=True, help="Only say what would go, and when the next goes by itself.")
@as_json("Print the hub's answer as JSON.")
def trim(settings: Settings, *, older_than: float | None, dry_run: bool, in_json: bool) -> None:
    """Remove the oldest messages from the log, as retention does by itself; read or not.

    Removal goes from the oldest on, up to the first that may stay. Backups and exports are not touched.
    """
    hub = reach(settings)
    if dry_run:
        ahead = hub.get("/trim", older_than=older_than)
        if in_json:
            show.put(ahead)
        else:
            _tell(ahead)
        return
    done = hub.post("/trim", {"older_than": older_than}, patience=PATIENCE)
    if in_json:
        show.put(done)
    elif done["removed"]:
        show.say(f"{done['removed']:,} messages are gone, {done['bytes']:,} bytes; the oldest kept is {done['floor']}.")
    else:
        show.say("Nothing had to go.")


def _tell(ahead: dict[str, Any]) -> None:
    rule = f"retention_age {span_text(ahead['retention_age'])}, retention_size {size_text(ahead['retention_size'])}"
    if ahead["messages"]:
        show.say(
            f"{ahead['messages']:,} messages would go now, {ahead['bytes']:,} bytes, up to offset {ahead['upto']}."
        )
    else:
        show.say("Nothing would go now.")
    if ahead["unread"]:
        show.say(f"{ahead['unread']:,} of them wait unread in somebody's inbox, who is then told of a gap.")
    if ahead["next_at"] is not None:
        show.say(f"The oldest that stays goes {show.clock(ahead['next_at'])}, or sooner if the log grows too large.")
    show.note(f"({rule}; kept: {ahead['kept_bytes']:,} bytes)")
