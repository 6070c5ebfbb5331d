"""hubbub fetch."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import click

from hub.cli import show
from hub.cli.command import as_json, reach, speaker, verb
from hub.config import Settings
from hub.errors import NotFound
from hub.transfer import fetch as get_file

_FOLDER = click.Path(path_type=Path)


@verb("hubbub fetch 0199f1c2-7d6b-7c3a-9f4e-2b1a5c8d9e0f", "hubbub fetch 0199f1c2-… --as alice --to ~/inbox")
@click.argument("message_id", metavar="ID")
@speaker("Who fetches: whoever sent or was sent the message. Without both, the token must be allowed to observe.")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), default=Path(), metavar="DIR", help="Where to. Default: here."
)
@as_json("Print each file as one line of JSON: {name, file, size, sha256}.")
def fetch(settings: Settings, *, message_id: str, who: str | None, folder: Path, in_json: bool) -> None:
    """Get the files that the message ID carries, and say where they are.

    A file is put into the folder under the last, harmless part of the sender's name for it, mode 0600. What is there
    already stays: the new file gets a number, unless it has the same bytes.
    """
    hub, name = reach(settings), who or settings.name
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", f"mkdir -p {folder}")
    message = hub.get(f"/messages/{quote(message_id, safe='')}", as_=name)["message"]
    carried = message["attachments"] or []
    if not carried:
        show.note("This message carries no files.")
    for each in carried:
        path = get_file(hub, message_id, each, folder, who=name)
        if in_json:
            show.put(
                {"name": each.get("name"), "file": str(path.absolute()), "size": each["size"], "sha256": each["sha256"]}
            )
        else:
            show.say(str(path))
