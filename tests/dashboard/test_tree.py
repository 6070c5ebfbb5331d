from __future__ import annotations

from typing import Any

import pytest

from dashboard.tree import DEEPEST, LONGEST, MOST, Node, tree


@pytest.mark.parametrize(
    ("data", "nodes"),
    [
        ("text", [Node(key="", kind="text", text="text")]),
        (0, [Node(key="", kind="number", text="0")]),
        (False, [Node(key="", kind="word", text="false")]),
        ([], [Node(key="", kind="list", text="0 values")]),
        ({}, [Node(key="", kind="object", text="0 keys")]),
        (["a", None], [Node(key="0", kind="text", text="a"), Node(key="1", kind="word", text="null")]),
        (
            {"by": {"linux": 12.5}},
            [Node(key="by", kind="object", text="1 key", children=[Node(key="linux", kind="number", text="12.5")])],
        ),
        ({"\x1b[2J": "\x07"}, [Node(key="␛[2J", kind="text", text="␇")]),
        ("x" * (LONGEST + 1), [Node(key="", kind="text", text="x" * LONGEST + "…")]),
    ],
)
def test_data_is_told_as_a_tree(data: Any, nodes: list[Node]) -> None:
    assert tree(data) == nodes


def test_a_wide_tree_says_what_it_leaves_out() -> None:
    nodes = tree(list(range(MOST + 5)))
    assert len(nodes) == MOST + 1
    assert (nodes[-1].kind, nodes[-1].text) == ("more", "5 more values left out")


def test_a_deep_tree_says_what_it_leaves_out() -> None:
    data: Any = ["the end"]
    for _ in range(200):
        data = [data]
    depth, node = 1, tree(data)[0]
    while node.children:
        depth, node = depth + 1, node.children[0]
    assert (depth, node.kind, node.text) == (DEEPEST, "more", "1 value left out, this deep")


def test_all_levels_share_one_bound() -> None:
    def count(nodes: list[Node]) -> int:
        return sum(1 + count(node.children) for node in nodes)

    assert count(tree([list(range(100)) for _ in range(100)])) <= MOST + 102
