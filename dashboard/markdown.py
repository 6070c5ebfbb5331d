"""A message's body read as Markdown: headings, lists, code, tables and links, and nothing that runs or loads.

HTML in it is text. There are no images, since one would tell its server who reads what; a link leads to a web page or
an e-mail address only, and is never followed by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

MOST = 16_000  # characters; what is longer is shown as text only: brackets that nobody closes take quadratic time

_LEADS_OUT = re.compile(r"(https?|mailto):", re.IGNORECASE)
_DEEPEST = 6  # level of a heading
_BELOW = 2  # the page's own heading and its section's come first


@lru_cache(maxsize=32)  # a page is drawn again whenever something is said
def markdown(text: str) -> Markup:
    """The HTML of at most MOST characters. Everything that is no Markdown of the above is escaped."""
    return Markup(_reader.render(text[:MOST]))  # noqa: S704 - made by the library, with HTML off


class _Plain(RendererHTML):
    """Without what a page's policy refuses or a reader could mistake for the page's own."""

    def link_open(self, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
        tokens[place].attrs |= {"rel": "noopener noreferrer nofollow", "target": "_blank"}
        return self.renderToken(tokens, place, options, env)

    def heading_open(self, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
        tokens[place].tag = _lower(tokens[place].tag)
        return self.renderToken(tokens, place, options, env)

    heading_close = heading_open

    def th_open(self, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
        tokens[place].attrs.pop("style", None)  # how a column is aligned: the page's policy forbids styles
        return self.renderToken(tokens, place, options, env)

    td_open = th_open


def _lower(tag: str) -> str:
    return f"h{min(_DEEPEST, int(tag[1:]) + _BELOW)}"


_reader = (
    MarkdownIt("commonmark", {"html": False, "breaks": True}, renderer_cls=_Plain)
    .enable(["table", "strikethrough"])
    .disable(["image", "html_block", "html_inline"])
)
_reader.validateLink = lambda url: bool(_LEADS_OUT.match(url))  # type: ignore[method-assign]
