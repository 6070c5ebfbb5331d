"""hubbub backup and restore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli import exits, show
from hub.cli.command import Decorator, as_json, verb
from hub.config import Settings, load
from hub.daemon import read_hub_json
from hub.errors import BadValue
from hub.lock import is_held
from hub.paths import Paths

if TYPE_CHECKING:
    from hub.parcels import Packed

MOST = 20  # missing files that are named
_FILE = click.Path(path_type=Path)
_data_dir = click.option(
    "--data-dir", metavar="DIR", help="Where the database lies, if the hub is run with this setting as a flag."
)


def _files(about: str) -> Decorator[Any]:
    return click.option("--files", metavar="DIR", type=_FILE, help=about)


@verb("hubbub backup hubbub-monday.db --files hubbub-files", "hubbub backup --force /mnt/backups/hubbub.db")
@click.argument("file", type=_FILE)
@click.option("--force", is_flag=True, help="Write over FILE if it is there.")
@_files("Copy the files that its messages carry into DIR, each once; one DIR serves for many backups.")
@_data_dir
@as_json("Print {file, messages, offset, bytes, files} as JSON.")
def backup(
    settings: Settings, *, file: Path, force: bool, files: Path | None, data_dir: str | None, in_json: bool
) -> int:
    """Copy the hub's database to FILE, while the hub runs or not. Nobody has to wait for it.

    FILE is checked before it gets its name. It holds what was confirmed before, without the token file. The files that
    messages carry go into the folder of --files; exit code 1: one of them could not be had.
    """
    from hub.backup import back_up
    from hub.parcels import pack

    database = _database(_here(settings, data_dir))
    attachments = database.with_name("attachments")
    copied = back_up(database, file, force=force)
    packed = None if files is None else pack(copied.file, attachments, files)
    if in_json:
        show.put(
            {
                "file": str(copied.file.absolute()),
                "messages": copied.messages,
                "offset": copied.head,
                "bytes": copied.size,
                "files": packed and _counts(packed),
            }
        )
    else:
        show.say(f"{copied.file}: {copied.messages:,} messages, up to offset {copied.head}, {copied.size:,} bytes")
    if packed is None and attachments.is_dir():
        show.note("The files that messages carry are not in it: --files DIR copies them too.")
    return _told(packed, f"{files}", in_json=in_json)


@verb("hubbub stop && hubbub restore hubbub-monday.db --files hubbub-files")
@click.argument("file", type=_FILE)
@_files("Take from DIR the files that its messages carry and that are not here.")
@_data_dir
@as_json("Print {messages, offset, set_aside, files} as JSON.")
def restore(settings: Settings, *, file: Path, files: Path | None, data_dir: str | None, in_json: bool) -> int:
    """Put the backup FILE in the database's place. No hub may run here meanwhile: hubbub stop ends it.

    The database that was there is set aside under a dated name, and tokens stay as they are now. Exit code 1: a file
    that a message carries is neither here nor in the folder of --files.
    """
    from hub.backup import restore as put_back
    from hub.parcels import unpack

    paths = _here(settings, data_dir).paths
    done = put_back(paths, file)
    packed = None if files is None else unpack(paths.database, files, paths.attachments)
    if in_json:
        aside = None if done.set_aside is None else str(done.set_aside)
        told = {"messages": done.messages, "offset": done.head, "set_aside": aside}
        show.put({**told, "files": packed and _counts(packed)})
        return _told(packed, f"{paths.attachments}", in_json=True)
    show.say(f"{file} is in place: {done.messages:,} messages; new ones have offsets above {done.head}.")
    if done.set_aside is not None:
        show.say(f"What was there is {done.set_aside} now.")
    if not done.tokens:
        show.note("The tokens are the backup's: hubbub token list shows which of them hold again.")
    code = _told(packed, f"{paths.attachments}", in_json=False)
    show.note("hubbub start starts the hub; agents come back by themselves.")
    return code


def _counts(packed: Packed) -> dict[str, int]:
    return {"copied": packed.copied, "bytes": packed.bytes, "known": packed.known, "missing": len(packed.missing)}


def _told(packed: Packed | None, where: str, *, in_json: bool) -> int:
    """What has become of the files; the exit code."""
    if packed is None:
        return exits.OK
    if not in_json:
        show.say(
            f"{where}: {packed.copied:,} files copied, {packed.bytes:,} bytes; {packed.known:,} were there already"
        )
    for each in packed.missing[:MOST]:
        show.note(f"missing: {show.one_line(each.name)} of message {each.message} from {each.sender}")
    if len(packed.missing) > MOST:
        show.note(f"and {len(packed.missing) - MOST:,} more")
    return exits.FAILED if packed.missing else exits.OK


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
