"""Text in, text out: what is not concerned stays, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.connect import jsonc
from hub.connect.edit import BadSyntax, Misshapen, Unfit

ONE = {"command": "x"}

READ: list[tuple[str, Any]] = [
    ("", {}),
    (" \r\n\t", {}),
    ("// nothing yet\n/* at all */", {}),
    ("\ufeff{}", {}),
    ('{"a": [1, -2.5e3, true, false, null, "é\\n\\u00e9"]}', {"a": [1, -2500.0, True, False, None, "é\né"]}),
    ('{"a": 1, "a": 2}', {"a": 2}),
    ('{"a": 1,}', {"a": 1}),
    ('{"a": [1,],}', {"a": [1]}),
    ('{ // one\n "a" /* two */ : /* three */ 1 // four\n}', {"a": 1}),
    ('{"url": "https://a.b//c /* no comment */"}', {"url": "https://a.b//c /* no comment */"}),
    ('{"a": "tab\there"}', {"a": "tab\there"}),
]

BROKEN: list[tuple[str, int, int, str]] = [
    ("{", 1, 2, "the file ends"),
    ('{"a": 1', 1, 8, "the file ends where a comma"),
    ('{\n  "a": 1\n  "b": 2\n}', 3, 3, "a comma, or }"),
    ('{"a" 1}', 1, 6, "a colon"),
    ("{a: 1}", 1, 2, "a name in double quotes"),
    ('{"a": }', 1, 7, "a value belongs here"),
    ('{"a": 1}}', 1, 9, "something follows"),
    ('{"a": "x\n', 1, 7, "this text has no end"),
    ('{"a": NaN}', 1, 7, "NaN is no JSON"),
    ('{"a": 1,,}', 1, 9, "a name in double quotes"),
    ('{"a": 1 /* open }', 1, 9, "a comma"),
    ("[" * 300, 1, 202, "more than 200 levels"),
]

PUT: list[tuple[str, str, tuple[str | int, ...], Any, str]] = [
    ("into nothing", "", ("a",), 1, '{\n  "a": 1\n}\n'),
    ("under a comment", "// mine\n", ("a",), 1, '// mine\n{\n  "a": 1\n}\n'),
    ("into an empty object", "{}", ("a",), ONE, '{\n  "a": {\n    "command": "x"\n  }\n}'),
    ("into one with a remark", "{\n  // mine\n}\n", ("a",), 1, '{\n  // mine\n  "a": 1\n}\n'),
    (
        "behind the last",
        '{\n    "a": 1\n}\n',
        ("b",),
        ONE,
        '{\n    "a": 1,\n    "b": {\n        "command": "x"\n    }\n}\n',
    ),
    ("with tabs", '{\n\t"a": 1\n}', ("b",), 2, '{\n\t"a": 1,\n\t"b": 2\n}'),
    (
        "with Windows' lines",
        '{\r\n  "a": 1\r\n}\r\n',
        ("b",),
        [2],
        '{\r\n  "a": 1,\r\n  "b": [\r\n    2\r\n  ]\r\n}\r\n',
    ),
    ("behind a remark", '{\n  "a": 1 // one\n}', ("b",), 2, '{\n  "a": 1, // one\n  "b": 2\n}'),
    ("behind a comma", '{\n  "a": 1, // one\n}', ("b",), 2, '{\n  "a": 1, // one\n  "b": 2,\n}'),
    ("in one line", '{"a": 1}', ("b",), [2], '{"a": 1, "b": [2]}'),
    ("in one tight line", '{"a":1}', ("b",), [2, 3], '{"a":1,"b":[2,3]}'),
    ("in one line inside", '{\n  "a": {"b": 1}\n}', ("a", "c"), 2, '{\n  "a": {"b": 1, "c": 2}\n}'),
    ("in one line with a comma", '{\n  "a": {"b": 1,}\n}', ("a", "c"), 2, '{\n  "a": {"b": 1, "c": 2,}\n}'),
    (
        "deeper",
        '{\n  "a": {\n    "b": 1\n  },\n  "z": 0\n}',
        ("a", "c"),
        2,
        '{\n  "a": {\n    "b": 1,\n    "c": 2\n  },\n  "z": 0\n}',
    ),
    ("into an empty one inside", '{\n  "a": {}\n}', ("a", "b"), 1, '{\n  "a": {\n    "b": 1\n  }\n}'),
    ("instead of a value", '{\n  "a": 1, // one\n  "b": 2\n}', ("a",), "é", '{\n  "a": "é", // one\n  "b": 2\n}'),
    ("instead of the value that counts", '{"a": 1, "a": 2}', ("a",), 3, '{"a": 1, "a": 3}'),
    ("an item", '{\n  "a": [\n    "x"\n  ]\n}', ("a", 1), "y", '{\n  "a": [\n    "x",\n    "y"\n  ]\n}'),
    ("an item in one line", '{"a": ["x"]}', ("a", 1), "y", '{"a": ["x", "y"]}'),
    ("instead of an item", '{"a": ["x", "z"]}', ("a", 0), "y", '{"a": ["y", "z"]}'),
    ("a mark at the beginning", '\ufeff{"a": 1}', ("b",), 2, '\ufeff{"a": 1, "b": 2}'),
    ("a name with quotes", "{}", ('a"b',), 1, '{\n  "a\\"b": 1\n}'),
]

DROP: list[tuple[str, str, tuple[str | int, ...], str]] = [
    ("the only one", '{\n  "a": 1\n}\n', ("a",), "{}\n"),
    ("the only one beside a remark", '{\n  // mine\n  "a": 1\n}', ("a",), "{\n  // mine\n}"),
    ("the first", '{\n  "a": 1,\n  "b": 2\n}', ("a",), '{\n  "b": 2\n}'),
    ("the last", '{\n  "a": 1, // one\n  "b": 2\n}', ("b",), '{\n  "a": 1 // one\n}'),
    ("the last before a comma", '{\n  "a": 1,\n  "b": 2,\n}', ("b",), '{\n  "a": 1,\n}'),
    ("the first in a line", '{"a": 1, "b": 2}', ("a",), '{"b": 2}'),
    ("the middle in a line", '{"a": 1, "b": 2, "c": 3}', ("b",), '{"a": 1, "c": 3}'),
    ("the last in a line", '{"a": 1, "b": 2}', ("b",), '{"a": 1}'),
    ("an item", '{"a": ["x", "y"]}', ("a", 0), '{"a": ["y"]}'),
    ("with Windows' lines", '{\r\n  "a": 1,\r\n  "b": 2\r\n}', ("b",), '{\r\n  "a": 1\r\n}'),
    ("what is not there", '{"a": 1}', ("b",), '{"a": 1}'),
]


@pytest.mark.parametrize(("text", "value"), READ)
def test_what_people_write_is_read(text: str, value: Any) -> None:
    assert jsonc.read(text) == value


@pytest.mark.parametrize(("text", "line", "column", "what"), BROKEN)
def test_what_is_broken_is_named_with_its_place(text: str, line: int, column: int, what: str) -> None:
    with pytest.raises(BadSyntax) as raised:
        jsonc.read(text)
    assert str(raised.value).startswith(f"line {line}, column {column}: {what}")


@pytest.mark.parametrize("text", ["[]", "1", '"x"', "null"])
def test_another_value_than_an_object_is_refused(text: str) -> None:
    with pytest.raises(Misshapen):
        jsonc.read(text)


@pytest.mark.parametrize(("text", "path", "value", "after"), [row[1:] for row in PUT], ids=[row[0] for row in PUT])
def test_put(text: str, path: tuple[str | int, ...], value: Any, after: str) -> None:
    assert jsonc.put(text, path, value) == after


@pytest.mark.parametrize(("text", "path", "after"), [row[1:] for row in DROP], ids=[row[0] for row in DROP])
def test_drop(text: str, path: tuple[str | int, ...], after: str) -> None:
    assert jsonc.drop(text, path) == after


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=3), VALUES, min_size=1, max_size=4)
LAYOUTS = st.sampled_from([{}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}, {"indent": 0}])


@given(OBJECTS, LAYOUTS, VALUES)
def test_what_was_put_beside_others_and_dropped_leaves_no_trace(document: Any, layout: Any, value: Any) -> None:
    text = json.dumps(document, **layout)
    longer = jsonc.put(text, ("new one",), value)
    assert jsonc.read(longer) == {**document, "new one": value}
    assert jsonc.drop(longer, ("new one",)) == text


@given(OBJECTS, LAYOUTS, VALUES)
def test_the_rest_says_what_it_said_whichever_is_replaced_or_dropped(document: Any, layout: Any, value: Any) -> None:
    text = json.dumps(document, **layout)
    for key in document:
        assert jsonc.read(jsonc.put(text, (key,), value)) == {**document, key: value}
        assert jsonc.read(jsonc.drop(text, (key,))) == {each: document[each] for each in document if each != key}


@given(st.text(alphabet='{}[]":,/* \n1ab\\', max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        value = jsonc.read(text)
    except Unfit:
        value = None
    try:
        strict = json.loads(text)
    except ValueError:
        strict = value  # what only people may write
    assert value == (strict if isinstance(strict, dict) else None)
