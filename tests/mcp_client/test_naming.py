from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from hub.topic import MAX_NAME, name_key
from mcp_client.naming import TRIES, default_name, numbered


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/home/me/my-project", "my-project"),
        ("/home/me/my project (2)", "my-project-2"),
        ("/home/me/проект", "agent"),
        ("/", "agent"),
        ("/tmp/all", "all-agent"),
        ("/tmp/System", "System-agent"),
        ("/tmp/" + "x" * 50, "x" * MAX_NAME),
        ("/tmp/.config", "config"),
    ],
)
def test_the_default_name_is_the_folders_as_far_as_a_name_can_have_it(folder: str, name: str) -> None:
    assert default_name({}, Path(folder)) == name
    name_key(name)


def test_the_projects_folder_goes_before_the_working_one() -> None:
    assert default_name({"CLAUDE_PROJECT_DIR": "/home/me/shop"}, Path("/home/me/shop/src")) == "shop"


def test_numbers_are_appended_and_the_name_stays_one() -> None:
    assert list(islice(numbered("fred"), 3)) == ["fred", "fred-2", "fred-3"]
    for name in numbered("x" * MAX_NAME):
        name_key(name)
    assert len(set(numbered("x" * MAX_NAME))) == TRIES
