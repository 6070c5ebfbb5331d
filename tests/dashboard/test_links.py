from __future__ import annotations

import pytest

from dashboard import links


@pytest.mark.parametrize(
    ("made", "link"),
    [
        (links.instance("alice"), "/instances/alice"),
        (links.instance("a/b c?"), "/instances/a%2Fb%20c%3F"),
        (links.conversation("Bob_2"), "/conversation?with=Bob_2"),
        (links.thread("release 2.4&x"), "/conversation?thread=release%202.4%26x"),
        (links.topic("build.linux"), "/conversation?topic=build.linux"),
        (links.topic("inbox.alice"), "/instances/alice"),
        (links.message("0198-ab", 7), "/messages/0198-ab"),
        (links.message("a/b", 7), "/messages/a%2Fb"),
        (links.message("..", 7), "/messages/7"),
        (links.message("", 7), "/messages/7"),
        (links.attachment("ab12", "x y"), "/api/v1/attachments/ab12?message=x%20y"),
    ],
)
def test_what_a_thing_is_called_makes_its_address(made: str, link: str) -> None:
    assert made == link
