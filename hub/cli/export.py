"""hubbub export: messages to elsewhere, with the files that they carry."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import IO, Any, TypeAlias

import click

from hub.cli import exits, show
from hub.cli.command import reach, verb, when
from hub.config import Settings
from hub.errors import BadValue, HashMismatch, NotFound
from hub.paths import make_private
from hub.request import Requests

PATIENCE = 60.0  # seconds more for a disk that is slow

Json: TypeAlias = dict[str, Any]


@verb(
    "hubbub export everything.jsonl --files everything-files",
    "hubbub export --with alice --since 7d --markdown > alice.md",
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--markdown", is_flag=True, help="Write Markdown for people, instead of JSON lines.")
@click.option("--files", metavar="DIR", type=click.Path(path_type=Path), help="Put the files they carry into DIR, too.")
@click.option("--facts", is_flag=True, help="Also what the hub told, so that hubbub replay can show who was there.")
@click.option("--thread", metavar="NAME", help="Only this thread.")
@click.option("--with", "with_", metavar="NAME", help="Only what this instance sent or was sent.")
@click.option("--since", metavar="TIME", callback=when, help="From this time on; 7d is seven days ago.")
@click.option("--until", metavar="TIME", callback=when, help="Before this time.")
def export(
    settings: Settings, *, file: Path | None, markdown: bool, files: Path | None, facts: bool, **narrow: str | None
) -> int:
    """Write messages to FILE, or to standard output: oldest first, what is unread marked. Nothing is changed.

    hubbub import takes the JSON lines into another hub, with --files also what they carry. A copy of everything, with
    tokens, is hubbub backup.
    """
    if facts and markdown:
        raise click.UsageError("--facts is for JSON lines, not for --markdown")
    narrow["facts"] = "1" if facts else None
    hub = reach(settings)
    parcel = None if files is None else Parcel(hub, files)
    if file is None:
        _write(hub, sys.stdout, markdown, narrow, parcel)
        return parcel.tell() if parcel else exits.OK
    draft = file.with_name(file.name + ".part")
    try:
        with draft.open("w", encoding="utf-8") as out:
            count = _write(hub, out, markdown, narrow, parcel)
        draft.replace(file)
    except OSError as why:
        raise BadValue(f"{file} cannot be written: {why.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)
    show.note(f"{file}: {count:,} messages")
    return parcel.tell() if parcel else exits.OK


class Parcel:
    """A folder for the files that exported messages carry, each under its SHA-256."""

    def __init__(self, hub: Requests, folder: Path) -> None:
        self._hub = hub
        self._folder = folder
        self._seen: set[str] = set()
        self._new = 0
        self._missing: list[str] = []
        make_private(folder)

    def take(self, line: Json) -> None:
        """Get what a message carries; what cannot be had is remembered."""
        from hub.transfer import stow

        for each in line["attachments"] or ():
            if (sha256 := str(each.get("sha256"))) in self._seen:
                continue
            self._seen.add(sha256)
            try:
                self._new += stow(self._hub, line["id"], each, self._folder)
            except (BadValue, HashMismatch, NotFound) as why:
                self._missing.append(f"{show.one_line(str(each.get('name')))} of message {line['id']}: {why.message}")

    def tell(self) -> int:
        """What there is; the exit code."""
        here = len(self._seen) - len(self._missing)
        show.note(f"{self._folder}: {here:,} files, {self._new:,} of them new")
        for each in self._missing:
            show.note(f"missing: {each}")
        return exits.FAILED if self._missing else exits.OK


def _write(
    hub: Requests, out: IO[str], markdown: bool, narrow: dict[str, str | None], parcel: Parcel | None = None
) -> int:
    count = 0
    after: int | None = 0
    upto: int | None = None
    while after is not None:
        page = hub.get("/export", patience=PATIENCE, after=after, upto=upto, **narrow)
        if heading := page["heading"]:
            upto = heading["head"]
            out.write(f"# Messages, {heading['at']}\n" if markdown else json.dumps(heading, ensure_ascii=False) + "\n")
        for line in page["lines"]:
            if parcel is not None and "hubbub" not in line:
                parcel.take(line)
            out.write(_paragraph(line) if markdown else json.dumps(line, ensure_ascii=False) + "\n")
        count += sum("hubbub" not in line for line in page["lines"])
        after = page["next"]
    return count


def _paragraph(line: Json) -> str:
    """A message in Markdown: what was written stands in a fence that it cannot close."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", line["body"])), default=0))
    thread = f" · thread {_plain(line['thread'])}" if line["thread"] else ""
    unread = f" · unread by {', '.join(line['unread'])}" if line["unread"] else ""
    head = f"\n## {line['from']} → {line['to']}\n\n{line['at']} · {_plain(line['id'])}{thread}{unread}\n"
    data = "" if line["data"] is None else f"\n    {json.dumps(line['data'], ensure_ascii=False)}\n"
    return f"{head}\n{fence}text\n{line['body']}\n{fence}\n{data}"


def _plain(text: str) -> str:
    """What somebody chose, on one line and without markup."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", show.one_line(text))
