"""Files as they are -> files as they should be, and back. Nothing is written before all of a client's files are known.

changes = connecting(client, place, wish, record)      # what would change; looks only
carry_out(changes, record)                             # backs up, records, writes
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import NamedTuple

from hub.connect import jsonc, toml
from hub.connect.clients.client import Client, File, Place
from hub.connect.edit import Form, Undo, Unfit, apply, find, revert, undoing
from hub.connect.entry import Wish, leftovers
from hub.connect.files import Found, back_up, check_writable, digest, look, remove, remove_empty, replace
from hub.connect.record import Entry, Record
from hub.errors import BadValue, HubbubError

FORMS: dict[str, Form] = {"json": jsonc, "toml": toml}


class Change(NamedTuple):
    """One file: as it was found, and as it should be (None: not there any more)."""

    found: Found
    after: bytes | None
    form: str
    undo: list[Undo]
    remarks: list[str]

    @property
    def is_none(self) -> bool:
        return self.found.content == self.after


def connecting(client: Client, place: Place, wish: Wish) -> list[Change]:
    """What connecting would change. Raises BadValue, which names file, line and column, and Unavailable."""
    return [_connecting(file, wish) for file in client.files(place)]


def disconnecting(client: Client, place: Place, record: Record) -> list[Change]:
    """What disconnecting would change: the files of the record, and what of ours stands elsewhere."""
    changes = [_restoring(entry) for entry in record.entries.values()]
    changes += [
        _without_record(file, found)
        for file in client.files(place)
        if (found := look(file.path)).path not in record.entries
    ]
    return [change for change in changes if not change.is_none or change.remarks]


def carry_out(changes: list[Change], record: Record) -> None:
    """Write what connecting changes. The record is there before the first file is touched. Raises Unavailable."""
    changes = [change for change in changes if not change.is_none]
    for change in changes:
        check_writable(change.found)
    known = dict(record.entries)
    for change in changes:
        path = change.found.path
        record.entries[path] = _recorded(change, known.get(path))
        record.write()
        try:
            folders = replace(change.found, _bytes(change))
        except HubbubError:
            _forget(record, path, known.get(path))
            raise
        if folders:
            record.entries[path] = record.entries[path]._replace(folders=folders)
            record.write()


def take_back(changes: list[Change], record: Record) -> None:
    """Write what disconnecting changes, and forget what was recorded. Raises Unavailable."""
    changes = [change for change in changes if not change.is_none]
    for change in changes:
        check_writable(change.found)
    for change in changes:
        if change.after is None:
            remove(change.found)
        else:
            replace(change.found, change.after)
    for entry in reversed(record.entries.values()):
        if entry.backup is not None:
            entry.backup.unlink(missing_ok=True)
        remove_empty(entry.folders)
    record.entries = {}
    record.write()


def _connecting(file: File, wish: Wish) -> Change:
    found = look(file.path)
    try:
        text = found.text
        document = file.form.read(text)
        edits = file.edits(document, wish)
        after = apply(file.form, text, edits)
    except Unfit as why:
        raise _in_file(found, why) from None
    unchanged = after == text
    undo = undoing(file.form.read(text), edits)
    return Change(found, found.content if unchanged else after.encode(), _name(file.form), undo, [])


def _restoring(entry: Entry) -> Change:
    found = look(entry.path)
    now = digest(found.content)
    untouched = Change(found, found.content, entry.form, [], [])
    if now == entry.before or found.content is None:
        return untouched
    if now == entry.after:
        if not entry.existed:
            return untouched._replace(after=None)
        if entry.backup is not None and digest(copy := look(entry.backup).content) == entry.before:
            return untouched._replace(after=copy)
    try:
        text, kept = revert(FORMS[entry.form], found.text, entry.undo)
    except Unfit as why:
        raise _in_file(found, why) from None
    remarks = [f"{entry.path} was changed by somebody else since: only what is ours is taken out."]
    remarks += [f"{place} is not any more what was written there, and stays." for place in kept]
    return untouched._replace(after=text.encode(), remarks=remarks)


def _without_record(file: File, found: Found) -> Change:
    try:
        text = found.text
        for path in leftovers(file.form.read(text), file.servers, file.hooks, file.allowed):
            text = file.form.drop(text, path)
            if isinstance(path[-1], int) and find(file.form.read(text), path[:-1]) == []:
                text = file.form.drop(text, path[:-1])
    except Unfit as why:
        raise _in_file(found, why) from None
    if text == found.text:
        return Change(found, found.content, _name(file.form), [], [])
    remark = f"No record tells how {found.path} was before: what is ours is taken out."
    return Change(found, text.encode(), _name(file.form), [], [remark])


def _recorded(change: Change, known: Entry | None) -> Entry:
    """The entry for a change. Where one is known, what was there before the first connecting counts."""
    found, now, after = change.found, digest(change.found.content), digest(_bytes(change))
    assert after is not None
    if known is None or now == known.before:
        backup = back_up(found) if found.content is not None else None
        return Entry(found.path, change.form, found.content is not None, backup, now, after, [], change.undo)
    undo = known.undo + change.undo  # taken back from the end on, each leads to what the one before it left
    if now == known.after:  # nobody else has written since: the copy is still what was before us
        return known._replace(after=after, undo=undo)
    return known._replace(existed=True, before=None, after=after, undo=undo)


def _bytes(change: Change) -> bytes:
    assert change.after is not None
    return change.after


def _forget(record: Record, path: FilePath, known: Entry | None) -> None:
    """Take out of the record what could not be written."""
    entry = record.entries.pop(path)
    if known is not None:
        record.entries[path] = known
    elif entry.backup is not None:
        entry.backup.unlink(missing_ok=True)
    record.write()


def _name(form: Form) -> str:
    return next(name for name, each in FORMS.items() if each is form)


def _in_file(found: Found, why: Unfit) -> BadValue:
    return BadValue(f"{found.path}: {why}; nothing was written.", "Mend the file, and run the same command again.")
