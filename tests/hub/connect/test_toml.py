from __future__ import annotations

from typing import Any

import pytest

from hub.connect import toml
from hub.connect.edit import BadSyntax, Unfaithful, Unfit

SERVER = {"command": "/bin/hubbub", "args": ["mcp"]}
HOOK = {"hooks": [{"type": "command", "command": "hubbub hook Stop"}]}

PUT: list[tuple[str, str, tuple[str | int, ...], Any, str]] = [
    ("into nothing", "", ("m", "h"), SERVER, '[m.h]\ncommand = "/bin/hubbub"\nargs = ["mcp"]\n'),
    ("under values", "a = 1 # one\n", ("m", "h"), {"b": 1}, "a = 1 # one\n\n[m.h]\nb = 1\n"),
    ("without a last line end", "a = 1", ("m", "h"), {"b": 1}, "a = 1\n\n[m.h]\nb = 1\n"),
    ("behind other tables", "[m.x]\nb = 1\n[z]\n", ("m", "h"), {"b": 1}, "[m.x]\nb = 1\n[z]\n\n[m.h]\nb = 1\n"),
    ("into braces", "m = { x = { b = 1 } }\n", ("m", "h"), {"b": 1}, "m = { x = { b = 1 }, h = {b = 1}}\n"),
    ("a value", "[m.h]\nb = 1 # one\n", ("m", "h", "b"), 2, "[m.h]\nb = 2 # one\n"),
    ("a new value", "[m.h]\nb = 1\n[z]\n", ("m", "h", "c"), 2, "[m.h]\nb = 1\nc = 2\n[z]\n"),
    ("a list of tables", "", ("hooks", "Stop"), [{"a": [{"b": 1}]}], "[[hooks.Stop]]\n[[hooks.Stop.a]]\nb = 1\n"),
    ("an item in braces", "h.s = [{a = 1}]\n", ("h", "s", 1), {"a": 2}, "h.s = [{a = 1}, {a = 2}]\n"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "path", "value", "after"), [row[1:] for row in PUT], ids=[row[0] for row in PUT])
def test_put(text: str, path: tuple[str | int, ...], value: Any, after: str) -> None:
    whole = value
    depth = next(depth for depth in range(len(path), 0, -1) if _has(toml.read(text), path[: depth - 1]))
    for step in reversed(path[depth:]):
        whole = [whole] if isinstance(step, int) else {step: whole}
    assert toml.put(text, path[:depth], whole) == after


def _has(document: Any, path: tuple[str | int, ...]) -> bool:
    for step in path:
        try:
            document = document[step]
        except (KeyError, IndexError):
            return False
    return True


def test_an_item_is_added_behind_the_others_of_its_list() -> None:
    text = '[[hooks.Stop]]\nhooks = [{ type = "command", command = "mine" }]\n\n[z]\n'
    after = toml.put(text, ("hooks", "Stop", 1), HOOK)
    assert toml.read(after)["hooks"]["Stop"] == [*toml.read(text)["hooks"]["Stop"], HOOK]
    assert after.index("hubbub hook") < after.index("[z]")


@pytest.mark.parametrize(
    ("text", "path", "after"),
    [
        ("a = 1\n\n[m.h]\nb = 1\n", ("m", "h"), "a = 1\n"),
        ("[m.h]\nb = 1\n\n[m.x]\nc = 1\n", ("m", "h"), "[m.x]\nc = 1\n"),
        ("[m.h]\nb = 1\nc = 2 # two\n", ("m", "h", "b"), "[m.h]\nc = 2 # two\n"),
    ],
)
def test_drop(text: str, path: tuple[str | int, ...], after: str) -> None:
    assert toml.drop(text, path) == after


@pytest.mark.parametrize(("text", "line"), [("a = \n", 1), ("a = 1\n[b\n", 2), ("x = 1\ny = '\n", 2)])
def test_what_is_broken_is_named_with_its_line(text: str, line: int) -> None:
    with pytest.raises(BadSyntax, match=rf"line {line}, column \d+: "):
        toml.read(text)


def test_a_key_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(Unfit, match="a"):
        toml.read("a = 1\na = 2\n")


def test_a_text_that_would_not_come_back_as_it_was_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import tomlkit

    monkeypatch.setattr(tomlkit.TOMLDocument, "as_string", lambda _: "something else")
    with pytest.raises(Unfaithful):
        toml.read("a = 1\n")
