"""Edits in the text of a TOML file, by tomlkit, which keeps comments and layout. It is imported with the first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.connect.edit import BadSyntax, Path, Unfaithful, Unfit

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


def read(text: str) -> dict[str, Any]:
    """The document in a text. Raises Unfit."""
    return dict(_parse(text).unwrap())


def put(text: str, path: Path, value: Any) -> str:
    """The text with `value` at `path`; a new table stands at the end, behind an empty line. Raises Unfit."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import AoT

    document = _parse(text)
    table, last = _walk(document, path[:-1]), path[-1]
    if isinstance(last, int):
        if last < len(table):
            table[last] = _inline(value)
        else:
            table.append(_tables(value) if isinstance(table, AoT) else _inline(value))
    elif last not in table and (appended := _under_headings(path, value)):
        longer = (text.rstrip() + "\n\n" if text.strip() else "") + appended
        try:
            tomlkit.parse(longer)
            return longer
        except TOMLKitError:  # the table is written in braces, or with dots: no heading can add to it
            table[last] = _inline(value)
    else:
        table[last] = _inline(value)
    return document.as_string()


def drop(text: str, path: Path) -> str:
    """The text without what is at `path`. Raises Unfit."""
    document = _parse(text)
    del _walk(document, path[:-1])[path[-1]]
    rest = document.as_string()
    return rest if text.endswith("\n\n") or not rest.endswith("\n\n") else rest.rstrip("\n") + "\n"


def _under_headings(path: Path, value: Any) -> str:
    """A table, or a list of tables, as a text of its own; nothing for what has no heading."""
    import tomlkit

    for step in reversed(path):
        value = [value] if isinstance(step, int) else {step: value}
    shown = tomlkit.dumps(_tables(value))
    return shown if shown.startswith("[") else ""


def _parse(text: str) -> TOMLDocument:
    import tomlkit
    from tomlkit.exceptions import ParseError, TOMLKitError

    try:
        document = tomlkit.parse(text)
    except ParseError as why:
        raise BadSyntax(str(why).split(" at line ")[0], why.line, why.col) from None
    except TOMLKitError as why:  # of what is only seen once all is read it doesn't say where it stands
        raise Unfit(str(why)) from None
    if document.as_string() != text:
        raise Unfaithful
    return document


def _walk(table: Any, path: Path) -> Any:
    for step in path:
        table = table[step]
    return table


def _tables(value: Any) -> Any:
    """A value as tomlkit's own: dictionaries as tables under headings of their own, lists of them likewise."""
    import tomlkit

    if isinstance(value, dict):
        bare = bool(value) and all(isinstance(each, dict) or _of_tables(each) for each in value.values())
        table = tomlkit.table(is_super_table=bare)
        for key, each in value.items():
            table[key] = _tables(each)
        return table
    if _of_tables(value):
        tables = tomlkit.aot()
        for each in value:
            tables.append(_tables(each))
        return tables
    return value


def _of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _inline(value: Any) -> Any:
    """A value with its tables in braces."""
    import tomlkit

    if isinstance(value, dict):
        table = tomlkit.inline_table()
        for key, each in value.items():
            table[key] = _inline(each)
        return table
    return [_inline(each) for each in value] if isinstance(value, list) else value
