"""hubbub backup and restore."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli import show
from hub.cli.command import as_json, verb
from hub.config import Settings, load
from hub.daemon import read_hub_json
from hub.errors import BadValue
from hub.lock import is_held
from hub.paths import Paths

_FILE = click.Path(path_type=Path)
_data_dir = click.option(
    "--data-dir", metavar="DIR", help="Where the database lies, if the hub is run with this setting as a flag."
)


@verb("hubbub backup hubbub-monday.db", "hubbub backup --force /mnt/backups/hubbub.db")
@click.argument("file", type=_FILE)
@click.option("--force", is_flag=True, help="Write over FILE if it is there.")
@_data_dir
@as_json("Print {file, messages, offset, bytes} as JSON.")
def backup(settings: Settings, *, file: Path, force: bool, data_dir: str | None, in_json: bool) -> None:
    """Copy the hub's database to FILE, while the hub runs or not. Nobody has to wait for it.

    FILE is checked before it gets its name. It holds what was confirmed before, and neither the token file nor the
    files that messages carry: copy the folder attachments beside the database for those.
    """
    from hub.backup import back_up

    database = _database(_here(settings, data_dir))
    copied = back_up(database, file, force=force)
    if in_json:
        show.put(
            {
                "file": str(copied.file.absolute()),
                "messages": copied.messages,
                "offset": copied.head,
                "bytes": copied.size,
            }
        )
    else:
        show.say(f"{copied.file}: {copied.messages:,} messages, up to offset {copied.head}, {copied.size:,} bytes")
    attachments = database.with_name("attachments")
    if attachments.is_dir():
        show.note(f"The files that messages carry are not in it: copy {attachments} too, now or later.")


@verb("hubbub stop && hubbub restore hubbub-monday.db")
@click.argument("file", type=_FILE)
@_data_dir
@as_json("Print {messages, offset, set_aside} as JSON.")
def restore(settings: Settings, *, file: Path, data_dir: str | None, in_json: bool) -> None:
    """Put the backup FILE in the database's place. No hub may run here meanwhile: hubbub stop ends it.

    The database that was there is set aside under a dated name, and tokens stay as they are now.
    """
    from hub.backup import restore as put_back

    done = put_back(_here(settings, data_dir).paths, file)
    if in_json:
        aside = None if done.set_aside is None else str(done.set_aside)
        show.put({"messages": done.messages, "offset": done.head, "set_aside": aside})
        return
    show.say(f"{file} is in place: {done.messages:,} messages; new ones have offsets above {done.head}.")
    if done.set_aside is not None:
        show.say(f"What was there is {done.set_aside} now.")
    if not done.tokens:
        show.note("The tokens are the backup's: hubbub token list shows which of them hold again.")
    show.note("hubbub start starts the hub; agents come back by themselves.")


def _here(settings: Settings, data_dir: str | None) -> Settings:
    """The settings of this machine's own hub. Raises BadValue where another one is named."""
    if settings.url:
        raise BadValue(
            f"{settings.source('url').where} names a hub, {settings.url}; this works on the database itself.",
            "Run it on the hub's machine, without --url and HUBBUB_URL.",
        )
    return settings if data_dir is None else load({"data_dir": data_dir})


def _database(settings: Settings) -> Path:
    """The database: of the hub that runs here, wherever that was told to keep it."""
    paths = settings.paths
    if settings.source("data_dir").kind != "flag" and is_held(paths.hub_lock):
        note = read_hub_json(paths)
        if note is not None and isinstance(note.get("data_dir"), str):
            return Paths(paths.home, Path(note["data_dir"])).database
    return paths.database
