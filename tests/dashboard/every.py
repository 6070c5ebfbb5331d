"""Every page there is, by an address at which it shows something of a given hour: for tests that hold of all of them.

A page with a part of its path to fill in, or with a query worth a look, has its line in EXAMPLES.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dashboard import links
from dashboard.views import VIEWS


def _instance(hour: dict[str, Any]) -> str:
    names = [each["name"] for each in hour["instances"] if "/" not in each["name"]]  # which no name may hold
    return links.instance(next(iter(names), "nobody"))


def _message(hour: dict[str, Any]) -> str:
    said = [each for each in hour["recent"] if not each["topic"].startswith("$")]
    return f"/messages/{next((each['offset'] for each in said if each['data'] or each['attachments']), 1)}"


EXAMPLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "/instances/{name}": _instance,
    "/messages/{id:path}": _message,
    # Further ones of a page: their key is no path, and tells them apart.
    "/messages/{id:path} as Markdown": lambda hour: f"{_message(hour)}?as=markdown",
    "/search for words": lambda hour: "/search?q=redirect+log",
    "/conversation for reading": lambda hour: "/conversation?view=read",
    "/conversation of then": lambda hour: "/conversation?at=4711",
    "/cost of then": lambda hour: "/cost?at=4711",
    "/instances/{name} of then": lambda hour: f"{_instance(hour)}?at=4711",
}

PATHS: tuple[str, ...] = tuple(dict.fromkeys([*(view.path for view in VIEWS), *EXAMPLES]))


def address(path: str, hour: dict[str, Any]) -> str:
    """Where the page is that stands under a path, or under a key of EXAMPLES. Raises KeyError where there is no such
    example: a path with a part to fill in needs one."""
    return EXAMPLES[path](hour) if path in EXAMPLES or "{" in path else path
