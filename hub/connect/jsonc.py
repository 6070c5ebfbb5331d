"""Edits in the text of a JSON file. What is not concerned stays as it is, byte for byte: comments, layout, order.

Clients write JSON and let people write more: comments of both kinds, commas after the last item, a byte order mark
("JSON with comments", https://code.visualstudio.com/docs/languages/json#_json-with-comments). All of it is read.
No library was found that edits such a text in place; those that keep comments write the whole file in their own layout.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

from hub.connect.edit import BadSyntax, Misshapen, Path, dotted

DEEPEST: Final = 200  # levels; a configuration has five
_BETWEEN: Final = re.compile(r"(?:[ \t\r\n\ufeff]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_REST_OF_LINE: Final = re.compile(r"[ \t]*(?://[^\r\n]*|/\*[^\r\n]*?\*/[ \t]*(?=\r?\n))")


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(strict=False, parse_constant=_refuse)


class Node(NamedTuple):
    """A value and where it stands: text[start:end]."""

    start: int
    end: int
    value: Any
    parts: list[Part]  # of an object or array


class Part(NamedTuple):
    """A member of an object, or an item of an array; `comma` is the place of the one behind it, or -1."""

    key: str | int
    start: int
    node: Node
    comma: int


def read(text: str) -> dict[str, Any]:
    """The document in a text; {} for none. Of a key that stands there twice the last counts. Raises Unfit."""
    if _is_blank(text):
        return {}
    value = _parse(text).value
    if not isinstance(value, dict):
        raise Misshapen("it holds something else than a JSON object")
    return value


def put(text: str, path: Path, value: Any) -> str:
    """The text with `value` at `path`, laid out as its neighbours are. Raises BadSyntax."""
    if _is_blank(text):
        text = (text.rstrip() + "\n" if text.strip("\ufeff \t\r\n") else text.rstrip()) + "{}\n"
    root = _parse(text)
    style = _Style.of(text, root)
    parent = _walk(root, path[:-1])
    part = _part(parent, path[-1])
    if part is not None:
        shown = style.show(value, style.indent_at(text, part.start), spread=not style.compact)
        return text[: part.node.start] + shown + text[part.node.end :]
    name = "" if isinstance(path[-1], int) else json.dumps(path[-1], ensure_ascii=False) + style.colon
    return _insert(text, parent, name, value, style)


def drop(text: str, path: Path) -> str:
    """The text without what is at `path`, with the comma and the line that belong to it. Raises BadSyntax."""
    parent = _walk(_parse(text), path[:-1])
    part = _part(parent, path[-1])
    if part is None:
        return text
    place = parent.parts.index(part)
    start = _line_start(text, part.start)
    end = part.node.end if part.comma < 0 else part.comma + 1
    if len(parent.parts) == 1:
        inside = text[parent.start + 1 : start] + text[end : parent.end - 1]
        return text[: parent.start + 1] + (inside if inside.strip() else "") + text[parent.end - 1 :]
    if place == len(parent.parts) - 1 and part.comma < 0:  # the comma before it has nothing to separate any more
        comma = parent.parts[place - 1].comma
        return text[:comma] + text[comma + 1 : start].rstrip(" \t") + text[end:]
    if start == part.start:  # in one line with others: the next one moves up
        end += len(text[end:]) - len(text[end:].lstrip(" \t"))
    return text[:start] + text[end:]


class _Style(NamedTuple):
    """How the file is laid out."""

    unit: str
    newline: str
    compact: bool  # all of it in one line
    colon: str
    comma: str

    @classmethod
    def of(cls, text: str, root: Node) -> _Style:
        newline = "\r\n" if "\r\n" in text else "\n"
        compact = bool(root.parts) and "\n" not in text[root.start : root.end]
        tight = compact and text[root.parts[0].start : root.parts[0].node.start].endswith('":')
        unit = next((found for part in root.parts if (found := cls.indent_at(text, part.start))), "  ")
        return cls(unit, newline, compact, ":" if tight else ": ", "," if tight else ", ")

    @staticmethod
    def indent_at(text: str, place: int) -> str:
        """The white space that begins the line."""
        begin = text.rfind("\n", 0, place) + 1
        found = re.compile(r"[ \t]*").match(text, begin, place)
        return found[0] if found else ""

    def show(self, value: Any, indent: str, *, spread: bool) -> str:
        if not spread:
            return json.dumps(value, ensure_ascii=False, separators=(self.comma, self.colon))
        lines = json.dumps(value, ensure_ascii=False, indent=self.unit).split("\n")
        return (self.newline + indent).join(lines)


def _insert(text: str, parent: Node, name: str, value: Any, style: _Style) -> str:
    outer = style.indent_at(text, parent.start)
    if not parent.parts:
        inner = outer + style.unit
        inside = text[parent.start + 1 : parent.end - 1]
        if style.compact:
            return text[: parent.end - 1] + name + style.show(value, "", spread=False) + text[parent.end - 1 :]
        shown = style.newline + inner + name + style.show(value, inner, spread=True) + style.newline + outer
        return text[: parent.start + 1] + inside.rstrip() + shown + text[parent.end - 1 :]
    last = parent.parts[-1]
    end = last.node.end if last.comma < 0 else last.comma + 1
    if "\n" not in text[parent.start : parent.parts[0].start]:  # in one line
        shown = name + style.show(value, outer, spread=False)
        return text[:end] + (style.comma + shown if last.comma < 0 else f" {shown},") + text[end:]
    inner = style.indent_at(text, parent.parts[0].start)
    shown = style.newline + inner + name + style.show(value, inner, spread=True)
    remark = _REST_OF_LINE.match(text, end)
    there = remark.end() if remark else end
    if last.comma < 0:
        return text[:end] + "," + text[end:there] + shown + text[there:]
    return text[:there] + shown + "," + text[there:]


def _walk(node: Node, path: Path) -> Node:
    for depth, step in enumerate(path):
        part = _part(node, step)
        if part is None:
            raise Misshapen(f"there is no {dotted(path[: depth + 1])}")
        node = part.node
    return node


def _part(node: Node, key: str | int) -> Part | None:
    return next((part for part in reversed(node.parts) if part.key == key), None)


def _line_start(text: str, place: int) -> int:
    """The end of the line before, if only white space stands before `place` in its own."""
    begin = text.rfind("\n", 0, place)
    if begin < 0 or text[begin:place].strip():
        return place
    return begin - 1 if text[begin - 1 : begin] == "\r" else begin


def _is_blank(text: str) -> bool:
    return _space(text, 0) == len(text)


def _space(text: str, place: int) -> int:
    found = _BETWEEN.match(text, place)
    return found.end() if found else place


def _parse(text: str) -> Node:
    node = _value(text, _space(text, 0), 0)
    end = _space(text, node.end)
    if end < len(text):
        raise _bad(text, end, "something follows after the end of the document")
    return node


def _value(text: str, place: int, depth: int) -> Node:
    if depth > DEEPEST:
        raise _bad(text, place, f"more than {DEEPEST} levels")
    opening = text[place : place + 1]
    if opening == "{":
        return _object(text, place, depth)
    if opening == "[":
        return _array(text, place, depth)
    try:
        value, end = _DECODER.raw_decode(text, place)
    except json.JSONDecodeError as why:
        what = "the file ends too early" if why.pos >= len(text) else "a value belongs here"
        if opening == '"':
            what = "this text has no end, or an escape that JSON does not know"
        raise _bad(text, why.pos, what) from None
    except ValueError as why:
        raise _bad(text, place, str(why)) from None
    return Node(place, end, value, [])


def _object(text: str, start: int, depth: int) -> Node:
    parts: list[Part] = []
    value: dict[str, Any] = {}
    place = _space(text, start + 1)
    while text[place : place + 1] != "}":
        if text[place : place + 1] != '"':
            raise _bad(text, place, _expected(text, place, "a name in double quotes, or }"))
        name = _value(text, place, depth + 1)
        colon = _space(text, name.end)
        if text[colon : colon + 1] != ":":
            raise _bad(text, colon, _expected(text, colon, "a colon"))
        node = _value(text, _space(text, colon + 1), depth + 1)
        value[name.value] = node.value
        comma, place = _comma(text, node.end, "}")
        parts.append(Part(name.value, name.start, node, comma))
    return Node(start, place + 1, value, parts)


def _array(text: str, start: int, depth: int) -> Node:
    parts: list[Part] = []
    place = _space(text, start + 1)
    while text[place : place + 1] != "]":
        node = _value(text, place, depth + 1)
        comma, place = _comma(text, node.end, "]")
        parts.append(Part(len(parts), node.start, node, comma))
    return Node(start, place + 1, [part.node.value for part in parts], parts)


def _comma(text: str, end: int, closing: str) -> tuple[int, int]:
    """The place of the comma (-1 for none), and of what comes next."""
    place = _space(text, end)
    if text[place : place + 1] == ",":
        return place, _space(text, place + 1)
    if text[place : place + 1] != closing:
        raise _bad(text, place, _expected(text, place, f"a comma, or {closing}"))
    return -1, place


def _expected(text: str, place: int, what: str) -> str:
    return f"the file ends where {what} belongs" if place >= len(text) else f"{what} belongs here"


def _bad(text: str, place: int, what: str) -> BadSyntax:
    line = text.count("\n", 0, place) + 1
    return BadSyntax(what, line, place - text.rfind("\n", 0, place))
