"""Every error has a code of its own and a close code that tells the truth about reconnecting."""

from __future__ import annotations

import re

import pytest

from hub import errors
from hub.errors import HubbubError, LimitHit, NameTaken, Unavailable, may_reconnect, tree

EVERY = tree()


def test_the_tree_has_every_error_of_the_module_once() -> None:
    defined = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, HubbubError)}
    assert len(EVERY) == len(set(EVERY))
    assert defined == set(EVERY)
    assert EVERY[0] is HubbubError


def test_the_picture_of_the_tree_has_every_error() -> None:
    drawn = re.findall(r"^    [ │├└─]*([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
    assert set(drawn) == {each.__name__ for each in EVERY}


def test_codes_are_unique_words() -> None:
    codes = [each.code for each in EVERY]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.code)
def test_the_close_code_says_whether_to_come_back(error: type[HubbubError]) -> None:
    assert 4000 <= error.close <= 4999
    assert may_reconnect(error.close) == issubclass(error, LimitHit | Unavailable)
    assert 400 <= error.status <= 599


@pytest.mark.parametrize(
    ("code", "again"),
    [(1000, True), (1006, True), (4000, True), (4499, True), (4500, False), (4999, False), (5000, True)],
)
def test_other_close_codes_may_be_tried_again(code: int, again: bool) -> None:
    assert may_reconnect(code) is again


def test_an_error_reads_as_what_happened_and_what_helps() -> None:
    assert str(NameTaken("alice is taken.", "alice-2 is free.")) == "alice is taken. alice-2 is free."
    assert str(NameTaken("alice is taken.")) == "alice is taken."
    assert NameTaken("x").hint is None
