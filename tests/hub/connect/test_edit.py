from __future__ import annotations

from typing import Any

import pytest

from hub.connect import jsonc, toml
from hub.connect.edit import Edit, Form, Include, Misshapen, Put, Unfaithful, apply, revert, undoing

ENTRY = {"command": "/bin/hubbub", "args": ["mcp"]}
HOOK = {"hooks": [{"type": "command", "command": "hubbub hook Stop"}]}
OLDER = {"hooks": [{"type": "command", "command": "/old/hubbub hook Stop"}]}
EDITS: list[Edit] = [
    Put(("servers", "hubbub"), ENTRY),
    Include(("hooks", "Stop"), HOOK, OLDER),
    Include(("allow", "tools"), "a"),
    Include(("allow", "tools"), "b"),
]

BEFORE: list[tuple[Form, str]] = [
    (jsonc, "{}"),
    (jsonc, '{\n  "a": 1\n}\n'),
    (jsonc, '{"a":1}'),
    (jsonc, '{\n  // mine\n  "servers": {\n    "x": {} // theirs\n  },\n}\n'),
    (jsonc, '{\n  "hooks": {\n    "Stop": [\n      {"hooks": []}\n    ]\n  }\n}\n'),
    (jsonc, '{\n  "allow": {"tools": ["z"]}\n}\n'),
    (jsonc, '\ufeff{\r\n\t"servers": {\r\n\t\t"x": {}\r\n\t}\r\n}'),
    (toml, "# mine\na = 1\n"),
    (toml, '[servers.x]\ncommand = "x" # theirs\n\n[other]\nz = 1\n'),
    (toml, 'servers = { x = { command = "x" } }\n'),
    (toml, '[[hooks.Stop]]\nhooks = [{ type = "command", command = "mine" }]\n\n[z]\nb = 1\n'),
    (toml, '[servers.x]\na = 1\n[other]\nz = 1\n[servers.y]\nb = 1\n'),
    (toml, 'allow.tools = ["z"]\n'),
]  # fmt: skip


def by_hand(document: dict[str, Any]) -> dict[str, Any]:
    """What should stand there after EDITS."""
    document.setdefault("servers", {})["hubbub"] = ENTRY
    document.setdefault("hooks", {}).setdefault("Stop", []).append(HOOK)
    document.setdefault("allow", {}).setdefault("tools", []).extend(["a", "b"])
    return document


@pytest.mark.parametrize(("form", "text"), BEFORE)
def test_edits_are_there_once_and_leave_no_trace(form: Form, text: str) -> None:
    undo = undoing(form.read(text), EDITS)
    after = apply(form, text, EDITS)
    assert form.read(after) == by_hand(form.read(text))
    assert apply(form, after, EDITS) == after
    assert undoing(form.read(after), EDITS) == []
    assert revert(form, after, undo) == (text, [])


@pytest.mark.parametrize(("form", "text"), BEFORE)
def test_what_others_write_meanwhile_stays(form: Form, text: str) -> None:
    undo = undoing(form.read(text), EDITS)
    theirs: list[Edit] = [
        Put(("servers", "later"), {"command": "l"}),
        Include(("hooks", "Stop"), {"hooks": [{"x": 1}]}),
    ]
    after = apply(form, apply(form, text, EDITS), theirs)
    reverted, kept = revert(form, after, undo)
    assert kept == []
    assert form.read(reverted) == form.read(apply(form, text, theirs))


def test_what_others_have_made_of_ours_stays_and_is_named() -> None:
    undo = undoing({}, EDITS)
    after = apply(jsonc, apply(jsonc, "", EDITS), [Put(("servers", "hubbub", "args"), ["mcp", "--name", "bob"])])
    text, kept = revert(jsonc, after, undo)
    assert kept == ["servers.hubbub"]
    assert jsonc.read(text) == {"servers": {"hubbub": {**ENTRY, "args": ["mcp", "--name", "bob"]}}}


def test_what_others_have_removed_needs_no_undoing() -> None:
    undo = undoing({}, EDITS)
    assert revert(jsonc, "{}", undo) == ("{}", [])
    assert revert(jsonc, '{"servers": {}}', undo) == ('{"servers": {}}', [])


def test_a_value_that_was_there_comes_back() -> None:
    text = '{\n  "servers": {\n    "hubbub": 1 // mine\n  }\n}'
    undo = undoing(jsonc.read(text), [EDITS[0]])
    assert revert(jsonc, apply(jsonc, text, [EDITS[0]]), undo) == (text, [])


def test_an_item_is_replaced_in_its_place_and_comes_back() -> None:
    text = '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "/old/hubbub hook Stop"}]}, 2]}}'
    edits = [EDITS[1]]
    after = apply(jsonc, text, edits)
    assert jsonc.read(after)["hooks"]["Stop"] == [HOOK, 2]
    assert revert(jsonc, after, undoing(jsonc.read(text), edits)) == (text, [])


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"servers": []}', "servers is a list"),
        ('{"servers": null}', "servers is null"),
        ('{"hooks": {"Stop": {}}}', "hooks.Stop is a table"),
        ('{"hooks": "none"}', "hooks is a text"),
        ('{"allow": 3}', "allow is a number"),
    ],
)
def test_a_document_of_another_shape_is_refused_and_says_where(text: str, where: str) -> None:
    with pytest.raises(Misshapen, match=where):
        apply(jsonc, text, EDITS)


def test_an_edit_that_would_change_something_else_is_not_made() -> None:
    class Careless:
        read = staticmethod(jsonc.read)
        drop = staticmethod(jsonc.drop)

        @staticmethod
        def put(_text: str, _path: Any, _value: Any) -> str:
            return "{}"

    with pytest.raises(Unfaithful):
        apply(Careless, '{"a": 1}', [Put(("b",), 2)])
