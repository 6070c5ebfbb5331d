"""What is to stand where in a document, and how that is taken back.

A path leads from the top of a document through its tables: `("mcpServers", "hubbub")`. An edit concerns one value of
a table, or one item of a list. Where the tables on the way are missing, they are made.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
ABSENT: Final = object()


class Put(NamedTuple):
    """This value stands at this place."""

    path: tuple[str, ...]
    value: Any


class Include(NamedTuple):
    """This list has this item: in the place of `instead`, where that is one of its items, else at its end."""

    path: tuple[str, ...]
    item: Any
    instead: Any = ABSENT


Edit: TypeAlias = Put | Include


class Unfit(ValueError):
    """A document that cannot be edited; the text says why. Whoever knows the file makes a HubbubError of it."""


class BadSyntax(Unfit):
    """It cannot be read; says where. Lines and columns count from 1."""

    def __init__(self, what: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {what}")


class Misshapen(Unfit):
    """Something else stands where a table or a list belongs."""


class Unfaithful(Unfit):
    """It could be edited only with a change of what else it says, or how it is written."""

    def __init__(self) -> None:
        super().__init__("it can be edited by hand only: its layout is one that would not survive")


class Form(Protocol):
    """A way of writing documents down. All three raise Unfit."""

    def read(self, text: str) -> dict[str, Any]:
        """The document; an empty one for an empty text."""

    def put(self, text: str, path: Path, value: Any) -> str:
        """The text with `value` at `path`, whose table or list is there; an index past a list's end appends."""

    def drop(self, text: str, path: Path) -> str:
        """The text without what is at `path`."""


class Undo(NamedTuple):
    """How one edit is taken back: what we wrote, what stood there before, how many tables were made for it."""

    path: tuple[str, ...]
    ours: Any
    before: Any
    is_item: bool
    made: int


def find(document: Any, path: Path) -> Any:
    """The value at a path, or ABSENT. Raises Misshapen where the way leads through something that is no table."""
    here = document
    for depth, step in enumerate(path):
        if isinstance(step, int):
            if not isinstance(here, list):
                raise Misshapen(f"{dotted(path[:depth])} is {_kind(here)}, where a list belongs")
            if step >= len(here):
                return ABSENT
            here = here[step]
        else:
            if not isinstance(here, dict):
                raise Misshapen(f"{dotted(path[:depth])} is {_kind(here)}, where a table of names belongs")
            if step not in here:
                return ABSENT
            here = here[step]
    return here


def apply(form: Form, text: str, edits: Iterable[Edit]) -> str:
    """The text after the edits; the same text if all of it stood there already.

    Raises Unfit.
    """
    document = form.read(text)
    for edit in edits:
        path, value = _resolved(document, edit)
        if path is None:
            continue
        text = form.put(text, *_with_tables(document, path, value))
        _set(document, path, value)
    if form.read(text) != document:
        raise Unfaithful
    return text


def undoing(document: Mapping[str, Any], edits: Iterable[Edit]) -> list[Undo]:
    """How the edits are taken back from this document. What stands there already is not ours, and not in the list."""
    found = []
    for edit in edits:
        path, value = _resolved(document, edit)
        if path is None:
            continue
        made = sum(find(document, path[:depth]) is ABSENT for depth in range(1, len(path)))
        is_item = isinstance(edit, Include)
        found.append(Undo(edit.path, value, find(document, path) if made == 0 else ABSENT, is_item, made))
    return found


def revert(form: Form, text: str, undo: Sequence[Undo]) -> tuple[str, list[str]]:
    """The text without what we wrote, and the paths where somebody else has written since: these stay.

    Raises Unfit.
    """
    kept: list[str] = []
    for step in reversed(undo):
        document = form.read(text)
        path = _place(document, step)
        if path is None or find(document, path) is ABSENT:
            continue
        if find(document, path) != step.ours:
            kept.append(dotted(path))
        elif step.before is not ABSENT:
            text = form.put(text, path, step.before)
        else:
            text = _dropped(form, text, document, path)
            text = _prune(form, text, path[:-1], step.made)
    return text, kept


def dotted(path: Path) -> str:
    """A path as people read it."""
    return ".".join(str(step) for step in path) or "the whole"


def _resolved(document: Any, edit: Edit) -> tuple[Path | None, Any]:
    """The one place that an edit concerns, and its value; no place where nothing is to be done."""
    if isinstance(edit, Put):
        return (None if find(document, edit.path) == edit.value else edit.path), edit.value
    items = find(document, edit.path)
    if items is ABSENT:
        return (*edit.path, 0), edit.item
    if not isinstance(items, list):
        raise Misshapen(f"{dotted(edit.path)} is {_kind(items)}, where a list belongs")
    if edit.item in items:
        return None, edit.item
    place = items.index(edit.instead) if edit.instead in items else len(items)
    return (*edit.path, place), edit.item


def _with_tables(document: Any, path: Path, value: Any) -> tuple[Path, Any]:
    """The shortest path whose table or list exists, and the value with the tables in between around it."""
    depth = 1
    while depth < len(path) and find(document, path[:depth]) is not ABSENT:
        depth += 1
    for step in reversed(path[depth:]):
        value = [value] if isinstance(step, int) else {step: value}
    return path[:depth], value


def _set(document: Any, path: Path, value: Any) -> None:
    path, value = _with_tables(document, path, value)
    table, last = find(document, path[:-1]), path[-1]
    if isinstance(last, int) and last == len(table):
        table.append(copy.deepcopy(value))
    else:
        table[last] = copy.deepcopy(value)


def _place(document: Any, step: Undo) -> Path | None:
    if not step.is_item:
        return step.path
    here = find(document, step.path)
    return (*step.path, here.index(step.ours)) if isinstance(here, list) and step.ours in here else None


def _dropped(form: Form, text: str, document: Any, path: Path) -> str:
    text = form.drop(text, path)
    del find(document, path[:-1])[path[-1]]
    if _solid(form.read(text)) != _solid(document):
        raise Unfaithful
    return text


def _solid(value: Any) -> Any:
    """The same without empty tables and lists: in TOML they may go with the last thing that is in them."""
    if isinstance(value, dict):
        return {key: solid for key, each in value.items() if (solid := _solid(each)) not in ({}, [])}
    return [_solid(each) for each in value] if isinstance(value, list) else value


def _prune(form: Form, text: str, path: Path, levels: int) -> str:
    """Take out tables that were made for what is gone, as long as nobody else has put anything into them."""
    for place in (path[:depth] for depth in range(len(path), len(path) - levels, -1)):
        document = form.read(text)
        rest = find(document, place)
        if rest in ({}, []):
            text = _dropped(form, text, document, place)
        elif rest is not ABSENT:
            break
    return text


def _kind(value: Any) -> str:
    names: dict[type, str] = {dict: "a table", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
