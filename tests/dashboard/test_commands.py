"""Commands in what the hub says."""

from __future__ import annotations

import pytest

from dashboard.commands import commands


@pytest.mark.parametrize(
    ("said", "drawn"),
    [
        ("`hubbub ls` shows who has.", "<code>hubbub ls</code> shows who has."),
        ("either `a` or `b`", "either <code>a</code> or <code>b</code>"),
        ("a ` alone", "a ` alone"),
        ("`two\nlines`", "`two\nlines`"),
        ("`<img src=x>` & <b>", "<code>&lt;img src=x&gt;</code> &amp; &lt;b&gt;"),
    ],
)
def test_a_command_is_code_and_nothing_else_is_more_than_text(said: str, drawn: str) -> None:
    assert commands(said) == drawn
