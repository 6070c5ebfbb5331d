"""What the hub says to people names commands between backticks; on a page they are code."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_COMMAND = re.compile("`([^`\n]+)`")


def commands(text: str) -> Markup:
    """The text escaped, with what stands between two backticks of one line as code."""
    return Markup(_COMMAND.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped here
